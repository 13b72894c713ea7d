"""The ledger beside plain sqlite3 in the same run: rows written a second, and each report over all of them.

Plain sqlite3 has the same durability (write-ahead log, synchronous full), one table, floating-point money, an index by
time, no checks: the least that could be done. The ledger adds exact money, price history, unique ids, sums by minute,
hour and day, latencies by range. The rows of both stand evenly over ninety days.

    python benchmarks/ledger.py [--rows 10000000] [--days 90] [--dir DIRECTORY]
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from genai_tui.domain.budgets import Budget, month_of
from genai_tui.domain.counters import Count, PodReading
from genai_tui.domain.gpu_cost import EVER, GpuPrice
from genai_tui.domain.money import Price, cost_of
from genai_tui.domain.rows import Ref
from genai_tui.domain.usage import Dimension, RequestRecord, Source, Timings, TokenUsage
from genai_tui.domain.windows import Window, length_text
from genai_tui.gpu_accounts import GpuAccounts
from genai_tui.metering import upkeep
from genai_tui.metering.budgets import BudgetRows
from genai_tui.metering.counters import CounterRows
from genai_tui.metering.database import transaction
from genai_tui.metering.gpu_time import GpuTimeRows
from genai_tui.metering.ledger import Ledger
from genai_tui.services import ClusterPicture
from genai_tui.usage_ports import standings

START = datetime(2026, 11, 1, tzinfo=UTC)
PRICES = (Price("USD", Decimal("0.20"), Decimal("0.60")), Price("EUR", Decimal("0.15"), Decimal("0.45")))
SINGLE, BATCH, RECORDED = 1_000, 20_000, 100_000


def record(number: int) -> RequestRecord:
    """The n-th request of the measured writes: 40 deployments, two currencies, every hundredth without a usage."""
    usage = (
        None
        if number % 100 == 7
        else TokenUsage(200 + number % 811, 50 + number % 409, 250 + number % 811 + number % 409)
    )
    return RequestRecord(
        id=f"{number:012d}",
        at=START - timedelta(seconds=number / 10),
        source=Source.GATEWAY if number % 3 else Source.PLAYGROUND,
        cluster="https://prod:6443",
        namespace=f"team-{number % 5}",
        deployment=f"model-{number % 40}",
        model=f"m{number % 8}",
        usage=usage,
        price=PRICES[number % 2],
        timings=Timings(40.0 + number % 397, 500.0 + number % 19_997, 61.0),
        organization=f"org-{number % 4}",
        user=f"user-{number % 200}",
        key=f"key-{number % 400}",
    )


def plain_row(number: int) -> tuple[object, ...]:
    """The same request as the least a table could hold."""
    one = record(number)
    used = one.usage
    price = one.price
    cost = float(cost_of(used.prompt, used.completion, price).amount) if used and price else None
    tokens = (used.prompt, used.completion, used.total) if used else (None, None, None)
    names = (one.source.value, one.namespace, one.deployment, one.model, one.organization, one.user)
    return (
        one.id,
        one.at.isoformat(),
        *names,
        *tokens,
        price.currency if price else None,
        cost,
        one.status,
        40.0 + number % 397,
        f"key-{number % 400}",
        500.0 + number % 19_997,
    )


# The same requests again, made by SQLite itself: ten million of them by way of Python would take most of an hour.
GENERATED = """
    with recursive numbers (n) as (select 0 union all select n + 1 from numbers where n < :rows - 1),
    made as (
        select n, strftime('%Y-%m-%dT%H:%M:%S', :start + n * :apart, 'unixepoch')
                  || printf('.%06dZ', cast(n * :apart * 1000000 as integer) % 1000000) as at,
               case when n % 3 then 'gateway' else 'playground' end as source,
               iif(n % 100 = 7, null, 200 + n % 811) as prompt, iif(n % 100 = 7, null, 50 + n % 409) as completion,
               iif(n % 2, 'EUR', 'USD') as currency, iif(n % 2, 150000000, 200000000) as input,
               iif(n % 2, 450000000, 600000000) as output
        from numbers
    ), priced as (select *, prompt * input + completion * output as femto from made)
