"""How far the start of a replica has come, and when it entered each stage: from conditions, events and logs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from genai_tui.domain.cluster import Condition, ContainerState, Event, Pod
from genai_tui.domain.rows import Assessment, Phase

STAGES = (
    Phase.PENDING,
    Phase.PULLING,
    Phase.STARTING,
    Phase.DOWNLOADING,
    Phase.LOADING,
    Phase.WARMING_UP,
    Phase.RUNNING,
)
_ORDER = {phase: number for number, phase in enumerate(STAGES)}
_IN_CONTAINER = (Phase.STARTING, Phase.DOWNLOADING, Phase.LOADING, Phase.WARMING_UP)


@dataclass(frozen=True, slots=True)
class StartUp:
    """What an engine's log tells of its start.

    Attributes:
        reached: when each stage inside the container was first seen, in order.
        progress: the share of the last stage that is done, from 0 to 1; None where the log does not say.
        seconds_left: how long the last stage takes at the pace it had so far; None where it cannot be told.
        said: the line of the log that tells it.
    """

    reached: tuple[tuple[Phase, datetime], ...] = ()
    progress: float | None = None
    seconds_left: float | None = None
    said: str = ""

    @property
    def phase(self) -> Phase | None:
        """The stage it is in."""
        return self.reached[-1][0] if self.reached else None


def refine(assessment: Assessment, start: StartUp | None) -> Assessment:
    """What Kubernetes calls a running container that is not ready, told apart by the engine's own log."""
    if start is None or start.phase is None or assessment.phase not in _IN_CONTAINER or assessment.cause:
        return assessment
    if assessment.phase is Phase.WARMING_UP and start.phase is not Phase.WARMING_UP:
        # Its startup probe has passed: what the log said last is over.
        return assessment
    return replace(
        assessment,
        phase=start.phase,
        progress=start.progress,
        seconds_left=start.seconds_left,
        evidence=(start.said,),
    )


def time_left(seconds: float) -> str:
    """Coarse, because it is an estimate: `about 10s left`, `about 1m40s left`, `about 25m left`."""
    whole = max(5, 5 * round(seconds / 5))
    if whole < 60:
        return f"about {whole}s left"
    return f"about {whole // 60}m{whole % 60:02d}s left" if whole < 600 else f"about {round(whole / 60)}m left"


def left_of(assessment: Assessment) -> str:
    """The time left, with what it is of: `ready in about 1m40s`, `this stage about 10s more`; empty where not known."""
    if assessment.seconds_left is None:
        return ""
    about = time_left(assessment.seconds_left).removesuffix(" left")
    return f"ready in {about}" if assessment.until_ready else f"this stage {about} more"


def stages(pod: Pod, events: Sequence[Event], start: StartUp | None = None) -> tuple[tuple[Phase, datetime], ...]:
    """When the pod entered each stage it has reached, in order."""
    found: dict[Phase, datetime] = {}
    if pod.meta.created is not None:
        found[Phase.PENDING] = pod.meta.created
    pulling = next((e.first_seen for e in events if e.reason == "Pulling" and e.first_seen is not None), None)
    scheduled = _since(pod.conditions, "PodScheduled")
    if pulling is not None:
        found[Phase.PULLING] = pulling
    elif scheduled is not None and pod.node is not None:
        # No pull: the image was there. What comes between is the node's own work.
        found[Phase.PULLING] = scheduled
    _inside(pod, events, start, found)
    ready = _since(pod.conditions, "Ready")
    if ready is not None:
        found[Phase.RUNNING] = ready
    return tuple(sorted(found.items(), key=lambda item: _ORDER[item[0]]))


def _inside(pod: Pod, events: Sequence[Event], start: StartUp | None, found: dict[Phase, datetime]) -> None:
    """The stages of the containers: an init container downloads, the engine loads; its log tells more."""
    fetch = next((s for s in pod.states if s.init and s.state in ("running", "terminated") and s.since), None)
    if fetch is not None and fetch.since is not None and fetch.state == "running":
        found[Phase.DOWNLOADING] = fetch.since
    main = next((state for state in pod.states if not state.init), None)
    running = main is not None and main.state == "running"
    began = main.since if main is not None and running else None
    if began is None:
        began = next((e.last_seen for e in reversed(events) if e.reason == "Started" and e.last_seen), None)
    # The pull ends with the first run: later ones, and the pauses between them, are no part of it.
    first_run = next((e.first_seen for e in events if e.reason == "Started" and e.first_seen), None)
    if main is not None and main.restarts and first_run is not None and (began is None or first_run < began):
        found[Phase.STARTING] = first_run
    if began is None:
        pulled = next((e.first_seen for e in events if e.reason == "Pulled" and e.first_seen), None)
        if pulled is not None and Phase.DOWNLOADING not in found:
            found[Phase.STARTING] = pulled
        return
    told = dict(start.reached) if start is not None else {}
    told = {phase: at for phase, at in told.items() if at >= began}
    if not told and main is not None and running and not (main.restarts or pod.ready or has_started(pod, main)):
        found[Phase.STARTING] = began
        return
    # What the engine did before its log named a stage is counted to the first one it names.
    first = next((phase for phase in _IN_CONTAINER if phase in told), Phase.LOADING)
    found.update(told)
    found[first if first is not Phase.WARMING_UP else Phase.LOADING] = began


def has_started(pod: Pod, main: ContainerState) -> bool:
    """Whether a start-up probe has found the engine up; without one Kubernetes calls every container started."""
    return main.started and any(spec.startup_budget_seconds is not None for spec in pod.containers)


def _since(conditions: Sequence[Condition], kind: str) -> datetime | None:
    return next((c.changed for c in conditions if c.type == kind and c.status == "True"), None)
