"""The four ways to fill in a field. Each holds the field's text exactly as typed and says when it changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.suggester import SuggestFromList
from textual.widget import Widget
from textual.widgets import Input, TextArea

from genai_tui.domain.form_field import FieldKind, FormField


@dataclass
class Edited(Message):
    """A person changed the text of a field."""

    field_id: str
    text: str


@dataclass
class AdvanceRequested(Message):
    """Enter was pressed in a field of one line: go to the next one."""


class LineControl(Input):
    """One line of text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "screen.field(1)", "Next field", show=False),
        Binding("up", "screen.field(-1)", "Field before", show=False),
    ]

    def __init__(self, field: FormField, text: str, suggestions: Sequence[str] = ()) -> None:
        super().__init__(
            text,
            placeholder=field.placeholder,
            suggester=SuggestFromList(suggestions) if suggestions else None,
            compact=True,
        )
        self.field = field

    @property
    def text(self) -> str:
        """What is typed."""
        return self.value

    def put(self, text: str) -> None:
        """Show another text without calling it typed."""
        with self.prevent(Input.Changed):
            self.value = text
            self.cursor_position = len(text)

    def suggest(self, suggestions: Sequence[str]) -> None:
        """Complete from these as is typed."""
        self.suggester = SuggestFromList(suggestions) if suggestions else None

    def on_input_changed(self, event: Input.Changed) -> None:
        """Tell the form."""
        event.stop()
        self.post_message(Edited(self.field.id, event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go on to the next field."""
        event.stop()
        self.post_message(AdvanceRequested())


class LinesControl(TextArea):
    """Several lines of text, one entry each."""

    MOST_LINES: ClassVar[int] = 7

    def __init__(self, field: FormField, text: str) -> None:
        super().__init__(text, placeholder=field.placeholder, compact=True, highlight_cursor_line=False)
        self.field = field
        self._fit()

    def put(self, text: str) -> None:
        """Show another text without calling it typed."""
        with self.prevent(TextArea.Changed):
            self.text = text
        self._fit()

    def insert_line(self, line: str) -> None:
        """Add an entry at the end."""
        text = self.text.rstrip("\n")
        self.text = f"{text}\n{line}" if text.strip() else line
        self.move_cursor(self.document.end)

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Tell the form, and grow with the text."""
        event.stop()
        self._fit()
        self.post_message(Edited(self.field.id, self.text))

    def _fit(self) -> None:
        """Height follows the lines, within bounds; it is content, not look."""
        self.styles.height = min(self.MOST_LINES, max(2, self.document.line_count))


class ChoiceControl(Widget, can_focus=True):
    """A closed set of words of which one is chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "step(-1)", "Previous", show=False),
        Binding("right,space", "step(1)", "Next", show=False),
        Binding("enter", "advance", "Next field", show=False),
        Binding("down", "screen.field(1)", "Next field", show=False),
        Binding("up", "screen.field(-1)", "Field before", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"choice--on", "choice--off", "choice--wrong"}

    text: reactive[str] = reactive("")
    """The chosen word, or whatever else the draft holds."""

    def __init__(self, field: FormField, text: str) -> None:
        super().__init__()
        self.field = field
        self.set_reactive(ChoiceControl.text, text)

    def put(self, text: str) -> None:
        """Show another text without calling it typed."""
        self.text = text

    def render(self) -> Content:
        """Every option with a mark; the chosen one filled."""
        parts: list[Content] = []
        for option in self.field.options:
            on = option == self.text
            style = self.get_visual_style("choice--on" if on else "choice--off")
            parts.append(Content.styled(f"{'●' if on else '○'} {option}", style))
        if self.text not in self.field.options:
            shown = self.text or "nothing chosen"
            parts.append(Content.styled(shown, self.get_visual_style("choice--wrong")))
        return Content(" " * self._gap).join(parts)

    @property
    def _gap(self) -> int:
        """Blanks between options: two, or one where space is short."""
        options = self.field.options
        wide = sum(len(option) + 2 for option in options) + 2 * (len(options) - 1)
        return 2 if wide <= self.content_size.width else 1

    def action_step(self, by: int) -> None:
        """Choose the next or previous option, round and round."""
        options = self.field.options
        at = options.index(self.text) if self.text in options else -by
        self._choose(options[(at + by) % len(options)])

    def action_advance(self) -> None:
        """Go on to the next field."""
        self.post_message(AdvanceRequested())

    def on_click(self, event: events.Click) -> None:
        """Choose the option under the mouse."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        start = 0
        for option in self.field.options:
            end = start + len(option) + 2
            if start <= offset.x < end:
                self._choose(option)
            start = end + self._gap

    def _choose(self, option: str) -> None:
        if option != self.text:
            self.text = option
            self.post_message(Edited(self.field.id, option))


Control = LineControl | LinesControl | ChoiceControl


def control_for(field: FormField, text: str) -> Control:
    """The control that suits a field."""
    if field.options:
        return ChoiceControl(field, text)
    return LinesControl(field, text) if field.kind is FieldKind.LINES else LineControl(field, text)