"""
OURS = f"""
    insert into requests (id, at, source, cluster, namespace, deployment, model, organization, user, key, status,
        finish_reason, prompt_tokens, completion_tokens, total_tokens, currency, cost_micro, cost_femto,
        ttft_ms, total_ms)
    {GENERATED}
    select printf('g%011d', n), at, source, 'https://prod:6443', 'team-' || (n % 5), 'model-' || (n % 40),
           'm' || (n % 8), 'org-' || (n % 4), 'user-' || (n % 200), 'key-' || (n % 400), 'ok', 'stop',
           prompt, completion, prompt + completion, currency, femto / 1000000000, femto % 1000000000,
           40.0 + n % 397, 500.0 + n % 19997
    from priced
"""
PLAIN = f"""
    insert into requests
    {GENERATED}
    select printf('g%011d', n), at, source, 'team-' || (n % 5), 'model-' || (n % 40), 'm' || (n % 8), 'org-' || (n % 4),
           'user-' || (n % 200), prompt, completion, prompt + completion, currency, femto / 1e15, 'ok', 40.0 + n % 397,
           'key-' || (n % 400), 500.0 + n % 19997
    from priced
"""
PLAIN_REPORT = """
    select {group} as grouped, source, currency, count(*), sum(total is null),
           sum(status = 'error'), sum(prompt), sum(completion), sum(total), sum(cost), max(at)
    from requests where at >= ? group by grouped, source, currency
"""
PLAIN_TREND = """
    select strftime('%s', at) / {every} as start, source, currency, count(*), sum(total), sum(cost), sum(ttft)
    from requests where at >= ? group by start, source, currency
"""
PLAIN_PERCENTILE = """
    select grouped, max(ttft) from (
        select {group} as grouped, ttft,
               cume_dist() over (partition by {group}, source, currency order by ttft) as share
        from requests where at >= ?
    ) where share <= 0.95 group by grouped
"""
PLAIN_GROUPS = {
    Dimension.DEPLOYMENT: "namespace || '/' || deployment",
    Dimension.USER: "user",
    Dimension.ORGANIZATION: "organization",
    Dimension.KEY: "key",
    Dimension.SOURCE: "source",
}
PLAIN_ENDED = """
    select namespace, deployment, sum(prompt), sum(completion), sum(total is null and status <> 'error')
    from requests where at >= :began and at <= :until and julianday(at) + took / 86400000.0 > julianday(:since)
          and julianday(at) + took / 86400000.0 <= julianday(:until) group by namespace, deployment
"""
PLAIN_MONTH = """
    select {group} as grouped, currency, sum(cost) from requests where at >= :since and at < :until
    group by grouped, currency
"""
PLAIN_GPUS = """
    select holder, node_type, sum(gpu_ms) / 3600000.0 from gpu_time where start >= :since_s and start < :until_s
    group by holder, node_type
"""
CLUSTER = "https://prod:6443"
GPU_NODES = 20


def plain(path: Path) -> sqlite3.Connection:
    """An empty plain table."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute(
        "create table requests (id, at, source, namespace, deployment, model, organization, user, prompt, completion, "
        "total, currency, cost, status, ttft, key, took)"
    )
    connection.execute("create table gpu_time (start, node, node_type, holder, gpu_ms)")
    connection.execute("create index requests_at on requests (at)")
    return connection


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


async def awaited(work: Awaitable[object]) -> float:
    """Seconds of a coroutine."""
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def main(rows: int, days: int, directory: str | None) -> None:
    """Run everything and print one line a measurement."""
    with TemporaryDirectory(dir=directory) as made:
        place = Path(made)
        ledger = Ledger(place / "ledger.db")
        opening = await awaited(ledger.requests(START, limit=1))
        print(f"open and migrate a new ledger          {opening * 1000:8.1f} ms")
        with closing(plain(place / "plain.db")) as other:
            await _single(ledger, other)
            await _many(ledger, other)
            await _fill(ledger, other, rows, days)
            await _reports(ledger, other, days)
            await _accounts(ledger, other, days)
        await ledger.close()


async def _single(ledger: Ledger, other: sqlite3.Connection) -> None:
    records, plains = [record(n) for n in range(SINGLE)], [plain_row(n) for n in range(SINGLE)]

    async def ours() -> None:
        for one in records:
            await ledger.record(one)

    def theirs() -> None:
        for one in plains:
            other.execute(f"insert into requests values ({','.join('?' * 17)})", one)

    _print("one row a transaction, rows/s", SINGLE / await awaited(ours()), SINGLE / timed(theirs))


