"""The phase of a replica and of a deployment, with its cause in plain words: from evidence, never from time alone.

Evidence is what Kubernetes says (pod conditions, container states, events), what the engine said last (termination
messages), and what it answers (`/v1/models`). Reasons and messages are those of kubelet and scheduler.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from genai_tui.domain.cluster import Condition, ContainerState, Event, Pod, Workload
from genai_tui.domain.rows import Assessment, NodeRow, Phase, ReplicaRow

PULL_FAILURES = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
CONFIG_FAILURES = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What an engine's own words mean: the cause, the line it rests on, and what to do."""

    cause: str
    evidence: str
    fix: str


Diagnose = Callable[[str], Diagnosis | None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an assessment may look at beside the pod itself.

    `nodes` to say which node comes closest; `diagnose` reads an engine's last words.
    """

    nodes: Sequence[NodeRow] = ()
    diagnose: Diagnose = lambda _text: None


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
    for state in pod.states:
        problem = _container_problem(state, events, around)
        if problem is not None:
            return problem
    return _starting(pod, events, around)


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
    cause, fix = explain_unschedulable(message, pod, around.nodes)
    return Assessment(Phase.PENDING, cause, (message,) if message else (), fix)


_PREEMPTION = re.compile(r"[ .]*(preemption:|no new claims to deallocate).*", re.DOTALL)
_INSUFFICIENT = re.compile(r"(\d+) Insufficient ([\w./-]+)")
_TAINT = re.compile(r"untolerated taint(?:\(s\)| \{([^}]*)\})")
_CLAIM = re.compile(r'persistentvolumeclaim "([^"]+)" not found')


def explain_unschedulable(message: str, pod: Pod, nodes: Sequence[NodeRow]) -> tuple[str, str | None]:
    """The scheduler's sentence in plain words, and what to do. Names the node that comes closest for GPUs."""
    text = _PREEMPTION.sub("", message)
    insufficient = [(int(count), name) for count, name in _INSUFFICIENT.findall(text)]
    gpu = next((name for _, name in insufficient if "/" in name and not name.startswith("ephemeral")), None)
    missing_claim = _CLAIM.search(text)
    if missing_claim:
        return f"the volume claim {missing_claim[1]} does not exist", f"create the claim {missing_claim[1]}"
    if "unbound immediate PersistentVolumeClaims" in text:
        return "its volume claim is not bound", "check the claim's storage class and size"
    if gpu is not None:
        wanted = sum(container.gpus.get(gpu, 0) for container in pod.containers)
        # The scheduler has told how many nodes repel the pod; those that repel anything are the likely ones.
        open_nodes = [row for row in nodes if not (_repels(row) and "untolerated taint" in text)]
        return _no_gpus(gpu, wanted, open_nodes), f"ask for fewer {gpu}, stop an idle deployment, or add a node"
    if insufficient:
        names = " and ".join(dict.fromkeys(name for _, name in insufficient))
        return f"no node has enough free {names}", f"ask for less {names}, or add a node"
    if "node affinity/selector" in text or "node selector" in text:
        return "no node matches the node selector", "correct the node selector, or label a node"
    taint = _TAINT.search(text)
    if taint:
        named = f" {taint[1]}" if taint[1] else ""
        return f"every fitting node has a taint{named} that is not tolerated", "add a toleration for the taint"
    if "pod affinity" in text or "pod anti-affinity" in text:
        return "no node satisfies the pod affinity", "relax the pod affinity"
    if "unschedulable" in text:
        return "the nodes that fit are cordoned", "uncordon a node"
    return (text.strip(". ") or "no node takes it"), None


def _repels(row: NodeRow) -> bool:
    return any(taint.effect in ("NoSchedule", "NoExecute") for taint in row.node.taints)


def _no_gpus(resource: str, wanted: int, nodes: Sequence[NodeRow]) -> str:
    what = (
        f"{wanted} free GPU{'s' if wanted != 1 else ''}"
        if resource == "nvidia.com/gpu"
        else f"{wanted} free {resource}"
    )
    usable = [row for row in nodes if row.gpu_resource == resource and row.node.ready and not row.node.unschedulable]
    if not usable:
        return f"no node offers {resource}" if nodes else f"no node has {what}"
    best = max(usable, key=lambda row: (row.gpu_free, row.node.meta.name))
    if best.gpu_free >= wanted:
        return f"no node that fits otherwise has {what}"
    return f"no node has {what} (best {best.node.meta.name}: {best.gpu_free})"


def _container_problem(state: ContainerState, events: Sequence[Event], around: Surroundings) -> Assessment | None:
    if state.state == "waiting":
        if state.reason in PULL_FAILURES:
            return _pull_failure(state, events)
        if state.reason in CONFIG_FAILURES:
            return Assessment(Phase.FAILED, state.message or state.reason, (state.message,), _config_fix(state.message))
        if state.reason == "CrashLoopBackOff":
            return _crash(state.last_message, state.last_reason, state.last_exit_code, state.restarts, around, events)
    if state.state == "terminated" and not (state.init and state.exit_code == 0):
        return _crash(state.message, state.reason, state.exit_code, state.restarts, around, events)
    return None


def _pull_failure(state: ContainerState, events: Sequence[Event]) -> Assessment:
    said = next((e.message for e in reversed(events) if e.reason == "Failed" and "pull" in e.message), state.message)
    text = f"{said} {state.message}".lower()
    if "not found" in text or "manifest unknown" in text:
        cause, fix = "the image does not exist", "correct the image name or tag"
    elif "payment required" in text or "insufficient_scope" in text:
        cause, fix = "the registry key is not entitled to this image", "accept its licence, or use a key with access"
    elif any(word in text for word in ("unauthorized", "authentication", "denied", "invalid username", "forbidden")):
        cause, fix = "the registry refused the pull credentials", "check the pull secret of this namespace"
    elif "no such host" in text or "timeout" in text or "connection refused" in text:
        cause, fix = "the registry cannot be reached from the node", "check the node's network, or use a mirror"
    elif state.reason == "InvalidImageName":
        cause, fix = "the image name is not valid", "correct the image name"
    else:
        cause, fix = "the image cannot be pulled", None
    return Assessment(Phase.FAILED, cause, (said,) if said else (), fix)


_MISSING = re.compile(r'(secret|configmap) "([^"]+)" not found', re.IGNORECASE)


def _config_fix(message: str) -> str | None:
    match = _MISSING.search(message)
    return f"create the {match[1].lower()} {match[2]} in this namespace" if match else None


def _crash(
    message: str,
    reason: str,
    code: int | None,
    restarts: int,
    around: Surroundings,
    events: Sequence[Event] = (),
) -> Assessment:
    """Why a container ended: the engine's own words first, then what Kubernetes knows."""
    if reason == "OOMKilled" or (code == 137 and reason == "OOMKilled"):
        fix = "raise the memory limit; /dev/shm counts against it"
        return Assessment(Phase.FAILED, "killed: out of memory", (f"OOMKilled, exit code {code}",), fix)
    found = around.diagnose(message)
    if found is not None:
        return Assessment(Phase.FAILED, found.cause, (found.evidence,), found.fix)
    probe = next((e.message for e in reversed(events) if "failed startup probe" in e.message), None)
    if probe is not None:
        fix = "raise the start-up budget"
        return Assessment(Phase.FAILED, "killed while loading: the start-up budget is too short", (probe,), fix)
    last = message.strip().splitlines()[-1] if message.strip() else ""
    shown = f"exit code {code}" if code is not None else reason or "it ended"
    again = f", {restarts} restart{'s' if restarts != 1 else ''}" if restarts else ""
    return Assessment(Phase.FAILED, f"crashed: {last or shown}{again}", (last or shown,), "see its previous log")


def _loading_again(state: ContainerState, events: Sequence[Event], around: Surroundings) -> Assessment:
    """A start after a crash: one restart may mend it, more of them are a crash loop, whatever it is doing right now."""
    last = _crash(state.last_message, state.last_reason, state.last_exit_code, state.restarts, around, events)
    if state.restarts > 1:
        return last
    return Assessment(Phase.LOADING, f"once more, after: {last.cause}", last.evidence, last.fix)


def _starting(pod: Pod, events: Sequence[Event], around: Surroundings) -> Assessment:
    main = [state for state in pod.states if not state.init]
    again = next((s for s in main if s.state == "running" and not s.started and s.restarts and s.last_exit_code), None)
    if again is not None:
        return _loading_again(again, events, around)
    if any(state.state == "running" for state in main):
        started = all(state.started for state in main)
        return Assessment(Phase.WARMING_UP if started else Phase.LOADING)
    if any(state.init and state.state == "running" for state in pod.states):
        return Assessment(Phase.DOWNLOADING)
    for event in reversed(events):
        if event.reason == "Pulling":
            return Assessment(Phase.PULLING)
        if event.reason in ("FailedMount", "FailedAttachVolume"):
            return Assessment(Phase.PENDING, "its volume cannot be mounted", (event.message,), "check the volume claim")
        if event.reason in ("Pulled", "Created"):
            return Assessment(Phase.LOADING)
    return Assessment(Phase.PENDING, "the node is preparing it")


def assess(workload: Workload, replicas: Sequence[ReplicaRow], answering: bool | None) -> Assessment:
    """The phase of a deployment from its replicas.

    `answering` is whether `/v1/models` gave the served name: Running needs it. None means not asked yet.
    """
    if workload.meta.deleting is not None:
        return Assessment(Phase.TERMINATING)
    living = [row for row in replicas if row.assessment.phase is not Phase.TERMINATING]
    if workload.replicas == 0:
        return Assessment(Phase.STOPPED if not living else Phase.SCALING, None if not living else "stopping its pods")
    ready = sum(row.assessment.phase is Phase.RUNNING for row in living)
    current_ready = sum(row.assessment.phase is Phase.RUNNING and row.current for row in living)
    worst = _worst(living)
    seen = workload.observed_generation >= workload.meta.generation
    if seen and current_ready == workload.replicas == len(living):
        if answering:
            return Assessment(Phase.RUNNING)
        waiting = (
            "ready; asking the engine which models it serves" if answering is None else "the engine does not answer yet"
        )
        return Assessment(Phase.WARMING_UP, waiting)
    if ready:
        return _partly(workload, living, ready, worst)
    if worst is not None:
        return worst.assessment
    return _no_pods(workload)


_SEVERITY = {
    Phase.FAILED: 0,
    Phase.PENDING: 1,
    Phase.PULLING: 2,
    Phase.DOWNLOADING: 3,
    Phase.LOADING: 4,
    Phase.WARMING_UP: 5,
}


def _worst(rows: Sequence[ReplicaRow]) -> ReplicaRow | None:
    """The replica that holds the deployment back most; of the new revision where there is one."""
    behind = [row for row in rows if row.assessment.phase in _SEVERITY]
    newest = [row for row in behind if row.current] or behind
    return min(newest, key=lambda row: _SEVERITY[row.assessment.phase], default=None)


def _partly(workload: Workload, living: Sequence[ReplicaRow], ready: int, worst: ReplicaRow | None) -> Assessment:
    """Some replicas serve while others do not: a rollout, a scaling, or trouble."""
    held = worst.assessment if worst else None
    cause = f"{held.phase.value.lower()}: {held.cause}" if held and held.cause else None
    evidence, fix = (held.evidence, held.fix) if held else ((), None)
    if held is not None and held.phase is Phase.FAILED:
        rolling = any(not row.current for row in living)
        return Assessment(Phase.ROLLING_OUT if rolling else Phase.DEGRADED, held.cause, evidence, fix)
    if any(not row.current for row in living):
        return Assessment(Phase.ROLLING_OUT, cause, evidence, fix)
    if len(living) > workload.replicas:
        return Assessment(Phase.SCALING, "removing replicas")
    if _condition(workload.conditions, "Available", "False") and ready < workload.replicas and held is None:
        return Assessment(Phase.DEGRADED, cause, evidence, fix)
    return Assessment(Phase.SCALING, cause, evidence, fix)


def _no_pods(workload: Workload) -> Assessment:
    failure = _condition(workload.conditions, "ReplicaFailure", "True")
    if failure is not None:
        quota = "exceeded quota" in failure.message
        cause = "the namespace's quota is used up" if quota else f"pods cannot be created: {failure.message}"
        fix = "raise the quota, or ask for less" if quota else None
        return Assessment(Phase.FAILED, cause, (failure.message,), fix)
    late = _condition(workload.conditions, "Progressing", "False")
    if late is not None:
        return Assessment(Phase.FAILED, "the rollout made no progress in time", (late.message,), "see its events")
    return Assessment(Phase.PENDING, "waiting for its pods to be created")


def _condition(conditions: Sequence[Condition], kind: str, status: str | None = None) -> Condition | None:
    return next((c for c in conditions if c.type == kind and status in (None, c.status)), None)


def stages(pod: Pod, events: Sequence[Event]) -> tuple[tuple[Phase, datetime], ...]:
    """When the pod entered each stage it has reached, in order."""
    found: dict[Phase, datetime] = {}
    if pod.meta.created is not None:
        found[Phase.PENDING] = pod.meta.created
    for event in events:
        when = event.last_seen if event.reason == "Pulled" else event.first_seen
        if when is None:
            continue
        if event.reason == "Pulling":
            found.setdefault(Phase.PULLING, when)
        elif event.reason in ("Started", "Pulled"):
            found.setdefault(Phase.LOADING, when)
    main = next((state for state in pod.states if not state.init), None)
    if main is not None and main.state == "running" and main.since is not None:
        found[Phase.LOADING] = main.since
    ready = _condition(pod.conditions, "Ready", "True")
    if ready is not None and ready.changed is not None:
        found[Phase.RUNNING] = ready.changed
    return tuple(sorted(found.items(), key=lambda item: list(Phase).index(item[0])))
