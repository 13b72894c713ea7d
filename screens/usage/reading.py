"""What the screen asks the ledger for, and what it learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from genai_tui.domain.budgets import Standing
from genai_tui.domain.trends import UsagePoint
from genai_tui.domain.usage import Dimension, UsageLine
from genai_tui.domain.windows import Window
from genai_tui.usage_ports import Budgets, UsageReports, standings


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: a window, grouped by a dimension, of one cluster or all (None), narrowed to groups by `only`."""

    window: Window
    by: Dimension
    cluster: str | None = None
    only: Mapping[Dimension, str] = field(default_factory=dict[Dimension, str])


@dataclass(frozen=True, slots=True)
class Reading:
    """The answer: lines of the window and of the one before it, and the window's trend."""

    asked: Asked
    lines: tuple[UsageLine, ...]
    before: tuple[UsageLine, ...]
    points: tuple[UsagePoint, ...]
    budgets: tuple[Standing, ...]


async def read(reports: UsageReports, budgets: Budgets, here: str, asked: Asked) -> Reading:
    """Ask the ledger; the budgets are those of the cluster that is `here`, for the month the window ends in.

    Raises:
        GenaiTuiError: it cannot be read.
    """
    window, cluster, only = asked.window, asked.cluster, asked.only
    earlier = window.before
    return Reading(
        asked,
        await reports.usage(asked.by, window.since, window.until, cluster=cluster, only=only, waits=True),
        await reports.usage(asked.by, earlier.since, earlier.until, cluster=cluster, only=only),
        await reports.trend(window.every, window.since, window.until, cluster=cluster, only=only, waits=True),
        await standings(budgets, reports, here, window.until),
    )
