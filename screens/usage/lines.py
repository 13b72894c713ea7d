"""Usage as the screen says it: rows of the table, sums, the trend of a measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from genai_tui.domain.budgets import Alert, Standing
from genai_tui.domain.latency import Latencies
from genai_tui.domain.money import Cost
from genai_tui.domain.text import printable
from genai_tui.domain.trends import Measure, Totals, change, series, totals
from genai_tui.domain.usage import Source, UsageLine
from genai_tui.domain.windows import Window, length_text
from screens.chat.words import facts_line
from screens.format import age, count, milliseconds, money, plural, short_amount, short_count
from screens.usage.reading import Reading
from screens.widgets.table_columns import Cell, Cells, Column
from screens.widgets.trend_lines import Point, Trend

Key = tuple[str, str, str]
_BAR = 12
_WIDE = 120
COLUMNS = (
    Column("group", "GROUP", least=16, flexible=True),
    Column("source", "SOURCE", least=6, most=10, rank=1),
    Column("requests", "REQ", least=4, right=True),
    Column("prompt", "IN", least=6, right=True, rank=3),
    Column("completion", "OUT", least=6, right=True, rank=3),
    Column("total", "TOTAL", least=6, right=True),
    Column("change", "CHANGE", least=6, right=True, rank=2),
    Column("share", "", least=_BAR, most=_BAR, rank=7),
    Column("cost", "COST", least=6, most=24, right=True),
    Column("first", "TTFT p95", least=8, right=True, rank=6),
    Column("unreported", "UNR", least=3, right=True, rank=5),
    Column("errors", "ERR", least=3, right=True, rank=4),
    Column("last", "LAST", least=4, right=True, rank=6),
)


def keyed(lines: Sequence[UsageLine]) -> dict[Key, UsageLine]:
    """Lines by what tells them apart; a group may have two without a cost: one has no price, one no usage."""
    found: dict[Key, UsageLine] = {}
    for line in lines:
        currency = line.cost.currency if line.cost else ""
        while (line.group, line.source.value, currency) in found:
            currency += "'"
        found[line.group, line.source.value, currency] = line
    return found


def rows(lines: Mapping[Key, UsageLine], before: Mapping[Key, UsageLine], now: datetime) -> dict[Key, Cells]:
    """The table's rows."""
    most = max((line.total_tokens for line in lines.values()), default=0)
    return {key: _cells(line, before.get(key), most, now) for key, line in lines.items()}


def _cells(line: UsageLine, before: UsageLine | None, most: int, now: datetime) -> Cells:
    # Where no request of a group was counted the sums are not 0 but unknown.
    known = line.requests > line.unreported
    tokens = (line.prompt_tokens, line.completion_tokens, line.total_tokens) if known else (None, None, None)
    prompt, completion, whole = (Cell(count(number), order=number) for number in tokens)
    bar = "█" * max(1, round(_BAR * line.total_tokens / most)) if most and line.total_tokens else ""
    earlier = before.total_tokens if before else 0
    first = line.waits.first_token.percentile_ms(0.95) if line.waits else None
    return (
        Cell(printable(line.group), order=line.group),
        Cell(line.source.value, "quiet"),
        Cell(count(line.requests), order=line.requests),
        prompt,
        completion,
        whole,
        Cell(change(line.total_tokens, earlier) if known else "", "quiet", line.total_tokens - earlier),
        Cell(bar, "accent", line.total_tokens),
        Cell(money(line.cost), order=float(line.cost.amount) if line.cost else None),
        Cell(milliseconds(first), order=first),
        Cell(count(line.unreported) if line.unreported else "", "waiting", line.unreported),
        Cell(count(line.errors) if line.errors else "", "bad", line.errors),
        Cell(age(line.last_at, now), "quiet", line.last_at.timestamp() if line.last_at else None),
    )


# Sums -----------------------------------------------------------------------------------------------------------------


def summary(reading: Reading, width: int) -> list[str]:
    """One line a source: requests, tokens, cost a currency, each with its change; more where it does not fit."""
    before = {sums.source: sums for sums in totals(reading.before)}
    return [_summed(sums, before.get(sums.source), width) for sums in totals(reading.lines)]


