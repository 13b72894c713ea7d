"""An engine's own counters, from its Prometheus text: vLLM (old and new names), NIM, llama.cpp.

The text format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
NIM 2.x has vLLM's names; NIM 1.x the same without the prefix:
https://docs.nvidia.com/nim/large-language-models/1.15.0/observability.html
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

_NAMES: Mapping[str, tuple[str, ...]] = {
    "running": ("vllm:num_requests_running", "num_requests_running", "llamacpp:requests_processing"),
    "waiting": ("vllm:num_requests_waiting", "num_requests_waiting", "llamacpp:requests_deferred"),
    "prompt_tokens": (
        "vllm:prompt_tokens_total",
        "vllm:prompt_tokens",
        "prompt_tokens_total",
        "llamacpp:prompt_tokens_total",
    ),
    "generation_tokens": (
        "vllm:generation_tokens_total",
        "vllm:generation_tokens",
        "generation_tokens_total",
        "llamacpp:tokens_predicted_total",
    ),
    "requests": ("vllm:request_success_total", "vllm:request_success", "request_success_total"),
    "kv_cache": ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", "gpu_cache_usage_perc"),
}
_KNOWN = frozenset(name for names in _NAMES.values() for name in names)


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
    series: dict[str, list[float]] = {}
    for line in text.splitlines():
        read = _line(line)
        if read is not None and read[0] in _KNOWN:
            series.setdefault(read[0], []).append(read[1])
    found: dict[str, float] = {}
    for field, names in _NAMES.items():
        # An engine between two versions has a series under both names; the first is the newer.
        values = next((series[name] for name in names if name in series), None)
        if values is not None:
            total = max(values) if field == "kv_cache" else sum(values)
            if math.isfinite(total):
                found[field] = total
    return EngineSample(**found)


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
