"""Whole deployments become objects a real API server takes, and become documents again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes_validate.utils import all_versions

from genai_tui.domain.catalogue import ModelSpec
from genai_tui.domain.deployment import CacheVolume, DeploymentSpec
from genai_tui.domain.documents import Endpoint, Model, ModelDeployment, Organization
from genai_tui.errors import BadInput
from genai_tui.kube.manifests.catalogue import read_entry, render_entry
from genai_tui.kube.manifests.deployment import doubts, owned_by, read_deployment, render_deployment
from genai_tui.sandbox import registry
from genai_tui.sandbox.validation import check_shape
from tests.sandbox.serving import new_api
from tests.strategies import DEPLOYMENTS, ENDPOINTS, MODELS, ORGANIZATIONS, renderable

Json = dict[str, Any]
NEWEST = [version for version in all_versions() if version.endswith(".0")][-5:]


def strings(item: object) -> Iterator[str]:
    if isinstance(item, dict):
        for key, value in item.items():
            yield str(key)
            yield from strings(value)
    elif isinstance(item, list | tuple):
        for value in item:
            yield from strings(value)
    elif item is not None:
        yield str(item)


def test_five_versions_of_kubernetes_are_there_to_judge() -> None:
    assert len(NEWEST) == 5
    assert NEWEST[-1] == all_versions()[-1]


@given(renderable())
@settings(max_examples=60)
def test_every_manifest_is_valid_and_reads_back(pair: tuple[ModelDeployment, ModelSpec]) -> None:
    document, model = pair
    objects = owned_by(render_deployment(document, model, "team-a"), "0f0e-uid")
    for item in objects:
        for version in NEWEST:
            kubernetes_validate.validate(item, version, strict=True)
        assert item["metadata"]["namespace"] == "team-a"
        json.dumps(item, ensure_ascii=False).encode()
    metadata = objects[0]["metadata"]
    again = read_deployment(metadata["name"], "team-a", metadata["annotations"])
    assert again is not None
    assert again.spec == document.spec
    assert again.spec.canonical_json() == document.spec.canonical_json()


@given(renderable())
@settings(max_examples=100)
def test_what_belongs_together_stays_together(pair: tuple[ModelDeployment, ModelSpec]) -> None:
    document, model = pair
    name, spec = document.metadata.name, document.spec
    deployment, *rest = owned_by(render_deployment(document, model, "n"), "uid-1")
    selector = {"genai-tui.dev/deployment": name}
    pod = deployment["spec"]["template"]
    assert deployment["spec"]["selector"] == {"matchLabels": selector}
    assert selector.items() <= pod["metadata"]["labels"].items()
    for item in rest:
        assert item["metadata"]["ownerReferences"] == [
            {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": "uid-1"}
        ]
    service = rest[0]
    assert (service["kind"], service["metadata"]["name"], service["spec"]["selector"]) == ("Service", name, selector)
    # The port's name leads from the Service and from the probes to the container.
    (container,) = pod["spec"]["containers"]
    (port,) = container["ports"]
    probes = [container[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert {service["spec"]["ports"][0]["targetPort"], *probes} == {port["name"]}
    for labels in (deployment["metadata"]["labels"], pod["metadata"]["labels"]):
        assert spec.advanced.labels.items() <= labels.items()
    assert spec.advanced.annotations.items() <= deployment["metadata"]["annotations"].items()
    assert spec.advanced.annotations == pod["metadata"].get("annotations", {})


@given(renderable(), DEPLOYMENTS)
@settings(max_examples=100)
def test_no_edit_changes_a_selector(pair: tuple[ModelDeployment, ModelSpec], other: ModelDeployment) -> None:
    document, model = pair
    advanced = document.spec.advanced.model_copy(
        update={"labels": other.spec.advanced.labels, "annotations": other.spec.advanced.annotations}
    )
    edited = document.model_copy(update={"spec": document.spec.model_copy(update={"advanced": advanced})})
    before, after = (render_deployment(each, model, "n") for each in (document, edited))
    assert before[0]["spec"]["selector"] == after[0]["spec"]["selector"]
    assert before[1]["spec"]["selector"] == after[1]["spec"]["selector"]


@given(renderable())
@settings(max_examples=100)
def test_time_to_start_is_enough_and_agrees(pair: tuple[ModelDeployment, ModelSpec]) -> None:
    document, model = pair
    spec = render_deployment(document, model, "n")[0]["spec"]
    probe = spec["template"]["spec"]["containers"][0]["startupProbe"]
    allowed = probe.get("initialDelaySeconds", 0) + probe["periodSeconds"] * probe["failureThreshold"]
    asked = document.spec.engine.startup_budget_seconds
    assert allowed >= (asked or (600 if document.spec.engine.type == "vllm" else 1200))
    assert spec["progressDeadlineSeconds"] >= allowed + 600
    assert spec["progressDeadlineSeconds"] < 2**31
    grace = spec["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace > 15


@given(renderable())
@settings(max_examples=100)
def test_a_rollout_never_waits_for_gpus_of_its_own_old_pods(pair: tuple[ModelDeployment, ModelSpec]) -> None:
    document, model = pair
    strategy = render_deployment(document, model, "n")[0]["spec"]["strategy"]
    if document.spec.advanced.strategy == "Surge":
        assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}, "asked for: it takes free GPUs"
    elif strategy["type"] == "RollingUpdate" and document.spec.resources.gpu:
        assert strategy["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    cache = document.spec.advanced.cache
    if document.spec.advanced.strategy == "auto" and isinstance(cache, CacheVolume) and cache.size:
        assert strategy == {"type": "Recreate"}


@given(renderable())
@settings(max_examples=100)
def test_every_choice_reaches_the_manifest(pair: tuple[ModelDeployment, ModelSpec]) -> None:
    document, model = pair
    spec, name = document.spec, document.metadata.name
    objects = render_deployment(document, model, "n")
    deployment = objects[0]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    said = [text for item in objects for text in strings(item)]
    assert deployment["spec"]["replicas"] == spec.engine.replicas
    assert container["image"] == spec.engine.image
    assert container["resources"]["requests"]["cpu"] == spec.resources.cpu
    assert container["resources"]["limits"]["memory"] == spec.resources.memory
    gpus = str(spec.resources.gpu) if spec.resources.gpu else None
    assert container["resources"]["limits"].get(spec.resources.gpu_resource) == gpus
    assert container["resources"]["requests"].get(spec.resources.gpu_resource) == gpus
    words = container.get("args", []) + [entry.get("value", "") for entry in container.get("env", [])]
    assert any(word.split(",")[0] == name for word in words)
    assert any(spec.model in word.split(",") for word in words)
    if spec.engine.context_length != "auto":
        assert str(spec.engine.context_length) in words
    env = {entry["name"]: entry for entry in container.get("env", [])}
    for variable in spec.advanced.env:
        entry = env[variable.name]
        if variable.secret is not None:
            assert entry["valueFrom"]["secretKeyRef"] == {"name": variable.secret.name, "key": variable.secret.key}
        else:
            assert entry["value"] == variable.value
    assert all(any(argument in word for word in words) for argument in spec.advanced.extra_args)
    assert pod.get("nodeSelector", {}) == spec.advanced.node_selector
    assert len(pod.get("tolerations", [])) == len(spec.advanced.tolerations)
    assert pod.get("runtimeClassName") == spec.advanced.runtime_class
    shm = next(volume for volume in pod["volumes"] if volume["name"] == "shm")
    assert shm["emptyDir"] == {"medium": "Memory", "sizeLimit": spec.advanced.shared_memory}
    annotation = deployment["metadata"]["annotations"]["genai-tui.dev/spec"]
    written = json.loads(annotation)
    assert written["model"] == spec.model
    assert (spec.pricing is None) == ("pricing" not in written)
    assert spec.endpoint in said


MARKER = "marker-of-a-secret-value"


@pytest.mark.parametrize("name", ["HF_TOKEN", "VLLM_API_KEY", "NGC_API_KEY", "AWS_SECRET_ACCESS_KEY", "db_password"])
def test_a_secret_cannot_be_written_as_a_value(name: str) -> None:
    with pytest.raises(ValueError, match="holds a secret") as caught:
        spec_with({"env": [{"name": name, "value": MARKER}]})
    assert MARKER not in str(caught.value)


@pytest.mark.parametrize("argument", [f"--api-key={MARKER}", f"--hf-token={MARKER}", f"--api_key={MARKER}"])
@pytest.mark.parametrize("engine", ["vllm", "nim"])
def test_a_secret_cannot_be_an_argument(argument: str, engine: str) -> None:
    image = {"vllm": "vllm/vllm-openai:v0.33.0", "nim": "nvcr.io/nim/meta/x:2.0.0"}[engine]
    spec = spec_with({"extraArgs": [argument]}, engine={"type": engine, "image": image})
    document = ModelDeployment.model_validate({"metadata": {"name": "a"}, "spec": spec})
    model = ModelSpec.model_validate({"source": {"type": "huggingface", "repository": "a/b"}})
    with pytest.raises(BadInput) as caught:
        render_deployment(document, model, "n")
    assert MARKER not in repr((str(caught.value), caught.value.problem, caught.value.fields))


def spec_with(advanced: Json, **parts: Json) -> DeploymentSpec:
    return DeploymentSpec.model_validate(
        {
            "model": "m",
            "endpoint": "e",
            "engine": {"type": "vllm", "image": "vllm/vllm-openai:v0.33.0"},
            "resources": {"cpu": "1", "memory": "8Gi"},
            "advanced": advanced,
            **parts,
        }
    )


def test_what_is_valid_and_may_not_be_meant_is_said() -> None:
    spec = spec_with(
        {"cache": {"size": "50Gi"}, "sharedMemory": "16Gi", "extraArgs": ["--gpu-memory-utilisation=0.9"]},
        engine={"type": "vllm", "image": "vllm/vllm-openai:v0.33.0", "replicas": 2},
    )
    document = ModelDeployment.model_validate({"metadata": {"name": "a"}, "spec": spec})
    model = ModelSpec.model_validate({"source": {"type": "huggingface", "repository": "a/b"}})
    found = {doubt.field: doubt.message for doubt in doubts(document, model)}
    assert set(found) == {"spec.advanced.cache.size", "spec.advanced.sharedMemory", "spec.advanced.extraArgs.0"}
    assert "did you mean '--gpu-memory-utilization'?" in found["spec.advanced.extraArgs.0"]


# The catalogue


@given(st.one_of(MODELS, ENDPOINTS, ORGANIZATIONS))
@settings(max_examples=150)
def test_catalogue_entries_are_config_maps_and_come_back(document: Model | Endpoint | Organization) -> None:
    item = render_entry(document, "genai-tui")
    kubernetes_validate.validate(item, NEWEST[-1], strict=True)
    metadata = item["metadata"]
    assert metadata["labels"]["genai-tui.dev/kind"] == document.kind.lower()
    assert read_entry(metadata["labels"], item["data"], metadata["name"]) == document


ENTRY = render_entry(
    Organization.model_validate({"metadata": {"name": "a"}, "spec": {}}),
    "genai-tui",
)


@pytest.mark.parametrize(
    ("labels", "data", "name", "said"),
    [
        ({}, {}, "x", "is not one of model, endpoint, organization"),
        ({"genai-tui.dev/kind": "organization"}, {}, "organization-a", "not JSON"),
        ({"genai-tui.dev/kind": "organization"}, {"spec": "[" * 100_000}, "organization-a", "not JSON"),
        ({"genai-tui.dev/kind": "organization"}, {"spec": "[]"}, "organization-a", "spec: must be a mapping"),
        ({"genai-tui.dev/kind": "organization"}, {"spec": '{"usres": []}'}, "organization-a", "did you mean 'users'?"),
        ({"genai-tui.dev/kind": "organization"}, {"spec": "{}", "name": "b"}, "organization-a", "belongs in"),
    ],
)
def test_an_unreadable_entry_says_why(labels: dict[str, str], data: dict[str, str], name: str, said: str) -> None:
    found = read_entry(labels, data, name)
    assert isinstance(found, str)
    assert said in found


@given(st.text(max_size=60) | st.just("[" * 100_000) | st.just('{"model": "a"}') | st.just("9" * 10_000))
@settings(max_examples=60)
def test_an_annotation_of_others_is_no_document(text: str) -> None:
    assert read_deployment("a", "n", {"genai-tui.dev/spec": text}) is None
    assert read_deployment("a", "n", {}) is None


@given(renderable())
@settings(max_examples=60)
def test_the_api_server_takes_every_manifest(pair: tuple[ModelDeployment, ModelSpec]) -> None:
    document, model = pair
    api = new_api()
    kinds = {resource.kind: resource for resource in registry.resources()}
    for item in render_deployment(document, model, "default"):
        resource = kinds[item["kind"]]
        assert check_shape(resource, item, "Strict") == []
        api.create(resource, "default", item)
