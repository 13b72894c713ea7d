"""Sums of requests: whole weeks, days, hours and minutes from the roll-ups, what is left at both ends from the rows.

The roll-ups are exact, so a report is what summing the rows would give. Where the rows were pruned only whole hours
are left: there a window begins and ends with the hour it would have cut. Minutes are kept of the last days alone.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from genai_tui.domain.usage import Dimension
from genai_tui.metering.rows import NO_NAME, moment

MINUTE, HOUR, DAY, WEEK = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(days=7)
_UNITS = {WEEK: "weeks", DAY: "days", HOUR: "hours", MINUTE: "minutes"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)
GROUPS: dict[Dimension, str] = {
    Dimension.DEPLOYMENT: "case when namespace = '' then deployment else namespace || '/' || deployment end",
    Dimension.MODEL: "model",
    Dimension.ORGANIZATION: "organization",
    Dimension.USER: '"user"',
    Dimension.KEY: '"key"',
    Dimension.SOURCE: "source",
}
SUMS = (
    "requests", "unreported", "errors", "prompt_tokens", "completion_tokens", "total_tokens", "priced", "micro",
    "femto", "ttft_us", "timed", "cached_tokens", "cached_told",
)  # fmt: skip
SUMMED = ", ".join(f"sum({name}) as {name}" for name in SUMS) + ", max(last_us) as last_us"
SECOND = "cast(strftime('%s', substr(at, 1, 19)) as integer)"
OF_ROW = f"""
    1 as requests, total_tokens is null and status <> 'error' as unreported, status = 'error' as errors,
    coalesce(prompt_tokens, 0) as prompt_tokens, coalesce(completion_tokens, 0) as completion_tokens,
    coalesce(total_tokens, 0) as total_tokens, cost_micro is not null as priced,
    coalesce(cost_micro, 0) as micro, coalesce(cost_femto, 0) as femto,
    coalesce(cast(round(ttft_ms * 1000) as integer), 0) as ttft_us, ttft_ms is not null as timed,
    coalesce(cached_tokens, 0) as cached_tokens, cached_tokens is not null as cached_told,
    {SECOND} * 1000000 + cast(substr(at, 21, 6) as integer) as last_us
"""
_OF_ROWS = f"""
    select {{group}} as grouped, {{start}} as start, source, coalesce(currency, '') as currency, {OF_ROW}
    from requests where at >= {{bounds[0]}} and at < {{bounds[1]}} {{only}}
"""
_OF_PART = ", ".join(f"part.{name}" for name in (*SUMS, "last_us"))
# Summed by series before the names are looked up: there are far fewer series than roll-ups.
_OF_ROLL_UPS = f"""
    select {{group}} as grouped, part.start, source, currency, {_OF_PART}
    from (
        select series, {{start}} as start, {SUMMED} from usage_{{unit}} as part
        where part.start >= {{bounds[0]}} and part.start < {{bounds[1]}}
              and series in (select id from usage_series where true {{only}})
        group by 1, 2
    ) as part join usage_series on usage_series.id = part.series
