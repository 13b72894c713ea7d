"""Nodes and readings for the tests of the Cluster screen."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from genai_tui.domain.cluster import Condition, Meta, Node, Taint
from genai_tui.domain.monitoring import GpuReading, GpuReport
from genai_tui.domain.rows import GpuResource, NodeRow, Ref
from tests.fakes.services import NOW, FakeServices


def node(
    name: str,
    resource: str | None = "nvidia.com/gpu",
    total: int = 8,
    free: int = 0,
    *,
    product: str | None = "NVIDIA-H100-80GB-HBM3",
    **fields: object,
) -> NodeRow:
    """A node, ready unless `fields` say otherwise."""
    made = Node(Meta(name, created=NOW - timedelta(days=90)), **({"ready": True} | fields))  # type: ignore[arg-type]
    resources = (GpuResource(resource, total, free),) if resource is not None else ()
    held = total - free
    holders = ((Ref("team-a", "chat"), held),) if resource is not None and held else ()
    return NodeRow(
        made, resource, product, 81_559, total if resource else 0, free if resource else 0, holders, resources
    )


def gpu(index: int, busy: float | None = 0.5, **fields: object) -> GpuReading:
    """A reading of one GPU."""
    common = GpuReading(
        index=str(index),
        uuid=f"GPU-{index}",
        product="NVIDIA H100 80GB HBM3",
        busy=busy,
        memory_used=41_000.0,
        memory_total=81_559.0,
        celsius=61.0,
        watts=402.0,
        xid=0,
    )
    return replace(common, **fields)  # type: ignore[arg-type]


def mixed() -> FakeServices:
    """Every state and vendor a list may meet."""
    world = FakeServices()
    mig = (GpuResource("nvidia.com/mig-1g.10gb", 7, 3), GpuResource("nvidia.com/mig-3g.40gb", 2, 0))
    down = Condition("Ready", "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
    world.picture.node_rows = (
        node("amd-1", "amd.com/gpu", 8, 8, product="AMD-Instinct-MI300X"),
        node("cpu-1", None, product=None),
        node("gpu-1", free=2),
        node("gpu-2", free=0, taints=(Taint("dedicated", "research", "NoSchedule"),)),
        node("gpu-3", free=6, unschedulable=True),
        node("gpu-4", free=8, ready=False, conditions=(down,)),
        node("intel-1", "gpu.intel.com/i915", 2, 1, product=None),
        replace(node("mig-1", "nvidia.com/mig-1g.10gb", 7, 3, product="NVIDIA-A100-80GB"), resources=mig),
        node("shared-1", "nvidia.com/gpu.shared", 16, 4, product="NVIDIA-L4"),
    )
    world.monitor.gpu_report = GpuReport(
        NOW,
        {
            "gpu-1": tuple(gpu(i, 0.9 if i < 6 else 0.0) for i in range(8)),
            "gpu-2": (gpu(0, 0.2, xid=79, celsius=91.0, namespace="team-a", pod="chat-0"), gpu(1, None, watts=None)),
        },
        problems={"mig-1": "not permitted: get pods/proxy in gpu-operator"},
    )
    return world


def commanded() -> FakeServices:
    """No exporter: one node read by nvidia-smi in its pods, another where that is not permitted."""
    world = FakeServices()
    world.picture.node_rows = (node("gpu-1", free=6), node("gpu-2", free=4))
    held = {"xid": None, "namespace": "team-a", "pod": "chat-0"}
    why = "no data: no DCGM exporter on this node; nvidia-smi needs create pods/exec in team-b"
    note = "by nvidia-smi in its pods, numbered as each sees its own; GPUs that no pod holds are not read"
    gpus = (gpu(0, 0.4, **held), gpu(1, None, **held))
    world.monitor.gpu_report = GpuReport(NOW, {"gpu-1": gpus}, problems={"gpu-2": why}, notes={"gpu-1": note})
    return world


def scale(nodes: int = 500) -> FakeServices:
    """As many nodes, each as full and as busy as its number says; some are not well."""
    world = FakeServices()
    rows, readings = [], {}
    for number in range(nodes):
        name = f"gpu-{number:03d}"
        row = node(name, free=number % 9, ready=number % 83 != 7, unschedulable=number % 61 == 11)
        rows.append(row)
        if number % 29:
            xid = 79 if number % 97 == 5 else 0
            readings[name] = tuple(gpu(i, (number * 7 % 101) / 100, xid=xid) for i in range(8))
    world.picture.node_rows = tuple(rows)
    world.monitor.gpu_report = GpuReport(NOW, readings, again_s=25.0)
    return world
