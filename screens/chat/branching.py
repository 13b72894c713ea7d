"""Choosing a question of the conversation, and asking it again or changing it: a branch begins there."""

from __future__ import annotations

from textual import on
from textual.binding import Binding

from genai_tui.domain.conversation import Turn, other_try
from genai_tui.domain.rows import Ref
from screens.chat.conversation_screen import ConversationScreen
from screens.chat.memory import Edit
from screens.chat.prompt import Prompt
from screens.chat.turns import Turns

BRANCH_KEYS = [
    Binding("escape", "unmark", "Give up", id="chat.unmark",
            tooltip="Give up the change, leave the mark, or go on without the results of calls"),
    Binding("alt+up,ctrl+up", "mark(-1)", "Mark earlier", show=False, id="chat.earlier", priority=True,
            tooltip="Mark an earlier question: Retry, Edit and Another try are then of that one"),
    Binding("alt+down,ctrl+down", "mark(1)", "Mark later", show=False, id="chat.later", priority=True,
            tooltip="Mark a later question"),
    Binding("ctrl+r", "retry", "Retry", id="chat.retry", priority=True,
            tooltip="Ask the last or the marked question again; what is there stays beside the new answer"),
    Binding("f8", "edit", "Edit question", show=False, id="chat.edit", priority=True,
            tooltip="Change the last or the marked question and ask it instead; what is there stays beside"),
    Binding("f9", "other(1)", "Another try", show=False, id="chat.other", priority=True,
            tooltip="Show another try of the last or the marked question, with what followed it"),
]  # fmt: skip


class BranchingScreen(ConversationScreen):
    """A conversation in which any question may be asked again; its keys are `BRANCH_KEYS`."""

    def __init__(self, ref: Ref | None = None) -> None:
        super().__init__(ref)
        self._marked: int | None = None

    @property
    def _at(self) -> int:
        """The place that keys are about: the marked question, else the last; -1 without any."""
        return len(self._held.turns) - 1 if self._marked is None else self._marked

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing is asked again while an answer is on its way, or without a question."""
        changing = self._held.edit is not None
        if action == "unmark":
            return not self.asking and (changing or self._marked is not None or bool(self._held.wanted))
        if action in ("mark", "retry", "other"):
            return bool(self._held.turns) and not self.asking and not changing
        if action == "edit":
            return bool(self._held.turns) and not self.asking
        return super().check_action(action, parameters)

    def action_mark(self, by: int) -> None:
        """Mark the question before or after; behind the last one there is no mark."""
        turns = self._held.turns
        at = (len(turns) if self._marked is None else self._marked) + by
        self._mark(max(0, at) if at < len(turns) else None)

    @on(Turns.Pointed)
    def _pointed(self, event: Turns.Pointed) -> None:
        event.stop()
        if not self.asking and self._held.edit is None:
            self._mark(event.at if event.at != self._marked else None)

    def _mark(self, at: int | None) -> None:
        self._marked = at
        self.query_one(Turns).mark(at)
        self.refresh_bindings()
        self._refresh_words()

    def action_unmark(self) -> None:
        """Give up the change, leave the marked question, or go on without the results that are wanted."""
        edit, self._held.edit = self._held.edit, None
        if edit is not None:
            self._held.results = edit.results
            self.query_one(Prompt).put(edit.draft)
        elif self._marked is None:
            self._held.results = None
        self._mark(None)

    def action_edit(self) -> None:
        """Put the question, or each result, where it can be changed; sending takes its place. Again gives that up."""
        if self._held.edit is not None:
            self.action_unmark()
            return
        prompt, at = self.query_one(Prompt), self._at
        turn = self._held.turns[at]
        self._held.edit = Edit(at, prompt.text, self._held.results)
        self._held.results = () if turn.results else None
        prompt.put(turn.results[0] if turn.results else turn.question)
        prompt.focus()
        self._mark(at)

    def action_retry(self) -> None:
        """Ask the question again."""
        if self._ref is None:
            return
        at, prompt = self._at, self.query_one(Prompt)
        turn = self._held.turns[at]
        # A question without an answer was given back to be sent; now it is sent.
        if prompt.text == turn.question:
            self._held.typed = ""
            prompt.put("")
        self._ask(self._ref, Turn(turn.question, results=turn.results), at)

    def action_other(self, by: int) -> None:
        """Show another try of the question, with what followed it."""
        at = self._at
        if not self._held.turns[at].others:
            self.notify("this question has one answer: ctrl+r asks again, alt+up marks an earlier one", timeout=4)
            return
        self._held.turns = other_try(self._held.turns, at, by)
        self._held.want_results()
        marked = self._marked
        self._show_turns()
        self._mark(marked)

    def _show_turns(self) -> None:
        self._marked = self._held.edit.at if self._held.edit is not None else None
        super()._show_turns()
        self.query_one(Turns).mark(self._marked)

    def _ask(self, ref: Ref, turn: Turn, at: int) -> None:
        self._marked = None
        super()._ask(ref, turn, at)
        self.query_one(Turns).mark(None)

    def _doing(self) -> str:
        edit, count = self._held.edit, len(self._held.turns)
        if edit is not None and not self._held.wanted:
            return f"▲ changing question {edit.at + 1} of {count}: enter asks it instead, esc gives it up"
        if edit is None and self._marked is not None:
            return (
                f"question {self._marked + 1} of {count} is marked: ctrl+r again, f8 change, f9 other try, esc leaves"
            )
        return super()._doing()