"""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which requests: from `since` (counted) until `until` (not; None is all there are), of a cluster, of groups."""

    since: datetime
    until: datetime | None
    cluster: str | None
    only: Mapping[Dimension, str]


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a window; `unit` is the sums that it is read from (`days`), None the rows."""

    unit: str | None
    since: datetime
    until: datetime


def sums_by(db: sqlite3.Connection, by: Dimension, selection: Selection) -> list[sqlite3.Row]:
    """Sums by the groups of one dimension (a column `grouped`), source and currency, most tokens first."""
    return _sums(db, selection, GROUPS[by], None, "total_tokens desc, grouped, source, currency")


def sums_over_time(db: sqlite3.Connection, every_s: int, selection: Selection) -> list[sqlite3.Row]:
    """Sums by period (of `every_s`, whole since 1970 in UTC; a column `start`), source and currency, oldest first."""
    return _sums(db, selection, "''", every_s, "start, source, currency")


def pruned_until(db: sqlite3.Connection) -> datetime | None:
    """The time before which there are no rows any more, a whole day; None where nothing was pruned."""
    found = db.execute("select max(until) from pruned").fetchone()[0]
    return datetime.fromisoformat(found) if found is not None else None


def minutes_since(db: sqlite3.Connection) -> datetime:
    """The time, a whole day, before which there are no sums by minute."""
    return _EPOCH + timedelta(seconds=db.execute("select max(start) from minutes_since").fetchone()[0])


def kept_period(db: sqlite3.Connection, every: timedelta, selection: Selection) -> timedelta:
    """The shortest period that is whole in all of a window and made of those asked for.

    Where rows were pruned there are whole hours alone: minutes become hours, 90 minutes three hours.
    """
    pruned = pruned_until(db)
    if pruned is None or selection.since >= pruned or not every % HOUR:
        return every
    return timedelta(seconds=math.lcm(int(every.total_seconds()), int(HOUR.total_seconds())))


def parts(selection: Selection, every: timedelta, pruned: datetime | None, minutes: datetime) -> Iterator[Part]:
    """Cut a window into the largest pieces that a table answers: no request is in two, none in between.

    Args:
        selection: whose window it is.
        every: of what length the periods are that no piece may join.
        pruned: before it there are hours and longer units alone.
        minutes: before it there are no minutes.
    """
    since, end = selection.since, selection.until if selection.until is not None else _END_OF_TIME
    lengths = [length for length in _UNITS if not every % length]
    if pruned is not None and since < pruned:
        cut = min(pruned, end)
        ends = cut if cut == pruned else whole(cut, HOUR)
        yield from _cut(whole(since, HOUR), ends, [length for length in lengths if length >= HOUR], minutes)
        since = cut if cut == pruned else end
    yield from _cut(since, end, lengths, minutes)


def _cut(since: datetime, end: datetime, lengths: list[timedelta], minutes: datetime) -> Iterator[Part]:
    """The whole units of the longest length, and what is left before and after them by the shorter ones."""
    if since >= end:
        return
    if not lengths:
        yield Part(None, since, end)
        return
    length, *shorter = lengths
    earliest = max(since, minutes) if length == MINUTE else since
    first, last = _ceiling(earliest, length), end if end == _END_OF_TIME else whole(end, length)
    if first >= last:
        yield from _cut(since, end, shorter, minutes)
        return
    yield from _cut(since, first, shorter, minutes)
    yield Part(_UNITS[length], first, last)
    yield from _cut(last, end, shorter, minutes)


def whole(at: datetime, length: timedelta) -> datetime:
    """When the whole minute, hour, day or week of a time began, in UTC; not before time itself."""
    try:
        return _EPOCH + (at - _EPOCH) // length * length
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _ceiling(at: datetime, length: timedelta) -> datetime:
    down = whole(at, length)
    return down if down == at else down + length


def _sums(
    db: sqlite3.Connection, selection: Selection, group: str, every_s: int | None, order: str
) -> list[sqlite3.Row]:
    """One statement over all pieces, by `group`, by period where there are any, by source and by currency."""
    query, values = of_parts(db, selection, group, every_s, (_OF_ROWS, _OF_ROLL_UPS))
    query = f"""
        select grouped, start, source, currency, {SUMMED} from ({query})
        group by grouped, start, source, currency order by {order}
    """
    return db.execute(query, values).fetchall() if values else []


Values = dict[str, str | int | None]


def of_parts(
    db: sqlite3.Connection, selection: Selection, group: str, every_s: int | None, forms: tuple[str, str]
) -> tuple[str, Values]:
    """A query of rows and one of roll-ups, put together for the window, with its values; none for an empty window."""
    only = "".join(f" and {GROUPS[dimension]} = :only_{dimension.value}" for dimension in selection.only)
    only += " and cluster = :cluster" if selection.cluster is not None else ""
    names = {f"only_{d.value}": "" if name == NO_NAME else name for d, name in selection.only.items()}
    values: Values = {**names, "cluster": selection.cluster, "every": every_s}
    every = WEEK if every_s is None else timedelta(seconds=every_s)
    queries = []
    for number, piece in enumerate(parts(selection, every, pruned_until(db), minutes_since(db))):
        bounds = f":since_{number}", f":until_{number}"
        if piece.unit is None:
            edges: tuple[str | int, str | int] = moment(piece.since), moment(piece.until)
            queries.append(forms[0].format(group=group, start=_period(SECOND, every_s), only=only, bounds=bounds))
        else:
            edges = int(piece.since.timestamp()), int(piece.until.timestamp())
            start = _period("part.start", every_s)
            queries.append(forms[1].format(unit=piece.unit, group=group, start=start, only=only, bounds=bounds))
        values |= {f"since_{number}": edges[0], f"until_{number}": edges[1]}
    return " union all ".join(queries), values if queries else {}


def _period(second: str, every_s: int | None) -> str:
    return "null" if every_s is None else f"{second} / :every * :every"
