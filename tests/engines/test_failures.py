"""What an engine says before it ends, explained: recordings of vLLM 0.32, messages of NIM, hub, registry and NCCL."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.engines.failures import diagnose

RECORDED = Path(__file__).resolve().parent.parent / "data" / "engines" / "vllm-0.32"
CAUSES = {
    "start-bad-dtype.log": ("--dtype: invalid choice: 'nope'", "correct the extra engine argument"),
    "start-bad-flag.log": ("does not know --no-such-flag", "correct or remove"),
    "start-context-over-model.log": ("context 100000 exceeds the model's maximum 2048", "context length to 2048"),
    "start-kv-too-small.log": ("no GPU memory is left for the KV cache", "more GPUs"),
    "start-missing-model.log": ("files are not here and the hub cannot be reached", "storage source"),
    "start-tp3.log": ("3 GPUs do not divide the model's 4 attention heads", "divisor of 4"),
    "start-unrecognized.log": ("already runs `vllm serve`", "remove serve"),
    "start-vllm-port.log": ("sets VLLM_PORT to an address", "enableServiceLinks"),
    "startup-errors/bad-dtype.log": ("--dtype: invalid choice: 'float17'", "correct the extra engine argument"),
    "startup-errors/bad-flag-value.log": ("--max-model-len: invalid", "correct the extra engine argument"),
    "startup-errors/bad-flag.log": ("does not know --no-such-flag 3", "correct or remove"),
    "startup-errors/bad-quant.log": ("RuntimeError: _C::static_scaled_fp8_quant()", "previous log"),
    "startup-errors/hub-offline.log": ("files are not here and the hub cannot be reached", "storage source"),
    "startup-errors/kv-too-small.log": ("context 131072 exceeds what the KV cache holds (46464)", "46464 or auto"),
    "startup-errors/max-len-too-big.log": ("context 999999 exceeds the model's maximum 8192", "8192 or auto"),
    "startup-errors/no-such-model.log": ("path or repository does not exist", "model's source"),
    "startup-errors/port-in-use.log": ("port is taken", "port"),
    "startup-errors/tp-2.log": ("2 GPUs do not divide the model's 9 attention heads", "divisor of 9"),
    "startup-errors/tp-bad-heads.log": ("4 GPUs do not divide the model's 9 attention heads", "divisor of 9"),
}
HEALTHY = ("serve.log", "start-apikey.log")


def recorded(name: str) -> str:
    return (RECORDED / name).read_text(encoding="utf-8")


def test_every_recording_has_its_cause() -> None:
    found = {str(path.relative_to(RECORDED)) for path in RECORDED.rglob("*.log")}
    assert found == CAUSES.keys() | set(HEALTHY)


@pytest.mark.parametrize("name", list(CAUSES))
def test_a_recorded_failure_is_explained_by_its_root_cause(name: str) -> None:
    text = recorded(name)
    cause, fix = CAUSES[name]
    found = diagnose(text)
    assert found is not None
    assert cause in found.cause
    assert fix in found.fix
    # The evidence is a line of the log that says something, and not the engine's farewell.
    assert found.evidence[:60] in text
    assert "Engine core initialization failed" not in found.cause + found.evidence
    assert not found.evidence.startswith(("raise ", "File "))


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_log_with_refused_requests_and_a_shutdown_has_no_cause(name: str) -> None:
    assert diagnose(recorded(name)) is None


@pytest.mark.parametrize("name", list(CAUSES))
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_cut_log_gives_no_other_cause(name: str, share: float) -> None:
    text = recorded(name)
    whole, part = diagnose(text), diagnose(text[: int(len(text) * share)])
    assert whole is not None
    if part is not None and not part.cause.startswith(("RuntimeError", "ValueError")):
        assert part.fix == whole.fix


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            "ValueError: The model's max seq len (8192) is larger than the maximum number of tokens that can be stored "
            "in KV cache (4096). Try increasing `gpu_memory_utilization`",
            "context 8192 exceeds KV cache 4096",
        ),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 448.00 MiB.", "does not fit into GPU memory"),
        ("OSError: Access to model meta-llama/Llama-3.1-8B is restricted.", "gated"),
        ("403 Client Error. Cannot access gated repo for url https://hub/x", "gated"),
        ("huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error.", "the hub refused"),
        ("NCCL WARN Error while creating shared memory segment /dev/shm/nccl-Xk2p (size 9637888)", "shared memory"),
        (
            "ValueError: World size (8) is larger than the number of available GPUs (4) in this node.",
            "over 8 GPUs, and has 4",
        ),
        ("ValueError: Unknown profiles provided: {'tensorrt_llm-h100-fp8-tp2'}", "no profile for this GPU"),
        (
            "ValueError: Free memory on device (3.11/79.10 GiB) on startup is less than desired GPU memory utilization "
            "(0.9, 71.19 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.",
            "only 3.11 of 79.10 GiB of GPU memory are free at its start: something else uses the GPU",
        ),
        (
            "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla T4 GPU "
            "has compute capability 7.5. You can use float16 instead by explicitly setting the `dtype` flag in CLI.",
            "the GPU Tesla T4 cannot compute in bfloat16: that needs compute capability 8.0",
        ),
        ("[Errno 98] error while attempting to bind on address: address already in use", "port is taken"),
        ("OSError: 403 Client Error. you are not in the authorized list.", "the account of its token has no access"),
        ("Authentication Error: NGC_API_KEY is not set; the NIM cannot fetch its model profile.", "NGC API key"),
        ('failed to authorize: 402 payment required for "nvcr.io/nim/meta/llama"', "registry refused"),
        ("pull access denied, insufficient_scope: authorization failed", "registry refused"),
        ("unauthorized: authentication required", "registry refused"),
        ("INFO Starting to load model x...\nKeyboardInterrupt: terminated", "start-up budget"),
    ],
)
def test_messages_seen_by_operators(text: str, cause: str) -> None:
    found = diagnose(text)
    assert found is not None
    assert cause in found.cause.replace("the model hub", "the hub")
    assert found.fix


def test_the_profiles_that_a_nim_lists_are_offered() -> None:
    listed = ("vllm-bf16-tp1", "tensorrt_llm-h100-fp8-tp1-throughput")
    lines = [f"  - {str(number) * 64} ({name})" for number, name in enumerate(listed, 1)]
    text = "\n".join(["MODEL PROFILES", *lines, "ValueError: Unknown profiles provided: {'tensorrt_llm-b300-fp4-tp2'}"])
    found = diagnose(text)
    assert found is not None
    assert found.fix == f"choose a listed profile ({', '.join(listed)}), or another GPU or image"
    assert found.evidence.startswith("ValueError: Unknown profiles provided")


def test_a_stop_after_the_start_is_no_failure() -> None:
    assert diagnose("INFO:     Application startup complete.\nKeyboardInterrupt: terminated") is None


@pytest.mark.parametrize("secret", ["hf_abcdefghij0123", "nvapi-abcdef0123", "sk-abcdef0123", "--api-key=topsecretkey"])
def test_secrets_in_an_error_are_not_repeated(secret: str) -> None:
    found = diagnose(f"vllm: error: unrecognized arguments: --foo {secret}")
    assert found is not None
    assert secret.split("=")[-1] not in found.cause + found.evidence
    assert "***" in found.cause


LINES = st.sampled_from(
    [
        line
        for name in ("start-vllm-port.log", "startup-errors/kv-too-small.log")
        for line in recorded(name).splitlines()
    ]
)


@given(st.lists(st.one_of(LINES, st.text(max_size=80)), max_size=30).map("\n".join))
def test_any_text_is_explained_or_not_and_never_raises(text: str) -> None:
    found = diagnose(text)
    if found is not None:
        assert found.cause
        assert found.fix
        assert "\n" not in found.cause + found.evidence


@pytest.mark.parametrize(
    "line", ["invalid" * 60_000, "max seq len (1" * 30_000, "(" * 400_000, "NGC_API_KEY " * 40_000]
)
def test_a_huge_line_takes_no_time(line: str) -> None:
    # Quadratic matching of these would outlast the test's time limit by far.
    assert diagnose(line) is None
