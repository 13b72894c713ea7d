"""Simulated GPU nodes, labelled as NVIDIA's feature discovery labels real ones.

https://github.com/NVIDIA/k8s-device-plugin/tree/main/docs/gpu-feature-discovery
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from genai_tui.domain.naming import GROUP
from genai_tui.sandbox.objects import Object

SIMULATED_LABEL = f"{GROUP}/simulated"
DRIVER = "570.124.06"
CUDA = "12.8"


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU model: product label, memory in MiB, power limit in watts, family, clocks in MHz, compute capability."""

    product: str
    memory: int
    watts: int
    family: str
    sm_clock: int
    memory_clock: int
    compute: str

    @property
    def name(self) -> str:
        """The name the driver gives it."""
        return self.product.replace("-", " ")


H100 = Gpu("NVIDIA-H100-80GB-HBM3", 81_559, 700, "hopper", 1980, 2619, "9.0")
A100 = Gpu("NVIDIA-A100-SXM4-80GB", 81_920, 400, "ampere", 1410, 1593, "8.0")
L4 = Gpu("NVIDIA-L4", 23_034, 72, "ada-lovelace", 2040, 6251, "8.9")
GPUS = (H100, A100, L4)


def gpu_of(node: Object) -> Gpu | None:
    """The GPU model of a node; None when it has none."""
    product = (node["metadata"].get("labels") or {}).get("nvidia.com/gpu.product")
    return next((gpu for gpu in GPUS if gpu.product == product), None)


def uuid_of(node: str, index: int) -> str:
    """A stable UUID for a simulated GPU."""
    return f"GPU-{uuid.uuid5(uuid.NAMESPACE_DNS, f'{node}.{index}')}"


_CONDITIONS = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


def healthy_conditions(since: str, now: str) -> list[Object]:
    """The conditions of a node that is well since `since`."""
    return [
        {
            "type": kind,
            "status": status,
            "lastHeartbeatTime": now,
            "lastTransitionTime": since,
            "reason": reason,
            "message": message,
        }
        for kind, status, reason, message in _CONDITIONS
    ]


def node(
    name: str,
    gpu: Gpu | None,
    count: int,
    stamp: str,
    *,
    cpu: int = 64,
    memory: str = "512Gi",
    taints: Sequence[Object] = (),
    labels: Object | None = None,
) -> Object:
    """A ready node with `count` GPUs."""
    found = {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/hostname": name,
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
        "node-role.kubernetes.io/worker": "",
        SIMULATED_LABEL: "true",
    }
    amounts = {"cpu": str(cpu), "memory": memory, "pods": "110", "ephemeral-storage": "2Ti"}
    if gpu is not None:
        amounts["nvidia.com/gpu"] = str(count)
        found |= _discovered(gpu, count)
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": found | (labels or {}), "creationTimestamp": stamp},
        "spec": {"providerID": f"sandbox://{name}", **({"taints": list(taints)} if taints else {})},
        "status": {
            "capacity": amounts,
            "allocatable": dict(amounts),
            "conditions": healthy_conditions(stamp, stamp),
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "machineID": uuid.uuid5(uuid.NAMESPACE_DNS, name).hex,
                "systemUUID": str(uuid.uuid5(uuid.NAMESPACE_DNS, name)),
                "bootID": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.boot")),
                "kubeletVersion": "v1.36.2+genai-tui.sandbox",
                "kubeProxyVersion": "",
                "osImage": "genai-tui sandbox (simulated)",
                "kernelVersion": "simulated",
                "containerRuntimeVersion": "simulated://1",
                "architecture": "amd64",
                "operatingSystem": "linux",
            },
        },
    }


def _discovered(gpu: Gpu, count: int) -> Object:
    major, minor = gpu.compute.split(".")
    driver, cuda = DRIVER.split("."), CUDA.split(".")
    return {
        "feature.node.kubernetes.io/pci-10de.present": "true",
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.product": gpu.product,
        "nvidia.com/gpu.memory": str(gpu.memory),
        "nvidia.com/gpu.count": str(count),
        "nvidia.com/gpu.replicas": "1",
        "nvidia.com/gpu.family": gpu.family,
        "nvidia.com/gpu.compute.major": major,
        "nvidia.com/gpu.compute.minor": minor,
        "nvidia.com/cuda.driver.major": driver[0],
        "nvidia.com/cuda.driver.minor": driver[1],
        "nvidia.com/cuda.driver.rev": driver[2],
        "nvidia.com/cuda.driver-version.full": DRIVER,
        "nvidia.com/cuda.runtime.major": cuda[0],
        "nvidia.com/cuda.runtime.minor": cuda[1],
        "nvidia.com/mig.capable": str(gpu.family in ("hopper", "ampere")).lower(),
        "nvidia.com/mig.strategy": "none",
    }
