"""Refused requests in the ledger: counted by minute, so that nobody can fill the disk by being refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

from genai_tui.domain.refusals import Refusal
from genai_tui.domain.rows import Ref
from genai_tui.metering.database import transaction
from genai_tui.metering.ledger import Ledger
from genai_tui.metering.rows import moment

KEPT = timedelta(days=30)
_NAMES = ("cluster", "minute", "namespace", "deployment", "organization", "user", "key", "status", "code")
_ADD = f"""
    insert into refusals ({", ".join(f'"{name}"' for name in _NAMES)}, first, last, count, reason)
    values ({", ".join(f":{name}" for name in _NAMES)}, :first, :last, :count, :reason)
    on conflict do update set count = count + excluded.count, first = min(first, excluded.first),
        reason = iif(excluded.last >= last, excluded.reason, reason), last = max(last, excluded.last)
"""


class RefusalRows:
    """Implements `usage_ports.Refusals`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def add(self, refusals: Sequence[Refusal]) -> None:
        """Count these; what is older than a month goes.

        Raises:
            GenaiTuiError: the ledger cannot be written.
        """
        rows = [_row(refusal) for refusal in refusals]

        def write(db: sqlite3.Connection) -> None:
            with transaction(db):
                db.executemany(_ADD, rows)
                if rows:
                    newest = max(refusal.last for refusal in refusals)
                    db.execute("delete from refusals where minute < ?", (_minute(newest - KEPT),))

        await self._ledger.do(write)

    async def recent(
        self, since: datetime, *, cluster: str | None = None, ref: Ref | None = None, limit: int = 100
    ) -> tuple[Refusal, ...]:
        """The last ones, newest first."""
        query = "select * from refusals where last >= ?"
        values: list[str | int] = [moment(since)]
        if cluster is not None:
            query += " and cluster = ?"
            values.append(cluster)
        if ref is not None:
            query += " and namespace = ? and deployment = ?"
            values += [ref.namespace, ref.name]
        query += " order by last desc, status limit ?"
        rows = await self._ledger.read(lambda db: db.execute(query, (*values, limit)).fetchall())
        return tuple(_refusal(row) for row in rows)


def _minute(at: datetime) -> str:
    return moment(at)[:16]


def _row(refusal: Refusal) -> dict[str, str | int]:
    row: dict[str, str | int] = {name: getattr(refusal, name) for name in _NAMES if name != "minute"}
    return row | {
        "minute": _minute(refusal.last),
        "first": moment(refusal.first),
        "last": moment(refusal.last),
        "count": refusal.count,
        "reason": refusal.reason,
    }


def _refusal(row: sqlite3.Row) -> Refusal:
    first, last = (datetime.fromisoformat(row[name]) for name in ("first", "last"))
    names = {name: row[name] for name in _NAMES if name != "minute"}
    return Refusal(first, last, row["count"], reason=row["reason"], **names)
