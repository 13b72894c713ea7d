"""Every failure the sandbox stages by name: its cause, evidence and fix in the list, in `explain`, and on screen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genai_tui.commands.explain import explain
from genai_tui.domain.cluster import Pod
from genai_tui.domain.drafts import DEPLOYMENT_FORM, from_document
from genai_tui.domain.fixes import opens_with, prefill
from genai_tui.domain.problems import FieldChange, How
from genai_tui.domain.rows import DeploymentDetail, DeploymentRow, Phase, Ref
from genai_tui.engines.failures import diagnose
from genai_tui.sandbox.scenario_failures import FAILURES, STAGED
from genai_tui.services import LogLine, Services
from genai_tui.store.picture import Picture
from genai_tui.store.starts import StartWatcher
from screens.deployment.overview import state_blocks
from screens.deployment.sheet import Fact
from screens.format import phase_text
from tests.fakes.services import FakeOperations
from tests.test_rollouts import Cluster, setting

F, P = Phase.FAILED, Phase.PENDING
# name -> phase, part of the cause, part of the evidence, part of the fix, what the form is filled with
EXPECTED: dict[str, tuple[Phase, str, str, str, dict[str, str]]] = {
    "insufficient-gpus": (P, "no node has 16 free GPUs (best gpu-h100-", "Insufficient nvidia.com/gpu", "ask for fewer",
                          {"resources.gpu": "8"}),
    "fragmented-gpus": (P, "no node has 4 free GPUs (best gpu-a100-1: 3); 11 are free on different nodes",
                        "Insufficient nvidia.com/gpu", "ask for fewer", {"resources.gpu": "3"}),
    "taint": (P, "a taint that is not tolerated", "untolerated taint", "dedicated=research:NoSchedule",
              {"advanced.tolerations": "dedicated=research:NoSchedule"}),
    "node-selector": (P, "no node matches the node selector", "node affinity/selector", "node selector",
                      {"advanced.nodeSelector": ""}),
    "insufficient-memory": (P, "no node has enough free memory", "Insufficient memory", "ask for less memory", {}),
    "cordoned": (P, "the nodes that fit are cordoned", "unschedulable", "uncordon", {}),
    "pod-anti-affinity": (P, "a pod it must stay away from", "anti-affinity", "relax", {"advanced.podAffinity": ""}),
    "volume-missing": (P, "the volume claim models does not exist", "persistentvolumeclaim", "create the claim",
                       {"advanced.cache.claim": ""}),
    "volume-unbound": (P, "its volume claim volume-unbound-cache is not bound: there is no storage class fast",
                       'storageclass.storage.k8s.io "fast" not found', "name an existing claim", {}),
    "quota": (F, "the namespace's quota is used up: gpus allows requests.nvidia.com/gpu=0, in use are "
              "requests.nvidia.com/gpu=0, and it asks for requests.nvidia.com/gpu=1", "exceeded quota", "raise the quota", {}),
    "preempted": (P, "a pod of higher priority took the place of its last one", "Preempted by pod", "priority class", {}),
    "evicted": (P, "its last pod was evicted from its node; gpu-l4-1, which the node selector chooses, has disk pressure",
                "low on resource: ephemeral-storage", "look after that node", {}),
    "rollout-deadlock": (Phase.ROLLING_OUT, "rollout deadlock", "Insufficient nvidia.com/gpu", "Recreate",
                         {"advanced.strategy": "Recreate"}),
    "image-not-found": (F, "the image does not exist", "not found", "correct the image", {}),
    "image-name": (F, "the image name is not valid", "invalid reference format", "correct the image name", {}),
    "registry-unreachable": (F, "the registry cannot be reached", "no such host", "network", {}),
    "pull-secret": (F, "the registry refused the pull credentials", "401 Unauthorized", "pull secret", {}),
    "ngc-entitlement": (F, "not entitled to this image", "402 Payment Required", "accept its licence", {}),
    "ngc-key": (F, "the NGC API key is missing or refused", "NGC_API_KEY", "NGC_API_KEY", {}),
    "nim-profile": (F, "no profile for this GPU", "Unknown profiles provided", "listed profile", {"advanced.env": ""}),
    "secret-missing": (F, 'secret "hub" not found', "hub", "create the secret hub", {}),
    "secret-key-missing": (F, "has no key hf_token", "couldn't find key hf_token", "add the key hf_token", {}),
    "gated-model": (F, "the model is gated, and there is no token", "gated repo", "HF_TOKEN",
                    {"advanced.env": "HF_TOKEN=secret:hf/token"}),
    "gated-no-access": (F, "the account of its token has no access", "403 Client Error", "accept the model's licence", {}),
    "hub-offline": (F, "the hub cannot be reached", "LocalEntryNotFoundError", "storage source", {}),
    "disk-full": (F, "the disk that takes the model's files is full", "No space left", "larger cache", {}),
    "cuda-oom": (F, "the model does not fit into GPU memory", "OutOfMemoryError", "more GPUs", {"resources.gpu": "2"}),
    "oom-kv-cache": (F, "no GPU memory is left for the KV cache", "No available memory for the cache blocks", "more GPUs",
                     {"resources.gpu": "2"}),
    "context-over-kv-cache": (F, "context 131072 exceeds what the KV cache holds", "max seq len", "or auto", {}),
    "context-over-model": (F, "context 100000 exceeds the model's maximum 8192", "max_model_len", "8192 or auto",
                           {"engine.contextLength": "8192"}),
    "heads-not-divisible": (F, "2 GPUs do not divide the model's 9 attention heads", "attention heads", "divisor of 9",
                            {"resources.gpu": "1"}),
    "too-few-gpus": (F, "splits the model over 3 GPUs, and has 1", "World size", "ask for 3 GPUs", {"resources.gpu": "3"}),
    "bad-argument": (F, "does not know --enable-prefix-cashing", "unrecognized arguments", "correct or remove",
                     {"advanced.extraArgs": ""}),
    "serve-repeated": (F, "repeat `serve`", "unrecognized arguments", "remove serve", {}),
    "service-link-clash": (F, "a Service called vllm sets VLLM_PORT", "appears to be a URI", "enableServiceLinks", {}),
    "shm-too-small": (F, "shared memory is too small", "/dev/shm/nccl", "shared memory", {"advanced.sharedMemory": "4Gi"}),
    "port-in-use": (F, "port is taken", "Address already in use", "port", {}),
    "oom-killed": (F, "killed: out of memory", "OOMKilled", "memory limit", {"resources.memory": "2Gi"}),
    "probe-kills": (F, "the start-up budget is too short", "failed startup probe", "raise the start-up budget",
                    {"engine.startupBudgetSeconds": "120"}),
    "liveness-kills": (F, "stopped answering its liveness probe", "failed liveness probe", "previous log", {}),
    "progress-deadline": (Phase.DOWNLOADING, "slower than its deadline", "has timed out progressing", "start-up budget", {}),
    "crash": (F, "crashed: fatal: staged crash", "fatal: staged crash", "previous log", {}),
    "node-not-ready": (F, "is not ready", "Kubelet stopped posting", "look after the node", {}),
}  # fmt: skip
LEFT_OPEN = {
    "context-over-kv-cache",
    "serve-repeated",
    "service-link-clash",
    "port-in-use",
    "progress-deadline",
    "disk-full",
}
"""Their fields have what the sandbox reckons, or nothing to begin with."""
OPENS_AT = {
    "volume-unbound": "advanced.cache.claim", "quota": "resources.gpu", "cordoned": "advanced.nodeSelector",
    "evicted": "advanced.nodeSelector", "preempted": "", "image-not-found": "engine.image",
    "image-name": "engine.image", "registry-unreachable": "engine.image", "ngc-entitlement": "engine.image",
    "pull-secret": "engine.ngc.pullSecret", "secret-missing": "advanced.env", "secret-key-missing": "advanced.env",
    "gated-no-access": "advanced.env", "disk-full": "advanced.cache.size", "serve-repeated": "advanced.extraArgs",
    "service-link-clash": "advanced.env", "port-in-use": "advanced.extraArgs",
}  # fmt: skip
STEP_S, STEPS = 10.0, 60


class Asked:
    """So much of the services as `explain` asks for."""

    def __init__(self, picture: Picture) -> None:
        self.picture, self.operations = picture, FakeOperations()

    async def settle(self) -> None:
        """The picture is whole."""


class Watched(Cluster):
    """A stepped sandbox whose logs are read as the console reads them."""

    def __init__(self, scenario: str) -> None:
        super().__init__(scenario)
        self.watcher = StartWatcher(self.picture, self._tail, diagnose, lambda: self.world.clock.now().timestamp())

    async def _tail(self, pod: Pod, container: str, previous: bool) -> Sequence[LogLine]:
        run = self.world.kubelet.pods.get(pod.meta.uid)
        found = run.find(container) if run is not None else None
        lines = (found.previous if previous else found.lines) if found is not None else None
        return [LogLine(pod.meta.name, container, text, at) for at, text in lines or ()]

    def rows(self, ref: Ref, seconds: float = STEP_S, steps: int = STEPS) -> Iterator[DeploymentRow]:
        """What the list shows, step by step."""
        for _ in range(steps):
            self.look()
            asyncio.run(self.watcher.once())
            detail = self.picture.deployment(ref)
            assert detail is not None
            yield detail.row
            self.world.clock.advance(seconds)

    def detail(self, ref: Ref) -> DeploymentDetail:
        found = self.picture.deployment(ref)
        assert found is not None
        return found


def test_every_failure_that_is_staged_is_expected() -> None:
    assert [staged.name for staged in STAGED] == list(EXPECTED)
    assert len(EXPECTED) >= 40


@pytest.mark.parametrize("name", list(EXPECTED))
def test_a_staged_failure_shows_its_cause_everywhere(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    phase, cause, evidence, fix, filled = EXPECTED[name]
    cluster, ref = Watched(f"failure:{name}"), Ref(FAILURES, name)
    seen: list[str] = []
    for row in cluster.rows(ref):
        told = row.assessment
        seen.append(phase_text(told))
        if told.phase is phase and cause in (told.cause or ""):
            break
    else:
        pytest.fail("\n".join(dict.fromkeys(seen)))
    assert any(evidence in text for text in told.evidence), told.evidence
    assert told.fix
    assert fix in told.fix
    detail = cluster.detail(ref)
    # The list has phase and cause in one cell; the deployment's own screen has the fix and the evidence too.
    assert cause in phase_text(told)
    asyncio.run(explain(cast(Services, Asked(cluster.picture)), name, FAILURES, "json"))
    assert json.loads(capsys.readouterr().out) == {
        "phase": phase.value,
        "cause": told.cause,
        "evidence": list(told.evidence),
        "fix": told.fix,
    }
    facts = {
        block.label: block.text for block in state_blocks(detail, cluster.world.clock.now()) if isinstance(block, Fact)
    }
    assert cause in facts["cause"]
    assert facts["what to do"].startswith(told.fix)
    assert facts["evidence"]
    assert detail.document is not None
    draft = from_document(detail.document)
    done = prefill(told.changes, draft, 600)
    if name not in LEFT_OPEN:
        assert done == filled
    # What only a person can know is left to them: the form opens at the field, as it is.
    opened = opens_with(told.changes, draft, 600)
    assert opened == (done or {at: draft[at] for at in opened})
    assert (next(iter(opened), "") == OPENS_AT.get(name, "")) or done
    # What is filled in is a form that reads as a document again.
    assert not DEPLOYMENT_FORM.read({**draft, **done}).problems


@given(
    model=st.sampled_from([("smollm2-135m", 4096), ("mistral-7b", 8192), ("mistral-7b", 32_768)]),
    gpus=st.sampled_from([1, 1, 4]),
    replicas=st.integers(1, 3),
    step=st.floats(2, 20),
)
@settings(max_examples=12)
def test_a_healthy_deployment_never_shows_a_cause(
    model: tuple[str, int], gpus: int, replicas: int, step: float
) -> None:
    name, context = model
    # Nine heads go on one GPU or on three.
    gpus = 1 if name == "smollm2-135m" else gpus
    cluster = Watched("empty")
    product = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"} if gpus == 1 else {}
    cluster.apply(
        setting(
            resources__gpu=gpus, resources__memory="32Gi", engine__replicas=replicas, engine__contextLength=context,
            advanced__nodeSelector=product,
        ),
        name,
    )  # fmt: skip
    ref = Ref("team-b", "mine")
    for row in cluster.rows(ref, step, round(120 / step)):
        assert row.assessment.fix is None, row.assessment
        assert row.assessment.phase not in (Phase.FAILED, Phase.DEGRADED)
        assert all(replica.assessment.fix is None for replica in cluster.detail(ref).replicas)
        assert not row.assessment.changes
    cluster.picture.set_answer(ref, ("mine", name))
    row = cluster.row(ref)
    assert (row.assessment.phase, row.assessment.cause, row.assessment.evidence) == (Phase.RUNNING, None, ())


CHANGES = st.builds(
    FieldChange,
    st.sampled_from([field.id for field in DEPLOYMENT_FORM.fields]),
    st.one_of(st.text(max_size=20), st.sampled_from(["", "9", "--port", "HF_TOKEN=secret:hf/token"])),
    st.sampled_from(How),
)


@given(
    st.lists(CHANGES, max_size=4),
    st.dictionaries(st.sampled_from([field.id for field in DEPLOYMENT_FORM.fields]), st.text(max_size=30)),
    st.one_of(st.none(), st.integers(60, 86_400)),
)
def test_a_fix_touches_its_own_fields_alone_and_never_raises(
    changes: list[FieldChange], draft: dict[str, str], budget: int | None
) -> None:
    done = prefill(changes, draft, budget)
    assert done.keys() <= {change.field for change in changes}


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ("4Gi", FieldChange("resources.memory", how=How.DOUBLE), "8Gi"),
        ("80000", FieldChange("engine.startupBudgetSeconds", how=How.DOUBLE), "86400"),
        ("", FieldChange("engine.startupBudgetSeconds", how=How.DOUBLE), "1200"),
        ("8", FieldChange("resources.gpu", "9", How.DIVIDE), "3"),
        ("2", FieldChange("resources.gpu", "64", How.DIVIDE), None),
        ("--a\n--port\n9000\n--b", FieldChange("advanced.extraArgs", "--port", How.REMOVE), "--a\n--b"),
        ("--port=9000\n--portly=1", FieldChange("advanced.extraArgs", "--port", How.REMOVE), "--portly=1"),
        ("A=1\nVLLM_PORT=tcp://x", FieldChange("advanced.env", "VLLM_PORT=", How.REMOVE), "A=1"),
        ("HF_TOKEN=secret:my-hf/tok", FieldChange("advanced.env", "HF_TOKEN=secret:hf/token", How.ADD), None),
        ("dedicated=other:NoSchedule", FieldChange("advanced.tolerations", "dedicated=research:NoSchedule", How.ADD),
         "dedicated=other:NoSchedule\ndedicated=research:NoSchedule"),
        ("A=1\nHF_TOKEN=", FieldChange("advanced.env", "HF_TOKEN=secret:hf/token", How.ADD),
         "A=1\nHF_TOKEN=secret:hf/token"),
        ("0", FieldChange("resources.gpu", how=How.DOUBLE), None),
    ],
)  # fmt: skip
def test_what_a_fix_fills_in(before: str, change: FieldChange, after: str | None) -> None:
    assert prefill([change], {change.field: before}, 600) == ({} if after is None else {change.field: after})
