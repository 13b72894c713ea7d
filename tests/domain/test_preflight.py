"""The pre-flight: what fits is told with its bound, a stop is certain, what was not seen is not guessed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain import needs, preflight
from genai_tui.domain.catalogue import ModelSpec
from genai_tui.domain.cluster import Meta, Node, Taint
from genai_tui.domain.deployment import DeploymentSpec, EngineType
from genai_tui.domain.memory_fit import argument, fit, token_bound
from genai_tui.domain.model_shape import Files, ModelShape
from genai_tui.domain.needs import Certificate, Gate, NotSeen, SeenQuota, SeenSecret, names_host
from genai_tui.domain.pace import Usual
from genai_tui.domain.preflight import Level
from genai_tui.domain.rows import GpuResource, NodeRow, Phase, Ref
from tests.fakes.services import FakeServices

NOW = datetime(2026, 11, 23, 10, 45, tzinfo=UTC)
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


def test_whole_gpus_beside_many_mig_instances_are_seen() -> None:
    mig = "nvidia.com/mig-1g.10gb"
    row = node("mixed", 7)
    both = (GpuResource(mig, 7, 7), GpuResource(GPU, 2, 2))
    mixed = replace(row, gpu_resource=mig, gpu_total=7, gpu_free=7, resources=both)
    assert preflight.placement(spec(2), [mixed], OWN).text == "mixed can take a replica"
    assert preflight.spare_node(spec(1), [mixed], OWN) == "mixed"
    assert preflight.unfit(spec(4), mixed, OWN) == ("2 of 2 GPUs free",)
    assert preflight.memory(spec(2), model(), [mixed])


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
    shape = ModelShape(layers, heads, heads, size)
    assert shape.token_bytes(1, 2) == 2 * 2 * layers * heads * size <= token_bound(parameters)


@given(st.integers(1, 10**12), st.integers(1, 200_000), st.integers(1, 8), st.floats(0.1, 1))
def test_the_largest_context_fits_and_one_token_more_does_not(n: int, mib: int, gpus: int, share: float) -> None:
    found = fit(2 * n, mib, gpus, utilization=share, parameters=n)
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
        (None, {"gpu": 1}, Level.UNKNOWN, "says how many parameters"),
    ],
)
def test_the_memory_is_told_with_its_bound(size: str | None, asked: dict[str, Any], level: Level, words: str) -> None:
    (check,) = preflight.memory(spec(**asked), model(size), [node("a"), node("b")])
    assert check.level is level
    assert words in check.text


LLAMA_8B = ModelShape(32, 32, 8, 128)


@pytest.mark.parametrize(
    ("asked", "files", "level", "words"),
    [
        ({"gpu": 1}, Files(LLAMA_8B), Level.OK, " tokens fit, 128 KiB of KV cache each"),
        ({"gpu": 1, "context": 131_072}, Files(LLAMA_8B), Level.OK, "context 131,072; 448,"),
        ({"gpu": 1, "context": 500_000}, Files(LLAMA_8B), Level.WARNING, "takes 61 GiB; 448,"),
        ({"gpu": 1, "context": 500_000}, Files(LLAMA_8B), Level.WARNING, "the engine refuses more than fits"),
        ({"gpu": 1, "extraArgs": ["--max-num-seqs", "256"]}, Files(LLAMA_8B), Level.WARNING, "54 of 256 sequences of"),
        ({"gpu": 1}, Files(replace(LLAMA_8B, exact=False)), Level.OK, "tokens or more fit, at most 128 KiB"),
        ({"gpu": 1, "extraArgs": ["--kv-cache-dtype=fp8"]}, Files(LLAMA_8B), Level.OK, "64 KiB of KV cache each"),
        # Sixteen GPUs share eight heads: each keeps one, so that what one token takes is twice as much in all.
        ({"gpu": 16}, Files(LLAMA_8B), Level.OK, "256 KiB of KV cache each"),
        ({"gpu": 1}, Files(None, 8 * 10**9, 8 * 10**9), Level.OK, "weights as in its files take 7.5 GiB"),
        ({"gpu": 1, "extraArgs": ["--quantization=fp8"]}, Files(None, 8 * 10**9, 16 * 10**9), Level.OK, "(fp8) take"),
        ({"gpu": 1}, Files(quantization="awq 4bit"), Level.OK, "4-bit weights (4bit) take 4.2 GiB"),
    ],
)
def test_what_the_files_tell_takes_the_place_of_a_bound(
    asked: dict[str, Any], files: Files, level: Level, words: str
) -> None:
    (check,) = preflight.memory(spec(**asked), model("8B"), [sixteen("a"), sixteen("b")], files)
    assert (check.level, words in check.text) == (level, True), check.text


def sixteen(name: str) -> NodeRow:
    return replace(node(name), gpu_total=16, gpu_free=16)


def test_the_hub_counts_the_parameters_that_the_catalogue_does_not() -> None:
    (check,) = preflight.memory(spec(1), model(None), [node("a")], Files(None, 8 * 10**9, 16 * 10**9))
    assert (check.level, "weights as in its files take 14.9 GiB" in check.text) == (Level.OK, True), check.text
    (check,) = preflight.memory(spec(1), model(None), [node("a")], Files(None, 405 * 10**9, 810 * 10**9))
    assert check.level is Level.STOP
    assert check.text.startswith("405,000,000,000 parameters do not fit into 79.6 GiB")


@pytest.mark.parametrize(
    ("heads", "gpus", "engine", "level", "words"),
    [
        (28, 4, "vllm", Level.OK, "28 attention heads over 4 GPUs"),
        (28, 8, "vllm", Level.STOP, "28 attention heads cannot be split over 8 GPUs: the engine would not start; take"),
        (28, 8, "vllm", Level.STOP, "take 1, 2, 4, 7"),
        (9, 1, "vllm", None, ""),
        (9, 2, "nim", None, ""),
    ],
)
def test_heads_that_cannot_be_split_stop(heads: int, gpus: int, engine: str, level: Level | None, words: str) -> None:
    asked = spec(gpus)
    asked = asked.model_copy(update={"engine": asked.engine.model_copy(update={"type": EngineType(engine)})})
    check = preflight.heads(asked, Files(ModelShape(30, heads, 3, 64)))
    assert (check.level if check else None) == level
    assert words in (check.text if check else "")
    assert preflight.heads(asked, Files()) is None


@pytest.mark.parametrize(
    ("repository", "arguments", "words"),
    [
        ("org/Llama-3.1-70B-Instruct-AWQ-INT4", [], "4-bit weights (int4) take 36.7 GiB"),
        ("org/Llama-70B-GPTQ", [], "4-bit weights (gptq) take 36.7 GiB"),
        ("org/Llama-70B", ["--quantization=bitsandbytes"], "4-bit weights (bitsandbytes) take 36.7 GiB"),
        ("nvidia/Llama-70B-NVFP4", [], "4-bit weights (nvfp4) take 36.7 GiB"),
        ("org/Llama-70B-quantized.w4a16", [], "4-bit weights (w4a16) take 36.7 GiB"),
        ("org/Llama-70B-GPTQ-Int8", [], "8-bit weights (int8) take 65.2 GiB"),
        ("org/Llama-70B-GPTQ-Int8", ["--quantization=gptq_marlin"], "8-bit weights (int8) take 65.2 GiB"),
        ("org/Llama-70B-bnb-4bit", [], "4-bit weights (4bit) take 36.7 GiB"),
        ("org/Llama-70B-NVFP4", ["--quantization=modelopt"], "4-bit weights (nvfp4) take 36.7 GiB"),
        ("org/Llama-70B", ["--quantization=modelopt"], "8-bit weights (modelopt) take 65.2 GiB"),
        ("org/Llama-70B-FP8", [], "8-bit weights (fp8) take 65.2 GiB"),
        ("org/Llama-70B", ["--quantization", "fp8"], "8-bit weights (fp8) take 65.2 GiB"),
        ("org/Llama-70B", [], "16-bit weights take 130.4 GiB"),
        ("org/Llama-70B", ["--dtype=float32"], "32-bit weights take 260.8 GiB"),
    ],
)
def test_quantized_weights_take_what_their_bits_take(repository: str, arguments: list[str], words: str) -> None:
    source = {"type": "huggingface", "repository": repository}
    quantized = ModelSpec.model_validate({"source": source, "parameters": "70B", "contextLength": 8192})
    (check,) = preflight.memory(spec(1, extraArgs=arguments), quantized, [node("a")])
    assert words in check.text


def test_an_8_bit_cache_holds_twice_the_context() -> None:
    wide, narrow = (
        fit(16 * 10**9, 81_559, 1, utilization=0.9, parameters=8 * 10**9, cache_width=width).largest_context
        for width in (2.0, 1.0)
    )
    assert wide * 2 <= narrow <= wide * 2 + 2


@pytest.mark.parametrize(
    ("asked", "free", "level", "words"),
    [
        (
            {},
            0,
            Level.OK,
            "Recreate: old pods are stopped first, nothing answers until the model is loaded again; no node",
        ),
        (
            {},
            4,
            Level.OK,
            "RollingUpdate, maxSurge 1: a new pod is ready before an old one stops; n has the GPUs for it",
        ),
        ({"cache": {"size": "9Gi"}}, 4, Level.OK, "Recreate: old pods are stopped first"),
        ({"replicas": 3}, 0, Level.OK, "RollingUpdate, maxSurge 0: one of 3 replicas is missing while the next loads"),
        ({"strategy": "Surge"}, 4, Level.OK, "RollingUpdate, maxSurge 1, as chosen: a new pod is ready before"),
        ({"strategy": "Surge"}, 3, Level.WARNING, "no node has 4 GPUs free beside those it holds"),
        ({"strategy": "Recreate"}, 8, Level.OK, "Recreate, as chosen: old pods are stopped first"),
        ({"gpu": 0}, 0, Level.OK, "RollingUpdate, maxSurge 1: a new pod is ready before an old one stops"),
    ],
)
def test_the_rollout_says_what_goes_first_and_why(asked: dict[str, Any], free: int, level: Level, words: str) -> None:
    found = preflight.rollout(spec(**asked), [node("n", free, holders=((OWN, 4),))], OWN)
    assert (found.about, found.level) == ("rollout", level)
    assert words in found.text


def test_a_start_that_takes_longer_than_it_may_is_told_before() -> None:
    usual = Usual({Phase.PULLING: 900.0, Phase.DOWNLOADING: 0.0, Phase.LOADING: 372.0, Phase.WARMING_UP: 60.0}, 5)
    short, long = preflight.startup(600, usual), preflight.startup(1200, usual)
    assert (short.level, short.text) == (
        Level.WARNING,
        "10m are allowed, 7m12s is usual here (5 starts): set the start-up budget to 900 s",
    )
    assert (long.level, long.text) == (Level.OK, "20m are allowed, 7m12s is usual here (5 starts)")
    slower = replace(usual, last={Phase.PULLING: 900.0, Phase.LOADING: 700.0})
    last = preflight.startup(1000, slower)
    assert (last.level, last.text) == (
        Level.WARNING,
        "16m40s are allowed, 7m12s is usual here (5 starts), the last took 11m40s: set the start-up budget to 1440 s",
    )
    assert preflight.startup(600, None).text == "10m are allowed; no such start was seen in this cluster yet"


@pytest.mark.parametrize(
    ("gate", "given", "level", "words"),
    [
        (Gate.OPEN, False, Level.OK, "org/model is open to all"),
        (Gate.GATED, False, Level.STOP, "org/model is gated: give HF_TOKEN from a Secret"),
        (Gate.GATED, True, Level.OK, "whether its owner was granted access is not known"),
        (Gate.HIDDEN, False, Level.WARNING, "does not exist on the hub, or is private: give HF_TOKEN"),
        (Gate.UNKNOWN, False, Level.UNKNOWN, "the hub did not answer from here"),
        (None, False, Level.UNKNOWN, "is not looked up"),
    ],
)
def test_a_gated_repository_without_a_token_stops(gate: Gate | None, given: bool, level: Level, words: str) -> None:
    env = [{"name": "HF_TOKEN", "secret": {"name": "hf", "key": "token"}}] if given else []
    check = needs.hub_token(model(), spec(env=env), gate)
    assert check is not None
    assert check.level is level
    assert words in check.text


def test_only_a_pull_tells_whether_an_ngc_key_is_entitled() -> None:
    image = "nvcr.io/nim/meta/llama-3.1-8b-instruct:1.8"
    assert needs.ngc_entitlement("vllm/vllm-openai:v0.33.0", None) is None
    unknown, shown = needs.ngc_entitlement(image, None), needs.ngc_entitlement(image, "team-a/nim")
    assert unknown is not None
    assert shown is not None
    assert (unknown.level, shown.level) == (Level.UNKNOWN, Level.OK)
    assert shown.text == "team-a/nim runs this image here"


@pytest.mark.parametrize(
    ("names", "days", "level", "words"),
    [
        (("*.llm.example",), 90, Level.OK, "names chat.llm.example, until 2027-02-21"),
        (("llm.example", "CHAT.llm.example."), 90, Level.OK, "names chat.llm.example"),
        (("*.llm.example",), 5, Level.WARNING, "until 2026-11-28"),
        (("*.llm.example",), -1, Level.WARNING, "ended on 2026-11-22"),
        (("llm.example", "*.example"), 90, Level.WARNING, "names llm.example, *.example, not chat.llm.example"),
        ((), 90, Level.WARNING, "names no host, not chat.llm.example"),
    ],
)
def test_a_certificate_is_held_against_the_host(names: tuple[str, ...], days: int, level: Level, words: str) -> None:
    tls = SeenSecret("kubernetes.io/tls", frozenset({"tls.crt", "tls.key"}))
    certificate = Certificate(names, NOW + timedelta(days=days))
    (check,) = needs.tls_secret("gw", "cert", tls, "chat.llm.example", certificate, NOW)
    assert check.level is level
    assert words in check.text


@given(st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8}){1,3}", fullmatch=True), st.text("ab.", max_size=6))
def test_a_wildcard_stands_for_one_label(host: str, more: str) -> None:
    rest = host.partition(".")[2]
    assert names_host(f"*.{rest}", host)
    assert not names_host(f"*.{host}", host)
    assert names_host(f"*.{rest}", f"{more}.{host}") is False


def test_a_certificate_that_is_not_good_yet_is_refused() -> None:
    tls = SeenSecret("kubernetes.io/tls", frozenset({"tls.crt", "tls.key"}))
    certificate = Certificate(("chat.llm.example",), NOW + timedelta(days=90), NOW + timedelta(days=1))
    (check,) = needs.tls_secret("gw", "cert", tls, "chat.llm.example", certificate, NOW)
    assert (check.level, check.text) == (Level.WARNING, "its certificate begins on 2026-11-24: clients refuse it")


def test_a_gated_repository_stops_only_who_fetches_it_from_there_without_a_token() -> None:
    def level(*env: dict[str, Any]) -> Level | None:
        check = needs.hub_token(model(), spec(env=list(env)), Gate.GATED)
        return check.level if check is not None else None

    assert level() is Level.STOP
    assert level({"name": "HUGGING_FACE_HUB_TOKEN", "secret": {"name": "hf", "key": "token"}}) is Level.OK
    assert level({"name": "HF_ENDPOINT", "value": "https://mirror"}) is Level.UNKNOWN
    assert level({"name": "HF_HUB_OFFLINE", "value": "1"}) is Level.UNKNOWN


def test_a_gpu_too_small_stops_only_where_no_other_fits() -> None:
    small, large = node("a", memory=16_384), node("b", memory=81_559)
    assert [c.level for c in preflight.memory(spec(1), model("70B"), [small])] == [Level.STOP]
    assert [c.level for c in preflight.memory(spec(1), model("70B"), [small, large])] == [Level.WARNING] * 2
    quiet = preflight.memory(spec(1), model("70B"), [small, node("c", memory=None)])
    assert [c.level for c in quiet] == [Level.WARNING, Level.UNKNOWN]


def test_what_may_not_be_seen_is_said_and_never_a_stop() -> None:
    for seen in (NotSeen.FORBIDDEN, NotSeen.FAILED):
        checks = (
            needs.secret_key("hf", "token", "HF_TOKEN", seen),
            needs.pull_secret("ngc", seen),
            needs.claim("models", seen),
            needs.storage_class("fast", seen),
            *needs.quota(seen, {}, exists=False),
            *needs.tls_secret("gw", "cert", seen, "chat.example", None, NOW),
        )
        assert {check.level for check in checks} == {Level.UNKNOWN}


def test_secrets_claims_and_classes() -> None:
    opaque = SeenSecret("Opaque", frozenset({"token"}))
    assert needs.secret_key("hf", "token", "HF_TOKEN", opaque).level is Level.OK
    assert needs.secret_key("hf", "key", "HF_TOKEN", opaque).level is Level.STOP
    assert needs.secret_key("hf", "key", "HF_TOKEN", NotSeen.ABSENT).level is Level.STOP
    assert needs.pull_secret("ngc", opaque).level is Level.WARNING
    assert needs.claim("models", NotSeen.ABSENT).level is Level.STOP
    assert needs.claim("models", "Bound").level is Level.OK
    assert needs.storage_class("fast", {"slow": True}).level is Level.WARNING
    assert needs.storage_class(None, {"slow": True}).level is Level.OK
    assert needs.storage_class(None, {"slow": False}).level is Level.WARNING


def test_a_full_quota_stops_what_is_new_and_warns_of_what_runs() -> None:
    tight = SeenQuota("tight", {"requests.nvidia.com/gpu": "8", "pods": "10"}, {"requests.nvidia.com/gpu": "6"})
    wanted = {"requests.nvidia.com/gpu": Decimal(4), "pods": Decimal(1)}
    (new,) = needs.quota([tight], wanted, exists=False)
    assert (new.level, new.text) == (
        Level.STOP,
        "no room for all replicas: requests.nvidia.com/gpu: 4 more on 6 of 8",
    )
    assert needs.quota([tight], wanted, exists=True)[0].level is Level.WARNING
    assert needs.quota([tight], {"pods": Decimal(1)}, exists=False)[0].level is Level.OK


def test_the_last_argument_counts() -> None:
    assert argument(["--a=1", "--a", "2"], "--a") == "2"
    assert argument(["--a"], "--a") is None


@pytest.mark.parametrize(
    ("free", "held", "replicas", "spare"),
    [
        (8, 0, 1, True),  # room for one that is new, and for another
        (4, 0, 1, False),
        (4, 4, 1, True),
        (3, 4, 1, False),
        (4, 4, 2, False),  # the second replica takes what is free
        (8, 4, 2, True),
        (0, 8, 2, False),
    ],
)
def test_gpus_are_spare_beside_all_replicas_that_are_wanted(free: int, held: int, replicas: int, spare: bool) -> None:
    holders = ((OWN, held),) if held else ()
    found = preflight.spare_node(spec(4, replicas=replicas), [node("n", free, holders=holders)], OWN)
    assert bool(found) is spare
    assert preflight.spare_node(spec(0), [node("n", free)], OWN) == "", "none is needed"


def test_a_deployment_tells_how_it_is_replaced_only_where_it_runs_as_its_spec_says() -> None:
    picture = FakeServices().picture
    detail = picture.deployment(Ref("team-a", "chat"))
    assert detail is not None
    assert detail.document is not None
    said = preflight.replacing_note(detail, picture.nodes())
    assert said == f"Next rollout: {preflight.rollout(detail.document.spec, picture.nodes(), detail.row.ref).text}"
    # Under way it says the order alone: what the GPUs allow changes with every pod.
    rolling = replace(detail.row, assessment=replace(detail.row.assessment, phase=Phase.ROLLING_OUT))
    under_way = preflight.replacing_note(replace(detail, row=rolling), picture.nodes())
    assert under_way == "RollingUpdate, maxSurge 0: one of 2 replicas is missing while the next loads"
    assert preflight.replacing_note(detail, ()) == ""
    changed = replace(detail.workload, strategy="Recreate")
    assert preflight.replacing_note(replace(detail, workload=changed), picture.nodes()) == ""
    stopped = replace(detail.workload, replicas=0)
    assert preflight.replacing_note(replace(detail, workload=stopped), picture.nodes()) == ""
    assert preflight.replacing_note(replace(detail, document=None), picture.nodes()) == ""
