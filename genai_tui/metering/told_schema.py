"""Sums told apart: answered without a usage from failed; and of how many input tokens the prefix cache was told."""

from __future__ import annotations

from sqlite_utils import Database

from genai_tui.metering import sums_schema
from genai_tui.metering.sums_schema import LENGTHS, SUMS, names_of, second_of, watch


def add_told(db: Database) -> None:
    """Take failed requests out of `unreported`, where they are counted as errors alone; add cached tokens.

    Where the rows were pruned, each failed request is taken for one without a usage, as failed ones are, and of cached
    tokens none is told.
    """
    for table in LENGTHS:
        for name in ("cached_tokens", "cached_told"):
            db.execute(f"alter table {table} add column {name} integer not null default 0")
    same = " and ".join(f's."{name}" = {value}' for name, value in names_of("r.").items())
    pruned = "coalesce((select cast(strftime('%s', max(until)) as integer) from pruned), 0)"
    sums = "silent integer, cached integer, told integer, primary key (start, series)"
    for table, length in LENGTHS.items():
        db.execute(f"create temp table again (start integer, series integer, {sums}) without rowid")
        db.execute(
            f"insert into again select {second_of('r.')} / {length} * {length}, s.id, "
            "sum(r.total_tokens is null and r.status = 'error'), sum(coalesce(r.cached_tokens, 0)), "
            f"sum(r.cached_tokens is not null) from requests r cross join usage_series s on {same} "
            f"where ((r.total_tokens is null and r.status = 'error') or r.cached_tokens is not null) "
            f"and {second_of('r.')} >= {pruned} group by 1, 2"
        )
        db.execute(
            f"update {table} set unreported = unreported - again.silent, cached_tokens = again.cached, "
            f"cached_told = again.told from again where again.start = {table}.start and again.series = {table}.series"
        )
        db.execute(f"update {table} set unreported = max(0, unreported - errors) where errors > 0 and start < {pruned}")
        db.execute("drop table again")
    _days_of_hours(db, pruned)
    db.execute("drop trigger requests_are_summed")
    watch(db, (*SUMS, "cached_tokens", "cached_told"), sums_of("new."))


def sums_of(prefix: str) -> list[str]:
    """What a request adds to each sum: those there were, `cached_tokens`, `cached_told`."""
    sums = dict(zip(SUMS, sums_schema.sums_of(prefix), strict=True))
    sums["unreported"] = f"({prefix}total_tokens is null and {prefix}status <> 'error')"
    return [*sums.values(), f"coalesce({prefix}cached_tokens, 0)", f"{prefix}cached_tokens is not null"]


def _days_of_hours(db: Database, pruned: str) -> None:
    """Of days without rows; what failed was taken out hour by hour."""
    columns = "(start integer, series integer, unreported integer, primary key (start, series)) without rowid"
    db.execute(f"create temp table again {columns}")
    db.execute(
        "insert into again select start / 86400 * 86400, series, sum(unreported) from usage_hours "
        f"where start < {pruned} group by 1, 2"
    )
    db.execute(
        "update usage_days set unreported = again.unreported from again "
        "where again.start = usage_days.start and again.series = usage_days.series"
    )
    db.execute("drop table again")
