"""Server-sent events from bytes, however they are cut (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

MAX_EVENT = 4_000_000


class SseParser:
    """Feed bytes, get the `data` of each complete event."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[str]:
        """The events this chunk completes. Lines end with LF, CRLF or CR; comments and other fields are skipped."""
        self._rest += chunk
        found: list[str] = []
        while (line := self._next_line()) is not None:
            if line:
                self._field(line)
            elif self._data:
                found.append("\n".join(self._data))
                self._data = []
        if len(self._rest) > MAX_EVENT:
            raise ValueError("an event of the stream has no end")
        return found

    def _next_line(self) -> bytes | None:
        ends = [place for place in (self._rest.find(b"\n"), self._rest.find(b"\r")) if place >= 0]
        if not ends:
            return None
        end = min(ends)
        carriage = self._rest[end : end + 1] == b"\r"
        if carriage and end + 1 == len(self._rest):
            # A line feed may still follow in the next chunk.
            return None
        line = self._rest[:end]
        skip = 2 if carriage and self._rest[end + 1 : end + 2] == b"\n" else 1
        self._rest = self._rest[end + skip :]
        return line

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" ").decode("utf-8", "replace"))

    def end(self) -> list[str]:
        """What an unfinished last event held: a stream that was cut after its data still said it."""
        found = self.feed(b"\n\n")
        self._rest = b""
        return found
