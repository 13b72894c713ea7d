"""A stepped cluster of plain Deployments: what the tests of the simulated world share."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from genai_tui.sandbox import registry
from genai_tui.sandbox.engine import Engine
from genai_tui.sandbox.nodes import A100, H100, L4, Gpu, node
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.world import World

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
NAMESPACE = "team-a"
ENGINE_IMAGE = "vllm/vllm-openai:v0.33.0"
MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"


class Cluster:
    """Nodes, one namespace, and a clock that tests move."""

    def __init__(self, *nodes: tuple[str, Gpu | None, int], engine: Engine | None = None) -> None:
        self.world = World(start=START, engine=engine)
        self.world.populate()
        for name, gpu, count in nodes or (("gpu-1", H100, 2),):
            self.world.objects.put(registry.NODES, node(name, gpu, count, self.world.clock.stamp()))
        self.create(registry.NAMESPACES, {"metadata": {"name": NAMESPACE}})
        self.step(0.1)

    def step(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    def create(self, resource: registry.Resource, item: Object) -> Object:
        return self.world.api.create(resource, NAMESPACE if resource.namespaced else "", item)

    def get(self, resource: registry.Resource, name: str) -> Object:
        return self.world.api.get(resource, NAMESPACE if resource.namespaced else "", name)

    def change(self, resource: registry.Resource, name: str, change: Callable[[Object], None]) -> None:
        item = copy.deepcopy(self.get(resource, name))
        change(item)
        self.world.api.update(resource, item["metadata"].get("namespace", ""), name, item)

    def delete(self, resource: registry.Resource, name: str, **more: Any) -> None:
        self.world.api.delete(resource, NAMESPACE if resource.namespaced else "", name, **more)

    def pods(self, name: str | None = None) -> list[Object]:
        """The pods of a Deployment (or all), those going away included."""
        found = self.world.objects.list(registry.PODS, NAMESPACE)
        return [pod for pod in found if name is None or (pod["metadata"].get("labels") or {}).get("app") == name]

    def pod(self, name: str) -> Object:
        found = self.pods(name)
        assert len(found) == 1, [p["metadata"]["name"] for p in found]
        return found[0]

    def container(self, name: str) -> Object:
        status: Object = self.pod(name)["status"]["containerStatuses"][0]
        return status

    def ready(self, name: str) -> int:
        return sum(is_ready(pod) for pod in self.pods(name) if not pod["metadata"].get("deletionTimestamp"))

    def events(self, about: str = "") -> list[tuple[str, str]]:
        """Reason and message of events about objects whose name begins so."""
        return [
            (event["reason"], event["message"])
            for event in self.world.objects.list(registry.EVENTS, NAMESPACE)
            if event["involvedObject"]["name"].startswith(about)
        ]

    def condition(self, name: str, kind: str) -> Object:
        conditions = self.get(registry.DEPLOYMENTS, name)["status"]["conditions"]
        found: Object = next(c for c in conditions if c["type"] == kind)
        return found

    def held(self) -> dict[str, int]:
        """GPUs of each node that a pod has."""
        return {
            item["metadata"]["name"]: sum(bool(use.pod) for use in self.world.gpu_uses(item["metadata"]["name"]))
            for item in self.world.objects.list(registry.NODES)
        }

    def log(self, name: str) -> list[str]:
        run = self.world.kubelet.run_of(self.pod(name))
        assert run is not None
        container = next(iter(run.main.values()))
        return [text for _, text in container.lines or container.previous or ()]


def is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def engine(
    name: str = "chat",
    *,
    args: Sequence[str] = (MODEL,),
    gpus: int = 1,
    replicas: int = 1,
    image: str = ENGINE_IMAGE,
    strategy: Object | None = None,
    annotations: Mapping[str, str] | None = None,
    startup: Object | None = None,
    container: Object | None = None,
    spec: Object | None = None,
    deployment: Object | None = None,
) -> Object:
    """A Deployment of an engine."""
    labels = {"app": name}
    gpu = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    probe = {"httpGet": {"path": "/health", "port": 8000}, "periodSeconds": 5}
    made: Object = {
        "name": "engine",
        "image": image,
        "command": ["vllm", "serve"],
        "args": list(args),
        "ports": [{"name": "http", "containerPort": 8000}],
        "resources": {"limits": {**gpu, "memory": "8Gi"}, "requests": {"cpu": "1"}},
        "startupProbe": {**probe, "failureThreshold": 60, **(startup or {})},
        "readinessProbe": probe,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **(container or {}),
    }
    template: Object = {
        "metadata": {"labels": labels, "annotations": dict(annotations or {})},
        "spec": {"enableServiceLinks": False, **(spec or {}), "containers": [made]},
    }
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": template,
            **({"strategy": strategy} if strategy else {}),
            **(deployment or {}),
        },
    }


SURGE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
ONE_BY_ONE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
RECREATE = {"type": "Recreate"}
__all__ = ["A100", "H100", "L4"]
