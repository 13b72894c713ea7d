"""How long starts take here, from those of before; and how long one that is under way still takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median

from genai_tui.domain.durations import duration_words
from genai_tui.domain.rows import Phase
from genai_tui.domain.startup import time_left

TIMED = (Phase.PULLING, Phase.DOWNLOADING, Phase.LOADING, Phase.WARMING_UP)
"""The stages whose length says something of the next time; waiting for a place does not."""
IN_CONTAINER = (Phase.DOWNLOADING, Phase.LOADING, Phase.WARMING_UP)
REMEMBERED = 10
"""Starts a usual length is the median of: the newest, since clusters and caches change."""
Reached = Sequence[tuple[Phase, datetime]]


@dataclass(frozen=True, slots=True)
class StartKind:
    """Starts that are alike: the same image, model and number of GPUs for a replica."""

    image: str
    model: str
    gpus: int


@dataclass(frozen=True, slots=True)
class Start:
    """A start that ended ready. `pod` is its uid; `seconds` has the stages it passed through, in seconds."""

    pod: str
    at: datetime
    kind: StartKind
    seconds: Mapping[Phase, float]


@dataclass(frozen=True, slots=True)
class Usual:
    """Median seconds of each stage, over so many starts; `last` has those of the newest."""

    seconds: Mapping[Phase, float]
    starts: int
    last: Mapping[Phase, float] = field(default_factory=dict)

    @property
    def loading(self) -> float:
        """From the container's start to ready: what a start-up budget is for."""
        return sum(self.seconds.get(phase, 0.0) for phase in IN_CONTAINER)

    @property
    def last_loading(self) -> float:
        """The same of the newest start."""
        return sum(self.last.get(phase, 0.0) for phase in IN_CONTAINER)

    def after(self, phase: Phase) -> float:
        """From the end of a stage to ready."""
        return sum(self.seconds[following] for following in TIMED[TIMED.index(phase) + 1 :])

    @property
    def enough(self) -> int:
        """Seconds to allow: twice the longer of the two, in whole minutes, since disks and networks have bad days."""
        return -(-int(max(self.loading, self.last_loading) * 2) // 60) * 60

    def loads_in_words(self) -> str:
        """`5m30s is usual here (5 starts), the last took 6m12s`."""
        often = f"{duration_words(self.loading)} is usual here ({self.starts} start{'s' if self.starts != 1 else ''})"
        return f"{often}, the last took {duration_words(self.last_loading)}" if self.last_loading else often

    @property
    def whole(self) -> float:
        """From the first pull to ready."""
        return sum(self.seconds.values())


def finished(pod: str, kind: StartKind, reached: Reached) -> Start | None:
    """The start of a pod that has become ready; None where it has not, or nothing of it was seen."""
    ready = next((at for phase, at in reached if phase is Phase.RUNNING), None)
    passed = [(phase, at) for phase, at in reached if phase in TIMED]
    if ready is None or not passed:
        return None
    ends = [at for _, at in passed[1:]] + [ready]
    seconds = {phase: max(0.0, (end - began).total_seconds()) for (phase, began), end in zip(passed, ends, strict=True)}
    return Start(pod, ready, kind, seconds)


def usual(starts: Sequence[Start]) -> Usual | None:
    """What the newest starts of one kind took; a stage that most of them skip takes no time."""
    newest = sorted(starts, key=lambda start: start.at)[-REMEMBERED:]
    if not newest:
        return None
    often = {phase: median(start.seconds.get(phase, 0.0) for start in newest) for phase in TIMED}
    return Usual(often, len(newest), newest[-1].seconds)


def outlook(reached: Reached, now: datetime, known: Usual) -> tuple[float, bool] | None:
    """Seconds until ready, and whether its present stage takes longer than usual.

    A stage that is late has no end that could be told: what is counted is what comes after it. None for a pod that has
    no place yet, or is ready.
    """
    phase, since = reached[-1] if reached else (Phase.PENDING, now)
    # A cluster whose clock is ahead of ours makes no stage longer.
    spent = max(0.0, (now - since).total_seconds())
    if phase is Phase.STARTING:
        # Which stage it is in is not known: it is held against all of them.
        return max(0.0, known.loading - spent), spent > known.loading
    if phase not in TIMED:
        return None
    later = known.after(phase)
    return max(0.0, known.seconds[phase] - spent) + later, spent > known.seconds[phase]


def in_words(seconds: float, late: bool, known: Usual) -> str:
    """In words: `about 1m40s left; 2m10s is usual here (5 starts)`."""
    span = time_left(known.whole).removeprefix("about ").removesuffix(" left")
    often = f"{span} is usual here ({known.starts} start{'s' if known.starts != 1 else ''})"
    return f"slower than usual; {often}" if late else f"{time_left(seconds)}; {often}"
