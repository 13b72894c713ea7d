"""The phase of one replica, with its cause in plain words: from evidence, never from time alone.

Evidence is what Kubernetes says (pod conditions, container states, events), what the engine said last (termination
messages), and what it answers (`/v1/models`). Reasons and messages are those of kubelet and scheduler.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from genai_tui.domain.cluster import Condition, ContainerState, Event, Pod
from genai_tui.domain.problems import Diagnosis
from genai_tui.domain.rows import Assessment, NodeRow, Phase
from genai_tui.domain.rules import BUDGET, CONFIGURATION, DISRUPTIONS, ENDED, MOUNTS, PROBES, PULL, explain
from genai_tui.domain.scheduling import explain_unschedulable
from genai_tui.domain.startup import StartUp, has_started, refine

PULL_FAILURES = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
RIGHT_AFTER = timedelta(seconds=5)
"""How much earlier than the disruption of its predecessor a replacement may be dated: clocks differ."""
CONFIG_FAILURES = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")


Diagnose = Callable[[str], Diagnosis | None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an assessment may look at beside the pod itself.

    Attributes:
        nodes: to say which node comes closest, and whether the pod's own is well.
        diagnose: reads an engine's last words.
        start: what the engine's log tells of the start that is under way.
        from_log: what was found in the log of the run before, where the last words alone told nothing.
        volumes: events of the claims of a pod without a place, oldest first.
        disruption: what took the place of the pod before it, where that was preempted or evicted.
    """

    nodes: Sequence[NodeRow] = ()
    diagnose: Diagnose = lambda _text: None
    start: StartUp | None = None
    from_log: Diagnosis | None = None
    disruption: Event | None = None
    volumes: Sequence[Event] = ()


def assess_replica(pod: Pod, events: Sequence[Event], around: Surroundings) -> Assessment:
    """The phase of one pod. A ready pod is Running here; whether its engine answers is the deployment's matter."""
    if pod.meta.deleting is not None:
        return Assessment(Phase.TERMINATING)
    if pod.phase == "Failed":
        return _ended(pod, around)
    if pod.ready:
        return Assessment(Phase.RUNNING)
    if pod.node is None:
        return _unscheduled(pod, events, around)
    lost = _lost_node(pod, around)
    if lost is not None:
        return lost
    for state in pod.states:
        problem = _container_problem(state, events, around)
        if problem is not None:
            return problem
    return refine(_starting(pod, events, around), around.start)


def _lost_node(pod: Pod, around: Surroundings) -> Assessment | None:
    """A node that does not answer says nothing of its pods: what is known of them is old."""
    node = next((row.node for row in around.nodes if row.node.meta.name == pod.node), None)
    if node is None or node.ready:
        return None
    said = _condition(node.conditions, "Ready")
    evidence = f"{said.reason}: {said.message}".strip(": ") if said is not None else f"node {node.meta.name}"
    fix = "look after the node; its pods are replaced elsewhere after about five minutes"
    return Assessment(Phase.FAILED, f"its node {node.meta.name} is not ready", (evidence,), fix)


def _ended(pod: Pod, around: Surroundings) -> Assessment:
    state = next((s for s in pod.states if s.state == "terminated"), None)
    if pod.reason:
        fix = "it is replaced by itself" if pod.reason == "Evicted" else None
        return Assessment(Phase.FAILED, f"{pod.reason}: {pod.message}".rstrip(": "), (pod.message or pod.reason,), fix)
    if state is not None:
        return _crash(state.message, state.reason, state.exit_code, 0, around)
    return Assessment(Phase.FAILED, "the pod ended", ())


def _unscheduled(pod: Pod, events: Sequence[Event], around: Surroundings) -> Assessment:
    condition = _condition(pod.conditions, "PodScheduled")
    if condition is None or condition.status == "True":
        return Assessment(Phase.PENDING, "waiting for the scheduler")
    if condition.reason == "SchedulingGated":
        return Assessment(Phase.PENDING, "held back by a scheduling gate", (condition.message,))
    message = condition.message or next((e.message for e in reversed(events) if e.reason == "FailedScheduling"), "")
    found = explain_unschedulable(message, pod, around.nodes, around.volumes)
    evidence = tuple(dict.fromkeys(text for text in (message, found.evidence) if text))
    held = Assessment(Phase.PENDING, found.cause, evidence, found.fix or None, changes=found.changes)
    return _displaced(held, pod, around.disruption)


def _displaced(held: Assessment, pod: Pod, disruption: Event | None) -> Assessment:
    """A pod that waits because the one before it had to go: that comes first."""
    at = disruption.first_seen if disruption is not None else None
    if disruption is None or at is None or pod.meta.created is None or pod.meta.created < at - RIGHT_AFTER:
        return held
    said = f"{disruption.reason}: {disruption.message}"
    found = explain(DISRUPTIONS, said)
    if found is None:
        return held
    fix = f"{found.fix}; {held.fix}" if held.fix else found.fix
    return replace(held, cause=f"{found.cause}; {held.cause}", evidence=(said, *held.evidence), fix=fix)


