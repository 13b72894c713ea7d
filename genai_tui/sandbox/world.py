"""The simulated cluster as one thing: store, API, scheduler, controllers, kubelets, GPUs, on one clock."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import datetime

from starlette.applications import Starlette
from starlette.types import ASGIApp

from genai_tui.domain.quantities import parse_quantity
from genai_tui.sandbox import registry
from genai_tui.sandbox.apiserver import create_app
from genai_tui.sandbox.authz import Authz, Identity, default_rbac
from genai_tui.sandbox.clock import Clock, Timer
from genai_tui.sandbox.controllers import Controllers
from genai_tui.sandbox.engine import Engine
from genai_tui.sandbox.events import Recorder
from genai_tui.sandbox.faults import Faults
from genai_tui.sandbox.kubelet import Kubelet
from genai_tui.sandbox.nodes import GpuUse, dcgm_app, smi_text
from genai_tui.sandbox.objects import Change, Object, Objects
from genai_tui.sandbox.scheduler import schedule, state_of, take
from genai_tui.sandbox.verbs import ENDED, Api

DCGM_APP = "nvidia-dcgm-exporter"
ADMIN = Identity("sandbox-admin", ("system:masters",))
OPERATOR = Identity("sandbox-operator", ("operators",))
VIEWER = Identity("sandbox-viewer", ("viewers",))


class World:
    """A cluster. Without an engine pods become ready and refuse requests, saying why."""

    def __init__(
        self, *, engine: Engine | None = None, start: datetime | None = None, seed: int = 0, first_version: int = 1000
    ) -> None:
        self.clock = Clock(start)
        self.objects = Objects(first_version=first_version)
        self.api = Api(self.objects, self.clock, seed=seed)
        self.faults = Faults()
        self.authz = Authz(self.objects, {})
        self.record = Recorder(self.api)
        self.controllers = Controllers(self.api, self.record)
        self.kubelet = Kubelet(self.api, self.record, engine)
        self.kubelet.other_apps = self._other_app
        self.kubelet.other_exec = self._other_exec
        self._scheduling: Timer | None = None
        self.objects.subscribe(self._changed)

    def app(self) -> Starlette:
        """The API server of this cluster."""
        return create_app(self.api, self.kubelet, self.authz, self.faults, self.clock)

    def populate(self) -> None:
        """What every new cluster has: namespaces, roles, a storage class."""
        for name in ("default", "kube-system"):
            self.api.create(registry.NAMESPACES, "", {"metadata": {"name": name}})
        for resource, item in default_rbac():
            self.api.create(resource, "", item)
        self.api.create(
            registry.STORAGE_CLASSES,
            "",
            {"metadata": {"name": "standard"}, "provisioner": "sandbox.genai-tui.dev", "reclaimPolicy": "Delete"},
        )

    def resume(self) -> None:
        """Go on with restored objects."""
        self.controllers.adopt_all()
        self.kubelet.adopt_all()
        self._schedule_soon()

    # -- scheduling ---------------------------------------------------------------------------------------------

    def _changed(self, change: Change) -> None:
        if change.resource is registry.PODS:
            waiting = change.type == "ADDED" and not change.object["spec"].get("nodeName")
            ended = change.type == "DELETED" or change.object.get("status", {}).get("phase") in ENDED
            if waiting or ended:
                self._schedule_soon()
        elif change.resource is registry.NODES or change.resource is registry.CLAIMS:
            self._schedule_soon()

    def _schedule_soon(self) -> None:
        if self._scheduling is None:
            self._scheduling = self.clock.call_later(0.3, self._schedule)

    def _schedule(self) -> None:
        self._scheduling = None
        pods = self.objects.list(registry.PODS)
        waiting = [p for p in pods if not p["spec"].get("nodeName") and not p["metadata"].get("deletionTimestamp")]
        if not waiting:
            return
        bound: dict[str, list[Object]] = {}
        for pod in pods:
            if pod["spec"].get("nodeName") and pod.get("status", {}).get("phase") not in ENDED:
                bound.setdefault(pod["spec"]["nodeName"], []).append(pod)
        nodes = [node for node in self.objects.list(registry.NODES) if _node_ready(node)]
        states = [state_of(node, bound.get(node["metadata"]["name"], ())) for node in nodes]
        for pod in sorted(waiting, key=lambda p: (p["metadata"]["creationTimestamp"], p["metadata"]["name"])):
            problem = self._claim_problem(pod)
            name, message = (None, problem) if problem else schedule(pod, states)
            if name is None:
                self._unschedulable(pod, message)
            else:
                self._bind(pod, name)
                take(next(state for state in states if state.name == name), pod)

    def _claim_problem(self, pod: Object) -> str:
        for volume in pod["spec"].get("volumes") or ():
            claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            if claim is None:
                continue
            found = self.objects.get(registry.CLAIMS, pod["metadata"]["namespace"], claim)
            total = len(self.objects.list(registry.NODES))
            if found is None:
                return f'0/{total} nodes are available: persistentvolumeclaim "{claim}" not found. not found.'
            if found.get("status", {}).get("phase") != "Bound":
                return f"0/{total} nodes are available: pod has unbound immediate PersistentVolumeClaims. not found."
        return ""

    def _bind(self, pod: Object, node: str) -> None:
        meta = pod["metadata"]
        changed = copy.deepcopy(pod)
        changed["spec"]["nodeName"] = node
        stamp = self.clock.stamp()
        condition = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": stamp}
        changed["status"] = changed.get("status", {}) | {"conditions": [condition]}
        text = f"Successfully assigned {meta['namespace']}/{meta['name']} to {node}"
        self.record(pod, "Normal", "Scheduled", text, "default-scheduler")
        self.objects.put(registry.PODS, changed)

    def _unschedulable(self, pod: Object, message: str) -> None:
        known = next((c for c in pod.get("status", {}).get("conditions") or () if c["type"] == "PodScheduled"), None)
        if known is not None and known.get("message") == message:
            return
        self.record(pod, "Warning", "FailedScheduling", message, "default-scheduler")
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastProbeTime": None,
            "lastTransitionTime": (known or {}).get("lastTransitionTime", self.clock.stamp()),
        }
        status = pod.get("status", {}) | {"phase": "Pending", "conditions": [condition]}
        meta = pod["metadata"]
        self.api.update_status(registry.PODS, meta["namespace"], meta["name"], status, manager="kube-scheduler")

    # -- GPUs ---------------------------------------------------------------------------------------------------

    def gpu_uses(self, node_name: str) -> Sequence[GpuUse]:
        """Each GPU of a node with the pod that has it; memory as engines reserve it, busy while they answer."""
        node = self.objects.get(registry.NODES, "", node_name)
        if node is None:
            return ()
        labels = node["metadata"].get("labels") or {}
        memory = int(labels.get("nvidia.com/gpu.memory", "0"))
        uses: list[GpuUse] = []
        for pod in self.objects.list(registry.PODS):
            if pod["spec"].get("nodeName") != node_name or pod.get("status", {}).get("phase") in ENDED:
                continue
            for container in pod["spec"]["containers"]:
                limits = (container.get("resources") or {}).get("limits") or {}
                for _ in range(int(parse_quantity(str(limits.get("nvidia.com/gpu", "0"))))):
                    uses.append(self._gpu_use(len(uses), pod, container["name"], memory))
        total = int(node["status"]["allocatable"].get("nvidia.com/gpu", "0"))
        idle = [GpuUse(i, "", "", "", 0.0, 4) for i in range(len(uses), total)]
        return [*uses, *idle]

    def _gpu_use(self, index: int, pod: Object, container: str, memory: int) -> GpuUse:
        run = self.kubelet.run_of(pod)
        found = run.containers.get(container) if run is not None else None
        shim = found.shim if found is not None else None
        serving = shim is not None and shim.up
        busy = 0.87 if serving and shim is not None and shim.metrics.running else 0.0
        used = int(memory * 0.9) if serving else 4
        meta = pod["metadata"]
        return GpuUse(index, meta["namespace"], meta["name"], container, busy, used)

    def _other_app(self, pod: Object, port: int) -> ASGIApp | None:
        if port != 9400 or (pod["metadata"].get("labels") or {}).get("app") != DCGM_APP:
            return None
        node = self.objects.get(registry.NODES, "", pod["spec"].get("nodeName", ""))
        return dcgm_app(node, self.gpu_uses) if node is not None else None

    def _other_exec(self, pod: Object, command: list[str]) -> tuple[bytes, bytes, int] | None:
        if command[:1] != ["nvidia-smi"]:
            return None
        node = self.objects.get(registry.NODES, "", pod["spec"].get("nodeName", ""))
        if node is None or "nvidia.com/gpu" not in node["status"]["allocatable"]:
            return b"", b"nvidia-smi: command not found\n", 127
        query = next((a.partition("=")[2] for a in command if a.startswith("--query-gpu=")), None)
        mine = [use for use in self.gpu_uses(node["metadata"]["name"]) if use.pod == pod["metadata"]["name"]]
        return smi_text(node, mine, query=query).encode(), b"", 0

    async def close(self) -> None:
        """End what runs beside the clock."""
        await self.kubelet.close()


def _node_ready(node: Object) -> bool:
    conditions = node.get("status", {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
