"""Telling more than a toast can: a problem with its detail, an explanation."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from genai_tui.domain.problems import Problem
from genai_tui.domain.rows import Assessment
from screens.format import LOOKS


class TellDialog(ModalScreen[None]):
    """A title and lines of (label, text)."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss", "Close", id="tell.close", tooltip="Back to the screen")
    ]

    def __init__(self, title: str, lines: list[tuple[str, str]]) -> None:
        super().__init__()
        self._title, self._lines = title, lines

    def compose(self) -> ComposeResult:
        """The lines, labels to the left."""
        with VerticalScroll(classes="dialog--box") as box:
            box.can_focus = True
            yield Static(self._title, classes="dialog--title", markup=False)
            for label, text in self._lines:
                if label:
                    yield Static(label, classes="tell--label", markup=False)
                yield Static(Text(text), classes="tell--text")
            yield Static("esc closes", classes="dialog--keys", markup=False)


def problem_dialog(problem: Problem) -> TellDialog:
    """A problem: what, why, what to do, and the detail."""
    lines = [("why", problem.why), ("what to do", problem.next_step), ("detail", problem.detail)]
    return TellDialog(problem.what, [(label, text) for label, text in lines if text])


def explanation_dialog(name: str, assessment: Assessment) -> TellDialog:
    """Why a deployment is as it is."""
    look = LOOKS[assessment.phase]
    lines = [("cause", assessment.cause or ""), ("what to do", assessment.fix or "")]
    lines += [("evidence" if i == 0 else "", text) for i, text in enumerate(assessment.evidence)]
    shown = [(label, text) for label, text in lines if text]
    return TellDialog(f"{look.glyph} {name}: {assessment.phase.value}", shown or [("", "nothing is wrong with it")])
