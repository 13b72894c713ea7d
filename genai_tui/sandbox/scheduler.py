"""Placing pods: pure functions from a pod and nodes to a node, or to the real scheduler's sentence on why not.

The filters and their order are those of kube-scheduler's default profile; texts as in its FailedScheduling events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from genai_tui.domain.quantities import parse_quantity
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.selectors import expression_holds, matches

Amounts = dict[str, Decimal]


@dataclass(slots=True)
class NodeState:
    """A node with what its pods hold."""

    node: Object
    free: Amounts
    pods: list[Object] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The node's name."""
        return str(self.node["metadata"]["name"])


def requests(pod: Object) -> Amounts:
    """What a pod asks for, summed over its containers; and one pod."""
    total: Amounts = {"pods": Decimal(1)}
    for container in pod["spec"].get("containers") or ():
        for name, amount in ((container.get("resources") or {}).get("requests") or {}).items():
            total[name] = total.get(name, Decimal(0)) + parse_quantity(str(amount))
    return total


def state_of(node: Object, pods: Sequence[Object]) -> NodeState:
    """A node and the pods bound to it that have not ended."""
    free = {k: parse_quantity(str(v)) for k, v in (node["status"].get("allocatable") or {}).items()}
    state = NodeState(node, free)
    for pod in pods:
        take(state, pod)
    return state


def take(state: NodeState, pod: Object) -> None:
    """Count a pod on its node."""
    state.pods.append(pod)
    for name, amount in requests(pod).items():
        state.free[name] = state.free.get(name, Decimal(0)) - amount


def schedule(pod: Object, states: Sequence[NodeState]) -> tuple[str | None, str]:
    """The node for a pod and an empty text; or None and the message of FailedScheduling."""
    if not states:
        return None, "no nodes available to schedule pods"
    reasons: Counter[str] = Counter()
    fitting: list[NodeState] = []
    for state in states:
        found = _why_not(pod, state, states)
        if found:
            reasons.update(found)
        else:
            fitting.append(state)
    if fitting:
        return max(fitting, key=lambda state: _score(pod, state)).name, ""
    listed = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
    head = f"0/{len(states)} nodes are available: {listed}."
    helpless = f"{len(states)} Preemption is not helpful for scheduling"
    return None, f"{head} no new claims to deallocate, preemption: 0/{len(states)} nodes are available: {helpless}."


def _score(pod: Object, state: NodeState) -> tuple[int, Decimal, str]:
    """Pack GPUs tightly, so that large blocks stay free; then the emptier node; then the first name."""
    gpu = next((name for name in requests(pod) if "/" in name), None)
    left = state.free.get(gpu, Decimal(0)) if gpu else Decimal(0)
    preferred = _preferred(pod, state)
    return preferred, -left if gpu else state.free.get("cpu", Decimal(0)), _reversed(state.name)


def _reversed(name: str) -> str:
    return "".join(chr(0x10FFFF - ord(c)) for c in name)


def _preferred(pod: Object, state: NodeState) -> int:
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    labels = state.node["metadata"].get("labels") or {}
    return sum(
        term["weight"]
        for term in affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        if all(expression_holds(e, labels) for e in term["preference"].get("matchExpressions") or ())
    )


def _why_not(pod: Object, state: NodeState, states: Sequence[NodeState]) -> list[str]:
    """Why a pod cannot go to a node; filters before the resources give one reason each."""
    node, spec = state.node, pod["spec"]
    if node["spec"].get("unschedulable"):
        return ["node(s) were unschedulable"]
    taint = _untolerated(spec.get("tolerations") or [], node["spec"].get("taints") or [])
    if taint is not None:
        return ["node(s) had untolerated taint(s)"]
    if not _selected(spec, node):
        return ["node(s) didn't match Pod's node affinity/selector"]
    short = [
        "Too many pods" if name == "pods" else f"Insufficient {name}"
        for name, amount in requests(pod).items()
        if amount > state.free.get(name, Decimal(0))
    ]
    if short:
        return short
    return _affinity(pod, state, states)


def _untolerated(tolerations: Sequence[Object], taints: Sequence[Object]) -> Object | None:
    for taint in taints:
        if taint["effect"] == "PreferNoSchedule":
            continue
        if not any(tolerates(toleration, taint) for toleration in tolerations):
            return taint
    return None


def tolerates(toleration: Object, taint: Object) -> bool:
    """Whether a toleration covers a taint (core/v1 Toleration)."""
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("key") not in (None, "", taint["key"]):
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and toleration.get("value", "") == taint.get("value", "")


def _selected(spec: Object, node: Object) -> bool:
    labels: Mapping[str, str] = node["metadata"].get("labels") or {}
    if any(labels.get(k) != v for k, v in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    return any(
        all(expression_holds(e, labels) for e in term.get("matchExpressions") or ())
        for term in required.get("nodeSelectorTerms") or ()
    )


def _affinity(pod: Object, state: NodeState, states: Sequence[NodeState]) -> list[str]:
    affinity = pod["spec"].get("affinity") or {}
    for term in _required(affinity.get("podAffinity")):
        if not _near(pod, term, state, states) and not _first_of_its_kind(pod, term, states):
            return ["node(s) didn't match pod affinity rules"]
    for term in _required(affinity.get("podAntiAffinity")):
        if _near(pod, term, state, states):
            return ["node(s) didn't match pod anti-affinity rules"]
    return []


def _required(side: Any) -> Sequence[Object]:  # noqa: ANN401
    found: Sequence[Object] = (side or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or ()
    return found


def _near(pod: Object, term: Object, state: NodeState, states: Sequence[NodeState]) -> bool:
    """Whether a pod that matches runs in the same topology domain."""
    key = term["topologyKey"]
    domain = _domain(state, key)
    if domain is None:
        return False
    return any(_matches(pod, term, other) for near in states if _domain(near, key) == domain for other in near.pods)


def _first_of_its_kind(pod: Object, term: Object, states: Sequence[NodeState]) -> bool:
    """A pod that matches its own term may start where no other does."""
    if not matches(term.get("labelSelector"), pod["metadata"].get("labels") or {}):
        return False
    return not any(_matches(pod, term, other) for state in states for other in state.pods)


def _matches(pod: Object, term: Object, other: Object) -> bool:
    namespaces = term.get("namespaces") or [pod["metadata"].get("namespace")]
    if other["metadata"].get("namespace") not in namespaces:
        return False
    return matches(term.get("labelSelector"), other["metadata"].get("labels") or {})


def _domain(state: NodeState, key: str) -> str | None:
    labels: Mapping[str, str] = state.node["metadata"].get("labels") or {}
    return labels.get(key, state.name if key == "kubernetes.io/hostname" else None)
