"""The ports through which screens and commands read the ledger and keep budgets; parts of `services.Services`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

from genai_tui.domain.budgets import Budget, Standing, month_of, standing
from genai_tui.domain.gpu_cost import GpuCosts, GpuPrice
from genai_tui.domain.limit_use import Counters
from genai_tui.domain.money import Price
from genai_tui.domain.refusals import Refusal
from genai_tui.domain.rows import Ref
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
        waits: bool = False,
    ) -> tuple[UsageLine, ...]:
        """Sums by group, source and currency, most tokens first; with `waits`, how long the requests took.

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
        waits: bool = False,
    ) -> tuple[UsagePoint, ...]:
        """Sums by period (of `every`, whole since 1970 in UTC), source and currency, oldest first.

        Where part of the window was pruned to whole hours, all periods are made of those; `UsagePoint.every` says it.
        """
        ...

    async def deployments(self, cluster: str | None = None) -> tuple[Ref, ...]:
        """Every deployment that was asked, has a price, or whose engines were read, in a cluster or (None) in all."""
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


class Refusals(Protocol):
    """What gateways on this machine refused. Raises GenaiTuiError when the ledger cannot be used."""

    async def recent(
        self, since: datetime, *, cluster: str | None = None, ref: Ref | None = None, limit: int = 100
    ) -> tuple[Refusal, ...]:
        """The last ones, newest first, at most `limit`: of a cluster and of a deployment, None for all."""
        ...


class GatewayWindows(Protocol):
    """The counters of one gateway: the embedded one on this machine, or one of the cluster."""

    async def of(self, ref: Ref) -> Counters:
        """Those of a deployment.

        Raises:
            GenaiTuiError: they are not known; in words why. Unreachable: none runs, or it does not tell. NotPermitted:
                this identity may not ask.
        """
        ...


class Budgets(Protocol):
    """The budgets of this cluster, on this machine. Methods raise GenaiTuiError when the ledger cannot be used."""

    async def all(self) -> tuple[Budget, ...]:
        """Every budget that holds, by scope and name."""
        ...

    async def set(self, budget: Budget) -> None:
        """Let this hold from now on, in place of what its organization, user or key had in the same currency."""

    async def remove(self, budget: Budget) -> None:
        """Let it hold no longer."""


class GpuAccounts(Protocol):
    """What the GPUs of this cluster cost, as seen from this machine. Raises GenaiTuiError when the ledger fails."""

    async def costs(self, since: datetime, until: datetime) -> GpuCosts:
        """The accounts of a window, by deployment and by node; its first hour counts whole."""
        ...

    async def prices(self) -> tuple[GpuPrice, ...]:
        """Every price of every node type, oldest first."""
        ...

    async def set_price(self, price: GpuPrice) -> None:
        """Let this hold from its hour on."""

    async def take_back(self, price: GpuPrice) -> None:
        """Let a price that was set in error hold no longer; what was set before it holds in its place."""

    async def known_types(self) -> tuple[str, ...]:
        """The types of nodes with GPUs that were ever seen from this machine, or are there now."""
        ...

    def node_types(self) -> tuple[str, ...]:
        """The types of the nodes that have GPUs now."""
        ...


async def standings(budgets: Budgets, reports: UsageReports, cluster: str, now: datetime) -> tuple[Standing, ...]:
    """How far each budget is used up this month, the fullest first.

    Raises:
        GenaiTuiError: the ledger cannot be read.
    """
    held, month = await budgets.all(), month_of(now)
    scopes = {budget.scope for budget in held}
    lines = {scope: await reports.usage(scope, month.since, month.until, cluster=cluster) for scope in scopes}
    return tuple(sorted((standing(budget, lines[budget.scope]) for budget in held), key=lambda found: -found.share))
