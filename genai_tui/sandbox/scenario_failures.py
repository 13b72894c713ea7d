"""Failures staged by name: `--scenario failure:NAME` gives a cluster with one deployment, called NAME, that has it.

Each is brought about the way it happens: by a spec that asks for what is not there, by an object that is missing, by a
node that goes away. Where the cause is inside the engine's container, its start is staged (`launch_stages`).
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from genai_tui.sandbox import registry
from genai_tui.sandbox.kubelet import DOWN_ANNOTATION
from genai_tui.sandbox.launch_stages import STAGE_ANNOTATION
from genai_tui.sandbox.nodes import A100, H100, L4
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.pulls import UNENTITLED, WRONG
from genai_tui.sandbox.world import World

FAILURES = "failures"
"""The namespace they are staged in."""
STARTED_S = 180.0
_SMALL, _LLAMA, _NIM = "smollm2-135m", "llama-3.1-8b", "llama-nim"
_PRODUCT = "nvidia.com/gpu.product"
_HF = [{"name": "HF_TOKEN", "secret": {"name": "hf", "key": "token"}}]


def _nothing(_: Any) -> None:  # noqa: ANN401
    return


@dataclass(frozen=True, slots=True)
class Staged:
    """One failure.

    Attributes:
        name: what it is staged by, and what its deployment is called.
        about: one line on what it shows.
        change: what the spec of a small healthy deployment gets instead: dotted path -> value.
        prepare: what is done to the cluster before.
        alter: what somebody did to the Deployment's manifest.
        follow: what happens afterwards.
    """

    name: str
    about: str
    change: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[World], None] = _nothing
    alter: Callable[[Object], None] = _nothing
    follow: Callable[[World], None] = _nothing

    def document(self) -> str:
        """Its ModelDeployment, as JSON, which YAML contains."""
        spec: Object = {
            "description": self.about,
            "model": _SMALL,
            "endpoint": "internal",
            "engine": {"type": "vllm", "image": "vllm/vllm-openai:v0.33.0", "replicas": 1, "contextLength": 4096},
            "resources": {"cpu": "2", "memory": "4Gi", "gpu": 1},
            "advanced": {},
        }
        for path, value in self.change.items():
            *parents, last = path.split(".")
            place = spec
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value
        head = {"apiVersion": "genai-tui.dev/v1alpha1", "kind": "ModelDeployment"}
        return json.dumps({**head, "metadata": {"name": self.name, "namespace": FAILURES}, "spec": spec})


def _stage(stage: str) -> Callable[[Object], None]:
    def alter(item: Object) -> None:
        meta = item["spec"]["template"]["metadata"]
        meta["annotations"] = {**meta.get("annotations", {}), STAGE_ANNOTATION: stage}

    return alter


def _on(gpu: str, **more: str) -> dict[str, Any]:
    return {"advanced.nodeSelector": {_PRODUCT: gpu, **more}}


def _nim(**more: object) -> dict[str, Any]:
    return {
        "model": _NIM,
        "engine.type": "nim",
        "engine.image": "nvcr.io/nim/meta/llama-3.1-8b-instruct:2.0.3",
        "resources.memory": "32Gi",
        "advanced.nodeSelector": {_PRODUCT: H100.product},
        **more,
    }


def _secret(name: str, kind: str, **data: str) -> Callable[[World], None]:
    def prepare(world: World) -> None:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        world.api.create(registry.SECRETS, FAILURES, {"metadata": {"name": name}, "type": kind, "data": encoded})

    return prepare


def _ngc(pull: str, key: str = "nvapi-sandbox-key") -> Callable[[World], None]:
    """The two Secrets of a NIM, with a password for the registry."""
    login = {"auths": {"nvcr.io": {"username": "$oauthtoken", "password": pull}}}

    def prepare(world: World) -> None:
        _secret("ngc-secret", "kubernetes.io/dockerconfigjson", **{".dockerconfigjson": json.dumps(login)})(world)
        _secret("ngc-api-secret", "Opaque", NGC_API_KEY=key)(world)

    return prepare


def _hold(*held: tuple[str, int], priority: int = 0) -> Callable[[World], None]:
    """Somebody's jobs on nodes, with so many GPUs each."""

    def prepare(world: World) -> None:
        for node, gpus in held:
            resources = {"limits": {"nvidia.com/gpu": str(gpus)}}
            container = {"name": "main", "image": "pytorch/pytorch:2.9.0", "resources": resources}
            spec: Object = {"containers": [container], "nodeName": node}
            spec |= {"priority": priority} if priority else {}
            meta = {"name": f"training-{node}", "labels": {"app": "training"}}
            world.api.create(registry.PODS, FAILURES, {"metadata": meta, "spec": spec})

    return prepare


