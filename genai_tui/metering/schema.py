"""The ledger's tables, as migrations that run once each, in order. A migration is never edited once it was released."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

from genai_tui.metering.amounts import split
from genai_tui.metering.apart_schema import set_apart
from genai_tui.metering.sums_schema import add_minutes_and_latencies
from genai_tui.metering.told_schema import add_told

migrations = Migrations("genai-tui")


@migrations()
def requests(db: Database) -> None:
    """One row a request. Names are copies: history outlives what it names. Money is exact decimal text."""
    db.table("requests").create(
        {
            "id": str,
            "at": str,
            "source": str,
            "cluster": str,
            "namespace": str,
            "deployment": str,
            "model": str,
            "organization": str,
            "user": str,
            "key": str,
            "status": str,
            "finish_reason": str,
            "prompt_tokens": int,
            "completion_tokens": int,
            "total_tokens": int,
            "cached_tokens": int,
            "currency": str,
            "input_per_million": str,
            "output_per_million": str,
            "cost": str,
            "ttft_ms": float,
            "total_ms": float,
            "tokens_per_second": float,
        },
        pk="id",
        not_null={"id", "at", "source", "deployment", "status"},
    )
    db.table("requests").create_index(["at"])


@migrations()
def prices(db: Database) -> None:
    """Prices with the time from which they hold; rows are added and never changed."""
    db.table("prices").create(
        {
            "cluster": str,
            "namespace": str,
            "deployment": str,
            "from_at": str,
            "currency": str,
            "input_per_million": str,
            "output_per_million": str,
        },
        pk=("cluster", "namespace", "deployment", "from_at"),
    )


@migrations()
def summable_costs(db: Database) -> None:
    """The cost once more, as two whole numbers, so that SQLite adds money exactly and fast (`amounts.split`)."""
    table = db.table("requests")
    table.add_column("cost_micro", int)
    table.add_column("cost_femto", int)
    db.conn.create_function("cost_micro", 1, lambda cost: split(cost)[0], deterministic=True)
    db.conn.create_function("cost_femto", 1, lambda cost: split(cost)[1], deterministic=True)
    db.execute(
        "update requests set cost_micro = cost_micro(cost), cost_femto = cost_femto(cost) where cost is not null"
    )


@migrations()
def history_stands(db: Database) -> None:
    """What was counted and what a price was is never rewritten, by whatever program opens the file."""
    for table in ("requests", "prices"):
        db.execute(
            f"create trigger {table}_are_not_rewritten before update on {table} "
            "begin select raise(abort, 'history is not rewritten'); end"
        )
    db.execute(
        "create trigger prices_are_not_deleted before delete on prices "
        "begin select raise(abort, 'history is not rewritten'); end"
    )


@migrations()
def audit(db: Database) -> None:
    """One row for each write to an object of a cluster, also a refused one; never a secret. Rows are only added."""
    db.table("audit").create(
        {
            "id": str,
            "act": str,
            "at": str,
            "who": str,
            "cluster": str,
            "context": str,
            "verb": str,
            "kind": str,
            "api_version": str,
            "namespace": str,
            "name": str,
            "result": str,
            "detail": str,
            "diff": str,
            "before": str,
            "after": str,
        },
        pk="id",
        not_null={"id", "act", "at", "cluster", "verb", "kind", "name", "result"},
    )
    db.table("audit").create_index(["at"])
    for change in ("update", "delete"):
        db.execute(
            f"create trigger audit_allows_no_{change} before {change} on audit "
            "begin select raise(abort, 'history is not rewritten'); end"
        )


@migrations()
def engine_counters(db: Database) -> None:
    """The last reading of each pod's counters, and for each deployment a sum of their growth that never falls."""
    db.table("engine_pods").create(
        {
            "cluster": str,
            "pod": str,
            "namespace": str,
            "deployment": str,
            "answered": str,
            "began": float,
            "prompt_tokens": int,
            "completion_tokens": int,
        },
        pk=("cluster", "pod"),
        not_null={"answered", "prompt_tokens", "completion_tokens"},
    )
    db.table("engine_marks").create(
        {
            "cluster": str,
            "namespace": str,
            "deployment": str,
            "at": str,
            "prompt_tokens": int,
            "completion_tokens": int,
            "restarts": int,
        },
        pk=("cluster", "namespace", "deployment", "at"),
        not_null={"prompt_tokens", "completion_tokens", "restarts"},
    )


