"""How the playground looks: empty, streaming, answered, failed, and the request in code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Protocol

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from genai_tui.domain.chat import Answered, ChatRequest, Output, Sampling, TextDelta, TokenChance, ToolCall
from genai_tui.domain.conversation import SavedConversation, SavedPrompt, Turn
from genai_tui.domain.load import LoadReport
from genai_tui.domain.money import Cost
from genai_tui.domain.monitoring import Quantiles
from genai_tui.domain.rows import Ref
from genai_tui.domain.usage import Timings, TokenUsage
from genai_tui.errors import EngineRefused
from genai_tui.inference.samples import Language, sample
from screens.chat import load_screen
from screens.chat.beside import BesideScreen
from screens.playground import PlaygroundScreen
from tests.fakes import tour
from tests.fakes.services import FakeServices
from tests.fakes.tour import CHAT, CHAT_LONG
from tests.screens.console import Console, page, paste, wait_until
from tests.screens.test_playground import Scripted

ANSWER = """Three colours, and where you meet them:

1. **Red**: ripe tomatoes, stop signs
2. **Green**: leaves in June
3. **Blue**: the sky, most of the time

```python
colours = ["red", "green", "blue"]
```
"""
Steps = Callable[[Pilot[Any], Scripted], Awaitable[None]]


class Compare(Protocol):
    """The plugin's fixture."""

    def __call__(
        self, app: Console, *, terminal_size: tuple[int, int], run_before: Callable[[Pilot[Any]], Awaitable[None]]
    ) -> bool: ...


@pytest.fixture(params=[(80, 24), (160, 48)], ids=["80x24", "160x48"])
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    chosen: tuple[int, int] = request.param
    return chosen


