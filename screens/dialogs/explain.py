"""Why a deployment is as it is: phase, cause, the evidence it rests on, and what to do."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Static

from genai_tui.domain.rows import DeploymentRow
from genai_tui.domain.text import printable
from screens.dialogs.base import Dialog
from screens.format import percent, phase_look


class ExplainDialog(Dialog[bool]):
    """Describes one deployment's state; answers True where the form is to be opened with the fix.

    Args:
        row: the deployment.
        fixable: whether the fix can be filled into its form.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,d,q", "leave", "Close", show=False, tooltip="Back to the list"),
        Binding("x", "fix", "Fix", show=False, tooltip="Open the form with the fix filled in"),
    ]
    KEYS = "enter close"

    def __init__(self, row: DeploymentRow, *, fixable: bool = False) -> None:
        super().__init__(str(row.ref))
        self._row, self._fixable = row, fixable
        if fixable:
            self.keys = f"x open the form with the fix   {self.KEYS}"

    def action_fix(self) -> None:
        """Leave for the form."""
        if self._fixable:
            self.dismiss(True)

    def compose_content(self) -> ComposeResult:
        """A line for the phase, then labelled text."""
        told = self._row.assessment
        look = phase_look(told.phase)
        phase = told.phase.value + (f" {percent(told.progress)}" if told.progress is not None else "")
        yield Static(f"{look.glyph} {phase}", classes=f"dialog--phase phase--{look.tone}", markup=False)
        with VerticalScroll(classes="dialog--scroll", can_focus=True):
            for label, text in self._lines():
                with Horizontal(classes="dialog--row"):
                    yield Static(label, classes="dialog--label", markup=False)
                    yield Static(printable(text), classes="dialog--text", markup=False)

    def _lines(self) -> list[tuple[str, str]]:
        told = self._row.assessment
        lines = [("cause", told.cause or "nothing is wrong with it"), ("fix", told.fix or "")]
        lines += [("evidence" if number == 0 else "", text) for number, text in enumerate(told.evidence)]
        if self._row.foreign:
            lines.append(("made by", f"{self._row.managed_by}; nothing here writes to it"))
        return [(label, text) for label, text in lines if text]
