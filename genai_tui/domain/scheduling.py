"""What the scheduler says of a pod that has no place, in plain words.

The sentences are those of kube-scheduler: "0/6 nodes are available: 1 node(s) had untolerated taint {key: value}, 5
Insufficient nvidia.com/gpu." (pkg/scheduler/framework, FitError). Counts are of nodes, not of GPUs, so that which node
comes closest is read from the nodes themselves where they may be listed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from genai_tui.domain.cluster import Event, Pod, Wishes
from genai_tui.domain.problems import Diagnosis, FieldChange, How
from genai_tui.domain.rows import NodeRow
from genai_tui.domain.rules import (
    CACHE_CLAIM,
    GPUS,
    SCHEDULING,
    SCHEDULING_FIRST,
    SCHEDULING_LAST,
    SELECTOR,
    explain,
)
from genai_tui.domain.tolerating import tolerates

_PREEMPTION = re.compile(r"[ .]*(preemption:|no new claims to deallocate).*", re.DOTALL)
_INSUFFICIENT = re.compile(r"(\d+) Insufficient ([\w./-]*\w)")
TOLERATIONS = "advanced.tolerations"
_SELECTOR = "node affinity/selector"
_OF_KUBERNETES = re.compile(r"node(?:-role)?\.kubernetes\.io/|node\.cloudprovider\.kubernetes\.io/")
_TAINT = re.compile(r"untolerated taint(?:\(s\)| \{([^}]*)\})")


def brief(message: str) -> str:
    """The scheduler's sentence without what it says of preemption, which tells an operator nothing."""
    return _PREEMPTION.sub("", message).strip()


def explain_unschedulable(message: str, pod: Pod, nodes: Sequence[NodeRow], volumes: Sequence[Event] = ()) -> Diagnosis:
    """The cause and what to do. Names the node that comes closest for GPUs.

    Args:
        message: of the scheduler.
        pod: that has no place.
        nodes: of the cluster; none where they may not be listed.
        volumes: events of its volume claims, oldest first.
    """
    text = brief(message)
    found = explain(SCHEDULING_FIRST[:1], text, message)
    if found is not None:
        return found
    if "unbound immediate" in text:
        return _unbound(pod, volumes, message)
    selected = chosen(pod, nodes)
    short = list(dict.fromkeys(name for _, name in _INSUFFICIENT.findall(text)))
    gpu = next((name for name in short if "/" in name), None)
    if gpu is not None:
        return _no_gpus(gpu, text, pod, selected, message)
    found = explain(SCHEDULING_FIRST[1:], text, message)
    if found is None and short:
        what = " and ".join(short)
        found = Diagnosis(f"no node has enough free {what}", message, f"ask for less {what}, or add a node")
    if found is None and nodes and pod.wishes is not None and pod.wishes.selector and _SELECTOR in text:
        found = _selector(pod.wishes, nodes, selected, message)
    # The scheduler asks in an order: a node that fails a later question has passed the earlier ones.
    found = found or explain(SCHEDULING, text, message) or _taint(text, selected, message)
    found = found or explain(SCHEDULING_LAST, text, message)
    return found or Diagnosis(text.strip(". ") or "no node takes it", message, "")


def chosen(pod: Pod, nodes: Sequence[NodeRow]) -> Sequence[NodeRow]:
    """The nodes its selector leaves."""
    if pod.wishes is None or not pod.wishes.selector:
        return nodes
    return [row for row in nodes if pod.wishes.selector.items() <= row.node.meta.labels.items()]


