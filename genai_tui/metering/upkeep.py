"""Upkeep of the ledger's file: what is wrong with it, a copy of it while it is in use, and what is old out of it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from genai_tui.errors import BadInput, GenaiTuiError
from genai_tui.metering.apart_schema import UNITS
from genai_tui.metering.counters import LONGEST
from genai_tui.metering.database import transaction
from genai_tui.metering.latencies import LATENCY_RANGES
from genai_tui.metering.ledger import Ledger
from genai_tui.metering.reports import (
    DAY,
    OF_ROW,
    SECOND,
    SUMMED,
    SUMS,
    minutes_since,
    pruned_until,
    whole,
)
from genai_tui.metering.rows import moment
from genai_tui.metering.schema import TRIGGERS

AT_ONCE = 5_000
MINUTES_KEPT = timedelta(days=2)
"""Trends of less than an hour a period reach at most so far back before the rows are read themselves."""
_NAMES = "source cluster namespace deployment model organization user key currency".split()
_QUOTED = ", ".join(f'"{name}"' for name in _NAMES)
_OF_REQUEST = ", ".join(f'coalesce("{name}", \'\') as "{name}"' for name in _NAMES)
_CELLS = f"start, {_QUOTED}, {', '.join(SUMS)}, last_us"
_OF_ROWS = f"""
    select start, {_QUOTED}, {SUMMED}
    from (select {SECOND} / :length * :length as start, {_OF_REQUEST}, {OF_ROW} from requests where at >= :from_at)
    group by start, {_QUOTED}
"""
_FROM = "start >= cast(strftime('%s', substr(:from_at, 1, 19)) as integer)"
_OF_SUMS = f"select {_CELLS} from usage_{{unit}} join usage_series on usage_series.id = series where {_FROM}"
_OF_SERIES = ", ".join(f'usage_series."{name}"' for name in _NAMES)
_LATENCIES_OF_ROWS = f"""
    select start, {_QUOTED}, took, count(*)
    from (
        select start, {", ".join(f'given."{name}"' for name in _NAMES)}, told.value as took
        from (
            select {SECOND} / :length * :length as start, {_OF_REQUEST},
                   json_array({", ".join(LATENCY_RANGES)}) as ranges
            from requests where at >= :from_at
        ) as given join json_each(ranges) as told
    )
    group by start, {_QUOTED}, took
"""
# What is no JSON is told as what is not there: nothing can be read of it.
_COUNTS = "json_each(iif(json_valid(counts), counts, null))"
_LATENCIES_OF_SUMS = f"""
    select start, {_OF_SERIES}, told.key, told.value
    from latency_{{unit}} join usage_series on usage_series.id = series join {_COUNTS} as told where {_FROM}
"""
# The longer unit as the shorter one's sums, and as it is kept.
_OF_SHORTER = f"""
    select start / :length * :length as start, series, {SUMMED} from usage_{{shorter}} group by 1, 2
"""
_KEPT = f"select start, series, {', '.join(SUMS)}, last_us from usage_{{unit}}"
_LATENCIES_OF_SHORTER = f"""
    select start / :length * :length as start, series, told.key as range, sum(told.value)
    from latency_{{shorter}} join {_COUNTS} as told group by 1, 2, 3
"""
_LATENCIES_KEPT = f"select start, series, told.key, told.value from latency_{{unit}} join {_COUNTS} as told"
_APART = """
    with one as ({one}), other as ({other})
    select (select count(*) from (select * from one except select * from other))
         + (select count(*) from (select * from other except select * from one))
