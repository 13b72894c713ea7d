"""One request that was let in: to the engine and back, charged once and recorded once, however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import httpx
import msgspec
from starlette.types import Receive, Send

from genai_tui.domain.usage import RequestRecord, Timings, TokenUsage
from genai_tui.gateway.asking import Asked
from genai_tui.gateway.directory import Served
from genai_tui.gateway.refusals import SERVER, Refused, error_body, no_engine, silent_engine
from genai_tui.gateway.stream import Passage, Whole

log = logging.getLogger(__name__)

CONNECT_LIMIT_S = 10.0
SILENCE_LIMIT_S = 300.0
"""A queue or a long prompt may keep an engine silent for minutes."""
ANSWER_LIMIT = 128 * 2**20
COUNT_LIMIT_S = 5.0
COUNTED, ESTIMATED = "tokens counted by the tokenizer", "tokens estimated"
"""The finish reasons of answers that were not told to their end, and so without the engine's own usage."""
_QUESTION = ("messages", "prompt", "input", "query", "documents")
_whole = msgspec.json.Decoder(Whole)


class Way(Protocol):
    """How an engine is reached: a client and the path under which its own paths are (`kube.reach.Route`)."""

    @property
    def client(self) -> httpx.AsyncClient:
        """The client."""
        ...

    @property
    def base(self) -> str:
        """The path, without a slash at its end."""
        ...


@dataclass(frozen=True, slots=True)
class Begun:
    """A request that was let in. `record` is what is known of it so far; `headers` go with the answer."""

    asked: Asked
    served: Served
    record: RequestRecord
    headers: Mapping[str, str]
    at: float


