"""How an engine container starts: its arguments read as the engine reads them, then the log lines it would write.

Failures come from the container itself (an unknown flag, a context the model or the memory does not allow) with the
engine's own words, recorded from vLLM 0.32; or staged by name.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from genai_tui.sandbox import known
from genai_tui.sandbox.engine_metrics import Cache
from genai_tui.sandbox.engine_model import MODEL_CONTEXT, MODEL_NAME
from genai_tui.sandbox.launch_failures import API, CORE, Launch, fail_in_api, fail_in_core, fail_validation
from genai_tui.sandbox.launch_stages import (
    DIES_AFTER_S,
    HUB_OFFLINE,
    NO_CACHE_BLOCKS,
    context_over_model,
    cuda_oom,
    fail_staged,
    gated,
    vllm_port,
)
from genai_tui.sandbox.vllm_arguments import AUTO, Arguments, UsageError, context_of, parse
from genai_tui.sandbox.vllm_dialect import VERSION, Serving

DEFAULT_MODEL = "Qwen/Qwen3-0.6B"
OVERHEAD = 2 * 2**30
"""GPU memory taken by CUDA graphs, activations and the runtime, in bytes."""
_HOST_MEMORY = 1_200 * 2**20
_CPU_CACHE = 4 * 2**30
_TAG = re.compile(r":v?(\d+\.\d+\.\d+)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the container runs: GPUs and their memory, the memory limit (bytes), the environment with secrets resolved.

    `mounts` are the paths of its volumes; `engine_problem` why no engine can answer; `pace` stretches every duration;
    `full_tracebacks` makes failing starts as long-winded as real ones.
    """

    gpus: int
    gpu_bytes: int
    environment: Mapping[str, str]
    stage: str = ""
    engine_problem: str | None = None
    memory: int | None = None
    mounts: tuple[str, ...] = ()
    pace: float = 1.0
    node: str = ""
    full_tracebacks: bool = False


@dataclass(slots=True)
class _Plan:
    """A start being worked out."""

    start: Launch
    args: Arguments
    place: Place
    model: str
    shape: known.Model
    version: str = VERSION
    at: float = 0.0
    context: int | str = AUTO
    tensor: int = 1
    cache: Cache = field(default_factory=lambda: Cache(0))

    @property
    def ranks(self) -> int:
        """GPUs the engine uses."""
        return self.tensor * self.args.number("--pipeline-parallel-size", 1)


def launch_vllm(words: Sequence[str], place: Place, version: str = VERSION) -> Launch:
    """What `vllm serve` does with these arguments here."""
    start = Launch(full_tracebacks=place.full_tracebacks)
    try:
        args = parse(words)
    except UsageError as error:
        return start.end(1.5 * place.pace, str(error), code=2)
    model = args.model or DEFAULT_MODEL
    plan = _Plan(start, args, place, model, known.model(model, args.last("--quantization") or ""), version)
    plan.context = context_of(args.last("--max-model-len") or AUTO) or AUTO
    plan.tensor = args.number("--tensor-parallel-size", 1)
    return _run(plan)


def version_of(image: str) -> str:
    """The engine's version as the image's tag says."""
    match = _TAG.search(image)
    return match[1] if match else VERSION


def _run(plan: _Plan) -> Launch:
    """The stages of a start, each of which may end it."""
    _greet(plan)
    for stage in (_fail_before, _fail_configuration, _load, _reserve):
        if stage(plan):
            return plan.start
    _serve(plan)
    return plan.start


def _greet(plan: _Plan) -> None:
    start, pace = plan.start, plan.place.pace
    banner = (
        "",
        "       █     █     █▄   ▄█",
        f" ▄▄ ▄█ █     █     █ ▀▄▀ █  version {plan.version}",
        f"  █▄█▀ █     █     █     █  model   {plan.model}",
        "   ▀▀  ▀▀▀▀▀ ▀▀▀▀▀ ▀     ▀",
        "",
    )
    for text in banner:
        start.say(0.2 * pace, API, f"[api_utils.py:347] {text}".rstrip())
    given = {name[2:].replace("-", "_"): _shown(name, values) for name, values in plan.args.flags.items()}
    start.say(0.2 * pace, API, f"[api_utils.py:286] non-default args: { ({'model_tag': plan.model} | given)!r}")
    text = f"[sandbox] simulated node {plan.place.node}: whatever the model is named, {MODEL_NAME} answers"
    start.say(0.3 * pace, API, text, "WARNING")
    plan.at = 0.5 * pace


