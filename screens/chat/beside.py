"""The same questions to two deployments, beside each other: answers, timings and cost of each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static, TextArea

from genai_tui.chat_ports import Playground
from genai_tui.domain.chat import ChatRequest, Output, Sampling
from genai_tui.domain.conversation import Turn, messages, totals
from genai_tui.domain.rows import Ref
from genai_tui.domain.text import printable
from screens.base import ConsoleScreen
from screens.chat.answering import follow
from screens.chat.as_developer import Developer, no_address
from screens.chat.facts import title
from screens.chat.memory import Asking, Held
from screens.chat.prompt import Prompt
from screens.chat.turns import Turns
from screens.chat.words import totals_line

DRAWS_PER_SECOND = 5
_HIGHEST = 6


class Side(Vertical):
    """One of the two: whom one talks to, as whom, what was said, what it came to."""

    def __init__(self, ref: Ref, playground: Playground, asked_as: str) -> None:
        super().__init__(classes="beside--side")
        self.ref, self.playground, self._as = ref, playground, asked_as
        self.held = Held()
        self.asking: Asking | None = None

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield Static("", classes="beside--title", markup=False)
        yield Static(printable(self._as), classes="beside--as" if self._as else "beside--as -nothing", markup=False)
        yield Turns()
        yield Static("", classes="beside--totals", markup=False)

    def show(self, words: Content) -> None:
        """Say whom it is."""
        self.query_one(".beside--title", Static).update(words)

    def begin(self, question: str) -> Asking:
        """A question at the end of what was said."""
        turn, at = Turn(question), len(self.held.turns)
        self.asking = Asking(self.held, at, turn, self.query_one(Turns).begin(turn, at))
        return self.asking

    async def draw(self) -> None:
        """Draw the answer that is on its way."""
        if self.asking is not None:
            await self.query_one(Turns).draw(self.asking.view, self.asking.turn, running=True)

    def stop(self) -> None:
        """The answer goes no further."""
        if self.asking is not None:
            self.asking.stop()
            self.end(self.asking)

    def end(self, asking: Asking) -> None:
        """The answer has ended, whichever way; one that was forgotten meanwhile stays so."""
        if self.asking is not asking:
            return
        self.asking = None
        self.held.turns = asking.line()
        # In its own time: a side that is being left has nothing to draw on any more.
        self.call_later(self._show_end, asking)

    async def _show_end(self, asking: Asking) -> None:
        await self.query_one(Turns).draw(asking.view, asking.turn, running=False)
        self.query_one(".beside--totals", Static).update(totals_line(totals(self.held.turns)))
        self.screen.refresh_bindings()

    def clear(self) -> None:
        """Forget what was said, and what is still being said."""
        self.held, self.asking = Held(), None
        self.query_one(Turns).show(())
        self.query_one(".beside--totals", Static).update("")


class BesideScreen(ConsoleScreen):
    """Two conversations that are asked the same.

    Args:
        refs: the deployments.
        system: the system prompt of both.
        sampling: how both choose tokens.
        output: what both answers are to be.
        developers: who asks each in our place; None for nobody.
    """

    HELP = """
What is typed is asked of both deployments at the same moment, with the same settings; each goes on with its own
answers. Below each stand its tokens, the time to its first token, its speed and its cost. Both are rows of the usage
ledger. Where you ask as a developer, both are asked so, each at its public address; where one has none, its side says
that it is asked with your own rights. Results of tools cannot be given here: a call is shown and not carried along.
"""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", "Stop", id="beside.stop", tooltip="Stop both answers; the engines stop too"),
        Binding("escape", "leave", "Back", id="beside.leave", tooltip="Back to the one conversation"),
        Binding("ctrl+n", "clear", "New", id="beside.new", priority=True, tooltip="Forget both conversations"),
        Binding("pageup", "page(-1)", "Back up", show=False, priority=True, tooltip="Earlier answers"),
        Binding("pagedown", "page(1)", "Forward", show=False, priority=True, tooltip="Later answers"),
    ]

    def __init__(
        self,
        refs: tuple[Ref, Ref],
        system: str,
        sampling: Sampling,
        output: Output,
        developers: tuple[Developer | None, Developer | None] = (None, None),
    ) -> None:
        super().__init__()
        self._refs, self._system, self._sampling, self._output = refs, system, sampling, output
        self._developers = developers

    def compose_body(self) -> ComposeResult:
        """The two, and the line to ask both."""
        with Horizontal(id="beside"):
            for ref, developer in zip(self._refs, self._developers, strict=True):
                if developer is not None:
                    yield Side(ref, developer.playground, f"▲ asking as a developer: {developer.words}")
                else:
                    wanted = any(self._developers)
                    yield Side(ref, self.services.playground, f"▲ with your own rights: {no_address(ref)}" * wanted)
        yield Prompt("ask both: enter sends, ctrl+j makes a new line")

    def on_mount(self) -> None:
        """The line has the focus."""
        self.set_interval(1 / DRAWS_PER_SECOND, self._draw)
        self.query_one(Prompt).focus()

    def refresh_from_picture(self) -> None:
        """A deployment changed."""
        for side in self.query(Side):
            side.show(title(side.ref, self.services.picture.deployment(side.ref)))

    @property
    def asking(self) -> bool:
        """Whether an answer is on its way."""
        return any(side.asking is not None for side in self.query(Side))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape stops answers that are on their way, and else goes back."""
        if action in ("stop", "leave"):
            return self.asking == (action == "stop")
        return super().check_action(action, parameters)

    @on(Prompt.Sent)
    def _sent(self, event: Prompt.Sent) -> None:
        event.stop()
        if self.asking:
            self.notify("answers are on their way: esc stops them", severity="warning", timeout=3)
            return
        event.prompt.put("")
        event.prompt.past.append(event.text)
        asked = [(side, side.begin(event.text)) for side in self.query(Side)]
        self.refresh_bindings()
        self._ask(asked)

    @work(exclusive=True, group="ask", exit_on_error=False)
    async def _ask(self, asked: Sequence[tuple[Side, Asking]]) -> None:
        await asyncio.gather(*(self._ask_one(side, asking) for side, asking in asked))

    async def _ask_one(self, side: Side, asking: Asking) -> None:
        def see(turn: Turn) -> None:
            asking.turn = turn

        said = messages(self._system, asking.conversation.turns, asking.turn.question)
        request = ChatRequest(side.ref, said, self._sampling, self._output)
        try:
            unkept = await follow(side.playground, request, asking.turn, see)
        finally:
            side.end(asking)
        if unkept is not None:
            self.notify(unkept.line, title="an answer is not in the ledger", severity="error", timeout=20)

    async def _draw(self) -> None:
        for side in self.query(Side):
            await side.draw()

    @on(TextArea.Changed, "#chat-prompt")
    def _grow(self, event: TextArea.Changed) -> None:
        """The prompt is as high as its text, within bounds; that is content, not look."""
        event.stop()
        event.text_area.styles.height = min(_HIGHEST, max(1, event.text_area.wrapped_document.height))

    def action_stop(self) -> None:
        """Stop both."""
        self.workers.cancel_group(self, "ask")
        for side in self.query(Side):
            side.stop()

    def action_leave(self) -> None:
        """Back to the one conversation."""
        self.dismiss()

    def action_clear(self) -> None:
        """Forget both conversations."""
        self.action_stop()
        for side in self.query(Side):
            side.clear()
        self.refresh_bindings()

    def action_page(self, by: int) -> None:
        """Scroll both."""
        for turns in self.query(Turns):
            turns.page(by)
