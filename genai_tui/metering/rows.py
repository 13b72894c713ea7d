"""Requests, prices and sums as rows of the ledger, and back."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from genai_tui.domain.money import Cost, Price, plain
from genai_tui.domain.trends import UsagePoint
from genai_tui.domain.usage import RequestRecord, Source, Timings, TokenUsage, UsageLine, Waits
from genai_tui.metering.amounts import join, split

NO_NAME = "–"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(at: datetime) -> str:
    """A time as the ledger keeps it: RFC 3339 in UTC, always with microseconds, so that text sorts as time does."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def cost_of(request: RequestRecord) -> Cost | None:
    """What the request cost at its own price; None without a usage or a price."""
    return request.usage.cost(request.price) if request.usage is not None else None


def request_row(request: RequestRecord) -> dict[str, str | int | float | None]:
    """A request as a row.

    Raises:
        ValueError: its cost has more digits than the ledger keeps.
    """
    usage, timings, cost = request.usage, request.timings, cost_of(request)
    micro, femto = split(cost.amount) if cost else (None, None)
    currency, prompt_price, completion_price, cached_price = price_cells(request.price)
    return {
        "id": request.id,
        "at": moment(request.at),
        "source": request.source.value,
        "cluster": request.cluster,
        "namespace": request.namespace,
        "deployment": request.deployment,
        "model": request.model,
        "organization": request.organization,
        "user": request.user,
        "key": request.key,
        "status": request.status,
        "finish_reason": request.finish_reason,
        "prompt_tokens": usage.prompt if usage else None,
        "completion_tokens": usage.completion if usage else None,
        "total_tokens": usage.total if usage else None,
        "cached_tokens": usage.cached if usage else None,
        "currency": currency,
        "input_per_million": prompt_price,
        "output_per_million": completion_price,
        "cached_per_million": cached_price,
        "cost": cost.text() if cost else None,
        "cost_micro": micro,
        "cost_femto": femto,
        "ttft_ms": timings.ttft_ms if timings else None,
        "total_ms": timings.total_ms if timings else None,
        "tokens_per_second": timings.tokens_per_second if timings else None,
    }


def read_request(row: sqlite3.Row) -> RequestRecord:
    """A row as the request it was."""
    prompt, total_ms = row["prompt_tokens"], row["total_ms"]
    return RequestRecord(
        id=row["id"],
        at=datetime.fromisoformat(row["at"]),
        source=Source(row["source"]),
        cluster=row["cluster"],
        namespace=row["namespace"],
        deployment=row["deployment"],
        model=row["model"],
        usage=None
        if prompt is None
        else TokenUsage(prompt, row["completion_tokens"], row["total_tokens"], row["cached_tokens"]),
        price=read_price(row),
        timings=None if total_ms is None else Timings(row["ttft_ms"], total_ms, row["tokens_per_second"]),
        status=row["status"],
        finish_reason=row["finish_reason"],
        organization=row["organization"],
        user=row["user"],
        key=row["key"],
    )


def price_cells(price: Price | None) -> tuple[str | None, str | None, str | None, str | None]:
    """Currency, input, output and cached input price as text; None throughout is no price."""
    if price is None:
        return None, None, None, None
    cached = None if price.cached_per_million is None else plain(price.cached_per_million)
    return price.currency, plain(price.input_per_million), plain(price.output_per_million), cached


def read_price(row: sqlite3.Row) -> Price | None:
    """The price of a row of either table."""
    if row["currency"] is None:
        return None
    amounts = (Decimal(row["input_per_million"]), Decimal(row["output_per_million"]))
    cached = row["cached_per_million"]
    return Price(row["currency"], *amounts, None if cached is None else Decimal(cached))


def usage_line(row: sqlite3.Row, waits: Waits | None = None) -> UsageLine:
    """One row of the report. Where no request of a group has a cost, the sum is unknown, not 0."""
    return UsageLine(
        group=row["grouped"] or NO_NAME,
        source=Source(row["source"]),
        requests=row["requests"],
        unreported=row["unreported"],
        errors=row["errors"],
        prompt_tokens=row["prompt_tokens"],
        completion_tokens=row["completion_tokens"],
        total_tokens=row["total_tokens"],
        cost=Cost(join(row["micro"], row["femto"]), row["currency"]) if row["priced"] else None,
        last_at=_EPOCH + timedelta(microseconds=row["last_us"]),
        waits=waits,
        cached_tokens=row["cached_tokens"] if row["cached_told"] else None,
    )


def usage_point(row: sqlite3.Row, every: timedelta, waits: Waits | None = None) -> UsagePoint:
    """One row of a trend with periods of `every`."""
    return UsagePoint(
        every=every,
        start=datetime.fromtimestamp(row["start"], UTC),
        source=Source(row["source"]),
        requests=row["requests"],
        unreported=row["unreported"],
        errors=row["errors"],
        prompt_tokens=row["prompt_tokens"],
        completion_tokens=row["completion_tokens"],
        total_tokens=row["total_tokens"],
        cost=Cost(join(row["micro"], row["femto"]), row["currency"]) if row["priced"] else None,
        waits=waits,
        cached_tokens=row["cached_tokens"] if row["cached_told"] else None,
    )


Place = tuple[str, int | None, str, str]
"""What tells sums apart: group, period, source and currency."""


def place(row: sqlite3.Row) -> Place:
    """Of a row of sums or of latencies."""
    return row["grouped"], row["start"], row["source"], row["currency"]
