"""Tokens counted: one request, and sums of many."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from genai_tui.domain.latency import Latencies
from genai_tui.domain.money import Cost, Price, cost_of


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """What the engine says one answer used (OpenAI's `usage` object).

    `total` is the engine's own figure; `cached` counts prompt tokens served from the prefix cache, where told.
    """

    prompt: int
    completion: int
    total: int
    cached: int | None = None

    def __add__(self, other: TokenUsage) -> TokenUsage:
        cached = None if self.cached is None and other.cached is None else (self.cached or 0) + (other.cached or 0)
        return TokenUsage(
            self.prompt + other.prompt, self.completion + other.completion, self.total + other.total, cached
        )

    def cost(self, price: Price | None) -> Cost | None:
        """What it costs at `price`; None without a price."""
        return None if price is None else cost_of(self.prompt, self.completion, price, self.cached or 0)


@dataclass(frozen=True, slots=True)
class Timings:
    """How fast one answer came: milliseconds, and output tokens a second after the first; None when not known."""

    ttft_ms: float | None
    total_ms: float
    tokens_per_second: float | None


@dataclass(frozen=True, slots=True)
class Waits:
    """How long the requests of a sum took: to the first token, and to the end of the answer."""

    first_token: Latencies = field(default_factory=Latencies)
    answer: Latencies = field(default_factory=Latencies)

    def __add__(self, other: Waits) -> Waits:
        return Waits(self.first_token + other.first_token, self.answer + other.answer)


class Source(StrEnum):
    """Who saw the request. Sums of different sources are never mixed."""

    PLAYGROUND = "playground"
    CLI = "cli"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One finished request as the ledger keeps it. Names are snapshots: history outlives what it names.

    `usage` None means the engine reported none: shown as unknown and never counted as 0.
    `price` is the price in force when the request was made. `status` is ok, cancelled or error.
    """

    id: str
    at: datetime
    source: Source
    cluster: str
    namespace: str
    deployment: str
    model: str
    usage: TokenUsage | None
    price: Price | None
    timings: Timings | None
    status: str = "ok"
    finish_reason: str = ""
    organization: str = ""
    user: str = ""
    key: str = ""


class Dimension(StrEnum):
    """What usage can be grouped by."""

    DEPLOYMENT = "deployment"
    MODEL = "model"
    ORGANIZATION = "organization"
    USER = "user"
    KEY = "key"
    SOURCE = "source"


WHO_AND_WHAT = tuple(dimension for dimension in Dimension if dimension is not Dimension.SOURCE)
"""The dimensions that name something; lines are apart by source in any case."""


@dataclass(frozen=True, slots=True)
class UsageLine:
    """Sums of one group, one source and one currency.

    `unreported` counts requests that were answered without a usage, `errors` those that failed. `cached_tokens` are the
    prompt tokens that engines said to have taken from the prefix cache; None: none said it. `waits` is None where it
    was not asked for.
    """

    group: str
    source: Source
    requests: int
    unreported: int
    errors: int
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cost: Cost | None
    last_at: datetime | None = None
    waits: Waits | None = None
    cached_tokens: int | None = None

    @property
    def counted(self) -> bool:
        """Whether any of the requests told a usage; without one there is no sum of tokens, not one of 0."""
        return self.total_tokens > 0 or self.requests > self.unreported + self.errors
