"""What a scale says before it is done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from genai_tui.domain.cluster import ContainerSpec, Meta, Node, Taint, Workload
from genai_tui.domain.deployment import DeploymentSpec
from genai_tui.domain.rows import GpuResource, NodeRow
from genai_tui.domain.scaling import scale_note

GPU = "nvidia.com/gpu"


def workload(replicas: int, gpus: int, resource: str = GPU) -> Workload:
    container = ContainerSpec("engine", "image", gpus={resource: gpus} if gpus else {})
    return Workload(Meta("chat", "team-a", "uid"), replicas, {}, containers=(container,))


def node(name: str, free: int, resource: str = GPU, *, ready: bool = True, cordoned: bool = False) -> NodeRow:
    found = Node(Meta(name, "", name), ready, cordoned)
    return NodeRow(found, resource, None, None, 8, free, resources=(GpuResource(resource, 8, free),))


def test_nodes_that_may_not_take_a_replica_hold_no_room() -> None:
    spec = DeploymentSpec.model_validate(
        {
            "model": "m",
            "endpoint": "e",
            "engine": {"type": "vllm", "image": "vllm/vllm-openai:v0.33.0"},
            "resources": {"cpu": "1", "memory": "1Gi", "gpu": 2},
            "advanced": {"nodeSelector": {"zone": "a"}},
        }
    )
    here = replace(node("a", 2), node=Node(Meta("a", labels={"zone": "a"}), True))
    tainted = replace(here, node=replace(here.node, taints=(Taint("gpu", "", "NoSchedule"),)))
    assert "2 free, room for 1 of 2" in scale_note(workload(1, 2), 3, (here, node("b", 8)), spec)
    assert scale_note(workload(1, 2), 3, (tainted, node("b", 8)), spec) == "2 more: no node may take one, they wait"


@pytest.mark.parametrize(
    ("now", "each", "wanted", "nodes", "said"),
    [
        (2, 1, 2, (), "as it is now"),
        (2, 2, 0, (), "stops it: 4 GPUs freed, requests fail"),
        (2, 0, 0, (), "stops it: requests fail"),
        (3, 2, 1, (), "2 fewer: 4 GPUs freed"),
        (1, 0, 3, (), "2 more"),
        (1, 2, 3, (), "2 more: needs 4 GPUs"),
        (1, 2, 3, (node("a", 4),), "2 more: needs 4 GPUs; 4 free"),
        # Four are free, but no replica spreads over nodes.
        (1, 3, 3, (node("a", 2), node("b", 2)), "needs 6 GPUs; 4 free, room for 0 of 2, the others wait"),
        (1, 2, 2, (node("a", 8, ready=False), node("b", 8, cordoned=True)), "0 free, room for 0 of 1"),
        (1, 2, 2, (node("a", 8, "amd.com/gpu"),), "0 free, room for 0 of 1"),
    ],
)
def test_what_is_said(now: int, each: int, wanted: int, nodes: tuple[NodeRow, ...], said: str) -> None:
    assert said in scale_note(workload(now, each), wanted, nodes)