def _shown(flag: str, values: tuple[str, ...]) -> object:
    if flag == "--api-key":
        return ["***"]
    if not values:
        return not flag.startswith("--no-")
    return list(values) if flag == "--served-model-name" else values[-1]


def _fail_before(plan: _Plan) -> bool:
    """What ends a start before the model is looked at."""
    place, start, at = plan.place, plan.start, plan.at
    if place.engine_problem:
        message = f"no engine: {place.engine_problem}"
        start.say(at, API, f"[sandbox] {message}", "ERROR")
        start.end(at, "", message=message)
    elif fail_staged(start, place.stage, plan.model) is not None:
        return True
    elif plan.model.startswith("/"):
        if not any(plan.model == mount or plan.model.startswith(f"{mount.rstrip('/')}/") for mount in place.mounts):
            text = f"Repo id must be in the form 'repo_name' or 'namespace/repo_name': '{plan.model}'."
            fail_in_api(
                start, at, f"huggingface_hub.errors.HFValidationError: {text} Use `repo_type` argument if needed."
            )
    elif place.environment.get("HF_HUB_OFFLINE") == "1" and not place.mounts:
        fail_in_api(start, at, HUB_OFFLINE)
    elif not known.exists_on_hub(plan.model):
        text = f"{plan.model} is not a local folder and is not a valid model identifier listed on"
        fail_in_api(start, at, f"OSError: {text} 'https://huggingface.co/models'")
    elif plan.shape.gated and not place.environment.get("HF_TOKEN"):
        fail_in_api(start, at, gated(plan.model, forbidden=False))
    return start.exit is not None


def _fail_configuration(plan: _Plan) -> bool:
    """What the engine's configuration refuses."""
    start, shape, pace = plan.start, plan.shape, plan.place.pace
    plan.at += 0.6 * pace
    start.say(plan.at, API, "[model.py:733] Resolved architecture: LlamaForCausalLM")
    longest = shape.context
    if isinstance(plan.context, int) and plan.context > longest and not plan.place.environment.get(
        "VLLM_ALLOW_LONG_MAX_MODEL_LEN"
    ):  # fmt: skip
        fail_validation(start, plan.at, "ModelConfig", context_over_model(plan.context, longest))
        return True
    start.say(plan.at, API, f"[model.py:2152] Using max model len {plan.context if plan.context != AUTO else longest}")
    if shape.heads % plan.tensor:
        divisor = f"must be divisible by tensor parallel size ({plan.tensor})."
        text = f"Total number of attention heads ({shape.heads}) {divisor}"
        fail_validation(start, plan.at, "VllmConfig", text)
    elif plan.place.gpus and plan.ranks > plan.place.gpus:
        text = (
            f"World size ({plan.ranks}) is larger than the number of available GPUs ({plan.place.gpus}) in this node."
        )
        fail_validation(start, plan.at, "ParallelConfig", text)
    return start.exit is not None