async def _many(ledger: Ledger, other: sqlite3.Connection) -> None:
    ours = theirs = 0.0
    for begin in range(SINGLE, RECORDED, BATCH):
        numbers = range(begin, min(RECORDED, begin + BATCH))
        records, plains = [record(n) for n in numbers], [plain_row(n) for n in numbers]
        ours += await awaited(ledger.record_many(records))
        theirs += timed(partial(_insert_all, other, plains))
    _print(f"{BATCH:,} rows a transaction, rows/s", (RECORDED - SINGLE) / ours, (RECORDED - SINGLE) / theirs)


def _insert_all(other: sqlite3.Connection, rows: list[tuple[object, ...]]) -> None:
    other.execute("begin")
    other.executemany(f"insert into requests values ({','.join('?' * 17)})", rows)
    other.execute("commit")


async def _fill(ledger: Ledger, other: sqlite3.Connection, rows: int, days: int) -> None:
    values = {"rows": rows, "start": int(START.timestamp()), "apart": days * 86_400 / rows}

    def ours(db: sqlite3.Connection) -> None:
        with transaction(db):
            db.execute(OURS, values)

    took = await awaited(ledger.do(ours))
    tidied = await awaited(upkeep.tidy(ledger, START + timedelta(days=days), None))
    theirs = timed(partial(other.execute, PLAIN, values))
    print(
        f"{rows:,} rows in one transaction: {took:.0f} s, plain sqlite3 {theirs:.0f} s; old minutes out: {tidied:.0f} s"
    )
    queries = ("select count(*) from requests", "select count(*) from usage_hours", "select count(*) from usage_days",
               "select count(*) from usage_minutes")  # fmt: skip
    counts = await ledger.read(lambda db: [db.execute(query).fetchone()[0] for query in queries])
    print("{:,} requests, {:,} sums by hour, {:,} by day, {:,} by minute".format(*counts))


async def _reports(ledger: Ledger, other: sqlite3.Connection, days: int) -> None:
    end = START + timedelta(days=days)
    for length in (timedelta(days=days), timedelta(days=30), timedelta(days=7), timedelta(hours=18)):
        window = Window(end - length + timedelta(minutes=7, seconds=13), end, "")
        for by, group in PLAIN_GROUPS.items():
            ours = await awaited(ledger.usage(by, window.since))
            _beside(f"{length_text(length)} by {by.value}", ours, other, PLAIN_REPORT.format(group=group), window.since)
        ours = await awaited(ledger.usage(Dimension.DEPLOYMENT, window.since, waits=True))
        percentiles = PLAIN_PERCENTILE.format(group=PLAIN_GROUPS[Dimension.DEPLOYMENT])
        _beside(f"{length_text(length)} by deployment, latencies", ours, other, percentiles, window.since)
        ours = await awaited(ledger.usage(Dimension.MODEL, window.since, only={Dimension.USER: "user-7"}))
        only = PLAIN_REPORT.format(group="model").replace("group by", "and user = 'user-7' group by")
        _beside(f"{length_text(length)} of one user by model", ours, other, only, window.since)
        ours = await awaited(ledger.trend(window.every, window.since))
        trend = PLAIN_TREND.format(every=int(window.every.total_seconds()))
        _beside(f"{length_text(length)} trend, every {length_text(window.every)}", ours, other, trend, window.since)
        ours = await awaited(ledger.trend(window.every, window.since, waits=True))
        print(f"{length_text(length) + ' trend with latencies':<38} {ours * 1000:8.0f} ms")


