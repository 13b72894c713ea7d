"""Server-sent events from bytes, however they are cut (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

MAX_EVENT = 4_000_000
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class SseParser:
    """Feed bytes, get the `data` of each complete event.

    Lines end with LF, CRLF or CR; the lines of one event are joined; comments and other fields are skipped.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0
        self._began = False
        self._after_carriage = False

    def feed(self, chunk: bytes) -> list[str]:
        """The events this chunk completes.

        Raises:
            ValueError: an event is longer than any engine's.
        """
        found: list[str] = []
        for line in self._lines(chunk):
            if line:
                self._field(line)
            elif self._data:
                found.append(b"\n".join(self._data).decode("utf-8", "replace"))
                self._data, self._size = [], 0
        if len(self._rest) + self._size > MAX_EVENT:
            raise ValueError("an event of the stream has no end")
        return found

    def _lines(self, chunk: bytes) -> list[bytes]:
        """The complete lines, without their ends; what is left waits for the next chunk."""
        if not chunk:
            return []
        # A carriage return ends its line at once; a line feed that comes with the next chunk belongs to it.
        if self._after_carriage and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        buffer = self._rest + chunk
        if not self._began:
            if _BYTE_ORDER_MARK.startswith(buffer):
                self._rest = buffer
                return []
            buffer, self._began = buffer.removeprefix(_BYTE_ORDER_MARK), True
        lines = buffer.splitlines(keepends=True)
        whole = bool(lines) and lines[-1].endswith((b"\n", b"\r"))
        self._rest = b"" if whole or not lines else lines.pop()
        self._after_carriage = whole and lines[-1].endswith(b"\r")
        return [line.rstrip(b"\r\n") for line in lines]

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(value)

    def end(self) -> list[str]:
        """What an unfinished last event held: a stream that was cut after its data still said it."""
        return self.feed(b"\n\n")
