"""The playground port: ask, stream, count, price, and keep exactly one ledger row, however it ends."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from genai_tui.domain.chat import Answered, ChatEvent, ChatRequest
from genai_tui.domain.money import Cost, Price
from genai_tui.domain.rows import Ref
from genai_tui.domain.usage import RequestRecord, Source
from genai_tui.errors import GenaiTuiError
from genai_tui.inference.client import Answer, Target, get_json, stream_chat
from genai_tui.inference.samples import sample


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a deployment when it is asked: names for the ledger, the price in force, the public address."""

    model: str
    price: Price | None
    base_url: str


Resolve = Callable[[Ref], Awaitable[Target]]
Record = Callable[[RequestRecord], Awaitable[Cost | None]]


class EnginePlayground:
    """Implements `services.Playground`."""

    def __init__(
        self,
        resolve: Resolve,
        know: Callable[[Ref], Known],
        record: Record,
        *,
        cluster: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._resolve, self._know, self._record = resolve, know, record
        self._cluster, self._clock = cluster, clock

    async def ask(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """Stream the answer; the last event is `Answered`. Raises what the client raises, after it was recorded."""
        began, known = self._clock(), self._know(request.ref)
        answer, status = Answer(), "cancelled"
        try:
            target = await self._resolve(request.ref)
            async with aclosing(stream_chat(target, request, answer)) as pieces:
                async for piece in pieces:
                    yield piece
            status = "ok"
        except GenaiTuiError:
            status = "error"
            raise
        finally:
            if status != "ok":
                await self._keep(request, known, answer, began, status)
        cost = await self._keep(request, known, answer, began, status)
        done = answer.finished()
        yield Answered(done.text, done.finish_reason, done.usage, done.timings, cost)

    async def _keep(
        self, request: ChatRequest, known: Known, answer: Answer, began: datetime, status: str
    ) -> Cost | None:
        done = answer.finished()
        return await self._record(
            RequestRecord(
                id=uuid.uuid4().hex,
                at=began,
                source=Source(request.source),
                cluster=self._cluster,
                namespace=request.ref.namespace,
                deployment=request.ref.name,
                model=known.model,
                usage=done.usage,
                price=known.price,
                timings=done.timings,
                status=status,
                finish_reason=done.finish_reason,
            )
        )

    async def context_length(self, ref: Ref) -> int | None:
        """`max_model_len` of /v1/models."""
        try:
            data = await get_json(await self._resolve(ref), "/v1/models")
        except GenaiTuiError:
            return None
        entries = data.get("data")
        found = entries[0].get("max_model_len") if isinstance(entries, list) and entries else None
        return found if isinstance(found, int) else None

    async def sample_code(self, ref: Ref, language: Literal["curl", "python", "node"]) -> str:
        """A request in code to the deployment's public address."""
        return sample(language, self._know(ref).base_url, ref.name)
