"""Rollouts in the simulated cluster, stepped: what an operator reads in the list, and what is offered to do about it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import yaml

from genai_tui.composition import render_for_sandbox
from genai_tui.domain.cluster import PICTURED
from genai_tui.domain.rows import DeploymentRow, Phase, Ref
from genai_tui.domain.watching import Listed
from genai_tui.engines.failures import diagnose
from genai_tui.kube.codec import RESOURCES
from genai_tui.kube.manifests.catalogue import read_entry
from genai_tui.kube.manifests.deployment import read_deployment
from genai_tui.sandbox import registry
from genai_tui.sandbox.scenarios import CATALOGUE, build
from genai_tui.sandbox.world import World
from genai_tui.store.deriving import Deriver
from genai_tui.store.picture import Picture

Json = dict[str, Any]
REF = Ref("team-b", "mine")


class Cluster:
    """A stepped sandbox and the picture of it, decoded as from the wire."""

    def __init__(self, scenario: str = "empty") -> None:
        self.world = World(start=datetime(2026, 11, 23, 10, 0, tzinfo=UTC))
        build(self.world, scenario, render_for_sandbox)
        if scenario == "empty":
            self.world.api.create(registry.NAMESPACES, "", {"metadata": {"name": "team-b"}})
            token = {"metadata": {"name": "hf"}, "stringData": {"token": "hf_planted"}}
            self.world.api.create(registry.SECRETS, "team-b", token)
        self.picture = Picture(Deriver(read_deployment, lambda _: None, diagnose), read_entry)

    def apply(self, change: Callable[[Json], None] = lambda _: None, model: str = "smollm2-135m") -> None:
        spec: Json = {
            "model": model,
            "endpoint": "internal",
            "engine": {"type": "vllm", "image": "vllm/vllm-openai:v0.33.0", "replicas": 1, "contextLength": 4096},
            "resources": {"cpu": "2", "memory": "4Gi", "gpu": 1},
            "advanced": {},
        }
        change(spec)
        document = {
            "apiVersion": "genai-tui.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": REF.name, "namespace": REF.namespace},
            "spec": spec,
        }
        for item in render_for_sandbox(f"{CATALOGUE}---\n{yaml.safe_dump(document)}"):
            resource = registry.by_kind(item["apiVersion"], item["kind"])
            assert resource is not None
            if item["kind"] != "ConfigMap":
                name = item["metadata"]["name"]
                self.world.api.apply(resource, REF.namespace, name, item, manager="genai-tui", force=True)

    def look(self) -> None:
        for kind in PICTURED:
            resource = RESOURCES[kind]
            group = "apps" if resource.prefix == "/apis/apps/v1" else ""
            served = registry.lookup(group, "v1", resource.plural)
            assert served is not None
            raw = [json.dumps(item).encode() for item in self.world.objects.list(served)]
            objects = [resource.convert(msgspec.json.decode(text, type=resource.wire)) for text in raw]
            self.picture.feed([Listed(kind, tuple(objects))])

    def row(self, ref: Ref = REF) -> DeploymentRow:
        self.look()
        detail = self.picture.deployment(ref)
        assert detail is not None
        return detail.row

    def after(self, seconds: float) -> DeploymentRow:
        self.world.clock.advance(seconds)
        return self.row()


HUB = [{"name": "HF_TOKEN", "secret": {"name": "hf", "key": "token"}}]


def setting(**values: Any) -> Callable[[Json], None]:
    """`resources__gpu=16` sets spec.resources.gpu."""

    def change(spec: Json) -> None:
        for path, value in values.items():
            *parents, last = path.split("__")
            place = spec
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value

    return change


FAILURES = [
    (setting(engine__image="vllm/vllm-openai:v9.9.9"), "", Phase.FAILED, "the image does not exist", "correct the image"),
    (setting(resources__gpu=8, advanced__nodeSelector={"nvidia.com/gpu.product": "NVIDIA-L4"}), "", Phase.PENDING,
     "no node has 8 free GPUs (best gpu-l4-", "ask for fewer"),
    (setting(resources__gpu=16), "", Phase.PENDING, "no node has 16 free GPUs (best", "ask for fewer"),
    (setting(resources__memory="4Ti"), "", Phase.PENDING, "no node has enough free memory", "ask for less memory"),
    (setting(advanced__nodeSelector={"disk": "none"}), "", Phase.PENDING, "no node matches the node selector", "node selector"),
    (setting(advanced__cache={"claim": "none"}), "", Phase.PENDING, "the volume claim none does not exist", "create the claim"),
    (setting(advanced__cache={"size": "10Gi", "storageClass": "none"}), "", Phase.PENDING,
     "its volume claim mine-cache is not bound: there is no storage class none", "storage class"),
    (setting(advanced__env=[{"name": "HF_TOKEN", "secret": {"name": "none", "key": "t"}}]), "", Phase.FAILED,
     'secret "none" not found', "create the secret none"),
    (setting(engine__contextLength=100_000), "", Phase.FAILED, "context 100000 exceeds the model's maximum 8192", "8192 or auto"),
    (setting(resources__gpu=2), "", Phase.FAILED, "2 GPUs do not divide the model's 9 attention heads", "divisor of 9"),
    (setting(engine__contextLength=131_072, advanced__env=HUB,
             advanced__nodeSelector={"nvidia.com/gpu.product": "NVIDIA-L4"}), "llama-3.1-8b", Phase.FAILED,
     "exceeds what the KV cache holds", "or auto"),
    (setting(), "llama-3.1-8b", Phase.FAILED, "the model is gated", "HF_TOKEN"),
    (setting(advanced__env=[{"name": "VLLM_PORT", "value": "tcp://10.0.0.1:80"}]), "", Phase.FAILED, "VLLM_PORT", "enableServiceLinks"),
    (setting(resources__gpu=1, advanced__env=HUB), "llama-3.3-70b", Phase.FAILED,
     "does not fit into GPU memory", "more GPUs"),
    (setting(advanced__annotations={"sandbox.example/none": "1"}, engine__startupBudgetSeconds=60,
             advanced__env=HUB, resources__gpu=8), "llama-3.3-70b", Phase.FAILED,
     "start-up budget is too short", "raise the start-up budget"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "model", "phase", "cause", "fix"), FAILURES, ids=[f[3][:40] for f in FAILURES])
def test_each_failure_has_its_cause_and_its_fix_in_the_list(
    change: Callable[[Json], None], model: str, phase: Phase, cause: str, fix: str
) -> None:
    cluster = Cluster()
    cluster.apply(change, model or "smollm2-135m")
    seen = [cluster.after(15).assessment for _ in range(40)]
    found = [a for a in seen if a.cause and cause in a.cause]
    assert found, sorted({f"{a.phase}: {a.cause}" for a in seen})
    assert found[-1].phase is phase
    assert found[-1].fix is not None
    assert fix in found[-1].fix
    assert found[-1].evidence


def test_a_healthy_start_passes_its_stages_and_never_shows_a_fix() -> None:
    cluster = Cluster()
    cluster.apply()
    seen: list[Phase] = []
    for _ in range(80):
        row = cluster.after(0.5)
        assert row.assessment.fix is None
        if not seen or seen[-1] is not row.assessment.phase:
            seen.append(row.assessment.phase)
    assert seen == [Phase.PENDING, Phase.PULLING, Phase.STARTING, Phase.WARMING_UP]
    cluster.picture.set_answer(REF, ("mine", "smollm2-135m"))
    row = cluster.row()
    assert (row.assessment.phase, row.assessment.cause) == (Phase.RUNNING, None)
    assert (row.ready, row.replicas, row.gpus) == (1, 1, 1)


def test_a_new_image_rolls_out_without_needing_a_gpu_more() -> None:
    cluster = Cluster()
    two = setting(engine__replicas=2)
    cluster.apply(two)
    cluster.after(120)
    cluster.picture.set_answer(REF, ("mine",))
    held = [row.gpu_free for row in cluster.picture.nodes()]

    def newer(spec: Json) -> None:
        two(spec)
        spec["engine"]["image"] = "vllm/vllm-openai:v0.33.1"

    cluster.apply(newer)
    phases, causes = set(), set()
    for _ in range(60):
        row = cluster.after(2)
        phases.add(row.assessment.phase)
        causes.add(str(row.assessment.cause))
        # One old pod may still be going while its successor starts; more would be a surge.
        assert sum(node.gpu_free for node in cluster.picture.nodes()) >= sum(held) - 1
        assert row.ready >= 1
    # From the first pod to the last it is a rollout, and says of which pod and how far.
    assert phases <= {Phase.ROLLING_OUT, Phase.WARMING_UP}
    assert {"0 of 2 updated, starting", "1 of 2 updated, starting"} <= causes
    detail = cluster.picture.deployment(REF)
    assert detail is not None
    assert detail.workload.revision == "2"
    assert all(replica.current for replica in detail.replicas)


def test_a_change_that_waits_for_a_paused_rollout_is_told_everywhere() -> None:
    cluster = Cluster()
    cluster.apply()
    cluster.after(120)
    cluster.picture.set_answer(REF, ("mine",))

    def change(*, paused: bool, image: str = "") -> None:
        item = copy.deepcopy(cluster.world.objects.get(registry.DEPLOYMENTS, REF.namespace, REF.name) or {})
        item["spec"]["paused"] = paused
        container = item["spec"]["template"]["spec"]["containers"][0]
        container["image"] = image or container["image"]
        cluster.world.api.update(registry.DEPLOYMENTS, REF.namespace, REF.name, item)

    def told() -> tuple[Phase, str | None]:
        row = cluster.after(5)
        cluster.picture.set_answer(REF, ("mine",))
        row = cluster.row()
        return row.assessment.phase, row.assessment.cause

    change(paused=True)
    assert told() == (Phase.RUNNING, None)
    change(paused=True, image="vllm/vllm-openai:v0.33.1")
    assert told() == (Phase.ROLLING_OUT, "paused: a change waits")
    assert "resume" in str(cluster.row().assessment.fix)
    change(paused=False)
    assert "paused" not in str(told()[1])


def test_stopping_and_starting_again() -> None:
    cluster = Cluster()
    cluster.apply()
    cluster.after(60)
    cluster.apply(setting(engine__replicas=0))
    assert cluster.after(10).assessment.phase is Phase.STOPPED
    cluster.apply()
    assert cluster.after(60).ready == 1


def test_an_exceeded_quota_is_told() -> None:
    cluster = Cluster()
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"requests.nvidia.com/gpu": "0"}}}
    cluster.world.api.create(registry.QUOTAS, "team-b", quota)
    cluster.apply()
    row = cluster.after(30)
    assert row.assessment.phase is Phase.FAILED
    assert "the namespace's quota is used up: few allows requests.nvidia.com/gpu=0" in str(row.assessment.cause)


def test_the_tour_shows_a_newcomer_four_states() -> None:
    cluster = Cluster("tour")
    cluster.look()
    for row in cluster.picture.deployments():
        cluster.picture.set_answer(row.ref, (row.ref.name,))
    phases = {row.ref.name: row.assessment.phase for row in cluster.picture.deployments()}
    assert phases == {
        "chat": Phase.RUNNING,
        "assistant": Phase.ROLLING_OUT,
        "summarize": Phase.PENDING,
        "extract": Phase.FAILED,
    }
