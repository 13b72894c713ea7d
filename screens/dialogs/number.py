"""Asking for a whole number, saying what it would mean while it is chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from screens.dialogs.base import Dialog


class NumberDialog(Dialog[int]):
    """Asks for a number within bounds; answers None when it was left.

    Args:
        title: what it is for: `Replicas of team-a/chat`.
        value: the number as it is now.
        minimum: the least that is accepted.
        maximum: the most that is accepted.
        text: what to know before choosing.
        note: what a number would mean.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "step(1)", "More", show=False, tooltip="One more"),
        Binding("down", "step(-1)", "Less", show=False, tooltip="One less"),
    ]
    KEYS = "enter accept   ↑ ↓ more, less   esc back"

    def __init__(
        self,
        title: str,
        value: int,
        *,
        minimum: int = 0,
        maximum: int = 1000,
        text: str = "",
        note: Callable[[int], str] | None = None,
    ) -> None:
        super().__init__(title)
        self._value, self._minimum, self._maximum = value, minimum, maximum
        self._text, self._note = text, note

    def compose_content(self) -> ComposeResult:
        """The text and the line to type into."""
        if self._text:
            yield Static(self._text, classes="dialog--text", markup=False)
        yield Input(str(self._value), compact=True, classes="dialog--input", select_on_focus=True)
        yield Static("", classes="dialog--note", markup=False)

    def _read(self) -> int | None:
        text = self.query_one(Input).value.strip()
        if text.isascii() and text.isdigit() and len(text) < 10 and self._minimum <= int(text) <= self._maximum:
            return int(text)
        return None

    def action_step(self, by: int) -> None:
        """One more or one less."""
        value = self._read()
        wanted = self._value if value is None else value + by
        line = self.query_one(Input)
        line.value = str(min(self._maximum, max(self._minimum, wanted)))
        line.cursor_position = len(line.value)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        value = self._read()
        wrong = f"write a whole number from {self._minimum} to {self._maximum}"
        note = self.query_one(".dialog--note", Static)
        note.update(wrong if value is None else self._note(value) if self._note else "")
        note.set_class(value is None, "-problem")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        value = self._read()
        if value is not None:
            self.dismiss(value)
