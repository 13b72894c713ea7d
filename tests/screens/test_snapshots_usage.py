"""How the usage screen looks: empty, filled, and with a ledger that cannot be read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Protocol

import pytest
from textual.pilot import Pilot

from genai_tui.domain.money import Cost
from genai_tui.domain.usage import Source, UsageLine
from genai_tui.errors import GenaiTuiError
from tests.fakes.services import NOW, FakeServices
from tests.screens.console import Console, page, wait_until
from tests.screens.test_usage import AskedUsage


def line(group: str, source: Source, requests: int, prompt: int, completion: int, cost: str | None) -> UsageLine:
    amount = Cost(Decimal(cost), "EUR" if group.startswith("search") else "USD") if cost else None
    return UsageLine(group, source, requests, 0, 0, prompt, completion, prompt + completion, amount, NOW)


LINES = (
    replace(line("team-a/chat", Source.PLAYGROUND, 128, 241_204, 61_873, "0.0853646"), unreported=2),
    replace(line("team-b/summarize", Source.PLAYGROUND, 12, 96_310, 8_121, None), last_at=NOW - timedelta(hours=3)),
    line("search/reranker", Source.PLAYGROUND, 40, 30_011, 0, "0.00150055"),
    replace(line("team-a/chat", Source.CLI, 31, 12_401, 9_215, "0.0080092"), errors=4),
    replace(line("search/embed", Source.CLI, 3, 0, 0, None), unreported=3, errors=3),
)


class Compare(Protocol):
    """The plugin's fixture."""

    def __call__(
        self, app: Console, *, terminal_size: tuple[int, int], run_before: Callable[[Pilot[Any]], Awaitable[None]]
    ) -> bool: ...


@pytest.fixture(params=[(80, 24), (160, 48)], ids=["80x24", "160x48"])
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    chosen: tuple[int, int] = request.param
    return chosen


def look(compare: Compare, size: tuple[int, int], usage: AskedUsage, until: str) -> bool:
    world = FakeServices()
    world.usage = usage

    async def before(pilot: Pilot[Any]) -> None:
        await pilot.app.switch_mode("usage")
        await wait_until(pilot, lambda: until in page(pilot.app))

    return compare(Console(world), terminal_size=size, run_before=before)


def test_filled(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, AskedUsage(lines=LINES), "team-b/summarize")


def test_empty(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, AskedUsage(lines=()), "No requests")


def test_unreadable(snap_compare: Compare, size: tuple[int, int]) -> None:
    why = "the file is damaged (file is not a database)"
    step = "move it away and a new one is begun"
    failure = GenaiTuiError("the ledger ~/.local/state/genai-tui/ledger.db failed", why=why, next_step=step)
    assert look(snap_compare, size, AskedUsage(failure=failure), "damaged")
