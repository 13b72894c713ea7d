"""A write-ahead file of requests, so that a process that is killed loses none.

One line a request when it begins (as a failure: that is what it will have been if no other line follows) and one when
it has ended, before its last bytes go to the client. A line is one `write` into the system's page cache, some 10 µs,
which outlives the process; the ledger's own commits, which outlive a power cut, follow in batches (`recorder.py`).
Rows have the request's id, and the ledger keeps an id once, so what is read back twice is counted once.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import msgspec

from genai_tui.domain.usage import RequestRecord
from genai_tui.errors import BadInput

log = logging.getLogger(__name__)

LARGEST = 4 * 2**20
_LOCK, _FILE, _NEXT = "lock", "journal", "journal.next"
_decoder = msgspec.json.Decoder(RequestRecord)


class Journal:
    """The file of one gateway; a lock keeps a second process out, whose counters would be others.

    Raises:
        BadInput: another process has it.
        OSError: it cannot be written.
    """

    def __init__(self, directory: Path, largest: int = LARGEST) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory, self._largest = directory, largest
        self._lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise BadInput(
                "a gateway for this cluster runs already",
                why="limits are counted in one process",
                next_step="stop it first, or use it",
            ) from error
        self._lines: dict[str, bytes] = {}
        self._file = self._open(_FILE)
        self._size = os.fstat(self._file).st_size

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def outstanding(self) -> int:
        """Requests that are not in the ledger yet."""
        return len(self._lines)

    def unfinished(self) -> list[RequestRecord]:
        """What an earlier process left: the last line of every request, those already in the ledger included."""
        found: dict[str, RequestRecord] = {}
        for line in (self._directory / _FILE).read_bytes().splitlines():
            try:
                record = _decoder.decode(line)
            except msgspec.MsgspecError as error:
                # The process ended in the middle of a line, whose request no client saw the end of.
                log.warning("a line of the journal is cut short and left out: %s", error)
                continue
            found[record.id] = record
        self._lines = {record.id: _line(record) for record in found.values()}
        return list(found.values())

    def write(self, record: RequestRecord) -> None:
        """Keep a request as it is now, in place of what was written of it before.

        Raises:
            OSError: the disk is full, or fails; the request is kept in memory alone.
        """
        line = _line(record)
        self._lines[record.id] = line
        self._append(line)

    def committed(self, ids: Iterable[str]) -> None:
        """These are in the ledger. A file in which nothing else is left is emptied, a large one written anew.

        Raises:
            OSError: as `write`; nothing is lost.
        """
        for record_id in ids:
            self._lines.pop(record_id, None)
        if not self._lines:
            if self._size:
                os.ftruncate(self._file, 0)
                self._size = 0
        elif self._size > self._largest + 2 * sum(map(len, self._lines.values())):
            self._compact()

    def close(self) -> None:
        """Close the file and let go of the lock."""
        os.close(self._file)
        os.close(self._lock)

    def _open(self, name: str) -> int:
        return os.open(self._directory / name, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _append(self, line: bytes) -> None:
        # A line cut short by a full disk is ended, so that it spoils no other.
        if self._size and self._torn:
            line = b"\n" + line
        self._torn = True
        written = os.write(self._file, line)
        self._size += written
        if written < len(line):
            raise OSError(28, "No space left on device")
        self._torn = False

    _torn = False

    def _compact(self) -> None:
        """Write what is outstanding into a new file and put it in the old one's place, which happens whole or not."""
        (self._directory / _NEXT).unlink(missing_ok=True)
        file = self._open(_NEXT)
        try:
            data = b"".join(self._lines.values())
            if os.write(file, data) < len(data):
                raise OSError(28, "No space left on device")
            os.replace(self._directory / _NEXT, self._directory / _FILE)
        except OSError:
            os.close(file)
            raise
        os.close(self._file)
        self._file, self._size, self._torn = file, len(data), False


def _line(record: RequestRecord) -> bytes:
    return msgspec.json.encode(record) + b"\n"
