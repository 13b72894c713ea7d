"""The phase of a deployment from those of its replicas, with the cause that holds it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from genai_tui.domain.cluster import Condition, Workload
from genai_tui.domain.problems import FieldChange, How
from genai_tui.domain.rows import Assessment, Phase, ReplicaRow
from genai_tui.domain.rules import ARGUMENTS, BUDGET, REFUSED, STRATEGY, explain

ENDED = ("Failed", "Succeeded")
PAUSED = "paused: a change waits"
RESUME = "resume its rollout (P)"
_DONE = "NewReplicaSetAvailable"
_WITH_A_SCALING = timedelta(minutes=1)
"""How long after a change of the number the pods it makes are there."""
_SEVERITY = {
    phase: number
    for number, phase in enumerate(
        (
            Phase.FAILED,
            Phase.DEGRADED,
            Phase.PENDING,
            Phase.PULLING,
            Phase.STARTING,
            Phase.DOWNLOADING,
            Phase.LOADING,
            Phase.WARMING_UP,
        )
    )
}


@dataclass(frozen=True, slots=True)
class Silence:
    """What an engine said that does not answer as it should.

    Attributes:
        since: when that was first seen after it had answered; None where it never did.
        said: how it showed.
        served: what it serves instead of the deployment's own name.
    """

    since: datetime | None = None
    said: str = ""
    served: Sequence[str] = ()


def assess(
    workload: Workload,
    replicas: Sequence[ReplicaRow],
    answering: bool | None,
    silence: Silence | None = None,
    scaled: datetime | None = None,
) -> Assessment:
    """The phase of a deployment.

    Args:
        workload: the deployment.
        replicas: its pods.
        answering: whether `/v1/models` gave the served name: Running needs it. None means not asked yet.
        silence: what is known of an engine that does not.
        scaled: when its number of pods was changed last, as far as events tell.
    """
    if workload.meta.deleting is not None:
        return Assessment(Phase.TERMINATING)
    found = _going(workload, replicas, answering, silence, scaled)
    return _paused(found) if change_waits(workload) and found.phase is not Phase.STOPPED else found


def change_waits(workload: Workload) -> bool:
    """Whether its rollout is paused and something was changed meanwhile: pods of an older template run."""
    return workload.paused and _observed(workload) and workload.updated < workload.total


def restart_refusal(*, paused: bool) -> str:
    """Why it cannot be restarted now, as kubectl refuses it too; empty where it can."""
    return "its rollout is paused, so that a restart would only wait: resume it first (P)" if paused else ""


def _paused(found: Assessment) -> Assessment:
    if found.fix is None:
        return Assessment(Phase.ROLLING_OUT, PAUSED, (), RESUME)
    return replace(found, cause=f"{found.cause}; {PAUSED}", fix=f"{found.fix}; {RESUME}")


def _going(
    workload: Workload,
    replicas: Sequence[ReplicaRow],
    answering: bool | None,
    silence: Silence | None,
    scaled: datetime | None,
) -> Assessment:
    going = [row for row in replicas if row.assessment.phase is not Phase.TERMINATING]
    # Evicted pods stay for a while beside the ones that replace them.
    living = [row for row in going if row.pod.phase not in ENDED] or going
    if workload.replicas == 0:
        return Assessment(Phase.STOPPED if not living else Phase.SCALING, None if not living else "stopping its pods")
    ready = [row for row in living if row.assessment.phase is Phase.RUNNING]
    current = sum(row.current for row in ready)
    if _observed(workload) and current == workload.replicas == len(living):
        return _answering(workload.meta.name, answering, silence or Silence())
    worst = _worst(living)
    stuck = _deadlock(workload, living, worst) if len(living) == len(replicas) else None
    if stuck is not None:
        return stuck
    if ready:
        return _partly(workload, living, worst, scaled)
    return _no_pods(workload) if worst is None else _late(workload, worst.assessment)


def _observed(workload: Workload) -> bool:
    return workload.observed_generation >= workload.meta.generation


def _answering(name: str, answering: bool | None, silence: Silence) -> Assessment:
    """What the engine's own answer makes of pods that are all ready."""
    evidence = (silence.said,) if silence.said else ()
    if answering:
        return Assessment(Phase.RUNNING)
    if answering is None:
        return Assessment(Phase.WARMING_UP, "ready; asking the engine which models it serves")
    if silence.served:
        cause = f"the engine answers, and serves {', '.join(silence.served)} instead of {name}"
        fix = "remove --served-model-name from the extra arguments"
        return Assessment(
            Phase.DEGRADED, cause, evidence, fix, changes=(FieldChange(ARGUMENTS, "--served-model-name", How.REMOVE),)
        )
    if silence.since is not None:
        cause = f"the engine has not answered since {silence.since:%H:%M:%S} UTC"
        return Assessment(Phase.DEGRADED, cause, evidence, "see its log, or restart it")
    return Assessment(Phase.WARMING_UP, "the engine does not answer yet", evidence)


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


