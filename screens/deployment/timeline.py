"""The rollout as values: each replica's stages with their times, and the events of all, merged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from genai_tui.domain.cluster import Event
from genai_tui.domain.rows import Phase, ReplicaRow
from genai_tui.domain.scheduling import brief
from genai_tui.domain.startup import STAGES as IN_ORDER

STAGES: tuple[tuple[Phase, str], ...] = (
    (Phase.PENDING, "schedule"),
    (Phase.PULLING, "pull"),
    (Phase.DOWNLOADING, "download"),
    (Phase.LOADING, "load"),
    (Phase.WARMING_UP, "warm-up"),
    (Phase.RUNNING, "ready"),
)
_SHORT = {"Deployment": "deploy", "ReplicaSet": "rs"}
_ORDER = {phase: number for number, (phase, _) in enumerate(STAGES)}


class StageState(StrEnum):
    """How far a replica is with a stage."""

    DONE = "done"
    NOW = "now"
    STUCK = "stuck"
    AHEAD = "ahead"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of one replica. `seconds` is how long it took, or has taken so far; None where it is not known."""

    title: str
    state: StageState
    seconds: float | None = None
    progress: float | None = None


def stages_of(row: ReplicaRow, now: datetime) -> tuple[Stage, ...]:
    """Every stage in order; a stage ends where the next one that was reached begins."""
    since = dict(row.stages)
    phase, failed = row.assessment.phase, row.assessment.phase is Phase.FAILED
    at = _ORDER.get(phase, max((_ORDER[known] for known in since if known in _ORDER), default=0))
    return tuple(_stage(number, at, since, row, now, failed=failed) for number in range(len(STAGES)))


def _stage(
    number: int, at: int, since: dict[Phase, datetime], row: ReplicaRow, now: datetime, *, failed: bool
) -> Stage:
    phase, title = STAGES[number]
    began = since.get(phase)
    if number > at:
        return Stage(title, StageState.AHEAD)
    if number == at:
        if phase is Phase.RUNNING and not failed:
            return Stage(title, StageState.DONE)
        if phase is Phase.PULLING and Phase.STARTING in since:
            return Stage(title, StageState.DONE, _between(began, since[Phase.STARTING]))
        took = _between(began, _end(row) if failed else now)
        state = StageState.STUCK if failed or row.assessment.fix else StageState.NOW
        return Stage(title, state, took, row.assessment.progress)
    after = next((since[later] for later in IN_ORDER[IN_ORDER.index(phase) + 1 :] if later in since), None)
    if began is None:
        return Stage(title, StageState.SKIPPED)
    return Stage(title, StageState.DONE, _between(began, after))


def _end(row: ReplicaRow) -> datetime | None:
    """When a failed replica's container ended last."""
    return next((state.last_finished for state in row.pod.states if state.last_finished is not None), None)


def _between(begin: datetime | None, end: datetime | None) -> float | None:
    if begin is None or end is None:
        return None
    return max(0.0, (end - begin).total_seconds())


_LIFE = (
    "ScalingReplicaSet",
    "SuccessfulCreate",
    "FailedScheduling",
    "Scheduled",
    "Pulling",
    "Pulled",
    "Created",
    "Started",
)


@dataclass(frozen=True, slots=True)
class Happening:
    """Events that say the same of the same object, as one.

    `times` is how often it was seen, `last` when last; `warning` what Kubernetes calls it.
    """

    last: datetime | None
    about: str
    reason: str
    message: str
    times: int
    warning: bool
    source: str


def happenings(events: Iterable[Event]) -> tuple[Happening, ...]:
    """What happened, oldest first, with nothing said twice."""
    found: dict[tuple[str, str, str, str], Happening] = {}
    for event in events:
        key = (event.regarding_kind, event.regarding_name, event.reason, event.message)
        before = found.get(key)
        moments = [at for at in (event.last_seen, before.last if before else None) if at is not None]
        found[key] = Happening(
            max(moments, default=None),
            _about(event),
            event.reason,
            _message(event),
            event.count + (before.times if before else 0),
            event.type == "Warning",
            event.source,
        )
    ordered: Sequence[Happening] = sorted(found.values(), key=_when)
    return tuple(ordered)


def _when(happening: Happening) -> tuple[bool, float, int, str, str]:
    """By the second: most components write no fractions. Within it, what comes first in the life of a pod."""
    at, reason = happening.last, happening.reason
    place = _LIFE.index(reason) if reason in _LIFE else len(_LIFE)
    return at is None, at.replace(microsecond=0).timestamp() if at is not None else 0.0, place, happening.about, reason


def _about(event: Event) -> str:
    if event.regarding_kind == "Pod":
        return short_name(event.regarding_name)
    return _SHORT.get(event.regarding_kind, event.regarding_kind.lower())


def _message(event: Event) -> str:
    """The message in one line, without the long name that stands beside it."""
    text = " ".join((brief(event.message) if event.reason == "FailedScheduling" else event.message).split())
    if event.regarding_kind != "Pod" or not event.regarding_name:
        return text
    for name in (f"{event.regarding_namespace}/{event.regarding_name}", event.regarding_name):
        text = text.replace(name, short_name(event.regarding_name))
    return text


def short_name(pod: str) -> str:
    """The part of a pod's name that tells it from its siblings."""
    return pod.rsplit("-", 1)[-1] or pod
