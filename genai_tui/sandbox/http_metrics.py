"""Requests by path, method and status, as vLLM's FastAPI instrumentation counts them."""

from __future__ import annotations

import time
from collections import Counter, defaultdict

from genai_tui.sandbox.prometheus import Histogram, Labels, counter, gauge, header

UNCOUNTED = frozenset({"/metrics", "/v1/metrics", "/health", "/ping", "/version", "/load", "/server_info"})
_FINE = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 7.5, 10.0, 30.0, 60.0,
)  # fmt: skip
_COARSE = (0.1, 0.5, 1.0)
_BY_HANDLER = "Latency with only few buckets by handler. Made to be only used if aggregation by handler is important. "
_PRECISE = "Latency with many buckets but no API specific labels. Made for more accurate percentile calculations. "


class HttpMetrics:
    """Counts of one server."""

    def __init__(self) -> None:
        self._created = time.time()
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._precise = Histogram(_FINE)
        self._by_handler: defaultdict[tuple[str, str], Histogram] = defaultdict(lambda: Histogram(_COARSE))

    def count(self, handler: str, method: str, status: int, seconds: float) -> None:
        """Count an answer; `handler` is the route's path, `none` for a path nobody serves."""
        if handler in UNCOUNTED:
            return
        self._requests[handler, method, f"{status // 100}xx"] += 1
        self._precise.observe(seconds)
        self._by_handler[handler, method].observe(seconds)

    def lines(self) -> list[str]:
        """The exposition; series appear with the first request they count."""
        samples: list[tuple[Labels, float]] = [
            ({"handler": handler, "method": method, "status": status}, number)
            for (handler, method, status), number in self._requests.items()
        ]
        total = "Total number of requests by method, status and handler."
        lines = counter("http_requests", total, samples, self._created)
        lines += self._precise.lines("http_request_duration_highr_seconds", _PRECISE, {}, self._created)
        lines += header("http_request_duration_seconds", "histogram", _BY_HANDLER)
        for (handler, method), histogram in self._by_handler.items():
            labels = {"handler": handler, "method": method}
            # HELP and TYPE stand once, above all series of the name.
            whole = histogram.lines("http_request_duration_seconds", _BY_HANDLER, labels, self._created)
            lines += [line for line in whole if line[0] != "#" and "_created" not in line]
        return lines


def process_lines(started: float) -> list[str]:
    """What the Python client library tells of the process that can be told of a simulated one: when it began."""
    name = "process_start_time_seconds"
    return gauge(name, "Start time of the process since unix epoch in seconds.", [({}, started)])
