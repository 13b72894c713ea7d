"""Keeps the form on disk while it is typed, without ever making the typist wait for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from genai_tui.errors import GenaiTuiError
from genai_tui.services import Drafts


class DraftKeeper:
    """Writes the newest form after the last one was written; forms in between are skipped.

    Args:
        drafts: where forms are kept.
        key: under which key.
        failed: told the first time a form cannot be kept.

    Attributes:
        kept: whether the form is on disk.
    """

    def __init__(self, drafts: Drafts, key: str, failed: Callable[[GenaiTuiError], None]) -> None:
        self.key = key
        self._drafts = drafts
        self._failed = failed
        self._told = False
        self.kept = False
        self._pending: tuple[str, dict[str, str]] | None = None
        self._lock = asyncio.Lock()
        self._over = False

    @property
    def waiting(self) -> bool:
        """Whether something typed is not on disk yet."""
        return self._pending is not None

    def note(self, title: str, fields: Mapping[str, str]) -> None:
        """Remember the form as it is now, to be written by `write`."""
        if not self._over:
            self._pending = (title, dict(fields))

    async def write(self) -> None:
        """Put what was noted on disk."""
        async with self._lock:
            while self._pending is not None:
                (title, fields), self._pending = self._pending, None
                try:
                    await asyncio.to_thread(self._drafts.save, self.key, title, fields)
                    self.kept = True
                except GenaiTuiError as error:
                    if not self._told:
                        self._told = True
                        self._failed(error)

    async def discard(self) -> None:
        """Forget the form, also one that is being written."""
        self._over, self._pending = True, None
        async with self._lock:
            await asyncio.to_thread(self._drafts.discard, self.key)
            self.kept = False
