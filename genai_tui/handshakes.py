"""Connections whose TLS handshake is cut short are closed: httpcore does it after an error alone, not when cancelled.

A screen that is left, a console that ends, an answer that is stopped: each may cancel a request while it connects, and
its socket would stay open until Python happens to collect it. The events:
https://www.encode.io/httpcore/extensions/#trace
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx


async def guard(request: httpx.Request) -> None:
    """A request hook of an `httpx.AsyncClient`: whatever ends the handshake of this request, its socket ends too."""
    request.extensions["trace"] = _Handshake()


GUARDED = {"request": [guard]}
"""`event_hooks` of a client."""


class _Handshake:
    """Knows the socket that a request opened."""

    def __init__(self) -> None:
        self._stream: Any = None

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith("connect_tcp.complete"):
            self._stream = info["return_value"]
        elif event.endswith("start_tls.failed") and self._stream is not None:
            await self._stream.aclose()
