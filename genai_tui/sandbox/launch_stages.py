"""Failures staged by name, through the annotation `sandbox.genai-tui.dev/stage` on the pod template."""

from __future__ import annotations

from genai_tui.sandbox.launch_failures import Launch, fail_in_api, fail_in_core, fail_validation

STAGE_ANNOTATION = "sandbox.genai-tui.dev/stage"
TRACEBACKS_ANNOTATION = "sandbox.genai-tui.dev/tracebacks"
"""`full` makes failing starts as long-winded as real ones."""
AT_S = 3.0
DIES_AFTER_S = 30.0
STAGES = (
    "context-over-model",
    "crash",
    "cuda-oom",
    "disk-full",
    "engine-dead",
    "gated",
    "heads",
    "hub-offline",
    "kv-too-small",
    "nccl-shm",
    "nim-profile",
    "oom-killed",
    "port-in-use",
    "slow",
    "vllm-port",
)
"""`slow` loads ten times as long, `engine-dead` starts well and dies half a minute later; the others end the start."""


def fail_staged(start: Launch, stage: str, model: str) -> Launch | None:
    """End the start as staged; None for a stage that does not."""
    match stage:
        case "crash":
            return start.end(AT_S, "fatal: staged crash")
        case "oom-killed":
            return start.end(AT_S, "", code=137, reason="OOMKilled")
        case "cuda-oom":
            return fail_in_core(start, AT_S, cuda_oom(80 * 2**30))
        case "gated":
            return fail_in_api(start, AT_S, gated(model, forbidden=True))
        case "hub-offline":
            return fail_in_api(start, AT_S, HUB_OFFLINE)
        case "kv-too-small":
            return fail_in_core(start, AT_S, NO_CACHE_BLOCKS)
        case "heads":
            text = "Total number of attention heads (9) must be divisible by tensor parallel size (2)."
            return fail_validation(start, AT_S, "VllmConfig", text)
        case "context-over-model":
            return fail_validation(start, AT_S, "ModelConfig", context_over_model(999_999, 8192))
        case "vllm-port":
            return fail_in_core(start, AT_S, vllm_port("tcp://10.96.0.10:80"), worker=True)
        case _:
            return _fail_rare(start, stage)


def _fail_rare(start: Launch, stage: str) -> Launch | None:
    match stage:
        case "nccl-shm":
            text = "Error while creating shared memory segment /dev/shm/nccl-Xk2p (size 9637888)"
            return fail_in_core(start, AT_S, f"torch.distributed.DistBackendError: NCCL error: {text}", worker=True)
        case "disk-full":
            return fail_in_core(start, AT_S, DISK_FULL)
        case "nim-profile":
            return start.end(AT_S, "ValueError: Unknown profiles provided: {'tensorrt_llm-h100-fp8-tp2'}")
        case "port-in-use":
            return fail_in_api(start, AT_S, "OSError: [Errno 98] Address already in use")
        case _:
            return None


NO_CACHE_BLOCKS = (
    "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing "
    "the engine (this flag also controls CPU memory reservation on the CPU backend, despite its name). See "
    "https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more details."
)
DISK_FULL = "OSError: [Errno 28] No space left on device"
HUB_OFFLINE = (
    "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached snapshot folder for the "
    "specified revision on the local disk and outgoing traffic has been disabled. To enable repo look-ups and "
    "downloads online, pass 'local_files_only=False' as input."
)


def cuda_oom(total: int) -> str:
    """Out of GPU memory while loading; `total` bytes on the GPU."""
    return (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 448.00 MiB. GPU 0 has a total capacity of "
        f"{total / 2**30:.2f} GiB of which 201.44 MiB is free."
    )


def gated(model: str, *, forbidden: bool) -> str:
    """The hub keeps a model back: `forbidden` for a token without access, else there is no token at all."""
    where = f"https://huggingface.co/{model}"
    what = f"Cannot access gated repo for url {where}/resolve/main/config.json.\nAccess to model {model} is restricted"
    if forbidden:
        why = f"403 Client Error.\n\n{what} and you are not in the authorized list. Visit {where} to ask for access."
    else:
        must = "You must have access to it and be authenticated to access it. Please log in."
        why = f"401 Client Error.\n\n{what}. {must}"
    return f"OSError: You are trying to access a gated repo.\nMake sure to have access to it at {where}.\n{why}"


def context_over_model(wanted: int, longest: int) -> str:
    """A context beyond what the model was made for."""
    return (
        f"User-specified max_model_len ({wanted}) is greater than the derived max_model_len "
        f"(max_position_embeddings={float(longest)} or model_max_length=None in model's config.json). To allow "
        "overriding this maximum, set the env var VLLM_ALLOW_LONG_MAX_MODEL_LEN=1. VLLM_ALLOW_LONG_MAX_MODEL_LEN must "
        "be used with extreme caution. If the model uses relative position encoding (RoPE), positions exceeding "
        "derived_max_model_len lead to nan. If the model uses absolute position encoding, positions exceeding "
        "derived_max_model_len will cause a CUDA array out-of-bounds error."
    )


def vllm_port(value: str) -> str:
    """A Service called vllm has set the variable."""
    return (
        f"ValueError: VLLM_PORT '{value}' appears to be a URI. This may be caused by a Kubernetes service discovery "
        "issue,check the warning in: https://docs.vllm.ai/en/latest/configuration/env_vars.html"
    )
