"""Specs become containers as the engines' documentation says, and what cannot run is refused at its field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.catalogue import ModelSpec
from genai_tui.domain.deployment import DeploymentSpec
from genai_tui.engines import nim, vllm
from genai_tui.engines.arguments import canonical
from genai_tui.engines.parts import startup_budget
from genai_tui.engines.vllm_flags import FLAGS, SHORT
from genai_tui.errors import BadInput

Json = dict[str, Any]
HUB: Json = {"type": "huggingface", "repository": "a/b"}
NGC: Json = {"type": "ngc", "image": "nvcr.io/nim/meta/llama:1.8.4"}
STORAGE: Json = {"type": "storage", "claim": "models", "path": "x"}
VLLM: Json = {"type": "vllm", "image": "vllm/vllm-openai:v0.33.0"}
NIM_1: Json = {"type": "nim", "image": "nvcr.io/nim/meta/llama:1.8.4"}
NIM_2: Json = {"type": "nim", "image": "nvcr.io/nim/meta/llama:2.1.0"}


def model(source: Json = HUB, **more: Any) -> ModelSpec:
    return ModelSpec.model_validate({"source": source, **more})


def spec(engine: Json, resources: Json | None = None, **advanced: Any) -> DeploymentSpec:
    resources = {"cpu": "1", "memory": "8Gi", **(resources or {})}
    return DeploymentSpec.model_validate(
        {"model": "m", "endpoint": "e", "engine": engine, "resources": resources, "advanced": advanced}
    )


def args(image: str, **engine: Any) -> list[str]:
    found = vllm.parts(spec({**VLLM, "image": image, **engine}), model(), "chat").container["args"]
    assert isinstance(found, list)
    return found


def env(engine: Json, source: Json, **more: Any) -> dict[str, str]:
    container = nim.parts(spec(engine, **more), model(source), "chat").container
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}


def refusals(engine: Json, source: Json = HUB, name: str = "chat", **advanced: Any) -> dict[str, str]:
    render = vllm.parts if engine["type"] == "vllm" else nim.parts
    with pytest.raises(BadInput) as caught:
        render(spec(engine, **advanced), model(source), name)
    return {problem.field: problem.message for problem in caught.value.fields}


# vLLM


@pytest.mark.parametrize(
    ("image", "there", "absent"),
    [
        ("vllm/vllm-openai:v0.33.0", ["--disable-access-log-for-endpoints", "--shutdown-timeout"], []),
        ("vllm/vllm-openai:v0.17.1", ["--disable-access-log-for-endpoints"], ["--shutdown-timeout"]),
        ("vllm/vllm-openai:v0.15.0", ["--disable-uvicorn-access-log", "--max-model-len"], ["--shutdown-timeout"]),
        ("vllm/vllm-openai:v0.11.2", ["--disable-uvicorn-access-log"], ["--max-model-len"]),
        ("vllm/vllm-openai:nightly", ["--shutdown-timeout"], []),
        ("host:5000/x@sha256:" + "0" * 64, ["--shutdown-timeout"], []),
    ],
)
def test_flags_follow_the_version_of_the_image(image: str, there: list[str], absent: list[str]) -> None:
    found = args(image)
    assert set(there) <= set(found)
    assert not set(absent) & set(found)


def test_a_deployment_named_like_its_model_has_one_name() -> None:
    found = vllm.parts(spec(VLLM), model(), "m").container["args"]
    assert found[found.index("--served-model-name") + 1 :][:2] == ["m", "--max-model-len"]


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--max-model-len=4096", "spec.engine.contextLength"),
        ("--max_model_len=4096", "spec.engine.contextLength"),
        ("--max-model-le=4096", "spec.engine.contextLength"),
        ("-tp=2", "spec.resources.gpu"),
        ("--tensor-parallel-size", "spec.resources.gpu"),
        ("--no-enable-prefix-caching", "spec.engine.promptCaching"),
        ("--served-model-name", "metadata.name"),
        ("--model=x", "spec.model"),
        ("--no-enable-force-include-usage", "token limits"),
        ("--port=80", "expect 8000"),
        ("--hf-token=x", "HF_TOKEN"),
        ("--seed 7", "two arguments"),
        ("serve", "`serve` are given already"),
        ("--seed=\0", "NUL"),
    ],
)
def test_an_argument_that_repeats_a_field_is_refused_with_the_fields_name(argument: str, said: str) -> None:
    assert said in refusals(VLLM, extraArgs=[argument])["spec.advanced.extraArgs.0"]


def test_unknown_options_are_refused_where_the_list_is_exact_and_doubted_elsewhere() -> None:
    listed = {**VLLM, "image": "vllm/vllm-openai:v0.32.0"}
    found = refusals(listed, extraArgs=["--seed=1", "--enforce-eagre"])
    assert found == {
        "spec.advanced.extraArgs.1": "vLLM 0.32 has no option --enforce-eagre; did you mean '--enforce-eager'?"
    }
    newer = spec(VLLM, extraArgs=["--seed=1", "--brand-new=1"])
    assert vllm.parts(newer, model(), "chat").container["args"][-1] == "--brand-new=1"
    assert [doubt.field for doubt in vllm.doubts(newer)] == ["spec.advanced.extraArgs.1"]


@pytest.mark.parametrize("option", ["-O3", "--hf-overrides.a.b=1", "--lora-modules", "-pp=2", "-1"])
def test_real_options_pass(option: str) -> None:
    found = spec({**VLLM, "image": "vllm/vllm-openai:v0.32.0"}, extraArgs=["--seed=1", option])
    assert vllm.parts(found, model(), "chat").container["args"][-1] == option


@given(st.text(max_size=30) | st.sampled_from(sorted(FLAGS)).map("{}=1".format) | st.sampled_from(sorted(SHORT)))
def test_an_option_is_read_in_full(text: str) -> None:
    flag = canonical(text)
    if text.split("=")[0] in FLAGS:
        assert flag == text.split("=")[0]
    if not text.startswith("-"):
        assert flag is None
    assert flag is None or canonical(flag) == flag


@pytest.mark.parametrize("engine", [VLLM, NIM_2])
@pytest.mark.parametrize("name", ["vllm", "nim-server"])
def test_a_name_that_breaks_engines_beside_it_is_refused(engine: Json, name: str) -> None:
    assert "choose another name" in refusals(engine, name=name)["metadata.name"]


def test_vllm_does_not_run_an_image_of_ngc() -> None:
    assert "engine type nim" in refusals(VLLM, NGC)["spec.engine.type"]


def test_a_variable_a_field_sets_is_refused() -> None:
    found = refusals(VLLM, env=[{"name": "A", "value": "\0"}, {"name": "HF_HOME", "value": "/x"}], cache={"claim": "c"})
    assert set(found) == {"spec.advanced.env.0.value", "spec.advanced.env.1.name"}
    taken = refusals(NIM_2, env=[{"name": "NIM_SERVER_PORT", "value": "1"}])
    assert "set by a field of its own" in taken["spec.advanced.env.0.name"]


# NIM


@pytest.mark.parametrize(
    ("image", "override", "wanted"),
    [
        ("nvcr.io/nim/meta/llama:1.8.4", None, 1),
        ("nvcr.io/nim/meta/llama:1", None, 1),
        ("nvcr.io/nim/meta/llama:v1.2-variant", None, 1),
        ("nvcr.io/nim/meta/llama:2.0.1", None, 2),
        ("nvcr.io/nim/meta/llama:3.1", None, 2),
        ("nvcr.io/nim/meta/llama:latest", None, 2),
        ("mirror:1/nim/llama", None, 2),
        ("nvcr.io/nim/meta/llama:latest", 1, 1),
        ("nvcr.io/nim/meta/llama:1.8.4", 2, 2),
    ],
)
def test_the_generation_follows_the_tag_unless_said(image: str, override: int | None, wanted: int) -> None:
    assert nim.generation(spec({"type": "nim", "image": image, "nimGeneration": override})) == wanted


def test_generation_1_is_configured_by_variables() -> None:
    found = env({**NIM_1, "contextLength": 4096}, NGC)
    assert found["NIM_ENABLE_KV_CACHE_REUSE"] == "1"
    assert found["NIM_MAX_MODEL_LEN"] == "4096"
    assert not {"NIM_PASSTHROUGH_ARGS", "NIM_TENSOR_PARALLEL_SIZE", "NIM_MODEL_PATH"} & found.keys()


def test_generation_2_passes_flags_through() -> None:
    found = env({**NIM_2, "promptCaching": False}, STORAGE, resources={"gpu": 4}, extraArgs=['--hf-overrides={"a": 1}'])
    assert found["NIM_PASSTHROUGH_ARGS"] == "--no-enable-prefix-caching '--hf-overrides={\"a\": 1}'"
    assert found["NIM_TENSOR_PARALLEL_SIZE"] == "4"
    assert found["NIM_MODEL_PATH"] == "/models/x"
    assert "NIM_ENABLE_KV_CACHE_REUSE" not in found
    assert "NIM_PASSTHROUGH_ARGS" not in env(NIM_2, NGC)


def test_what_generation_1_cannot_do_is_refused() -> None:
    found = refusals(NIM_1, HUB, extraArgs=["--seed=1"])
    assert set(found) == {"spec.model", "spec.advanced.extraArgs"}
    assert "spec.resources.gpu" in refusals(NIM_2, extraArgs=["-tp=2"])["spec.advanced.extraArgs.0"]


def test_another_image_than_the_models_is_doubted() -> None:
    mirrored = {"type": "nim", "image": "mirror.example.com/nim/llama:1.9.0"}
    assert nim.doubts(spec(mirrored), model(NGC)) == ()
    other = {"type": "nim", "image": "nvcr.io/nim/meta/mistral:1.9.0"}
    assert [doubt.field for doubt in nim.doubts(spec(other), model(NGC))] == ["spec.engine.image"]


def test_both_secrets_are_references() -> None:
    parts = nim.parts(spec(NIM_2), model(NGC), "chat")
    assert parts.pull_secrets == ("ngc-secret",)
    assert parts.container["env"][0] == {
        "name": "NGC_API_KEY",
        "valueFrom": {"secretKeyRef": {"name": "ngc-api-secret", "key": "NGC_API_KEY"}},
    }


# Time to start


@pytest.mark.parametrize(
    ("parameters", "seconds"),
    [(None, 600), ("135M", 600), ("8B", 620), ("70.6B", 3124), ("999999T", 86_400)],
)
def test_the_budget_grows_with_the_model_within_bounds(parameters: str | None, seconds: int) -> None:
    assert startup_budget(spec(VLLM), model(parameters=parameters), 600) == seconds
    assert startup_budget(spec({**VLLM, "startupBudgetSeconds": 60}), model(parameters=parameters), 600) == 60
