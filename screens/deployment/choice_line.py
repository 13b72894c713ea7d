"""One line of things to choose from, each with its key; a click on one is the same as its key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.events import Click
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget


@dataclass(frozen=True, slots=True)
class Choice:
    """One of them: `action` is run on the parent when it is clicked. `on` is what is chosen, or switched on.

    `short` is said instead of `text` where the line is too narrow for all of them.
    """

    key: str
    text: str
    action: str = ""
    on: bool = False
    tone: str = ""
    short: str = ""


class ChoiceLine(Widget):
    """Shows choices from left to right; those that do not fit are left out from the end."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "choices--key",
        "choices--text",
        "choices--on",
        "choices--quiet",
        "choices--waiting",
        "choices--bad",
    }
    ALLOW_SELECT = False
    can_focus = False

    @dataclass
    class Clicked(Message):
        """A choice was clicked."""

        line: ChoiceLine
        action: str

        @property
        def control(self) -> ChoiceLine:
            """The line."""
            return self.line

    def __init__(self, choices: Sequence[Choice] = (), *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._choices = tuple(choices)
        self._targets: list[tuple[range, str]] = []

    @property
    def text(self) -> str:
        """What is shown, as plain text."""
        return "  ".join(f"{choice.key} {choice.text}".strip() for choice in self._choices)

    def show(self, choices: Sequence[Choice]) -> None:
        """Show these."""
        if tuple(choices) != self._choices:
            self._choices = tuple(choices)
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The line."""
        width = self.size.width
        segments: list[Segment] = []
        self._targets = []
        at = 0
        narrow = sum(cell_len(_key(choice)) + cell_len(choice.text) + 3 for choice in self._choices) > width + 1
        for choice in self._choices:
            key = _key(choice)
            text = f" {choice.short if narrow and choice.short else choice.text} "
            size = cell_len(key + text)
            if at + size > width:
                text = _shorten(text, width - at - cell_len(key))
                size = cell_len(key + text)
            if not text:
                break
            tone = "on" if choice.on else choice.tone or "text"
            style = self.get_component_rich_style(f"choices--{tone}")
            key_style = style if choice.on else self.get_component_rich_style("choices--key")
            segments += [Segment(key, key_style), Segment(text, style), Segment(" ", self.rich_style)]
            if choice.action:
                self._targets.append((range(at, at + size), choice.action))
            at += size + 1
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def on_click(self, event: Click) -> None:
        """Choose what is under the pointer."""
        action = next((action for where, action in self._targets if event.x in where), None)
        if action is not None:
            event.stop()
            self.post_message(self.Clicked(self, action))


def _key(choice: Choice) -> str:
    return f" {choice.key}" if choice.key else ""


def _shorten(text: str, room: int) -> str:
    """The text cut to the room there is; nothing when that would tell nothing."""
    return f"{text[: room - 1]}…" if room >= 8 else ""
