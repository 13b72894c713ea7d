"""Deployments of others: listed, explained, never written to; read back into the form with what does not fit."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from genai_tui.domain.catalogue import ModelSpec
from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.drafts import DEPLOYMENT_FORM, from_document
from genai_tui.domain.rows import Ref
from genai_tui.errors import BadInput, Conflict, NotPermitted
from genai_tui.files import read_documents
from genai_tui.kube.manifests.deployment import render_deployment
from genai_tui.kube.manifests.readback import read_back
from genai_tui.sandbox import registry
from genai_tui.sandbox.scenarios import CATALOGUE
from genai_tui.services import Services
from screens.app import GenaiTui
from screens.deployment.screen import DeploymentScreen
from screens.dialogs.difference import DifferenceDialog
from screens.wizard.adopting import AdoptScreen
from screens.wizard.review import ReviewPane
from tests.sandbox.serving import Served, served
from tests.screens.console import page, wait_until
from tests.strategies import renderable
from tests.test_operations import connected

LEGACY = Ref("default", "legacy")
CONTAINER: dict[str, Any] = {
    "name": "server",
    "image": "vllm/vllm-openai:v0.31.0",
    "command": ["/bin/sh", "-c"],
    "args": [
        "exec vllm serve HuggingFaceTB/SmolLM2-135M-Instruct --port 9000 --max-model-len 2048 "
        "--gpu-memory-utilization 0.8 --no-enable-prefix-caching --api-key sk-plantedplantedplanted"
    ],
    "env": [
        {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf", "key": "token"}}},
        {"name": "PASSWORD", "value": "hunter2"},
        {"name": "VLLM_LOGGING_LEVEL", "value": "DEBUG"},
    ],
    "resources": {"limits": {"cpu": "8", "memory": "24Gi", "nvidia.com/gpu": "1"}, "requests": {"cpu": "4"}},
    "startupProbe": {"httpGet": {"path": "/health", "port": 9000}, "periodSeconds": 10, "failureThreshold": 90},
    "volumeMounts": [
        {"name": "shm", "mountPath": "/dev/shm"},
        {"name": "cache", "mountPath": "/root/.cache/huggingface"},
        {"name": "notes", "mountPath": "/notes"},
    ],
}
POD: dict[str, Any] = {
    "containers": [CONTAINER, {"name": "proxy", "image": "envoyproxy/envoy:v1.30"}],
    "serviceAccountName": "models",
    "nodeSelector": {"pool": "gpu"},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "volumes": [
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}},
        {"name": "cache", "persistentVolumeClaim": {"claimName": "models"}},
        {"name": "notes", "configMap": {"name": "notes"}},
    ],
}
FOREIGN: dict[str, Any] = {
    "metadata": {"name": "legacy", "labels": {"app": "legacy", "app.kubernetes.io/managed-by": "Helm"}},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "legacy"}},
        "template": {"metadata": {"labels": {"app": "legacy", "team": "search"}}, "spec": POD},
    },
}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as server:
        server.call(lambda: server.api.create(registry.DEPLOYMENTS, "default", copy.deepcopy(FOREIGN)))
        yield server


@pytest.fixture
async def services(cluster: Served, tmp_path: Path) -> AsyncIterator[Services]:
    opened = await connected(cluster, "admin", tmp_path / "state")
    await opened.apply_documents(read_documents(CATALOGUE), False)
    while not (opened.picture.models() and opened.picture.endpoints() and opened.picture.deployments()):
        await opened.settle()
    yield opened
    await opened.close()


def legacy(cluster: Served) -> dict[str, Any]:
    return cluster.call(lambda: cluster.api.get(registry.DEPLOYMENTS, "default", "legacy"))


async def test_what_fits_is_read_back_and_what_does_not_is_listed(services: Services) -> None:
    found = await services.operations.adoption(LEGACY)
    expected = {
        "name": "legacy-adopted",
        "namespace": "default",
        "model": "smollm2-135m",
        "engine.type": "vllm",
        "engine.image": "vllm/vllm-openai:v0.31.0",
        "engine.replicas": "2",
        "engine.contextLength": "2048",
        "engine.promptCaching": "off",
        "engine.startupBudgetSeconds": "900",
        "resources.cpu": "4",
        "resources.memory": "24Gi",
        "resources.gpu": "1",
        "resources.gpuResource": "nvidia.com/gpu",
        "advanced.extraArgs": "--gpu-memory-utilization\n0.8",
        "advanced.env": "HF_TOKEN=secret:hf/token\nVLLM_LOGGING_LEVEL=DEBUG",
        "advanced.labels": "team=search",
        "advanced.tolerations": "nvidia.com/gpu:NoSchedule",
        "advanced.nodeSelector": "pool=gpu",
        "advanced.sharedMemory": "8Gi",
        "advanced.cache.claim": "models",
    }
    assert {name: found.texts.get(name) for name in expected} == expected
    assert found.managed_by == "Helm"
    listed = {left.path for left in found.leftovers}
    assert {
        "args",
        "env.PASSWORD",
        "volumes",
        "containers",
        "serviceAccountName",
        "resources.limits.cpu",
        "labels.app",
    } <= listed
    told = "\n".join(left.line for left in found.leftovers)
    for word in ("9000", "envoyproxy/envoy", "/notes", "goes on running"):
        assert word in told
    for secret in ("hunter2", "sk-planted"):
        assert secret not in told
        assert secret not in str(found.texts)


async def test_what_others_made_is_never_written_to(cluster: Served, services: Services) -> None:
    before = legacy(cluster)
    operations = services.operations
    row = next(row for row in services.picture.deployments() if row.ref == LEGACY)
    assert row.foreign
    for writing in (
        operations.scale(LEGACY, 0),
        operations.restart(LEGACY),
        operations.pause(LEGACY, paused=True),
        operations.delete("ModelDeployment", "legacy", "default"),
    ):
        with pytest.raises(NotPermitted, match="was not made by genai-tui"):
            await writing
    texts = {**(await operations.adoption(LEGACY)).texts, "name": "legacy", "endpoint": "internal"}
    same_name = DEPLOYMENT_FORM.read({**DEPLOYMENT_FORM.blank(), **texts}).document
    assert same_name is not None
    with pytest.raises(Conflict, match="exists and was not made by genai-tui"):
        await operations.apply(same_name)
    assert (await operations.drift(LEGACY)).fields == ()
    assert legacy(cluster) == before
    ours = same_name.metadata.model_copy(update={"name": "ours"})
    await operations.apply(same_name.model_copy(update={"metadata": ours}))
    with pytest.raises(BadInput, match="was made by genai-tui already"):
        await operations.adoption(Ref("default", "ours"))


@pytest.mark.timeout(60)
async def test_it_is_adopted_by_keys_with_the_difference_shown(cluster: Served, tmp_path: Path) -> None:
    services = await connected(cluster, "admin", tmp_path / "state")
    await services.apply_documents(read_documents(CATALOGUE), False)
    while not (services.picture.models() and services.picture.endpoints() and services.picture.deployments()):
        await services.settle()
    before = legacy(cluster)
    app = GenaiTui(services)
    async with app.run_test(size=(120, 40)) as pilot:
        app.open_deployment(LEGACY)
        await wait_until(pilot, lambda: "Adopt" in page(app))
        await pilot.press("A")
        await wait_until(pilot, lambda: isinstance(app.screen, DifferenceDialog))
        assert "Adopt default/legacy, made by Helm?" in page(app)
        assert "envoyproxy/envoy" in page(app)
        await pilot.press("y")
        await wait_until(pilot, lambda: isinstance(app.screen, AdoptScreen) and app.screen.is_mounted)
        form = app.screen
        assert isinstance(form, AdoptScreen)
        await pilot.press("ctrl+s")
        pane = form.query_one(ReviewPane)
        await wait_until(pilot, lambda: pane._preview is not None, "the server's answer")
        assert pane._preview is not None
        assert "-  name: legacy" in pane._preview.diff
        assert "+  name: legacy-adopted" in pane._preview.diff
        assert "Not taken over" in page(app)
        await pilot.press("ctrl+s")
        if pane.stops:
            await wait_until(pilot, lambda: "Save anyway" in page(app))
            await pilot.press("y")
        await wait_until(pilot, lambda: isinstance(app.screen, DeploymentScreen), "saved")
    made = cluster.call(lambda: cluster.api.get(registry.DEPLOYMENTS, "default", "legacy-adopted"))
    assert made["spec"]["replicas"] == 2
    assert legacy(cluster) == before


@given(renderable())
@settings(max_examples=60)
def test_what_we_render_reads_back_as_it_was_written(pair: tuple[ModelDeployment, ModelSpec]) -> None:
    document, model = pair
    read = read_back(render_deployment(document, model, "team-a")[0])
    assert read is not None
    asked = from_document(document)
    for name in (
        "engine.type", "engine.image", "engine.replicas", "engine.contextLength", "engine.promptCaching",
        "resources.cpu", "resources.memory", "resources.gpu", "advanced.nodeSelector", "advanced.tolerations",
        "advanced.podAffinity", "advanced.sharedMemory", "advanced.runtimeClass", "advanced.env",
    ):  # fmt: skip
        assert read.texts.get(name, "") == asked.get(name, ""), name


def test_a_label_of_ours_that_was_typed_is_read_back() -> None:
    labels = {"team": "search", "genai-tui.dev/deployment": "x", "helm.sh/chart": "y", "pod-template-hash": "1"}
    item = copy.deepcopy(FOREIGN)
    item["spec"]["template"]["metadata"]["labels"] = labels
    read = read_back(item)
    assert read is not None
    assert read.texts["advanced.labels"] == "team=search"
