"""Fields that others hold: for each, whether theirs is kept or ours is taken, before anything is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from genai_tui.domain.disputes import Dispute, Resolution, Stand, shown
from genai_tui.domain.drafts import DEPLOYMENT_FORM
from genai_tui.domain.text import printable
from screens.dialogs.base import Dialog

_LONGEST = 200
_LABELS = {field.id: field.label for field in DEPLOYMENT_FORM.fields}


@dataclass(frozen=True, slots=True)
class Decision:
    """What was answered: a stand for every field; or the field to edit instead, empty for none in particular."""

    resolution: Resolution = field(default_factory=dict)
    edit: str | None = None


class DisputesDialog(Dialog[Decision]):
    """Asks about each field; answers None when nothing is to be written.

    Args:
        title: what was about to be written, with the object's name.
        disputes: the fields.
        editable: whether there is a form to go back to.
        text: what happened, where it is not that others hold fields.
        done: what enter does with the decisions.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "take('theirs')", "Keep theirs", show=False, tooltip="Leave this field as they have it"),
        Binding("o", "take('ours')", "Take ours", show=False, tooltip="Write ours into this field"),
        Binding("T", "take_all('theirs')", "Keep all of theirs", show=False, tooltip="Leave every field"),
        Binding("O", "take_all('ours')", "Take all of ours", show=False, tooltip="Write ours into every field"),
        Binding("space", "turn", "Other one", show=False, tooltip="Theirs or ours"),
        Binding("enter", "done", "Write", show=False, priority=True, tooltip="Write what was decided"),
        Binding("e", "edit", "Edit", show=False, tooltip="Back to the form, at this field"),
    ]

    def __init__(
        self,
        title: str,
        disputes: tuple[Dispute, ...],
        *,
        editable: bool = False,
        text: str = "",
        done: str = "write",
    ) -> None:
        super().__init__(title, tone="danger")
        self._text, self._done = text, done
        self._disputes = disputes
        self._stands: dict[tuple[str, str], Stand] = {}
        self._editable = editable
        edit = "   e edit" if editable else ""
        self.keys = f"t theirs   o ours   T O for all   enter {done}{edit}   esc back"

    def compose_content(self) -> ComposeResult:
        """What happened, the fields, what is still to be decided."""
        who = ", ".join(sorted({dispute.holder for dispute in self._disputes}))
        text = self._text or f"{who} changed what this would change back. Nothing is written before you decide."
        lines = "\n".join(printable(line) for line in text.splitlines())
        yield Static(lines, classes="dialog--text", markup=False)
        yield OptionList(classes="disputes--list", compact=True, markup=False)
        yield Static("", classes="dialog--note", markup=False)

    def on_mount(self) -> None:
        """Show the fields."""
        self._draw()
        self.query_one(OptionList).highlighted = 0
        self.query_one(OptionList).focus()

    def _draw(self) -> None:
        options = self.query_one(OptionList)
        at = options.highlighted
        options.clear_options()
        options.add_options(Option(self._told(dispute)) for dispute in self._disputes)
        options.highlighted = at
        left = len(self._disputes) - len(self._stands)
        note = f"{left} of {len(self._disputes)} to be decided" if left else f"enter: {self._done} as decided"
        self.query_one(".dialog--note", Static).update(note)

    def _told(self, dispute: Dispute) -> Content:
        stand = self._stands.get(dispute.key)
        label = _LABELS.get(dispute.field, "")
        head = f"{label}  {dispute.path}" if label and label != dispute.path else dispute.path
        lines = [Content.styled(f"{head}", "bold"), Content.styled(f"  {dispute.reference}", "$text-muted")]
        for each, name, value in (
            (Stand.THEIRS, f"theirs, {dispute.holder}", dispute.theirs),
            (Stand.OURS, "ours", dispute.ours),
        ):
            mark = "◉" if stand is each else "○"
            style = "$text-accent bold" if stand is each else ""
            lines.append(Content.styled(f"  {mark} {name}: {_short(shown(value))}", style))
        return Content("\n").join(lines)

    def _highlighted(self) -> Dispute:
        return self._disputes[self.query_one(OptionList).highlighted or 0]

    def action_take(self, stand: str) -> None:
        """Decide the highlighted field, and go to the next."""
        self._stands[self._highlighted().key] = Stand(stand)
        self._draw()
        options = self.query_one(OptionList)
        if (options.highlighted or 0) < len(self._disputes) - 1:
            options.action_cursor_down()

    def action_take_all(self, stand: str) -> None:
        """Decide every field."""
        self._stands = {dispute.key: Stand(stand) for dispute in self._disputes}
        self._draw()

    def action_turn(self) -> None:
        """The other one of the two."""
        key = self._highlighted().key
        self._stands[key] = Stand.OURS if self._stands.get(key) is Stand.THEIRS else Stand.THEIRS
        self._draw()

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.action_turn()

    def action_done(self) -> None:
        """Answer, once everything is decided."""
        if len(self._stands) == len(self._disputes):
            self.dismiss(Decision(dict(self._stands)))
            return
        self.query_one(".dialog--note", Static).update("decide every field first: t keeps theirs, o takes ours")

    def action_edit(self) -> None:
        """Back to the form."""
        if self._editable:
            self.dismiss(Decision(edit=self._highlighted().field))


def _short(text: str) -> str:
    line = " ".join(printable(part) for part in text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