def _cordon(world: World) -> None:
    for item in world.objects.list(registry.NODES):
        changed = copy.deepcopy(item)
        changed["spec"]["unschedulable"] = True
        world.api.update(registry.NODES, "", item["metadata"]["name"], changed)


def _taint(world: World) -> None:
    for item in world.objects.list(registry.NODES):
        changed = copy.deepcopy(item)
        changed["spec"]["taints"] = [{"key": "dedicated", "value": "research", "effect": "NoSchedule"}]
        world.api.update(registry.NODES, "", item["metadata"]["name"], changed)


def _argument(text: str) -> Callable[[Object], None]:
    """An argument that somebody added to the container."""

    def alter(item: Object) -> None:
        item["spec"]["template"]["spec"]["containers"][0]["args"].append(text)

    return alter


def _quota(world: World) -> None:
    quota = {"metadata": {"name": "gpus"}, "spec": {"hard": {"requests.nvidia.com/gpu": "0"}}}
    world.api.create(registry.QUOTAS, FAILURES, quota)


def _vllm_service(world: World) -> None:
    ports = [{"port": 8000, "targetPort": 8000}]
    item = {"metadata": {"name": "vllm"}, "spec": {"selector": {"app": "other"}, "ports": ports}}
    world.api.create(registry.SERVICES, FAILURES, item)


def _with_service_links(item: Object) -> None:
    item["spec"]["template"]["spec"]["enableServiceLinks"] = True


def _impatient(item: Object) -> None:
    item["spec"]["progressDeadlineSeconds"] = 60


def _surging(item: Object) -> None:
    item["spec"]["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def _pod_of(world: World, name: str) -> Object:
    found = world.objects.list(registry.PODS, FAILURES)
    return next(pod for pod in found if pod["metadata"]["name"].startswith(f"{name}-"))


def _new_image(world: World) -> None:
    """A newer image while every GPU of the kind is held."""
    world.clock.advance(STARTED_S)
    item = copy.deepcopy(world.objects.get(registry.DEPLOYMENTS, FAILURES, "rollout-deadlock") or {})
    item["spec"]["template"]["spec"]["containers"][0]["image"] = "vllm/vllm-openai:v0.33.1"
    world.api.update(registry.DEPLOYMENTS, FAILURES, "rollout-deadlock", item)


def _lose_node(world: World) -> None:
    world.clock.advance(STARTED_S)
    node = _pod_of(world, "node-not-ready")["spec"]["nodeName"]
    item = copy.deepcopy(world.objects.get(registry.NODES, "", node) or {})
    item["metadata"].setdefault("annotations", {})[DOWN_ANNOTATION] = "true"
    world.api.update(registry.NODES, "", node, item)


def _preempt(world: World) -> None:
    """A job of higher priority takes the place, in the scheduler's words."""
    world.clock.advance(STARTED_S)
    pod = _pod_of(world, "preempted")
    meta, node = pod["metadata"], pod["spec"]["nodeName"]
    _disrupt(world, pod, "PreemptionByScheduler", "default-scheduler: preempting to accommodate a higher priority pod")
    _hold((node, 2), priority=1000)(world)
    uid = world.objects.list(registry.PODS, FAILURES)[-1]["metadata"]["uid"]
    world.record(pod, "Normal", "Preempted", f"Preempted by pod {uid} on node {node}", "default-scheduler")
    world.api.delete(registry.PODS, meta["namespace"], meta["name"])


def _evict(world: World) -> None:
    """The node runs out of disk: its kubelet ends the pod, and lets no other in."""
    world.clock.advance(STARTED_S)
    pod = _pod_of(world, "evicted")
    node = copy.deepcopy(world.objects.get(registry.NODES, "", pod["spec"]["nodeName"]) or {})
    node["spec"]["taints"] = [{"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}]
    world.api.update(registry.NODES, "", node["metadata"]["name"], node)
    said = "The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi, available: 2Gi. "
    world.record(pod, "Warning", "Evicted", said, "kubelet", host=pod["spec"]["nodeName"])
    _disrupt(world, pod, "TerminationByKubelet", said)
    world.api.delete(registry.PODS, FAILURES, pod["metadata"]["name"])


def _disrupt(world: World, pod: Object, reason: str, message: str) -> None:
    """The condition that says that a pod is about to go, and why."""
    status = copy.deepcopy(pod["status"])
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}
    status["conditions"].append({**condition, "lastTransitionTime": world.clock.stamp()})
    world.api.update_status(registry.PODS, FAILURES, pod["metadata"]["name"], status)


_ANTI = {
    "podAntiAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {"labelSelector": {"matchLabels": {"app": "training"}}, "topologyKey": "kubernetes.io/hostname"}
        ]
    }
}
_BIG = {"model": "llama-3.3-70b", "resources.memory": "200Gi", "advanced.env": _HF}

