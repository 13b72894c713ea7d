"""What one engine pod has done, under vLLM's metric names (names, labels and buckets: vLLM 0.32's own /metrics).

Everything is counted from the pod's real traffic. A request that its client abandons leaves its tokens and no finished
request, as with the real one.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from genai_tui.sandbox.prometheus import Histogram, Labels, Sample, counter, gauge

_TTFT = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0,
    640.0, 2560.0,
)  # fmt: skip
_PER_TOKEN = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
)  # fmt: skip
_REQUEST = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0,
    1920.0, 7680.0,
)  # fmt: skip
_STEP = tuple(2.0**n for n in (0, *range(3, 15)))
_REJECTIONS = ("max_num_queued_reqs", "max_num_queued_tokens")
FINISHED = ("stop", "length", "abort", "error", "repetition")


@dataclass(frozen=True, slots=True)
class Cache:
    """The KV cache of a pod: how many tokens it holds, the share of GPU memory used, whether prefixes are kept."""

    tokens: int
    gpu_memory_utilization: float = 0.9
    prefix_caching: bool = True
    block_size: int = 16


@dataclass(slots=True)
class Finished:
    """One request that came to its end; times in seconds."""

    reason: str
    prompt: int
    completion: int
    cached: int
    limit: int
    max_tokens: int | None
    e2e: float
    queue: float
    prefill: float
    decode: float


class EngineMetrics:
    """Counters, gauges and histograms of one pod."""

    def __init__(self, model_name: str, context: int, cache: Cache) -> None:
        self._labels: Labels = {"engine": "0", "model_name": model_name}
        self._model = model_name
        self._cache = cache
        self._created = time.time()
        self.running = 0
        self.waiting = 0
        self.tokens_in_use = 0
        self.prompt_tokens = 0
        self.cached_tokens = 0
        self.generation_tokens = 0
        self.finished: Counter[str] = Counter()
        sizes = _sizes(context)
        self._ttft, self._itl = Histogram(_TTFT), Histogram(_PER_TOKEN)
        self._iteration = Histogram(_STEP)
        self._prompts, self._generations, self._limits, self._max_tokens, self._computed = (
            Histogram(sizes) for _ in range(5)
        )
        self._choices, self._preemptions = Histogram((1, 2, 5, 10, 20)), Histogram((1, 2, 3, 4, 5, 10, 20))
        self._per_token, self._e2e, self._queue = Histogram(_PER_TOKEN), Histogram(_REQUEST), Histogram(_REQUEST)
        self._inference, self._prefill, self._decode = (Histogram(_REQUEST) for _ in range(3))

    def prefilled(self, prompt: int, cached: int, seconds: float) -> None:
        """The prompt is processed and the first token is there, `seconds` after the request came."""
        self.prompt_tokens += prompt
        self.cached_tokens += cached
        self.generation_tokens += 1
        self._ttft.observe(seconds)
        self._iteration.observe(prompt - cached + 1)

    def generated(self, tokens: int, seconds: float) -> None:
        """More tokens came, `seconds` after the last."""
        self.generation_tokens += tokens
        self._itl.observe(seconds / tokens, tokens)
        self._iteration.observe(1, tokens)

    def finish(self, done: Finished) -> None:
        """A request came to its end."""
        self.finished[done.reason] += 1
        self._prompts.observe(done.prompt)
        self._generations.observe(done.completion)
        self._computed.observe(done.prompt - done.cached)
        self._limits.observe(done.limit)
        if done.max_tokens is not None:
            self._max_tokens.observe(done.max_tokens)
        self._choices.observe(1)
        self._preemptions.observe(0)
        self._e2e.observe(done.e2e)
        self._queue.observe(done.queue)
        self._prefill.observe(done.prefill)
        self._decode.observe(done.decode)
        self._inference.observe(done.prefill + done.decode)
        if done.completion > 1:
            self._per_token.observe(done.decode / (done.completion - 1))

    def text(self) -> str:
        """The exposition."""
        return "\n".join([*self._gauges(), *self._counters(), *self._histograms(), *self._config()]) + "\n"

    def _by(self, name: str, values: Sequence[tuple[str, float]]) -> list[Sample]:
        return [({**self._labels, name: value}, amount) for value, amount in values]

    def _gauges(self) -> list[str]:
        plain = [(self._labels, self.running)]
        usage = min(1.0, self.tokens_in_use / self._cache.tokens) if self._cache.tokens else 0.0
        return [
            *gauge("vllm:num_requests_running", "Number of requests in model execution batches.", plain),
            *gauge(
                "vllm:num_requests_waiting",
                "Number of requests waiting to be processed.",
                [(self._labels, self.waiting)],
            ),
            *gauge(
                "vllm:num_requests_waiting_by_reason",
                "Number of waiting requests by reason.",
                self._by("reason", [("capacity", self.waiting), ("deferred", 0)]),
            ),
            *gauge(
                "vllm:engine_sleep_state",
                "Engine sleep state.",
                self._by("sleep_state", [("awake", 1), ("weights_offloaded", 0), ("discard_all", 0)]),
            ),
            *gauge(
                "vllm:kv_cache_usage_perc",
                "KV-cache usage. 1 means 100 percent usage.",
                [(self._labels, usage)],
            ),
        ]

    def _counters(self) -> list[str]:
        computed, cached = self.prompt_tokens - self.cached_tokens, self.cached_tokens
        queried = self.prompt_tokens if self._cache.prefix_caching else 0
        simple: tuple[tuple[str, str, float], ...] = (
            ("vllm:prefix_cache_queries", "Prefix cache queries, in terms of number of queried tokens.", queried),
            ("vllm:prefix_cache_hits", "Prefix cache hits, in terms of number of cached tokens.", cached),
            ("vllm:num_preemptions", "Cumulative number of preemption from the engine.", 0),
            ("vllm:prompt_tokens", "Number of prefill tokens processed.", self.prompt_tokens),
            ("vllm:prompt_tokens_cached", "Number of cached prompt tokens (local + external).", cached),
            ("vllm:generation_tokens", "Number of generation tokens processed.", self.generation_tokens),
        )
        lines: list[str] = []
        for name, text, value in simple:
            lines += counter(name, text, [(self._labels, value)], self._created)
        sources = [("local_compute", computed), ("local_cache_hit", cached), ("external_kv_transfer", 0)]
        tiers = [("device", cached), ("host", 0), ("p2p", 0), ("disk", 0), ("external_unspecified", 0)]
        rejected = [({"model_name": self._model, "reason": reason}, 0.0) for reason in _REJECTIONS]
        for name, text, samples in (
            ("vllm:prompt_tokens_by_source", "Number of prompt tokens by source.", self._by("source", sources)),
            (
                "vllm:prompt_tokens_cached_by_source",
                "Prefix-cache hit tokens by cache tier.",
                self._by("source", tiers),
            ),
            (
                "vllm:request_success",
                "Count of successfully processed requests.",
                self._by("finished_reason", [(reason, self.finished[reason]) for reason in FINISHED]),
            ),
            ("vllm:admission_rejections", "Number of admission attempts rejected by a queue limit.", rejected),
        ):
            lines += counter(name, text, samples, self._created)
        return lines

    def _histograms(self) -> list[str]:
        lines: list[str] = []
        for name, text, histogram in (
            ("request_prompt_tokens", "Number of prefill tokens processed.", self._prompts),
            ("request_generation_tokens", "Number of generation tokens processed.", self._generations),
            ("iteration_tokens_total", "Histogram of number of tokens per engine_step.", self._iteration),
            (
                "request_max_num_generation_tokens",
                "Histogram of maximum number of requested generation tokens.",
                self._limits,
            ),
            ("request_params_n", "Histogram of the n request parameter.", self._choices),
            ("request_params_max_tokens", "Histogram of the max_tokens request parameter.", self._max_tokens),
            ("time_to_first_token_seconds", "Histogram of time to first token in seconds.", self._ttft),
            ("inter_token_latency_seconds", "Histogram of inter-token latency in seconds.", self._itl),
            (
                "request_time_per_output_token_seconds",
                "Histogram of time_per_output_token_seconds per request.",
                self._per_token,
            ),
            ("e2e_request_latency_seconds", "Histogram of e2e request latency in seconds.", self._e2e),
            ("request_queue_time_seconds", "Histogram of time spent in WAITING phase for request.", self._queue),
            (
                "request_inference_time_seconds",
                "Histogram of time spent in RUNNING phase for request.",
                self._inference,
            ),
            ("request_prefill_time_seconds", "Histogram of time spent in PREFILL phase for request.", self._prefill),
            ("request_decode_time_seconds", "Histogram of time spent in DECODE phase for request.", self._decode),
            (
                "request_num_preemptions",
                "Histogram of the number of times a request was preempted.",
                self._preemptions,
            ),
            (
                "request_prefill_kv_computed_tokens",
                "Histogram of new KV tokens computed during prefill (excluding cached tokens).",
                self._computed,
            ),
        ):
            lines += histogram.lines(f"vllm:{name}", text, self._labels, self._created)
        return lines

    def _config(self) -> list[str]:
        cache = self._cache
        labels = {
            "engine": "0",
            "block_size": str(cache.block_size),
            "cache_dtype": "auto",
            "enable_prefix_caching": str(cache.prefix_caching),
            "gpu_memory_utilization": str(cache.gpu_memory_utilization),
            "kv_cache_size_tokens": str(cache.tokens),
            "num_gpu_blocks": str(cache.tokens // cache.block_size),
        }
        return gauge("vllm:cache_config_info", "Information of the LLMEngine CacheConfig", [(labels, 1)])


def _sizes(context: int) -> tuple[float, ...]:
    """1, 2, 5, 10, ... up to the context, as vLLM builds its buckets."""
    found: list[float] = []
    step = 1
    while step <= context:
        found += [n * step for n in (1, 2, 5) if n * step <= context]
        step *= 10
    return tuple(found)
