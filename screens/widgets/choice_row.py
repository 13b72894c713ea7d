"""A closed set of words in one line, of which one is chosen: by arrow keys, by a click, or from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.cells import cell_len
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget


class ChoiceRow(Widget, can_focus=True):
    """The words, the chosen one marked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "step(-1)", "Previous", show=False),
        Binding("right,space", "step(1)", "Next", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"choices--on", "choices--off"}
    ALLOW_SELECT = False
    DEFAULT_CSS = """
    ChoiceRow {
        width: auto;
        height: 1;
        & > .choices--on { color: $text-accent; text-style: bold; }
        & > .choices--off { color: $text-muted; }
        &:focus > .choices--on { background: $accent-muted; }
    }
    """

    value: reactive[str] = reactive("")
    """The chosen word."""

    class Changed(Message):
        """A person chose another word."""

        def __init__(self, row: ChoiceRow, value: str) -> None:
            self.row, self.value = row, value
            super().__init__()

        @property
        def control(self) -> ChoiceRow:
            """The row."""
            return self.row

    def __init__(self, words: Sequence[str], value: str, **of_widget: Any) -> None:  # noqa: ANN401
        super().__init__(**of_widget)
        self.words = tuple(words)
        self.set_reactive(ChoiceRow.value, value)

    def render(self) -> Content:
        """Every word; the chosen one is told by a mark, not by colour alone."""
        return Content("  ").join(
            Content.styled(
                f"{'●' if word == self.value else '○'} {word}",
                self.get_visual_style("choices--on" if word == self.value else "choices--off"),
            )
            for word in self.words
        )

    def action_step(self, by: int) -> None:
        """Choose a neighbour, round and round."""
        at = self.words.index(self.value) if self.value in self.words else -by
        self.choose(self.words[(at + by) % len(self.words)])

    def choose(self, word: str) -> None:
        """Choose a word as a person does."""
        if word != self.value:
            self.value = word
            self.post_message(self.Changed(self, word))

    def on_click(self, event: events.Click) -> None:
        """Choose the word under the pointer."""
        offset = event.get_content_offset(self)
        start = 0
        for word in self.words:
            width = cell_len(word) + 2
            if offset is not None and start <= offset.x < start + width:
                self.choose(word)
            start += width + 2
