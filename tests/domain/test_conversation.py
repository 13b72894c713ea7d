"""Which turns a question carries along, and what they came to."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.chat import Answered, Message
from genai_tui.domain.conversation import Turn, context_used, messages, other_try, totals, tried_again
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


@given(st.lists(st.text(max_size=3), min_size=1, max_size=6), st.lists(st.integers(-9, 9), max_size=8))
def test_tries_keep_their_order_and_none_is_lost_or_made_up(answers: list[str], steps: list[int]) -> None:
    turn = Turn("why?", answers[0])
    for answer in answers[1:]:
        turn = tried_again(turn, Turn("why?", answer))
    place = len(answers) - 1
    assert turn.place == place
    for by in steps:
        turn, place = other_try(turn, by), (place + by) % len(answers)
        assert (turn.answer, turn.place) == (answers[place], place)
        assert [attempt.answer for attempt in turn.tries] == answers
    assert totals([turn]).questions == len(answers)
