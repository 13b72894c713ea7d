"""HTTP/1.1 as uvicorn and httptools speak it, with bounds on time and on heads, and refusals in OpenAI's shape."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from genai_tui.gateway.refusals import INVALID, error_body

HEAD_LIMIT = 64 * 2**10
HEAD_WAIT_S = 30.0
"""A connection that has not said what it wants by then is closed."""
REST_WAIT_S = 30.0
"""How long the rest of a body is awaited whose request is answered already; a close at once would lose the answer."""
WRITE_WAIT_S = 60.0
"""A client that reads nothing of what waits for it is let go."""
LOOK_FIRST_S, LOOK_LATER_S = 0.1, 5.0
CUT_SHORT = "genai_tui.cut_short"
"""In a request's `state`: why the rest of its body will not come."""
Malformed = Callable[[int, str, str], str]
"""Is told the status, the reason and the address of a request that was none; gives it an id."""


class _TooLong(Exception):
    """The head of a request is longer than any client's."""


class BoundedProtocol(HttpToolsProtocol):
    """Counts the bytes of each head, waits only so long, and answers clients that have closed their own side."""

    def __init__(self, *args: Any, malformed: Malformed, **kwargs: Any) -> None:  # noqa: ANN401  # as in the base class
        super().__init__(*args, **kwargs)
        self._malformed = malformed
        self._head = 0
        self._in_head = self._broken = self._ended = False
        self._too_slow: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._looking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As in the base class."""
        super().connection_made(transport)
        self._too_slow = self.loop.call_later(HEAD_WAIT_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """As in the base class."""
        self._in_time()
        for timer in (self._unread, self._looking):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As in the base class; what follows after something that is no HTTP is not read."""
        if not self._broken:
            super().data_received(data)

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends no more. Whether it has gone, or waits for its answer, what is written to it will tell."""
        if self._ended:
            return True
        self._ended = True
        if not self._answering:
            if self._in_head and not self._broken:
                self.send_400_response("The connection was closed in the middle of a request's head.")
            return False
        self.cycle.keep_alive = False
        if self.cycle.more_body:
            self._cut("The connection was closed in the middle of the body.")
        self._look(LOOK_FIRST_S)
        return True

    def pause_writing(self) -> None:
        """As in the base class."""
        super().pause_writing()
        self._unread = self.loop.call_later(WRITE_WAIT_S, self.transport.abort)

    def resume_writing(self) -> None:
        """As in the base class."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def on_message_begin(self) -> None:
        """As in the base class."""
        super().on_message_begin()
        self._head, self._in_head = 0, True
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
        self._in_head = False

    def on_message_complete(self) -> None:
        """As in the base class."""
        self._in_time()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """As in the base class."""
        super().on_response_complete()
        if self.cycle.more_body and not self.transport.is_closing():
            self._in_time()
            self._too_slow = self.loop.call_later(REST_WAIT_S, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        """As in the base class; a request that is being answered is answered to its end, and is the last."""
        status = 431 if self._head > HEAD_LIMIT else 400
        text = "The request's head is too long." if status == 431 else msg
        self._broken = True
        if self._answering:
            self.cycle.keep_alive = False
            if not self._in_head and self.cycle.more_body:
                self._cut(text)
            else:
                self._malformed(status, text, self._address)
            return
        name = self._malformed(status, text, self._address)
        body = error_body(text, INVALID, "invalid_http")
        head = b"content-type: application/json\r\nx-request-id: %s\r\nconnection: close\r\n" % name.encode()
        if not self.transport.is_closing():
            self.transport.write(STATUS_LINE[status] + head + b"content-length: %d\r\n\r\n" % len(body) + body)
            self.transport.close()

    @property
    def _answering(self) -> bool:
        """Whether an answer is still due; the cycle is the last request's."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else "-"

    def _cut(self, why: str) -> None:
        """The rest of the body will not come: end it, and say so to who reads it."""
        self.cycle.scope.setdefault("state", {})[CUT_SHORT] = why
        self.cycle.more_body = False
        self.cycle.message_event.set()

    def _look(self, pause: float) -> None:
        """Whether a client that sends no more is still there: one that has gone resets the connection when written to.

        Until the answer begins that is an interim response, which clients pass over; in a stream, an empty comment.
        """
        if self.transport.is_closing():
            return
        connection: socket.socket = self.transport.get_extra_info("socket")
        if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.transport.abort()
            return
        cycle = self.cycle
        if cycle.response_started and cycle.chunked_encoding and not cycle.response_complete:
            # Only streams of events are sent in chunks, and each write of one ends between two events.
            self.transport.write(b"3\r\n:\n\n\r\n")
        elif not cycle.response_started and cycle.scope["http_version"] == "1.1":
            self.transport.write(STATUS_LINE[100] + b"\r\n")
        self._looking = self.loop.call_later(pause, self._look, min(LOOK_LATER_S, 2 * pause))

    def _grow(self, more: int) -> None:
        self._head += more
        if self._head > HEAD_LIMIT:
            raise _TooLong

    def _in_time(self) -> None:
        if self._too_slow is not None:
            self._too_slow.cancel()
            self._too_slow = None
