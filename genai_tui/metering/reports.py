"""Sums of requests: whole hours and days from the roll-ups, what is left at both ends of a window from the rows.

The roll-ups are exact, so a report is what summing the rows would give. Where the rows were pruned only whole hours
are left: there a window begins and ends with the hour it would have cut.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from genai_tui.domain.usage import Dimension
from genai_tui.metering.rows import NO_NAME, moment

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)
_GROUPS: dict[Dimension, str] = {
    Dimension.DEPLOYMENT: "case when namespace = '' then deployment else namespace || '/' || deployment end",
    Dimension.MODEL: "model",
    Dimension.ORGANIZATION: "organization",
    Dimension.USER: '"user"',
    Dimension.KEY: '"key"',
    Dimension.SOURCE: "source",
}
SUMS = (
    "requests", "unreported", "errors", "prompt_tokens", "completion_tokens", "total_tokens", "priced", "micro",
    "femto", "ttft_us", "timed",
)  # fmt: skip
SUMMED = ", ".join(f"sum({name}) as {name}" for name in SUMS) + ", max(last_us) as last_us"
_SECOND = "cast(strftime('%s', substr(at, 1, 19)) as integer)"
HOUR_OF_ROW = f"{_SECOND} / 3600 * 3600"
OF_ROW = f"""
    1 as requests, total_tokens is null as unreported, status = 'error' as errors,
    coalesce(prompt_tokens, 0) as prompt_tokens, coalesce(completion_tokens, 0) as completion_tokens,
    coalesce(total_tokens, 0) as total_tokens, cost_micro is not null as priced,
    coalesce(cost_micro, 0) as micro, coalesce(cost_femto, 0) as femto,
    coalesce(cast(round(ttft_ms * 1000) as integer), 0) as ttft_us, ttft_ms is not null as timed,
    {_SECOND} * 1000000 + cast(substr(at, 21, 6) as integer) as last_us
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
        select series, {{start}} as start, {SUMMED} from {{table}}
        where start >= {{bounds[0]}} and start < {{bounds[1]}}
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
    """A piece of a window and the table that it is read from."""

    table: str
    since: datetime
    until: datetime


def sums_by(db: sqlite3.Connection, by: Dimension, selection: Selection) -> list[sqlite3.Row]:
    """Sums by the groups of one dimension (a column `grouped`), source and currency, most tokens first."""
    pieces = parts(selection.since, selection.until, DAY, pruned_until(db))
    return _sums(db, selection, pieces, _GROUPS[by], None, "total_tokens desc, grouped, source, currency")


def sums_over_time(db: sqlite3.Connection, every_s: int, selection: Selection) -> list[sqlite3.Row]:
    """Sums by period (of `every_s`, whole since 1970 in UTC; a column `start`), source and currency, oldest first."""
    pieces = parts(selection.since, selection.until, timedelta(seconds=every_s), pruned_until(db))
    return _sums(db, selection, pieces, "''", every_s, "start, source, currency")


def pruned_until(db: sqlite3.Connection) -> datetime | None:
    """The time before which there are no rows any more, a whole day; None where nothing was pruned."""
    found = db.execute("select max(until) from pruned").fetchone()[0]
    return datetime.fromisoformat(found) if found is not None else None


def parts(since: datetime, until: datetime | None, every: timedelta, pruned: datetime | None) -> Iterator[Part]:
    """Cut a window into the largest pieces that a table answers: no request is in two, none in between.

    Args:
        since: counted.
        until: not counted; None has no end.
        every: of what length the periods are that no piece may join.
        pruned: before it there are roll-ups alone.
    """
    end = until if until is not None else _END_OF_TIME
    if pruned is not None and since < pruned:
        cut = min(pruned, end)
        yield from _whole(whole(since, HOUR), cut if cut == pruned else whole(cut, HOUR), every)
        since = cut if cut == pruned else end
    if every % HOUR:
        yield from _some("requests", since, end)
        return
    first, last = _ceiling(since, HOUR), end if until is None else whole(end, HOUR)
    if first >= last:
        yield from _some("requests", since, end)
        return
    yield from _some("requests", since, first)
    yield from _whole(first, last, every)
    yield from _some("requests", last, end)


def _whole(since: datetime, until: datetime, every: timedelta) -> Iterator[Part]:
    """Whole hours, of these the whole days from their own table."""
    first, last = _ceiling(since, DAY), until if until == _END_OF_TIME else whole(until, DAY)
    if every % DAY or first >= last:
        yield from _some("usage_hours", since, until)
        return
    yield from _some("usage_hours", since, first)
    yield from _some("usage_days", first, last)
    yield from _some("usage_hours", last, until)


def _some(table: str, since: datetime, until: datetime) -> Iterator[Part]:
    if since < until:
        yield Part(table, since, until)


def whole(at: datetime, length: timedelta) -> datetime:
    """When the whole hour or day of a time began, in UTC."""
    return _EPOCH + (at - _EPOCH) // length * length


def _ceiling(at: datetime, length: timedelta) -> datetime:
    down = whole(at, length)
    return down if down == at else down + length


def _sums(
    db: sqlite3.Connection, selection: Selection, pieces: Iterator[Part], group: str, every_s: int | None, order: str
) -> list[sqlite3.Row]:
    """One statement over all pieces, by `group`, by period where there are any, by source and by currency."""
    only = "".join(f" and {_GROUPS[dimension]} = :only_{dimension.value}" for dimension in selection.only)
    only += " and cluster = :cluster" if selection.cluster is not None else ""
    names = {f"only_{d.value}": "" if name == NO_NAME else name for d, name in selection.only.items()}
    values: dict[str, str | int | None] = {**names, "cluster": selection.cluster, "every": every_s}
    queries = []
    for number, piece in enumerate(pieces):
        bounds = f":since_{number}", f":until_{number}"
        if piece.table == "requests":
            edges: tuple[str | int, str | int] = moment(piece.since), moment(piece.until)
            queries.append(_OF_ROWS.format(group=group, start=_period(_SECOND, every_s), only=only, bounds=bounds))
        else:
            edges = int(piece.since.timestamp()), int(piece.until.timestamp())
            start = _period("start", every_s)
            queries.append(_OF_ROLL_UPS.format(table=piece.table, group=group, start=start, only=only, bounds=bounds))
        values |= {f"since_{number}": edges[0], f"until_{number}": edges[1]}
    if not queries:
        return []
    query = f"""
        select grouped, start, source, currency, {SUMMED} from ({" union all ".join(queries)})
        group by grouped, start, source, currency order by {order}
    """
    return db.execute(query, values).fetchall()


def _period(second: str, every_s: int | None) -> str:
    return "null" if every_s is None else f"{second} / :every * :every"
