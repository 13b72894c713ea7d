"""Conversations, system prompts and questions that an operator keeps by name."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from genai_tui.domain.conversation import SavedConversation, SavedPrompt, SavedQuestion
from genai_tui.errors import GenaiTuiError
from genai_tui.kept_files import KeptFiles
from genai_tui.known_secrets import hide

Named = TypeVar("Named", SavedConversation, SavedPrompt, SavedQuestion)


class FileShelf(KeptFiles[Named]):
    """`services.Shelf` on disk. What has the form of a secret, or is one of this process, is not written."""

    def save(self, item: Named) -> None:
        """Keep it under its name. Raises GenaiTuiError: it cannot be written, or is too deep for a file."""
        try:
            # Each text by itself: hiding in the file's own text could take its quotes along.
            self.put(item.name, msgspec.convert(_hidden(msgspec.to_builtins(item)), type(item)))
        except RecursionError as error:
            step = "begin a new one where it is to go on: ctrl+n"
            raise GenaiTuiError(
                "the conversation cannot be kept", why="too many branches within branches", next_step=step
            ) from error

    def saved(self) -> tuple[Named, ...]:
        """Every one, newest first."""
        return tuple(sorted(self.all(), key=lambda item: item.saved, reverse=True))


def _hidden(value: object) -> object:
    match value:
        case str():
            return hide(value)
        case dict():
            return {key: _hidden(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_hidden(inner) for inner in value]
    return value


def conversations(state: Path) -> FileShelf[SavedConversation]:
    """Those of this machine."""
    return FileShelf(state / "conversations", SavedConversation, "conversation")


def prompts(state: Path) -> FileShelf[SavedPrompt]:
    """Those of this machine."""
    return FileShelf(state / "prompts", SavedPrompt, "prompt")


def questions(state: Path) -> FileShelf[SavedQuestion]:
    """Those of this machine."""
    return FileShelf(state / "questions", SavedQuestion, "question")