def _summed(sums: Totals, before: Totals | None, width: int) -> str:
    costs = {cost.currency: cost.amount for cost in before.costs} if before else {}
    requests = _told(plural(sums.requests, "request"), sums.requests, before.requests if before else None)
    parts = [
        f"{sums.source.value:<10}  {requests}",
        _told(f"{count(sums.tokens)} tokens", sums.tokens, before.tokens if before else None),
        *(_told(money(cost), cost.amount, costs.get(cost.currency)) for cost in sums.costs),
    ]
    if sums.waits.first_token.timed and width >= _WIDE:
        parts.append(f"first token {_percentiles(sums.waits.first_token)}")
    if sums.unreported:
        parts.append(f"▲ {count(sums.unreported)} unreported")
    if sums.errors:
        parts.append(_told(f"✖ {count(sums.errors)} failed", sums.errors, before.errors if before else None))
    return facts_line(parts, width).replace("\n", f"\n{' ' * 12}")


def _percentiles(took: Latencies) -> str:
    """As `p50 82 ms p95 140 ms p99 212 ms`."""
    return " ".join(f"p{n} {milliseconds(took.percentile_ms(n / 100))}" for n in (50, 95, 99))


def _told(text: str, now: Decimal | float | None, before: Decimal | float | None) -> str:
    """A figure with its change; nothing is said where there is nothing to compare with."""
    said = change(now, before)
    return f"{text} {said}" if said and before else text


_MOST_ALERTS = 3


def alerts(reading: Reading) -> list[str]:
    """A line for each budget that is nearly used up or over, the fullest first."""
    found = [standing for standing in reading.budgets if standing.alert is not Alert.FINE]
    lines = [_alert(standing) for standing in found[:_MOST_ALERTS]]
    more = len(found) - _MOST_ALERTS
    return [*lines, f"  and {more} more: `genai-tui budgets list`"] if more > 0 else lines


def _alert(standing: Standing) -> str:
    budget, over = standing.budget, standing.alert is Alert.OVER
    spent = f"{money(Cost(standing.spent, budget.currency))} of {money(Cost(budget.amount, budget.currency))}"
    least = ", and requests without a price" if standing.unpriced else ""
    used = f"{int(standing.share * 100)}% of this month's budget"
    return printable(f"{'✖' if over else '▲'} {budget.scope.value} {budget.name}: {used}, {spent}{least}")


# Trends ---------------------------------------------------------------------------------------------------------------


class Curve(NamedTuple):
    """What the chart shows: a measure of one source; of a cost, one currency."""

    measure: Measure
    source: Source
    currency: str = ""


def curves(reading: Reading) -> list[Curve]:
    """Every curve there is something to show of: source by source, most tokens first."""
    found: list[Curve] = []
    for sums in totals(reading.lines):
        for measure in Measure:
            if measure is Measure.COST:
                found += [Curve(measure, sums.source, cost.currency) for cost in sums.costs]
            else:
                found.append(Curve(measure, sums.source))
    return found


_NOTHING = {
    Measure.TOKENS: "no request was counted",
    Measure.REQUESTS: "no requests",
    Measure.COST: "nothing was priced",
    Measure.ERRORS: "no requests",
    Measure.FIRST_TOKEN: "no request told its time to the first token",
    Measure.FIRST_TOKEN_P95: "no request told its time to the first token",
    Measure.ANSWER_P95: "no request told how long it took",
}


def trend(reading: Reading, curve: Curve) -> Trend:
    """A curve, ready to draw."""
    window = reading.asked.window
    values = series(reading.points, window.periods, curve.source, curve.measure, curve.currency)
    label = _labels(window.every, window)
    points = tuple(Point(f"{start:{label}}", value) for start, value in zip(window.periods, values, strict=True))
    title = {
        Measure.TOKENS: "Tokens",
        Measure.REQUESTS: "Requests",
        Measure.COST: f"Cost in {curve.currency}",
        Measure.ERRORS: "Failed requests",
        Measure.FIRST_TOKEN: "Median time to first token",
        Measure.FIRST_TOKEN_P95: "95th percentile of the time to first token",
        Measure.ANSWER_P95: "95th percentile of the time to the whole answer",
    }[curve.measure]
    return Trend(
        f"{title}, each {length_text(window.every)}, {curve.source.value}",
        points,
        _unit(curve),
        _NOTHING[curve.measure],
        # Every measure but money is told in whole numbers.
        step=0.0 if curve.measure is Measure.COST else 1.0,
    )


def _labels(every: timedelta, window: Window) -> str:
    if every >= timedelta(days=1):
        return "%b %d" if window.until - window.since < timedelta(days=360) else "%Y-%m-%d"
    return "%H:%M" if window.until - window.since <= timedelta(days=1) else "%a %H:%M"


def _unit(curve: Curve) -> Callable[[float], str]:
    match curve.measure:
        case Measure.FIRST_TOKEN | Measure.FIRST_TOKEN_P95 | Measure.ANSWER_P95:
            return milliseconds
        case Measure.COST:
            return partial(short_amount, currency=curve.currency)
        case _:
            return short_count
