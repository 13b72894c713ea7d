"""How long starts took, as rows of the ledger: one for each pod that became ready while somebody looked."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from genai_tui.domain.pace import TIMED, Start, StartKind
from genai_tui.domain.rows import Phase
from genai_tui.metering.database import transaction
from genai_tui.metering.ledger import Ledger
from genai_tui.metering.rows import moment

STAGE_COLUMNS = {phase: phase.name.lower() for phase in TIMED}
_COLUMNS = ("cluster", "pod", "at", "image", "model", "gpus", *STAGE_COLUMNS.values())
# Several consoles see the same pod; it started once.
_INSERT = (
    f"insert into starts ({', '.join(_COLUMNS)}) values ({', '.join('?' * len(_COLUMNS))}) "
    "on conflict (cluster, pod) do nothing"
)
_NEWEST = "select * from starts where cluster = ? order by at desc limit ?"


class StartRows:
    """The table of starts. Every coroutine raises GenaiTuiError when the file cannot be used."""

    def __init__(self, ledger: Ledger, cluster: str) -> None:
        self._ledger, self._cluster = ledger, cluster

    async def add(self, start: Start) -> None:
        """Keep a start; the same pod is kept once."""
        kind = start.kind
        row = (self._cluster, start.pod, moment(start.at), kind.image, kind.model, kind.gpus)

        def insert(db: sqlite3.Connection) -> None:
            with transaction(db):
                db.execute(_INSERT, (*row, *(start.seconds.get(phase) for phase in TIMED)))

        await self._ledger.do(insert)

    async def newest(self, limit: int = 1_000) -> Sequence[Start]:
        """The newest of this cluster."""
        rows = await self._ledger.read(lambda db: db.execute(_NEWEST, (self._cluster, limit)).fetchall())
        return tuple(_start(row) for row in rows)


def _start(row: sqlite3.Row) -> Start:
    seconds: dict[Phase, float] = {p: row[name] for p, name in STAGE_COLUMNS.items() if row[name] is not None}
    kind = StartKind(row["image"], row["model"], row["gpus"])
    return Start(row["pod"], datetime.fromisoformat(row["at"]), kind, seconds)
