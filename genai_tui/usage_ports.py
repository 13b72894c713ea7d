"""The port through which screens and commands read the ledger; part of `services.Services`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

from genai_tui.domain.money import Price
from genai_tui.domain.trends import UsagePoint
from genai_tui.domain.usage import Dimension, RequestRecord, UsageLine


class UsageReports(Protocol):
    """Reading the ledger. Every method raises GenaiTuiError when its file cannot be used."""

    async def usage(
        self,
        by: Dimension,
        since: datetime,
        until: datetime | None = None,
        *,
        cluster: str | None = None,
        only: Mapping[Dimension, str] = ...,
    ) -> tuple[UsageLine, ...]:
        """Sums by group, source and currency, most tokens first.

        `cluster` is a server's address (`Session.server`); None sums over every cluster this machine has used.
        `only` leaves one group of each dimension it names, by the group's name as a line has it.
        """
        ...

    async def trend(
        self,
        every: timedelta,
        since: datetime,
        until: datetime | None = None,
        *,
        cluster: str | None = None,
        only: Mapping[Dimension, str] = ...,
    ) -> tuple[UsagePoint, ...]:
        """Sums by period (of `every`, whole since 1970 in UTC), source and currency, oldest first."""
        ...

    async def price_history(
        self, cluster: str, namespace: str, deployment: str
    ) -> tuple[tuple[datetime, Price | None], ...]:
        """Every price it had with the time from which it held, oldest first; None: from then on it had none."""
        ...

    async def requests(
        self, since: datetime, until: datetime | None = None, *, limit: int = 10_000
    ) -> tuple[RequestRecord, ...]:
        """Single requests, oldest first, at most `limit`."""
        ...
