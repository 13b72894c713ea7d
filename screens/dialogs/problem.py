"""A problem in words: what happened, why, what to do; the long text on request."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Static

from genai_tui.domain.problems import Problem
from genai_tui.domain.text import printable
from screens.dialogs.base import Dialog


class ProblemDialog(Dialog[None]):
    """Shows one problem."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,q", "leave", "Close", show=False, tooltip="Back to the screen"),
        Binding("d", "detail", "Details", show=False, tooltip="Show or hide the long text"),
    ]

    def __init__(self, problem: Problem, title: str = "That did not work") -> None:
        super().__init__(title, tone="danger")
        self._problem = problem
        self.keys = "enter close   d details" if problem.detail else "enter close"

    def compose_content(self) -> ComposeResult:
        """What, why and what to do; the detail folded."""
        yield Static(printable(self._problem.what), classes="dialog--text", markup=False)
        for label, text in (("why", self._problem.why), ("do", self._problem.next_step)):
            if text:
                with Horizontal(classes="dialog--row"):
                    yield Static(label, classes="dialog--label -short", markup=False)
                    yield Static(printable(text), classes="dialog--text", markup=False)
        if self._problem.detail:
            lines = "\n".join(printable(line) for line in self._problem.detail.splitlines())
            with VerticalScroll(classes="dialog--scroll -detail", can_focus=True) as scroll:
                scroll.display = False
                yield Static(lines, markup=False)

    def action_detail(self) -> None:
        """Show or hide the long text."""
        for detail in self.query(".dialog--scroll"):
            detail.display = not detail.display
            detail.focus()
