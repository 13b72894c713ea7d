"""The sums that stand beside the requests: by minute, hour and day, with how long requests took by range.

A trigger adds each request in the statement that keeps it. How often each range of a latency was seen is kept as JSON
in the sum it belongs to (`{"t91000": 3, "d812000": 3}`: three first tokens from 91 ms on, three answers from 812 ms),
so that it costs no row of its own; `t` and `d` alone count requests without such a time. Ranges begin where the table
`latency_ranges` says.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlite_utils import Database

_NAMES = ("source", "cluster", "namespace", "deployment", "model", "organization", "user", "key", "currency")
SUMS = (
    "requests", "unreported", "errors", "prompt_tokens", "completion_tokens", "total_tokens", "priced", "micro",
    "femto", "ttft_us", "timed",
)  # fmt: skip
LENGTHS = {"usage_minutes": 60, "usage_hours": 3_600, "usage_days": 86_400}
_GROWTH, _SHORTEST_US, _LONGEST_US = 1.1, 1_000.0, 86_400_000_000
_KEPT_BEFORE_S = 2 * 86_400


def add_minutes_and_latencies(db: Database) -> None:
    """Sums by minute from two days before the newest request on; latencies in every sum from there on and before."""
    db.execute("create table latency_ranges (begins integer primary key) without rowid")
    bounds, bound = [0], _SHORTEST_US
    while bound <= _LONGEST_US:
        bounds.append(round(bound))
        bound *= _GROWTH
    db.conn.executemany("insert into latency_ranges values (?)", [(begins,) for begins in bounds])
    for table in ("usage_hours", "usage_days"):
        db.execute(f"alter table {table} add column latency text not null default '{{}}'")
    sums = ", ".join(f"{name} integer not null" for name in SUMS)
    db.execute(
        "create table usage_minutes (start integer not null, series integer not null references usage_series (id), "
        f"{sums}, last_us integer not null, latency text not null default '{{}}', "
        "primary key (start, series), check (typeof(micro) = 'integer')) without rowid"
    )
    # Minutes begin here, in seconds since 1970; what was asked before is in rows, hours and days alone.
    db.execute("create table minutes_since (start integer not null)")
    newest = db.execute(f"select max({second_of('')}) from requests").fetchone()[0]
    since = (newest - _KEPT_BEFORE_S) // 86_400 * 86_400 if newest is not None else 0
    db.execute("insert into minutes_since values (?)", (since,))
    _fill(db, since)
    db.execute("drop trigger requests_are_summed")
    watch(db, SUMS, sums_of("new."))


def second_of(prefix: str) -> str:
    """The whole second of a request; without the fraction, which SQLite would round up to the next one."""
    return f"cast(strftime('%s', substr({prefix}at, 1, 19)) as integer)"


def names_of(prefix: str) -> dict[str, str]:
    """The names of a request, as its series has them."""
    return {name: f"coalesce({prefix}\"{name}\", '')" for name in _NAMES}


def sums_of(prefix: str) -> list[str]:
    """What a request adds to each of `SUMS`."""
    sums = ["1", f"{prefix}total_tokens is null", f"{prefix}status = 'error'"]
    sums += [f"coalesce({prefix}{name}_tokens, 0)" for name in ("prompt", "completion", "total")]
    sums += [f"{prefix}cost_micro is not null"]
    sums += [f"coalesce({prefix}cost_{name}, 0)" for name in ("micro", "femto")]
    return [*sums, f"coalesce({_microseconds(prefix, 'ttft_ms')}, 0)", f"{prefix}ttft_ms is not null"]


def _microseconds(prefix: str, column: str) -> str:
    return f"cast(round({prefix}{column} * 1000) as integer)"


def ranges_of(prefix: str) -> tuple[str, str]:
    """The ranges of a request's times to the first token and to the end, as sums call them."""

    def key(letter: str, column: str) -> str:
        took = f"max({_microseconds(prefix, column)}, 0)"
        return f"'{letter}' || coalesce((select max(begins) from latency_ranges where begins <= {took}), '')"

    return key("t", "ttft_ms"), key("d", "total_ms")


def last_of(prefix: str) -> str:
    """When a request was, in microseconds since 1970."""
    return f"{second_of(prefix)} * 1000000 + cast(substr({prefix}at, 21, 6) as integer)"


def watch(db: Database, columns: Sequence[str], values: Sequence[str]) -> None:
    """The trigger.

    Args:
        db: the ledger.
        columns: the sums.
        values: what a new request adds to each.
    """
    names, series = ", ".join(f'"{name}"' for name in _NAMES), names_of("new.")
    same = " and ".join(f'"{name}" = {value}' for name, value in series.items())
    first, whole = ranges_of("new.")
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in columns)

    def more(key: str) -> str:
        path = f"'$.' || {key}"
        return f"{path}, coalesce(json_extract(latency, {path}), 0) + 1"

    statements = []
    for table, length in LENGTHS.items():
        only = f" and {second_of('new.')} >= (select start from minutes_since)" if table == "usage_minutes" else ""
        statements.append(
            f"insert into {table} (start, series, {', '.join(columns)}, last_us, latency) "
            f"select {second_of('new.')} / {length} * {length}, id, {', '.join(values)}, "
            f"{last_of('new.')}, json_object({first}, 1, {whole}, 1) from usage_series where {same}{only} "
            f"on conflict (start, series) do update set {added}, last_us = max(last_us, excluded.last_us), "
            f"latency = json_set(latency, {more(first)}, {more(whole)}); "
        )
    db.execute(
        "create trigger requests_are_summed after insert on requests begin "
        f"insert into usage_series ({names}) values ({', '.join(series.values())}) on conflict do nothing; "
        f"{''.join(statements)} end"
    )


def _fill(db: Database, since: int) -> None:
    """The minutes, and the latencies of hours and days, of what was asked before."""
    same = " and ".join(f's."{name}" = {value}' for name, value in names_of("r.").items())
    rows = f"(select s.id as series, r.* from requests r cross join usage_series s on {same})"
    totals = ", ".join(f"sum({value})" for value in sums_of(""))
    db.execute(
        f"insert into usage_minutes select {second_of('')} / 60 * 60 as start, series, {totals}, "
        f"max({last_of('')}), '{{}}' from {rows} where {second_of('')} >= ? group by 1, 2",
        (since,),
    )
    first, whole = ranges_of("")
    # With the types said: a column of an expression has none, and no index of it is used beside one that has.
    columns = (
        "(start integer, series integer, key text, number integer, primary key (start, series, key)) without rowid"
    )
    db.execute(f"create temp table told {columns}")
    db.execute(
        "insert into told select start, series, key, sum(number) from ("
        f"select {second_of('')} as start, series, {first} as key, 1 as number from {rows} "
        f"union all select {second_of('')}, series, {whole}, 1 from {rows}) group by 1, 2, 3"
    )
    for table, length in LENGTHS.items():
        db.execute(f"create temp table spread {columns}")
        db.execute(
            f"insert into spread select start / {length} * {length}, series, key, sum(number) "
            "from told group by 1, 2, 3"
        )
        db.execute(
            f"update {table} set latency = (select json_group_object(key, number) from spread "
            f"where spread.start = {table}.start and spread.series = {table}.series) "
            f"where exists (select 1 from spread where spread.start = {table}.start and spread.series = {table}.series)"
        )
        db.execute("drop table spread")
    db.execute("drop table told")
