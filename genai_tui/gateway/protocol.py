"""HTTP/1.1 as uvicorn and httptools speak it, with bounds on the head of a request and refusals in OpenAI's shape."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from genai_tui.gateway.refusals import INVALID, error_body

HEAD_LIMIT = 64 * 2**10
HEAD_WAIT_S = 30.0
"""A connection that has not said what it wants by then is closed."""


class _TooLong(Exception):
    """The head of a request is longer than any client's."""


class BoundedProtocol(HttpToolsProtocol):
    """Counts the bytes of each head, and waits for it only so long."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # as in the base class
        super().__init__(*args, **kwargs)
        self._head = 0
        self._too_slow: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As in the base class."""
        super().connection_made(transport)
        self._too_slow = self.loop.call_later(HEAD_WAIT_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """As in the base class."""
        self._in_time()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """As in the base class."""
        super().on_message_begin()
        self._head = 0
        if self._too_slow is None:
            self._too_slow = self.loop.call_later(HEAD_WAIT_S, self.transport.close)

    def on_url(self, url: bytes) -> None:
        """As in the base class."""
        self._grow(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """As in the base class."""
        self._grow(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """As in the base class."""
        self._in_time()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """As in the base class."""
        status = 431 if self._head > HEAD_LIMIT else 400
        text = "The request's head is too long." if status == 431 else msg
        body = error_body(text, INVALID, "invalid_http")
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
        if not self.transport.is_closing():
            self.transport.write(STATUS_LINE[status] + head + body)
            self.transport.close()

    def _grow(self, more: int) -> None:
        self._head += more
        if self._head > HEAD_LIMIT:
            raise _TooLong

    def _in_time(self) -> None:
        if self._too_slow is not None:
            self._too_slow.cancel()
            self._too_slow = None
