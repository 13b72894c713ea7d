"""A big cluster at once: hundreds of nodes, thousands of pods, put there in their final state.

Nothing simulates them further; `Churn` changes so many pod statuses a second, for measurements.
"""

from __future__ import annotations

from genai_tui.domain.naming import DEPLOYMENT_LABEL, MANAGED_BY_LABEL
from genai_tui.sandbox import registry
from genai_tui.sandbox.nodes import H100, node
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.workloads import HASH, REVISION, STATIC_LABEL, owner_reference, template_hash
from genai_tui.sandbox.world import World

NODES, DEPLOYMENTS, REPLICAS, NAMESPACES = 500, 1000, 10, 20
IMAGE = "vllm/vllm-openai:v0.33.0"
TICK_S = 0.05


def fill(world: World, *, nodes: int = NODES, deployments: int = DEPLOYMENTS, replicas: int = REPLICAS) -> None:
    """Put everything there."""
    stamp = world.clock.stamp()
    for number in range(nodes):
        world.objects.put(
            registry.NODES, node(f"gpu-{number:03d}", H100, 32, stamp, cpu=192, labels={STATIC_LABEL: "true"})
        )
    for number in range(NAMESPACES):
        world.api.create(registry.NAMESPACES, "", {"metadata": {"name": f"team-{number:02d}"}})
    for number in range(deployments):
        hosts = [f"gpu-{(number * replicas + i) % nodes:03d}" for i in range(replicas)]
        _deployment(world, f"team-{number % NAMESPACES:02d}", f"model-{number:04d}", hosts, stamp)


def _deployment(world: World, namespace: str, name: str, hosts: list[str], stamp: str) -> None:
    replicas = len(hosts)
    gpu = {"nvidia.com/gpu": "1"}
    container: Object = {
        "name": "engine",
        "image": IMAGE,
        "command": ["vllm", "serve"],
        "args": [f"org/{name}", "--served-model-name", name],
        "ports": [{"containerPort": 8000, "name": "http", "protocol": "TCP"}],
        "resources": {"limits": {**gpu, "memory": "16Gi"}, "requests": {**gpu, "cpu": "2", "memory": "16Gi"}},
    }
    labels = {DEPLOYMENT_LABEL: name, STATIC_LABEL: "true"}
    template: Object = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    digest = template_hash(template)
    names = ("replicas", "readyReplicas", "availableReplicas", "updatedReplicas")
    done = {"status": "True", "lastUpdateTime": stamp, "lastTransitionTime": stamp}
    deployment = world.objects.put(
        registry.DEPLOYMENTS,
        {
            "kind": "Deployment",
            "apiVersion": "apps/v1",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "generation": 1,
                "creationTimestamp": stamp,
                "labels": {**labels, MANAGED_BY_LABEL: "sandbox-scale"},
                "annotations": {REVISION: "1"},
            },
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {DEPLOYMENT_LABEL: name}},
                "template": template,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            },
            "status": {
                "observedGeneration": 1,
                **dict.fromkeys(names, replicas),
                "conditions": [
                    {"type": "Available", "reason": "MinimumReplicasAvailable", "message": "", **done},
                    {"type": "Progressing", "reason": "NewReplicaSetAvailable", "message": "", **done},
                ],
            },
        },
    )
    owned = labels | {HASH: digest}
    rs = world.objects.put(
        registry.REPLICASETS,
        {
            "kind": "ReplicaSet",
            "apiVersion": "apps/v1",
            "metadata": {
                "name": f"{name}-{digest}",
                "namespace": namespace,
                "creationTimestamp": stamp,
                "labels": owned,
                "annotations": {REVISION: "1"},
                "ownerReferences": [owner_reference(deployment, "apps/v1", "Deployment")],
            },
            "spec": {"replicas": replicas, "selector": {"matchLabels": owned}, "template": template},
            "status": {"observedGeneration": 1, **dict.fromkeys(names[:3], replicas)},
        },
    )
    for number, host in enumerate(hosts):
        world.objects.put(registry.PODS, _pod(rs, number, host, container, owned, stamp))


def _pod(rs: Object, number: int, host: str, container: Object, labels: Object, stamp: str) -> Object:
    status = {
        "name": "engine",
        "ready": True,
        "started": True,
        "restartCount": 0,
        "image": IMAGE,
        "imageID": f"sandbox://{IMAGE}",
        "state": {"running": {"startedAt": stamp}},
        "lastState": {},
    }
    conditions = [{"type": "Ready", "status": "True", "lastProbeTime": None, "lastTransitionTime": stamp}]
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": f"{rs['metadata']['name']}-{number:05d}",
            "namespace": rs["metadata"]["namespace"],
            "creationTimestamp": stamp,
            "labels": labels,
            "ownerReferences": [owner_reference(rs, "apps/v1", "ReplicaSet")],
        },
        "spec": {"containers": [container], "nodeName": host},
        "status": {
            "phase": "Running",
            "podIP": "10.244.0.1",
            "startTime": stamp,
            "conditions": conditions,
            "containerStatuses": [status],
        },
    }


class Churn:
    """So many changed pod statuses a second of virtual time, in a seeded order."""

    def __init__(self, world: World, per_second: float) -> None:
        self._world, self._share = world, per_second * TICK_S
        self._places = [(p["metadata"]["namespace"], p["metadata"]["name"]) for p in world.objects.list(registry.PODS)]
        self._owed = 0.0
        self.changes = 0
        world.clock.call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        self._owed += self._share
        while self._owed >= 1 and self._places:
            self._owed -= 1
            self._change(*self._world.api.random.choice(self._places))
        self._world.clock.call_later(TICK_S, self._tick)

    def _change(self, namespace: str, name: str) -> None:
        pod = self._world.objects.get(registry.PODS, namespace, name)
        if pod is None:
            return
        conditions = pod["status"]["conditions"]
        status = "False" if conditions[0]["status"] == "True" else "True"
        changed = conditions[0] | {"status": status, "lastTransitionTime": self._world.clock.stamp()}
        containers = [pod["status"]["containerStatuses"][0] | {"ready": status == "True"}]
        self._world.objects.put(
            registry.PODS,
            {
                **pod,
                "metadata": dict(pod["metadata"]),
                "status": pod["status"] | {"conditions": [changed], "containerStatuses": containers},
            },
        )
        self.changes += 1
