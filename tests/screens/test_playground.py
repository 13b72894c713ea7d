"""The playground, used with keys and mouse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Any, Literal

import pytest
from textual.await_complete import AwaitComplete
from textual.pilot import Pilot
from textual.widgets import Markdown

from genai_tui.domain.chat import (
    Answered,
    ChatEvent,
    ChatRequest,
    Message,
    Output,
    Sampling,
    TextDelta,
    ThoughtDelta,
    TokenChance,
    ToolCall,
)
from genai_tui.domain.conversation import SavedConversation, SavedPrompt, Turn
from genai_tui.domain.money import Cost
from genai_tui.domain.rows import Ref
from genai_tui.domain.usage import Timings, TokenUsage
from genai_tui.errors import EngineRefused, GenaiTuiError, Unreachable
from screens.chat.beside import BesideScreen
from screens.chat.memory import Held, hold
from screens.chat.prompt import Prompt
from screens.forms.picker import PickerScreen
from screens.playground import PlaygroundScreen
from tests.fakes import tour
from tests.fakes.services import FakePlayground, FakeServices
from tests.fakes.tour import CHAT, CHAT_LONG
from tests.screens.console import page, paste, showing, shown, wait_until
from tests.screens.home import toasts

NARROW, WIDE = (80, 24), (160, 48)


@dataclass
class Scripted(FakePlayground):
    """Says what it is told, then fails, waits or ends; remembers whether it was closed early."""

    script: list[ChatEvent | Exception | asyncio.Event | None] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    async def ask(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        self.asked.append(request)
        try:
            for step in self.script:
                if isinstance(step, Exception):
                    raise step
                if step is None:
                    await asyncio.Event().wait()
                elif isinstance(step, asyncio.Event):
                    await step.wait()
                else:
                    yield step
        except (GeneratorExit, asyncio.CancelledError):
            self.closed.append("early")
            raise


def world_of(*script: ChatEvent | Exception | asyncio.Event | None) -> tuple[FakeServices, Scripted]:
    world = FakeServices()
    playground = world.playground = Scripted(script=list(script))
    return world, playground


def end(text: str, *, counted: bool = True) -> Answered:
    usage = TokenUsage(34, 7, 41) if counted else None
    cost = Cost(Decimal("0.0000110"), "USD") if counted else None
    return Answered(text, "stop", usage, Timings(82.4, 197.0, 61.2), cost)


async def ask(pilot: Pilot[Any], text: str) -> None:
    await paste(pilot, text)
    await pilot.press("enter")


def typed(pilot: Pilot[Any]) -> str:
    return pilot.app.screen.query_one(Prompt).text


async def test_an_answer_shows_its_tokens_speed_and_cost_to_the_last_digit() -> None:
    world = FakeServices()
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await ask(pilot, "Name three colours.")
        await wait_until(pilot, lambda: "stop" in shown(pilot, ".turn--line"))
        lines = [line.strip() for line in page(pilot.app).splitlines()]
        assert "› Name three colours." in lines
        assert "Red, green and blue." in lines
        assert "prompt 34  completion 7  total 41  first 82 ms  61 tok/s  $0.000011  stop" in lines
        assert "context 41 of 4,096  1%" in shown(pilot, "#chat-context")
        await ask(pilot, "And three more.")
        await wait_until(pilot, lambda: "2 questions" in shown(pilot, "#chat-totals"))
        assert "82 tokens  $0.000022" in shown(pilot, "#chat-totals")
    assert world.playground.asked[1] == ChatRequest(
        CHAT,
        (
            Message("user", "Name three colours."),
            Message("assistant", "Red, green and blue."),
            Message("user", "And three more."),
        ),
    )


async def test_settings_are_sent_and_an_empty_one_is_left_to_the_engine() -> None:
    world = FakeServices()
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await pilot.press("f3", *"Brief", "tab", *"0.7", "tab", "tab", *"64", "f3")
        await ask(pilot, "Hi")
        await wait_until(pilot, lambda: world.playground.asked)
    (request,) = world.playground.asked
    assert request.messages == (Message("system", "Brief"), Message("user", "Hi"))
    assert request.sampling == Sampling(temperature=0.7, max_tokens=64)


async def test_every_setting_is_on_one_page_and_stays_when_one_comes_back() -> None:
    world = FakeServices()
    tool = '{"type": "function", "function": {"name": "weather"}}'
    async with showing(world, PlaygroundScreen(CHAT), size=WIDE) as pilot:
        await pilot.press("ctrl+g", *"0.7", *["down"] * 8, *"7", "down")
        await paste(pilot, "END")
        await pilot.press("down", *"5", "down", "right", "down")
        await paste(pilot, tool)
        await pilot.press("escape")
        await pilot.press(*"Hi")
        await wait_until(pilot, lambda: world.playground.counted_tools, "the tools are counted with what is typed")
        assert world.playground.counted_tools[-1] == ({"type": "function", "function": {"name": "weather"}},)
        await pilot.press("backspace", "backspace")
        assert shown(pilot, "#chat-more") == f"also  seed 7   stop END   logprobs 5   answer json   tools {tool[:15]}…"
        await ask(pilot, "Hi")
        await wait_until(pilot, lambda: world.playground.asked)
        await pilot.press("ctrl+g", "ctrl+l", "escape")
        assert shown(pilot, "#chat-more") == ""
        await ask(pilot, "Again")
        await wait_until(pilot, lambda: len(world.playground.asked) == 2)
    first, second = world.playground.asked
    assert first.sampling == Sampling(temperature=0.7, seed=7, stop=("END",))
    assert first.output == Output(True, 5, ({"type": "function", "function": {"name": "weather"}},))
    assert (second.sampling, second.output) == (Sampling(), Output())


async def test_what_is_wrong_on_the_page_of_all_settings_is_said_there_and_nothing_is_sent() -> None:
    world = FakeServices()
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await pilot.press("ctrl+g", *["down"] * 3, *"0")
        await wait_until(pilot, lambda: "must be at least 1, not 0" in page(pilot.app))
        await pilot.press("escape")
        await ask(pilot, "Hi")
        await wait_until(pilot, lambda: "Settings of each question" in page(pilot.app))
    assert world.playground.asked == []


async def test_what_is_typed_is_counted_before_it_is_sent_and_too_much_is_said() -> None:
    world = FakeServices()
    world.playground.tokens = 41
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await pilot.press("f3", *"Brief", "f3", *"Hello")
        await wait_until(pilot, lambda: "41 tokens to send" in shown(pilot, "#chat-totals"))
        assert world.playground.counted[-1] == (Message("system", "Brief"), Message("user", "Hello"))
        world.playground.tokens = 5000
        await pilot.press(*" there")
        await wait_until(pilot, lambda: "5,000 tokens to send, the context has 4,096" in shown(pilot, "#chat-totals"))
        world.playground.tokens = None
        await pilot.press("x")
        await wait_until(pilot, lambda: "to send" not in shown(pilot, "#chat-totals"))


async def test_calls_of_tools_are_shown_and_chances_one_key_away() -> None:
    whole = Answered("", "tool_calls", TokenUsage(34, 7, 41), Timings(82.4, 197.0, 61.2), None)
    call = ToolCall("weather", '{"city": "Oslo\x1b[31m"}')
    world, _ = world_of(replace(whole, tool_calls=(call,), chances=(TokenChance("Blue", -0.1),)))
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await pilot.press("f12")
        assert "How sure" not in page(pilot.app)
        await ask(pilot, "Weather?")
        await wait_until(pilot, lambda: "⚒ weather(" in page(pilot.app))
        assert "\x1b" not in shown(pilot, ".turn--calls")
        assert typed(pilot) == "", "a call is an answer"
        assert "carried along only with the result of each call" in shown(pilot, ".turn--calls")
        await pilot.press("f12")
        await wait_until(pilot, lambda: "Blue" in page(pilot.app) and "90" in page(pilot.app))


OSLO, NOW = ToolCall("weather", '{"city": "Oslo"}', "a"), ToolCall("now", "{}", "b")
CALLED = (Message("user", "Weather?"), Message("assistant", "", (OSLO, NOW)))


def calls(*wanted: ToolCall) -> Answered:
    return replace(end(""), finish_reason="tool_calls", tool_calls=wanted)


def given(*results: str) -> tuple[Message, ...]:
    return (*CALLED, *(Message("tool", text, (), call.id) for text, call in zip(results, (OSLO, NOW), strict=True)))


async def doing(pilot: Pilot[Any], words: str) -> None:
    await wait_until(pilot, lambda: words in shown(pilot, "#chat-doing"), words)


async def test_the_result_of_each_call_is_typed_in_turn_and_the_model_goes_on() -> None:
    world, playground = world_of(calls(OSLO, NOW))
    playground.tokens = 41
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await ask(pilot, "Weather?")
        await doing(pilot, '▲ result of weather({"city": "Oslo"}) (1 of 2): enter gives it, esc goes on without')
        assert "JSON or plain text" in page(pilot.app)
        await ask(pilot, '{"sky": "blue"}')
        await doing(pilot, "result of now({}) (2 of 2)")
        assert len(playground.asked) == 1
        playground.script = [TextDelta("Blue at noon."), end("Blue at noon.")]
        await pilot.press(*"noon")
        await wait_until(pilot, lambda: "41 tokens to send" in shown(pilot, "#chat-totals"))
        assert playground.counted[-1] == given('{"sky": "blue"}', "noon")
        assert all(messages[-1].role != "tool" for messages in playground.counted[:-1]), "not before all are there"
        await pilot.press("enter")
        await wait_until(pilot, partial(counted, pilot, 2))
        assert "82 tokens  $0.000022" in shown(pilot, "#chat-totals"), "counted and paid on its own"
        assert '↳ {"sky": "blue"}\n' in page(pilot.app)
        assert "↳ noon" in page(pilot.app)
        assert shown(pilot, "#chat-doing") == ""
        await ask(pilot, "And now?")
        await wait_until(pilot, partial(counted, pilot, 3))
    assert playground.asked[1].messages == given('{"sky": "blue"}', "noon")
    assert playground.asked[2].messages == (
        *given('{"sky": "blue"}', "noon"),
        Message("assistant", "Blue at noon."),
        Message("user", "And now?"),
    )


async def test_escape_goes_on_without_the_results_and_coming_back_wants_them_again() -> None:
    world, playground = world_of(calls(OSLO))
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await ask(pilot, "Weather?")
        await doing(pilot, "result of weather")
        await pilot.press("escape", "escape")
        await wait_until(pilot, lambda: not isinstance(pilot.app.screen, PlaygroundScreen))
        pilot.app.push_screen(PlaygroundScreen(CHAT))
        await wait_until(pilot, lambda: "result of weather" in page(pilot.app))
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, PlaygroundScreen)
        assert shown(pilot, "#chat-doing") == ""
        await ask(pilot, "Never mind.")
        await wait_until(pilot, lambda: len(playground.asked) == 2)
    assert playground.asked[1].messages == (Message("user", "Never mind."),)


async def test_results_belong_to_their_try_and_can_be_sent_again_or_changed() -> None:
    world, playground = world_of(calls(OSLO, NOW))
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await ask(pilot, "Weather?")
        await doing(pilot, "(1 of 2)")
        await pilot.press(*"warm", "enter")
        await doing(pilot, "(2 of 2)")
        playground.script = [EngineRefused("too many requests", status=429)]
        await pilot.press(*"noon", "enter")
        await wait_until(pilot, lambda: "too many requests" in page(pilot.app))
        playground.script = [TextDelta("Warm."), end("Warm.")]
        await pilot.press("ctrl+r")
        await wait_until(pilot, lambda: "try 2 of 2" in page(pilot.app) and "Warm." in page(pilot.app))
        assert playground.asked[1] == playground.asked[2]
        await pilot.press(*"draft", "f8")
        await doing(pilot, "(1 of 2): enter gives it, esc gives the change up")
        assert typed(pilot) == "warm"
        await pilot.press("escape")
        assert (typed(pilot), shown(pilot, "#chat-doing")) == ("draft", "")
        await pilot.press("f8", *["backspace"] * 4, *"cold", "enter")
        await doing(pilot, "(2 of 2)")
        assert typed(pilot) == "noon"
        playground.script = [TextDelta("Cold."), end("Cold.")]
        await pilot.press("enter")
        await wait_until(pilot, lambda: "try 3 of 3" in page(pilot.app) and "Cold." in page(pilot.app))
        assert playground.asked[3].messages == given("cold", "noon")
        assert typed(pilot) == "draft"
        await pilot.press("alt+up", "alt+up", "ctrl+r")
        await wait_until(pilot, lambda: "try 2 of 2   f9 shows another, with 1 question that" in page(pilot.app))
        assert "↳ cold" not in page(pilot.app)
        await pilot.press("f9")
        await wait_until(pilot, lambda: "↳ cold" in page(pilot.app) and "try 3 of 3" in page(pilot.app))


async def test_a_conversation_that_waits_for_a_result_is_kept_and_goes_on_when_it_is_opened() -> None:
    world, playground = world_of(calls(OSLO, NOW))
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await ask(pilot, "Weather?")
        await doing(pilot, "(1 of 2)")
        await pilot.press("ctrl+s", "enter")
        await wait_until(pilot, lambda: world.conversations.items)
        await pilot.press("ctrl+n")
        await wait_until(pilot, lambda: shown(pilot, "#chat-doing") == "")
        await pilot.press("ctrl+o", "enter")
        await wait_until(pilot, lambda: "(1 of 2)" in page(pilot.app))
        await pilot.press(*"warm", "enter", *"noon", "enter")
        await wait_until(pilot, lambda: len(playground.asked) == 2)
        await doing(pilot, "(1 of 2)")
    assert playground.asked[1].messages == given("warm", "noon"), "what it calls now waits again"


@pytest.mark.parametrize("size", [NARROW, WIDE])
@pytest.mark.parametrize(
    ("tabs", "text", "message"),
    [
        (1, "0,7", "temperature: write 0.7, with a point"),
        (2, "2", "top-p: must be more than 0 and at most 1, not 2"),
        (3, "5000", "max tokens: must be at most the context of 4,096 tokens, not 5,000"),
    ],
)
async def test_a_wrong_setting_is_said_at_once_and_nothing_is_sent(
    size: tuple[int, int], tabs: int, text: str, message: str
) -> None:
    world = FakeServices()
    async with showing(world, PlaygroundScreen(CHAT), size=size) as pilot:
        await wait_until(pilot, lambda: "4,096" in shown(pilot, "#chat-context"))
        await pilot.press("f3", *["tab"] * tabs, *text)
        assert shown(pilot, "#chat-wrong") == message
        await pilot.press("f3", *"Hi", "enter")
        await pilot.pause()
        assert world.playground.asked == []
        assert typed(pilot) == "Hi"
        assert pilot.app.focused is not pilot.app.screen.query_one(Prompt)


async def test_escape_stops_the_answer_and_keeps_what_came_with_its_counts() -> None:
    usage = TokenUsage(12, 2, 14)
    world, playground = world_of(TextDelta("Once upon", usage, Cost(Decimal("0.0000036"), "USD")), None)
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await ask(pilot, "Tell me")
        await wait_until(pilot, lambda: "Once upon" in page(pilot.app))
        assert "answering" in shown(pilot, ".turn--line")
        await pilot.press("escape")
        await wait_until(pilot, lambda: "stopped by you" in shown(pilot, ".turn--line"))
        assert "total 14" in shown(pilot, ".turn--line")
        assert "$0.0000036" in shown(pilot, ".turn--line")
        assert playground.closed == ["early"]
        playground.script = [end("there was")]
        await ask(pilot, "Go on")
        await wait_until(pilot, lambda: len(playground.asked) == 2)
        assert Message("assistant", "Once upon") in playground.asked[1].messages


async def test_a_stop_before_the_first_word_gives_the_question_back() -> None:
    world, playground = world_of(None)
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await ask(pilot, "Tell me")
        await wait_until(pilot, lambda: "waiting for the first token" in page(pilot.app))
        await pilot.press("escape")
        await wait_until(pilot, lambda: typed(pilot) == "Tell me")
        assert "usage not reported by the engine" in shown(pilot, ".turn--line")
        assert isinstance(pilot.app.screen, PlaygroundScreen)
    assert playground.closed == ["early"]


async def test_an_engine_that_reports_no_usage_is_never_shown_as_zero() -> None:
    world, _ = world_of(TextDelta("Hi"), end("Hi", counted=False))
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await ask(pilot, "Hello")
        await wait_until(pilot, lambda: "stop" in shown(pilot, ".turn--line"))
        line = shown(pilot, ".turn--line")
        assert "usage not reported by the engine" in line
        assert "total" not in line
        assert "1 question  1 unreported" in shown(pilot, "#chat-totals")
        assert "context – of 4,096" in shown(pilot, "#chat-context")


async def test_an_error_says_what_why_and_what_to_do_and_keeps_the_question() -> None:
    refused = EngineRefused(
        "too many requests or tokens", status=429, why="over the limit", next_step="ask again in 17 s"
    )
    world, playground = world_of(refused)
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await ask(pilot, "Hello")
        await wait_until(pilot, lambda: "too many requests" in page(pilot.app))
        assert "over the limit" in page(pilot.app)
        assert "→ ask again in 17 s" in page(pilot.app)
        assert typed(pilot) == "Hello"
        playground.script = [TextDelta("Hi"), end("Hi")]
        await pilot.press("enter")
        await wait_until(pilot, lambda: "1 failed" in shown(pilot, "#chat-totals"))
        await wait_until(pilot, lambda: "stop" in page(pilot.app))
    assert playground.asked[1].messages == (Message("user", "Hello"),)


async def test_two_deployments_are_asked_the_same_and_go_on_with_their_own_answers() -> None:
    world = FakeServices()
    async with showing(world, PlaygroundScreen(CHAT), size=WIDE) as pilot:
        await pilot.press("f3", *"Brief", "f3", "ctrl+b")
        await wait_until(pilot, lambda: "Beside team-a/chat?" in page(pilot.app))
        await pilot.press(*"embed", "enter")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, BesideScreen))
        await ask(pilot, "Name three colours.")
        await wait_until(pilot, lambda: page(pilot.app).count("1 question") == 2)
        assert "search/embed" in page(pilot.app)
        await ask(pilot, "Again?")
        await wait_until(pilot, lambda: page(pilot.app).count("2 questions") == 2)
        asked = world.playground.asked
        assert {request.ref for request in asked[2:]} == {CHAT, Ref("search", "embed")}
        assert len({request.messages for request in asked[2:]}) == 1, "both answered alike"
        assert asked[2].messages[:2] == (Message("system", "Brief"), Message("user", "Name three colours."))
        world.playground.hold = asyncio.Event()
        await ask(pilot, "And now?")
        await wait_until(pilot, lambda: len(asked) == 6)
        await pilot.press("escape")
        await wait_until(pilot, lambda: page(pilot.app).count("stopped by you") == 2)
        await pilot.press("escape")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, PlaygroundScreen))


async def test_one_of_two_that_fails_says_why_and_the_other_answers() -> None:
    world = FakeServices()
    good = world.playground

    class OneFails(FakePlayground):
        def ask(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
            if request.ref == CHAT:
                return Scripted(script=[EngineRefused("the engine is full", status=429)]).ask(request)
            return good.ask(request)

    world.playground = OneFails()
    screen = BesideScreen((CHAT, Ref("search", "embed")), "", Sampling(), Output())
    async with showing(world, screen) as pilot:
        await ask(pilot, "Name three colours.")
        await wait_until(pilot, lambda: "the engine is full" in page(pilot.app) and "blue." in page(pilot.app))


async def test_a_load_test_asks_what_is_typed_and_shows_percentiles() -> None:
    world = FakeServices()
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await pilot.press("ctrl+l")
        assert "Load test" not in page(pilot.app), "there is nothing to ask"
        await paste(pilot, "Name three colours.")
        await pilot.press("ctrl+l")
        await wait_until(pilot, lambda: "Load test of team-a/chat in tour" in page(pilot.app))
        await pilot.press(*["backspace"] * 2, "0", "enter")
        await wait_until(pilot, lambda: "requests: from 1 to 10,000, not 0" in page(pilot.app))
        await pilot.press("backspace", *"12", "enter")
        await wait_until(pilot, lambda: "12 of 12" in page(pilot.app))
        assert len(world.playground.asked) == 12
        assert {request.sampling.max_tokens for request in world.playground.asked} == {64}
        assert "first token" in page(pilot.app)
        await pilot.press("escape")
        assert typed(pilot) == "Name three colours."


async def test_a_load_test_is_stopped_by_escape_and_says_so() -> None:
    world = FakeServices()
    world.playground.hold = asyncio.Event()
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await paste(pilot, "Name three colours.")
        await pilot.press("ctrl+l", "enter")
        await wait_until(pilot, lambda: len(world.playground.asked) == 4)
        await pilot.press("escape")
        await wait_until(pilot, lambda: "stopped: the figures are of what was answered" in page(pilot.app))
        await pilot.press("escape")
        await wait_until(pilot, lambda: "Load test" not in page(pilot.app))


async def test_a_conversation_is_kept_by_a_name_and_opened_again() -> None:
    world, playground = world_of(TextDelta("Red."), end("Red."))
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await pilot.press("ctrl+s")
        assert "Keep on this machine" not in page(pilot.app), "there is nothing to keep"
        await pilot.press("f3", *"Brief", "f3")
        await ask(pilot, "Name a colour.")
        await wait_until(pilot, lambda: "1 question" in page(pilot.app))
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: "Keep on this machine" in page(pilot.app))
        await pilot.press(*["backspace"] * 40, *"colours", "enter")
        await wait_until(pilot, lambda: "colours" in world.conversations.items)
        await pilot.press("ctrl+s", "down", "enter")
        await wait_until(pilot, lambda: world.prompts.items)
        await pilot.press("ctrl+n", "f3", *["backspace"] * 5, "f3", "ctrl+o")
        await wait_until(pilot, lambda: "1 question" in page(pilot.app) and "Open what was kept" in page(pilot.app))
        await pilot.press(*"colours", "enter")
        await wait_until(pilot, lambda: "› Name a colour." in page(pilot.app))
        await ask(pilot, "Another?")
        await wait_until(pilot, lambda: len(playground.asked) == 2)
    assert [(p.name, p.text) for p in world.prompts.items.values()] == [("Brief", "Brief")]
    assert playground.asked[1].messages == (
        Message("system", "Brief"),
        Message("user", "Name a colour."),
        Message("assistant", "Red."),
        Message("user", "Another?"),
    )


async def test_a_kept_prompt_becomes_the_system_prompt_and_is_forgotten_after_a_yes() -> None:
    world = FakeServices()
    world.prompts.save(SavedPrompt("pirate", "Talk like a pirate.", tour.NOW))
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await pilot.press("ctrl+o")
        await wait_until(pilot, lambda: "pirate" in page(pilot.app))
        await pilot.press("enter")
        await wait_until(pilot, lambda: pilot.app.screen.query("#system"))
        await ask(pilot, "Hi")
        await wait_until(pilot, lambda: world.playground.asked)
        await pilot.press("ctrl+o")
        await wait_until(pilot, lambda: "pirate" in page(pilot.app))
        await pilot.press("ctrl+d")
        await wait_until(pilot, lambda: "Forget the system prompt pirate?" in page(pilot.app))
        await pilot.press("n")
        assert list(world.prompts.items) == ["pirate"]
        await pilot.press("ctrl+d", "y")
        await wait_until(pilot, lambda: not world.prompts.items)
    assert world.playground.asked[0].messages[0] == Message("system", "Talk like a pirate.")


async def test_a_conversation_that_was_not_kept_is_not_lost_unasked() -> None:
    world, _ = world_of(TextDelta("Red."), end("Red."))
    world.conversations.save(
        SavedConversation("old", Ref("gone", "away"), {}, (Turn("Old?", "Yes.", end=end("Yes.")),), tour.NOW)
    )
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await ask(pilot, "Name a colour.")
        await wait_until(pilot, lambda: "1 question" in page(pilot.app))
        await pilot.press("ctrl+o")
        await wait_until(pilot, lambda: "gone/away" in page(pilot.app))
        await pilot.press("enter")
        await wait_until(pilot, lambda: "Put old in the place of the conversation with team-a/chat?" in page(pilot.app))
        await pilot.press("n")
        await wait_until(pilot, lambda: "› Name a colour." in page(pilot.app))
        await pilot.press("ctrl+o", "enter")
        await wait_until(pilot, lambda: "Put old" in page(pilot.app))
        await pilot.press("y")
        await wait_until(pilot, lambda: "› Old?" in page(pilot.app))
        assert "gone/away is not there any more: it goes on with team-a/chat" in toasts(pilot)


async def test_a_disk_that_takes_nothing_is_told_and_the_conversation_stays() -> None:
    world, _ = world_of(TextDelta("Red."), end("Red."))
    world.conversations.failure = GenaiTuiError("the conversation cannot be kept", why="disk full")
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await ask(pilot, "Name a colour.")
        await wait_until(pilot, lambda: "1 question" in page(pilot.app))
        await pilot.press("ctrl+s", "enter")
        await wait_until(pilot, lambda: "the conversation cannot be kept" in page(pilot.app))
        assert "› Name a colour." in page(pilot.app)


async def test_a_question_asked_again_keeps_both_answers_and_goes_on_from_the_one_shown() -> None:
    world, playground = world_of(TextDelta("Red."), end("Red."))
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await ask(pilot, "A colour?")
        await wait_until(pilot, lambda: "Red." in page(pilot.app) and "stop" in shown(pilot, ".turn--line"))
        playground.script = [TextDelta("Blue."), end("Blue.")]
        await pilot.press("ctrl+r")
        await wait_until(pilot, lambda: "try 2 of 2" in page(pilot.app))
        assert "Blue." in page(pilot.app)
        assert "Red." not in page(pilot.app)
        assert playground.asked[1].messages == (Message("user", "A colour?"),)
        # Both were answered and paid.
        assert "2 questions" in shown(pilot, "#chat-totals")
        assert "82 tokens  $0.000022" in shown(pilot, "#chat-totals")
        await pilot.press("f9")
        await wait_until(pilot, lambda: "try 1 of 2" in page(pilot.app))
        assert "Red." in page(pilot.app)
        playground.script = [TextDelta("Green."), end("Green.")]
        await ask(pilot, "Another?")
        await wait_until(pilot, lambda: "Green." in page(pilot.app) and "3 questions" in shown(pilot, "#chat-totals"))
    assert playground.asked[2].messages == (
        Message("user", "A colour?"),
        Message("assistant", "Red."),
        Message("user", "Another?"),
    )


async def test_a_changed_question_takes_the_place_of_the_last_one() -> None:
    world, playground = world_of(TextDelta("Red."), end("Red."))
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await pilot.press("f8", "ctrl+r", "f9")
        await ask(pilot, "A colour?")
        await wait_until(pilot, lambda: "stop" in shown(pilot, ".turn--line"))
        await pilot.press("f8")
        assert typed(pilot) == "A colour?"
        await pilot.press("f8")
        assert typed(pilot) == ""
        await pilot.press(*"draft", "f8", "f8")
        assert typed(pilot) == "draft", "nothing typed is lost"
        await pilot.press(*["backspace"] * 5, "f8", "backspace", *" of the sky?")
        playground.script = [TextDelta("Blue."), end("Blue.")]
        await pilot.press("enter")
        await wait_until(pilot, lambda: "try 2 of 2" in page(pilot.app))
        assert "› A colour of the sky?" in page(pilot.app)
    assert playground.asked[1].messages == (Message("user", "A colour of the sky?"),)


STORY = "\n\n".join(f"# Part {number}\n\nOnce upon a time." for number in range(40))


async def streaming(pilot: Pilot[Any], question: str = "Tell me") -> None:
    await ask(pilot, question)
    await wait_until(pilot, lambda: "answering" in shown(pilot, ".turn--line"))


async def to(pilot: Pilot[Any], name: str) -> None:
    await pilot.press("f2")
    await wait_until(pilot, lambda: "Talk to which deployment?" in page(pilot.app))
    await pilot.press(*name, "enter")
    await wait_until(pilot, lambda: f"/{name}" in shown(pilot, "#chat-who"))


@pytest.mark.parametrize("leave", ["switch", "new", "open", "beside"])
async def test_a_conversation_that_is_left_in_the_middle_of_a_drawing_is_no_crash(leave: str) -> None:
    drawing, go_on = asyncio.Event(), asyncio.Event()
    append = Markdown.append

    def slow(self: Markdown, text: str) -> AwaitComplete:
        async def held_up() -> None:
            drawing.set()
            await go_on.wait()
            await append(self, text)

        return AwaitComplete(held_up())

    more = asyncio.Event()
    world, playground = world_of(TextDelta("It was once. "), more, TextDelta(STORY), None)
    world.conversations.save(SavedConversation("old", CHAT, {}, (Turn("Old?", stopped=True),), tour.NOW))
    both = BesideScreen((CHAT, Ref("search", "embed")), "", Sampling(), Output())
    async with showing(world, both if leave == "beside" else PlaygroundScreen(CHAT)) as pilot:
        with pytest.MonkeyPatch.context() as patch:
            await ask(pilot, "Tell me")
            await wait_until(pilot, lambda: "It was once." in page(pilot.app))
            patch.setattr(Markdown, "append", slow)
            more.set()
            await asyncio.wait_for(drawing.wait(), 10)
            screen = pilot.app.screen
            match screen:
                case BesideScreen():
                    screen.action_clear()
                case PlaygroundScreen() if leave == "new":
                    screen.action_clear()
                case PlaygroundScreen() if leave == "switch":
                    screen._talk_to(CHAT_LONG)
                case PlaygroundScreen():
                    hold(pilot.app, CHAT, Held((Turn("Old?", stopped=True),)), tour.NOW)
                    screen._talk_to(CHAT)
            # Whoever is taken away now is gone before the drawing goes on, unless somebody waits for it.
            for _ in range(2_000):
                await asyncio.sleep(0)
            go_on.set()
            await wait_until(pilot, lambda: len(playground.closed) == (2 if leave == "beside" else 1))
            await wait_until(pilot, lambda: "Once upon" not in page(pilot.app))
        playground.script = [TextDelta("Yes."), end("Yes.")]
        await ask(pilot, "Again?")
        await wait_until(pilot, lambda: "Yes." in page(pilot.app))


async def test_an_answer_that_is_left_stays_with_the_conversation_in_which_it_was_asked() -> None:
    world, playground = world_of(TextDelta("Once upon", TokenUsage(12, 2, 14)), None)
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await streaming(pilot)
        await pilot.press(*"unsent")
        await to(pilot, "summarize")
        await wait_until(pilot, lambda: "Nothing was asked yet" in page(pilot.app))
        assert playground.closed == ["early"]
        assert (shown(pilot, "#chat-totals"), typed(pilot)) == ("", "")
        assert "context –" in shown(pilot, "#chat-context")
        playground.script = [TextDelta("Yes."), end("Yes.")]
        await ask(pilot, "Hello")
        await wait_until(pilot, lambda: "Yes." in page(pilot.app))
        await to(pilot, "chat")
        await wait_until(pilot, lambda: "stopped by you" in shown(pilot, ".turn--line"))
        assert "Once upon" in page(pilot.app)
        assert typed(pilot) == "unsent"
    assert playground.asked[1].messages == (Message("user", "Hello"),), "nothing of the other conversation"


async def test_a_new_conversation_carries_nothing_of_one_that_was_being_answered_and_loses_nothing() -> None:
    world, playground = world_of(TextDelta("Once upon", TokenUsage(12, 2, 14)), None)
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await streaming(pilot)
        await pilot.press("ctrl+n")
        await wait_until(pilot, lambda: "Nothing was asked yet" in page(pilot.app))
        assert playground.closed == ["early"]
        assert (shown(pilot, "#chat-totals"), typed(pilot)) == ("", "")
        assert "context –" in shown(pilot, "#chat-context")
        playground.script = [TextDelta("Yes."), end("Yes.")]
        await ask(pilot, "Hello")
        await wait_until(pilot, lambda: "1 question" in shown(pilot, "#chat-totals"))
        assert playground.asked[1].messages == (Message("user", "Hello"),)
        await pilot.press("ctrl+o")
        await wait_until(pilot, lambda: "not kept  team-a/chat  1 question" in page(pilot.app))
        await pilot.press("enter")
        await wait_until(pilot, lambda: "Put Tell me in the place" in page(pilot.app))
        await pilot.press("y")
        await wait_until(pilot, lambda: "Once upon" in page(pilot.app) and "stopped by you" in page(pilot.app))
        await pilot.press("ctrl+o")
        await wait_until(pilot, lambda: "Hello" in page(pilot.app) and "Open what was kept" in page(pilot.app))
        assert "Tell me  " not in page(pilot.app), "it is open"


async def test_opening_what_was_kept_over_an_answer_asks_first_and_takes_nothing_along() -> None:
    world, playground = world_of(TextDelta("Once upon"), None)
    kept = SavedConversation("old", CHAT, {}, (Turn("Old?", "Yes.", end=end("Yes.")),), tour.NOW)
    world.conversations.save(kept)
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await streaming(pilot)
        await pilot.press("ctrl+o")
        await wait_until(pilot, lambda: "Open what was kept" in page(pilot.app))
        await pilot.press("enter")
        await wait_until(pilot, lambda: "Put old in the place" in page(pilot.app))
        assert "is stopped" in page(pilot.app)
        await pilot.press("n")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, PlaygroundScreen))
        assert playground.closed == [], "it goes on"
        await pilot.press("ctrl+o")
        await wait_until(pilot, lambda: "Open what was kept" in page(pilot.app))
        await pilot.press("enter")
        await wait_until(pilot, lambda: "Put old in the place" in page(pilot.app))
        await pilot.press("y")
        await wait_until(pilot, lambda: "› Old?" in page(pilot.app))
        await wait_until(pilot, lambda: playground.closed == ["early"])
        assert "1 question" in shown(pilot, "#chat-totals")
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: "Keep on this machine" in page(pilot.app))
        await pilot.press("enter")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, PlaygroundScreen))
    assert [turn.question for turn in world.conversations.items["old"].turns] == ["Old?"]


async def test_a_question_that_is_being_changed_stays_with_its_conversation() -> None:
    world, _ = world_of(TextDelta("Red."), end("Red."))
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await ask(pilot, "A colour?")
        await wait_until(pilot, lambda: "1 question" in shown(pilot, "#chat-totals"))
        await to(pilot, "summarize")
        await ask(pilot, "A number?")
        await wait_until(pilot, lambda: "1 question" in shown(pilot, "#chat-totals"))
        await to(pilot, "chat")
        await pilot.press(*"draft", "f8", *" Or two?")
        await wait_until(pilot, lambda: "changing question 1 of 1" in shown(pilot, "#chat-doing"))
        await to(pilot, "summarize")
        assert shown(pilot, "#chat-doing") == ""
        await ask(pilot, "Another?")
        await wait_until(pilot, lambda: "2 questions" in shown(pilot, "#chat-totals"))
        assert "› A number?" in page(pilot.app)
        assert "try " not in page(pilot.app)
        await to(pilot, "chat")
        assert typed(pilot) == "A colour? Or two?"
        assert "changing question 1 of 1" in shown(pilot, "#chat-doing")
        await pilot.press("f8")
        assert typed(pilot) == "draft"


async def test_any_question_begins_a_branch_and_what_followed_stays_with_its_try() -> None:
    world, playground = world_of()
    async with showing(world, PlaygroundScreen(CHAT), size=WIDE) as pilot:
        for number, answer in enumerate(["Red.", "Blue.", "Green."], 1):
            playground.script = [TextDelta(answer), end(answer)]
            await ask(pilot, f"Question {number}?")
            await wait_until(pilot, partial(counted, pilot, number))
        await pilot.press("alt+up", "alt+up", "alt+up", "alt+up", "alt+down")
        assert "question 2 of 3 is marked" in shown(pilot, "#chat-doing")
        playground.script = [TextDelta("Grey."), end("Grey.")]
        await pilot.press("ctrl+r")
        await wait_until(pilot, partial(counted, pilot, 4))
        await wait_until(
            pilot, lambda: "try 2 of 2   f9 shows another, with 1 question that followed" in page(pilot.app)
        )
        assert shown(pilot, "#chat-doing") == ""
        assert "› Question 3?" not in page(pilot.app)
        assert [m.content for m in playground.asked[-1].messages] == ["Question 1?", "Red.", "Question 2?"]
        await pilot.press("f9")
        await wait_until(pilot, lambda: "› Question 3?" in page(pilot.app) and "Blue." in page(pilot.app))
        assert "Grey." not in page(pilot.app)
        assert "164 tokens" in shown(pilot, "#chat-totals"), "every answer of every branch, once"
        await pilot.press("alt+up", "alt+up", "alt+up", "f8", *" Now?")
        assert "changing question 1 of 3" in shown(pilot, "#chat-doing")
        playground.script = [TextDelta("White."), end("White.")]
        await pilot.press("enter")
        await wait_until(pilot, partial(counted, pilot, 5))
        assert [m.content for m in playground.asked[-1].messages] == ["Question 1? Now?"]
        await pilot.press("f9")
        await wait_until(pilot, lambda: "› Question 3?" in page(pilot.app))
        await pilot.press("ctrl+s", "enter")
        await wait_until(pilot, lambda: world.conversations.items)
        await pilot.press("alt+up", "escape")
        assert isinstance(pilot.app.screen, PlaygroundScreen), "esc leaves the mark first"
        await pilot.press("ctrl+n", "ctrl+o", "enter")
        await wait_until(pilot, lambda: "› Question 3?" in page(pilot.app))
        await pilot.click(pilot.app.screen.query(".turn--question").first())
        await wait_until(pilot, lambda: "question 1 of 3 is marked" in shown(pilot, "#chat-doing"))
        await pilot.press("f9")
        await wait_until(pilot, lambda: "White." in page(pilot.app) and "question 1 of 1" in page(pilot.app))


async def test_a_question_is_kept_by_a_name_and_opened_beside_what_is_typed() -> None:
    world = FakeServices()
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await pilot.press(*"Hello?", "ctrl+s")
        await wait_until(pilot, lambda: "Keep on this machine" in page(pilot.app))
        await pilot.press("enter")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, PlaygroundScreen))
        await pilot.press(*["backspace"] * 6, *"Oh. ", "ctrl+o")
        await wait_until(pilot, lambda: "question  1 word  just now" in page(pilot.app))
        await pilot.press("enter")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, PlaygroundScreen))
        await wait_until(pilot, lambda: typed(pilot) == "Oh. Hello?")
    assert [(one.name, one.text) for one in world.questions.items.values()] == [("Hello?", "Hello?")]


async def test_code_shows_what_is_typed_and_else_the_request_that_was_made_last() -> None:
    shown_as: list[ChatRequest | None] = []

    class Sampled(Scripted):
        async def sample_code(
            self, ref: Ref, language: Literal["curl", "python", "node"], request: ChatRequest | None = None
        ) -> str:
            shown_as.append(request)
            return f"# {language}\n"

    world = FakeServices()
    playground = world.playground = Sampled(script=[TextDelta("Red."), end("Red.")])
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        for number in (1, 2):
            await ask(pilot, f"Question {number}?")
            await wait_until(pilot, partial(counted, pilot, number))
        await pilot.press("f4")
        await wait_until(pilot, lambda: "# curl" in page(pilot.app))
        assert shown_as[-1] == playground.asked[-1]
        await pilot.press("escape", *"New?", "f4")
        await wait_until(pilot, lambda: "# curl" in page(pilot.app))
        said = shown_as[-1]
        assert said is not None
        assert [m.content for m in said.messages] == ["Question 1?", "Red.", "Question 2?", "Red.", "New?"]
        await pilot.press("escape", "ctrl+n", *["backspace"] * 4)
        playground.script = [calls(OSLO, NOW)]
        await ask(pilot, "Weather?")
        await doing(pilot, "(1 of 2)")
        await pilot.press(*"warm", "f4")
        await wait_until(pilot, lambda: "# curl" in page(pilot.app))
        assert shown_as[-1] == playground.asked[-1], "one result of two cannot be sent"
        await pilot.press("escape", "enter", *"noon", "f4")
        await wait_until(pilot, lambda: "# curl" in page(pilot.app))
        said = shown_as[-1]
        assert said is not None
        assert said.messages == given("warm", "noon")


async def test_a_full_context_is_said_whole_beside_the_sums() -> None:
    world = FakeServices()
    async with showing(world, PlaygroundScreen(CHAT), size=NARROW) as pilot:
        await ask(pilot, "Name three colours.")
        await wait_until(pilot, partial(counted, pilot, 1))
        world.playground.tokens = 5000
        await pilot.press("x")
        await wait_until(pilot, lambda: "shorten it, or ctrl+n\n" in page(pilot.app))
        assert "1 question  41 tokens  $0.000011\n" in page(pilot.app)


async def test_a_refused_question_is_asked_again_with_one_key() -> None:
    world, playground = world_of(EngineRefused("too many requests", status=429, why="", next_step="ask again in 1 s"))
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await ask(pilot, "Hello")
        await wait_until(pilot, lambda: "ask again in 1 s" in page(pilot.app))
        playground.script = [TextDelta("Hi"), end("Hi")]
        await pilot.press("ctrl+r")
        await wait_until(pilot, lambda: "try 2 of 2" in page(pilot.app))
        assert typed(pilot) == ""
        assert "1 failed" in shown(pilot, "#chat-totals")


def counted(pilot: Pilot[Any], questions: int) -> bool:
    return f"{questions} question" in shown(pilot, "#chat-totals")


async def test_twenty_turns_are_carried_along_and_summed() -> None:
    world, playground = world_of(TextDelta("Yes."), end("Yes."))
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        for number in range(20):
            await ask(pilot, f"Question {number}?")
            await wait_until(pilot, partial(counted, pilot, number + 1))
        assert "820 tokens  $0.00022" in shown(pilot, "#chat-totals")
        assert "Question 19?" in page(pilot.app)
    last = playground.asked[-1].messages
    assert len(last) == 39
    assert [m.content for m in last if m.role == "user"] == [f"Question {number}?" for number in range(20)]


async def test_a_broken_off_answer_stays_readable_and_is_not_carried_along() -> None:
    world, playground = world_of(
        TextDelta("half an ans"), Unreachable("the answer broke off after 1 pieces", why="reset")
    )
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await ask(pilot, "Hello")
        await wait_until(pilot, lambda: "broke off" in page(pilot.app))
        assert "half an ans" in page(pilot.app)
        playground.script = [end("")]
        await pilot.press(*"again", "enter")
        await wait_until(pilot, lambda: len(playground.asked) == 2)
    assert playground.asked[1].messages == (Message("user", "again"),)


async def test_a_ledger_that_fails_leaves_the_answer_and_is_said() -> None:
    world, _ = world_of(TextDelta("Hi"), end("Hi"), GenaiTuiError("the ledger failed", why="the disk is full"))
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await ask(pilot, "Hello")
        await wait_until(pilot, lambda: "the disk is full" in page(pilot.app))
        assert "prompt 34" in shown(pilot, ".turn--line")
        assert not pilot.app.screen.query_one(".turn--problem").display


async def test_a_defect_is_told_and_the_console_stays() -> None:
    world, _ = world_of(RuntimeError("unforeseen"))
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await ask(pilot, "Hello")
        await wait_until(pilot, lambda: "unforeseen" in page(pilot.app))
        assert typed(pilot) == "Hello"


async def test_thoughts_are_shown_apart_and_copying_takes_the_answer_alone() -> None:
    world, _ = world_of(ThoughtDelta("let me see "), ThoughtDelta("now"), TextDelta("**Four**"), end("**Four**"))
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await ask(pilot, "2 + 2?")
        await wait_until(pilot, lambda: "stop" in shown(pilot, ".turn--line"))
        assert shown(pilot, ".turn--thoughts") == "(thought 4 words)"
        await pilot.press("f5")
        assert pilot.app.clipboard == "**Four**"


async def test_nothing_a_model_says_is_swallowed_or_reaches_the_terminal_raw() -> None:
    said = "<b>bold?</b>\nline two\x1b[31m\x07\n\n<script>x</script>"
    world, _ = world_of(TextDelta(said), end(said))
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await ask(pilot, "Hello")
        await wait_until(pilot, lambda: "stop" in shown(pilot, ".turn--line"))
        assert pilot.app.screen.query_one(Markdown).source.count("\x1b") == 0
        lines = [line.strip() for line in page(pilot.app).splitlines()]
        assert "<b>bold?</b>" in lines
        assert any(line.startswith("line two") for line in lines)
        assert "<script>x</script>" in lines


async def test_a_deployment_that_does_not_run_says_why_chat_may_fail() -> None:
    world = FakeServices()
    async with showing(world, PlaygroundScreen(CHAT_LONG)) as pilot:
        await wait_until(pilot, lambda: shown(pilot, "#chat-warning"))
        assert "questions may fail until it is Running. Loading 62%" in shown(pilot, "#chat-warning")
        row = next(row for row in world.picture.deployments() if row.ref == CHAT_LONG)
        world.picture.put(replace(row, assessment=tour.chat_row().assessment, ready=1))
        await wait_until(pilot, lambda: not pilot.app.screen.query_one("#chat-warning").display)
        world.picture.remove(CHAT_LONG)
        await wait_until(pilot, lambda: "not in the list of deployments" in shown(pilot, "#chat-who"))


async def test_opened_without_a_deployment_it_asks_which_those_that_answer_first() -> None:
    world = FakeServices()
    async with showing(world, PlaygroundScreen()) as pilot:
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, PickerScreen))
        await pilot.press("enter")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, PlaygroundScreen))
        await wait_until(pilot, lambda: "team-a/chat" in shown(pilot, "#chat-who"))
        await ask(pilot, "Hi")
        await wait_until(pilot, lambda: world.playground.asked)
        await pilot.press("f2", *"summ", "enter")
        await wait_until(pilot, lambda: "team-b/summarize" in shown(pilot, "#chat-who"))
    assert world.playground.asked[0].ref == CHAT


async def test_leaving_the_choice_leaves_the_playground() -> None:
    async with showing(FakeServices(), PlaygroundScreen()) as pilot:
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, PickerScreen))
        await pilot.press("escape")
        await wait_until(pilot, lambda: not isinstance(pilot.app.screen, PlaygroundScreen | PickerScreen))


async def test_leaving_and_coming_back_finds_the_conversation_and_what_was_typed() -> None:
    world = FakeServices()
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await pilot.press("f3")
        await paste(pilot, "Be brief.")
        await pilot.press("f3")
        await ask(pilot, "Hi")
        await wait_until(pilot, lambda: "stop" in shown(pilot, ".turn--line"))
        await pilot.press(*"unsent", "escape")
        await wait_until(pilot, lambda: not isinstance(pilot.app.screen, PlaygroundScreen))
        pilot.app.push_screen(PlaygroundScreen(CHAT))
        await wait_until(pilot, lambda: "› Hi" in page(pilot.app))
        assert typed(pilot) == "unsent"
        assert "Red, green and blue." in page(pilot.app)
        assert "Be brief." in page(pilot.app)
        await pilot.press("ctrl+n")
        await wait_until(pilot, lambda: "Nothing was asked yet" in page(pilot.app))
        assert "› Hi" not in page(pilot.app)


async def test_leaving_while_an_answer_streams_stops_the_engine() -> None:
    world, playground = world_of(TextDelta("Once"), None)
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await ask(pilot, "Hi")
        await wait_until(pilot, lambda: "Once" in page(pilot.app))
        await pilot.app.pop_screen()
        await wait_until(pilot, lambda: playground.closed == ["early"])


async def test_the_request_in_code_can_be_seen_and_copied() -> None:
    async with showing(FakeServices(), PlaygroundScreen(CHAT)) as pilot:
        await pilot.press("f4")
        await wait_until(pilot, lambda: "# curl for team-a/chat" in page(pilot.app))
        await pilot.press("right")
        await wait_until(pilot, lambda: "# python for team-a/chat" in page(pilot.app))
        await pilot.press("c")
        assert pilot.app.clipboard == "# python for team-a/chat\n"
        await pilot.press("escape")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, PlaygroundScreen))


async def test_several_lines_and_the_last_question_again() -> None:
    world = FakeServices()
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await pilot.press(*"one", "ctrl+j", *"two")
        assert typed(pilot) == "one\ntwo"
        assert pilot.app.screen.query_one(Prompt).size.height == 2
        await pilot.press("enter")
        await wait_until(pilot, lambda: world.playground.asked)
        await wait_until(pilot, lambda: "stop" in shown(pilot, ".turn--line"))
        await pilot.press("up")
        assert typed(pilot) == "one\ntwo"


async def test_keys_typed_ahead_keep_their_order() -> None:
    world = FakeServices()
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        for key in ["f3", *"Be", "f3", *"one", "ctrl+j", *"two", "enter"]:
            pilot.app.simulate_key(key)
        await wait_until(pilot, lambda: world.playground.asked)
    (request,) = world.playground.asked
    assert request.messages == (Message("system", "Be"), Message("user", "one\ntwo"))


async def test_every_key_of_the_footer_works_by_mouse() -> None:
    async with showing(FakeServices(), PlaygroundScreen(CHAT)) as pilot:
        footer = page(pilot.app).splitlines()[-1]
        assert footer.count("  ") <= 8 * 2
        await pilot.click("FooterBar", offset=(footer.index("Code"), 0))
        await wait_until(pilot, lambda: "Ask team-a/chat from a program" in page(pilot.app))
        await pilot.click("ChoiceRow", offset=(12, 0))
        await wait_until(pilot, lambda: "# python for" in page(pilot.app))


async def test_a_long_answer_follows_its_end_unless_one_reads_above() -> None:
    hold = asyncio.Event()
    world = FakeServices()
    world.playground.words, world.playground.hold = ("line\n\n" * 40, "the end"), hold
    async with showing(world, PlaygroundScreen(CHAT)) as pilot:
        await ask(pilot, "Hi")
        turns = pilot.app.screen.query_one("#chat-turns")
        await wait_until(pilot, lambda: turns.max_scroll_y > 20 and turns.scroll_y == turns.max_scroll_y)
        await pilot.press("pageup", "pageup")
        await wait_until(pilot, lambda: turns.scroll_y < turns.max_scroll_y - 5)
        reading = turns.scroll_y
        hold.set()
        await wait_until(pilot, lambda: "1 question" in shown(pilot, "#chat-totals"))
        assert turns.scroll_y == reading
