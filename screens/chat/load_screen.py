"""A small load test of the deployment one talks to: how it answers when several ask at once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, Label, Static

from genai_tui.chat_ports import Playground
from genai_tui.domain.chat import ChatRequest
from genai_tui.domain.load import LoadPlan, LoadReport
from genai_tui.domain.monitoring import Quantiles
from genai_tui.domain.text import printable
from genai_tui.load_test import run_load
from screens.chat.words import short
from screens.dialogs.base import Dialog
from screens.format import MISSING, count, money, rate, short_seconds

_FIELDS = (("requests", "requests", "32"), ("at_once", "at once", "4"), ("max_tokens", "max tokens", "64"))
_BAR = 40


class LoadDialog(Dialog[None]):
    """Asks how much, runs it, shows the figures as they come.

    Args:
        playground: whom every question goes to; each is a row of the ledger.
        context: of the session.
        request: what is asked each time.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "app.focus_next", "Next", show=False),
        Binding("up", "app.focus_previous", "Previous", show=False),
    ]
    KEYS = "enter start   ↑ ↓ field   esc stop, then back"

    def __init__(self, playground: Playground, context: str, request: ChatRequest) -> None:
        super().__init__(f"Load test of {request.ref} in {context}")
        self.add_class("-load")
        self._playground, self._request = playground, request
        self._under_way = False

    def compose_content(self) -> ComposeResult:
        """The question, how much, the figures."""
        question = short(self._request.messages[-1].content, 60)
        text = f"Asks “{question}” again and again. Each is answered, paid and in the usage ledger."
        yield Static(text, classes="dialog--text", markup=False)
        with Horizontal(classes="load--fields"):
            for name, label, value in _FIELDS:
                yield Label(label, classes="load--label")
                yield Input(value, id=f"load-{name}", type="integer", compact=True, classes="dialog--input")
        yield Static("", classes="dialog--note -problem", markup=False)
        yield Static("", id="load-report")

    def on_mount(self) -> None:
        """The first field has the focus; nothing is wrong yet."""
        self._note("")
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def _begin(self, event: Input.Submitted) -> None:
        event.stop()
        if self._under_way:
            return
        numbers = [self.query_one(f"#load-{name}", Input).value.strip() for name, _, _ in _FIELDS]
        plan = LoadPlan(*(int(text) if text.isdecimal() else 0 for text in numbers))
        self._note(plan.problem())
        if not plan.problem():
            self._under_way = True
            self._run_load(plan)

    @work(exclusive=True, group="load", exit_on_error=False)
    async def _run_load(self, plan: LoadPlan) -> None:
        shown = self.query_one("#load-report", Static)
        try:
            async with aclosing(run_load(self._playground, self._request, plan)) as reports:
                async for found in reports:
                    shown.update(report_text(found, plan))
        finally:
            self._under_way = False

    def _note(self, text: str) -> None:
        note = self.query_one(".dialog--note", Static)
        note.update(text)
        note.display = bool(text)

    def action_leave(self) -> None:
        """Stop what runs; when nothing runs, go back."""
        if self._under_way:
            self.workers.cancel_group(self, "load")
            self._note("stopped: the figures are of what was answered until then")
        else:
            self.dismiss(None)


def report_text(found: LoadReport, plan: LoadPlan) -> Content:
    """The figures, below each other."""
    ended = found.answered + found.failed
    full = round(_BAR * ended / plan.requests)
    lines = [
        Content(f"{'█' * full}{'░' * (_BAR - full)}  {count(ended)} of {count(plan.requests)}  {found.seconds:.0f} s"),
        Content.styled(f"{'':<15}{'p50':>10}{'p95':>10}{'p99':>10}", "dim"),
        *(
            Content(f"{label:<15}" + "".join(f"{text:>10}" for text in _spread(spread, say)))
            for label, spread, say in (
                ("first token", found.first_token, short_seconds),
                ("between tokens", found.inter_token, short_seconds),
                ("whole answer", found.whole, short_seconds),
                ("tok/s of each", found.answer_rate, rate),
            )
        ),
        Content(""),
        Content(f"{'all together':<15}{rate(found.output_rate):>10} tok/s   {rate(found.request_rate)} answers/s"),
        Content(f"{'tokens':<15}{count(found.usage.total if found.usage else None):>10}"),
        Content(f"{'cost':<15}" + (", ".join(money(cost) for cost in found.costs) or MISSING)),
    ]
    if found.uncounted:
        lines.append(Content(f"{found.uncounted} answers came without usage: they are in no sum of tokens"))
    lines += [Content.styled(f"✖ {times} x {printable(text)}", "$text-error") for text, times in found.problems.items()]
    return Content("\n").join(lines)


def _spread(spread: Quantiles | None, say: Callable[[float], str]) -> tuple[str, str, str]:
    if spread is None:
        return (MISSING, MISSING, MISSING)
    return (say(spread.p50), say(spread.p95), say(spread.p99))
