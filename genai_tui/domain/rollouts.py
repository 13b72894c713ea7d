"""The phase of a deployment from those of its replicas, with the cause that holds it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from genai_tui.domain.cluster import Condition, Workload
from genai_tui.domain.problems import FieldChange, How
from genai_tui.domain.rows import Assessment, Phase, ReplicaRow
from genai_tui.domain.rules import BUDGET, REFUSED, STRATEGY, explain

ENDED = ("Failed", "Succeeded")
_SEVERITY = {
    phase: number
    for number, phase in enumerate(
        (
            Phase.FAILED,
            Phase.DEGRADED,
            Phase.PENDING,
            Phase.PULLING,
            Phase.DOWNLOADING,
            Phase.LOADING,
            Phase.WARMING_UP,
        )
    )
}


def assess(workload: Workload, replicas: Sequence[ReplicaRow], answering: bool | None) -> Assessment:
    """The phase of a deployment.

    `answering` is whether `/v1/models` gave the served name: Running needs it. None means not asked yet.
    """
    if workload.meta.deleting is not None:
        return Assessment(Phase.TERMINATING)
    going = [row for row in replicas if row.assessment.phase is not Phase.TERMINATING]
    # Evicted pods stay for a while beside the ones that replace them.
    living = [row for row in going if row.pod.phase not in ENDED] or going
    if workload.replicas == 0:
        return Assessment(Phase.STOPPED if not living else Phase.SCALING, None if not living else "stopping its pods")
    ready = [row for row in living if row.assessment.phase is Phase.RUNNING]
    current = sum(row.current for row in ready)
    if _observed(workload) and current == workload.replicas == len(living):
        return _answering(answering)
    worst = _worst(living)
    stuck = _deadlock(workload, living, worst) if len(living) == len(replicas) else None
    if stuck is not None:
        return stuck
    if ready:
        return _partly(workload, living, worst)
    return _no_pods(workload) if worst is None else _late(workload, worst.assessment)


def _observed(workload: Workload) -> bool:
    return workload.observed_generation >= workload.meta.generation


def _answering(answering: bool | None) -> Assessment:
    if answering:
        return Assessment(Phase.RUNNING)
    asking = "ready; asking the engine which models it serves"
    return Assessment(Phase.WARMING_UP, asking if answering is None else "the engine does not answer yet")


def _worst(rows: Sequence[ReplicaRow]) -> ReplicaRow | None:
    """The replica that holds the deployment back most; of the new revision where there is one.

    Of several in one phase it is one that needs somebody to do something: the others go on by themselves.
    """
    behind = [row for row in rows if row.assessment.phase in _SEVERITY]
    newest = [row for row in behind if row.current] or behind
    return min(newest, key=lambda row: (_SEVERITY[row.assessment.phase], row.assessment.fix is None), default=None)


def _deadlock(workload: Workload, living: Sequence[ReplicaRow], worst: ReplicaRow | None) -> Assessment | None:
    """A surge that waits for GPUs its own predecessors hold: they go only when it is ready, it never will be.

    Only where more pods than wanted are there and none of them is going: else a place is about to become free.
    """
    if worst is None or not worst.current or worst.pod.node is not None or len(living) <= workload.replicas:
        return None
    needs = {name for container in worst.pod.containers for name in container.gpus}
    short = any(f"Insufficient {name}" in text for name in needs for text in worst.assessment.evidence)
    holders = [row for row in living if not row.current and row.pod.node is not None]
    if not (
        short and any(name in container.gpus for row in holders for container in row.pod.containers for name in needs)
    ):
        return None
    cause = "rollout deadlock: the new pod waits for GPUs that the old one holds"
    fix = "set the rollout to Recreate, or free as many GPUs as one replica takes"
    change = (FieldChange(STRATEGY, "Recreate"),)
    return Assessment(Phase.ROLLING_OUT, cause, worst.assessment.evidence, fix, changes=change)


def _partly(workload: Workload, living: Sequence[ReplicaRow], worst: ReplicaRow | None) -> Assessment:
    """Some replicas serve while others do not: a rollout, a scaling, or trouble."""
    held = worst.assessment if worst else None
    rolling = any(not row.current for row in living)
    if held is None and len(living) < workload.replicas:
        refused = _refused(workload)
        if refused is not None:
            return replace(refused, phase=Phase.ROLLING_OUT if rolling else Phase.DEGRADED)
    if held is not None and held.phase in (Phase.FAILED, Phase.DEGRADED):
        return replace(held, phase=Phase.ROLLING_OUT if rolling else Phase.DEGRADED, progress=None, seconds_left=None)
    if not rolling and len(living) > workload.replicas:
        return Assessment(Phase.SCALING, "removing replicas")
    if held is None:
        return Assessment(Phase.ROLLING_OUT if rolling else Phase.SCALING)
    # The share and the time left are those of one replica, not of the whole.
    cause = f"{held.phase.value.lower()}: {held.cause}" if held.cause else None
    return replace(
        held, phase=Phase.ROLLING_OUT if rolling else Phase.SCALING, cause=cause, progress=None, seconds_left=None
    )


def _late(workload: Workload, held: Assessment) -> Assessment:
    """A start that goes on after its deadline is told so: Kubernetes has given the rollout up, the pods have not."""
    late = _condition(workload.conditions, "Progressing", "False")
    if late is None or held.fix is not None or held.phase is Phase.FAILED:
        return held
    cause = f"{held.cause}; slower than its deadline" if held.cause else "slower than its deadline"
    longer = (FieldChange(BUDGET, how=How.DOUBLE),)
    fix = "see its log, or raise the start-up budget"
    return replace(held, cause=cause, evidence=(late.message,), fix=fix, changes=longer)


def _refused(workload: Workload) -> Assessment | None:
    """Why no more pods are made: a quota, an admission webhook, a policy."""
    failure = _condition(workload.conditions, "ReplicaFailure", "True")
    if failure is None:
        return None
    found = explain(REFUSED, failure.message)
    cause, fix = (found.cause, found.fix) if found else ("pods cannot be created", "see its events")
    return Assessment(Phase.FAILED, cause, (failure.message,), fix)


def _no_pods(workload: Workload) -> Assessment:
    refused = _refused(workload)
    if refused is not None:
        return refused
    late = _condition(workload.conditions, "Progressing", "False")
    if late is not None:
        return Assessment(Phase.FAILED, "the rollout made no progress in time", (late.message,), "see its events")
    return Assessment(Phase.PENDING, "waiting for its pods to be created")


def _condition(conditions: Sequence[Condition], kind: str, status: str) -> Condition | None:
    return next((c for c in conditions if c.type == kind and c.status == status), None)
