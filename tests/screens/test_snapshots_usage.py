"""How the usage screen looks: empty, filled, and with a ledger that cannot be read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Protocol

import pytest
from textual.pilot import Pilot

from genai_tui.domain.budgets import Budget
from genai_tui.domain.counters import Count, Reconciliation
from genai_tui.domain.latency import counted
from genai_tui.domain.money import Cost, Price
from genai_tui.domain.trends import UsagePoint
from genai_tui.domain.usage import Dimension, Source, UsageLine, Waits
from genai_tui.errors import GenaiTuiError
from tests.fakes.services import NOW, FakeServices
from tests.fakes.tour import CHAT
from tests.screens.console import Console, page, plain_terminals, wait_until
from tests.screens.test_usage import AskedUsage


def took(requests: int, first_token_ms: int) -> Waits:
    """One of them three times as slow as the others, and twenty times as long until the whole answer."""
    times = [first_token_ms * 1_000] * (requests - 1) + [first_token_ms * 3_000]
    return Waits(counted(times), counted(20 * time for time in times))


def line(group: str, source: Source, requests: int, prompt: int, completion: int, cost: str | None) -> UsageLine:
    amount = Cost(Decimal(cost), "EUR" if group.startswith("search") else "USD") if cost else None
    waits = took(requests, 80 + requests) if completion else Waits()
    return UsageLine(group, source, requests, 0, 0, prompt, completion, prompt + completion, amount, NOW, waits)


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


def look(
    compare: Compare,
    size: tuple[int, int],
    usage: AskedUsage,
    until: str,
    *keys: str,
    budgets: tuple[Budget, ...] = (),
    then: str = "",
    theme: str | None = "dark",
    engines: tuple[Reconciliation, ...] = (),
) -> bool:
    """`theme` None is the one the console takes in this terminal."""
    world = FakeServices()
    world.usage = usage
    world.budgets.held = budgets
    world.counters.lines = engines

    async def before(pilot: Pilot[Any]) -> None:
        await pilot.app.switch_mode("usage")
        await wait_until(pilot, lambda: until in page(pilot.app))
        if theme is not None:
            pilot.app.theme = theme
        await pilot.press(*keys)
        await wait_until(pilot, lambda: then in page(pilot.app))

    return compare(Console(world), terminal_size=size, run_before=before)


def test_filled(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, AskedUsage(lines=LINES), "team-b/summarize")


def traffic(*, source: Source = Source.PLAYGROUND) -> tuple[UsagePoint, ...]:
    """A day with a quiet night, a stretch of which nothing is known, and a morning of failures."""
    whole = NOW.replace(minute=0, second=0, microsecond=0)
    found = []
    for place in range(24):
        if 5 <= place < 9:
            continue
        tokens = 400 + (place * 7919) % 9_000 if place > 11 else 40 + (place * 31) % 300
        errors = 3 if place in (19, 20) else 0
        cost = Cost(Decimal(tokens) / 1_000_000, "USD")
        start = whole - timedelta(hours=23 - place)
        waits = took(4, 60 + tokens // 40)
        found.append(UsagePoint(start, source, 4, 0, errors, tokens, 0, tokens, cost, waits))
    return tuple(found)


EARLIER = (line("team-a/chat", Source.PLAYGROUND, 140, 200_000, 40_000, "0.07"),)


def busy() -> AskedUsage:
    return AskedUsage(lines=LINES, points=traffic(), earlier=EARLIER)


def test_a_day(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, busy(), "team-b/summarize")


@pytest.mark.parametrize("theme", ["terminal", "high-contrast", "light"])
def test_a_day_in_other_colours(snap_compare: Compare, size: tuple[int, int], theme: str) -> None:
    assert look(snap_compare, size, busy(), "team-b/summarize", theme=theme)


def test_a_day_without_colour(snap_compare: Compare, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert look(snap_compare, size, busy(), "team-b/summarize", theme="terminal")


def test_latency_under_the_cursor(snap_compare: Compare, size: tuple[int, int]) -> None:
    keys = ("m",) * 5 + ("shift+tab", "right", "left", "left")
    assert look(snap_compare, size, busy(), "team-b/summarize", *keys, then="Median time")


def test_inside_a_group(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, busy(), "team-b/summarize", "enter", then="● organization")


def test_asking_for_a_file(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, busy(), "team-b/summarize", "x", then="Write usage")


class BudgetedUsage(AskedUsage):
    """What two organizations cost, beside what is grouped otherwise."""

    async def usage(self, by: Dimension, *window: Any, **more: Any) -> tuple[UsageLine, ...]:
        if by is not Dimension.ORGANIZATION:
            return await super().usage(by, *window, **more)
        spent = (("org-a", "92.1"), ("org-b", "260"), ("org-c", "3"))
        return tuple(line(name, Source.GATEWAY, 900, 4_000_000, 1_000_000, cost) for name, cost in spent)


HELD = tuple(
    Budget(Dimension.ORGANIZATION, name, Decimal(amount), "USD")
    for name, amount in (("org-a", 100), ("org-b", 250), ("org-c", 50))
)


def budgeted() -> BudgetedUsage:
    return BudgetedUsage(lines=LINES, points=traffic(), earlier=EARLIER)


def test_budgets_that_are_nearly_used_up(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, budgeted(), "org-b", budgets=HELD)


@plain_terminals
def test_budgets_in_plain_terminals(
    snap_compare: Compare, size: tuple[int, int], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert look(snap_compare, size, budgeted(), "org-b", budgets=HELD, theme=None)


def test_asking_for_a_budget(snap_compare: Compare, size: tuple[int, int]) -> None:
    keys, set_already = ("b", "b", "B"), "Set: $100, 92% used"
    assert look(snap_compare, size, budgeted(), "team-b/summarize", *keys, budgets=HELD, then=set_already)


def test_unattributed(snap_compare: Compare, size: tuple[int, int]) -> None:
    began = NOW - timedelta(hours=24)
    read = Reconciliation(CHAT, began, NOW, Count(310_204, 92_000), Count(303_077, 71_088))
    assert look(snap_compare, size, busy(), "28,039 unattributed tokens", engines=(read,))


@plain_terminals
def test_latency_under_the_cursor_in_plain_terminals(
    snap_compare: Compare, size: tuple[int, int], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    keys = ("m",) * 5 + ("shift+tab", "right", "left", "left")
    assert look(snap_compare, size, busy(), "team-b/summarize", *keys, then="Median time", theme=None)


def test_the_prices_of_a_deployment(snap_compare: Compare, size: tuple[int, int]) -> None:
    first, second = (Price("USD", Decimal(amount), Decimal("0.60")) for amount in ("0.20", "0.25"))
    third = replace(second, cached_per_million=Decimal("0.025"))
    usage = busy()
    usage.prices = tuple(
        (NOW - timedelta(days=days), price) for days, price in ((90, first), (60, None), (30, second), (1, third))
    )
    assert look(snap_compare, size, usage, "team-b/summarize", "p", then="Prices of")


def test_empty(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, AskedUsage(lines=()), "No requests")


def test_unreadable(snap_compare: Compare, size: tuple[int, int]) -> None:
    why = "the file is damaged (file is not a database)"
    step = "move it away and a new one is begun"
    failure = GenaiTuiError("the ledger ~/.local/state/genai-tui/ledger.db failed", why=why, next_step=step)
    assert look(snap_compare, size, AskedUsage(failure=failure), "damaged")
