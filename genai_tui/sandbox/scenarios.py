"""What a sandbox begins with."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence

from genai_tui.domain.naming import DEPLOYMENT_LABEL, MANAGED_BY_LABEL, MANAGER, SYSTEM_NAMESPACE
from genai_tui.sandbox import registry
from genai_tui.sandbox.kubelet import STATIC_LABEL
from genai_tui.sandbox.nodes import A100, H100, L4, Gpu, node
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.world import DCGM_APP, World

Render = Callable[[str], Sequence[Object]]
RESEARCH_TAINT = {"key": "dedicated", "value": "research", "effect": "NoSchedule"}

CATALOGUE = """
apiVersion: genai-tui.dev/v1alpha1
kind: Model
metadata: {name: smollm2-135m}
spec:
  description: small chat model, the one that really answers here
  provider: HuggingFaceTB
  source: {type: huggingface, repository: HuggingFaceTB/SmolLM2-135M-Instruct}
  contextLength: 8192
  parameters: 135M
---
apiVersion: genai-tui.dev/v1alpha1
kind: Model
metadata: {name: llama-3.1-8b}
spec:
  description: general chat model
  provider: Meta
  source: {type: huggingface, repository: meta-llama/Llama-3.1-8B-Instruct}
  contextLength: 131072
  parameters: 8B
---
apiVersion: genai-tui.dev/v1alpha1
kind: Model
metadata: {name: llama-3.3-70b}
spec:
  description: large chat model
  provider: Meta
  source: {type: huggingface, repository: meta-llama/Llama-3.3-70B-Instruct}
  contextLength: 131072
  parameters: 70.6B
---
apiVersion: genai-tui.dev/v1alpha1
kind: Model
metadata: {name: mistral-7b}
spec:
  description: general chat model
  provider: Mistral AI
  source: {type: huggingface, repository: mistralai/Mistral-7B-Instruct-v0.3}
  contextLength: 32768
  parameters: 7.25B
---
apiVersion: genai-tui.dev/v1alpha1
kind: Model
metadata: {name: llama-nim}
spec:
  description: Llama 3.1 8B as an NVIDIA NIM; needs NGC secrets
  provider: NVIDIA
  source: {type: ngc, image: "nvcr.io/nim/meta/llama-3.1-8b-instruct:2.0.3"}
  contextLength: 131072
  parameters: 8B
---
apiVersion: genai-tui.dev/v1alpha1
kind: Endpoint
metadata: {name: internal}
spec: {description: inside the cluster, hostname: llm.example.internal}
---
apiVersion: genai-tui.dev/v1alpha1
kind: Organization
metadata: {name: org-a}
spec: {displayName: Organization A, users: [alice, bob]}
---
apiVersion: genai-tui.dev/v1alpha1
kind: Organization
metadata: {name: org-b}
spec: {displayName: Organization B, users: [carol]}
"""

TOUR = """
apiVersion: genai-tui.dev/v1alpha1
kind: ModelDeployment
metadata: {name: chat, namespace: team-a}
spec:
  description: team chat
  model: smollm2-135m
  endpoint: internal
  engine: {type: vllm, image: "vllm/vllm-openai:v0.33.0", replicas: 1, contextLength: 4096}
  resources: {cpu: "2", memory: 4Gi, gpu: 1}
  rateLimits:
    organization: {tokensPerMinute: 300000, requestsPerMinute: 600}
    user: {tokensPerMinute: 60000, requestsPerMinute: 120}
    apiKey: {tokensPerMinute: 20000, requestsPerMinute: 60}
  pricing: {currency: USD, inputPerMillion: "0.20", outputPerMillion: "0.60"}
  sharing: {mode: organizations, organizations: [org-a, org-b]}
