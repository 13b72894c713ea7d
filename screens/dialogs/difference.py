"""A difference, read through or asked about."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from genai_tui.domain.text import printable
from screens.dialogs.base import Dialog

_STYLES = {"+": "$text-success", "-": "$text-error", "@": "$text-muted"}


class DifferenceDialog(Dialog[bool]):
    """Shows what a write changed; with `yes`, asks whether to write it and answers True only for an explicit yes.

    Args:
        title: what was done, or would be, naming the object.
        text: what to know about it.
        difference: a unified diff, or what stands in its place.
        yes: the word for doing it; empty where there is nothing to do.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", "Yes", show=False, tooltip="Do it"),
        Binding("n,q,enter", "leave", "Close", show=False, tooltip="Back without doing anything"),
    ]

    def __init__(self, title: str, text: str, difference: str, *, yes: str = "") -> None:
        super().__init__(title, tone="danger" if yes else "")
        self._text, self._difference, self._yes = text, difference, yes
        self.keys = f"y {yes}   n no   ↑ ↓ scroll   esc back" if yes else "↑ ↓ scroll   esc close"

    def compose_content(self) -> ComposeResult:
        """The text and the difference."""
        lines = "\n".join(printable(line) for line in self._text.splitlines())
        yield Static(lines, classes="dialog--text", markup=False)
        with VerticalScroll(classes="dialog--scroll -detail", can_focus=True):
            yield Static(Content("\n").join(_line(line) for line in self._difference.splitlines()))

    def on_mount(self) -> None:
        """The keys that scroll work at once."""
        self.query_one(VerticalScroll).focus()

    def action_yes(self) -> None:
        """Do it."""
        if self._yes:
            self.dismiss(True)


def _line(line: str) -> Content:
    return Content.styled(printable(line), _STYLES.get(line[:1], ""))
