"""Engine counters from the sampler to the ledger, and back as reconciliations."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from genai_tui.domain.counters import PodReading, Reconciliation
from genai_tui.domain.problems import Problem
from genai_tui.domain.rows import Ref
from genai_tui.errors import GenaiTuiError
from genai_tui.metering.counters import CounterRows

log = logging.getLogger(__name__)


class Counting:
    """Implements `domain.counters.EngineCounters` for one cluster.

    Args:
        rows: where it is kept.
        cluster: the API server's address.
        read: reads the counters of every deployment now.
        clock: the time.
    """

    def __init__(
        self,
        rows: CounterRows,
        cluster: str,
        read: Callable[[], Awaitable[None]],
        clock: Callable[[], datetime],
    ) -> None:
        self._rows, self._cluster, self._read, self._clock = rows, cluster, read, clock
        self._problem: Problem | None = None

    @property
    def problem(self) -> Problem | None:
        """Why counters that were read last could not be kept; None when they were."""
        return self._problem

    async def keep(self, ref: Ref, readings: Sequence[PodReading]) -> None:
        """Keep readings. A ledger that takes none is noted and ends no sampling: the next reading has all of it."""
        try:
            await self._rows.add(self._cluster, ref, readings)
        except GenaiTuiError as error:
            if self._problem is None:
                log.warning("engine counters are not kept: %s", error.problem.line)
            self._problem = error.problem
        else:
            self._problem = None

    async def read_now(self) -> None:
        """Read the counters of every deployment that has ready pods."""
        await self._read()

    async def reconcile(
        self, since: datetime, until: datetime | None = None, *, only: Ref | None = None
    ) -> tuple[Reconciliation, ...]:
        """What engines counted against what is attributed, by deployment of this cluster, or of one alone."""
        return await self._rows.reconcile(self._cluster, since, until or self._clock(), only)