---
apiVersion: genai-tui.dev/v1alpha1
kind: ModelDeployment
metadata: {name: assistant, namespace: team-a}
spec:
  description: being updated to a newer engine image
  model: mistral-7b
  endpoint: internal
  engine: {type: vllm, image: "vllm/vllm-openai:v0.32.0", replicas: 2, contextLength: 8192}
  resources: {cpu: "4", memory: 32Gi, gpu: 1}
  advanced: {nodeSelector: {nvidia.com/gpu.product: NVIDIA-A100-SXM4-80GB}}
  pricing: {currency: USD, inputPerMillion: "0.25", outputPerMillion: "0.75"}
---
apiVersion: genai-tui.dev/v1alpha1
kind: ModelDeployment
metadata: {name: summarize, namespace: team-b}
spec:
  description: waits for eight GPUs on one node
  model: llama-3.3-70b
  endpoint: internal
  engine: {type: vllm, image: "vllm/vllm-openai:v0.33.0", replicas: 1, contextLength: 32768}
  resources: {cpu: "16", memory: 200Gi, gpu: 8}
  advanced: {env: [{name: HF_TOKEN, secret: {name: hf, key: token}}]}
---
apiVersion: genai-tui.dev/v1alpha1
kind: ModelDeployment
metadata: {name: extract, namespace: search}
spec:
  description: asks for more context than its GPU can hold
  model: llama-3.1-8b
  endpoint: internal
  engine: {type: vllm, image: "vllm/vllm-openai:v0.33.0", replicas: 1, contextLength: 131072}
  resources: {cpu: "4", memory: 32Gi, gpu: 1}
  advanced:
    env: [{name: HF_TOKEN, secret: {name: hf, key: token}}]
    nodeSelector: {nvidia.com/gpu.product: NVIDIA-L4}
