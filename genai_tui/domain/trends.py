"""What usage does over time: one measure over the periods of a window, and the change against the window before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import reduce
from operator import add

from genai_tui.domain.money import Cost, total
from genai_tui.domain.usage import Source, UsageLine, Waits


class Measure(StrEnum):
    """What a trend is of."""

    TOKENS = "tokens"
    REQUESTS = "requests"
    COST = "cost"
    ERRORS = "errors"
    FIRST_TOKEN = "first token"
    FIRST_TOKEN_P95 = "first token p95"
    ANSWER_P95 = "answer p95"


@dataclass(frozen=True, slots=True)
class UsagePoint:
    """Sums of one period, one source and one currency (empty: without a price); `waits` None: not asked for.

    `every` is how long the period is: longer than was asked for where part of the window was pruned to longer ones.
    """

    start: datetime
    source: Source
    requests: int
    unreported: int
    errors: int
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cost: Cost | None
    waits: Waits | None = None
    cached_tokens: int | None = None
    every: timedelta | None = None

    @property
    def counted(self) -> bool:
        """Whether any of the requests told a usage."""
        return self.total_tokens > 0 or self.requests > self.unreported + self.errors


def series(
    points: Iterable[UsagePoint], starts: Sequence[datetime], source: Source, measure: Measure, currency: str = ""
) -> tuple[float | None, ...]:
    """One value for each period; None where nothing is known: no request, none counted, priced, or timed.

    Latencies are in milliseconds: the median, or what 95 % did not exceed. Cost is that in `currency` alone.
    """
    of_period: dict[datetime, list[UsagePoint]] = {}
    for point in points:
        if point.source is source:
            of_period.setdefault(point.start, []).append(point)
    return tuple(_value(of_period.get(start, ()), measure, currency) for start in starts)


def _value(points: Sequence[UsagePoint], measure: Measure, currency: str) -> float | None:
    if not points:
        return None
    requests = sum(point.requests for point in points)
    match measure:
        case Measure.REQUESTS:
            return requests
        case Measure.ERRORS:
            return sum(point.errors for point in points)
        case Measure.TOKENS:
            counted = any(point.counted for point in points)
            return sum(point.total_tokens for point in points) if counted else None
        case Measure.FIRST_TOKEN:
            return waited(points).first_token.percentile_ms(0.5)
        case Measure.FIRST_TOKEN_P95:
            return waited(points).first_token.percentile_ms(0.95)
        case Measure.ANSWER_P95:
            return waited(points).answer.percentile_ms(0.95)
        case Measure.COST:
            costs = [point.cost for point in points if point.cost and point.cost.currency == currency]
            return float(total(costs)[0].amount) if costs else None


def waited(sums: Iterable[UsagePoint | UsageLine]) -> Waits:
    """How long the requests of all of them took."""
    return reduce(add, (part.waits for part in sums if part.waits is not None), Waits())


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of one source over a window. `tokens` is None where no request was counted; costs are one a currency."""

    source: Source
    requests: int
    tokens: int | None
    costs: tuple[Cost, ...]
    unreported: int
    errors: int
    waits: Waits


def totals(lines: Iterable[UsageLine]) -> tuple[Totals, ...]:
    """The sums of each source, most tokens first."""
    by_source: dict[Source, list[UsageLine]] = {}
    for line in lines:
        by_source.setdefault(line.source, []).append(line)
    found = [_totals(source, mine) for source, mine in by_source.items()]
    return tuple(sorted(found, key=lambda sums: -(sums.tokens or 0)))


def _totals(source: Source, lines: Sequence[UsageLine]) -> Totals:
    return Totals(
        source,
        sum(line.requests for line in lines),
        sum(line.total_tokens for line in lines) if any(line.counted for line in lines) else None,
        total(line.cost for line in lines if line.cost is not None),
        sum(line.unreported for line in lines),
        sum(line.errors for line in lines),
        waited(lines),
    )


def change(now: Decimal | float | None, before: Decimal | float | None) -> str:
    """The change against the period before: `+12%`, `-3%`, `=`, `new` from nothing, `x12` from tenfold."""
    if now is None or before is None or (not now and not before):
        return ""
    if not before:
        return "new"
    share = float(now) / float(before) - 1
    if share >= 9:
        return f"x{share + 1:.0f}"
    return f"{share:+.0%}" if abs(share) >= 0.005 else "="
