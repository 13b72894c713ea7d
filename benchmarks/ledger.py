"""The ledger beside plain sqlite3 in the same run: rows written a second, and a report over a million rows.

Plain sqlite3 has the same durability (write-ahead log, synchronous full), one table, floating-point money, no index,
no checks: the least that could be done. The ledger adds exact money, price history, unique ids, and its own thread.

    python benchmarks/ledger.py [ROWS]
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from genai_tui.domain.money import Price, cost_of
from genai_tui.domain.usage import Dimension, RequestRecord, Source, Timings, TokenUsage
from genai_tui.metering.ledger import Ledger

START = datetime(2026, 11, 1, tzinfo=UTC)
PRICES = (Price("USD", Decimal("0.20"), Decimal("0.60")), Price("EUR", Decimal("0.15"), Decimal("0.45")))
SINGLE, BATCH = 1_000, 20_000


def record(number: int) -> RequestRecord:
    """The n-th generated request: 40 deployments, two currencies, every hundredth without a usage."""
    usage = (
        None
        if number % 100 == 7
        else TokenUsage(200 + number % 811, 50 + number % 409, 250 + number % 811 + number % 409)
    )
    return RequestRecord(
        id=f"{number:012d}",
        at=START + timedelta(seconds=2 * number),
        source=Source.GATEWAY if number % 3 else Source.PLAYGROUND,
        cluster="https://prod:6443",
        namespace=f"team-{number % 5}",
        deployment=f"model-{number % 40}",
        model=f"m{number % 8}",
        usage=usage,
        price=PRICES[number % 2],
        timings=Timings(82.0, 900.0, 61.0),
        organization=f"org-{number % 4}",
        user=f"user-{number % 200}",
    )


def plain_row(number: int) -> tuple[object, ...]:
    """The same request as the least a table could hold."""
    one = record(number)
    used = one.usage
    price = one.price
    cost = float(cost_of(used.prompt, used.completion, price).amount) if used and price else None
    tokens = (used.prompt, used.completion, used.total) if used else (None, None, None)
    names = (one.source.value, one.namespace, one.deployment, one.model, one.organization, one.user)
    return (one.id, one.at.isoformat(), *names, *tokens, price.currency if price else None, cost, one.status)


PLAIN_REPORT = """
    select namespace || '/' || deployment as grouped, source, currency, count(*), sum(total is null),
           sum(status = 'error'), sum(prompt), sum(completion), sum(total), sum(cost), max(at)
    from requests where at >= ? group by grouped, source, currency
"""


def plain(path: Path) -> sqlite3.Connection:
    """An empty plain table."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute(
        "create table requests (id, at, source, namespace, deployment, model, organization, user, prompt, completion, "
        "total, currency, cost, status)"
    )
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


async def main(rows: int) -> None:
    """Run everything and print one line a measurement."""
    with TemporaryDirectory() as directory:
        place = Path(directory)
        ledger = Ledger(place / "ledger.db")
        opening = await awaited(ledger.requests(START, limit=1))
        print(f"open and migrate a new ledger          {opening * 1000:8.1f} ms")
        with closing(plain(place / "plain.db")) as other:
            await _single(ledger, other)
            await _many(ledger, other, rows)
            await _reports(ledger, other)
        await ledger.close()


async def _single(ledger: Ledger, other: sqlite3.Connection) -> None:
    records, plains = [record(n) for n in range(SINGLE)], [plain_row(n) for n in range(SINGLE)]

    async def ours() -> None:
        for one in records:
            await ledger.record(one)

    def theirs() -> None:
        for one in plains:
            other.execute(f"insert into requests values ({','.join('?' * 14)})", one)

    _print("one row a transaction, rows/s", SINGLE / await awaited(ours()), SINGLE / timed(theirs))


async def _many(ledger: Ledger, other: sqlite3.Connection, rows: int) -> None:
    ours = theirs = 0.0
    for begin in range(SINGLE, rows, BATCH):
        numbers = range(begin, min(rows, begin + BATCH))
        records, plains = [record(n) for n in numbers], [plain_row(n) for n in numbers]
        ours += await awaited(ledger.record_many(records))
        theirs += timed(partial(_insert_all, other, plains))
    _print(f"{BATCH:,} rows a transaction, rows/s", (rows - SINGLE) / ours, (rows - SINGLE) / theirs)


def _insert_all(other: sqlite3.Connection, rows: list[tuple[object, ...]]) -> None:
    other.execute("begin")
    other.executemany(f"insert into requests values ({','.join('?' * 14)})", rows)
    other.execute("commit")


async def _reports(ledger: Ledger, other: sqlite3.Connection) -> None:
    total = other.execute("select count(*) from requests").fetchone()[0]
    for title, since in ((f"report over {total:,} rows", START), ("report over the last day", _last_day(other))):
        ours = await awaited(ledger.usage(Dimension.DEPLOYMENT, since))
        theirs = timed(partial(_plain_report, other, since))
        print(f"{title:<38} {ours * 1000:8.0f} ms   plain sqlite3 {theirs * 1000:8.0f} ms   ratio {ours / theirs:5.2f}")


def _plain_report(other: sqlite3.Connection, since: datetime) -> list[object]:
    return other.execute(PLAIN_REPORT, (since.isoformat(),)).fetchall()


def _last_day(other: sqlite3.Connection) -> datetime:
    return datetime.fromisoformat(other.execute("select max(at) from requests").fetchone()[0]) - timedelta(days=1)


def _print(title: str, ours: float, theirs: float) -> None:
    print(f"{title:<38} {ours:8,.0f}      plain sqlite3 {theirs:8,.0f}      ratio {theirs / ours:5.2f}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
