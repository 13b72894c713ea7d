"""What a sandbox begins with.

`tour`, `empty`, `scale` (`scale:200` changes 200 pod statuses a second), or `failure:NAME`: one deployment with one
failure, of those that `scenario_failures` names.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence

from genai_tui.domain.naming import MANAGER, SYSTEM_NAMESPACE, did_you_mean
from genai_tui.errors import BadInput
from genai_tui.sandbox import registry
from genai_tui.sandbox.node_agent import DCGM_APP, DCGM_PORT
from genai_tui.sandbox.nodes import A100, H100, L4, Gpu, node
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.scenario_failures import BY_NAME, FAILURES, Staged
from genai_tui.sandbox.scenario_scale import Churn, fill
from genai_tui.sandbox.scenario_tour import CATALOGUE, TOUR
from genai_tui.sandbox.world import World

__all__ = ["CATALOGUE", "TOUR", "Render", "build", "docker_config"]

Render = Callable[[str], Sequence[Object]]
SCENARIOS = ("tour", "empty", "scale")
GPU_NAMESPACE = "gpu-operator"
RESEARCH_TAINT = {"key": "dedicated", "value": "research", "effect": "NoSchedule"}
SETTLED_S, UPDATED_S = 240.0, 2.0


def build(world: World, scenario: str, render: Render) -> None:
    """Fill a new world. `render` turns documents into the objects an apply would write.

    Raises:
        BadInput: there is no such scenario.
    """
    name, _, churn = scenario.partition(":")
    if name == "failure":
        if churn not in BY_NAME:
            near = did_you_mean(churn, BY_NAME)
            raise BadInput(f"there is no failure '{churn}'{near}", next_step="list them: genai-tui sandbox failures")
    elif name not in SCENARIOS or not (churn or "0").isdigit() or (churn and name != "scale"):
        raise BadInput(f"there is no scenario {scenario}", next_step=f"choose one of {', '.join(SCENARIOS)}")
    world.populate()
    _namespace(world, SYSTEM_NAMESPACE)
    if name == "scale":
        fill(world)
    else:
        _nodes(world)
        _put_all(world, render(CATALOGUE))
    if name == "failure":
        _fail(world, render, BY_NAME[churn])
    if name == "tour":
        _tour(world, render)


def enliven(world: World, scenario: str) -> None:
    """Start what a scenario keeps moving; after a restart too."""
    name, _, churn = scenario.partition(":")
    if churn and name == "scale":
        Churn(world, float(churn))


def _namespace(world: World, name: str) -> None:
    if world.objects.get(registry.NAMESPACES, "", name) is None:
        world.api.create(registry.NAMESPACES, "", {"metadata": {"name": name}})


def _put_all(world: World, items: Sequence[Object]) -> None:
    """Apply objects in order, what a Deployment brings along owned by it."""
    owner: Object | None = None
    for item in items:
        resource = registry.by_kind(item["apiVersion"], item["kind"])
        if resource is None:
            raise ValueError(f"the sandbox does not serve {item['kind']}")
        meta = dict(item["metadata"])
        if owner is not None and resource is not registry.DEPLOYMENTS:
            reference = {key: owner["metadata"][key] for key in ("name", "uid")}
            meta["ownerReferences"] = [{"apiVersion": "apps/v1", "kind": "Deployment", **reference}]
        config = {**item, "metadata": meta}
        done, _, _ = world.api.apply(resource, meta.get("namespace", ""), meta["name"], config, manager=MANAGER)
        if resource is registry.DEPLOYMENTS:
            owner = done


def _nodes(world: World) -> None:
    """Six GPU nodes, one of them for others, each with a DCGM exporter."""
    stamp = world.clock.stamp()
    plan: tuple[tuple[str, Gpu, int, Sequence[Object]], ...] = (
        ("gpu-l4-1", L4, 2, ()),
        ("gpu-l4-2", L4, 2, ()),
        ("gpu-a100-1", A100, 4, ()),
        ("gpu-a100-2", A100, 4, ()),
        ("gpu-h100-1", H100, 8, ()),
        ("gpu-h100-2", H100, 8, (RESEARCH_TAINT,)),
    )
    for name, gpu, count, taints in plan:
        world.objects.put(registry.NODES, node(name, gpu, count, stamp, taints=taints))
    _namespace(world, GPU_NAMESPACE)
    world.api.create(registry.DAEMONSETS, GPU_NAMESPACE, _exporter())


def _exporter() -> Object:
    labels = {"app": DCGM_APP}
    container = {
        "name": "exporter",
        "image": "nvcr.io/nvidia/k8s/dcgm-exporter:4.4.1-4.6.0-ubuntu22.04",
        "ports": [{"name": "metrics", "containerPort": DCGM_PORT}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
    }
    spec = {
        "containers": [container],
        "nodeSelector": {"nvidia.com/gpu.present": "true"},
        "tolerations": [{"operator": "Exists"}],
    }
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {
        "metadata": {"name": DCGM_APP, "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }


def _fail(world: World, render: Render, staged: Staged) -> None:
    """One deployment that fails, and what makes it fail."""
    _namespace(world, FAILURES)
    _hub_token(world, FAILURES)
    staged.prepare(world)
    world.clock.advance(3)
    items = [item for item in render(f"{CATALOGUE}---\n{staged.document()}") if item["kind"] != "ConfigMap"]
    staged.alter(items[0])
    _put_all(world, items)
    staged.follow(world)


def _tour(world: World, render: Render) -> None:
    """One running, one pending for GPUs, one crashing while loading, one rolling out."""
    for name in ("team-a", "team-b", "search", "research"):
        _namespace(world, name)
    for name in ("team-a", "team-b", "search"):
        _hub_token(world, name)
    world.api.create(registry.PODS, "research", _training())
    world.clock.advance(3)
    documents = CATALOGUE + "---" + TOUR
    _put_all(world, [item for item in render(documents) if item["kind"] != "ConfigMap"])
    world.clock.advance(SETTLED_S)
    updated = TOUR.replace("vllm/vllm-openai:v0.31.0", "vllm/vllm-openai:v0.32.0")
    rendered = render(CATALOGUE + "---" + updated)
    _put_all(world, [item for item in rendered if item["metadata"]["name"] == "assistant"])
    world.clock.advance(UPDATED_S)


def _training() -> Object:
    """Somebody's training job: without it eight GPUs would be free on one node."""
    gpus = {"nvidia.com/gpu": "2"}
    container = {"name": "main", "image": "pytorch/pytorch:2.9.0", "resources": {"limits": gpus}}
    spec = {"containers": [container], "nodeSelector": {"nvidia.com/gpu.product": H100.product}}
    return {"metadata": {"name": "train-0", "labels": {"app": "train"}}, "spec": spec}


def _hub_token(world: World, namespace: str) -> None:
    data = {"token": base64.b64encode(b"hf_sandbox").decode()}
    world.api.create(registry.SECRETS, namespace, {"metadata": {"name": "hf"}, "data": data, "type": "Opaque"})


def docker_config(server: str, user: str, password: str) -> str:
    """The content of a docker-registry Secret."""
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    text = json.dumps({"auths": {server: {"username": user, "password": password, "auth": auth}}})
    return base64.b64encode(text.encode()).decode()