async def _accounts(ledger: Ledger, other: sqlite3.Connection, days: int) -> None:
    """Reconciliation, budgets and GPU costs: what compares the ledger with something else."""
    end = START + timedelta(days=days)
    counters = CounterRows(ledger)
    refs = sorted({Ref(f"team-{n % 5}", f"model-{n % 40}") for n in range(200)}, key=str)
    for ref in refs:
        for hour in range(0, 7 * 24, 6):
            at = end - timedelta(hours=hour)
            readings = [PodReading(f"{ref}", at, at, Count(10**6 * (200 - hour), 0), end - timedelta(days=8), 1.0)]
            await counters.add(CLUSTER, ref, readings)
    for length in (timedelta(days=1), timedelta(days=6)):
        since = end - length + timedelta(minutes=7, seconds=13)
        ours = await awaited(counters.reconcile(CLUSTER, since, end))
        times = {"since": _text(since), "until": _text(end), "began": _text(since - timedelta(days=1))}
        _beside_values(f"{length_text(length)} reconcile, {len(refs)} deployments", ours, other, PLAIN_ENDED, times)
    budgets, month = BudgetRows(ledger, CLUSTER, lambda: end), month_of(end)
    for scope, name in ((Dimension.ORGANIZATION, "org"), (Dimension.USER, "user"), (Dimension.KEY, "key")):
        for number in range(4):
            await budgets.set(Budget(scope, f"{name}-{number}", Decimal(250), "USD"))
    ours = await awaited(standings(budgets, ledger, CLUSTER, end))
    times = {"since": _text(month.since), "until": _text(month.until)}
    groups = "organization || '/' || user || '/' || key"
    _beside_values("12 budgets of 3 scopes, this month", ours, other, PLAIN_MONTH.format(group=groups), times)
    await _gpus(ledger, other, end)


async def _gpus(ledger: Ledger, other: sqlite3.Connection, end: datetime) -> None:
    """Thirty days of GPU time, an hour a row of each node and holder."""
    first = int((end - timedelta(days=30)).timestamp()) // 3_600 * 3_600
    rows = [
        (first + 3_600 * hour, f"gpu-{node}", f"type-{node % 3}", f"team-{place % 5}/model-{place}", 3_600_000)
        for hour in range(30 * 24)
        for node in range(GPU_NODES)
        for place in (node, node + GPU_NODES)
    ]

    def ours_in(db: sqlite3.Connection) -> None:
        with transaction(db):
            db.executemany(f"insert into gpu_time values ('{CLUSTER}', ?, ?, ?, ?, ?)", rows)

    await ledger.do(ours_in)
    other.execute("begin")
    other.executemany("insert into gpu_time values (?, ?, ?, ?, ?)", rows)
    other.execute("commit")
    accounts = GpuAccounts(GpuTimeRows(ledger, CLUSTER), ledger, cast(ClusterPicture, None), CLUSTER, lambda: end)
    for kind in range(3):
        await accounts.set_price(GpuPrice(f"type-{kind}", Decimal("2.50"), "USD", EVER))
    ours = await awaited(accounts.costs(end - timedelta(days=30), end))
    theirs = timed(lambda: other.execute(PLAIN_GPUS, {"since_s": first, "until_s": end.timestamp()}).fetchall())
    by = PLAIN_GROUPS[Dimension.DEPLOYMENT]
    times = {"since": _text(end - timedelta(days=30)), "until": _text(end)}
    theirs += timed(lambda: other.execute(PLAIN_MONTH.format(group=by), times).fetchall())
    _line("30d GPU costs of 20 nodes, with income", ours, theirs)


def _text(at: datetime) -> str:
    return at.isoformat()


def _beside_values(
    title: str, ours: float, other: sqlite3.Connection, query: str, values: Mapping[str, str | float]
) -> None:
    _line(title, ours, timed(lambda: other.execute(query, dict(values)).fetchall()))


def _line(title: str, ours: float, theirs: float) -> None:
    print(f"{title:<38} {ours * 1000:8.0f} ms   plain sqlite3 {theirs * 1000:8.0f} ms   ratio {ours / theirs:6.3f}")


def _beside(title: str, ours: float, other: sqlite3.Connection, query: str, since: datetime) -> None:
    _line(title, ours, timed(lambda: other.execute(query, (since.isoformat(),)).fetchall()))


def _print(title: str, ours: float, theirs: float) -> None:
    print(f"{title:<38} {ours:8,.0f}      plain sqlite3 {theirs:8,.0f}      ratio {theirs / ours:5.2f}")


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, default=500_000)
    options.add_argument("--days", type=int, default=90)
    options.add_argument("--dir", help="where the files are made for the time")
    given = options.parse_args()
    asyncio.run(main(given.rows, given.days, given.dir))