def _load(plan: _Plan) -> bool:
    """Download and load the weights, unless the port variable, the host's or the GPUs' memory forbid it."""
    start, place, shape = plan.start, plan.place, plan.shape
    plan.at += 0.5 * place.pace
    names = f"model='{plan.model}', tokenizer='{plan.model}', tensor_parallel_size={plan.tensor}"
    start.say(plan.at, CORE, f"[core.py:133] Initializing a V1 LLM engine (v{plan.version}) with config: {names}")
    port = place.environment.get("VLLM_PORT", "")
    if "://" in port:
        fail_in_core(start, plan.at + 1.0, vllm_port(port), worker=True)
        return True
    start.say(plan.at, CORE, f"[gpu_model_runner.py:68] Starting to load model {plan.model}...")
    if not plan.model.startswith("/"):
        _download(plan)
    if place.memory is not None and place.memory < _HOST_MEMORY + min(shape.weights // plan.ranks, 2**30):
        start.end(plan.at + 0.5, "", code=137, reason="OOMKilled")
    elif place.gpus and shape.weights > plan.ranks * place.gpu_bytes:
        fail_in_core(start, plan.at + 1.0, cuda_oom(place.gpu_bytes))
    else:
        _read_weights(plan)
    return start.exit is not None


def _download(plan: _Plan) -> None:
    seconds = plan.shape.weights / known.HUB_BYTES_PER_S * plan.place.pace
    shards = _shards(plan.shape)
    for step in range(1, 11):
        share, done = 10 * step, shards * step // 10
        text = f"Downloading shards: {share:>3}%|{'█' * step:<10}| {done}/{shards}"
        plan.start.lines.append((plan.at + seconds * step / 10, f"{CORE} {text}"))
    plan.at += seconds
    took = f"[weight_utils.py:483] Time spent downloading weights for {plan.model}: {seconds:.6f} seconds"
    plan.start.say(plan.at, CORE, took)


def _shards(shape: known.Model) -> int:
    return max(1, round(shape.weights / 5e9))


def _read_weights(plan: _Plan) -> None:
    seconds = (0.6 + plan.shape.weights / known.LOAD_BYTES_PER_S) * plan.place.pace
    shards = _shards(plan.shape)
    for shard in range(shards + 1):
        text = f"Loading safetensors checkpoint shards: {100 * shard // shards:>3}% Completed | {shard}/{shards}"
        plan.start.lines.append((plan.at + seconds * shard / shards, f"{CORE} {text}"))
    plan.at += seconds
    plan.start.say(plan.at, CORE, f"[base_loader.py:82] Loading weights took {seconds:.2f} seconds")


def _reserve(plan: _Plan) -> bool:
    """Make the KV cache out of what memory is left."""
    start, place, shape = plan.start, plan.place, plan.shape
    plan.at += 0.4 * place.pace
    share = plan.args.share("--gpu-memory-utilization", 0.9)
    room = plan.ranks * (place.gpu_bytes * share - OVERHEAD) - shape.weights if place.gpus else float(_CPU_CACHE)
    if room <= 0:
        fail_in_core(start, plan.at, NO_CACHE_BLOCKS)
        return True
    tokens = int(room / shape.kv_bytes_per_token) // 16 * 16
    start.say(plan.at, CORE, f"[gpu_worker.py:298] Available KV cache memory: {room / plan.ranks / 2**30:.2f} GiB")
    if isinstance(plan.context, int) and plan.context > tokens:
        needed = plan.context * shape.kv_bytes_per_token / 2**30
        fail_in_core(
            start,
            plan.at,
            "ValueError: To serve at least one request with the model's max seq len "
            f"({plan.context}), ({needed:.2f} GiB KV cache is needed, which is larger than the available KV cache "
            f"memory ({room / 2**30:.2f} GiB). Based on the available memory, the estimated maximum model length is "
            f"{tokens}. Try increasing `gpu_memory_utilization` (which also controls CPU memory on the CPU backend) or "
            "decreasing `max_model_len` when initializing the engine. See "
            "https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more details.",
        )
        return True
    if plan.context == AUTO:
        plan.context = min(shape.context, tokens)
        if tokens < shape.context:
            text = f"Auto-fit max_model_len: reduced from {shape.context} to {tokens}"
            start.say(plan.at, CORE, f"[kv_cache_utils.py:2290] {text}")
    plan.cache = Cache(tokens, share, plan.args.on("--enable-prefix-caching", default=True))
    return False


def _serve(plan: _Plan) -> None:
    start, place, args = plan.start, plan.place, plan.args
    asked = int(plan.context)
    context = min(asked, MODEL_CONTEXT)
    tokens = max(plan.cache.tokens, context)
    kind, warm_up = ("GPU", 0.6 + 3.0 * plan.shape.weights / 16e9) if place.gpus else ("CPU", 0.6)
    concurrency = f"Maximum concurrency for {asked:,} tokens per request: {tokens / asked:.2f}x"
    start.say(plan.at, CORE, f"[kv_cache_utils.py:2327] {kind} KV cache size: {tokens:,} tokens, {concurrency}")
    if place.gpus and not args.on("--enforce-eager"):
        start.say(plan.at + 0.1, CORE, "[gpu_model_runner.py:5120] Capturing CUDA graphs (decode, FULL)")
    plan.at += warm_up * place.pace * (10 if place.stage == "slow" else 1)
    took = f"init engine (profile, create kv cache, warmup model) took {warm_up * place.pace:.2f} s"
    start.say(plan.at, CORE, f"[core.py:402] {took}")
    if context < asked:
        text = f"[sandbox] requests are limited to {context} tokens, which is what {MODEL_NAME} can do"
        start.say(plan.at, API, text, "WARNING")
    port = args.number("--port", 8000)
    start.say(plan.at + 0.1, API, f"[entry.py:140] Starting vLLM server on http://0.0.0.0:{port}")
    for text in ("Started server process [1]", "Waiting for application startup.", "Application startup complete."):
        start.lines.append((plan.at + 0.2, f"INFO:     {text}"))
    start.lines.sort(key=lambda line: line[0])
    start.ready_after = plan.at + 0.2
    start.dies_after = plan.at + DIES_AFTER_S if place.stage == "engine-dead" else None
    keys = [place.environment.get("VLLM_API_KEY", ""), *args.flags.get("--api-key", ())]
    silent = (args.last("--disable-access-log-for-endpoints") or "").split(",")
    start.serving = Serving(
        served_names=args.flags.get("--served-model-name") or (plan.model,),
        root=plan.model,
        context=context,
        cache=replace(plan.cache, tokens=tokens),
        api_keys=tuple(key for key in keys if key),
        force_usage=args.on("--enable-force-include-usage"),
        prompt_details=args.on("--enable-prompt-tokens-details"),
        max_seqs=args.number("--max-num-seqs", 256),
        silent=None if args.on("--disable-uvicorn-access-log") else frozenset(filter(None, silent)),
        port=port,
        version=plan.version,
    )


def launch_nim(image: str, place: Place, words: Sequence[str] = ()) -> Launch:
    """What a NIM image does with this environment: generation 2 runs vLLM, generation 1 behaves alike here."""
    environment = place.environment
    if not (environment.get("NGC_API_KEY") or environment.get("NGC_CLI_API_KEY")):
        start = Launch(lines=[(0.5, "INFO  NIM starting")])
        return start.end(1.0, "Authentication Error: NGC_API_KEY is not set; the model's profile cannot be fetched.")
    if environment.get("NIM_MODEL_PROFILE", "default") != "default":
        start = Launch(lines=[(0.5, "INFO  NIM starting")])
        return start.end(1.5, f"ValueError: Unknown profiles provided: {{'{environment['NIM_MODEL_PROFILE']}'}}")
    found = known.image(image)
    own = image.split("@")[0].rsplit(":", 1)[0].split("/nim/")[-1]
    model = environment.get("NIM_MODEL_PATH", own).removeprefix("hf://").removeprefix("ngc://")
    names = [name.strip() for name in environment.get("NIM_SERVED_MODEL_NAME", "").split(",") if name.strip()]
    arguments = [model, "--served-model-name", *(names or [model]), "--tensor-parallel-size"]
    arguments.append(environment.get("NIM_TENSOR_PARALLEL_SIZE") or str(max(1, place.gpus)))
    arguments += ["--max-model-len", environment.get("NIM_MAX_MODEL_LEN") or AUTO]
    arguments += ["--port", environment.get("NIM_SERVER_PORT") or environment.get("NIM_HTTP_API_PORT") or "8000"]
    if found.generation == 1:
        if environment.get("NIM_ENABLE_KV_CACHE_REUSE") == "0":
            arguments.append("--no-enable-prefix-caching")
    else:
        arguments += shlex.split(environment.get("NIM_PASSTHROUGH_ARGS", ""))
    # The image's own model is licensed by the NGC key, not by the hub.
    licensed = {"HF_TOKEN": "ngc", **environment}
    launch = launch_vllm([*arguments, *words], replace(place, environment=licensed), version_of(image))
    if launch.serving is not None:
        launch.serving = replace(launch.serving, nim=True)
    return launch


_SLEEP = re.compile(r"(?:^|\s)sleep (\d+(?:\.\d+)?)\s*$")
_EXIT = re.compile(r"(?:^|[\s;&])exit (\d+)\s*$")


def launch_plain(words: Sequence[str], stage: str, *, is_init: bool) -> Launch | None:
    """What any other container does: exit, sleep and echo are understood; the rest runs, or is done when it is an init.

    None for a container that just runs.
    """
    start = Launch()
    if fail_staged(start, stage, "") is not None:
        return start
    text = " ".join(words)
    if words and words[0] in ("echo", "printf"):
        return start.end(0.2, " ".join(words[1:]), code=0)
    if words and words[0] in ("true", "false"):
        return start.end(0.2, "", code=int(words[0] == "false"))
    if (match := _EXIT.search(text)) is not None:
        return start.end(0.5, "", code=int(match[1]))
    if (match := _SLEEP.search(text)) is not None and is_init:
        return start.end(float(match[1]), "", code=0)
    return start.end(1.5, "", code=0) if is_init else None
