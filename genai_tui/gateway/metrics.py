"""What the gateway counts of itself, for Prometheus. Labels have no users and no keys, whose number has no bound."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from genai_tui.domain.limits import Admission
from genai_tui.domain.rows import Ref
from genai_tui.domain.usage import RequestRecord

_FIRST = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_WHOLE = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_OF = ("namespace", "deployment")


class Metrics:
    """The gateway's own numbers, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        prefix = "genai_gateway"
        self._requests = Counter(
            f"{prefix}_requests", "Requests that were let in, by how they ended.", (*_OF, "organization", "status"),
            registry=registry,
        )  # fmt: skip
        self._tokens = Counter(
            f"{prefix}_tokens", "Tokens the engines reported.", (*_OF, "organization", "type"), registry=registry
        )
        self._refused = Counter(
            f"{prefix}_refused", "Requests answered by the gateway itself, by HTTP status.", ("code",),
            registry=registry,
        )  # fmt: skip
        self._limited = Counter(
            f"{prefix}_rate_limited", "Refusals by the limit that was reached.", (*_OF, "level", "unit"),
            registry=registry,
        )  # fmt: skip
        self._first = Histogram(
            f"{prefix}_time_to_first_token_seconds", "From request to first token.", _OF, buckets=_FIRST,
            registry=registry,
        )  # fmt: skip
        self._whole = Histogram(
            f"{prefix}_request_duration_seconds", "From request to the end of its answer.", _OF, buckets=_WHOLE,
            registry=registry,
        )  # fmt: skip
        self.in_flight = Gauge(f"{prefix}_requests_in_flight", "Requests being answered.", registry=registry)
        self.ledger_waiting = Gauge(
            f"{prefix}_ledger_waiting", "Finished requests that are not in the ledger yet.", registry=registry
        )

    def refused(self, status: int) -> None:
        """An answer of our own."""
        self._refused.labels(str(status)).inc()

    def limited(self, ref: Ref, admission: Admission) -> None:
        """A request that one or several limits refused."""
        for reading in admission.spent:
            self._limited.labels(ref.namespace, ref.name, reading.level.value, reading.unit.value).inc()

    def ended(self, record: RequestRecord) -> None:
        """A request that was let in has ended."""
        of = (record.namespace, record.deployment)
        self._requests.labels(*of, record.organization, record.status).inc()
        if record.usage is not None:
            self._tokens.labels(*of, record.organization, "input").inc(record.usage.prompt)
            self._tokens.labels(*of, record.organization, "output").inc(record.usage.completion)
        if record.timings is not None:
            self._whole.labels(*of).observe(record.timings.total_ms / 1000)
            if record.timings.ttft_ms is not None:
                self._first.labels(*of).observe(record.timings.ttft_ms / 1000)

    def page(self) -> bytes:
        """Everything in the text format."""
        return generate_latest(self.registry)
