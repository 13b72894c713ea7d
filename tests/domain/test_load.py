"""What a load test found, summed up."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.load import LoadPlan, Outcome, report
from genai_tui.domain.money import Cost
from genai_tui.domain.usage import Timings, TokenUsage

OUTCOMES = st.one_of(
    st.builds(
        Outcome,
        st.none() | st.builds(lambda p, c: TokenUsage(p, c, p + c), st.integers(1, 99), st.integers(2, 99)),
        st.builds(Timings, st.none() | st.floats(1, 9e3), st.floats(1, 9e4), st.none() | st.floats(0.1, 1e3)),
        st.none() | st.builds(Cost, st.decimals(0, 9, places=6), st.sampled_from(["USD", "EUR"])),
    ),
    st.builds(Outcome, problem=st.sampled_from(["refused", "gone"])),
)


@given(st.lists(OUTCOMES, max_size=30), st.floats(0.1, 60))
def test_sums_are_of_what_was_answered_and_nothing_is_lost(outcomes: list[Outcome], seconds: float) -> None:
    found = report(outcomes, seconds)
    good = [one for one in outcomes if not one.problem]
    assert (found.answered, found.failed) == (len(good), len(outcomes) - len(good))
    assert found.problems == Counter(one.problem for one in outcomes if one.problem)
    counted = [one.usage for one in good if one.usage is not None]
    assert found.uncounted == len(good) - len(counted)
    assert (found.usage.completion if found.usage else 0) == sum(usage.completion for usage in counted)
    for currency in ("USD", "EUR"):
        costs = [one.cost.amount for one in good if one.cost is not None and one.cost.currency == currency]
        assert sum((c.amount for c in found.costs if c.currency == currency), Decimal()) == sum(costs, Decimal())
    totals = [one.timings.total_ms / 1000 for one in good if one.timings is not None]
    if len(totals) < 2:
        assert found.whole is None
    else:
        assert found.whole is not None
        assert found.whole.p50 == pytest.approx(median(totals))
        spread = [min(totals), found.whole.p50, found.whole.p95, found.whole.p99, max(totals)]
        assert spread == pytest.approx(sorted(spread)), "in order, but for the last bit of a float"
    rates = [one.usage.completion / one.timings.total_ms * 1000 for one in good if one.usage and one.timings]
    if len(rates) < 2:
        assert found.answer_rate is None
    else:
        assert found.answer_rate is not None
        reached = found.answer_rate
        assert reached.p50 == pytest.approx(median(rates))
        spread = [max(rates), reached.p50, reached.p95, reached.p99, min(rates)]
        assert spread == pytest.approx(sorted(spread, reverse=True)), "nearly all answers reach the slow end"


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        (LoadPlan(1, 1, 1), ""),
        (LoadPlan(0, 1, 1), "requests: from 1 to 10,000, not 0"),
        (LoadPlan(10, 257, 1), "at once: from 1 to 256, not 257"),
        (LoadPlan(10, 2, 0), "max tokens: at least 1, not 0"),
    ],
)
def test_a_plan_out_of_bounds_says_which(plan: LoadPlan, problem: str) -> None:
    assert plan.problem() == problem
