"""What an operator keeps on this machine, a JSON file each, so that a dead terminal or a full disk loses nothing kept.

The files are in the state directory (XDG_STATE_HOME), readable by their owner alone. A file is written whole beside its
place and then moved there, so that it is always either the old or the new one. A file that cannot be read is renamed to
end in `.unreadable` and told once, never deleted.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from genai_tui.errors import GenaiTuiError

_LOG = logging.getLogger(__name__)
_SUFFIX = ".json"
_SET_ASIDE = ".unreadable"
Item = TypeVar("Item")


class KeptFiles(Generic[Item]):
    """Items by key.

    Args:
        directory: where the files live; made, with mode 0700, when the first is kept.
        kind: what is in a file; a dataclass or a struct.
        what: what it is to a person, e.g. `form` or `conversation`.
    """

    def __init__(self, directory: Path, kind: type[Item], what: str) -> None:
        self._directory, self._kind, self._what = directory, kind, what
        self._set_aside: list[str] = []

    def put(self, key: str, item: Item) -> None:
        """Keep `item` under `key`, replacing what was there.

        Raises:
            GenaiTuiError: the directory cannot be written.
        """
        text = msgspec.json.format(msgspec.json.encode(item), indent=1).decode()
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._directory.chmod(0o700)
            self._write(self._path(key), text)
        except OSError as error:
            raise GenaiTuiError(
                f"the {self._what} cannot be kept",
                why=f"{self._directory}: {error.strerror or error}",
                next_step="free the disk, or see who may write there",
            ) from error

    def all(self) -> tuple[Item, ...]:
        """Every kept item, in no order. Files that cannot be read are set aside (see `set_aside`)."""
        return tuple(item for path in self._files() if (item := self._read(path)) is not None)

    def discard(self, key: str) -> None:
        """Forget it; nothing happens when there is none."""
        with contextlib.suppress(FileNotFoundError):
            self._path(key).unlink()

    def set_aside(self) -> tuple[str, ...]:
        """One sentence for each file found unreadable so far."""
        return tuple(self._set_aside)

    def _path(self, key: str) -> Path:
        """A file name that any key may have: readable in front, unique behind."""
        readable = "".join(c if c.isalnum() and c.isascii() else "-" for c in key)[:40]
        return self._directory / f"{readable}-{hashlib.sha256(key.encode()).hexdigest()[:12]}{_SUFFIX}"

    def _files(self) -> list[Path]:
        try:
            return [path for path in self._directory.iterdir() if path.suffix == _SUFFIX]
        except OSError:
            return []

    def _write(self, path: Path, text: str) -> None:
        handle, name = tempfile.mkstemp(dir=self._directory, prefix=".", suffix=".tmp")  # mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _read(self, path: Path) -> Item | None:
        try:
            return msgspec.json.decode(path.read_bytes(), type=self._kind)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            self._put_aside(path, error)
            return None

    def _put_aside(self, path: Path, error: Exception) -> None:
        aside = path.with_suffix(_SET_ASIDE)
        try:
            path.replace(aside)
        except OSError:
            aside = path
        sentence = f"a kept {self._what} cannot be read; it is now {aside}"
        if sentence not in self._set_aside:
            self._set_aside.append(sentence)
        _LOG.warning("%s cannot be read: %s", path, type(error).__name__)