@migrations()
def starts(db: Database) -> None:
    """How long each stage of a start took, in seconds; null for a stage it did not pass through."""
    db.table("starts").create(
        {
            "cluster": str,
            "pod": str,
            "at": str,
            "image": str,
            "model": str,
            "gpus": int,
            "pulling": float,
            "downloading": float,
            "loading": float,
            "warming_up": float,
        },
        pk=("cluster", "pod"),
        not_null={"at", "image", "model", "gpus"},
    )


@migrations()
def cached_input(db: Database) -> None:
    """The price of input from the prefix cache; null where it costs as any other, as it did before there was one."""
    for table in ("requests", "prices"):
        db.table(table).add_column("cached_per_million", str)


@migrations()
def budgets(db: Database) -> None:
    """What an organization, a user or a key may cost a month; the newest row of each holds, without an amount none."""
    db.table("budgets").create(
        {"cluster": str, "scope": str, "name": str, "currency": str, "at": str, "amount": str},
        not_null={"cluster", "scope", "name", "currency", "at"},
    )
    db.table("budgets").create_index(["cluster", "scope", "name", "currency"])


_SERIES_COLUMNS = ("source", "cluster", "namespace", "deployment", "model", "organization", "user", "key", "currency")
_SUMS = (
    "requests", "unreported", "errors", "prompt_tokens", "completion_tokens", "total_tokens", "priced", "micro",
    "femto", "ttft_us", "timed",
)  # fmt: skip


@migrations()
def roll_ups(db: Database) -> None:
    """Sums by hour and by day of each series: the requests that agree in every name, source and currency.

    A trigger adds a request in the statement that keeps it, so that a row which is there already adds nothing and
    every program counts alike. Times to the first token are whole microseconds: their sums do not depend on the order.
    """
    names = ", ".join(f'"{name}"' for name in _SERIES_COLUMNS)
    texts = ", ".join(f'"{name}" text not null' for name in _SERIES_COLUMNS)
    db.execute(f"create table usage_series (id integer primary key, {texts}, unique ({names}))")
    for table in ("usage_hours", "usage_days"):
        # Adding with + goes over to floating point where sum() refuses; the check refuses in its place.
        db.execute(
            f"create table {table} (start integer not null, series integer not null references usage_series (id), "
            f"{', '.join(f'{name} integer not null' for name in _SUMS)}, last_us integer not null, "
            "primary key (start, series), check (typeof(micro) = 'integer')) without rowid"
        )
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in _SUMS)
    add = f"on conflict (start, series) do update set {added}, last_us = max(last_us, excluded.last_us)"

    def of(prefix: str) -> tuple[list[str], list[str], str]:
        """The names, the sums and the second of a request."""
        series = [f"coalesce({prefix}\"{name}\", '')" for name in _SERIES_COLUMNS]
        # Without the fraction, which SQLite would round up to the next second.
        second = f"cast(strftime('%s', substr({prefix}at, 1, 19)) as integer)"
        sums = ["1", f"{prefix}total_tokens is null", f"{prefix}status = 'error'"]
        sums += [f"coalesce({prefix}{name}_tokens, 0)" for name in ("prompt", "completion", "total")]
        sums += [f"{prefix}cost_micro is not null"]
        sums += [f"coalesce({prefix}cost_{name}, 0)" for name in ("micro", "femto")]
        sums += [f"coalesce(cast(round({prefix}ttft_ms * 1000) as integer), 0)", f"{prefix}ttft_ms is not null"]
        return series, sums, second

    series, sums, second = of("new.")
    last = f"{second} * 1000000 + cast(substr(new.at, 21, 6) as integer)"
    same = " and ".join(f'"{name}" = {value}' for name, value in zip(_SERIES_COLUMNS, series, strict=True))
    filled = "".join(
        f"insert into {table} select {second} / {length} * {length}, id, {', '.join(sums)}, {last} "
        f"from usage_series where {same} {add}; "
        for table, length in (("usage_hours", 3_600), ("usage_days", 86_400))
    )
    db.execute(
        "create trigger requests_are_summed after insert on requests begin "
        f"insert into usage_series ({names}) values ({', '.join(series)}) on conflict do nothing; {filled} end"
    )

    series, sums, second = of("")
    db.execute(f"insert into usage_series ({names}) select distinct {', '.join(series)} from requests")
    totals = ", ".join(f"sum({value})" for value in sums)
    last = f"max({second} * 1000000 + cast(substr(at, 21, 6) as integer))"
    same = " and ".join(f's."{name}" = {value}' for name, value in zip(_SERIES_COLUMNS, of("r.")[0], strict=True))
    rows = f"(select s.id as series, r.* from requests r cross join usage_series s on {same})"
    db.execute(
        f"insert into usage_hours select {second} / 3600 * 3600 as start, series, {totals}, {last} "
        f"from {rows} group by 1, 2"
    )
    again = ", ".join(f"sum({name})" for name in _SUMS)
    db.execute(
        f"insert into usage_days select start / 86400 * 86400, series, {again}, max(last_us) "
        "from usage_hours group by 1, 2"
    )


