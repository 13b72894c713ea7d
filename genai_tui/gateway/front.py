"""What every request meets first: an id, paths as clients write them, and one line in the access log at its end."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import MutableMapping
from typing import Any, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from genai_tui.domain.keys import KeyRecord
from genai_tui.domain.text import printable
from genai_tui.domain.usage import RequestRecord
from genai_tui.gateway.directory import Served
from genai_tui.gateway.exchange import COUNTED, ESTIMATED

log = logging.getLogger(__name__)
access = logging.getLogger("genai_tui.gateway.access")
_NOTE = "genai_tui.note"
LEFT = 499
"""The status of a request whose client was gone before it was answered."""


class Note:
    """What is known of one request so far: who, what, how it ended; no key and no text."""

    def __init__(self, client: str, method: str, path: str) -> None:
        self.id, self.began, self.status = f"req_{uuid.uuid4().hex}", time.perf_counter(), 0
        self._client, self._method, self._path = client, method, path
        self.headers: dict[str, str] = {}
        self.key: KeyRecord | None = None
        self.served: Served | None = None
        self.row: RequestRecord | None = None
        self.let_in = False

    def write(self) -> None:
        """Write its line."""
        key, row = self.key, self.row
        usage = row.usage if row is not None else None
        about = "~" if row is not None and row.finish_reason in (COUNTED, ESTIMATED) else ""
        access.info(
            "%s %s %s %s %d %s org=%s user=%s key=%s deployment=%s tokens=%s %.0fms",
            self.id,
            self._client,
            self._method,
            printable(self._path[:120]),
            self.status or LEFT,
            row.status if row is not None else "-",
            key.organization if key else "-",
            key.user if key else "-",
            key.id if key else "-",
            self.served.ref if self.served else "-",
            f"{about}{usage.total}" if usage else "-",
            (time.perf_counter() - self.began) * 1000,
        )


def note_of(scope: MutableMapping[str, Any]) -> Note:
    """The note of a request that came through the front."""
    return cast("Note", scope[_NOTE])


class Front:
    """An ASGI application around the routes."""

    def __init__(self, routes: ASGIApp) -> None:
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. A defect of ours ends it and not the gateway; its trace is for the log alone."""
        if scope["type"] != "http":
            return
        client, path = scope.get("client"), scope["path"]
        note = Note(client[0] if client else "-", scope["method"], path)
        named = (b"x-request-id", note.id.encode())

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                note.status = message["status"]
                message = {**message, "headers": [*message["headers"], named]}
            await send(message)

        # A slash at the end means nothing; a redirect would name the Host header of whoever asks.
        inner = {**scope, "path": path.rstrip("/") or "/", _NOTE: note}
        try:
            await self._routes(inner, receive, noting)
        except Exception:
            # Whatever it was, it is ours: no other request suffers for it, and this one's answer is a 500 or cut short.
            log.exception("request %s failed", note.id)
            note.status = 500
        finally:
            note.write()
