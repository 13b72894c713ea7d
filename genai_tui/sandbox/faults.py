"""Things that go wrong on purpose: latency, refusals, dropped and stalled connections, expired versions."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from genai_tui.sandbox.status import ApiError


@dataclass(slots=True)
class Fault:
    """What happens to requests whose `METHOD path?query` matches `pattern`, the next `times` times (None: always).

    `status` answers with that code (429 and 503 with `retry_after`; 401 as an expired token does; 410 on a watch as an
    ERROR event); `drop_after` cuts the connection after that many
    bytes; `stall_after` sends nothing more after that many; `latency` waits first, in seconds.
    """

    pattern: str
    times: int | None = 1
    status: int | None = None
    retry_after: int | None = None
    latency: float = 0.0
    drop_after: int | None = None
    stall_after: int | None = None


class Dropped(Exception):
    """Raised to make the server cut the connection."""


class Faults:
    """The faults in force, and the middleware that carries them out."""

    def __init__(self) -> None:
        self.active: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Put a fault in force."""
        self.active.append(fault)
        return fault

    def clear(self) -> None:
        """Take all faults out of force."""
        self.active.clear()

    def take(self, line: str) -> Fault | None:
        """The fault for a request, counted as used."""
        for fault in self.active:
            if fault.times != 0 and re.search(fault.pattern, line):
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None


_REASONS = {
    401: "Unauthorized",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
    410: "Expired",
}
_TEXTS = {401: "Unauthorized", 410: "too old resource version", 429: "the server has received too many requests"}


class FaultMiddleware:
    """ASGI middleware for `Faults`."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or break it."""
        try:
            await self._handle(scope, receive, send)
        except ClientDisconnect:
            # Who asked has gone in the middle of its request: there is nobody to answer, and nothing has failed.
            return

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._faults.active:
            await self._app(scope, receive, send)
            return
        line = f"{scope['method']} {scope['path']}?{scope['query_string'].decode('latin-1')}"
        fault = self._faults.take(line)
        if fault is None:
            await self._app(scope, receive, send)
            return
        if fault.latency:
            await asyncio.sleep(fault.latency)
        if fault.status is not None:
            await _refuse(fault, send, is_watch="watch=" in line)
        elif fault.drop_after is not None or fault.stall_after is not None:
            await self._app(scope, receive, _Breaking(receive, send, fault))
        else:
            await self._app(scope, receive, send)


async def _refuse(fault: Fault, send: Send, *, is_watch: bool) -> None:
    code = fault.status or 500
    error = ApiError(code, _REASONS.get(code, "InternalError"), _TEXTS.get(code, "a fault was asked for"))
    body = json.dumps(error.body()).encode()
    if code == 410 and is_watch:
        # A watch learns of it inside the stream, as from the real server.
        code, body = 200, b'{"type":"ERROR","object":' + body + b"}\n"
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if fault.retry_after is not None:
        headers.append((b"retry-after", str(fault.retry_after).encode()))
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class _Breaking:
    """A `send` that stops in the middle of the body."""

    def __init__(self, receive: Receive, send: Send, fault: Fault) -> None:
        self._receive, self._send, self._fault, self._sent = receive, send, fault, 0

    async def __call__(self, message: Message) -> None:
        if message["type"] != "http.response.body":
            kept = [h for h in message["headers"] if h[0] != b"content-length"]
            await self._send({**message, "headers": kept})
            return
        stalls = self._fault.drop_after is None
        limit = (self._fault.stall_after if stalls else self._fault.drop_after) or 0
        body = message.get("body", b"")
        passed = body[: max(0, limit - self._sent)]
        self._sent += len(body)
        whole = self._sent <= limit and not message.get("more_body")
        await self._send({"type": "http.response.body", "body": passed, "more_body": not whole})
        if self._sent > limit and stalls:
            while (await self._receive())["type"] != "http.disconnect":
                pass
        if self._sent > limit:
            raise Dropped
