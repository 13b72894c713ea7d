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
_NONE = Decimal(0)
_NAME_LABEL = "kubernetes.io/metadata.name"


@dataclass(slots=True)
class NodeState:
    """A node with what its pods leave free."""

    node: Object
    free: Amounts
    pods: list[Object] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The node's name."""
        return str(self.node["metadata"]["name"])

    @property
    def labels(self) -> Mapping[str, str]:
        """The node's labels."""
        return self.node["metadata"].get("labels") or {}


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a pod cannot go to a node; `lasting` when no other pod's going would help."""

    reasons: tuple[str, ...]
    lasting: bool = True


def requests(pod: Object) -> Amounts:
    """What a pod asks for: its containers together, or its largest init container; and one pod."""
    together = _sum(pod["spec"].get("containers") or ())
    largest: Amounts = {}
    for container in pod["spec"].get("initContainers") or ():
        asked = _sum([container])
        if container.get("restartPolicy") == "Always":
            together = _sum_of(together, asked)
        else:
            largest = {name: max(largest.get(name, _NONE), amount) for name, amount in (largest | asked).items()}
    total = {name: max(together.get(name, _NONE), largest.get(name, _NONE)) for name in {**together, **largest}}
    return {"pods": Decimal(1), **total}


def _sum(containers: Sequence[Object]) -> Amounts:
    total: Amounts = {}
    for container in containers:
        for name, amount in ((container.get("resources") or {}).get("requests") or {}).items():
            total[name] = total.get(name, _NONE) + parse_quantity(str(amount))
    return total


def _sum_of(one: Amounts, other: Amounts) -> Amounts:
    return {name: one.get(name, _NONE) + other.get(name, _NONE) for name in {**one, **other}}


def state_of(node: Object, pods: Sequence[Object]) -> NodeState:
    """A node and the pods bound to it that have not ended."""
    state = NodeState(node, allocatable(node))
    for pod in pods:
        take(state, pod)
    return state


def allocatable(node: Object) -> Amounts:
    """What a node offers in all."""
    return {name: parse_quantity(str(amount)) for name, amount in (node["status"].get("allocatable") or {}).items()}


def take(state: NodeState, pod: Object) -> None:
    """Count a pod on its node."""
    state.pods.append(pod)
    for name, amount in requests(pod).items():
        state.free[name] = state.free.get(name, _NONE) - amount


def schedule(pod: Object, states: Sequence[NodeState]) -> tuple[str | None, str]:
    """The node for a pod and an empty text; or None and the message of FailedScheduling."""
    if not states:
        return None, "no nodes available to schedule pods"
    obstacles = [(state, why_not(pod, state, states)) for state in states]
    fitting = [state for state, obstacle in obstacles if obstacle is None]
    if fitting:
        return max(fitting, key=lambda state: _score(pod, state, states)).name, ""
    return None, _refusal([obstacle for _, obstacle in obstacles if obstacle is not None])


def _refusal(obstacles: Sequence[Obstacle]) -> str:
    """The sentence: why each node refuses, and whether ending other pods would help (it never does here)."""
    total = len(obstacles)
    reasons = Counter(reason for obstacle in obstacles for reason in obstacle.reasons)
    helpless = Counter(
        "Preemption is not helpful for scheduling"
        if obstacle.lasting
        else "No preemption victims found for incoming pod"
        for obstacle in obstacles
    )
    head = f"0/{total} nodes are available: {_listed(reasons)}."
    return f"{head} no new claims to deallocate, preemption: 0/{total} nodes are available: {_listed(helpless)}."


def _listed(counts: Counter[str]) -> str:
    return ", ".join(sorted(f"{count} {reason}" for reason, count in counts.items()))


def why_not(pod: Object, state: NodeState, states: Sequence[NodeState]) -> Obstacle | None:
    """Why a pod cannot go to a node; filters before the resources give one reason each. None when it can."""
    node, spec = state.node, pod["spec"]
    if node["spec"].get("unschedulable") and not _bears_cordon(spec):
        return Obstacle(("node(s) were unschedulable",))
    if repels(spec.get("tolerations") or [], node, evicting_only=False):
        return Obstacle(("node(s) had untolerated taint(s)",))
    if not selects(spec, node):
        return Obstacle(("node(s) didn't match Pod's node affinity/selector",))
    short = [name for name, amount in requests(pod).items() if amount > state.free.get(name, _NONE)]
    if short:
        whole, asked = allocatable(node), requests(pod)
        texts = tuple("Too many pods" if name == "pods" else f"Insufficient {name}" for name in short)
        return Obstacle(texts, lasting=any(asked[name] > whole.get(name, _NONE) for name in short))
    return _affinity(pod, state, states)


def _bears_cordon(spec: Object) -> bool:
    taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    return any(tolerates(toleration, taint) for toleration in spec.get("tolerations") or ())


