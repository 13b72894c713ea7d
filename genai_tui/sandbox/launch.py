"""How an engine container starts: its arguments read as the engine reads them, then the log lines it would write.

Failures come from the container itself (an unknown flag, a context the model or the memory does not allow) with the
engine's own words, recorded from vLLM 0.32; or staged by name through the annotation `sandbox.genai-tui.dev/stage`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from genai_tui.engines.vllm_flags import FLAGS
from genai_tui.sandbox import known
from genai_tui.sandbox.engine import MODEL_CONTEXT, MODEL_NAME
from genai_tui.sandbox.vllm_shim import VERSION, Serving

STAGE_ANNOTATION = "sandbox.genai-tui.dev/stage"
_LISTS = ("--served-model-name",)
_VALUED_OFF = ("--disable-access-log-for-endpoints", "--disabled-routers")
GPU_UTILIZATION = 0.9
_OVERHEAD = 2 * 2**30


@dataclass(frozen=True, slots=True)
class Exit:
    """The container ends with `code` after `after` seconds."""

    code: int
    after: float
    reason: str = "Error"


@dataclass(slots=True)
class Launch:
    """What happens after a container starts: lines at their times, then ready or an end."""

    lines: list[tuple[float, str]] = field(default_factory=list)
    ready_after: float | None = None
    exit: Exit | None = None
    serving: Serving | None = None

    def fail(self, at: float, text: str, *, code: int = 1, reason: str = "Error") -> Launch:
        """End here with the last lines of a real failing start."""
        self.lines += [(at, line) for line in text.splitlines()]
        self.exit = Exit(code, at + 0.5, reason)
        self.ready_after = None
        return self


@dataclass(frozen=True, slots=True)
class Arguments:
    """Flags by name, their values in order; what stands alone; what no engine knows."""

    flags: Mapping[str, tuple[str, ...]]
    positional: tuple[str, ...]
    unknown: tuple[str, ...]


def parse(words: Sequence[str]) -> Arguments:
    """Read arguments as argparse does in vLLM: `--flag value`, `--flag=value`, lists, switches."""
    flags: dict[str, tuple[str, ...]] = {}
    positional: list[str] = []
    unknown: list[str] = []
    current: str | None = None
    for word in words:
        if word.startswith("-") and not word.lstrip("-").isdigit():
            name, equals, value = word.partition("=")
            name = "--tensor-parallel-size" if name == "-tp" else name
            plain = "--" + name[2:].split(".", 1)[0].replace("_", "-")
            if plain not in FLAGS:
                unknown.append(word)
                current = None
                continue
            flags[plain] = (value,) if equals else ()
            current = None if equals or _is_switch(plain) else plain
        elif current is not None:
            flags[current] = (*flags[current], word)
            current = current if current in _LISTS else None
        else:
            positional.append(word)
    return Arguments(flags, tuple(positional), tuple(unknown))


def _is_switch(flag: str) -> bool:
    if flag in _VALUED_OFF:
        return False
    return flag.startswith(("--enable-", "--no-", "--disable-")) or flag in ("--enforce-eager", "--trust-remote-code")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the container runs: its GPUs, their memory in bytes, the environment with secrets resolved."""

    gpus: int
    gpu_bytes: int
    environment: Mapping[str, str]
    stage: str = ""
    engine_problem: str | None = None


def launch_vllm(words: Sequence[str], place: Place, node: str) -> Launch:
    """What `vllm serve` does with these arguments here."""
    start = Launch()
    args = parse(words)
    extra = [*args.unknown, *args.positional[1:]]
    if extra:
        return start.fail(
            1.5,
            f"usage: vllm serve [model_tag] [options]\nvllm: error: unrecognized arguments: {' '.join(extra)}",
            code=2,
        )
    model = args.positional[0] if args.positional else _last(args, "--model") or "Qwen/Qwen3-0.6B"
    tensor = _last(args, "--tensor-parallel-size") or "1"
    wanted = _last(args, "--max-model-len") or "auto"
    for flag, text in (("--tensor-parallel-size", tensor), ("--max-model-len", wanted)):
        if not text.isdigit() and text not in ("auto", "-1"):
            kind = "int" if flag != "--max-model-len" else "human_readable_int_or_auto"
            return start.fail(1.5, f"vllm serve: error: argument {flag}: invalid {kind} value: '{text}'", code=2)
    return _vllm(start, args, model, int(tensor), wanted, place, node)


def _last(args: Arguments, flag: str) -> str | None:
    values = args.flags.get(flag)
    return values[-1] if values else None


