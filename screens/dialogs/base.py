"""What every dialog has: a box in the middle, a title, keys named below, escape leaves it without an answer.

The keys are on the screen however long the content is: that is scrolled, with the wheel, the arrows, or by pages.
"""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Click
from textual.screen import ModalScreen
from textual.widgets import Static

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer | None], Generic[Answer]):
    """Asks for something; answers None when it was left.

    Attributes:
        KEYS: the line at the bottom; `keys` of one dialog wins.
        SCROLLED: what the keys scroll: the content, or the long part of it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back", id="dialog.leave", tooltip="Leave without doing anything"),
        Binding("down", "scroll(1)", "Down", show=False),
        Binding("up", "scroll(-1)", "Up", show=False),
        Binding("pagedown", "scroll(10)", "Page down", show=False),
        Binding("pageup", "scroll(-10)", "Page up", show=False),
        Binding("end", "scroll(10000)", "End", show=False),
        Binding("home", "scroll(-10000)", "Beginning", show=False),
    ]
    KEYS: ClassVar[str] = "esc back"
    SCROLLED: ClassVar[str] = ".dialog--content"

    def __init__(self, title: str, *, tone: str = "") -> None:
        super().__init__()
        self._title = title
        self._tone = tone
        self.keys = self.KEYS

    def compose(self) -> ComposeResult:
        """Title, content, keys."""
        with Vertical(classes=f"dialog--box -{self._tone}" if self._tone else "dialog--box"):
            yield Static(self._title, classes="dialog--title", markup=False)
            with Vertical(classes="dialog--content"):
                yield from self.compose_content()
            yield Static(self.keys, classes="dialog--keys", markup=False)

    def compose_content(self) -> ComposeResult:
        """What is between title and keys."""
        yield from ()

    def tell(self, problem: str) -> None:
        """Say what is wrong in the note of the dialog; empty for nothing."""
        note = self.query_one(".dialog--note", Static)
        note.update(problem)
        note.set_class(bool(problem), "-problem")

    def action_scroll(self, by: int) -> None:
        """Scroll what is longer than the screen, by lines."""
        self.query_one(self.SCROLLED).scroll_relative(y=by, animate=False)

    def action_leave(self) -> None:
        """Answer nothing."""
        self.dismiss(None)

    def on_click(self, event: Click) -> None:
        """A click beside the box leaves it."""
        if self.get_widget_at(*event.screen_offset)[0] is self:
            self.dismiss(None)
