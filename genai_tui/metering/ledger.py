"""Reading and writing the ledger: SQLite with a write-ahead log, shared by every console of this user on this host."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from genai_tui.domain.money import Cost, Price
from genai_tui.domain.rows import Ref
from genai_tui.domain.trends import UsagePoint
from genai_tui.domain.usage import Dimension, RequestRecord, UsageLine, Waits
from genai_tui.metering.database import BUSY_LIMIT_S, explained, open_ledger, transaction
from genai_tui.metering.latencies import waits_by, waits_over_time
from genai_tui.metering.price_rows import add_price, all_prices, price_in_force, see_prices
from genai_tui.metering.reports import Selection, kept_period, sums_by, sums_over_time
from genai_tui.metering.rows import (
    cost_of,
    moment,
    place,
    read_price,
    read_request,
    request_row,
    usage_line,
    usage_point,
)

T = TypeVar("T")
_END_OF_TIME = "9999"
_ALL: Mapping[Dimension, str] = MappingProxyType({})
_COLUMNS = (
    "id at source cluster namespace deployment model organization user key status finish_reason prompt_tokens "
    "completion_tokens total_tokens cached_tokens currency input_per_million output_per_million cached_per_million "
    "cost cost_micro cost_femto ttft_ms total_ms tokens_per_second"
).split()
_QUOTED = ", ".join(f'"{name}"' for name in _COLUMNS)
_VALUES = ", ".join(f":{name}" for name in _COLUMNS)
# Not `insert or ignore`, which would also drop rows for other reasons than their id.
_INSERT = f"insert into requests ({_QUOTED}) values ({_VALUES}) on conflict (id) do nothing"

_DEPLOYMENTS = " union ".join(
    f"select namespace, deployment from {table} where :cluster is null or cluster = :cluster"
    for table in ("usage_series", "prices", "engine_marks")
) + " order by namespace, deployment"  # fmt: skip


class Ledger:
    """Implements `usage_ports.UsageReports`. One thread writes and one reads, each with a connection of its own.

    The write-ahead log lets both work at once, so that no report, however long, holds up what is recorded.
    Every coroutine raises GenaiTuiError when the file cannot be used: full, locked, damaged, not writable.
    """

    def __init__(self, path: Path, *, busy_limit_s: float = BUSY_LIMIT_S) -> None:
        """Name the file; it is opened, and made when missing, at the first use.

        Args:
            path: the file.
            busy_limit_s: how long to wait for another program's write.
        """
        self._writer, self._reader = (_Worker(path, busy_limit_s, name) for name in ("ledger", "ledger-reports"))

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Work on the open file, in the thread that writes."""
        # Shielded: a request that was cancelled is recorded all the same, even when the wait for it is cancelled too.
        return await asyncio.shield(self._writer.run(work))

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Read one state of the file, in the thread that reads; what was recorded before is there."""

        def snapshot(db: sqlite3.Connection) -> T:
            db.execute("begin")
            try:
                return work(db)
            finally:
                db.execute("rollback")

        return await self._reader.run(snapshot)

    async def record(self, request: RequestRecord) -> Cost | None:
        """Keep a finished request; once this returns, it survives a crash. The same id is kept once.

        Returns its cost: fixed now, from its own price; None without usage or price.

        Raises:
            ValueError: the price has more than nine digits after the point.
        """
        await self.record_many((request,))
        return cost_of(request)

    async def record_many(self, requests: Sequence[RequestRecord]) -> None:
        """Keep several in one transaction: all of them or none. Raises as `record`.

        A price that the history of a deployment does not have yet becomes its newest (`price_rows.see_prices`).
        """
        rows = [request_row(request) for request in requests]

        def write(db: sqlite3.Connection) -> None:
            with transaction(db):
                db.executemany(_INSERT, rows)
                see_prices(db, requests)

        await self.do(write)

    async def note_price(
        self, cluster: str, namespace: str, deployment: str, price: Price | None, at: datetime
    ) -> None:
        """Keep a price (None: from now on it has none) from `at` on, unless it is the one in force already."""

        def write(db: sqlite3.Connection) -> None:
            with transaction(db):
                add_price(db, (cluster, namespace, deployment), price, at)

        await self.do(write)

    async def price_at(self, cluster: str, namespace: str, deployment: str, at: datetime) -> Price | None:
        """The price that held at a time; None: it had none, or none was seen by then."""

        def read(db: sqlite3.Connection) -> Price | None:
            found = price_in_force(db, (cluster, namespace, deployment), at)
            return read_price(found) if found is not None else None

        return await self.read(read)

    async def price_history(
        self, cluster: str, namespace: str, deployment: str
    ) -> tuple[tuple[datetime, Price | None], ...]:
        """Every price it had with the time from which it held, oldest first."""
        rows = await self.read(lambda db: all_prices(db, (cluster, namespace, deployment)))
        return tuple((datetime.fromisoformat(row["from_at"]), read_price(row)) for row in rows)

    async def deployments(self, cluster: str | None = None) -> tuple[Ref, ...]:
        """Every deployment that was asked, has a price, or whose engines were read, by name."""

        def read(db: sqlite3.Connection) -> tuple[Ref, ...]:
            rows = db.execute(_DEPLOYMENTS, {"cluster": cluster}).fetchall()
            return tuple(Ref(row["namespace"], row["deployment"]) for row in rows)

        return await self.read(read)

    async def usage(
        self,
        by: Dimension,
        since: datetime,
        until: datetime | None = None,
        *,
        cluster: str | None = None,
        only: Mapping[Dimension, str] = _ALL,
        waits: bool = False,
    ) -> tuple[UsageLine, ...]:
        """Sums by group, source and currency, most tokens first; with `waits`, how long the requests took."""
        selection = Selection(since, until, cluster, only)

        def read(db: sqlite3.Connection) -> tuple[UsageLine, ...]:
            took = waits_by(db, by, selection) if waits else {}
            none = Waits() if waits else None
            return tuple(usage_line(row, took.get(place(row), none)) for row in sums_by(db, by, selection))

        return await self.read(read)

    async def trend(
        self,
        every: timedelta,
        since: datetime,
        until: datetime | None = None,
        *,
        cluster: str | None = None,
        only: Mapping[Dimension, str] = _ALL,
        waits: bool = False,
    ) -> tuple[UsagePoint, ...]:
        """Sums by period, source and currency, oldest first; periods of `every` since 1970, in UTC.

        They are longer (`UsagePoint.every`) where part of the window was pruned to hours.
        """
        selection = Selection(since, until, cluster, only)

        def read(db: sqlite3.Connection) -> tuple[UsagePoint, ...]:
            kept = kept_period(db, every, selection)
            every_s = int(kept.total_seconds())
            took = waits_over_time(db, every_s, selection) if waits else {}
            none = Waits() if waits else None
            rows = sums_over_time(db, every_s, selection)
            return tuple(usage_point(row, kept, took.get(place(row), none)) for row in rows)

        return await self.read(read)

    async def requests(
        self, since: datetime, until: datetime | None = None, *, limit: int = 10_000
    ) -> tuple[RequestRecord, ...]:
        """Single requests, oldest first, at most `limit`."""
        query = "select * from requests where at >= ? and at < ? order by at, id limit ?"
        window = (moment(since), moment(until) if until else _END_OF_TIME, limit)
        rows = await self.read(lambda db: db.execute(query, window).fetchall())
        return tuple(read_request(row) for row in rows)

    async def close(self) -> None:
        """Close the file; no call may follow."""
        for worker in (self._reader, self._writer):
            await worker.close()


class _Worker:
    """One thread with one connection, opened at the first use."""

    def __init__(self, path: Path, busy_limit_s: float, name: str) -> None:
        self._path, self._busy_limit_s = path, busy_limit_s
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._connection: sqlite3.Connection | None = None

    def run(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, self._work, work)

    def _work(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            self._connection = open_ledger(self._path, self._busy_limit_s)
        with explained(self._path):
            return work(self._connection)

    async def close(self) -> None:
        def close() -> None:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

        await asyncio.get_running_loop().run_in_executor(self._thread, close)
        self._thread.shutdown()
