"""What engines counted themselves, and how much of it is attributed to somebody.

An engine's counters begin at 0 with its process. Growth is taken pod by pod: a pod that was restarted has counted all
that it shows since, so the sum over a deployment never falls.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from genai_tui.domain.problems import Problem
from genai_tui.domain.rows import Ref


@dataclass(frozen=True, slots=True)
class Count:
    """Tokens: of prompts, and generated."""

    prompt: int = 0
    completion: int = 0

    @property
    def total(self) -> int:
        """Both together."""
        return self.prompt + self.completion

    def __add__(self, other: Count) -> Count:
        return Count(self.prompt + other.prompt, self.completion + other.completion)

    def __sub__(self, other: Count) -> Count:
        return Count(self.prompt - other.prompt, self.completion - other.completion)


@dataclass(frozen=True, slots=True)
class PodReading:
    """The counters of one pod, read at some moment between `asked` and `answered`.

    `created` is when the pod was made, before which it counted nothing. `began` is when its counters began (seconds
    since 1970) where the engine tells: another value is another process.
    """

    pod: str
    asked: datetime
    answered: datetime
    count: Count
    created: datetime | None = None
    began: float | None = None


@dataclass(frozen=True, slots=True)
class Growth:
    """How much a pod counted between two readings; `restarted` is whether it began again in between."""

    count: Count
    restarted: bool = False


def growth(before: PodReading | None, now: PodReading) -> Growth | None:
    """What `now` adds to what was read of the same pod before; None where it says nothing new for sure.

    Two readings that overlap (of two consoles) cannot be put in order, and a lower one would look like a restart:
    the later one to arrive is left out, since the next reading has all of it.
    """
    if before is None:
        # What a pod of unknown age counted before it was first seen belongs to no known time.
        return Growth(now.count if now.created is not None else Count())
    if now.asked < before.answered:
        return None
    grown = now.count - before.count
    if before.began is not None and now.began is not None and before.began != now.began:
        return Growth(now.count, restarted=True)
    if grown.prompt < 0 or grown.completion < 0:
        return Growth(now.count, restarted=True)
    return Growth(grown)


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What a deployment's engines counted in a time, against the requests in the ledger that ended in it.

    `since` and `until` are the readings nearest to what was asked for: `since` the last one before it, or the birth of
    the first pod that was read. `counted` None: its engines were never read. `unreported` counts requests that were
    answered without a usage; `restarts` how often counters began again, each of which loses what was counted after the
    last reading.
    """

    ref: Ref
    since: datetime
    until: datetime
    counted: Count | None
    attributed: Count
    unreported: int = 0
    restarts: int = 0

    @property
    def unattributed(self) -> Count | None:
        """What engines counted and nobody is known for; below 0 where they lost or never counted what was answered."""
        return None if self.counted is None else self.counted - self.attributed


@dataclass(frozen=True, slots=True)
class Unattributed:
    """Tokens that the engines of several deployments `counted`, and how many of them (`rest`) no request used.

    `since` is the earliest reading they were counted from.
    """

    counted: int
    rest: int
    since: datetime


def unattributed(lines: Iterable[Reconciliation]) -> Unattributed | None:
    """What is nobody's over all deployments; None where no engine was ever read.

    What the engines of one lost takes nothing off what those of another counted for nobody, and lost prompts nothing
    off completions: below 0 counts as 0.
    """
    pairs = [(line, line.counted) for line in lines if line.counted is not None]
    if not pairs:
        return None
    apart = [counted - line.attributed for line, counted in pairs]
    rest = sum(max(0, one.prompt) + max(0, one.completion) for one in apart)
    return Unattributed(sum(counted.total for _, counted in pairs), rest, min(line.since for line, _ in pairs))


class EngineCounters(Protocol):
    """Engine counters, read while the console or `genai-tui meter` runs; part of `services.Services`."""

    @property
    def problem(self) -> Problem | None:
        """Why counters that were read last could not be kept; None when they were."""
        ...

    async def read_now(self) -> None:
        """Read the counters of every deployment that has ready pods."""
        ...

    async def reconcile(
        self, since: datetime, until: datetime | None = None, *, only: Ref | None = None
    ) -> Sequence[Reconciliation]:
        """What engines counted against what is attributed, by deployment of this cluster, or of one alone.

        Raises:
            GenaiTuiError: the ledger cannot be used.
        """
        ...