def repels(tolerations: Sequence[Object], node: Object, *, evicting_only: bool) -> bool:
    """Whether a taint of the node keeps the pod out (or, `evicting_only`, drives it out)."""
    keeping = ("NoExecute",) if evicting_only else ("NoExecute", "NoSchedule")
    taints = [taint for taint in node["spec"].get("taints") or () if taint["effect"] in keeping]
    return any(not any(tolerates(toleration, taint) for toleration in tolerations) for taint in taints)


def tolerates(toleration: Object, taint: Object) -> bool:
    """Whether a toleration covers a taint (core/v1 Toleration)."""
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("key") not in (None, "", taint["key"]):
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and toleration.get("value", "") == taint.get("value", "")


def selects(spec: Object, node: Object) -> bool:
    """Whether a pod's node selector and required node affinity choose the node."""
    labels: Mapping[str, str] = node["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    return any(_term_holds(term, node) for term in required.get("nodeSelectorTerms") or ())


def _term_holds(term: Object, node: Object) -> bool:
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    labels = node["metadata"].get("labels") or {}
    named = {"metadata.name": node["metadata"]["name"]}
    return all(expression_holds(e, labels) for e in expressions) and all(expression_holds(e, named) for e in fields)


def _affinity(pod: Object, state: NodeState, states: Sequence[NodeState]) -> Obstacle | None:
    affinity = pod["spec"].get("affinity") or {}
    for term in _required(affinity.get("podAffinity")):
        if not _near(pod, term, state, states) and not _first_of_its_kind(pod, term, state, states):
            return Obstacle(("node(s) didn't match pod affinity rules",))
    for term in _required(affinity.get("podAntiAffinity")):
        if _near(pod, term, state, states):
            return Obstacle(("node(s) didn't match pod anti-affinity rules",), lasting=False)
    if _refused_by_others(pod, state, states):
        return Obstacle(("node(s) didn't satisfy existing pods anti-affinity rules",), lasting=False)
    return None


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


def _first_of_its_kind(pod: Object, term: Object, state: NodeState, states: Sequence[NodeState]) -> bool:
    """A pod that matches its own term may start where no other does."""
    if _domain(state, term["topologyKey"]) is None or not _matches(pod, term, pod):
        return False
    return not any(_matches(pod, term, other) for near in states for other in near.pods)


def _refused_by_others(pod: Object, state: NodeState, states: Sequence[NodeState]) -> bool:
    """Whether a running pod's own anti-affinity keeps this one out."""
    for near in states:
        for other in near.pods:
            for term in _required((other["spec"].get("affinity") or {}).get("podAntiAffinity")):
                domain = _domain(near, term["topologyKey"])
                if domain is not None and domain == _domain(state, term["topologyKey"]) and _matches(other, term, pod):
                    return True
    return False


def _matches(pod: Object, term: Object, other: Object) -> bool:
    """Whether `other` is one the term of `pod` means."""
    namespace = other["metadata"].get("namespace")
    chosen = term.get("namespaceSelector")
    named = term.get("namespaces") or ([] if chosen is not None else [pod["metadata"].get("namespace")])
    if namespace not in named and not (chosen is not None and matches(chosen, {_NAME_LABEL: str(namespace)})):
        return False
    return matches(term.get("labelSelector"), other["metadata"].get("labels") or {})


def _domain(state: NodeState, key: str) -> str | None:
    return state.labels.get(key, state.name if key == "kubernetes.io/hostname" else None)


def _score(pod: Object, state: NodeState, states: Sequence[NodeState]) -> tuple[int, Decimal, Decimal, str]:
    """Preferences; then GPUs packed tightly, so that large blocks stay free; then the emptier node, the first name."""
    asked = requests(pod)
    gpu = next((name for name in asked if "/" in name), None)
    if gpu is not None:
        packed = -state.free.get(gpu, _NONE)
    else:
        # What needs no GPU keeps away from nodes that have them.
        packed = -sum((amount for name, amount in allocatable(state.node).items() if "/" in name), _NONE)
    inverted = "".join(chr(0x10FFFF - ord(c)) for c in state.name)
    return _preference(pod, state, states), packed, state.free.get("cpu", _NONE), inverted


def _preference(pod: Object, state: NodeState, states: Sequence[NodeState]) -> int:
    affinity = pod["spec"].get("affinity") or {}
    total = sum(
        term["weight"]
        for term in _preferred(affinity.get("nodeAffinity"))
        if _term_holds(term["preference"], state.node)
    )
    for side, sign in (("podAffinity", 1), ("podAntiAffinity", -1)):
        for weighted in _preferred(affinity.get(side)):
            if _near(pod, weighted["podAffinityTerm"], state, states):
                total += sign * int(weighted["weight"])
    for taint in state.node["spec"].get("taints") or ():
        if taint["effect"] == "PreferNoSchedule":
            total -= not any(tolerates(t, taint) for t in pod["spec"].get("tolerations") or ())
    return int(total)


def _preferred(side: Any) -> Sequence[Object]:  # noqa: ANN401
    found: Sequence[Object] = (side or {}).get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return found
