"""Asking for one line of text that is checked while it is typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.widgets import Input, Static

from screens.dialogs.base import Dialog


class TextDialog(Dialog[str]):
    """Asks for a text; answers None when it was left. What was typed stays until it is right.

    Args:
        title: what it is for: `Write usage into a file`.
        value: the text to begin with.
        problem: why a text cannot be taken, as one line; empty when it can.
        text: what to know before typing.
        password: whether it is shown as dots.
    """

    KEYS: ClassVar[str] = "enter accept   esc back"

    def __init__(
        self, title: str, value: str, *, problem: Callable[[str], str], text: str = "", password: bool = False
    ) -> None:
        super().__init__(title)
        self._value, self._problem, self._text, self._password = value, problem, text, password

    def compose_content(self) -> ComposeResult:
        """The text and the line to type into."""
        if self._text:
            yield Static(self._text, classes="dialog--text", markup=False)
        yield Input(self._value, password=self._password, compact=True, classes="dialog--input", select_on_focus=False)
        yield Static("", classes="dialog--note", markup=False)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.tell(self._problem(event.value) if event.value.strip() else "")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        problem = self._problem(event.value)
        self.tell(problem)
        if not problem:
            self.dismiss(event.value.strip())
