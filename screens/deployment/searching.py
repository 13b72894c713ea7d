"""A text with one line below it: what is known of the text, or the field that searches it."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input, Static

from screens.deployment.text_view import TextView


class SearchedText(Vertical):
    """Base of the panes that show a long text: search, next match, wrapping, saving."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", show=False, key_display="/", id="text.search", tooltip="Look for a text"),
        Binding("n", "match(1)", "Next match", show=False, id="text.next", tooltip="To the next line with the text"),
        Binding("N", "match(-1)", "Match before", show=False, id="text.before", tooltip="To the line with it before"),
        Binding("w", "wrap", "Wrap", show=False, id="text.wrap", tooltip="Wrap long lines, or not"),
        Binding("ctrl+s", "save", "Save to a file", show=False, id="text.save", tooltip="Write it to a file"),
        Binding("y", "copy", "Copy", show=False, id="text.copy", tooltip="Copy the whole text to the clipboard"),
    ]

    def __init__(self, *, follow: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self._follow = follow
        self._words = ""

    def compose_top(self) -> ComposeResult:
        """What stands above the text."""
        yield from ()

    def compose(self) -> ComposeResult:
        """The text, and the line below it."""
        yield from self.compose_top()
        yield TextView(follow=self._follow)
        yield Static("", classes="text--status", markup=False)
        yield Input(placeholder="look for", compact=True, classes="text--search")

    @property
    def view(self) -> TextView:
        """The text."""
        return self.query_one(TextView)

    @property
    def status(self) -> str:
        """What the line below says when nothing is searched."""
        return ""

    def whole_text(self) -> str:
        """What is copied and saved."""
        return self.view.text + "\n"

    @abstractmethod
    def file_name(self) -> str:
        """What a saved file is called."""

    def on_mount(self) -> None:
        """Nothing is searched yet."""
        self._show_field(False)

    def focus_text(self) -> None:
        """Give the text the keys."""
        self.view.focus(scroll_visible=False)

    def show_status(self) -> None:
        """Say what is known of the text."""
        which, count = self.view.found
        said = f"{self._words}: {which} of {count}   n next   N before   esc ends" if self._words else self.status
        self.query_one(".text--status", Static).update(said)

    def _show_field(self, shown: bool) -> None:
        self.query_one(Input).display = shown
        self.query_one(".text--status").display = not shown

    def action_search(self) -> None:
        """Open the field."""
        self._show_field(True)
        field = self.query_one(Input)
        field.value = self._words
        field.focus()

    def end_search(self) -> bool:
        """Leave the field and the marks; False when there were none."""
        if not self._words and not self.query_one(Input).display:
            return False
        self._words = ""
        self.view.search("")
        self._show_field(False)
        self.show_status()
        self.focus_text()
        return True

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self.query_one(Input).display:
            self._words = event.value
            self.view.search(event.value)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self._show_field(False)
        self.show_status()
        self.focus_text()

    @on(TextView.MatchesChanged)
    def _matches(self, event: TextView.MatchesChanged) -> None:
        event.stop()
        self.show_status()

    def action_match(self, by: int) -> None:
        """To another line with the text."""
        self.view.next_match(by)
        self.show_status()

    def action_wrap(self) -> None:
        """Wrap long lines, or not."""
        self.view.wrapping = not self.view.wrapping
        self.show_choices()

    def show_choices(self) -> None:
        """What is switched on changed."""

    def action_copy(self) -> None:
        """Copy the whole text; terminals that allow it (OSC 52) hand it to the desktop."""
        self.app.copy_to_clipboard(self.whole_text())
        self.notify(f"{len(self.view.rows):,} lines copied", timeout=3)

    async def action_save(self) -> None:
        """Write the whole text to a file of its own in the working directory."""
        await save_text(self, self.file_name(), self.whole_text())


async def save_text(widget: Widget, name: str, text: str) -> None:
    """Write a new file that only its owner can read, and say where it is or why it is not."""
    import asyncio

    try:
        path = await asyncio.to_thread(_write_new, name, text)
    except OSError as error:
        widget.notify(f"cannot write {error.filename or name}: {error.strerror}", severity="error")
    else:
        widget.notify(f"written to {path}")


def _write_new(name: str, text: str) -> str:
    """Never over a file that is there: `chat.log`, `chat-2.log`, ..."""
    import os
    from itertools import count
    from pathlib import Path

    stem, dot, suffix = name.rpartition(".")
    for number in count(1):
        path = Path.cwd() / (name if number == 1 else f"{stem}-{number}{dot}{suffix}")
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        return str(path)
    raise AssertionError("count() does not end")
