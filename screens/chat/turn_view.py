"""One question and its answer on the screen. The answer is drawn a few times a second while it streams."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from genai_tui.domain.conversation import Turn
from genai_tui.domain.text import printable_lines
from screens.chat.said import Said, is_data
from screens.chat.words import answer_line, calls_lines, question_lines, running_line, tries_line

_INDENT = 2


class TurnView(Vertical):
    """The question, thoughts where there are any, the answer, and a line of counts or the problem."""

    def __init__(self, turn: Turn) -> None:
        super().__init__(classes="turn")
        self.turn = turn
        self._drawn = ""
        self._running = False

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield Static(question_lines(self.turn), classes="turn--question", markup=False)
        yield Static("", classes="turn--thoughts", markup=False)
        yield Said(classes="turn--answer")
        yield Static("", classes="turn--data", markup=False)
        yield Static("", classes="turn--calls", markup=False)
        yield Static("", classes="turn--line", markup=False)
        yield Static("", classes="turn--tries", markup=False)
        with Vertical(classes="turn--problem"):
            yield Static("", classes="turn--what", markup=False)
            yield Static("", classes="turn--why", markup=False)
            yield Static("", classes="turn--step", markup=False)

    async def on_mount(self) -> None:
        """Draw a turn that is over, or begin an empty one."""
        ended = self.turn.end is not None or self.turn.stopped or self.turn.problem is not None
        await self.draw(self.turn, running=not ended)

    async def draw(self, turn: Turn, *, running: bool) -> None:
        """Show the turn as it is now; only what is new of the answer is parsed and drawn."""
        self.turn = turn
        thoughts = self.query_one(".turn--thoughts", Static)
        thoughts.display = bool(turn.thoughts)
        # While it thinks the end is of interest; afterwards that it did.
        thoughts.update(_tail(turn.thoughts) if not turn.answer else f"(thought {len(turn.thoughts.split())} words)")
        await self._draw_answer(turn.answer)
        calls = self.query_one(".turn--calls", Static)
        calls.display = bool(turn.calls)
        calls.update(calls_lines(turn))
        self._running = running
        line = self.query_one(".turn--line", Static)
        line.set_class(running, "-running")
        line.display = turn.problem is None or turn.usage is not None
        tries = self.query_one(".turn--tries", Static)
        tries.display = bool(turn.others)
        tries.update(tries_line(turn))
        self._draw_line()
        self._draw_problem(turn)

    async def _draw_answer(self, answer: str) -> None:
        text = printable_lines(answer)
        said, data = self.query_one(Said), self.query_one(".turn--data", Static)
        data.display = is_data(text)
        said.display = bool(text) and not data.display
        if data.display:
            data.update(text)
            return
        before, self._drawn = self._drawn, text
        if not text.startswith(before):
            # What came in two pieces, as a line's end or a control sequence, is something else in one.
            await said.update(text)
        elif text != before:
            await said.append(text[len(before) :])

    def on_resize(self) -> None:
        """Facts go where there is room."""
        self._draw_line()

    def _draw_line(self) -> None:
        room = max(20, self.size.width - _INDENT)
        words = running_line(self.turn, room) if self._running else answer_line(self.turn, room)
        self.query_one(".turn--line", Static).update(words)

    def _draw_problem(self, turn: Turn) -> None:
        problem = turn.problem
        self.query_one(".turn--problem").display = problem is not None
        if problem is None:
            return
        self.query_one(".turn--what", Static).update(f"✖ {printable_lines(problem.what)}")
        for name, lead, text in (("why", "", problem.why), ("step", "→ ", problem.next_step)):
            part = self.query_one(f".turn--{name}", Static)
            part.display = bool(text)
            part.update(lead + printable_lines(text))


def _tail(thoughts: str, most: int = 400) -> str:
    return printable_lines(thoughts if len(thoughts) <= most else f"…{thoughts[-most:]}")
