"""Asking before something is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static


class ConfirmDialog(ModalScreen[bool]):
    """Yes or no; the object is named in `text`. Enter is on No until moved."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "answer(False)", "No", id="confirm.no", tooltip="Do nothing"),
        Binding("y", "answer(True)", "Yes", id="confirm.yes", tooltip="Do it"),
        Binding("left,right", "app.focus_next", "Other", show=False),
    ]

    def __init__(self, title: str, text: str, yes: str) -> None:
        super().__init__()
        self._title, self._text, self._yes = title, text, yes

    def compose(self) -> ComposeResult:
        """The question and two buttons."""
        with Vertical(classes="dialog--box"):
            yield Static(self._title, classes="dialog--title", markup=False)
            yield Static(self._text, classes="dialog--text", markup=False)
            with Horizontal(classes="dialog--buttons"):
                yield Button("No (n)", id="no", compact=True)
                yield Button(f"{self._yes} (y)", id="yes", variant="warning", compact=True)

    def action_answer(self, answer: bool) -> None:
        """Close with the answer."""
        self.dismiss(answer)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")


class TypedNameDialog(ModalScreen[bool]):
    """For what cannot be undone: the object's name has to be typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="typed.cancel", tooltip="Do nothing")
    ]

    def __init__(self, title: str, text: str, name: str, verb: str) -> None:
        super().__init__()
        self._title, self._text, self._name, self._verb = title, text, name, verb

    def compose(self) -> ComposeResult:
        """What will happen, a field, and what is still missing."""
        with Vertical(classes="dialog--box -danger"):
            yield Static(self._title, classes="dialog--title", markup=False)
            yield Static(self._text, classes="dialog--text", markup=False)
            yield Input(placeholder=self._name, id="typed-name", compact=True)
            yield Static(f"type {self._name} and press enter; esc does nothing", id="typed-hint", markup=False)

    def action_cancel(self) -> None:
        """Do nothing."""
        self.dismiss(False)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        if event.value.strip() == self._name:
            self.dismiss(True)
        else:
            self.query_one("#typed-hint", Static).update(f"that is not {self._name}; nothing was done")


class NumberDialog(ModalScreen[int | None]):
    """A whole number within bounds; None when it is left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="number.cancel", tooltip="Change nothing"),
        Binding("up,plus", "step(1)", "More", show=False),
        Binding("down,minus", "step(-1)", "Less", show=False),
    ]

    def __init__(self, title: str, value: int, least: int, most: int, note: Callable[[int], str]) -> None:
        super().__init__()
        self._title, self._value, self._least, self._most, self._note = title, value, least, most, note

    def compose(self) -> ComposeResult:
        """The field, and what the number would mean."""
        with Vertical(classes="dialog--box"):
            yield Static(self._title, classes="dialog--title", markup=False)
            yield Input(str(self._value), id="number", compact=True)
            yield Static(self._note(self._value), id="number-note", markup=False)
            yield Static("enter saves   up and down change   esc leaves it", classes="dialog--keys", markup=False)

    def _number(self) -> int | None:
        text = self.query_one("#number", Input).value.strip()
        number = int(text) if text.isdigit() and len(text) < 6 else None
        return number if number is not None and self._least <= number <= self._most else None

    @on(Input.Changed)
    def _changed(self) -> None:
        number = self._number()
        wrong = f"a whole number from {self._least} to {self._most}"
        note = self.query_one("#number-note", Static)
        note.update(wrong if number is None else self._note(number))
        note.set_class(number is None, "-problem")

    @on(Input.Submitted)
    def _submitted(self) -> None:
        number = self._number()
        if number is not None:
            self.dismiss(number)

    def action_step(self, by: int) -> None:
        """One more or less."""
        number = self._number()
        wanted = (self._value if number is None else number) + by
        self.query_one("#number", Input).value = str(max(self._least, min(self._most, wanted)))

    def action_cancel(self) -> None:
        """Change nothing."""
        self.dismiss(None)
