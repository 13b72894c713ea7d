"""Reading and writing the ledger: SQLite with a write-ahead log, shared by every console of this user on this host."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from genai_tui.domain.money import Cost, Price, plain
from genai_tui.domain.usage import Dimension, RequestRecord, Source, UsageLine
from genai_tui.errors import GenaiTuiError

BUSY_LIMIT_S = 10.0
T = TypeVar("T")
_GROUPS: dict[Dimension, str] = {
    Dimension.DEPLOYMENT: "case when namespace = '' then deployment else namespace || '/' || deployment end",
    Dimension.MODEL: "model",
    Dimension.ORGANIZATION: "organization",
    Dimension.USER: "user",
    Dimension.KEY: "key",
}


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class _DecimalSum:
    """An exact sum in SQL: SQLite would add money as binary floating point."""

    def __init__(self) -> None:
        self._sum = Decimal(0)

    def step(self, value: str | None) -> None:
        if value is not None:
            self._sum += Decimal(value)

    def finalize(self) -> str:
        return plain(self._sum)


class Ledger:
    """Implements `services.UsageReports`; every call runs in one thread of its own, never on the event loop."""

    def __init__(self, path: Path) -> None:
        """Name the file; it is opened, and made when missing, at the first use."""
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._connection: sqlite3.Connection | None = None

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, work)

    def _work(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._explained():
            if self._connection is None:
                self._connection = self._open()
            return work(self._connection)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise GenaiTuiError(
                f"the ledger {self._path} failed",
                why=str(error),
                next_step="free disk space, or move the file away: a new one is made",
            ) from error
        except OSError as error:
            raise GenaiTuiError(f"the ledger {self._path} cannot be opened", why=str(error)) from error

    def _open(self) -> sqlite3.Connection:
        """Open, migrate, and make sure that only the owner can read it."""
        from sqlite_utils import Database

        from genai_tui.metering.schema import migrations

        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(self._path, timeout=BUSY_LIMIT_S, check_same_thread=False)
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.create_aggregate("decimal_sum", 1, _DecimalSum)  # type: ignore[arg-type]
        migrations.apply(Database(connection))
        connection.commit()
        return connection

    async def record(self, request: RequestRecord) -> Cost | None:
        """Keep a finished request; once this returns, it survives a crash. The same id is kept once.

        Returns its cost: fixed now, from its own price; None without usage or price.
        """
        cost = request.usage.cost(request.price) if request.usage is not None else None
        row = _row(request, cost)
        names, marks = ", ".join(f'"{name}"' for name in row), ", ".join("?" for _ in row)

        def write(db: sqlite3.Connection) -> None:
            with db:
                db.execute(f"insert or ignore into requests ({names}) values ({marks})", tuple(row.values()))

        await self._do(write)
        return cost

    async def note_price(self, cluster: str, namespace: str, deployment: str, price: Price, at: datetime) -> None:
        """Keep a price from `at` on, unless it is the one in force already."""

        def write(db: sqlite3.Connection) -> None:
            if _price(db, cluster, namespace, deployment, at) == price:
                return
            amounts = (price.currency, plain(price.input_per_million), plain(price.output_per_million))
            with db:
                db.execute(
                    "insert or ignore into prices values (?, ?, ?, ?, ?, ?, ?)",
                    (cluster, namespace, deployment, _text(at), *amounts),
                )

        await self._do(write)

    async def price_at(self, cluster: str, namespace: str, deployment: str, at: datetime) -> Price | None:
        """The price that held at a time."""
        return await self._do(lambda db: _price(db, cluster, namespace, deployment, at))

    async def usage(self, by: Dimension, since: datetime, until: datetime | None = None) -> tuple[UsageLine, ...]:
        """Sums by group, source and currency, most tokens first."""
        end = _text(until) if until is not None else "9999"
        query = f"""
            select {_GROUPS[by]} as grouped, source, currency, count(*),
                   sum(total_tokens is null), sum(status = 'error'),
                   coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0),
                   coalesce(sum(total_tokens), 0), decimal_sum(cost), max(at)
            from requests where at >= ? and at < ? group by grouped, source, currency
            order by coalesce(sum(total_tokens), 0) desc, grouped, source, currency
        """
        rows = await self._do(lambda db: db.execute(query, (_text(since), end)).fetchall())
        return tuple(_line(row) for row in rows)

    async def close(self) -> None:
        """Close the file; no call may follow."""

        def close() -> None:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

        await asyncio.get_running_loop().run_in_executor(self._thread, close)
        self._thread.shutdown()


def _row(request: RequestRecord, cost: Cost | None) -> dict[str, str | int | float | None]:
    usage, price, timings = request.usage, request.price, request.timings
    return {
        "id": request.id,
        "at": _text(request.at),
        "source": request.source.value,
        "cluster": request.cluster,
        "namespace": request.namespace,
        "deployment": request.deployment,
        "model": request.model,
        "organization": request.organization,
        "user": request.user,
        "key": request.key,
        "status": request.status,
        "finish_reason": request.finish_reason,
        "prompt_tokens": usage.prompt if usage else None,
        "completion_tokens": usage.completion if usage else None,
        "total_tokens": usage.total if usage else None,
        "cached_tokens": usage.cached if usage else None,
        "currency": price.currency if price else None,
        "input_per_million": plain(price.input_per_million) if price else None,
        "output_per_million": plain(price.output_per_million) if price else None,
        "cost": cost.text() if cost else None,
        "ttft_ms": timings.ttft_ms if timings else None,
        "total_ms": timings.total_ms if timings else None,
        "tokens_per_second": timings.tokens_per_second if timings else None,
    }


def _price(db: sqlite3.Connection, cluster: str, namespace: str, deployment: str, at: datetime) -> Price | None:
    found = db.execute(
        "select currency, input_per_million, output_per_million from prices where cluster = ? and namespace = ? "
        "and deployment = ? and from_at <= ? order by from_at desc limit 1",
        (cluster, namespace, deployment, _text(at)),
    ).fetchone()
    return Price(found[0], Decimal(found[1]), Decimal(found[2])) if found else None


def _line(row: tuple[str, str, str | None, int, int, int, int, int, int, str, str]) -> UsageLine:
    group, source, currency, requests, unreported, errors, prompt, completion, total, cost, last = row
    return UsageLine(
        group=group or "–",
        source=Source(source),
        requests=requests,
        unreported=unreported,
        errors=errors,
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=total,
        cost=Cost(Decimal(cost), currency) if currency else None,
        last_at=datetime.fromisoformat(last),
    )
