"""Conversations and prompts that an operator keeps by name."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from genai_tui.domain.conversation import SavedConversation, SavedPrompt
from genai_tui.kept_files import KeptFiles

Named = TypeVar("Named", SavedConversation, SavedPrompt)


class FileShelf(KeptFiles[Named]):
    """`services.Shelf` on disk."""

    def save(self, item: Named) -> None:
        """Keep it under its name. Raises GenaiTuiError: the directory cannot be written."""
        self.put(item.name, item)

    def saved(self) -> tuple[Named, ...]:
        """Every one, newest first."""
        return tuple(sorted(self.all(), key=lambda item: item.saved, reverse=True))


def conversations(state: Path) -> FileShelf[SavedConversation]:
    """Those of this machine."""
    return FileShelf(state / "conversations", SavedConversation, "conversation")


def prompts(state: Path) -> FileShelf[SavedPrompt]:
    """Those of this machine."""
    return FileShelf(state / "prompts", SavedPrompt, "prompt")
