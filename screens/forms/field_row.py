"""One field of a form on the screen: label, control, unit, and below it what is wrong."""

from __future__ import annotations

from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import Click
from textual.message import Message
from textual.widgets import Static

from genai_tui.domain.form_field import FormField
from screens.forms.controls import Control, LineControl, LinesControl, control_for
from screens.forms.state import Notice


class FieldRow(Vertical):
    """A field. The line below the control is there even when it is empty, so that nothing jumps."""

    @dataclass
    class ChoicesRequested(Message):
        """The mark that opens the list of choices was clicked."""

        field: FormField

    def __init__(self, field: FormField, text: str, *, locked: str = "") -> None:
        super().__init__(classes="field")
        self.field = field
        self._control = control_for(field, text)
        self._locked = locked
        self._said: Notice | None = None
        self._notice = Static("", classes="field--notice", markup=False)
        self._fixed = Static(text, classes="field--locked", markup=False)
        self.set_class(field.kind.value == "multi-line", "-lines")

    def compose(self) -> ComposeResult:
        """Label, control, and what stands beside and below."""
        with Horizontal(classes="field--line"):
            yield Static(self.field.label, classes="field--label", markup=False)
            if self._locked:
                yield self._fixed
                yield Static(self._locked, classes="field--unit", markup=False)
            else:
                yield self._control
                if self.field.choices is not None:
                    yield Static("▾", classes="field--open", markup=False)
                if self.field.unit:
                    yield Static(self.field.unit, classes="field--unit", markup=False)
        yield self._notice

    @property
    def control(self) -> Control | None:
        """What is typed in; None while the field is locked."""
        return None if self._locked else self._control

    def put(self, text: str) -> None:
        """Show another text without calling it typed."""
        if self._locked:
            if self._control.text != text:
                self._control.put(text)
                self._fixed.update(text)
        elif self._control.text != text:
            self._control.put(text)

    def take(self, text: str) -> None:
        """Put in a text as if it had been typed: in a list, as one more entry."""
        if isinstance(self._control, LinesControl):
            self._control.insert_line(text)
        elif isinstance(self._control, LineControl):
            self._control.value = text
            self._control.cursor_position = len(text)

    def say(self, notice: Notice | None) -> None:
        """Show what is wrong, or nothing."""
        if notice == self._said:
            return
        self._said = notice
        line = self._notice
        line.update("" if notice is None else f"{'✖' if notice.stops else '▲'} {notice.text}")
        line.set_class(notice is not None and notice.stops, "-problem")
        line.set_class(notice is not None and not notice.stops, "-warning")
        self.set_class(notice is not None and notice.stops, "-wrong")

    @on(Click, ".field--open")
    def _open(self, event: Click) -> None:
        event.stop()
        self._control.focus()
        self.post_message(self.ChoicesRequested(self.field))

    @on(Click, ".field--label")
    def _label(self, event: Click) -> None:
        event.stop()
        if not self._locked:
            self._control.focus()
