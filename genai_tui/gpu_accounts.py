"""What GPUs cost against what they bring in: who holds them goes into the ledger, the accounts of a window come out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from genai_tui.domain.cluster import Kind, Sync
from genai_tui.domain.gpu_cost import GpuCosts, GpuPrice, deployment_of, gpu_costs, held, node_type
from genai_tui.domain.usage import Dimension
from genai_tui.errors import GenaiTuiError
from genai_tui.metering.gpu_time import GpuTimeRows
from genai_tui.services import ClusterPicture
from genai_tui.usage_ports import UsageReports

log = logging.getLogger(__name__)
FIRST_LOOK_S, LOOK_EVERY_S = 5.0, 60.0


class GpuAccounts:
    """Implements `usage_ports.GpuAccounts` for one cluster.

    Args:
        rows: where it is kept.
        usage: what deployments took in.
        picture: of the cluster.
        cluster: the API server's address.
        clock: the time.
    """

    def __init__(
        self,
        rows: GpuTimeRows,
        usage: UsageReports,
        picture: ClusterPicture,
        cluster: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._rows, self._usage, self._picture = rows, usage, picture
        self._cluster, self._clock = cluster, clock

    async def run(self, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Look once a minute. A picture that is not whole and current is no look."""
        await pause(FIRST_LOOK_S)
        while True:
            try:
                await self.look()
            except GenaiTuiError as error:
                log.warning("who holds GPUs is not kept: %s", error.problem.line)
            await pause(LOOK_EVERY_S)

    async def look(self) -> None:
        """Keep who holds what now.

        Raises:
            GenaiTuiError: the ledger cannot be used.
        """
        health = self._picture.health
        kinds = dict(health.kinds)
        # Where not every pod can be seen, GPUs would seem free that are not.
        whole = health.within is None and all(kinds.get(kind.value) is Sync.LIVE for kind in (Kind.NODE, Kind.POD))
        if whole and self._picture.nodes():
            await self._rows.add(self._clock(), held(self._picture.nodes()))

    async def costs(self, since: datetime, until: datetime) -> GpuCosts:
        """The accounts of a window; its first hour counts whole."""
        times, watched = await self._rows.times(since, until)
        refs = {holder: ref for holder in {time.holder for time in times} if (ref := deployment_of(holder))}
        shares = {holder: await self._rows.idle(ref, since, until) for holder, ref in refs.items()}
        idle = {holder: share for holder, share in shares.items() if share is not None}
        lines = await self._usage.usage(Dimension.DEPLOYMENT, since, until, cluster=self._cluster)
        return gpu_costs(times, await self._rows.prices(), idle, lines, watched)

    async def prices(self) -> tuple[GpuPrice, ...]:
        """Every price, oldest first."""
        return await self._rows.prices()

    async def set_price(self, price: GpuPrice) -> None:
        """Let this hold from its hour on."""
        await self._rows.set_price(price, self._clock())

    async def take_back(self, price: GpuPrice) -> None:
        """Let a price that was set in error hold no longer; what was set before it holds in its place."""
        await self._rows.take_back(price, self._clock())

    async def known_types(self) -> tuple[str, ...]:
        """The types of nodes with GPUs that were ever seen from this machine, or are there now."""
        return tuple(sorted({*await self._rows.node_types(), *self.node_types()}))

    def node_types(self) -> tuple[str, ...]:
        """The types of the nodes that have GPUs now."""
        return tuple(sorted({node_type(row) for row in self._picture.nodes() if row.gpu_total}))
