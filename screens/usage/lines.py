"""Usage as the screen says it: rows of the table, sums, budgets that warn."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from genai_tui.domain.budgets import Alert, Standing
from genai_tui.domain.latency import Latencies
from genai_tui.domain.money import Cost
from genai_tui.domain.text import printable
from genai_tui.domain.trends import Totals, change, totals
from genai_tui.domain.usage import UsageLine
from screens.chat.words import facts_line
from screens.format import age, count, milliseconds, moment, money, percent, plural
from screens.usage.reading import Reading
from screens.widgets.table_columns import Cell, Cells, Column

Key = tuple[str, str, str]
_BAR = 12
_WIDE = 120
_NEAR = timedelta(minutes=5)
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
    known = line.counted
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


def apart(reading: Reading, width: int) -> str:
    """What engines counted for nobody: a line of its own, since it is in no sum; nothing where it is not known."""
    found = reading.apart
    if found is None:
        return ""
    window = reading.asked.window
    # Readings stand a minute apart or more: what was read about when the window began covers it.
    late = abs(found.since - window.since) > max(window.every, _NEAR)
    since = f"since {moment(found.since)}" if late else ""
    if not found.rest:
        return facts_line([f"Unattributed: none of {count(found.counted)} tokens engines counted", since], width)
    share = percent(found.rest / found.counted)
    told = f"Not in these sums: {plural(found.rest, 'unattributed token')}, {share} of what engines counted"
    return facts_line([told, since], width)


def _percentiles(took: Latencies) -> str:
    """As `p50 82 ms p95 140 ms p99 212 ms`."""
    return " ".join(f"p{n} {milliseconds(took.percentile_ms(n / 100))}" for n in (50, 95, 99))


def _told(text: str, now: Decimal | float | None, before: Decimal | float | None) -> str:
    """A figure with its change; nothing is said where there is nothing to compare with."""
    said = change(now, before)
    return f"{text} {said}" if said and before else text


def nothing(reading: Reading) -> str:
    """Why there is no row, and how rows come to be."""
    name, where = reading.asked.window.name, "all clusters" if reading.asked.cluster is None else "this cluster"
    span = f"in the last {name}" if " " not in name and "-" not in name else f"on {name}"
    return (
        f"No requests {span}, {where}.\n\n"
        "Rows come to be by asking: c on a deployment opens the playground, and `genai-tui chat NAME -m TEXT` does "
        "the same in a shell. Each question is one row of the ledger, with the engine's own token counts and the "
        "price in force at that moment. w and W choose another window."
    )


def crumbs(reading: Reading, named: Container[str]) -> str:
    """Where one is: the window, where it is none of the `named` ones, and the groups that were gone into."""
    window = [] if reading.asked.window.name in named else [reading.asked.window.name]
    within = [f"{dimension.value} {printable(name)}" for dimension, name in reading.asked.only.items()]
    return " › ".join([*window, *(["all", *within] if within else [])])


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
    share = f"{used(standing)} of this month's budget"
    return printable(f"{'✖' if over else '▲'} {budget.scope.value} {budget.name}: {share}, {spent}{least}")


def used(standing: Standing) -> str:
    """How much of a budget is used up, in whole percent; beyond the whole it goes on: `150%`."""
    return "<1%" if 0 < standing.share * 100 < 1 else f"{int(standing.share * 100)}%"