@migrations()
def pruned(db: Database) -> None:
    """When requests before which time were deleted; their sums stay in the roll-ups, which is where they are read."""
    db.table("pruned").create({"until": str, "at": str}, not_null={"until", "at"})


@migrations()
def refusals(db: Database) -> None:
    """Requests a gateway refused, counted by minute: who, what for, with which status; no request of `requests`."""
    texts = ("cluster", "minute", "namespace", "deployment", "organization", "user", "key")
    db.table("refusals").create(
        {
            **dict.fromkeys(texts, str),
            "status": int,
            "code": str,
            "first": str,
            "last": str,
            "count": int,
            "reason": str,
        },
        pk=(*texts, "status", "code"),
        not_null={"first", "last", "count", "reason"},
    )
    db.table("refusals").create_index(["last"])


@migrations()
def minutes_and_latencies(db: Database) -> None:
    """Sums by minute too, and in every sum how long requests took (`sums_schema.py`)."""
    add_minutes_and_latencies(db)


@migrations()
def gpu_time(db: Database) -> None:
    """GPU-milliseconds by hour, node and holder; how long somebody watched, and last; prices, which are only added."""
    db.table("gpu_time").create(
        {"cluster": str, "start": int, "node": str, "node_type": str, "holder": str, "gpu_ms": int},
        pk=("cluster", "start", "node", "node_type", "holder"),
        not_null={"gpu_ms"},
    )
    db.table("gpu_watched").create({"cluster": str, "start": int, "ms": int}, pk=("cluster", "start"), not_null={"ms"})
    db.table("gpu_seen").create({"cluster": str, "at": str}, pk="cluster", not_null={"at"})
    db.table("gpu_prices").create(
        {"cluster": str, "node_type": str, "since": int, "per_hour": str, "currency": str, "at": str},
        not_null={"cluster", "node_type", "since", "per_hour", "currency", "at"},
    )
    for change in ("update", "delete"):
        db.execute(
            f"create trigger gpu_prices_allow_no_{change} before {change} on gpu_prices "
            "begin select raise(abort, 'history is not rewritten'); end"
        )


@migrations()
def long_answers(db: Database) -> None:
    """Requests that took more than a minute: what lasted over the end of a time is found without reading a day."""
    db.execute("create index requests_that_took_long on requests (at) where total_ms > 60000")


@migrations()
def told(db: Database) -> None:
    """Requests that failed are no longer `unreported`; sums of cached tokens (`told_schema.py`)."""
    add_told(db)


@migrations()
def apart(db: Database) -> None:
    """Latencies in tables of their own beside the sums; sums by week (`apart_schema.py`)."""
    set_apart(db)


NAMES = frozenset(
    step.__name__
    for step in (
        requests,
        prices,
        summable_costs,
        history_stands,
        audit,
        engine_counters,
        starts,
        cached_input,
        budgets,
        roll_ups,
        pruned,
        refusals,
        minutes_and_latencies,
        gpu_time,
        long_answers,
        told,
        apart,
    )
)
TRIGGERS = frozenset(
    {
        "requests_are_not_rewritten",
        "prices_are_not_rewritten",
        "prices_are_not_deleted",
        "audit_allows_no_update",
        "audit_allows_no_delete",
        "requests_are_summed",
        "requests_are_added_up",
        "gpu_prices_allow_no_update",
        "gpu_prices_allow_no_delete",
    }
)