def _vllm(start: Launch, args: Arguments, model: str, tensor: int, wanted: str, place: Place, node: str) -> Launch:
    shape = known.model(model)
    api, core = "(APIServer pid=1)", "(EngineCore pid=131)"
    start.lines += [
        (0.2, f"{api} INFO [api_utils.py:347]   vLLM version {VERSION}, model {model}"),
        (0.3, f"{api} WARNING [sandbox] simulated GPU node {node}: whatever the model, {MODEL_NAME} answers"),
        (0.5, f"{api} INFO [model.py:733] Resolved architecture: LlamaForCausalLM"),
    ]
    failed = _refused(start, model, shape, tensor, wanted, place)
    if failed is not None:
        return failed
    download = shape.weights / known.HUB_BYTES_PER_S
    loading = max(2.0, shape.weights / known.LOAD_BYTES_PER_S)
    at = 1.0
    if not model.startswith("/"):
        steps = 5 if download > 5 else 2
        for step in range(1, steps + 1):
            share = 100 * step // steps
            start.lines.append(
                (at + download * step / steps, f"{core} INFO [weight_utils.py:481] Downloading weights: {share}%")
            )
        at += download
        start.lines.append((at, f"{core} INFO [weight_utils.py:483] Time spent downloading weights: {download:.2f} s"))
    start.lines.append((at, f"{core} INFO [gpu_model_runner.py:68] Starting to load model {model}..."))
    shards = max(1, min(8, shape.weights // 5_000_000_000))
    for shard in range(1, shards + 1):
        share = 100 * shard // shards
        text = f"{core} Loading safetensors checkpoint shards: {share}% Completed | {shard}/{shards}"
        start.lines.append((at + loading * shard / shards, text))
    at += loading
    return _ready(start, args, model, shape, wanted, place, at)


def _refused(start: Launch, model: str, shape: known.Model, tensor: int, wanted: str, place: Place) -> Launch | None:
    """The failures that end a start, in the order in which the engine meets them."""
    staged = _STAGED.get(place.stage)
    if staged is not None:
        return start.fail(3.0, staged.text, code=staged.code, reason=staged.reason)
    if place.engine_problem:
        return start.fail(1.0, f"(APIServer pid=1) ERROR [sandbox] no engine: {place.engine_problem}")
    port = place.environment.get("VLLM_PORT", "")
    if "://" in port:
        return start.fail(
            2.0,
            f"(Worker pid=133) ERROR [multiproc_executor.py:953] ValueError: VLLM_PORT '{port}' appears to be a URI. This "
            "may be caused by a Kubernetes service discovery issue,check the warning in: "
            "https://docs.vllm.ai/en/latest/configuration/env_vars.html\n"
            "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}",
        )
    if shape.gated and not place.environment.get("HF_TOKEN"):
        return start.fail(
            2.0,
            f"OSError: You are trying to access a gated repo.\n403 Client Error. Cannot access gated repo for url "
            f"https://huggingface.co/{model}/resolve/main/config.json.\nAccess to model {model} is restricted and you "
            "are not in the authorized list.",
        )
    if shape.heads % tensor:
        return start.fail(
            2.0,
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for VllmConfig\n  Value error, Total number "
            f"of attention heads ({shape.heads}) must be divisible by tensor parallel size ({tensor}).",
        )
    if wanted.isdigit() and int(wanted) > shape.context:
        return start.fail(
            1.5,
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n  Value error, "
            f"User-specified max_model_len ({wanted}) is greater than the derived max_model_len "
            f"(max_position_embeddings={shape.context} or model_max_length=None in model's config.json).",
        )
    return _too_big(start, shape, wanted, place)


def _too_big(start: Launch, shape: known.Model, wanted: str, place: Place) -> Launch | None:
    if not place.gpus:
        return None
    usable = place.gpus * place.gpu_bytes * GPU_UTILIZATION
    if shape.weights > place.gpus * place.gpu_bytes:
        return start.fail(
            4.0,
            "(EngineCore pid=131) ERROR [core.py:1510] torch.OutOfMemoryError: CUDA out of memory. Tried to allocate "
            "448.00 MiB. GPU 0 has a total capacity of "
            f"{place.gpu_bytes / 2**30:.2f} GiB.\nRuntimeError: Engine core initialization failed. See root cause above.",
        )
    left = usable - shape.weights * 1.05 - _OVERHEAD
    if left <= 0:
        return start.fail(
            6.0,
            "(EngineCore pid=131) ERROR [core.py:1510] ValueError: No available memory for the cache blocks. Try "
            "increasing `gpu_memory_utilization` when initializing the engine.\nRuntimeError: Engine core initialization "
            "failed. See root cause above. Failed core proc(s): {}",
        )
    tokens = int(left / shape.kv_bytes_per_token)
    asked = int(wanted) if wanted.isdigit() else 0
    if asked > tokens:
        needed = asked * shape.kv_bytes_per_token / 2**30
        return start.fail(
            6.0,
            f"(EngineCore pid=131) ERROR [core.py:1510] ValueError: To serve at least one request with the model's max "
            f"seq len ({asked}), ({needed:.2f} GiB KV cache is needed, which is larger than the available KV cache memory "
            f"({left / 2**30:.2f} GiB). Based on the available memory, the estimated maximum model length is {tokens}. Try "
            "increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine.\n"
            "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}",
        )
    return None


def _ready(
    start: Launch, args: Arguments, model: str, shape: known.Model, wanted: str, place: Place, at: float
) -> Launch:
    api, core = "(APIServer pid=1)", "(EngineCore pid=131)"
    context = min(int(wanted) if wanted.isdigit() else shape.context, MODEL_CONTEXT)
    kind = "GPU" if place.gpus else "CPU"
    left = max(2**30, place.gpus * place.gpu_bytes * GPU_UTILIZATION - shape.weights * 1.05 - _OVERHEAD)
    tokens = int(left / shape.kv_bytes_per_token)
    start.lines += [
        (at + 0.2, f"{core} INFO [gpu_worker.py:298] Available KV cache memory: {left / 2**30:.2f} GiB"),
        (at + 0.3, f"{core} INFO [kv_cache_utils.py:2327] {kind} KV cache size: {tokens:,} tokens, Maximum concurrency for "
                   f"{context:,} tokens per request: {tokens / context:.2f}x"),
        (at + 0.8, f"{core} INFO [core.py:402] init engine (profile, create kv cache, warmup model) took 1.10 s"),
        (at + 1.0, f"{api} INFO [entry.py:140] Starting vLLM server on http://0.0.0.0:8000"),
        (at + 1.1, "INFO:     Application startup complete."),
    ]  # fmt: skip
    if context < (int(wanted) if wanted.isdigit() else shape.context):
        start.lines.append((at + 0.1, f"{core} WARNING [sandbox] context limited to {context} tokens by {MODEL_NAME}"))
    start.lines.sort(key=lambda line: line[0])
    start.ready_after = at + 1.1
    start.serving = Serving(
        served_names=args.flags.get("--served-model-name") or (model,),
        context=context,
        api_key=place.environment.get("VLLM_API_KEY") or _last(args, "--api-key"),
        force_usage="--enable-force-include-usage" in args.flags,
        prompt_details="--enable-prompt-tokens-details" in args.flags,
    )
    return start


def launch_nim(image: str, place: Place, node: str) -> Launch:
    """What a NIM image does with this environment: generation 2 runs vLLM, generation 1 behaves alike here."""
    environment = place.environment
    if not environment.get("NGC_API_KEY"):
        start = Launch()
        return start.fail(1.0, "Authentication Error: NGC_API_KEY is not set; the NIM cannot fetch its model profile.")
    model = environment.get("NIM_MODEL_PATH", image.split("@")[0].rsplit(":", 1)[0].split("/nim/")[-1])
    names = [n.strip() for n in environment.get("NIM_SERVED_MODEL_NAME", "").split(",") if n.strip()]
    words = [model.removeprefix("hf://"), "--served-model-name", *(names or [model])]
    words += ["--max-model-len", environment.get("NIM_MAX_MODEL_LEN", "auto")]
    words += ["--tensor-parallel-size", environment.get("NIM_TENSOR_PARALLEL_SIZE", "1")]
    words += shlex.split(environment.get("NIM_PASSTHROUGH_ARGS", ""))
    # The image's own model is licensed by the NGC key, not by the hub.
    resolved = Place(place.gpus, place.gpu_bytes, {"HF_TOKEN": "ngc", **environment}, place.stage, place.engine_problem)
    return launch_vllm(words, resolved, node)


@dataclass(frozen=True, slots=True)
class _Staged:
    text: str
    code: int = 1
    reason: str = "Error"


_STAGED = {
    "cuda-oom": _Staged("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."),
    "oom-killed": _Staged("", 137, "OOMKilled"),
    "gated": _Staged(
        "403 Client Error. Access to model org/model is restricted and you are not in the authorized list."
    ),
    "hub-offline": _Staged(
        "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached snapshot folder"
    ),
    "nccl-shm": _Staged("NCCL WARN Error while creating shared memory segment /dev/shm/nccl-Xk2p (size 9637888)"),
    "nim-profile": _Staged("ValueError: Unknown profiles provided: {'tensorrt_llm-h100-fp8-tp2'}"),
    "port-in-use": _Staged("OSError: [Errno 98] Address already in use"),
}
