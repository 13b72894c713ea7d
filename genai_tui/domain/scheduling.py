"""What the scheduler says of a pod that has no place, in plain words.

The sentences are those of kube-scheduler: "0/6 nodes are available: 1 node(s) had untolerated taint {key: value}, 5
Insufficient nvidia.com/gpu." (pkg/scheduler/framework, FitError). Counts are of nodes, not of GPUs, so that which node
comes closest is read from the nodes themselves where they may be listed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from genai_tui.domain.cluster import Pod
from genai_tui.domain.problems import Diagnosis, FieldChange, How
from genai_tui.domain.rows import NodeRow
from genai_tui.domain.rules import GPUS, SCHEDULING, SCHEDULING_FIRST, SCHEDULING_LAST, explain

_PREEMPTION = re.compile(r"[ .]*(preemption:|no new claims to deallocate).*", re.DOTALL)
_INSUFFICIENT = re.compile(r"(\d+) Insufficient ([\w./-]*\w)")
TOLERATIONS = "advanced.tolerations"
_OF_KUBERNETES = re.compile(r"node(?:-role)?\.kubernetes\.io/|node\.cloudprovider\.kubernetes\.io/")
_TAINT = re.compile(r"untolerated taint(?:\(s\)| \{([^}]*)\})")


def brief(message: str) -> str:
    """The scheduler's sentence without what it says of preemption, which tells an operator nothing."""
    return _PREEMPTION.sub("", message).strip()


def explain_unschedulable(message: str, pod: Pod, nodes: Sequence[NodeRow]) -> Diagnosis:
    """The cause and what to do. Names the node that comes closest for GPUs."""
    text = brief(message)
    found = explain(SCHEDULING_FIRST[:1], text, message)
    if found is not None:
        return found
    short = list(dict.fromkeys(name for _, name in _INSUFFICIENT.findall(text)))
    gpu = next((name for name in short if "/" in name), None)
    if gpu is not None and "unbound immediate" not in text:
        return _no_gpus(gpu, text, pod, nodes, message)
    found = explain(SCHEDULING_FIRST[1:], text, message)
    if found is None and short:
        what = " and ".join(short)
        found = Diagnosis(f"no node has enough free {what}", message, f"ask for less {what}, or add a node")
    # The scheduler asks in an order: a node that fails a later question has passed the earlier ones.
    found = found or explain(SCHEDULING, text, message) or _taint(text, nodes, message)
    found = found or explain(SCHEDULING_LAST, text, message)
    return found or Diagnosis(text.strip(". ") or "no node takes it", message, "")


def _taint(text: str, nodes: Sequence[NodeRow], message: str) -> Diagnosis | None:
    match = _TAINT.search(text)
    if match is None:
        return None
    named = f" {match[1]}" if match[1] else ""
    cause = f"every fitting node has a taint{named} that is not tolerated"
    changes = tuple(FieldChange(TOLERATIONS, line, How.ADD) for line in _tolerable(match[1], nodes))
    fix = "add a toleration for the taint"
    if changes and not named:
        fix = f"add a toleration, such as {changes[0].value}"
    return Diagnosis(cause, message, fix, changes)


def _tolerable(told: str | None, nodes: Sequence[NodeRow]) -> list[str]:
    """The line of the form that tolerates what the scheduler named, or the one taint people put on nodes here.

    Taints of Kubernetes itself say that a node is unwell: those are not to be tolerated.
    """
    if told:
        key, _, value = (part.strip() for part in told.partition(":"))
        return [] if _OF_KUBERNETES.match(key) else [f"{key}={value}" if value else key]
    found = {
        f"{taint.key}={taint.value}:{taint.effect}" if taint.value else f"{taint.key}:{taint.effect}"
        for row in nodes
        for taint in row.node.taints
        if taint.effect in ("NoSchedule", "NoExecute") and not _OF_KUBERNETES.match(taint.key)
    }
    return sorted(found) if len(found) == 1 else []


def _no_gpus(resource: str, text: str, pod: Pod, nodes: Sequence[NodeRow], message: str) -> Diagnosis:
    wanted = sum(container.gpus.get(resource, 0) for container in pod.containers)
    named = f"free GPU{'s' if wanted != 1 else ''}" if resource == "nvidia.com/gpu" else f"free {resource}"
    what = f"{wanted} {named}"
    fix = f"ask for fewer {resource}, stop an idle deployment, or add a node"
    # The scheduler has told how many nodes repel the pod; those that repel anything are the likely ones.
    fitting = [row for row in nodes if not (_repels(row) and "untolerated taint" in text)]
    usable = [row for row in fitting if row.gpu_resource == resource and row.node.ready and not row.node.unschedulable]
    if not usable:
        return Diagnosis(f"no node offers {resource}" if fitting else f"no node has {what}", message, fix)
    best = max(usable, key=lambda row: (row.gpu_free, row.node.meta.name))
    if best.gpu_free >= wanted:
        return Diagnosis(f"no node that fits otherwise has {what}", message, fix)
    free = sum(row.gpu_free for row in usable)
    scattered = f"; {free} are free on different nodes" if free >= wanted else ""
    changes = (FieldChange(GPUS, str(best.gpu_free)),) if best.gpu_free else ()
    return Diagnosis(
        f"no node has {what} (best {best.node.meta.name}: {best.gpu_free}){scattered}", message, fix, changes
    )


def _repels(row: NodeRow) -> bool:
    return any(taint.effect in ("NoSchedule", "NoExecute") for taint in row.node.taints)
