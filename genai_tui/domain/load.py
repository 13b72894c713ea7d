"""A load test: so many questions, so many at once; what came of them, as percentiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles

from genai_tui.domain.money import Cost, total
from genai_tui.domain.monitoring import Quantiles
from genai_tui.domain.usage import Timings, TokenUsage

MOST_REQUESTS, MOST_AT_ONCE = 10_000, 256


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """`requests` questions, `at_once` of them at a time, each answered with `max_tokens` at most."""

    requests: int
    at_once: int
    max_tokens: int

    def problem(self) -> str:
        """Why it cannot be run; empty when it can."""
        if not 1 <= self.requests <= MOST_REQUESTS:
            return f"requests: from 1 to {MOST_REQUESTS:,}, not {self.requests:,}"
        if not 1 <= self.at_once <= MOST_AT_ONCE:
            return f"at once: from 1 to {MOST_AT_ONCE}, not {self.at_once:,}"
        return "" if self.max_tokens >= 1 else f"max tokens: at least 1, not {self.max_tokens:,}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one question; `problem` is why there was no answer, empty where there was one."""

    usage: TokenUsage | None = None
    timings: Timings | None = None
    cost: Cost | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load test has found so far.

    Latencies are in seconds, of answered questions alone; None where fewer than two were timed. `answer_rate` is output
    tokens a second of one answer, from question to end: what half, 95 % and 99 % of the answers reached (LLMPerf's
    request output throughput, read from its slow end). `output_rate` is output tokens a second of all together,
    `request_rate` answers a second; None before the first answer. `uncounted` of the answers came without usage and
    are in no sum of tokens and no rate of them.
    """

    answered: int
    failed: int
    uncounted: int
    seconds: float
    output_rate: float | None
    request_rate: float | None
    first_token: Quantiles | None
    inter_token: Quantiles | None
    whole: Quantiles | None
    answer_rate: Quantiles | None
    usage: TokenUsage | None
    costs: tuple[Cost, ...]
    problems: Mapping[str, int]


def report(outcomes: Sequence[Outcome], seconds: float) -> LoadReport:
    """Sum up.

    Args:
        outcomes: of the questions that have ended.
        seconds: since the first was asked.
    """
    good = [outcome for outcome in outcomes if not outcome.problem]
    usages = [outcome.usage for outcome in good if outcome.usage is not None]
    usage = None
    for one in usages:
        usage = one if usage is None else usage + one
    timed = [outcome.timings for outcome in good if outcome.timings is not None]
    running = seconds > 0 and bool(good)
    return LoadReport(
        answered=len(good),
        failed=len(outcomes) - len(good),
        uncounted=len(good) - len(usages),
        seconds=seconds,
        output_rate=usage.completion / seconds if running and usage is not None else None,
        request_rate=len(good) / seconds if running else None,
        first_token=_spread(t.ttft_ms / 1000 for t in timed if t.ttft_ms is not None),
        # The rate counts the tokens after the first, over the time after the first: its inverse is the gap.
        inter_token=_spread(1 / t.tokens_per_second for t in timed if t.tokens_per_second),
        whole=_spread(t.total_ms / 1000 for t in timed),
        answer_rate=_reached(
            outcome.usage.completion * 1000 / outcome.timings.total_ms
            for outcome in good
            if outcome.usage is not None and outcome.timings is not None and outcome.timings.total_ms > 0
        ),
        usage=usage,
        costs=total(outcome.cost for outcome in good if outcome.cost is not None),
        problems=Counter(outcome.problem for outcome in outcomes if outcome.problem),
    )


def _spread(values: Iterable[float]) -> Quantiles | None:
    """Percentiles between the order statistics (`statistics.quantiles`, inclusive)."""
    found = sorted(values)
    if len(found) < 2:
        return None
    cuts = quantiles(found, n=100, method="inclusive")
    return Quantiles(cuts[49], cuts[94], cuts[98])


def _reached(rates: Iterable[float]) -> Quantiles | None:
    """As `_spread`, of what the more is the better for."""
    below = _spread(-rate for rate in rates)
    return None if below is None else Quantiles(-below.p50, -below.p95, -below.p99)