class Exchange:
    """Passes one request on. `run` returns, or raises Refused while nothing has been sent."""

    def __init__(
        self, begun: Begun, way: Way, finished: Callable[[RequestRecord, int], None], silence_s: float = SILENCE_LIMIT_S
    ) -> None:
        """Prepare.

        Args:
            begun: the request.
            way: to the engine.
            finished: is told once what the row is, and how many tokens are charged.
            silence_s: how long the engine may say nothing.
        """
        self._begun, self._way, self._finished, self._silence_s = begun, way, finished, silence_s
        self._passage = Passage(asked_usage=begun.asked.asked_usage, asked_running=begun.asked.asked_running)
        self._first: float | None = None
        self._last = begun.at
        self._headed = self._done = self._taken = False
        self._how = ""
        self.status_code = 0

    async def run(self, receive: Receive, send: Send) -> None:
        """Send on, answer, charge, record.

        Raises:
            Refused: 502 or 504, before anything was sent.
        """
        passing = asyncio.create_task(self._pass(send))
        leaving = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait({passing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not passing.done():
                passing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await passing
        except BaseException:
            self._end("error")
            raise
        finally:
            for task in (passing, leaving):
                task.cancel()
            if not self._done:
                await asyncio.shield(self._settle())

    async def _pass(self, send: Send) -> None:
        begun, client = self._begun, self._way.client
        body = begun.asked.for_engine(begun.served.ref.name)
        # Nothing else of the client's headers: its key is ours to check, and the engine's business with us is its own.
        request = client.build_request(
            "POST",
            f"{self._way.base}{begun.asked.path}",
            content=self._handed(body),
            headers={
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                "Accept": "*/*",
                "Accept-Encoding": "identity",
            },
            timeout=httpx.Timeout(self._silence_s, connect=CONNECT_LIMIT_S, pool=CONNECT_LIMIT_S),
        )
        try:
            response = await client.send(request, stream=True)
            try:
                kind = response.headers.get("content-type", "")
                if response.status_code == 200 and kind.startswith("text/event-stream"):
                    await self._stream(response, send)
                else:
                    await self._answer(response, send)
            finally:
                await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            await self._broken(no_engine(str(begun.served.ref)), error, send)
        except httpx.TimeoutException as error:
            if not self._headed:
                await self._settle("error", took_prompt=self._taken)
            await self._broken(silent_engine(str(begun.served.ref), self._silence_s), error, send)
        except (httpx.HTTPError, httpx.StreamError, ValueError) as error:
            await self._broken(no_engine(str(begun.served.ref)), error, send)

    async def _handed(self, body: bytes) -> AsyncIterator[bytes]:
        """The body, noting that the engine is reached: from now on it may work on the prompt."""
        self._taken = True
        yield body

    async def _stream(self, response: httpx.Response, send: Send) -> None:
        passage = self._passage
        await self._head(200, {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}, send)
        async for data in response.aiter_raw():
            out = passage.feed(data)
            self._note_progress()
            if passage.final:
                self._end("error" if passage.failed else "ok")
            if out:
                await send({"type": "http.response.body", "body": out, "more_body": True})
        self._end("ok" if passage.reason and not passage.failed else "error")
        await send({"type": "http.response.body", "body": passage.ended(), "more_body": False})

    async def _answer(self, response: httpx.Response, send: Send) -> None:
        """An answer that is not streamed, or an error: read whole, since its usage is in it."""
        body = await _read(response)
        status = response.status_code
        if status >= 400:
            refused = _engine_error(status, body, str(self._begun.served.ref))
            if refused is not None:
                raise refused
            self._end("error")
        else:
            self._note_whole(body)
            self._end("ok")
        kind = response.headers.get("content-type", "application/json")
        more = {"retry-after": response.headers["retry-after"]} if "retry-after" in response.headers else {}
        await self._head(status, {"content-type": kind, "content-length": str(len(body)), **more}, send)
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _note_whole(self, body: bytes) -> None:
        passage = self._passage
        with contextlib.suppress(msgspec.MsgspecError):
            answer = _whole.decode(body)
            passage.usage = answer.usage.value() if answer.usage is not None else None
            passage.reason = next((c.finish_reason for c in answer.choices or () if c.finish_reason), "")
        self._last = time.perf_counter()

    def _note_progress(self) -> None:
        if self._passage.pieces:
            self._last = time.perf_counter()
            self._first = self._first or self._last

    async def _head(self, status: int, headers: Mapping[str, str], send: Send) -> None:
        self._headed, self.status_code = True, status
        pairs = [(name.encode(), value.encode("latin-1")) for name, value in {**self._begun.headers, **headers}.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})

    async def _broken(self, refused: Refused, error: Exception, send: Send) -> None:
        """The engine does not answer, or stops in the middle: an error, inside the stream where one has begun."""
        log.warning("%s: %s: %s", self._begun.served.ref, type(error).__name__, error)
        if not self._headed:
            raise refused from error
        await self._settle("error")
        event = b"data: " + error_body("The engine broke off its answer.", SERVER, "engine_broke_off") + b"\n\n"
        await send({"type": "http.response.body", "body": event, "more_body": False})

    # -- charging and recording ---------------------------------------------------------------------------------

    async def _settle(self, status: str = "cancelled", *, took_prompt: bool = False) -> None:
        """The end of an answer that was not told to its end: what the engine made of it is charged.

        A prompt the engine was given is charged to a client that leaves, and where `took_prompt` says so; what was
        generated and not told of is not known and not charged.
        """
        passage = self._passage
        left = status == "cancelled" and self._taken
        if not self._done and passage.usage is None and (passage.pieces or left or took_prompt):
            counted = await self._counted()
            self._how = COUNTED if counted is not None else ESTIMATED
            passage.usage = counted or _estimated(self._begun.asked.data, passage.pieces)
        self._end(status)

    async def _counted(self) -> TokenUsage | None:
        """Tokens of question and answer so far, as the engine's own tokenizer counts them; None where it cannot."""
        data = self._begun.asked.data
        name = self._begun.served.ref.name
        question: dict[str, object] = {key: data[key] for key in ("messages", "prompt") if key in data}
        if not question:
            return None
        asked: list[dict[str, object]] = [{"model": name, **question}]
        text = "".join(self._passage.text)
        if text:
            asked.append({"model": name, "prompt": text, "add_special_tokens": False})
        counts: list[int] = []
        try:
            async with asyncio.timeout(min(COUNT_LIMIT_S, self._silence_s)):
                for body in asked:
                    response = await self._way.client.post(f"{self._way.base}/tokenize", json=body)
                    count = response.json().get("count") if response.status_code == 200 else None
                    if not isinstance(count, int):
                        return None
                    counts.append(count)
        except (httpx.HTTPError, ValueError, AttributeError, TimeoutError) as error:
            log.info("the engine of %s cannot count tokens: %s", self._begun.served.ref, error)
            return None
        return TokenUsage(counts[0], sum(counts[1:]), sum(counts))

    def _end(self, status: str) -> None:
        """Charge and record, the first time."""
        if self._done:
            return
        self._done = True
        passage, begun = self._passage, self._begun
        usage = passage.usage
        # Without any count a piece of a stream is at least a token.
        charge = usage.total if usage is not None else passage.pieces
        ttft = None if self._first is None else (self._first - begun.at) * 1000
        spent = self._last - self._first if self._first is not None else 0.0
        rate = (usage.completion - 1) / spent if usage is not None and usage.completion > 1 and spent > 0 else None
        timings = Timings(ttft, (time.perf_counter() - begun.at) * 1000, rate)
        reason = passage.reason if status == "ok" else self._how
        row = replace(begun.record, usage=usage, timings=timings, status=status, finish_reason=reason)
        self._finished(row, charge)


def _estimated(data: Mapping[str, Any], pieces: int) -> TokenUsage:
    """Without a tokenizer: four bytes of a question's text are about a token, a piece of a stream is at least one."""
    prompt = max(1, sum(_tokens(data[name]) for name in _QUESTION if name in data))
    return TokenUsage(prompt, pieces, prompt + pieces)


def _tokens(value: object) -> int:
    """Of one field, however deep: of its texts, and of tokens given as numbers; pictures and sounds are not text."""
    match value:
        case str():
            return 0 if value.startswith("data:") else (len(value.encode("utf-8", "replace")) + 3) // 4
        case int():
            return 1
        case list():
            return sum(map(_tokens, cast("list[object]", value)))
        case dict():
            return sum(map(_tokens, cast("dict[str, object]", value).values()))
        case _:
            return 0


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read(response: httpx.Response) -> bytes:
    """The whole body. Raises ValueError when it is longer than any answer."""
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_raw():
        parts.append(part)
        size += len(part)
        if size > ANSWER_LIMIT:
            raise ValueError("the answer is too long")
    return b"".join(parts)


def _engine_error(status: int, body: bytes, deployment: str) -> Refused | None:
    """What to say instead of an error that is not the engine's own, or not in OpenAI's shape; None: pass it on.

    A Kubernetes Status is the API server's: no replica is ready, or the gateway itself may not reach it. An engine's
    401 or 403 is about the gateway's way in, and would tell the caller that its own key is wrong.
    """
    try:
        data = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        data = None
    if status in (401, 403) or (isinstance(data, dict) and data.get("kind") == "Status"):
        log.warning("%s: %d %s", deployment, status, body[:300])
        return no_engine(deployment)
    if isinstance(data, dict) and isinstance(data.get("error"), dict):
        return None
    said = data.get("message") or data.get("error") or data.get("detail") if isinstance(data, dict) else None
    message = said if isinstance(said, str) else f"The engine of '{deployment}' answered {status}."
    return Refused(status, message, kind=SERVER if status >= 500 else "invalid_request_error", code="engine_error")
