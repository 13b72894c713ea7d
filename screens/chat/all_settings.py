"""Every setting of a request on one page: what it does, what it takes, and what is wrong with what is typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Input, Label, Static, TextArea

from genai_tui.domain.sampling import FIELDS, TOOLS, ChatField, read_settings
from screens.dialogs.base import Dialog
from screens.widgets.choice_row import ChoiceRow


class SettingsDialog(Dialog[Mapping[str, str]]):
    """Shows what is set, by field; answers what it was changed to, however it is left.

    Args:
        texts: what was typed before, by the names of `FIELDS`; others are kept.
        context_length: the longest context in tokens, where it is known.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "app.focus_next", "Next", show=False),
        Binding("up", "app.focus_previous", "Previous", show=False),
        Binding("ctrl+l", "clear", "Clear", show=False, tooltip="Leave everything to the engine"),
    ]
    KEYS = "↑ ↓ field   empty: the engine's default   ctrl+l clear all   esc done"

    def __init__(self, texts: Mapping[str, str], context_length: int | None) -> None:
        super().__init__("Settings of each question")
        self.add_class("-chat-settings")
        self._texts, self._context_length = dict(texts), context_length

    def compose_content(self) -> ComposeResult:
        """A line for each."""
        with VerticalScroll(classes="chat-setting--all", can_focus=False):
            for field in FIELDS:
                with Horizontal(classes="chat-setting", id=f"line-{field.name}"):
                    yield Label(field.label, classes="chat-setting--label")
                    yield self._control(field)
                    yield Static(field.hint, classes="chat-setting--hint", markup=False)

    def _control(self, field: ChatField) -> ChoiceRow | TextArea | Input:
        text = self._texts.get(field.name, "")
        if field.words:
            return ChoiceRow(field.words, text or field.words[0], id=field.name)
        if field.name == TOOLS:
            return TextArea(text, id=field.name, compact=True, placeholder="none", highlight_cursor_line=False)
        return Input(text, placeholder="default", id=field.name, compact=True, select_on_focus=False)

    def on_mount(self) -> None:
        """Say what is wrong already."""
        self._check()

    @on(Input.Changed)
    @on(TextArea.Changed)
    @on(ChoiceRow.Changed)
    def _changed(self, event: Input.Changed | TextArea.Changed | ChoiceRow.Changed) -> None:
        event.stop()
        if isinstance(event, ChoiceRow.Changed):
            name, text = event.row.id, "" if event.value == event.row.words[0] else event.value
        elif isinstance(event, Input.Changed):
            name, text = event.input.id, event.value
        else:
            name, text = event.text_area.id, event.text_area.text
        self._texts[name or ""] = text
        self._check()

    def _check(self) -> None:
        _, _, problems = read_settings(self._texts, self._context_length)
        wrong = {problem.field: problem.message for problem in problems}
        for field in FIELDS:
            line = self.query_one(f"#line-{field.name}")
            line.set_class(field.name in wrong, "-wrong")
            line.query_one(".chat-setting--hint", Static).update(wrong.get(field.name, field.hint))

    @on(Input.Submitted)
    def _next(self, event: Input.Submitted) -> None:
        event.stop()
        self.focus_next()

    def action_clear(self) -> None:
        """Leave all to the engine."""
        for field in FIELDS:
            control = self.query_one(f"#{field.name}")
            if isinstance(control, Input):
                control.value = ""
            elif isinstance(control, TextArea):
                control.text = ""
            elif isinstance(control, ChoiceRow):
                control.choose(field.words[0])

    def action_leave(self) -> None:
        """Keep what is typed."""
        self.dismiss(self._texts)
