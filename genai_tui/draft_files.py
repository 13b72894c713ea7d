"""Forms in the making, kept as files so that a dead terminal loses nothing typed.

One JSON file per draft in the state directory (XDG_STATE_HOME), readable by its owner alone. A file is written whole
beside its place and then moved there, so that it is always either the old or the new form. A file that cannot be
read is renamed to end in `.unreadable` and told once, never deleted.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec

from genai_tui.errors import GenaiTuiError
from genai_tui.services import SavedDraft

_LOG = logging.getLogger(__name__)
_SUFFIX = ".json"
_SET_ASIDE = ".unreadable"


class _Stored(msgspec.Struct, frozen=True):
    """A draft as it stands in its file."""

    key: str
    title: str
    fields: dict[str, str]
    saved: Annotated[datetime, msgspec.Meta(tz=True)]


class DraftFiles:
    """`services.Drafts` on disk.

    Args:
        directory: where the files live; made, with mode 0700, on the first save.
        clock: the present, in UTC.
    """

    def __init__(self, directory: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._directory = directory
        self._clock = clock
        self._set_aside: list[str] = []

    def save(self, key: str, title: str, fields: Mapping[str, str]) -> None:
        """Keep the form under `key`, replacing what was there.

        Raises:
            GenaiTuiError: the directory cannot be written.
        """
        stored = _Stored(key=key, title=title, fields=dict(fields), saved=self._clock())
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._directory.chmod(0o700)
            self._write(self._path(key), msgspec.json.format(msgspec.json.encode(stored), indent=1))
        except OSError as error:
            raise GenaiTuiError(
                "the form cannot be kept as a draft",
                why=f"{self._directory}: {error.strerror or error}",
                next_step="save it to the cluster, or free the disk",
            ) from error

    def saved(self) -> tuple[SavedDraft, ...]:
        """Every kept draft, newest first. Files that cannot be read are set aside (see `set_aside`)."""
        drafts = [draft for path in self._files() if (draft := self._read(path)) is not None]
        return tuple(sorted(drafts, key=lambda draft: draft.saved, reverse=True))

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

    def _write(self, path: Path, text: bytes) -> None:
        handle, name = tempfile.mkstemp(dir=self._directory, prefix=".", suffix=".tmp")  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _read(self, path: Path) -> SavedDraft | None:
        try:
            stored = msgspec.json.decode(path.read_bytes(), type=_Stored)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self._put_aside(path, error)
            return None
        return SavedDraft(stored.key, stored.title, stored.fields, stored.saved)

    def _put_aside(self, path: Path, error: Exception) -> None:
        aside = path.with_suffix(_SET_ASIDE)
        try:
            path.replace(aside)
        except OSError:
            aside = path
        sentence = f"a kept draft cannot be read; it is now {aside}"
        if sentence not in self._set_aside:
            self._set_aside.append(sentence)
        _LOG.warning("draft %s cannot be read: %s", path, type(error).__name__)
