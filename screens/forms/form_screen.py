"""What every form on a screen of its own does: follow the typing, keep it, list choices, ask before it is left."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from textual import events, on, work
from textual.binding import Binding, BindingType
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from genai_tui.domain.drafts import may_be_kept
from genai_tui.domain.form_facts import Choice, Facts, choices_of
from genai_tui.domain.form_field import Draft, FieldKind
from genai_tui.errors import GenaiTuiError
from genai_tui.services import SavedDraft
from screens.base import ConsoleScreen
from screens.forms.controls import AdvanceRequested, Control, Edited, LinesControl
from screens.forms.facts import facts_of
from screens.forms.field_help import FieldHelp
from screens.forms.field_row import FieldRow
from screens.forms.form_pane import FormPane
from screens.forms.keeper import DraftKeeper
from screens.forms.picker import PickerScreen
from screens.forms.state import FormState

_KEEP_AFTER = 0.5  # seconds


class FormScreen(ConsoleScreen):
    """A form. What is typed is kept on disk within a second and loses its draft only when saved or discarded."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "choose", "Choose", id="form.choose", tooltip="List what can be put into this field"),
        Binding("ctrl+g", "next_problem", "Problem", id="form.problem", tooltip="Go to the next wrong field"),
        Binding("escape", "leave", "Leave", id="form.leave", tooltip="Leave the form; it can be kept as a draft"),
        Binding("tab", "field(1)", "Next field", show=False),
        Binding("shift+tab", "field(-1)", "Field before", show=False),
        Binding("ctrl+c,super+c", "screen.copy_text", "Copy selected text", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.facts = Facts()
        self.state: FormState[Any]
        self.keeper: DraftKeeper
        self._timer: Timer | None = None

    # What a form adds -------------------------------------------------------------------------------------------------

    @abstractmethod
    def open_pane(self) -> FormPane | None:
        """The pane whose fields can be typed in now."""

    @abstractmethod
    def draft_title(self) -> str:
        """What the kept form is called in a list."""

    @abstractmethod
    def show_form(self) -> None:
        """Follow the form."""

    @abstractmethod
    async def go_to(self, field_id: str) -> None:
        """Show a field and focus it."""

    @abstractmethod
    def resume(self, draft: SavedDraft) -> None:
        """Go on with a kept form."""

    async def past_the_fields(self, by: int) -> None:
        """Tab was pressed on the last field, or shift+tab on the first."""
        (self.focus_next if by > 0 else self.focus_previous)()

    def typed(self, field_id: str) -> None:
        """A field was typed in; what follows from it may be filled in here."""

    @property
    def usable(self) -> bool:
        """Whether there is a form at all."""
        return True

    # Typing -----------------------------------------------------------------------------------------------------------

    def refresh_from_picture(self) -> None:
        """What exists has changed: check the form against it again."""
        self.facts = facts_of(self.services.picture)
        if self.usable:
            self.state.validate()
            self.show_form()

    @on(Edited)
    def _edited(self, event: Edited) -> None:
        event.stop()
        if self.state.enter(event.field_id, event.text):
            self.typed(event.field_id)
            self.show_form()
            self._keep_soon()

    def fill_in(self, draft: Draft) -> None:
        """Take over suggestions; only what differs is shown, so that nothing typed meanwhile is overwritten."""
        before = self.state.draft
        self.state.replace(draft)
        self._show_texts({key: text for key, text in draft.items() if text != before.get(key, "")})

    def _show_texts(self, texts: Draft) -> None:
        for pane in self.query(FormPane):
            pane.put(texts)

    @on(events.DescendantFocus)
    def _focused(self, event: events.DescendantFocus) -> None:
        row = row_of(event.widget)
        for panel in self.query(FieldHelp):
            panel.field = row.field if row else None
        self.refresh_bindings()

    @on(events.DescendantBlur)
    def _left(self, event: events.DescendantBlur) -> None:
        row = row_of(event.widget)
        if row is not None and row.field.id not in self.state.seen:
            self.state.seen.add(row.field.id)
            self.show_form()

    # Keeping ----------------------------------------------------------------------------------------------------------

    def kept(self) -> dict[str, str]:
        """The form as it is kept on disk."""
        return may_be_kept(self.state.draft)

    def _keep_soon(self) -> None:
        self.keeper.note(self.draft_title(), self.kept())
        if self._timer is None:
            self._timer = self.set_timer(_KEEP_AFTER, self.keep_now)

    def keep_now(self) -> None:
        """Put what was typed on disk without waiting for the half second."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if self.keeper.waiting:
            self.run_worker(self._keep(), group="draft", exit_on_error=False)

    async def _keep(self) -> None:
        await self.keeper.write()
        if self.keeper.kept and self.is_mounted:
            self.query_one(".form-kept", Static).update(f"draft kept {self.services.clock():%H:%M:%S}")

    def not_kept(self, error: GenaiTuiError) -> None:
        """The form cannot be kept on disk."""
        self.notify(error.problem.line, severity="warning")

    async def on_unmount(self) -> None:
        """Whatever was typed last is kept too."""
        if self.usable:
            await self.keeper.write()

    @work(exclusive=True, group="dialog")
    async def offer(self, offers: tuple[SavedDraft, ...], otherwise: str) -> None:
        """Ask whether to go on with a kept form; `otherwise` says what happens if not."""
        kept = [Choice(f"Continue {draft.title}", f"{draft.saved:%d %b %H:%M} UTC") for draft in offers]
        choices = [*kept, Choice(otherwise)]
        chosen = await self.app.push_screen_wait(PickerScreen("Not finished yet", choices, narrowing=False))
        if chosen is not None and chosen < len(offers):
            self.resume(offers[chosen])
            self._show_texts(self.state.draft)
            self.state.look_at_everything()
            self.show_form()

    # Moving -----------------------------------------------------------------------------------------------------------

    def controls(self) -> list[Control]:
        """What can be typed in now, in order."""
        pane = self.open_pane()
        return pane.controls() if pane is not None else []

    @on(AdvanceRequested)
    async def _advance(self, event: AdvanceRequested) -> None:
        event.stop()
        await self.action_field(1)

    async def action_field(self, by: int) -> None:
        """Go to the next or the previous field."""
        controls = self.controls()
        at = next((i for i, control in enumerate(controls) if control is self.focused), None)
        if at is not None and 0 <= at + by < len(controls):
            # At once: keys typed ahead over a slow line must not go to the field before.
            self.set_focus(controls[at + by])
        else:
            await self.past_the_fields(by)

    async def action_next_problem(self) -> None:
        """Go to the next wrong field after the focused one, round and round."""
        if not self.usable:
            return
        self.state.look_at_everything()
        self.show_form()
        wrong = [problem.field for problem in self.state.problems]
        if not wrong:
            self.notify("No field is wrong.")
            return
        order = [field.id for field in self.state.form.fields]
        row = row_of(self.focused)
        here = order.index(row.field.id) if row else -1
        await self.go_to(next((field for field in wrong if order.index(field) > here), wrong[0]))

    # Choosing ---------------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """F2 is offered where there is something to list."""
        if action == "choose":
            row = row_of(self.focused)
            return row is not None and row.field.choices is not None
        return super().check_action(action, parameters)

    def action_choose(self) -> None:
        """List what can be put into the focused field."""
        row = row_of(self.focused)
        if row is not None:
            self._choose(row)

    @on(FieldRow.ChoicesRequested)
    def _choices_requested(self, event: FieldRow.ChoicesRequested) -> None:
        event.stop()
        pane = self.open_pane()
        row = pane.row(event.field.id) if pane is not None else None
        if row is not None:
            self._choose(row)

    @work(exclusive=True, group="dialog")
    async def _choose(self, row: FieldRow) -> None:
        source, control = row.field.choices, row.control
        if source is None or control is None:
            return
        current = "" if row.field.kind is FieldKind.LINES else control.text
        title = f"{row.field.label}: {source}" if isinstance(control, LinesControl) else row.field.label
        empty = f"the cluster shows no {source}"
        choices = choices_of(source, self.facts, self.state.draft)
        chosen = await self.app.push_screen_wait(PickerScreen(title, choices, current=current, empty=empty))
        if chosen is not None:
            row.take(choices[chosen].text)

    # Leaving ----------------------------------------------------------------------------------------------------------

    def action_leave(self) -> None:
        """Leave; ask what to do with what was typed."""
        if self.usable and (self.state.typed or self.keeper.kept):
            self._ask_to_leave()
        else:
            self.dismiss()

    @work(exclusive=True, group="dialog")
    async def _ask_to_leave(self) -> None:
        choices = [
            Choice("Keep as draft", "it is offered again next time"),
            Choice("Discard", "what was typed is gone"),
            Choice("Stay", "go on typing"),
        ]
        chosen = await self.app.push_screen_wait(PickerScreen("Leave the form?", choices, narrowing=False))
        if chosen == 0:
            self.keeper.note(self.draft_title(), self.kept())
            await self.keeper.write()
        elif chosen == 1:
            await self.keeper.discard()
        else:
            return
        self.dismiss()


def row_of(widget: Widget | None) -> FieldRow | None:
    """The row a widget stands in."""
    if widget is None:
        return None
    return next((node for node in widget.ancestors_with_self if isinstance(node, FieldRow)), None)
