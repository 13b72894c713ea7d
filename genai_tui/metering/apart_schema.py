"""Latencies apart from the sums they belong to, and sums by week.

A report reads every sum of its window, and latencies take ten times the room of the rest: beside each other, most of
what was read was passed over. Weeks are counted from 1970 on, as every period is; they begin on Thursdays.
"""

from __future__ import annotations

from sqlite_utils import Database

from genai_tui.metering.sums_schema import SUMS as EARLIER_SUMS
from genai_tui.metering.sums_schema import last_of, names_of, ranges_of, second_of
from genai_tui.metering.told_schema import sums_of

SUMS = (*EARLIER_SUMS, "cached_tokens", "cached_told")
UNITS = {"minutes": 60, "hours": 3_600, "days": 86_400, "weeks": 604_800}
_MOVED = ("minutes", "hours", "days")
_PATHS = ("'$.' || new.first", "'$.' || new.whole")


def set_apart(db: Database) -> None:
    """Move the latencies of each sum into a table of their own, and add up weeks of the days."""
    db.execute("drop trigger requests_are_summed")
    names = f"start, series, {', '.join(SUMS)}, last_us"
    series = "start integer not null, series integer not null references usage_series (id)"
    sums = ", ".join(f"{name} integer not null" for name in SUMS)
    for unit in UNITS:
        if unit in _MOVED:
            db.execute(f"alter table usage_{unit} rename to usage_{unit}_before")
        db.execute(
            f"create table usage_{unit} ({series}, {sums}, last_us integer not null, primary key (start, series), "
            "check (typeof(micro) = 'integer')) without rowid"
        )
        db.execute(
            f"create table latency_{unit} ({series}, counts text not null, primary key (start, series)) without rowid"
        )
    for unit in _MOVED:
        before = f"usage_{unit}_before"
        db.execute(f"insert into usage_{unit} ({names}) select {names} from {before}")
        db.execute(f"insert into latency_{unit} select start, series, latency from {before} where latency <> '{{}}'")
        db.execute(f"drop table {before}")
    week = f"start / {UNITS['weeks']} * {UNITS['weeks']}"
    db.execute(
        f"insert into usage_weeks ({names}) "
        f"select {week}, series, {', '.join(f'sum({name})' for name in SUMS)}, max(last_us) "
        "from usage_days group by 1, 2"
    )
    db.execute(
        "insert into latency_weeks select start, series, json_group_object(range, number) from ("
        f"select {week} as start, series, told.key as range, sum(told.value) as number "
        "from latency_days join json_each(counts) as told group by 1, 2, 3) group by 1, 2"
    )
    _watch(db)


def _watch(db: Database) -> None:
    """The triggers: a new request adds to the sum and to the latencies of its minute, hour, day and week.

    What it adds is worked out once, by the first of them, and handed to the second one as a row of a view without rows.
    """
    names = names_of("new.")
    first, whole = ranges_of("new.")
    given = {"second": second_of("new."), "series": "id"} | dict(zip(SUMS, sums_of("new."), strict=True))
    given |= {"last_us": last_of("new."), "first": first, "whole": whole}
    db.execute(f"create view requests_to_sum as select {', '.join(f'null as {name}' for name in given)} where false")
    quoted = ", ".join(f'"{name}"' for name in names)
    same = " and ".join(f'"{name}" = {value}' for name, value in names.items())
    db.execute(
        "create trigger requests_are_summed after insert on requests begin "
        f"insert into usage_series ({quoted}) values ({', '.join(names.values())}) on conflict do nothing; "
        f"insert into requests_to_sum ({', '.join(given)}) select {', '.join(given.values())} "
        f"from usage_series where {same}; end"
    )
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in SUMS)
    one_more = ", ".join(f"{path}, coalesce(json_extract(counts, {path}), 0) + 1" for path in _PATHS)
    statements = []
    for unit, length in UNITS.items():
        start = f"new.second / {length} * {length}"
        kept = "new.second >= (select start from minutes_since)" if unit == "minutes" else "true"
        statements.append(
            f"insert into usage_{unit} (start, series, {', '.join(SUMS)}, last_us) "
            f"select {start}, new.series, {', '.join(f'new.{name}' for name in SUMS)}, new.last_us where {kept} "
            f"on conflict (start, series) do update set {added}, last_us = max(last_us, excluded.last_us); "
            f"insert into latency_{unit} (start, series, counts) "
            f"select {start}, new.series, json_object(new.first, 1, new.whole, 1) where {kept} "
            f"on conflict (start, series) do update set counts = json_set(counts, {one_more}); "
        )
    db.execute(
        "create trigger requests_are_added_up instead of insert on requests_to_sum begin " + "".join(statements) + "end"
    )
