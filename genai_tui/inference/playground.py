"""The playground port: ask, stream, count, price, and keep exactly one ledger row, however it ends."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from genai_tui.domain.catalogue import UseCase
from genai_tui.domain.chat import Answered, ChatEvent, ChatRequest, Message
from genai_tui.domain.money import Cost, Price
from genai_tui.domain.rows import Ref
from genai_tui.domain.usage import RequestRecord, Source, Timings
from genai_tui.errors import GenaiTuiError, NotFound
from genai_tui.inference import serving
from genai_tui.inference.client import SILENCE_LIMIT_S, Answer, Target, stream_chat
from genai_tui.inference.samples import Language, sample

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a deployment when it is asked.

    Attributes:
        model: its name for the ledger.
        price: the one in force.
        base_url: of its samples.
        called: its name at that address.
        public: base URL at which developers reach it; empty where none is known.
        recorded: whether the gateway there records each request in this ledger itself.
        doubt: what is a guess about `base_url`; empty for nothing.
        use: what its model is for; decides what its samples ask.
    """

    model: str
    price: Price | None
    base_url: str
    called: str
    public: str = ""
    recorded: bool = False
    doubt: str = ""
    use: UseCase = UseCase.CHAT


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
        way: Callable[[Ref], str] = lambda _: "",
        learn: Callable[[Ref], Awaitable[None]] | None = None,
        developer: Callable[[str, str | None], EnginePlayground] | None = None,
        silence_s: float = SILENCE_LIMIT_S,
    ) -> None:
        """Put it together.

        Args:
            resolve: the way to a deployment's engine.
            know: what is known of a deployment.
            record: keeps a finished request and gives its cost.
            cluster: the cluster's name in the ledger.
            clock: the time, in UTC.
            way: how a deployment's engine is reached, in words.
            learn: finds out what `know` says of public addresses; None: there is nothing to find out.
            developer: the same at a public address with an API key.
            silence_s: how long an engine may say nothing before it is given up.
        """
        self._resolve, self._know, self._record = resolve, know, record
        self._cluster, self._clock, self._silence_s = cluster, clock, silence_s
        self._way, self._learn, self._developer = way, learn, developer

    async def ask(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """Stream the answer; the last event is `Answered`. Raises what the client raises, after it was recorded.

        A ledger that fails is said after the answer was given: an answer is never withheld for it.
        """
        began, known = self._clock(), self._know(request.ref)
        answer = Answer()
        try:
            target = await self._resolve(request.ref)
            answer.recorded = known.recorded and target.gateway
            async with aclosing(stream_chat(target, request, answer, silence_s=self._silence_s)) as pieces:
                async for piece in pieces:
                    yield piece if piece.usage is None else replace(piece, cost=piece.usage.cost(known.price))
        except (GeneratorExit, asyncio.CancelledError):
            await self._keep(request, known, answer, began, "cancelled")
            raise
        except Exception:
            # Whatever it was: it is a row of the ledger, and goes on to whoever asked.
            try:
                await self._keep(request, known, answer, began, "error")
            except GenaiTuiError as failure:
                # What went wrong first is what the operator must hear.
                log.warning("a failed request is not in the ledger: %s", failure.problem.line)
            raise
        cost = answer.usage.cost(known.price) if answer.usage is not None else None
        unkept: GenaiTuiError | None = None
        try:
            await self._keep(request, known, answer, began, "ok")
        except GenaiTuiError as error:
            unkept = error
        timings = answer.timings() or Timings(None, 0.0, None)
        yield Answered(
            answer.text, answer.reason, answer.usage, timings, cost, answer.tool_calls, tuple(answer.chances)
        )
        if unkept is not None:
            raise unkept

    async def _keep(self, request: ChatRequest, known: Known, answer: Answer, began: datetime, status: str) -> None:
        if answer.recorded:
            return
        await self._record(
            RequestRecord(
                id=uuid.uuid4().hex,
                at=began,
                source=Source(request.source),
                cluster=self._cluster,
                namespace=request.ref.namespace,
                deployment=request.ref.name,
                model=known.model,
                usage=answer.usage,
                price=known.price,
                timings=answer.timings(),
                status=status,
                finish_reason=answer.reason,
            )
        )

    async def context_length(self, ref: Ref) -> int | None:
        """`max_model_len` of /v1/models; None where the engine does not say it."""
        return await serving.context_length(await self._resolve(ref))

    async def public_address(self, ref: Ref) -> str:
        """Where its endpoint, or the embedded gateway, answers developers."""
        return (await self._learnt(ref)).public

    async def _learnt(self, ref: Ref) -> Known:
        if self._learn is not None:
            await self._learn(ref)
        return self._know(ref)

    def as_developer(self, address: str, key: str | None) -> EnginePlayground:
        """Asked there, with that key."""
        if self._developer is None:
            raise NotFound("nothing is known of public addresses here")
        return self._developer(address, key)

    def way(self, ref: Ref) -> str:
        """How requests get there from here, and why that way; empty when not known."""
        return self._way(ref)

    async def count_tokens(
        self, ref: Ref, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()
    ) -> int | None:
        """Asked from the engine's /tokenize."""
        return await serving.count_tokens(await self._resolve(ref), tuple(messages), tuple(tools))

    async def sample_code(self, ref: Ref, language: Language, request: ChatRequest | None = None) -> str:
        """A request in code to the deployment's public address."""
        known = await self._learnt(ref)
        return sample(language, known.base_url, known.called, request, use=known.use, doubt=known.doubt)
