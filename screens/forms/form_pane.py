"""The fields of one tab, one below the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from genai_tui.domain.form_field import Draft, FormField
from screens.forms.controls import Control
from screens.forms.field_row import FieldRow
from screens.forms.state import FormState


class FormPane(VerticalScroll, can_focus=False):
    """Fields in order, with an optional sentence above them.

    Args:
        fields: the fields of the tab.
        draft: the form as it is now.
        locked: field id -> why it cannot be changed.
        note: a sentence above the fields.
        id: id of the widget.
    """

    def __init__(
        self,
        fields: Sequence[FormField],
        draft: Draft,
        *,
        locked: Mapping[str, str] | None = None,
        note: str = "",
        id: str | None = None,
    ) -> None:
        super().__init__(id=id, classes="form-pane")
        locked = locked or {}
        self._noted = note
        self._note = Static(note, classes="form-pane--note", markup=False)
        self._note.display = bool(note)
        self.rows = tuple(FieldRow(field, draft.get(field.id, ""), locked=locked.get(field.id, "")) for field in fields)
        for row in self.rows:
            row.display = row.field.applies(draft)

    def compose(self) -> ComposeResult:
        """The sentence and the rows."""
        yield self._note
        yield from self.rows

    def show(self, state: FormState[Any]) -> None:
        """Follow the form: which fields apply, what is wrong. What they hold stays: it may be typed further by now."""
        for row in self.rows:
            row.display = row.field.applies(state.draft)
            row.say(state.notice(row.field.id))

    def put(self, texts: Mapping[str, str]) -> None:
        """Show other texts, by field id, without calling them typed."""
        for row in self.rows:
            if row.field.id in texts:
                row.put(texts[row.field.id])

    def say_note(self, note: str) -> None:
        """Change the sentence above the fields."""
        if note != self._noted:
            self._noted = note
            self._note.update(note)
            self._note.display = bool(note)

    def controls(self) -> list[Control]:
        """What can be typed in now, in order."""
        return [row.control for row in self.rows if row.display and row.control is not None]

    def row(self, field_id: str) -> FieldRow | None:
        """The row of a field."""
        return next((row for row in self.rows if row.field.id == field_id), None)
