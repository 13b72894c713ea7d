"""An engine's own counters, from its Prometheus text: vLLM (old and new names), NIM, llama.cpp.

The text format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

_NAMES: Mapping[str, tuple[str, ...]] = {
    "running": ("vllm:num_requests_running", "llamacpp:requests_processing"),
    "waiting": ("vllm:num_requests_waiting", "llamacpp:requests_deferred"),
    "prompt_tokens": ("vllm:prompt_tokens_total", "vllm:prompt_tokens", "llamacpp:prompt_tokens_total"),
    "generation_tokens": (
        "vllm:generation_tokens_total",
        "vllm:generation_tokens",
        "llamacpp:tokens_predicted_total",
    ),
    "requests": ("vllm:request_success_total", "vllm:request_success"),
    "kv_cache": ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
}
_FIELD = {name: field for field, names in _NAMES.items() for name in names}


@dataclass(frozen=True, slots=True)
class EngineSample:
    """Sums over the engine's series at one moment; None where the engine has no such series (yet).

    `kv_cache` is a share from 0 to 1, the largest of the engines behind one API.
    """

    running: float | None = None
    waiting: float | None = None
    prompt_tokens: float | None = None
    generation_tokens: float | None = None
    requests: float | None = None
    kv_cache: float | None = None


def parse_sample(text: str) -> EngineSample:
    """Read what is known of the text; lines that are cut short or not understood are skipped. Never raises."""
    sums: dict[str, float] = {}
    for line in text.splitlines():
        read = _line(line)
        if read is None:
            continue
        name, value = read
        field = _FIELD.get(name)
        if field is None:
            continue
        if field == "kv_cache":
            sums[field] = max(sums.get(field, 0.0), value)
        else:
            sums[field] = sums.get(field, 0.0) + value
    return EngineSample(**sums)


def _line(line: str) -> tuple[str, float] | None:
    """The metric's name and value of one sample line."""
    if not line or line[0] in "# ":
        return None
    brace = line.find("{")
    if brace >= 0:
        end = line.rfind("}")
        if end < brace:
            return None
        name, rest = line[:brace], line[end + 1 :]
    else:
        name, _, rest = line.partition(" ")
    fields = rest.split()
    if not fields:
        return None
    try:
        value = float(fields[0])
    except ValueError:
        return None
    return (name.strip(), value) if math.isfinite(value) else None


def increase(before: float | None, after: float | None) -> float | None:
    """How much a counter grew; after a restart it began again at 0, so all of it is growth."""
    if before is None or after is None:
        return None
    return after - before if after >= before else after
