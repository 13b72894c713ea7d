"""Simulated GPU nodes, labelled as NVIDIA's feature discovery labels real ones; and what their GPUs report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

from genai_tui.domain.naming import GROUP
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.prometheus import header, labelled

SIMULATED_LABEL = f"{GROUP}/simulated"


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU model: product label, memory in MiB, power limit in watts, family."""

    product: str
    memory: int
    watts: int
    family: str


H100 = Gpu("NVIDIA-H100-80GB-HBM3", 81_559, 700, "hopper")
A100 = Gpu("NVIDIA-A100-SXM4-80GB", 81_920, 400, "ampere")
L4 = Gpu("NVIDIA-L4", 23_034, 72, "ada-lovelace")


def node(
    name: str,
    gpu: Gpu | None,
    count: int,
    stamp: str,
    *,
    cpu: int = 64,
    memory: str = "512Gi",
    taints: Sequence[Object] = (),
) -> Object:
    """A ready node with `count` GPUs."""
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
        "node-role.kubernetes.io/worker": "",
        SIMULATED_LABEL: "true",
    }
    amounts = {"cpu": str(cpu), "memory": memory, "pods": "110", "ephemeral-storage": "2Ti"}
    if gpu is not None:
        amounts["nvidia.com/gpu"] = str(count)
        labels |= {
            "nvidia.com/gpu.present": "true",
            "nvidia.com/gpu.product": gpu.product,
            "nvidia.com/gpu.memory": str(gpu.memory),
            "nvidia.com/gpu.count": str(count),
            "nvidia.com/gpu.family": gpu.family,
            "nvidia.com/cuda.driver.major": "570",
            "nvidia.com/mig.strategy": "none",
        }
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
        "lastHeartbeatTime": stamp,
        "lastTransitionTime": stamp,
    }
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": labels, "creationTimestamp": stamp},
        "spec": {"providerID": f"sandbox://{name}", **({"taints": list(taints)} if taints else {})},
        "status": {
            "capacity": amounts,
            "allocatable": dict(amounts),
            "conditions": [condition],
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}],
            "nodeInfo": {
                "kubeletVersion": "v1.36.2+genai-tui.sandbox",
                "osImage": "genai-tui sandbox (simulated)",
                "kernelVersion": "simulated",
                "containerRuntimeVersion": "simulated://1",
                "architecture": "amd64",
                "operatingSystem": "linux",
            },
        },
    }


@dataclass(frozen=True, slots=True)
class GpuUse:
    """One GPU at one moment: who has it, how busy it is (0 to 1), memory used in MiB."""

    index: int
    namespace: str
    pod: str
    container: str
    busy: float
    used: int


def uuid_of(name: str, index: int) -> str:
    """A stable UUID for a simulated GPU."""
    import uuid

    return f"GPU-{uuid.uuid5(uuid.NAMESPACE_DNS, f'{name}.{index}')}"


def dcgm_app(item: Object, uses: Callable[[str], Sequence[GpuUse]]) -> ASGIApp:
    """The DCGM exporter of a node: names, units and labels of the real one."""

    async def app(scope: object, receive: object, send: object) -> None:
        request = Request(scope)  # type: ignore[arg-type]
        response: Response = PlainTextResponse("Not Found", 404)
        if request.url.path == "/metrics":
            response = PlainTextResponse(dcgm_text(item, uses(item["metadata"]["name"])))
        await response(scope, receive, send)  # type: ignore[arg-type]

    return app


def dcgm_text(item: Object, uses: Sequence[GpuUse]) -> str:
    """What the exporter exposes."""
    labels, name = item["metadata"]["labels"], item["metadata"]["name"]
    memory = int(labels.get("nvidia.com/gpu.memory", "0"))
    product = labels.get("nvidia.com/gpu.product", "")
    watts = next((gpu.watts for gpu in (H100, A100, L4) if gpu.product == product), 300)
    series: tuple[tuple[str, str, Callable[[GpuUse], float]], ...] = (
        ("DCGM_FI_DEV_GPU_UTIL", "GPU utilization (in %).", lambda use: round(100 * use.busy)),
        ("DCGM_FI_DEV_FB_USED", "Framebuffer memory used (in MiB).", lambda use: use.used),
        ("DCGM_FI_DEV_FB_FREE", "Framebuffer memory free (in MiB).", lambda use: memory - use.used - 512),
        ("DCGM_FI_DEV_FB_RESERVED", "Framebuffer memory reserved (in MiB).", lambda use: 512),
        ("DCGM_FI_DEV_GPU_TEMP", "GPU temperature (in C).", lambda use: round(32 + 38 * use.busy)),
        ("DCGM_FI_DEV_POWER_USAGE", "Power draw (in W).", lambda use: round(watts * (0.12 + 0.8 * use.busy), 1)),
        ("DCGM_FI_DEV_XID_ERRORS", "Value of the last XID error encountered.", lambda use: 0),
    )
    lines: list[str] = []
    for metric, text, value in series:
        lines += header(metric, "gauge", text)
        for use in uses:
            own = {
                "gpu": str(use.index),
                "UUID": uuid_of(name, use.index),
                "pci_bus_id": f"00000000:{use.index + 1:02X}:00.0",
                "device": f"nvidia{use.index}",
                "modelName": product.replace("-", " "),
                "Hostname": name,
                "container": use.container,
                "namespace": use.namespace,
                "pod": use.pod,
            }
            lines.append(f"{metric}{labelled(own)} {value(use)}")
    return "\n".join(lines) + "\n"


def smi_text(item: Object, uses: Sequence[GpuUse], *, query: str | None) -> str:
    """`nvidia-smi`, or its `--query-gpu=... --format=csv,noheader,nounits` form."""
    labels, name = item["metadata"]["labels"], item["metadata"]["name"]
    memory, product = labels.get("nvidia.com/gpu.memory", "0"), labels.get("nvidia.com/gpu.product", "")
    rows = []
    for use in uses:
        known = {
            "index": str(use.index),
            "name": product.replace("-", " "),
            "uuid": uuid_of(name, use.index),
            "utilization.gpu": str(round(100 * use.busy)),
            "memory.used": str(use.used),
            "memory.total": memory,
            "temperature.gpu": str(round(32 + 38 * use.busy)),
        }
        if query is not None:
            rows.append(", ".join(known.get(column.strip(), "[Not Supported]") for column in query.split(",")))
        else:
            used = f"{known['memory.used']}MiB / {memory}MiB"
            rows.append(
                f"|  {use.index}  {known['name']:<28} {known['temperature.gpu']}C   {used:>22}   {known['utilization.gpu']}% |"
            )
    head = [] if query is not None else ["NVIDIA-SMI (simulated)   Driver 570.124.06   CUDA 12.8"]
    return "\n".join([*head, *rows]) + "\n"
