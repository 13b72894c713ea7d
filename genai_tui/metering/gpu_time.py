"""Who held GPUs for how long, by the hour, and what the hours of a node type cost.

Each look at the cluster adds the time since the one before it, whoever looked: several consoles count no time twice.
Where nobody looked for longer than `LONGEST`, what happened meanwhile is not known and not counted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from genai_tui.domain.gpu_cost import GpuPrice, Held, HeldTime
from genai_tui.domain.money import plain
from genai_tui.domain.rows import Ref
from genai_tui.metering.database import transaction
from genai_tui.metering.ledger import Ledger
from genai_tui.metering.reports import HOUR, whole
from genai_tui.metering.rows import moment

LONGEST = timedelta(minutes=5)
_TAKEN_BACK = ""
"""The price of a row that takes back those of the same node type and hour before it."""
_ADD = """
    insert into gpu_time (cluster, start, node, node_type, holder, gpu_ms) values (?, ?, ?, ?, ?, ?)
    on conflict do update set gpu_ms = gpu_ms + excluded.gpu_ms
"""
_WATCHED = """
    insert into gpu_watched (cluster, start, ms) values (?, ?, ?) on conflict do update set ms = ms + excluded.ms
"""
_PRICED = "insert into gpu_prices (cluster, node_type, since, per_hour, currency, at) values (?, ?, ?, ?, ?, ?)"
_SEEN = "insert into gpu_seen (cluster, at) values (?, ?) on conflict do update set at = max(at, excluded.at)"


class GpuTimeRows:
    """The tables of GPU time of one cluster. Every coroutine raises GenaiTuiError when the file cannot be used."""

    def __init__(self, ledger: Ledger, cluster: str) -> None:
        self._ledger, self._cluster = ledger, cluster

    async def add(self, at: datetime, found: Sequence[Held]) -> None:
        """Keep who holds what now, for the time since the last look."""

        def write(db: sqlite3.Connection) -> None:
            with transaction(db):
                row = db.execute("select at from gpu_seen where cluster = ?", (self._cluster,)).fetchone()
                db.execute(_SEEN, (self._cluster, moment(at)))
                last = datetime.fromisoformat(row["at"]) if row is not None else at
                if last >= at or at - last > LONGEST:
                    return
                for start, ms in _hours(last, at):
                    db.execute(_WATCHED, (self._cluster, start, ms))
                    cells = [
                        (self._cluster, start, one.node, one.node_type, one.holder, one.gpus * ms) for one in found
                    ]
                    db.executemany(_ADD, cells)

        await self._ledger.do(write)

    async def times(self, since: datetime, until: datetime) -> tuple[tuple[HeldTime, ...], timedelta]:
        """Who held GPUs in the hours that began in a time, the first one's too, and how long somebody watched."""
        window = (self._cluster, int(whole(since, HOUR).timestamp()), int(until.timestamp()))

        def read(db: sqlite3.Connection) -> tuple[tuple[HeldTime, ...], timedelta]:
            of = "where cluster = ? and start >= ? and start < ?"
            rows = db.execute(f"select * from gpu_time {of} order by start, node, holder", window).fetchall()
            (ms,) = db.execute(f"select coalesce(sum(ms), 0) from gpu_watched {of}", window).fetchone()
            return tuple(_time(row) for row in rows), timedelta(milliseconds=ms)

        return await self._ledger.read(read)

    async def idle(self, ref: Ref, since: datetime, until: datetime) -> Fraction | None:
        """Of the time its engines were read, the share in which they counted nothing; None: they were not."""
        query = (
            "select at, prompt_tokens + completion_tokens as tokens from engine_marks "
            "where cluster = ? and namespace = ? and deployment = ? and at >= ? and at <= ? order by at"
        )
        place = (self._cluster, ref.namespace, ref.name, moment(whole(since, HOUR)), moment(until))
        rows = await self._ledger.read(lambda db: db.execute(query, place).fetchall())
        marks = [(datetime.fromisoformat(row["at"]), row["tokens"]) for row in rows]
        read = idle = timedelta()
        for (before, had), (after, has) in pairwise(marks):
            read += after - before
            idle += after - before if has == had else timedelta()
        return Fraction(idle // timedelta(milliseconds=1), read // timedelta(milliseconds=1)) if read else None

    async def prices(self) -> tuple[GpuPrice, ...]:
        """Every price of every node type, oldest first; of several from the same hour the last that was set.

        One that was taken back is none of them.
        """
        query = "select * from gpu_prices where cluster = ? order by node_type, since, rowid"
        rows = await self._ledger.read(lambda db: db.execute(query, (self._cluster,)).fetchall())
        newest = {(row["node_type"], row["since"]): row for row in rows}
        return tuple(_price(row) for row in newest.values() if row["per_hour"] != _TAKEN_BACK)

    async def set_price(self, price: GpuPrice, at: datetime) -> None:
        """Keep a price; rows are added and never changed."""
        await self._add_price(price, plain(price.per_hour), at)

    async def take_back(self, price: GpuPrice, at: datetime) -> None:
        """Let a price that was set in error hold no longer, and the one before it in its place; both rows stay."""
        await self._add_price(price, _TAKEN_BACK, at)

    async def node_types(self) -> tuple[str, ...]:
        """Every node type that somebody was ever seen to hold GPUs of, or nobody."""
        query = "select distinct node_type from gpu_time where cluster = ? order by node_type"
        rows = await self._ledger.read(lambda db: db.execute(query, (self._cluster,)).fetchall())
        return tuple(row["node_type"] for row in rows)

    async def _add_price(self, price: GpuPrice, per_hour: str, at: datetime) -> None:
        since = int(whole(price.since, HOUR).timestamp())
        cells = (self._cluster, price.node_type, since, per_hour, price.currency, moment(at))

        def write(db: sqlite3.Connection) -> None:
            with transaction(db):
                db.execute(_PRICED, cells)

        await self._ledger.do(write)


def _hours(since: datetime, until: datetime) -> Iterator[tuple[int, int]]:
    """The hours of a time, in seconds since 1970, with the milliseconds in each; they add up exactly."""
    begins = since
    while begins < until:
        start = whole(begins, HOUR)
        ends = min(start + HOUR, until)
        # Differences of rounded times, so that neither a look nor an hour loses a part of a millisecond for good.
        yield int(start.timestamp()), _ms(ends) - _ms(begins)
        begins = ends


def _ms(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _time(row: sqlite3.Row) -> HeldTime:
    start = datetime.fromtimestamp(row["start"], UTC)
    return HeldTime(start, row["node"], row["node_type"], row["holder"], row["gpu_ms"])


def _price(row: sqlite3.Row) -> GpuPrice:
    since = datetime.fromtimestamp(row["since"], UTC)
    return GpuPrice(row["node_type"], Decimal(row["per_hour"]), row["currency"], since)
