"""The line to type a question in: enter sends, ctrl+j makes a new line, up brings the last question back."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

_NEW_LINE = ("ctrl+j", "shift+enter", "alt+enter")


class Prompt(TextArea):
    """Grows with its text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", "Send", id="prompt.send", tooltip="Send the question"),
        Binding(",".join(_NEW_LINE), "line", "New line", show=False, id="prompt.line", tooltip="Begin a new line"),
    ]

    class Sent(Message):
        """Enter was pressed on a question."""

        def __init__(self, prompt: Prompt, text: str) -> None:
            self.prompt, self.text = prompt, text
            super().__init__()

        @property
        def control(self) -> Prompt:
            """The prompt."""
            return self.prompt

    def __init__(self, placeholder: str) -> None:
        super().__init__("", id="chat-prompt", placeholder=placeholder, compact=True, highlight_cursor_line=False)
        self.past: list[str] = []

    def action_send(self) -> None:
        """Hand the question over; it stays until somebody takes it."""
        if self.text.strip():
            self.post_message(self.Sent(self, self.text.strip()))

    def action_line(self) -> None:
        """Break the line here."""
        self.insert("\n")

    def action_recall(self) -> None:
        """Bring the last question back."""
        if self.past:
            self.put(self.past[-1])

    def put(self, text: str) -> None:
        """Show another text, the cursor at its end."""
        self.text = text
        self.move_cursor(self.document.end)

    async def _on_key(self, event: events.Key) -> None:
        # Here and not by the bindings: those run after keys typed ahead, and a question would be sent in pieces.
        if event.key == "enter":
            act = self.action_send
        elif event.key in _NEW_LINE:
            act = self.action_line
        elif event.key == "up" and not self.text and self.past:
            act = self.action_recall
        else:
            await super()._on_key(event)
            return
        event.prevent_default()
        event.stop()
        act()