def _found(diagnosis: Diagnosis, phase: Phase = Phase.FAILED) -> Assessment:
    evidence = (diagnosis.evidence,) if diagnosis.evidence else ()
    return Assessment(phase, diagnosis.cause, evidence, diagnosis.fix, changes=diagnosis.changes)


def _container_problem(state: ContainerState, events: Sequence[Event], around: Surroundings) -> Assessment | None:
    if state.state == "waiting":
        if state.reason in PULL_FAILURES:
            return _pull_failure(state, events)
        if state.reason in CONFIG_FAILURES:
            found = explain(CONFIGURATION, state.message)
            return _found(found) if found else Assessment(Phase.FAILED, state.message or state.reason, (state.message,))
        if state.reason == "CrashLoopBackOff":
            return _crash(state.last_message, state.last_reason, state.last_exit_code, state.restarts, around, events)
    if state.state == "terminated" and not (state.init and state.exit_code == 0):
        return _crash(state.message, state.reason, state.exit_code, state.restarts, around, events)
    return None


def _pull_failure(state: ContainerState, events: Sequence[Event]) -> Assessment:
    said = next((e.message for e in reversed(events) if e.reason == "Failed" and "pull" in e.message), state.message)
    found = explain(PULL, f"{said} {state.message} {state.reason}", said)
    return _found(found or Diagnosis("the image cannot be pulled", said, "see its events"))


def _crash(
    message: str,
    reason: str,
    code: int | None,
    restarts: int,
    around: Surroundings,
    events: Sequence[Event] = (),
) -> Assessment:
    """Why a container ended: the engine's own words first, then what Kubernetes knows."""
    found = explain(ENDED, f"{reason}, exit code {code}") or around.diagnose(message) or around.from_log
    if found is None or (found.changes and found.changes[0].field == BUDGET):
        # An engine that was told to stop does not know by whom; the kubelet's event does.
        found = next((told for e in reversed(events) if (told := explain(PROBES, e.message))), found)
    if found is not None:
        return _found(found)
    last = message.strip().splitlines()[-1].strip() if message.strip() else ""
    shown = f"exit code {code}" if code is not None else reason or "it ended"
    again = f", {restarts} restart{'s' if restarts != 1 else ''}" if restarts else ""
    return Assessment(Phase.FAILED, f"crashed: {last or shown}{again}", (last or shown,), "see its previous log")


def _loading_again(state: ContainerState, events: Sequence[Event], around: Surroundings) -> Assessment:
    """A start after a crash: one restart may mend it, more of them are a crash loop, whatever it is doing right now."""
    last = _crash(state.last_message, state.last_reason, state.last_exit_code, state.restarts, around, events)
    if state.restarts > 1:
        return last
    return replace(last, phase=Phase.LOADING, cause=f"once more, after: {last.cause}")


def _starting(pod: Pod, events: Sequence[Event], around: Surroundings) -> Assessment:
    main = [state for state in pod.states if not state.init]
    again = next((s for s in main if s.state == "running" and not s.started and s.restarts and s.last_exit_code), None)
    if again is not None:
        return _loading_again(again, events, around)
    if any(state.state == "running" for state in main):
        return _started(pod, events) if all(state.started for state in main) else Assessment(Phase.STARTING)
    if any(state.init and state.state == "running" for state in pod.states):
        return Assessment(Phase.DOWNLOADING)
    for event in reversed(events):
        if event.reason == "Pulling":
            return Assessment(Phase.PULLING)
        if event.reason in ("FailedMount", "FailedAttachVolume"):
            found = explain(MOUNTS, event.message)
            return _found(found, Phase.PENDING) if found else Assessment(Phase.PENDING, event.reason, (event.message,))
        if event.reason in ("Pulled", "Created"):
            return Assessment(Phase.STARTING)
    return Assessment(Phase.PENDING, "the node is preparing it")


def _started(pod: Pod, events: Sequence[Event]) -> Assessment:
    """Running, not ready: for the first time, or because it stopped answering."""
    ready = _condition(pod.conditions, "Ready", "False")
    main = next((state for state in pod.states if not state.init), None)
    since = main.since if main is not None else None
    if ready is not None and ready.changed is not None and since is not None and ready.changed > since:
        # It was ready in this very run: the condition last changed after the container began.
        said = (e.message for e in reversed(events) if e.reason == "Unhealthy")
        evidence = next(said, ready.message or "the Ready condition turned False")
        return Assessment(Phase.DEGRADED, "it stopped answering its readiness probe", (evidence,), "see its log")
    return Assessment(Phase.WARMING_UP if main is not None and has_started(pod, main) else Phase.STARTING)


def _condition(conditions: Sequence[Condition], kind: str, status: str | None = None) -> Condition | None:
    return next((c for c in conditions if c.type == kind and status in (None, c.status)), None)
