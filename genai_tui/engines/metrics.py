"""An engine's own counters, from its Prometheus text: vLLM (old and new names), NIM, llama.cpp.

NIM 2.x has vLLM's names; NIM 1.x the same without the prefix:
https://docs.nvidia.com/nim/large-language-models/1.15.0/observability.html
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from genai_tui.engines.prometheus import parse

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
_BEGAN = ("vllm:generation_tokens_created", "generation_tokens_created", "process_start_time_seconds")
_KNOWN = frozenset((*(name for names in _NAMES.values() for name in names), *_BEGAN))


@dataclass(frozen=True, slots=True)
class EngineSample:
    """Sums over the engine's series at one moment; None where the engine has no such series (yet).

    `kv_cache` is a share from 0 to 1, the largest of the engines behind one API. `began` is when the counters began, in
    seconds since 1970; it is no part of what two samples are compared by.
    """

    running: float | None = None
    waiting: float | None = None
    prompt_tokens: float | None = None
    generation_tokens: float | None = None
    requests: float | None = None
    kv_cache: float | None = None
    began: float | None = field(default=None, compare=False)


def parse_sample(text: str) -> EngineSample:
    """Read what is known of the text; lines that are cut short or not understood are skipped. Never raises."""
    series: dict[str, list[float]] = {}
    for line in parse(text, _KNOWN.__contains__):
        series.setdefault(line.name, []).append(line.value)
    found: dict[str, float] = {}
    for name, names in _NAMES.items():
        # An engine between two versions has a series under both names; the first is the newer.
        values = next((series[known] for known in names if known in series), None)
        if values is not None:
            total = max(values) if name == "kv_cache" else sum(values)
            if math.isfinite(total):
                found[name] = total
    began = next((series[known] for known in _BEGAN if known in series), None)
    return EngineSample(**found, began=max(began) if began is not None else None)


def increase(before: float | None, after: float | None) -> float | None:
    """How much a counter grew; after a restart it began again at 0, so all of it is growth."""
    if before is None or after is None:
        return None
    return after - before if after >= before else after


def known_total(values: Iterable[float | None]) -> float | None:
    """The sum; None when one of them is not known, as a sum of the others would be too small."""
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total


# -- latencies ---------------------------------------------------------------------------------------------------------

Buckets = Mapping[float, float]
"""A Prometheus histogram: upper bound in seconds -> how many took at most so long (cumulative)."""
_HISTOGRAMS: Mapping[str, tuple[str, ...]] = {
    "first_token": ("vllm:time_to_first_token_seconds", "time_to_first_token_seconds"),
    "inter_token": (
        "vllm:inter_token_latency_seconds",
        "vllm:time_per_output_token_seconds",
        "inter_token_latency_seconds",
        "time_per_output_token_seconds",
    ),
}
_BUCKETS = frozenset(f"{name}_bucket" for names in _HISTOGRAMS.values() for name in names)


@dataclass(frozen=True, slots=True)
class Latencies:
    """Time to the first token and between tokens, summed over the engine's series; empty where it has none."""

    first_token: Buckets = field(default_factory=dict)
    inter_token: Buckets = field(default_factory=dict)


def parse_latencies(text: str) -> Latencies:
    """The two histograms; bounds that are no numbers are left out. Never raises."""
    read: dict[str, dict[float, float]] = {}
    for line in parse(text, _BUCKETS.__contains__):
        try:
            bound = float(line.labels.get("le", ""))
        except ValueError:
            continue
        if not math.isnan(bound):
            buckets = read.setdefault(line.name, {})
            buckets[bound] = buckets.get(bound, 0.0) + line.value
    found = {
        name: next((read[f"{known}_bucket"] for known in names if f"{known}_bucket" in read), {})
        for name, names in _HISTOGRAMS.items()
    }
    return Latencies(**found)


def buckets_increase(before: Buckets, after: Buckets) -> Buckets:
    """What was counted between two readings; after a restart, which lowers a count, all of the later one."""
    if any(after.get(bound, 0.0) < count for bound, count in before.items()):
        return after
    return {bound: count - before.get(bound, 0.0) for bound, count in after.items()}


def quantile(share: float, buckets: Buckets) -> float | None:
    """The value below which `share` (0 to 1) of the observations are; None where there are none.

    Linear within a bucket, as Prometheus' histogram_quantile; above the last finite bound it is that bound.
    https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile
    """
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if not bounds or total <= 0 or not math.isfinite(total):
        return None
    rank, below, lower = share * total, 0.0, 0.0
    for bound in bounds:
        count = buckets[bound]
        if count >= rank and count > below:
            if math.isinf(bound):
                return lower or None
            return lower + (bound - lower) * max(0.0, rank - below) / (count - below)
        below = max(below, count)
        lower = bound if math.isfinite(bound) else lower
    return lower or None
