"""The writes to clusters, as rows of the ledger: added, read, never changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

from genai_tui.domain.audit import Verb, Write
from genai_tui.metering.database import transaction
from genai_tui.metering.ledger import Ledger
from genai_tui.metering.rows import moment

_COLUMNS = tuple(field.name for field in fields(Write))
_INSERT = f"insert into audit ({', '.join(_COLUMNS)}) values ({', '.join(f':{name}' for name in _COLUMNS)})"
_NEWEST = """
    select * from audit where at >= :since and at < :until and (:cluster is null or cluster = :cluster)
    order by at desc, rowid desc limit :limit
"""
_END_OF_TIME = "9999"


class AuditRows:
    """The table of writes. Every coroutine raises GenaiTuiError when the file cannot be used."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def add(self, write: Write) -> None:
        """Keep a write; once this returns, it survives a crash."""
        row = {name: getattr(write, name) for name in _COLUMNS} | {"at": moment(write.at), "verb": write.verb.value}

        def insert(db: sqlite3.Connection) -> None:
            with transaction(db):
                db.execute(_INSERT, row)

        await self._ledger.do(insert)

    async def read(
        self, since: datetime, until: datetime | None = None, *, cluster: str | None = None, limit: int = 1_000
    ) -> Sequence[Write]:
        """Newest first."""
        window = {
            "since": moment(since),
            "until": moment(until) if until is not None else _END_OF_TIME,
            "cluster": cluster,
            "limit": limit,
        }
        rows = await self._ledger.read(lambda db: db.execute(_NEWEST, window).fetchall())
        return tuple(_write(row) for row in rows)


def _write(row: sqlite3.Row) -> Write:
    cells = {name: row[name] for name in _COLUMNS}
    return Write(**cells | {"at": datetime.fromisoformat(row["at"]), "verb": Verb(row["verb"])})
