"""A program that writes to a ledger and reads it, as a console does: prints the id of each acknowledged row.

Usage: python -m tests.metering.writer FILE NAME COUNT
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from genai_tui.domain.money import Price
from genai_tui.domain.usage import Dimension, RequestRecord, Source, TokenUsage
from genai_tui.metering.ledger import Ledger

EVER = datetime(1970, 1, 1, tzinfo=UTC)
PRICE = Price("USD", Decimal("0.20"), Decimal("0.60"))


def request(id: str, usage: TokenUsage | None = None, price: Price | None = PRICE, **more: str) -> RequestRecord:
    """A request of the playground to team-a/chat."""
    at = datetime.fromisoformat(more.pop("at", "2026-11-23T10:00:00+00:00"))
    names = {"cluster": "https://c:6443", "namespace": "team-a", "deployment": "chat", "model": "smollm2-135m"} | more
    source = Source(names.pop("source", "playground"))
    return RequestRecord(id=id, at=at, source=source, usage=usage, price=price, timings=None, **names)


async def write(path: Path, name: str, count: int) -> None:
    ledger = Ledger(path)
    await ledger.usage(Dimension.MODEL, EVER)
    for number in range(count):
        at = datetime.now(UTC).isoformat()
        await ledger.record(request(f"{name}-{number}", TokenUsage(3, 4, 7), at=at))
        print(f"{name}-{number}", flush=True)  # noqa: T201
    await ledger.close()


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
