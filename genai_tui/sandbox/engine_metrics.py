"""What one engine pod has done, under vLLM's metric names (names, labels, buckets: vLLM 0.32's own /metrics)."""

from __future__ import annotations

from collections import Counter

from genai_tui.sandbox.prometheus import Histogram, header, labelled

_TTFT = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
_ITL = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
_E2E = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0)
_TOKENS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


class EngineMetrics:
    """Counters, gauges and histograms of one pod, computed from its traffic."""

    def __init__(self, model_name: str, context: int) -> None:
        self._labels = {"engine": "0", "model_name": model_name}
        self._context = context
        self.running = 0
        self.prompt_tokens = 0
        self.generation_tokens = 0
        self.cached_tokens = 0
        self.tokens_in_use = 0
        self.finished: Counter[str] = Counter()
        self.ttft, self.itl, self.e2e = Histogram(_TTFT), Histogram(_ITL), Histogram(_E2E)
        self.prompt_sizes, self.generation_sizes = Histogram(_TOKENS), Histogram(_TOKENS)

    def answered(self, prompt: int, completion: int, cached: int, reason: str, seconds: float) -> None:
        """Count a request that came to its end."""
        self.prompt_tokens += prompt
        self.generation_tokens += completion
        self.cached_tokens += cached
        self.finished[reason] += 1
        self.prompt_sizes.observe(prompt)
        self.generation_sizes.observe(completion)
        self.e2e.observe(seconds)

    def text(self) -> str:
        """The exposition."""
        usage = min(1.0, self.tokens_in_use / self._context) if self._context else 0.0
        simple: list[tuple[str, str, str, float]] = [
            ("vllm:num_requests_running", "gauge", "Number of requests in model execution batches.", self.running),
            ("vllm:num_requests_waiting", "gauge", "Number of requests waiting to be processed.", 0),
            ("vllm:kv_cache_usage_perc", "gauge", "KV-cache usage. 1 means 100 percent usage.", usage),
            ("vllm:prefix_cache_queries_total", "counter", "Prefix cache queries, in tokens.", self.prompt_tokens),
            ("vllm:prefix_cache_hits_total", "counter", "Prefix cache hits, in tokens.", self.cached_tokens),
            ("vllm:prompt_tokens_total", "counter", "Number of prefill tokens processed.", self.prompt_tokens),
            ("vllm:prompt_tokens_cached_total", "counter", "Number of cached prompt tokens.", self.cached_tokens),
            ("vllm:generation_tokens_total", "counter", "Number of generation tokens.", self.generation_tokens),
        ]
        lines: list[str] = []
        for name, kind, text, value in simple:
            lines += [*header(name, kind, text), f"{name}{labelled(self._labels)} {float(value)}"]
        lines += header("vllm:request_success_total", "counter", "Count of successfully processed requests.")
        for reason in ("stop", "length", "abort", "error"):
            labels = {**self._labels, "finished_reason": reason}
            lines.append(f"vllm:request_success_total{labelled(labels)} {float(self.finished[reason])}")
        for name, text, histogram in (
            ("vllm:time_to_first_token_seconds", "Time to first token in seconds.", self.ttft),
            ("vllm:inter_token_latency_seconds", "Inter-token latency in seconds.", self.itl),
            ("vllm:e2e_request_latency_seconds", "End-to-end request latency in seconds.", self.e2e),
            ("vllm:request_prompt_tokens", "Number of prefill tokens per request.", self.prompt_sizes),
            ("vllm:request_generation_tokens", "Number of generation tokens per request.", self.generation_sizes),
        ):
            lines += [*header(name, "histogram", text), *histogram.lines(name, self._labels)]
        return "\n".join(lines) + "\n"
