"""A model deployment as Kubernetes objects: Deployment, Service and, where asked for, a claim for its cache."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from genai_tui.domain.catalogue import ModelSpec
from genai_tui.domain.deployment import DeploymentSpec, EngineType
from genai_tui.domain.documents import ModelDeployment, NamespacedMetadata
from genai_tui.domain.naming import DEPLOYMENT_LABEL, GROUP, MANAGED_BY_LABEL, MANAGER, SPEC_ANNOTATION
from genai_tui.domain.problems import FieldProblem
from genai_tui.domain.quantities import parse_quantity
from genai_tui.domain.replacing import Replacing, replacing_of
from genai_tui.engines import nim, vllm
from genai_tui.engines.parts import GRACE_S, PORT, PULL_ALLOWANCE_S, EngineParts, cache_claim, startup_budget

Json = dict[str, Any]
MODEL_LABEL = f"{GROUP}/model"
ENDPOINT_LABEL = f"{GROUP}/endpoint"
DESCRIPTION_ANNOTATION = f"{GROUP}/description"


def render_deployment(
    document: ModelDeployment, model: ModelSpec, namespace: str, *, room: bool = False
) -> tuple[Json, ...]:
    """The objects of a model deployment, the Deployment first: the others will be owned by it.

    `room` is whether GPUs for one replica more are free, which decides how `auto` replaces pods.

    Raises:
        BadInput: the engine cannot run this, with the field.
    """
    name, spec = document.metadata.name, document.spec
    parts = _engine_parts(spec, model, name)
    how = replacing_of(spec, room=room)
    objects = [_deployment(document, model, namespace, parts, how), _service(name, namespace)]
    cache = spec.advanced.cache
    if cache is not None and cache.size is not None:
        objects.append(_claim(name, namespace, cache.size, cache.storage_class))
    return tuple(objects)


def owned_by(objects: tuple[Json, ...], deployment_uid: str) -> tuple[Json, ...]:
    """The same objects with every one but the Deployment owned by it, so that deleting it deletes them.

    What is in another namespace cannot be owned across it (the garbage collector would delete it at once).
    """
    first = objects[0]
    owner = {
        "apiVersion": first["apiVersion"],
        "kind": first["kind"],
        "name": first["metadata"]["name"],
        "uid": deployment_uid,
    }
    home = first["metadata"]["namespace"]
    return (first, *(_owned(item, owner) if item["metadata"]["namespace"] == home else item for item in objects[1:]))


def _owned(item: Json, owner: Json) -> Json:
    return {**item, "metadata": {**item["metadata"], "ownerReferences": [owner]}}


def read_deployment(name: str, namespace: str, annotations: Mapping[str, str]) -> ModelDeployment | None:
    """The document a Deployment was rendered from; None when the annotation is missing or cannot be read."""
    text = annotations.get(SPEC_ANNOTATION)
    if text is None:
        return None
    try:
        spec = DeploymentSpec.model_validate(json.loads(text), by_alias=True, by_name=False)
        return ModelDeployment(metadata=NamespacedMetadata(name=name, namespace=namespace), spec=spec)
    except (ValueError, RecursionError):
        return None


def doubts(document: ModelDeployment, model: ModelSpec) -> tuple[FieldProblem, ...]:
    """What can be rendered and may still not be meant: shown before an apply, never in its way."""
    spec = document.spec
    cache, resources = spec.advanced.cache, spec.resources
    found = [*(vllm.doubts(spec) if spec.engine.type is EngineType.VLLM else nim.doubts(spec, model))]
    if cache is not None and cache.size is not None and spec.engine.replicas > 1:
        message = "a new cache is a volume for one node; replicas on other nodes will wait for it"
        found.append(FieldProblem("spec.advanced.cache.size", message))
    if parse_quantity(spec.advanced.shared_memory) >= parse_quantity(resources.memory):
        message = f"counts against the memory of {resources.memory} and leaves nothing for the engine"
        found.append(FieldProblem("spec.advanced.sharedMemory", message))
    return tuple(found)


def _engine_parts(spec: DeploymentSpec, model: ModelSpec, name: str) -> EngineParts:
    if spec.engine.type is EngineType.VLLM:
        return vllm.parts(spec, model, name)
    return nim.parts(spec, model, name)


def _metadata(name: str, namespace: str) -> Json:
    return {
        "name": name,
        "namespace": namespace,
        "labels": {MANAGED_BY_LABEL: MANAGER, DEPLOYMENT_LABEL: name},
    }


def _deployment(
    document: ModelDeployment, model: ModelSpec, namespace: str, parts: EngineParts, how: Replacing
) -> Json:
    name, spec = document.metadata.name, document.spec
    advanced = spec.advanced
    metadata = _metadata(name, namespace)
    on_pods = advanced.labels | metadata["labels"] | {MODEL_LABEL: spec.model}
    # Not on the pods: another endpoint is no reason to load the model again.
    metadata["labels"] = on_pods | {ENDPOINT_LABEL: spec.endpoint}
    described = {DESCRIPTION_ANNOTATION: spec.description} if spec.description else {}
    metadata["annotations"] = advanced.annotations | described | {SPEC_ANNOTATION: spec.canonical_json()}
    minimum = vllm.MINIMUM_BUDGET_S if spec.engine.type is EngineType.VLLM else nim.MINIMUM_BUDGET_S
    budget = startup_budget(spec, model, minimum)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": spec.engine.replicas,
            "revisionHistoryLimit": 5,
            "progressDeadlineSeconds": budget + PULL_ALLOWANCE_S,
            "selector": {"matchLabels": {DEPLOYMENT_LABEL: name}},
            "strategy": _strategy(how),
            "template": {
                "metadata": {
                    "labels": on_pods,
                    **({"annotations": dict(advanced.annotations)} if advanced.annotations else {}),
                },
                "spec": _pod(spec, parts),
            },
        },
    }


def _pod(spec: DeploymentSpec, parts: EngineParts) -> Json:
    advanced = spec.advanced
    pod: Json = {
        "automountServiceAccountToken": False,
        # Variables of neighbouring Services (VLLM_PORT=tcp://...) would be read as the engine's own.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_S,
        "containers": [parts.container],
        "volumes": list(parts.volumes),
    }
    if parts.pod_security:
        pod["securityContext"] = dict(parts.pod_security)
    if parts.pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in parts.pull_secrets]
    if advanced.runtime_class:
        pod["runtimeClassName"] = advanced.runtime_class
    if advanced.node_selector:
        pod["nodeSelector"] = dict(advanced.node_selector)
    if advanced.tolerations:
        pod["tolerations"] = [t.model_dump(mode="json", exclude_none=True) for t in advanced.tolerations]
    affinity = advanced.pod_affinity.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    if affinity:
        pod["affinity"] = affinity
    return pod


def _strategy(how: Replacing) -> Json:
    match how:
        case Replacing.STOP_FIRST:
            return {"type": "Recreate"}
        case Replacing.ONE_BY_ONE:
            return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
        case Replacing.SURGE:
            return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def _service(name: str, namespace: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(name, namespace),
        "spec": {
            "type": "ClusterIP",
            "selector": {DEPLOYMENT_LABEL: name},
            "ports": [{"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def _claim(name: str, namespace: str, size: str, storage_class: str | None) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {**_metadata(name, namespace), "name": cache_claim(name)},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
            **({"storageClassName": storage_class} if storage_class else {}),
        },
    }
