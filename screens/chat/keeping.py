"""Keeping a conversation, a system prompt or a question by a name, and coming back to what was kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from genai_tui.domain.conversation import SavedConversation, SavedPrompt, SavedQuestion
from genai_tui.domain.form_facts import Choice
from genai_tui.domain.text import printable
from screens.dialogs.base import Dialog
from screens.dialogs.confirm import ConfirmDialog
from screens.format import age, plural
from screens.forms.picker import PickerScreen
from screens.widgets.choice_row import ChoiceRow

CONVERSATION, PROMPT, QUESTION = "conversation", "system prompt", "question"
_LONGEST = 60
Saved = SavedConversation | SavedPrompt | SavedQuestion


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be kept, and under which name."""

    what: str
    name: str


class KeepDialog(Dialog[Wanted]):
    """Asks for what is to be kept and its name; what has that name already is said.

    Args:
        names: a name to begin with, for each of what there is to keep.
        taken: the names there are, for each.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "other(1)", "Next", show=False, tooltip="Keep something else"),
        Binding("up", "other(-1)", "Previous", show=False, tooltip="Keep something else"),
    ]
    KEYS = "enter keep   ↑ ↓ what   esc back"

    def __init__(self, names: Mapping[str, str], taken: Mapping[str, Sequence[str]]) -> None:
        super().__init__("Keep on this machine")
        self.add_class("-keep")
        self._names, self._taken = names, taken
        self._what = next(iter(names))

    def compose_content(self) -> ComposeResult:
        """What, its name, and what would be replaced."""
        yield ChoiceRow(tuple(self._names), self._what, id="keep-what")
        yield Input(self._names[self._what], compact=True, classes="dialog--input", max_length=_LONGEST)
        yield Static("", classes="dialog--note", markup=False)

    def on_mount(self) -> None:
        """The name has the focus."""
        self.query_one(Input).focus()
        self._tell()

    def action_other(self, by: int) -> None:
        """Something else to keep."""
        self.query_one(ChoiceRow).action_step(by)

    @on(ChoiceRow.Changed)
    def _chosen(self, event: ChoiceRow.Changed) -> None:
        event.stop()
        line = self.query_one(Input)
        if line.value == self._names[self._what]:
            line.value = self._names[event.value]
        self._what = event.value
        self._tell()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._tell()

    def _tell(self) -> None:
        name = self.query_one(Input).value.strip()
        there = name in self._taken[self._what]
        text = f"replaces the {self._what} that has this name" if there else "" if name else "needs a name"
        self.query_one(".dialog--note", Static).update(text)

    @on(Input.Submitted)
    def _keep(self, event: Input.Submitted) -> None:
        event.stop()
        name = event.value.strip()
        if name:
            self.dismiss(Wanted(self._what, name))


class SavedScreen(PickerScreen):
    """What was kept, to be opened or forgotten.

    Args:
        saved: what there is, in this order.
        now: the present.
        forget: forgets one of them for good.
        unkept: how many of them, the first ones, are conversations of this run that were not kept.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+d", "forget", "Forget", show=False, priority=True, tooltip="Forget it for good, after a yes"),
    ]
    KEYS = "enter open   ctrl+d forget   esc back"

    def __init__(self, saved: Sequence[Saved], now: datetime, forget: Callable[[Saved], None], unkept: int = 0) -> None:
        empty = "nothing was kept yet: ctrl+s in the playground keeps a conversation, a system prompt or a question"
        super().__init__(
            "Open what was kept", [_choice(one, now, at < unkept) for at, one in enumerate(saved)], empty=empty
        )
        self._saved, self._forget, self._unkept = tuple(saved), forget, unkept

    def action_forget(self) -> None:
        """Forget the one under the cursor."""
        at = self.highlighted
        if at is None:
            return
        one, kept = self._saved[at], at >= self._unkept

        def answered(yes: bool | None) -> None:
            if yes:
                self._forget(one)
                self.dismiss(None)

        question = f"Forget the {what_of(one)} {printable(one.name)}?"
        text = "It is deleted on this machine." if kept else "It was not kept, and is gone then."
        self.app.push_screen(ConfirmDialog(question, text, yes="Forget"), answered)


def what_of(one: Saved) -> str:
    """Conversation, system prompt or question."""
    match one:
        case SavedConversation():
            return CONVERSATION
        case SavedPrompt():
            return PROMPT
        case SavedQuestion():
            return QUESTION


def _choice(one: Saved, now: datetime, unkept: bool) -> Choice:
    when = age(one.saved, now)
    when = "just now" if when == "now" else f"{when} ago"
    if not isinstance(one, SavedConversation):
        return Choice(printable(one.name), f"{what_of(one)}  {plural(len(one.text.split()), 'word')}  {when}")
    about = f"{one.ref}  {plural(len(one.turns), 'question')}  {when}"
    return Choice(printable(one.name), f"not kept  {about}" if unkept else about)
