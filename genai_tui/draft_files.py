"""Forms in the making, kept as files so that a dead terminal loses nothing typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec

from genai_tui.kept_files import KeptFiles
from genai_tui.services import SavedDraft


class _Stored(msgspec.Struct, frozen=True):
    """A draft as it stands in its file."""

    key: str
    title: str
    fields: dict[str, str]
    saved: Annotated[datetime, msgspec.Meta(tz=True)]


class DraftFiles:
    """`services.Drafts` on disk.

    Args:
        directory: where the files live.
        clock: the present, in UTC.
    """

    def __init__(self, directory: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._files = KeptFiles(directory, _Stored, "form")
        self._clock = clock

    def save(self, key: str, title: str, fields: Mapping[str, str]) -> None:
        """Keep the form under `key`, replacing what was there.

        Raises:
            GenaiTuiError: the directory cannot be written.
        """
        self._files.put(key, _Stored(key, title, dict(fields), self._clock()))

    def saved(self) -> tuple[SavedDraft, ...]:
        """Every kept draft, newest first. Files that cannot be read are set aside (see `set_aside`)."""
        drafts = (SavedDraft(found.key, found.title, found.fields, found.saved) for found in self._files.all())
        return tuple(sorted(drafts, key=lambda draft: draft.saved, reverse=True))

    def discard(self, key: str) -> None:
        """Forget it; nothing happens when there is none."""
        self._files.discard(key)

    def set_aside(self) -> tuple[str, ...]:
        """One sentence for each file found unreadable so far."""
        return self._files.set_aside()
