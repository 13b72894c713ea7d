"""Asking before something is done: once, naming the object; for what cannot be undone its name must be typed."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Button, Input, Static

from screens.dialogs.base import Dialog


class ConfirmDialog(Dialog[bool]):
    """Asks one question; answers True only for an explicit yes.

    Args:
        title: what will be done, with the object's name: `Restart team-a/chat?`.
        text: what follows from it.
        yes: the word on the button.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", "Yes", show=False),
        Binding("n", "leave", "No", show=False),
        Binding("left,right", "other", "Other button", show=False),
    ]
    KEYS = "y yes   n no   esc back"

    def __init__(self, title: str, text: str = "", *, yes: str = "Yes", tone: str = "") -> None:
        super().__init__(title, tone=tone)
        self._text = text
        self._yes = yes

    def compose_content(self) -> ComposeResult:
        """The text and two buttons; the safe one has the focus."""
        if self._text:
            yield Static(self._text, classes="dialog--text", markup=False)
        with Horizontal(classes="dialog--buttons"):
            yield Button("Cancel", id="no", compact=True)
            yield Button(self._yes, id="yes", compact=True, variant="error" if self._tone == "danger" else "primary")

    def action_yes(self) -> None:
        """Answer yes."""
        self.dismiss(True)

    def action_other(self) -> None:
        """Go to the other button."""
        self.focus_next()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.dismiss(True if event.button.id == "yes" else None)


class TypedConfirmDialog(Dialog[bool]):
    """Asks to type the object's name before something that cannot be undone.

    Args:
        title: what will be done: `Delete team-a/chat?`.
        name: what must be typed.
        text: what will be gone.
    """

    KEYS = "enter delete   esc back"

    def __init__(self, title: str, name: str, text: str = "") -> None:
        super().__init__(title, tone="danger")
        self._expected = name
        self._text = text

    def compose_content(self) -> ComposeResult:
        """The text and the line to type the name into."""
        if self._text:
            yield Static(self._text, classes="dialog--text", markup=False)
        yield Static(f"Type {self._expected} to confirm:", classes="dialog--ask", markup=False)
        yield Input(compact=True, classes="dialog--input")
        yield Static("", classes="dialog--note -problem", markup=False)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip() == self._expected:
            self.dismiss(True)
        else:
            self.query_one(".dialog--note", Static).update(f"that is not {self._expected}")


class ContextDialog(TypedConfirmDialog):
    """Asks for the context's name before a write in production.

    Args:
        context: the context.
        what: what is about to be written: `delete Deployment team-a/chat`.
    """

    KEYS = "enter write   esc back"

    def __init__(self, context: str, what: str) -> None:
        text = f"{context} is production. About to be sent: {what}. Nothing has been written yet."
        super().__init__(f"Write to production: {context}?", context, text)
