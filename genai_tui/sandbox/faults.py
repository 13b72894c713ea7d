"""Things that go wrong on purpose: latency, refusals, dropped and stalled connections, expired versions."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from genai_tui.sandbox.status import ApiError


@dataclass(slots=True)
class Fault:
    """What happens to requests whose `METHOD path?query` matches `pattern`, the next `times` times (None: always).

    `status` answers with that code (429 and 503 with `retry_after`); `drop_after` cuts the connection after that many
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


_REASONS = {429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout", 410: "Expired"}


class FaultMiddleware:
    """ASGI middleware for `Faults`."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or break it."""
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
            await _refuse(fault, send)
        elif fault.drop_after is not None or fault.stall_after is not None:
            await self._app(scope, receive, _Breaking(send, fault))
        else:
            await self._app(scope, receive, send)


async def _refuse(fault: Fault, send: Send) -> None:
    import json

    code = fault.status or 500
    error = ApiError(code, _REASONS.get(code, "InternalError"), "a fault was asked for")
    headers = [(b"content-type", b"application/json")]
    if fault.retry_after is not None:
        headers.append((b"retry-after", str(fault.retry_after).encode()))
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(error.body()).encode()})


class _Breaking:
    """A `send` that stops in the middle of the body."""

    def __init__(self, send: Send, fault: Fault) -> None:
        self._send, self._fault, self._sent = send, fault, 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [h for h in message["headers"] if h[0] != b"content-length"]
            await self._send({**message, "headers": kept})
            return
        limit = self._fault.drop_after if self._fault.drop_after is not None else self._fault.stall_after or 0
        body = message.get("body", b"")[: max(0, limit - self._sent)]
        self._sent += len(message.get("body", b""))
        if body:
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
        if self._sent >= limit:
            if self._fault.drop_after is not None:
                raise Dropped
            await asyncio.Event().wait()
