"""Budgets in the ledger: rows are added and never changed, the newest of a budget holds.

They are kept beside the figures they are compared with, on this machine, so that setting one takes no right in the
cluster. That also means that another machine has its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from genai_tui.domain.budgets import Budget
from genai_tui.domain.money import plain
from genai_tui.domain.usage import Dimension
from genai_tui.metering.database import transaction
from genai_tui.metering.ledger import Ledger
from genai_tui.metering.rows import moment

_INSERT = 'insert into budgets (cluster, scope, name, currency, "at", amount) values (?, ?, ?, ?, ?, ?)'
# Bare columns beside max() are those of the row that has the maximum (sqlite.org/lang_select.html#bareagg).
_HOLD = """
    select scope, name, currency, amount, max(rowid) from budgets where cluster = ?
    group by scope, name, currency order by scope, name, currency
"""


class BudgetRows:
    """Implements `usage_ports.Budgets` for one cluster."""

    def __init__(self, ledger: Ledger, cluster: str, clock: Callable[[], datetime]) -> None:
        self._ledger, self._cluster, self._clock = ledger, cluster, clock

    async def all(self) -> tuple[Budget, ...]:
        """Every budget that holds."""
        rows = await self._ledger.read(lambda db: db.execute(_HOLD, (self._cluster,)).fetchall())
        return tuple(
            Budget(Dimension(row["scope"]), row["name"], Decimal(row["amount"]), row["currency"])
            for row in rows
            if row["amount"] is not None
        )

    async def set(self, budget: Budget) -> None:
        """Let this hold from now on."""
        await self._add(budget.scope, budget.name, budget.currency, plain(budget.amount))

    async def remove(self, budget: Budget) -> None:
        """Let it hold no longer."""
        await self._add(budget.scope, budget.name, budget.currency, None)

    async def _add(self, scope: Dimension, name: str, currency: str, amount: str | None) -> None:
        cells = (self._cluster, scope.value, name, currency, moment(self._clock()), amount)

        def write(db: sqlite3.Connection) -> None:
            with transaction(db):
                db.execute(_INSERT, cells)

        await self._ledger.do(write)
