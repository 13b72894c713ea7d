"""Which turns a question carries along, and what they came to."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.chat import Answered, Message, ToolCall
from genai_tui.domain.conversation import (
    Turn,
    asked,
    context_used,
    every_turn,
    messages,
    other_try,
    totals,
    tries_at,
)
from genai_tui.domain.money import Cost
from genai_tui.domain.problems import Problem
from genai_tui.domain.usage import Timings, TokenUsage


def answered(text: str, usage: TokenUsage | None, cost: str | None = None, currency: str = "USD") -> Turn:
    amount = Cost(Decimal(cost), currency) if cost else None
    return Turn("q", text, end=Answered(text, "stop", usage, Timings(1.0, 2.0, None), amount))


STOPPED = Turn("stopped", "half an ans", stopped=True, running_usage=TokenUsage(5, 3, 8))
SILENT = Turn("silent", stopped=True)
FAILED = Turn("failed", "some", problem=Problem("it broke off"))


def test_only_turns_with_an_answer_are_carried() -> None:
    turns = [answered("one", None), STOPPED, SILENT, FAILED]
    assert messages("Be brief.", turns, "next?") == (
        Message("system", "Be brief."),
        Message("user", "q"),
        Message("assistant", "one"),
        Message("user", "stopped"),
        Message("assistant", "half an ans"),
        Message("user", "next?"),
    )
    assert messages("  ", [], "first") == (Message("user", "first"),)


def calling(*calls: ToolCall, answer: str = "", results: tuple[str, ...] = ()) -> Turn:
    end = Answered(answer, "tool_calls", None, Timings(1.0, 2.0, None), None, calls)
    return Turn("" if results else "q", answer, end=end, results=results)


OSLO, NOW = ToolCall("weather", '{"city": "Oslo"}', "a"), ToolCall("now", "{}", "b")


def test_calls_are_carried_with_their_results_and_the_answer_or_not_at_all() -> None:
    asked_both, went_on = calling(OSLO, NOW), calling(OSLO, results=("warm", "noon"))
    both = (
        Message("user", "q"),
        Message("assistant", "", (OSLO, NOW)),
        Message("tool", "warm", (), "a"),
        Message("tool", "noon", (), "b"),
    )
    assert messages("", [asked_both], "", ("warm", "noon")) == both
    again = (Message("assistant", "", (OSLO,)), Message("tool", "cold", (), "a"))
    assert messages("", [asked_both, went_on], "", ("cold",)) == (*both, *again)
    done = replace(answered("So.", None), question="", results=("cold",))
    after = (Message("assistant", "So."), Message("user", "next?"))
    assert messages("", [asked_both, went_on, done], "next?") == (*both, *again, *after)
    assert messages("", [asked_both, went_on], "next?") == (Message("user", "next?"),)
    spoke = calling(OSLO, answer="Let me see.")
    failed = Turn("", results=("warm",), problem=Problem("refused"))
    without = (Message("user", "q"), Message("assistant", "Let me see."), Message("user", "next?"))
    assert messages("", [spoke, failed], "next?") == messages("", [spoke], "next?") == without


CALLS = st.lists(st.builds(ToolCall, st.just("f"), st.just("{}"), st.sampled_from(["", "a", "b"])), max_size=3)
KINDS = st.sampled_from(["whole", "stopped", "failed"])
# Nothing but a file that was changed by hand has another number of results than there are calls.
RESULTS = st.sampled_from([None, 0, 0, 0, 1])
LINES = st.lists(st.tuples(CALLS, st.sampled_from(["", "said"]), RESULTS, KINDS), max_size=8)


@given(LINES, st.booleans(), st.sampled_from(["", "Be brief."]))
def test_what_is_sent_is_always_a_sequence_that_engines_take(
    line: list[tuple[list[ToolCall], str, int | None, str]], with_results: bool, system: str
) -> None:
    turns: list[Turn] = []
    for calls, answer, more, kind in line:
        results = ("r",) * (len(turns[-1].calls) + more) if more is not None and turns else ()
        turn = calling(*calls, answer=answer, results=results)
        if kind != "whole":
            turn = replace(turn, end=None, stopped=kind == "stopped")
        turns.append(replace(turn, problem=Problem("it broke off")) if kind == "failed" else turn)
    given_now = tuple(f"r{at}" for at in range(len(turns[-1].calls))) if with_results and turns else ()
    said = list(messages(system, turns, "now", given_now))
    tail = [m.content for m in said[len(said) - max(1, len(given_now)) :]]
    assert tail == list(given_now or ("now",)), "what is asked now is sent, and last"
    waiting: list[str] = []
    before = "assistant"
    for message in said[bool(system) :]:
        if message.role == "tool":
            assert message.tool_call_id == waiting.pop(0)
        else:
            assert not waiting
            assert (before == "assistant") == (message.role == "user")
        waiting += [call.id for call in message.tool_calls]
        before = message.role
    assert not waiting
    assert before in ("user", "tool")


def test_totals_keep_currencies_apart_and_the_unreported_out() -> None:
    turns = [
        answered("a", TokenUsage(1, 2, 3), "0.1"),
        answered("b", TokenUsage(10, 20, 30), "0.2", "EUR"),
        answered("c", TokenUsage(1, 1, 2), "0.000001"),
        answered("d", None),
        STOPPED,
        FAILED,
    ]
    sums = totals(turns)
    assert (sums.questions, sums.unreported, sums.failed, sums.usage) == (6, 1, 1, TokenUsage(17, 26, 43))
    assert sums.costs == (Cost(Decimal("0.100001"), "USD"), Cost(Decimal("0.2"), "EUR"))
    assert totals([]) == totals(iter(()))
    assert totals([answered("d", None)]).usage is None


def test_the_context_is_what_the_last_report_says() -> None:
    assert context_used([answered("a", TokenUsage(1, 2, 3)), answered("d", None)]) == 3
    assert context_used([answered("a", TokenUsage(1, 2, 3)), STOPPED]) == 8
    assert context_used([SILENT]) is None


STEPS = st.lists(
    st.tuples(st.sampled_from(["ask", "again", "switch"]), st.integers(0, 9), st.integers(-3, 3)), max_size=25
)


@given(STEPS)
def test_no_answer_is_ever_lost_and_each_is_counted_once(steps: list[tuple[str, int, int]]) -> None:
    turns: tuple[Turn, ...] = ()
    made: list[Turn] = []
    for what, where, by in steps:
        at = where % len(turns) if turns else 0
        if what == "switch":
            turns = other_try(turns, at, by) if turns else turns
            continue
        made.append(answered(str(len(made)), TokenUsage(len(made), 1, len(made) + 1), "0.1"))
        turns = asked(turns, len(turns) if what == "ask" else at, made[-1])
        assert turns[-1].answer == made[-1].answer, "the newest answer is shown, at the end"
    assert sorted(turn.answer for turn in every_turn(turns)) == sorted(turn.answer for turn in made)
    sums, alone = totals(turns), totals(made)
    assert (sums.questions, sums.usage, sums.costs) == (alone.questions, alone.usage, alone.costs)


@given(STEPS, st.integers(0, 9), st.integers(-9, 9))
def test_going_to_another_try_and_back_changes_nothing(steps: list[tuple[str, int, int]], where: int, by: int) -> None:
    turns: tuple[Turn, ...] = (Turn("first"),)
    for number, (what, at, _) in enumerate(steps):
        turns = asked(turns, len(turns) if what == "ask" else at % len(turns), Turn(f"q{number}"))
    at = where % len(turns)
    gone = other_try(turns, at, by)
    assert other_try(gone, at, -by) == turns
    assert gone[:at] == turns[:at]
    assert tries_at(gone, at) == tries_at(turns, at), "tries keep their order, and what followed them"


def test_each_try_keeps_what_followed_it() -> None:
    turns: tuple[Turn, ...] = (Turn("a"), Turn("b"), Turn("c"))
    turns = asked(turns, 1, Turn("B"))
    assert [turn.question for turn in turns] == ["a", "B"]
    turns = asked(turns, 2, Turn("D"))
    turns = other_try(turns, 1, 1)
    assert [turn.question for turn in turns] == ["a", "b", "c"]
    assert [turn.question for turn in other_try(turns, 1, 1)] == ["a", "B", "D"]
    assert [m.content for m in messages("", [answered("x", None), *turns[1:]], "?")] == ["q", "x", "?"]
