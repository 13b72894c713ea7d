"""What the screen asks the ledger for, and what it learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from genai_tui.domain.budgets import Standing
from genai_tui.domain.counters import EngineCounters, Unattributed, unattributed
from genai_tui.domain.rows import Ref
from genai_tui.domain.trends import UsagePoint
from genai_tui.domain.usage import Dimension, UsageLine
from genai_tui.domain.windows import Window
from genai_tui.services import Services
from genai_tui.usage_ports import standings


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: a window, grouped by a dimension, of one cluster or all (None), narrowed to groups by `only`."""

    window: Window
    by: Dimension
    cluster: str | None = None
    only: Mapping[Dimension, str] = field(default_factory=dict[Dimension, str])

    @property
    def extent(self) -> tuple[str, str | None, Mapping[Dimension, str]]:
        """Which requests it is about, however they are grouped, as the window moves on."""
        return self.window.name, self.cluster, self.only


@dataclass(frozen=True, slots=True)
class Reading:
    """The answer: lines of the window and of the one before it, and the window's trend.

    `apart` is what engines counted beside all that; None where it is not known, or is no part of what was asked.
    """

    asked: Asked
    lines: tuple[UsageLine, ...]
    before: tuple[UsageLine, ...]
    points: tuple[UsagePoint, ...]
    budgets: tuple[Standing, ...]
    apart: Unattributed | None = None


async def read(services: Services, asked: Asked) -> Reading:
    """Ask the ledger; the budgets are those of this cluster, for the month the window ends in.

    Raises:
        GenaiTuiError: it cannot be read.
    """
    reports, window, cluster, only = services.usage, asked.window, asked.cluster, asked.only
    earlier = window.before
    return Reading(
        asked,
        await reports.usage(asked.by, window.since, window.until, cluster=cluster, only=only, waits=True),
        await reports.usage(asked.by, earlier.since, earlier.until, cluster=cluster, only=only),
        await reports.trend(window.every, window.since, window.until, cluster=cluster, only=only, waits=True),
        await standings(services.budgets, reports, services.session.server, window.until),
    )


async def read_apart(counters: EngineCounters, asked: Asked) -> Unattributed | None:
    """What engines counted for nobody. It goes through single requests: ask it when everything else is drawn.

    It belongs to a deployment of this cluster at most, and to no model, organization, user or key.

    Raises:
        GenaiTuiError: it cannot be read.
    """
    if asked.cluster is None or not set(asked.only) <= {Dimension.DEPLOYMENT}:
        return None
    name = asked.only.get(Dimension.DEPLOYMENT)
    only = None if name is None else Ref(*name.rpartition("/")[::2])
    return unattributed(await counters.reconcile(asked.window.since, asked.window.until, only=only))