"""


def build(world: World, scenario: str, render: Render) -> None:
    """Fill a new world. `render` turns documents into the objects an apply would write."""
    world.populate()
    if scenario == "scale":
        _scale(world)
        return
    _nodes(world)
    _namespace(world, SYSTEM_NAMESPACE)
    _put_all(world, render(CATALOGUE))
    if scenario == "tour":
        _tour(world, render)


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
    _namespace(world, "gpu-operator")
    for name, _, _, _ in plan:
        pod = _plain_pod(
            f"{DCGM_APP}-{name}", "nvcr.io/nvidia/k8s/dcgm-exporter:4.2.0", {"app": DCGM_APP}, node_name=name
        )
        pod["spec"]["containers"][0]["ports"] = [{"name": "metrics", "containerPort": 9400}]
        pod["spec"]["tolerations"] = [{"operator": "Exists"}]
        world.api.create(registry.PODS, "gpu-operator", pod)


def _plain_pod(name: str, image: str, labels: Object, *, node_name: str | None = None, gpus: int = 0) -> Object:
    container: Object = {"name": "main", "image": image}
    if gpus:
        container["resources"] = {"limits": {"nvidia.com/gpu": str(gpus)}}
    spec: Object = {"containers": [container]} | ({"nodeName": node_name} if node_name else {})
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


def _tour(world: World, render: Render) -> None:
    """One running, one pending for GPUs, one crashing while loading, one rolling out."""
    for name in ("team-a", "team-b", "search", "research"):
        _namespace(world, name)
    for name in ("team-a", "team-b", "search"):
        _hub_token(world, name)
    # Somebody's training job: without it eight GPUs would be free on one node.
    world.api.create(
        registry.PODS,
        "research",
        _plain_pod("train-0", "pytorch/pytorch:2.9.0", {"app": "train"}, node_name="gpu-h100-1", gpus=2),
    )
    world.clock.advance(3)
    documents = CATALOGUE + "---" + TOUR
    _put_all(world, [item for item in render(documents) if item["kind"] != "ConfigMap"])
    world.clock.advance(240)
    updated = TOUR.replace("vllm/vllm-openai:v0.32.0", "vllm/vllm-openai:v0.33.0")
    rendered = render(CATALOGUE + "---" + updated)
    _put_all(world, [item for item in rendered if item["metadata"]["name"] == "assistant"])
    world.clock.advance(2)


def _hub_token(world: World, namespace: str) -> None:
    data = {"token": base64.b64encode(b"hf_sandbox").decode()}
    world.api.create(registry.SECRETS, namespace, {"metadata": {"name": "hf"}, "data": data, "type": "Opaque"})


def _scale(world: World, *, nodes: int = 500, deployments: int = 1000, replicas: int = 10) -> None:
    """500 nodes, 1,000 deployments, 10,000 pods, put there in their final state; nothing simulates them further."""
    stamp = world.clock.stamp()
    _namespace(world, SYSTEM_NAMESPACE)
    for number in range(nodes):
        world.objects.put(registry.NODES, node(f"gpu-{number:03d}", H100, 8, stamp))
    for number in range(20):
        _namespace(world, f"team-{number:02d}")
    for number in range(deployments):
        _static_deployment(world, f"team-{number % 20:02d}", f"model-{number:04d}", replicas, number, nodes, stamp)


def _static_deployment(
    world: World, namespace: str, name: str, replicas: int, number: int, nodes: int, stamp: str
) -> None:
    labels = {DEPLOYMENT_LABEL: name, STATIC_LABEL: "true"}
    container: Object = {
        "name": "engine",
        "image": "vllm/vllm-openai:v0.33.0",
        "command": ["vllm", "serve"],
        "args": [f"org/{name}", "--served-model-name", name],
        "ports": [{"containerPort": 8000, "name": "http"}],
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    counts = {
        "replicas": replicas,
        "readyReplicas": replicas,
        "availableReplicas": replicas,
        "updatedReplicas": replicas,
    }
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
                "annotations": {"deployment.kubernetes.io/revision": "1"},
            },
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {DEPLOYMENT_LABEL: name}},
                "template": template,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
                "paused": True,
            },
            "status": {"observedGeneration": 1, **counts},
        },
    )
    rs = world.objects.put(
        registry.REPLICASETS,
        {
            "kind": "ReplicaSet",
            "apiVersion": "apps/v1",
            "metadata": {
                "name": f"{name}-7c9d8f6b5",
                "namespace": namespace,
                "creationTimestamp": stamp,
                "labels": labels,
                "annotations": {"deployment.kubernetes.io/revision": "1"},
                "ownerReferences": [_owner(deployment, "Deployment")],
            },
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
            "status": counts,
        },
    )
    for i in range(replicas):
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": stamp}
        world.objects.put(
            registry.PODS,
            {
                "kind": "Pod",
                "apiVersion": "v1",
                "metadata": {
                    "name": f"{rs['metadata']['name']}-{i:05d}",
                    "namespace": namespace,
                    "creationTimestamp": stamp,
                    "labels": labels,
                    "ownerReferences": [_owner(rs, "ReplicaSet")],
                },
                "spec": {"containers": [container], "nodeName": f"gpu-{(number * replicas + i) % nodes:03d}"},
                "status": {
                    "phase": "Running",
                    "podIP": "10.244.0.1",
                    "startTime": stamp,
                    "conditions": [ready],
                    "containerStatuses": [
                        {
                            "name": "engine",
                            "ready": True,
                            "started": True,
                            "restartCount": 0,
                            "image": container["image"],
                            "imageID": "sandbox://static",
                            "state": {"running": {"startedAt": stamp}},
                            "lastState": {},
                        }
                    ],
                },
            },
        )


def _owner(item: Object, kind: str) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "name": item["metadata"]["name"],
        "uid": item["metadata"]["uid"],
        "controller": True,
    }


def docker_config(server: str, user: str, password: str) -> str:
    """The content of a docker-registry Secret, for tests and the tour of NIM."""
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    text = json.dumps({"auths": {server: {"username": user, "password": password, "auth": auth}}})
    return base64.b64encode(text.encode()).decode()
