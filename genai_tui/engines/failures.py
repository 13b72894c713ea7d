"""An engine's last words explained: the cause, the line it rests on, and what to do.

Patterns are those of vLLM 0.32's own messages and of NIM, Hugging Face Hub and NCCL as operators report them. The cause
often stands a hundred lines above the end: "Engine core initialization failed. See root cause above" is never it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from genai_tui.domain.phases import Diagnosis

MAX_CHARACTERS = 400_000
_LONGEST_LINE = 4_000
_ROOT = re.compile(
    r"^\((?:EngineCore|Worker|VllmWorker)\S* pid=\d+\) ERROR \S+ \S+ \[\S+\]\s+([A-Z]\w*(?:Error|Exception): .+)"
)
# A warning is not what ended it (vLLM warns of a long context and then fails for want of memory), and a traceback's
# own source lines say nothing that its last line does not say better.
_CHATTER = re.compile(r" WARNING |^\s*(?:\([^)]*\) ERROR \S+ \S+ \[\S+\]\s+)?(?:raise |File \")")
_SECRET = re.compile(r"\b(hf_|nvapi-|sk-|(?:api[-_]key|hf[-_]token|token)[ =:'\"]+)[A-Za-z0-9_-]{6,}", re.IGNORECASE)
_PREFIX = re.compile(
    r"^\((?:APIServer|EngineCore\S*|Worker\S*|VllmWorker\S*) pid=\d+\)\s*(?:(?:ERROR|INFO|WARNING) \S+ \S+ \[\S+\]\s*)?"
)


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    explain: Callable[[re.Match[str]], tuple[str, str]]


def _rule(pattern: str, explain: Callable[[re.Match[str]], tuple[str, str]] | tuple[str, str]) -> _Rule:
    said = explain if callable(explain) else (lambda _match, fixed=explain: fixed)
    return _Rule(re.compile(pattern), said)


def _number(text: str) -> str:
    return text.replace(",", "")


_RULES = (
    _rule(
        r"max seq len \(([\d,]+)\).*estimated maximum model length is ([\d,]+)",
        lambda m: (
            f"context {_number(m[1])} exceeds what the KV cache holds ({_number(m[2])})",
            f"set the context length to {_number(m[2])} or auto, or give it more GPU memory",
        ),
    ),
    _rule(
        r"max seq len \(([\d,]+)\) is larger than the maximum number of tokens that can be stored in KV cache "
        r"\(([\d,]+)\)",
        lambda m: (
            f"context {_number(m[1])} exceeds KV cache {_number(m[2])}",
            f"set the context length to {_number(m[2])} or auto, or give it more GPU memory",
        ),
    ),
    _rule(
        r"max seq len \(([\d,]+)\).*larger than the available KV cache memory",
        lambda m: (
            f"context {_number(m[1])} exceeds the KV cache",
            "set the context length lower or to auto, or give it more GPU memory",
        ),
    ),
    _rule(
        r"max_model_len \(([\d,]+)\) is greater than the derived max_model_len \(\D*([\d,]+)",
        lambda m: (
            f"context {_number(m[1])} exceeds the model's maximum {_number(m[2])}",
            f"set the context length to {_number(m[2])} or auto",
        ),
    ),
    _rule(
        r"No available memory for the cache blocks",
        (
            "no GPU memory is left for the KV cache after loading the weights",
            "use more GPUs, a smaller or quantized model, or a higher --gpu-memory-utilization",
        ),
    ),
    _rule(
        r"(?:CUDA out of memory|OutOfMemoryError)",
        ("the model does not fit into GPU memory", "use more GPUs, a smaller or quantized model, or a shorter context"),
    ),
    _rule(
        r"Total number of attention heads \((\d+)\) must be divisible by tensor parallel size \((\d+)\)",
        lambda m: (
            f"{m[2]} GPUs do not divide the model's {m[1]} attention heads",
            f"set GPUs to a divisor of {m[1]}",
        ),
    ),
    _rule(
        r"tensor parallel size \((\d+)\) (?:cannot be larger than|is larger than|exceeds).*?(\d+)",
        lambda m: (f"{m[1]} GPUs are asked for, {m[2]} are there", "set GPUs to what the node gives"),
    ),
    _rule(
        r"World size \((\d+)\) is larger than the number of available GPUs \((\d+)\)",
        lambda m: (f"{m[1]} GPUs are asked for, {m[2]} are there", "set GPUs to what the node gives"),
    ),
    _rule(
        r"unrecognized arguments: (serve)\b",
        ("the arguments repeat `serve`, which the image already runs", "remove serve from the arguments"),
    ),
    _rule(
        r"unrecognized arguments: ([^-\s]\S*)",
        lambda m: (
            f"the argument '{m[1]}' has no option before it; the image already runs `vllm serve`",
            "remove serve and the model from the extra arguments",
        ),
    ),
    _rule(
        r"unrecognized arguments: (.+)",
        lambda m: (f"the engine does not know {m[1].strip()}", "correct or remove the extra engine argument"),
    ),
    _rule(
        r"error: argument (--[\w-]+)(?:/\S+)*: (.+)",
        lambda m: (f"{m[1]}: {m[2].strip()}", "correct the extra engine argument"),
    ),
    _rule(
        r"VLLM_PORT '([^']+)' appears to be a URI",
        (
            "a Service called vllm sets VLLM_PORT to an address",
            "rename that Service, or set enableServiceLinks: false",
        ),
    ),
    _rule(
        r"(?:Access to model \S+ is restricted|Cannot access gated repo|GatedRepoError|403 Client Error"
        r"|awaiting a review)",
        (
            "the model is gated and the token has no access",
            "set HF_TOKEN from a Secret, and accept the model's licence with that account",
        ),
    ),
    _rule(
        r"(?:401 Client Error|RepositoryNotFoundError|Invalid (?:credentials|username or password))",
        (
            "the model hub refused: the repository does not exist, or the token is wrong",
            "check the repository's name and HF_TOKEN",
        ),
    ),
    _rule(
        r"(?:LocalEntryNotFoundError|OfflineModeIsEnabled|couldn't connect to|Failed to resolve|MaxRetryError)",
        ("the model's files are not here and the hub cannot be reached", "allow the node out, or use a storage source"),
    ),
    _rule(
        r"HFValidationError|is not a valid model identifier|is not a local folder",
        ("the model's path or repository does not exist", "correct the model's source"),
    ),
    _rule(
        r"(?:payment required|insufficient_scope|unauthorized: authentication required)",
        (
            "the registry refused: the pull secret is wrong, or its key has no right to this image",
            "check the pull secret (user $oauthtoken, the NGC key as password) and the key's entitlement",
        ),
    ),
    _rule(
        r"Unknown profiles? provided|No compatible profiles? found|could not find any compatible profile",
        ("the NIM image has no profile for this GPU", "choose a listed profile, or another GPU or image"),
    ),
    _rule(
        r"(?:Authentication Error|invalid.*NGC_API_KEY|NGC_API_KEY.*(?:not set|required|invalid))",
        ("the NGC API key is missing or refused", "check the Secret that holds NGC_API_KEY"),
    ),
    _rule(
        r"Error while creating shared memory segment (/dev/shm/\S+)",
        ("shared memory is too small for NCCL", "raise the shared memory size"),
    ),
    _rule(
        r"Address already in use",
        ("the engine's port is taken in the pod", "remove the extra argument that sets a port"),
    ),
)


def diagnose(text: str) -> Diagnosis | None:
    """What the log or termination message means; None when nothing known is in it. Never raises."""
    lines = [line[:_LONGEST_LINE] for line in text[-MAX_CHARACTERS:].splitlines()]
    said = [_PREFIX.sub("", line).strip() for line in lines if not _CHATTER.search(line)]
    for rule in _RULES:
        for line in said:
            match = rule.pattern.search(line)
            if match is not None:
                cause, fix = rule.explain(match)
                return Diagnosis(_without_secrets(cause), _without_secrets(line[:400]), fix)
    return _first_error(lines) or _killed_early(said)


def _first_error(lines: list[str]) -> Diagnosis | None:
    """The first exception of an engine process: what the API server calls the root cause above."""
    for line in lines:
        match = _ROOT.match(line)
        if match is not None:
            shown = _without_secrets(match[1])
            return Diagnosis(shown[:160], shown[:400], "see its previous log from this line on")
    return None


def _killed_early(lines: list[str]) -> Diagnosis | None:
    """Told to stop before it was ready: the kubelet does that when the start-up probe's budget is spent."""
    stopped = next((line for line in lines if "KeyboardInterrupt: terminated" in line), None)
    if stopped is None or any("Application startup complete" in line for line in lines):
        return None
    cause = "it was stopped before it was ready; most often the start-up budget is too short"
    return Diagnosis(cause, stopped[:400], "raise the start-up budget")


def _without_secrets(text: str) -> str:
    """Engines repeat their arguments in errors; keys and tokens among them are not shown."""
    return _SECRET.sub(lambda match: f"{match[1]}***", text)