"""
_ALWAYS = "0000-01-01T00:00:00.000000Z"


@dataclass(frozen=True, slots=True)
class Checked:
    """What the file holds, and what is wrong with it, one sentence each; `sums` by unit, the shortest first."""

    requests: int
    sums: Mapping[str, int]
    pruned: datetime | None
    problems: tuple[str, ...]


async def check(ledger: Ledger) -> Checked:
    """Read all of it: pages and indexes, references, the triggers that guard it, and sums against rows.

    Raises:
        GenaiTuiError: it cannot be read at all.
    """
    return await ledger.read(_checked)


def _checked(db: sqlite3.Connection) -> Checked:
    problems = [found[0] for found in db.execute("pragma integrity_check(10)") if found[0] != "ok"]
    problems += [
        f"a row of {found[0]} refers to none of {found[2]}" for found in db.execute("pragma foreign_key_check")
    ]
    there = {name for (name,) in db.execute("select name from sqlite_master where type = 'trigger'")}
    problems += [f"the trigger {name} was taken out" for name in sorted(TRIGGERS - there)]
    pruned = pruned_until(db)
    since = {"minutes": moment(minutes_since(db)), "hours": moment(pruned) if pruned else _ALWAYS}
    of_rows = (("sums", _OF_ROWS, _OF_SUMS), ("latencies", _LATENCIES_OF_ROWS, _LATENCIES_OF_SUMS))
    of_shorter = (("sums", _OF_SHORTER, _KEPT), ("latencies", _LATENCIES_OF_SHORTER, _LATENCIES_KEPT))
    shorter = None
    for unit, length in UNITS.items():
        values = {"from_at": since.get(unit), "length": length}
        for what, one, other in of_rows if unit in since else of_shorter:
            query = _APART.format(one=one.format(shorter=shorter), other=other.format(unit=unit))
            if apart := db.execute(query, values).fetchone()[0]:
                problems.append(f"{apart} {what} by {unit[:-1]} are not what they are the sums of")
        shorter = unit
    tables = ("requests", *(f"usage_{unit}" for unit in UNITS))
    counts = {table: db.execute(f"select count(*) from {table}").fetchone()[0] for table in tables}
    requests, sums = counts["requests"], {unit: counts[f"usage_{unit}"] for unit in UNITS}
    return Checked(requests, sums, pruned, tuple(problems))


async def backup(ledger: Ledger, file: Path) -> None:
    """Copy one state of the ledger into a new file that its owner alone can read, while others record.

    Raises:
        BadInput: there is a file of that name already, or none can be made there.
        GenaiTuiError: the copy failed; it is taken away again.
    """
    await ledger.read(lambda db: _copy(db, file))


def _copy(db: sqlite3.Connection, file: Path) -> None:
    try:
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError as error:
        raise BadInput(f"{file} is there already", next_step="name a new file; none is overwritten") from error
    except OSError as error:
        raise BadInput(f"no file can be made at {file}", why=error.strerror or str(error)) from error
    try:
        with closing(sqlite3.connect(file, isolation_level=None)) as target:
            db.backup(target)
            # Whoever opens the copy needs no files beside it.
            target.execute("pragma journal_mode = delete")
    except sqlite3.Error as error:
        file.unlink()
        next_step = "free space there, or name a file elsewhere; the ledger itself is untouched"
        raise GenaiTuiError(f"the copy to {file} failed", why=str(error), next_step=next_step) from error
    except BaseException:
        file.unlink()
        raise


async def prunable(ledger: Ledger, before: datetime) -> int:
    """How many requests `prune` would delete."""
    query = "select count(*) from requests where at < ?"
    count: int = await ledger.read(lambda db: db.execute(query, (moment(whole(before, DAY)),)).fetchone()[0])
    return count


async def prune(ledger: Ledger, before: datetime, now: datetime) -> int:
    """Delete the requests before the day of `before` (UTC), and marks of engine counters; returns how many requests.

    Their sums by hour, day and week stay, and are what reports read from then on; those by minute go. Others record in
    between.

    Raises:
        GenaiTuiError: the file cannot be written. What was deleted by then is; doing it again goes on.
    """
    until = moment(whole(before, DAY))

    def begin(db: sqlite3.Connection) -> None:
        with transaction(db):
            db.execute("insert into pruned (until, at) values (?, ?)", (until, moment(now)))
            # The newest mark of a deployment is the sum that goes on.
            db.execute(
                "delete from engine_marks where at < ? and exists (select 1 from engine_marks later where "
                "later.cluster = engine_marks.cluster and later.namespace = engine_marks.namespace and "
                "later.deployment = engine_marks.deployment and later.at > engine_marks.at)",
                (moment(whole(before, DAY) + LONGEST),),
            )

    await ledger.do(begin)
    await _trim_minutes(ledger, before)
    return await _delete(ledger, "requests where rowid in (select rowid from requests where at < ? limit ?)", until)


async def tidy(ledger: Ledger, now: datetime, keep: timedelta | None) -> int:
    """Take out minutes that no trend reads any more, and requests older than `keep`; returns how many requests.

    Raises:
        GenaiTuiError: the file cannot be written. What was deleted by then is; doing it again goes on.
    """
    await _trim_minutes(ledger, now - MINUTES_KEPT)
    if keep is None or not await prunable(ledger, now - keep):
        return 0
    return await prune(ledger, now - keep, now)


async def _trim_minutes(ledger: Ledger, before: datetime) -> None:
    """Delete the minutes before the day of `before`; first of all nobody reads or adds to them any more."""
    since = int(whole(before, DAY).timestamp())

    def begin(db: sqlite3.Connection) -> None:
        with transaction(db):
            db.execute("update minutes_since set start = max(start, ?)", (since,))

    await ledger.do(begin)
    for table in ("usage_minutes", "latency_minutes"):
        some = f"{table} where (start, series) in (select start, series from {table} where start < ? limit ?)"
        await _delete(ledger, some, since)


async def _delete(ledger: Ledger, what: str, before: str | int) -> int:
    """Delete a few at a time, so that others write in between; returns how many."""

    def some(db: sqlite3.Connection) -> int:
        with transaction(db):
            return db.execute(f"delete from {what}", (before, AT_ONCE)).rowcount

    gone = 0
    while found := await ledger.do(some):
        gone += found
    return gone
