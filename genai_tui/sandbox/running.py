"""Which sandbox runs on a state directory: one at a time, found by the lock it holds."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from genai_tui.errors import BadInput

LOCK, ANNOUNCEMENT = "lock", "running.json"


@dataclass(frozen=True, slots=True)
class Announcement:
    """Where a running sandbox answers; the line it prints when it is ready."""

    server: str
    kubeconfig: str
    gateway: str | None
    pid: int

    def line(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))


def running_sandbox(directory: Path) -> Announcement | None:
    """The sandbox that runs on this directory and is ready; None when there is none.

    A sandbox that was killed leaves its announcement behind, but not its lock.
    """
    try:
        with (directory / LOCK).open("rb") as file:
            if _take(file.fileno()):
                return None
        data = json.loads((directory / ANNOUNCEMENT).read_text(encoding="utf-8"))
        return Announcement(data["server"], data["kubeconfig"], data["gateway"], data["pid"])
    except (OSError, ValueError, KeyError):
        return None


@contextlib.contextmanager
def held(directory: Path) -> Iterator[None]:
    """Hold the directory for the length of the block.

    Raises:
        BadInput: another sandbox runs on it.
    """
    handle = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _take(handle):
            other = running_sandbox(directory)
            who = f" (process {other.pid}, {other.server})" if other is not None else ""
            advice = "stop it, or choose another directory with --dir"
            raise BadInput(f"a sandbox already runs on {directory}{who}", next_step=advice)
        announcement = directory / ANNOUNCEMENT
        announcement.unlink(missing_ok=True)
        yield
        announcement.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _take(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
