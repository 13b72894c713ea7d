"""One catalogue entry: what it is, and which deployments use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from genai_tui.domain.rows import DeploymentRow, Ref
from screens.dialogs.base import Dialog
from screens.format import LOOKS, phase_text

Answer = Ref | Literal["edit", "deploy"]


class EntryDialog(Dialog[Answer]):
    """Answers the deployment to open, or what to do with the entry.

    Args:
        title: kind and name.
        lines: (label, text) of what is known.
        deployments: those that use it.
        deployable: whether a new deployment can be made of it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "answer('edit')", "Edit", id="entry.edit", tooltip="Edit this entry"),
        Binding("n,D", "answer('deploy')", "New deployment", id="entry.deploy", tooltip="Make a deployment of it"),
    ]

    def __init__(
        self,
        title: str,
        lines: Sequence[tuple[str, str]],
        deployments: Sequence[DeploymentRow],
        *,
        deployable: bool,
    ) -> None:
        super().__init__(title)
        keys = ["enter open"] if deployments else []
        keys += ["n new deployment"] if deployable else []
        self.keys = "   ".join([*keys, "e edit", "esc back"])
        self._lines = lines
        self._deployments = deployments
        self._deployable = deployable

    def compose_content(self) -> ComposeResult:
        """What it is, then who uses it."""
        for label, text in self._lines:
            yield Static(Content.assemble((f"{label:<16}", "$text-muted"), text), classes="entry--line")
        yield Static(self._used(), classes="entry--used", markup=False)
        if self._deployments:
            lines = (Option(self._line(row)) for row in self._deployments)
            yield OptionList(*lines, classes="picker--list", compact=True, markup=False)

    def on_mount(self) -> None:
        """The list has the focus where there is one."""
        for options in self.query(OptionList):
            options.focus()
            options.highlighted = 0

    def _used(self) -> str:
        if not self._deployments:
            return "No deployment uses it."
        return "1 deployment uses it" if len(self._deployments) == 1 else f"{len(self._deployments)} deployments use it"

    def _line(self, row: DeploymentRow) -> Content:
        look = LOOKS[row.assessment.phase]
        return Content(f"{look.glyph} {row.ref!s:<32} {phase_text(row.assessment)}")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A deployment is made of a model only."""
        return self._deployable if (action, parameters) == ("answer", ("deploy",)) else True

    def action_answer(self, answer: Literal["edit", "deploy"]) -> None:
        """Close with what to do."""
        self.dismiss(answer)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(self._deployments[event.option_index].ref)
