"""The pre-flight: what fits is told with its bound, a stop is certain, what was not seen is not guessed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain import preflight
from genai_tui.domain.catalogue import ModelSpec
from genai_tui.domain.cluster import Meta, Node, Taint
from genai_tui.domain.deployment import DeploymentSpec
from genai_tui.domain.memory_fit import argument, fit, token_bound
from genai_tui.domain.preflight import Level, NotSeen, SeenQuota, SeenSecret
from genai_tui.domain.rows import NodeRow, Ref

OWN = Ref("team-a", "chat")
GPU = "nvidia.com/gpu"


def spec(gpu: int = 4, context: int | str = 8192, replicas: int = 1, **advanced: Any) -> DeploymentSpec:
    return DeploymentSpec.model_validate(
        {
            "model": "m",
            "endpoint": "e",
            "engine": {"type": "vllm", "image": "vllm/vllm-openai:v0.33.0", "replicas": replicas}
            | {"contextLength": context},
            "resources": {"cpu": "8", "memory": "64Gi", "gpu": gpu},
            "advanced": advanced,
        }
    )


def model(parameters: str | None = "8B", context: int | None = 131_072) -> ModelSpec:
    source = {"type": "huggingface", "repository": "org/model"}
    return ModelSpec.model_validate({"source": source, "parameters": parameters, "contextLength": context})


def node(name: str, free: int = 8, *, memory: int | None = 81_559, holders: Any = (), **how: Any) -> NodeRow:
    labels = how.pop("labels", {})
    allocatable = {"cpu": how.pop("cpu", "64"), "memory": "512Gi", GPU: "8"}
    found = Node(Meta(name, labels=labels), how.pop("ready", True), allocatable=allocatable, **how)
    return NodeRow(found, GPU, "H100", memory, 8, free, holders)


@pytest.mark.parametrize(
    ("row", "advanced", "why"),
    [
        (node("n"), {}, ()),
        (node("n", 2), {}, ("2 of 8 GPUs free",)),
        (node("n", 2, holders=((OWN, 4),)), {}, ()),
        (node("n", 2, holders=((Ref("b", "c"), 4),)), {}, ("2 of 8 GPUs free",)),
        (node("n", ready=False, unschedulable=True), {}, ("not ready", "cordoned")),
        (node("n", cpu="4"), {}, ("cpu 4 in all",)),
        (node("n", taints=(Taint("gpu", "yes", "NoSchedule"),)), {}, ("taint gpu=yes:NoSchedule",)),
        (node("n", taints=(Taint("gpu", "yes", "PreferNoSchedule"),)), {}, ()),
        (
            node("n", taints=(Taint("gpu", "yes", "NoSchedule"),)),
            {"tolerations": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]},
            (),
        ),
        (
            node("n", taints=(Taint("gpu", "yes", "NoExecute"),)),
            {"tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]},
            ("taint gpu=yes:NoExecute",),
        ),
        (node("n", labels={"zone": "b"}), {"nodeSelector": {"zone": "a"}}, ("zone is not a",)),
    ],
)
def test_a_node_says_why_it_cannot_take_a_replica(row: NodeRow, advanced: dict[str, Any], why: tuple[str, ...]) -> None:
    assert preflight.unfit(spec(**advanced), row, OWN) == why


def test_the_placement_counts_replicas_and_names_the_others() -> None:
    nodes = (node("big"), node("half", 4), node("full", 0))
    check = preflight.placement(spec(replicas=3), nodes, OWN)
    assert (check.level, check.text) == (Level.OK, "big, half can take a replica. Not full: 0 of 8 GPUs free")
    check = preflight.placement(spec(replicas=4), nodes, OWN)
    assert (check.level, check.text.partition(":")[0]) == (Level.WARNING, "room for 3 of 4 replicas now")
    assert preflight.placement(spec(), nodes[2:], OWN).level is Level.WARNING


# Published geometries, layers x key-value heads x head size: what 16-bit KV cache really takes for each token.
@pytest.mark.parametrize(
    ("parameters", "layers", "heads", "size"),
    [
        (135_000_000, 30, 3, 64),  # SmolLM2-135M
        (6_740_000_000, 32, 32, 128),  # Llama 2 7B: no grouped queries
        (8_030_000_000, 32, 8, 128),  # Llama 3.1 8B
        (13_000_000_000, 40, 40, 128),  # Llama 2 13B: no grouped queries
        (70_600_000_000, 80, 8, 128),  # Llama 3.1 70B
    ],
)
def test_the_bound_of_a_token_holds_for_published_models(parameters: int, layers: int, heads: int, size: int) -> None:
    assert token_bound(parameters) >= 2 * 2 * layers * heads * size


@given(st.integers(1, 10**12), st.integers(1, 200_000), st.integers(1, 8), st.floats(0.1, 1))
def test_the_largest_context_fits_and_one_token_more_does_not(n: int, mib: int, gpus: int, share: float) -> None:
    found = fit(n, mib, gpus, utilization=share)
    taken = found.weights + found.largest_context * found.token
    assert found.largest_context == 0 or taken <= found.usable
    assert taken + found.token > found.usable


@pytest.mark.parametrize(
    ("size", "asked", "level", "words"),
    [
        ("8B", {"gpu": 1}, Level.OK, "16-bit weights take 14.9 GiB of 69.7 GiB; context 8,192"),
        ("8B", {"gpu": 1, "context": 131_072}, Level.WARNING, "a context of 131,072 takes up to"),
        ("8B", {"gpu": 1, "context": "auto"}, Level.WARNING, "the engine shortens it if need be"),
        ("8B", {"gpu": 1, "extraArgs": ["--max-num-seqs", "256"]}, Level.WARNING, "of 256 sequences of 8,192 tokens"),
        ("70B", {"gpu": 1}, Level.WARNING, "only a quantized checkpoint fits"),
        ("405B", {"gpu": 1}, Level.STOP, "do not fit into 79.6 GiB even with 4 bits each"),
        ("405B", {"gpu": 1, "extraArgs": ["--cpu-offload-gb=200"]}, Level.WARNING, "only a quantized checkpoint fits"),
        (None, {"gpu": 1}, Level.UNKNOWN, "does not say how many parameters"),
    ],
)
def test_the_memory_is_told_with_its_bound(size: str | None, asked: dict[str, Any], level: Level, words: str) -> None:
    (check,) = preflight.memory(spec(**asked), model(size), [node("a"), node("b")])
    assert check.level is level
    assert words in check.text


def test_a_gpu_too_small_stops_only_where_no_other_fits() -> None:
    small, large = node("a", memory=16_384), node("b", memory=81_559)
    assert [c.level for c in preflight.memory(spec(1), model("70B"), [small])] == [Level.STOP]
    assert [c.level for c in preflight.memory(spec(1), model("70B"), [small, large])] == [Level.WARNING] * 2
    quiet = preflight.memory(spec(1), model("70B"), [small, node("c", memory=None)])
    assert [c.level for c in quiet] == [Level.WARNING, Level.UNKNOWN]


def test_what_may_not_be_seen_is_said_and_never_a_stop() -> None:
    for seen in (NotSeen.FORBIDDEN, NotSeen.FAILED):
        checks = (
            preflight.secret_key("hf", "token", "HF_TOKEN", seen),
            preflight.pull_secret("ngc", seen),
            preflight.claim("models", seen),
            preflight.storage_class("fast", seen),
            *preflight.quota(seen, {}, exists=False),
            *preflight.tls_secret("gw", "cert", seen),
        )
        assert {check.level for check in checks} == {Level.UNKNOWN}


def test_secrets_claims_and_classes() -> None:
    opaque = SeenSecret("Opaque", frozenset({"token"}))
    assert preflight.secret_key("hf", "token", "HF_TOKEN", opaque).level is Level.OK
    assert preflight.secret_key("hf", "key", "HF_TOKEN", opaque).level is Level.STOP
    assert preflight.secret_key("hf", "key", "HF_TOKEN", NotSeen.ABSENT).level is Level.STOP
    assert preflight.pull_secret("ngc", opaque).level is Level.WARNING
    assert preflight.claim("models", NotSeen.ABSENT).level is Level.STOP
    assert preflight.claim("models", "Bound").level is Level.OK
    assert preflight.storage_class("fast", {"slow": True}).level is Level.WARNING
    assert preflight.storage_class(None, {"slow": True}).level is Level.OK
    assert preflight.storage_class(None, {"slow": False}).level is Level.WARNING


def test_a_full_quota_stops_what_is_new_and_warns_of_what_runs() -> None:
    tight = SeenQuota("tight", {"requests.nvidia.com/gpu": "8", "pods": "10"}, {"requests.nvidia.com/gpu": "6"})
    wanted = {"requests.nvidia.com/gpu": Decimal(4), "pods": Decimal(1)}
    (new,) = preflight.quota([tight], wanted, exists=False)
    assert (new.level, new.text) == (
        Level.STOP,
        "no room for all replicas: requests.nvidia.com/gpu: 4 more on 6 of 8",
    )
    assert preflight.quota([tight], wanted, exists=True)[0].level is Level.WARNING
    assert preflight.quota([tight], {"pods": Decimal(1)}, exists=False)[0].level is Level.OK


def test_the_last_argument_counts() -> None:
    assert argument(["--a=1", "--a", "2"], "--a") == "2"
    assert argument(["--a"], "--a") is None
