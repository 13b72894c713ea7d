"""What the scheduler says of a pod that has no place, in plain words.

The sentences are those of kube-scheduler: "0/6 nodes are available: 1 node(s) had untolerated taint {key: value}, 5
Insufficient nvidia.com/gpu." (pkg/scheduler/framework, FitError). Counts are of nodes, not of GPUs, so that which node
comes closest is read from the nodes themselves where they may be listed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from genai_tui.domain.cluster import Pod
from genai_tui.domain.rows import NodeRow

_PREEMPTION = re.compile(r"[ .]*(preemption:|no new claims to deallocate).*", re.DOTALL)
_INSUFFICIENT = re.compile(r"(\d+) Insufficient ([\w./-]*\w)")
_TAINT = re.compile(r"untolerated taint(?:\(s\)| \{([^}]*)\})")
_CLAIM = re.compile(r'persistentvolumeclaim "([^"]+)" not found')
_SAID: tuple[tuple[str, str, str], ...] = (
    ("volume node affinity conflict", "its volume is bound to another node or zone", "use a volume it can reach"),
    ("unbound immediate PersistentVolumeClaims", "its volume claim is not bound", "check its storage class and size"),
    ("Too many pods", "the nodes that fit hold as many pods as they may", "add a node"),
    ("node affinity/selector", "no node matches the node selector", "correct the node selector, or label a node"),
    ("node selector", "no node matches the node selector", "correct the node selector, or label a node"),
)
_SAID_LAST: tuple[tuple[str, str, str], ...] = (
    ("pod anti-affinity", "every fitting node has a pod it must stay away from", "relax the pod anti-affinity"),
    ("pod affinity", "no node satisfies the pod affinity", "relax the pod affinity"),
    ("unschedulable", "the nodes that fit are cordoned", "uncordon a node"),
)


def brief(message: str) -> str:
    """The scheduler's sentence without what it says of preemption, which tells an operator nothing."""
    return _PREEMPTION.sub("", message).strip()


def explain_unschedulable(message: str, pod: Pod, nodes: Sequence[NodeRow]) -> tuple[str, str | None]:
    """The cause and what to do. Names the node that comes closest for GPUs."""
    text = brief(message)
    claim = _CLAIM.search(text)
    if claim:
        return f"the volume claim {claim[1]} does not exist", f"create the claim {claim[1]}"
    short = list(dict.fromkeys(name for _, name in _INSUFFICIENT.findall(text)))
    gpu = next((name for name in short if "/" in name), None)
    if gpu is not None and "unbound immediate" not in text:
        return _no_gpus(gpu, text, pod, nodes), f"ask for fewer {gpu}, stop an idle deployment, or add a node"
    found = _first(_SAID[:3], text)
    if found is None and short:
        found = f"no node has enough free {' and '.join(short)}", f"ask for less {' and '.join(short)}, or add a node"
    found = found or _first(_SAID[3:], text) or _taint(text) or _first(_SAID_LAST, text)
    return found or (text.strip(". ") or "no node takes it", None)


def _first(said: Sequence[tuple[str, str, str]], text: str) -> tuple[str, str] | None:
    return next(((cause, fix) for part, cause, fix in said if part in text), None)


def _taint(text: str) -> tuple[str, str] | None:
    taint = _TAINT.search(text)
    if taint is None:
        return None
    named = f" {taint[1]}" if taint[1] else ""
    return f"every fitting node has a taint{named} that is not tolerated", "add a toleration for the taint"


def _no_gpus(resource: str, text: str, pod: Pod, nodes: Sequence[NodeRow]) -> str:
    wanted = sum(container.gpus.get(resource, 0) for container in pod.containers)
    named = f"free GPU{'s' if wanted != 1 else ''}" if resource == "nvidia.com/gpu" else f"free {resource}"
    what = f"{wanted} {named}"
    # The scheduler has told how many nodes repel the pod; those that repel anything are the likely ones.
    fitting = [row for row in nodes if not (_repels(row) and "untolerated taint" in text)]
    usable = [row for row in fitting if row.gpu_resource == resource and row.node.ready and not row.node.unschedulable]
    if not usable:
        return f"no node offers {resource}" if fitting else f"no node has {what}"
    best = max(usable, key=lambda row: (row.gpu_free, row.node.meta.name))
    if best.gpu_free >= wanted:
        return f"no node that fits otherwise has {what}"
    return f"no node has {what} (best {best.node.meta.name}: {best.gpu_free})"


def _repels(row: NodeRow) -> bool:
    return any(taint.effect in ("NoSchedule", "NoExecute") for taint in row.node.taints)
