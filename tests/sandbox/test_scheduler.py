"""The scheduler as pure functions: it never gives what is not there, and accounts for every node it refuses."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genai_tui.sandbox.nodes import A100, H100, L4, node
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.scheduler import NodeState, allocatable, requests, schedule, state_of, take

STAMP = "2026-11-23T09:00:00Z"
ZONES = ("a", "b")
TAINT = {"key": "dedicated", "value": "research", "effect": "NoSchedule"}


@st.composite
def nodes(draw: st.DrawFn) -> list[Object]:
    found = []
    for number in range(draw(st.integers(1, 6))):
        gpu = draw(st.sampled_from([None, H100, A100, L4]))
        taints = [TAINT] if draw(st.booleans()) and draw(st.booleans()) else []
        zone = {"topology.kubernetes.io/zone": draw(st.sampled_from(ZONES))}
        item = node(
            f"n{number}", gpu, draw(st.integers(1, 8)), STAMP, cpu=draw(st.integers(1, 16)), taints=taints, labels=zone
        )
        item["status"]["allocatable"]["pods"] = str(draw(st.integers(1, 5)))
        if draw(st.integers(0, 5)) == 0:
            item["spec"]["unschedulable"] = True
        found.append(item)
    return found


def term(**labels: str) -> Object:
    return {"labelSelector": {"matchLabels": labels}, "topologyKey": "topology.kubernetes.io/zone"}


@st.composite
def pods(draw: st.DrawFn) -> list[Object]:
    found = []
    for number in range(draw(st.integers(1, 12))):
        amounts = {"cpu": f"{draw(st.integers(100, 9000))}m", "memory": f"{draw(st.integers(1, 300))}Gi"}
        if draw(st.booleans()):
            amounts["nvidia.com/gpu"] = str(draw(st.integers(1, 8)))
        app = draw(st.sampled_from(["chat", "embed"]))
        spec: Object = {"containers": [{"name": "c", "resources": {"requests": amounts}}]}
        if draw(st.booleans()):
            spec["tolerations"] = [{"key": "dedicated", "operator": "Exists"}]
        if draw(st.integers(0, 3)) == 0:
            spec["nodeSelector"] = {"nvidia.com/gpu.product": draw(st.sampled_from([H100.product, L4.product]))}
        side = draw(st.sampled_from([None, None, "podAffinity", "podAntiAffinity"]))
        if side:
            required = {
                "requiredDuringSchedulingIgnoredDuringExecution": [term(app=draw(st.sampled_from(["chat", "embed"])))]
            }
            spec["affinity"] = {side: required}
        if draw(st.integers(0, 3)) == 0:
            big = {"cpu": f"{draw(st.integers(100, 20000))}m"}
            spec["initContainers"] = [{"name": "i", "resources": {"requests": big}}]
        found.append({"metadata": {"name": f"p{number}", "namespace": "team-a", "labels": {"app": app}}, "spec": spec})
    return found


def place(
    given_nodes: list[Object], given_pods: list[Object]
) -> tuple[list[NodeState], list[tuple[Object, str | None, str]]]:
    states = [state_of(item, ()) for item in given_nodes]
    outcomes = []
    for pod in given_pods:
        name, message = schedule(pod, states)
        outcomes.append((pod, name, message))
        if name is not None:
            take(next(state for state in states if state.name == name), pod)
    return states, outcomes


@settings(max_examples=300)
@given(nodes(), pods())
def test_no_node_is_ever_given_more_than_it_has(given_nodes: list[Object], given_pods: list[Object]) -> None:
    states, _ = place(given_nodes, given_pods)
    for state in states:
        whole = allocatable(state.node)
        for name in {name for pod in state.pods for name in requests(pod)}:
            held = sum((requests(pod).get(name, Decimal(0)) for pod in state.pods), Decimal(0))
            assert held <= whole.get(name, Decimal(0))
        assert all(amount >= 0 for amount in state.free.values())


@settings(max_examples=300)
@given(nodes(), pods())
def test_a_refusal_accounts_for_every_node(given_nodes: list[Object], given_pods: list[Object]) -> None:
    _, outcomes = place(given_nodes, given_pods)
    total = len(given_nodes)
    for _, name, message in outcomes:
        assert (name is None) == bool(message)
        if name is not None:
            continue
        match = re.fullmatch(
            rf"0/{total} nodes are available: (.+)\. no new claims to deallocate, preemption: "
            rf"0/{total} nodes are available: (.+)\.",
            message,
        )
        assert match is not None, message
        why, helpless = counts(match[1]), counts(match[2])
        # Every node refuses for one reason, but for resources it names each that is short.
        short = [
            count for reason, count in why.items() if reason.startswith("Insufficient") or reason == "Too many pods"
        ]
        others = sum(why.values()) - sum(short)
        assert others + max(short, default=0) <= total <= others + sum(short)
        assert sum(helpless.values()) == total


def counts(text: str) -> dict[str, int]:
    return {reason: int(count) for count, reason in (part.split(" ", 1) for part in text.split(", "))}


@settings(max_examples=200)
@given(nodes(), pods())
def test_who_is_placed_is_where_it_may_be(given_nodes: list[Object], given_pods: list[Object]) -> None:
    states, outcomes = place(given_nodes, given_pods)
    by_name = {state.name: state for state in states}
    for pod, name, _ in outcomes:
        if name is None:
            continue
        item, spec = by_name[name].node, pod["spec"]
        assert not item["spec"].get("unschedulable")
        assert not item["spec"].get("taints") or spec.get("tolerations")
        for key, value in (spec.get("nodeSelector") or {}).items():
            assert item["metadata"]["labels"][key] == value
    for state in states:
        zone = state.labels["topology.kubernetes.io/zone"]
        for pod in state.pods:
            for anti in required(pod, "podAntiAffinity"):
                wanted = anti["labelSelector"]["matchLabels"]["app"]
                near = [
                    p for s in states if s.labels["topology.kubernetes.io/zone"] == zone for p in s.pods if p is not pod
                ]
                assert all(p["metadata"]["labels"]["app"] != wanted for p in near)


def required(pod: Object, side: str) -> list[Any]:
    affinity = (pod["spec"].get("affinity") or {}).get(side) or {}
    return list(affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ())


def gpu_pod(count: int, **spec: Any) -> Object:
    asked = {"requests": {"nvidia.com/gpu": str(count)}}
    return {
        "metadata": {"name": "p", "namespace": "a", "labels": {}},
        "spec": {"containers": [{"name": "c", "resources": asked}], **spec},
    }


def test_the_real_schedulers_sentence() -> None:
    states = [state_of(node(f"n{i}", H100, 4, STAMP, taints=[TAINT] if i == 0 else []), ()) for i in range(6)]
    _, message = schedule(gpu_pod(8), states)
    assert message == (
        "0/6 nodes are available: 1 node(s) had untolerated taint(s), 5 Insufficient nvidia.com/gpu. no new claims to "
        "deallocate, preemption: 0/6 nodes are available: 6 Preemption is not helpful for scheduling."
    )


@pytest.mark.parametrize(("taken", "wanted", "expected"), [((2, 0), 2, "n0"), ((3, 1), 1, "n0"), ((3, 1), 2, "n1")])
def test_gpus_are_packed_so_that_large_blocks_stay_free(taken: tuple[int, int], wanted: int, expected: str) -> None:
    states = [state_of(node(f"n{i}", H100, 4, STAMP), [gpu_pod(held)] if held else []) for i, held in enumerate(taken)]
    assert schedule(gpu_pod(wanted), states)[0] == expected


def test_preferences_outweigh_packing() -> None:
    states = [state_of(node(f"n{i}", gpu, 4, STAMP), ()) for i, gpu in enumerate((L4, H100))]
    preference = {
        "weight": 50,
        "preference": {
            "matchExpressions": [{"key": "nvidia.com/gpu.product", "operator": "In", "values": [H100.product]}]
        },
    }
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preference]}}
    assert schedule(gpu_pod(1, affinity=affinity), states)[0] == "n1"
    assert schedule(gpu_pod(1), states)[0] == "n0"
