"""Starts of engines, held against recorded starts of the real vLLM: good ones, and each that fails."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from genai_tui.sandbox.launch import Place, launch_nim, launch_vllm
from genai_tui.sandbox.launch_failures import Launch
from genai_tui.sandbox.vllm_arguments import context_of, parse

RECORDED = Path(__file__).parent.parent / "data" / "engines" / "vllm-0.32"
L4 = Place(gpus=1, gpu_bytes=23_034 * 2**20, environment={"HF_TOKEN": "hf_x"}, memory=32 * 2**30)
SMALL = "HuggingFaceTB/SmolLM2-135M-Instruct"
LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


def text(launch: Launch) -> str:
    return "\n".join(line for _, line in launch.lines)


def cause(log: str) -> str:
    """The line that says why, without process, time and figures."""
    markers = (
        "error:", "Value error,", "ValueError: VLLM_PORT", "ValueError: No available", "ValueError: To serve",
        "LocalEntryNotFoundError:", "HFValidationError:", "Errno 98",
    )  # fmt: skip
    line = next(line for line in log.splitlines() if any(marker in line for marker in markers))
    line = re.sub(r"^\(\w+ pid=\d+\) ERROR (?:\S+ \S+|\x00) \[[\w.]+:\d+\] ", "", line)
    line = re.sub(r"'tcp://[^']+'|'/[^']+'|'model[^}]+\}", "*", line)
    return re.sub(r"\d+(?:\.\d+)?", "N", line).strip()


PORT = replace(L4, environment={"VLLM_PORT": "tcp://10.0.0.1:80"})
OFFLINE = replace(L4, environment={"HF_HUB_OFFLINE": "1"})
FAILURES = [
    ("start-bad-dtype", [SMALL, "--dtype", "nope"], L4, 2),
    ("startup-errors/bad-flag-value", [SMALL, "--max-model-len", "abc"], L4, 2),
    ("startup-errors/bad-flag", [SMALL, "--no-such-flag", "3"], L4, 2),
    ("start-unrecognized", ["serve", "tiny"], L4, 2),
    ("startup-errors/max-len-too-big", [SMALL, "--max-model-len", "999999"], L4, 1),
    ("startup-errors/tp-2", [SMALL, "--tensor-parallel-size", "2"], replace(L4, gpus=2), 1),
    ("start-vllm-port", [SMALL], PORT, 1),
    ("start-missing-model", [SMALL], OFFLINE, 1),
    ("startup-errors/no-such-model", ["/nonexistent/model"], L4, 1),
    ("startup-errors/kv-too-small", [LLAMA, "--max-model-len", "131072"], L4, 1),
    ("start-kv-too-small", ["mistralai/Mistral-7B-Instruct-v0.3", "--gpu-memory-utilization=0.65"], L4, 1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "words", "place", "code"), FAILURES, ids=[failure[0] for failure in FAILURES])
def test_a_start_fails_in_the_real_engines_words(name: str, words: list[str], place: Place, code: int) -> None:
    launch = launch_vllm(words, place)
    assert launch.exit is not None
    assert launch.exit.code == code
    assert launch.serving is None
    log = text(launch)
    assert cause(log) == cause((RECORDED / f"{name}.log").read_text(encoding="utf-8"))


def test_long_winded_failures_bury_their_cause_as_real_ones_do() -> None:
    words = [LLAMA, "--max-model-len", "131072"]
    short, full = (text(launch_vllm(words, replace(L4, full_tracebacks=full))) for full in (False, True))
    real = (RECORDED / "startup-errors" / "kv-too-small.log").read_text(encoding="utf-8")
    for log, holds in ((short, True), (full, False), (real, False)):
        assert ("estimated maximum model length" in log.encode()[-2048:].decode("utf-8", "ignore")) is holds


def test_a_good_start_writes_the_lines_of_the_recorded_one_in_their_order() -> None:
    launch = launch_vllm([SMALL, "--served-model-name", "chat", "small", "--max-model-len", "2k"], L4)
    assert launch.exit is None
    log, real = text(launch), (RECORDED / "serve.log").read_text(encoding="utf-8")
    marks = (
        "[api_utils.py:347]", "non-default args: {'model_tag':", "[model.py:733] Resolved architecture",
        "[model.py:2152] Using max model len", "[core.py:133] Initializing a V1 LLM engine", "Starting to load model",
        "KV cache size:", "[core.py:402] init engine (profile, create kv cache, warmup model) took",
        "[entry.py:140] Starting vLLM server on http://", "INFO:     Application startup complete.",
    )  # fmt: skip
    for found in (log, real):
        places = [found.index(mark) for mark in marks]
        assert places == sorted(places)
    times = [at for at, _ in launch.lines]
    assert times == sorted(times)
    assert launch.ready_after == times[-1]
    assert log.count("[sandbox]") == 1
    assert "SmolLM2-135M-Instruct answers" in log
    serving = launch.serving
    assert serving is not None
    assert (serving.served_names, serving.context, serving.root) == (("chat", "small"), 2000, SMALL)
    assert 2.0 < times[-1] < 6.0


def test_memory_decides_what_fits() -> None:
    big = "meta-llama/Llama-3.3-70B-Instruct"
    h100 = replace(L4, gpu_bytes=81_559 * 2**20)
    assert "CUDA out of memory" in text(launch_vllm([big], h100))
    four = launch_vllm([big, "-tp=4", "--max-model-len", "auto"], replace(h100, gpus=4))
    assert four.serving is not None
    assert "Auto-fit max_model_len" not in text(four)
    two = launch_vllm([big, "--tensor-parallel-size", "2", "--gpu-memory-utilization", "0.95"], replace(h100, gpus=2))
    assert "Auto-fit max_model_len: reduced from 131072 to" in text(two)
    quantized = launch_vllm([f"{big}-FP8", "-tp", "2"], replace(h100, gpus=2))
    assert quantized.serving is not None
    assert quantized.serving.cache.tokens > (two.serving.cache.tokens if two.serving else 0)
    assert "World size (4) is larger than the number of available GPUs (1)" in text(
        launch_vllm([big, "-tp", "4"], h100)
    )


@pytest.mark.parametrize(("given", "expected"), [
    ("8192", 8192), ("8k", 8000), ("8K", 8192), ("1.5k", 1500), ("auto", "auto"), ("-1", "auto"), ("x", None), ("1.5", None),
])  # fmt: skip
def test_contexts_in_all_their_spellings(given: str, expected: int | str | None) -> None:
    assert context_of(given) == expected


def test_flags_as_argparse_reads_them() -> None:
    words = ["--port=9000", SMALL, "--enable_prefix_caching", "--no-enable-prefix-caching", "--served-model-name", "a", "b",
             "--seed", "-1", "--hf-overrides.max_position_embeddings", "4096"]  # fmt: skip
    args = parse(words)
    assert args.model == SMALL
    assert args.flags["--served-model-name"] == ("a", "b")
    assert (args.number("--port", 8000), args.number("--seed", 0)) == (9000, -1)
    assert not args.on("--enable-prefix-caching", default=True)


def test_keys_do_not_reach_the_log() -> None:
    place = replace(L4, environment={"VLLM_API_KEY": "sk-planted-env"})
    launch = launch_vllm([SMALL, "--api-key", "sk-planted-flag"], place)
    assert "planted" not in text(launch)
    assert launch.serving is not None
    assert launch.serving.api_keys == ("sk-planted-env", "sk-planted-flag")


def test_nims_take_their_environment() -> None:
    image = "nvcr.io/nim/meta/llama-3.1-8b-instruct:2.0.3"
    without = launch_nim(image, replace(L4, environment={}))
    assert without.exit is not None
    environment = {
        "NGC_API_KEY": "nvapi-x", "NIM_SERVED_MODEL_NAME": "chat,llama", "NIM_MAX_MODEL_LEN": "4096", "NIM_SERVER_PORT": "8080",
        "NIM_PASSTHROUGH_ARGS": "--no-enable-prefix-caching --enable-force-include-usage",
    }  # fmt: skip
    second = launch_nim(image, replace(L4, environment=environment))
    assert second.serving is not None
    assert (second.serving.served_names, second.serving.context, second.serving.port) == (("chat", "llama"), 4096, 8080)
    assert second.serving.nim
    assert second.serving.force_usage
    assert not second.serving.cache.prefix_caching
    first = launch_nim(
        image.replace("2.0.3", "1.8.3"), replace(L4, environment=environment | {"NIM_ENABLE_KV_CACHE_REUSE": "0"})
    )
    assert first.serving is not None
    assert (first.serving.force_usage, first.serving.cache.prefix_caching) == (False, False)