STAGED: Sequence[Staged] = (
    # Waiting for a place
    Staged("insufficient-gpus", "asks for more GPUs than any node has", {"resources.gpu": 16}),
    Staged(
        "fragmented-gpus",
        "enough GPUs are free, on different nodes",
        {"resources.gpu": 4},
        _hold(("gpu-a100-1", 1), ("gpu-a100-2", 2), ("gpu-h100-1", 6)),
    ),
    Staged("taint", "every node is kept for others by a taint", prepare=_taint),
    Staged("node-selector", "no node has the label it selects", {"advanced.nodeSelector": {"disk": "nvme"}}),
    Staged("insufficient-memory", "asks for more memory than a node has", {"resources.memory": "4Ti"}),
    Staged("cordoned", "the nodes that fit are cordoned", prepare=_cordon),
    Staged(
        "pod-anti-affinity",
        "must stay away from a pod that is on every fitting node",
        {**_on(L4.product), "advanced.podAffinity": _ANTI},
        _hold(("gpu-l4-1", 1), ("gpu-l4-2", 1)),
    ),
    Staged("volume-missing", "names a volume claim that does not exist", {"advanced.cache": {"claim": "models"}}),
    Staged(
        "volume-unbound",
        "its volume claim waits for a storage class that does not exist",
        {"advanced.cache": {"size": "50Gi", "storageClass": "fast"}},
    ),
    Staged("quota", "the namespace may hold no GPUs", prepare=_quota),
    Staged(
        "preempted",
        "a job of higher priority took its GPUs",
        {"resources.gpu": 1, **_on(L4.product, **{"kubernetes.io/hostname": "gpu-l4-1"})},
        follow=_preempt,
    ),
    Staged(
        "evicted",
        "its node ran out of disk",
        _on(L4.product, **{"kubernetes.io/hostname": "gpu-l4-1"}),
        follow=_evict,
    ),
    Staged(
        "rollout-deadlock",
        "the new pod waits for the GPUs of the old one",
        {"resources.gpu": 4, "resources.memory": "32Gi", "model": "mistral-7b", **_on(A100.product)},
        _hold(("gpu-a100-2", 4)),
        _surging,
        _new_image,
    ),
    # Images and what a container needs
    Staged("image-not-found", "names a tag that does not exist", {"engine.image": "vllm/vllm-openai:v9.9.9"}),
    Staged("image-name", "the image's name is not one", {"engine.image": "VLLM/vllm-openai:v0.33.0"}),
    Staged(
        "registry-unreachable",
        "the registry's name does not resolve",
        {"engine.image": "registry.invalid/vllm/vllm-openai:v0.33.0"},
    ),
    Staged("pull-secret", "the NGC pull secret has a wrong key", _nim(), _ngc(WRONG)),
    Staged("ngc-entitlement", "the NGC key has no right to the image", _nim(), _ngc(UNENTITLED)),
    Staged("ngc-key", "the NGC API key is empty", _nim(), _ngc("nvapi-sandbox-key", key="")),
    Staged(
        "nim-profile",
        "the NIM image has no such profile",
        _nim(**{"advanced.env": [{"name": "NIM_MODEL_PROFILE", "value": "tensorrt_llm-b300-fp4-tp2"}]}),
        _ngc("nvapi-sandbox-key"),
    ),
    Staged(
        "secret-missing",
        "names a Secret that does not exist",
        {"advanced.env": [{"name": "HF_TOKEN", "secret": {"name": "hub", "key": "token"}}]},
    ),
    Staged(
        "secret-key-missing",
        "names a key that its Secret does not have",
        {"advanced.env": [{"name": "HF_TOKEN", "secret": {"name": "hf", "key": "hf_token"}}]},
    ),
    # The engine
    Staged("gated-model", "the model is gated and there is no token", {"model": _LLAMA, "resources.memory": "32Gi"}),
    Staged(
        "gated-no-access",
        "the token's account has not accepted the licence",
        {"advanced.env": _HF},
        alter=_stage("gated"),
    ),
    Staged("hub-offline", "the model hub cannot be reached", alter=_stage("hub-offline")),
    Staged("disk-full", "the disk is full before the model is there", alter=_stage("disk-full")),
    Staged("cuda-oom", "the weights do not fit into the GPU", _BIG),
    Staged("oom-kv-cache", "nothing is left of the GPU for the KV cache", alter=_stage("kv-too-small")),
    Staged(
        "context-over-kv-cache",
        "asks for more context than the KV cache holds",
        {
            "model": _LLAMA,
            "resources.memory": "32Gi",
            "engine.contextLength": 131_072,
            "advanced.env": _HF,
            **_on(L4.product),
        },
    ),
    Staged("context-over-model", "asks for more context than the model has", {"engine.contextLength": 100_000}),
    Staged("heads-not-divisible", "two GPUs do not divide nine attention heads", {"resources.gpu": 2}),
    Staged(
        "too-few-gpus",
        "splits the model over more GPUs than it asks for",
        alter=_argument("--tensor-parallel-size=3"),
    ),
    Staged("bad-argument", "an engine argument is misspelt", {"advanced.extraArgs": ["--enable-prefix-cashing"]}),
    Staged("serve-repeated", "the arguments repeat what the image runs", alter=_argument("serve")),
    Staged(
        "service-link-clash",
        "a Service called vllm sets the engine's port variable",
        prepare=_vllm_service,
        alter=_with_service_links,
    ),
    Staged("shm-too-small", "NCCL finds no shared memory", alter=_stage("nccl-shm")),
    Staged("port-in-use", "the engine's port is taken", alter=_stage("port-in-use")),
    Staged("oom-killed", "the memory limit is too low", {"resources.memory": "1Gi"}),
    Staged(
        "probe-kills",
        "the start-up budget is too short for the model",
        {**_BIG, "resources.gpu": 8, "engine.startupBudgetSeconds": 60, **_on(H100.product)},
    ),
    Staged("liveness-kills", "the engine dies while it serves", alter=_stage("engine-dead")),
    Staged(
        "progress-deadline",
        "starts slower than its rollout may take",
        {**_BIG, "resources.gpu": 8, **_on(H100.product)},
        alter=_impatient,
    ),
    Staged("crash", "ends for a reason nobody knows", alter=_stage("crash")),
    # Nodes
    Staged("node-not-ready", "its node does not answer any more", follow=_lose_node),
)
BY_NAME: Mapping[str, Staged] = {staged.name: staged for staged in STAGED}
