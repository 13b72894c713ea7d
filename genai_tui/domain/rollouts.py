"""The phase of a deployment from those of its replicas, with the cause that holds it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from genai_tui.domain.cluster import Condition, Workload
from genai_tui.domain.rows import Assessment, Phase, ReplicaRow

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
    """The replica that holds the deployment back most; of the new revision where there is one."""
    behind = [row for row in rows if row.assessment.phase in _SEVERITY]
    newest = [row for row in behind if row.current] or behind
    return min(newest, key=lambda row: _SEVERITY[row.assessment.phase], default=None)


def _partly(workload: Workload, living: Sequence[ReplicaRow], worst: ReplicaRow | None) -> Assessment:
    """Some replicas serve while others do not: a rollout, a scaling, or trouble."""
    held = worst.assessment if worst else None
    rolling = any(not row.current for row in living)
    if held is None and len(living) < workload.replicas:
        refused = _refused(workload)
        if refused is not None:
            return replace(refused, phase=Phase.ROLLING_OUT if rolling else Phase.DEGRADED)
    evidence, fix = (held.evidence, held.fix) if held else ((), None)
    if held is not None and held.phase in (Phase.FAILED, Phase.DEGRADED):
        return Assessment(Phase.ROLLING_OUT if rolling else Phase.DEGRADED, held.cause, evidence, fix)
    cause = f"{held.phase.value.lower()}: {held.cause}" if held and held.cause else None
    if rolling:
        return Assessment(Phase.ROLLING_OUT, cause, evidence, fix)
    if len(living) > workload.replicas:
        return Assessment(Phase.SCALING, "removing replicas")
    return Assessment(Phase.SCALING, cause, evidence, fix)


def _late(workload: Workload, held: Assessment) -> Assessment:
    """A start that goes on after its deadline is told so: Kubernetes has given the rollout up, the pods have not."""
    late = _condition(workload.conditions, "Progressing", "False")
    if late is None or held.fix is not None or held.phase is Phase.FAILED:
        return held
    cause = f"{held.cause}; slower than its deadline" if held.cause else "slower than its deadline"
    return replace(held, cause=cause, evidence=(late.message,), fix="see its log, or raise the start-up budget")


def _refused(workload: Workload) -> Assessment | None:
    """Why no more pods are made: a quota, an admission webhook, a policy."""
    failure = _condition(workload.conditions, "ReplicaFailure", "True")
    if failure is None:
        return None
    quota = "exceeded quota" in failure.message
    cause = "the namespace's quota is used up" if quota else f"pods cannot be created: {failure.message}"
    fix = "raise the quota, or ask for less" if quota else "change what the message names, or ask who set the rule"
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