def _partly(
    workload: Workload, living: Sequence[ReplicaRow], worst: ReplicaRow | None, scaled: datetime | None
) -> Assessment:
    """Some replicas serve while others do not: a rollout, a scaling, or trouble."""
    held = worst.assessment if worst else None
    old = any(not row.current for row in living)
    if held is None and len(living) < workload.replicas:
        refused = _refused(workload)
        if refused is not None:
            return replace(refused, phase=Phase.ROLLING_OUT if old else Phase.DEGRADED)
    if held is not None and held.phase in (Phase.FAILED, Phase.DEGRADED):
        return replace(held, phase=Phase.ROLLING_OUT if old else Phase.DEGRADED, progress=None, seconds_left=None)
    if not old and len(living) > workload.replicas:
        return Assessment(Phase.SCALING, "removing replicas")
    ready = [row for row in living if row.assessment.phase is Phase.RUNNING]
    if old or _rolls(workload):
        # Of the first revision nothing is updated: it starts.
        done = "updated" if old or workload.revision not in ("", "1") else "ready"
        phase, count = Phase.ROLLING_OUT, f"{sum(row.current for row in ready)} of {workload.replicas} {done}"
    elif not _observed(workload) and len(living) == workload.replicas and held is None:
        return Assessment(Phase.ROLLING_OUT, "a change was saved")
    else:
        phase = Phase.SCALING if _is_scaling(workload, living, worst, scaled) else Phase.DEGRADED
        count = f"{len(ready)} of {workload.replicas} ready"
    if held is None:
        return Assessment(phase, count)
    # The share is that of one replica, and the time left is not that of the whole.
    share = f" {held.progress:.0%}" if held.progress is not None else ""
    cause = f"{count}, {held.phase.value.lower()}{share}" + (f": {held.cause}" if held.cause else "")
    return replace(held, phase=phase, cause=cause, progress=None, seconds_left=None)


def _rolls(workload: Workload) -> bool:
    """Whether the newest revision was never yet whole: Kubernetes says so once for each, and scaling takes it back."""
    said = next((c for c in workload.conditions if c.type == "Progressing"), None)
    return said is not None and said.reason != _DONE


def _is_scaling(
    workload: Workload, living: Sequence[ReplicaRow], worst: ReplicaRow | None, scaled: datetime | None
) -> bool:
    """Whether a replica is missing because more are wanted than before, and not because one starts once more."""
    if worst is None or len(living) != workload.replicas:
        return True
    pod = worst.pod
    if any(state.restarts for state in pod.states):
        return False
    # Where no event tells of a change of the number, a new pod is more likely one more than one in another's place.
    return scaled is None or pod.meta.created is None or abs(pod.meta.created - scaled) <= _WITH_A_SCALING


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
    if found is None:
        return Assessment(Phase.FAILED, "pods cannot be created", (failure.message,), "see its events")
    return Assessment(Phase.FAILED, found.cause, (failure.message,), found.fix, changes=found.changes)


def _no_pods(workload: Workload) -> Assessment:
    refused = _refused(workload)
    if refused is not None:
        return refused
    if workload.paused:
        return Assessment(Phase.PENDING, "paused before its pods were made", (), RESUME)
    late = _condition(workload.conditions, "Progressing", "False")
    if late is not None:
        return Assessment(Phase.FAILED, "the rollout made no progress in time", (late.message,), "see its events")
    return Assessment(Phase.PENDING, "waiting for its pods to be created")


def _condition(conditions: Sequence[Condition], kind: str, status: str) -> Condition | None:
    return next((c for c in conditions if c.type == kind and c.status == status), None)