@pytest.fixture(
    params=[{}, {"TERM": "linux", "COLORTERM": ""}, {"NO_COLOR": "1"}], ids=["colours", "16-colours", "no-colour"]
)
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of terminal that charts and tables are to be read on."""
    for name, value in request.param.items():
        monkeypatch.setenv(name, value)


class WithSamples(Scripted):
    """Shows real code."""

    async def sample_code(self, ref: Ref, language: Language, request: ChatRequest | None = None) -> str:
        return sample(language, f"http://{ref.name}.{ref.namespace}.svc.cluster.local:8000", ref.name, request)


CHANCES = (
    TokenChance("Blue", -0.21, (("Red", -1.9), ("Green", -3.4))),
    TokenChance(" it", -0.92, ((",", -1.1), (".", -1.6))),
    TokenChance(" is", -0.004),
    TokenChance(".\n", -0.3, (("!", -1.4),)),
)


def look(compare: Compare, size: tuple[int, int], ref: Ref, steps: Steps) -> bool:
    world = FakeServices()
    playground = world.playground = WithSamples()

    async def before(pilot: Pilot[Any]) -> None:
        await wait_until(pilot, lambda: "4,096" in page(pilot.app))
        await steps(pilot, playground)
        for blinking in (*pilot.app.screen.query(Input), *pilot.app.screen.query(TextArea)):
            blinking.cursor_blink = False
        # What is behind a dialog is drawn a moment after it.
        await wait_until(pilot, lambda: "genai-tui" in page(pilot.app))

    return compare(Console(world, PlaygroundScreen(ref)), terminal_size=size, run_before=before)


async def ask(pilot: Pilot[Any], question: str, until: str) -> None:
    await paste(pilot, question)
    await pilot.press("enter")
    await wait_until(pilot, lambda: until in page(pilot.app))


def answered(text: str, prompt: int, completion: int) -> Answered:
    usage = TokenUsage(prompt, completion, prompt + completion)
    cost = Cost((prompt * Decimal("0.20") + completion * Decimal("0.60")) / 1_000_000, "USD")
    return Answered(text, "stop", usage, Timings(82.4, 1_012.0, 61.2), cost)


def test_empty(snap_compare: Compare, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[Any], playground: Scripted) -> None:
        await pilot.pause()

    assert look(snap_compare, size, CHAT, steps)


def test_not_running(snap_compare: Compare, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[Any], playground: Scripted) -> None:
        await pilot.press("f3", "tab", *"0,7")

    assert look(snap_compare, size, CHAT_LONG, steps)


def test_streaming(snap_compare: Compare, size: tuple[int, int]) -> None:
    usage = TokenUsage(34, 21, 55)
    playing = TextDelta(ANSWER[:120], usage, Cost(Decimal("0.0000194"), "USD"))

    async def steps(pilot: Pilot[Any], playground: Scripted) -> None:
        playground.script = [playing, None]
        await ask(pilot, "Name three colours.", "answering")

    assert look(snap_compare, size, CHAT, steps)


@pytest.mark.usefixtures("terminal")
def test_answered(snap_compare: Compare, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[Any], playground: Scripted) -> None:
        playground.script = [TextDelta(ANSWER), answered(ANSWER, 34, 62)]
        await ask(pilot, "Name three colours, as a list and as code.", "1 question")
        playground.script = [TextDelta("Of those, blue."), answered("Of those, blue.", 1_121, 6)]
        await ask(pilot, "Which of them do people like best?", "2 questions")

    assert look(snap_compare, size, CHAT, steps)


def test_tried_again(snap_compare: Compare, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[Any], playground: Scripted) -> None:
        playground.script = [TextDelta("Red."), answered("Red.", 34, 3)]
        await ask(pilot, "Name a colour.", "1 question")
        playground.script = [TextDelta("Blue, of course."), answered("Blue, of course.", 34, 5)]
        await pilot.press("ctrl+r")
        await wait_until(pilot, lambda: "try 2 of 2" in page(pilot.app))

    assert look(snap_compare, size, CHAT, steps)


def test_failed(snap_compare: Compare, size: tuple[int, int]) -> None:
    why = (
        "This model's maximum context length is 4096 tokens. However, your prompt contains at least 4097 input tokens."
    )
    refused = EngineRefused(
        "the conversation is longer than the context", status=400, why=why, next_step="shorten it, or begin a new one"
    )

    async def steps(pilot: Pilot[Any], playground: Scripted) -> None:
        playground.script = [TextDelta("Certainly."), answered("Certainly.", 34, 3)]
        await ask(pilot, "May I ask something long?", "1 question")
        playground.script = [refused]
        await ask(pilot, "Here it comes.", "1 failed")

    assert look(snap_compare, size, CHAT, steps)


def test_code(snap_compare: Compare, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[Any], playground: Scripted) -> None:
        await pilot.press("f4")
        await wait_until(pilot, lambda: "curl -sS" in page(pilot.app))

    assert look(snap_compare, size, CHAT, steps)


def test_every_setting(snap_compare: Compare, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[Any], playground: Scripted) -> None:
        await pilot.press("ctrl+g", *"0.7", "down", "down", "down", *"40", "down", *"1,5")
        await wait_until(pilot, lambda: "write 1.5, with a point" in page(pilot.app))

    assert look(snap_compare, size, CHAT, steps)


def test_tokens_calls_and_what_else_is_set(snap_compare: Compare, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[Any], playground: Scripted) -> None:
        playground.tokens = 41
        await pilot.press("ctrl+g", *["down"] * 8, *"7", *["down"] * 2, *"5", "escape")
        called = replace(answered("", 34, 12), tool_calls=(ToolCall("weather", '{"city": "Oslo"}'),), chances=CHANCES)
        playground.script = [called]
        await ask(pilot, "How is the weather in Oslo?", "1 question")
        await paste(pilot, "12 degrees, and rain")
        await wait_until(pilot, lambda: "41 tokens to send" in page(pilot.app))

    assert look(snap_compare, size, CHAT, steps)


def test_waiting_for_the_result_of_a_call(snap_compare: Compare, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[Any], playground: Scripted) -> None:
        wanted = (ToolCall("weather", '{"city": "Oslo"}', "a"), ToolCall("now", "{}", "b"))
        playground.script = [replace(answered("", 34, 12), tool_calls=wanted, finish_reason="tool_calls")]
        await ask(pilot, "How is the weather in Oslo?", "1 question")
        await ask(pilot, '{"sky": "blue"}', "(2 of 2)")

    assert look(snap_compare, size, CHAT, steps)


@pytest.mark.usefixtures("terminal")
def test_chances(snap_compare: Compare, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[Any], playground: Scripted) -> None:
        playground.script = [TextDelta("Blue it is."), replace(answered("Blue it is.", 34, 4), chances=CHANCES)]
        await ask(pilot, "Name a colour.", "1 question")
        await pilot.press("f12")
        await wait_until(pilot, lambda: "How sure" in page(pilot.app))

    assert look(snap_compare, size, CHAT, steps)


@pytest.mark.usefixtures("terminal")
def test_load(snap_compare: Compare, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    spread = Quantiles(0.0824, 0.141, 0.32)
    gaps = Quantiles(0.0042, 0.0061, 0.012)
    usage = TokenUsage(34 * 20, 64 * 20, 98 * 20)
    costs = (Cost(Decimal("0.000904"), "USD"),)
    problems = {"the engine is busy: 429 slow down; ask fewer at once": 2}
    whole, rates = Quantiles(0.41, 0.6, 1.2), Quantiles(156.1, 106.7, 53.3)
    found = LoadReport(20, 2, 0, 7.4, 173.0, 2.7, spread, gaps, whole, rates, usage, costs, problems)

    async def half_way(*_: object) -> AsyncGenerator[LoadReport, None]:
        yield found
        await asyncio.Event().wait()

    monkeypatch.setattr(load_screen, "run_load", half_way)

    async def steps(pilot: Pilot[Any], playground: Scripted) -> None:
        await paste(pilot, "Name three colours.")
        await pilot.press("ctrl+l", "enter")
        await wait_until(pilot, lambda: "22 of 32" in page(pilot.app))

    assert look(snap_compare, size, CHAT, steps)


@pytest.mark.usefixtures("terminal")
def test_beside(snap_compare: Compare, size: tuple[int, int]) -> None:
    world = FakeServices()
    playground = world.playground = WithSamples()

    async def before(pilot: Pilot[Any]) -> None:
        playground.script = [TextDelta(ANSWER), answered(ANSWER, 34, 62)]
        await wait_until(pilot, lambda: "search/embed" in page(pilot.app))
        await paste(pilot, "Name three colours.")
        await pilot.press("enter")
        await wait_until(pilot, lambda: page(pilot.app).count("1 question") == 2)
        await pilot.pause()

    screen = BesideScreen((CHAT, Ref("search", "embed")), "", Sampling(), Output())
    assert snap_compare(Console(world, screen), terminal_size=size, run_before=before)


def test_keeping(snap_compare: Compare, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[Any], playground: Scripted) -> None:
        playground.script = [TextDelta("Red."), answered("Red.", 34, 3)]
        await ask(pilot, "Name a colour.", "1 question")
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: "Keep on this machine" in page(pilot.app))

    assert look(snap_compare, size, CHAT, steps)


def test_kept(snap_compare: Compare, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[Any], playground: Scripted) -> None:
        services = pilot.app.services  # type: ignore[attr-defined]
        turns = (Turn("Name a colour.", "Red."), Turn("Another.", "Blue."))
        services.conversations.save(SavedConversation("colours", CHAT, {}, turns, tour.ago(hours=3)))
        services.prompts.save(SavedPrompt("pirate", "Talk like a pirate.", tour.ago(days=2)))
        await pilot.press("ctrl+o")
        await wait_until(pilot, lambda: "pirate" in page(pilot.app))

    assert look(snap_compare, size, CHAT, steps)


def test_choosing(snap_compare: Compare, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        await wait_until(
            pilot, lambda: "Talk to which deployment?" in page(pilot.app) and "summarize" in page(pilot.app)
        )
        # To look at a dialog's page draws it without what is behind it: let the console draw it.
        pilot.app.screen.refresh()
        await pilot.pause()
        for blinking in (*pilot.app.screen.query(Input), *pilot.app.screen.query(TextArea)):
            blinking.cursor_blink = False
        await asyncio.sleep(0)

    assert snap_compare(Console(FakeServices(), PlaygroundScreen()), terminal_size=size, run_before=before)