def _selector(wishes: Wishes, nodes: Sequence[NodeRow], selected: Sequence[NodeRow], message: str) -> Diagnosis | None:
    """What is wrong with the nodes that are selected, or that there is none; None where nothing can be seen on them."""
    if not selected:
        missing = [
            (key, value)
            for key, value in wishes.selector.items()
            if not any(row.node.meta.labels.get(key) == value for row in nodes)
        ]
        named = ", ".join(f"{key}={value}" for key, value in missing)
        cause = f"no node matches the node selector: none has {named or 'all of it'}"
        changes = [FieldChange(SELECTOR, f"{key}=", How.REMOVE) for key, _ in missing]
        fix = "correct the node selector, or label a node"
        return Diagnosis(cause, message, fix, tuple(changes) or (FieldChange(SELECTOR, how=How.VISIT),))
    found = next((told for row in selected if (told := _barred(row, wishes, message)) is not None), None)
    if found is None or len(selected) == 1:
        return found
    others = f"; the selector chooses {len(selected)} nodes, all of them barred"
    return replace(found, cause=f"{found.cause}{others}")


def _barred(row: NodeRow, wishes: Wishes, message: str) -> Diagnosis | None:
    """What bars a node that was selected."""
    name = f"{row.node.meta.name}, which the node selector chooses,"
    visit = (FieldChange(SELECTOR, how=How.VISIT),)
    repelling = [t for t in row.node.taints if t.effect in ("NoSchedule", "NoExecute")]
    taint = next((t for t in repelling if not any(tolerates(w, t) for w in wishes.tolerations)), None)
    if row.node.unschedulable:
        return Diagnosis(f"{name} is cordoned", message, "uncordon it, or choose another node", visit)
    if taint is not None and _OF_KUBERNETES.match(taint.key):
        how = taint.key.rpartition("/")[2].replace("-", " ")
        has = "has" if how.endswith("pressure") else "is"
        return Diagnosis(f"{name} {has} {how}", message, "look after that node, or choose another one", visit)
    if taint is not None:
        line = f"{taint.key}={taint.value}:{taint.effect}" if taint.value else f"{taint.key}:{taint.effect}"
        cause = f"{name} has the taint {line}, which is not tolerated"
        change = FieldChange(TOLERATIONS, line, How.ADD)
        return Diagnosis(cause, message, f"add the toleration {line}, or choose another node", (change,))
    if not row.node.ready:
        return Diagnosis(f"{name} is not ready", message, "look after that node, or choose another one", visit)
    return None


_NO_CLASS = re.compile(r'storageclass\S* "([^"]+)" not found')


def _unbound(pod: Pod, volumes: Sequence[Event], message: str) -> Diagnosis:
    """A claim without a volume: which, and what its provisioner said last."""
    told = next((event for event in reversed(volumes) if event.type == "Warning"), None) or next(
        iter(reversed(volumes)), None
    )
    claims = pod.wishes.claims if pod.wishes is not None else ()
    named = told.regarding_name if told is not None else ", ".join(claims)
    cause = f"its volume claim {named} is not bound" if named else "its volume claim is not bound"
    evidence = message
    if told is not None:
        none = _NO_CLASS.search(told.message)
        cause += f": there is no storage class {none[1]}" if none else f": {told.message}"
        evidence = f"{told.reason}: {told.message}"
    fix = "name an existing claim, or delete it and make it anew: the storage class of a claim cannot be changed"
    return Diagnosis(cause, evidence, fix, (FieldChange(CACHE_CLAIM, how=How.VISIT),))


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
    able = [row for row in fitting if row.node.ready and not row.node.unschedulable]
    usable = [(found.free, row.node.meta.name) for row in able if (found := row.resource(resource)) is not None]
    if not usable:
        return Diagnosis(f"no node offers {resource}" if fitting else f"no node has {what}", message, fix)
    most, best = max(usable)
    if most >= wanted:
        return Diagnosis(f"no node that fits otherwise has {what}", message, fix)
    free = sum(each for each, _ in usable)
    scattered = f"; {free} are free on different nodes" if free >= wanted else ""
    changes = (FieldChange(GPUS, str(most)),) if most else ()
    return Diagnosis(f"no node has {what} (best {best}: {most}){scattered}", message, fix, changes)


def _repels(row: NodeRow) -> bool:
    return any(taint.effect in ("NoSchedule", "NoExecute") for taint in row.node.taints)
