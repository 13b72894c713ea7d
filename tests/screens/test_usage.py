"""The usage screen, used with keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from textual.pilot import Pilot

from genai_tui.domain.money import Cost
from genai_tui.domain.usage import Dimension, Source, UsageLine
from genai_tui.errors import GenaiTuiError
from screens.usage import UsageScreen
from tests.fakes.services import NOW, FakeServices, FakeUsage
from tests.fakes.tour import CHAT
from tests.screens.console import Console, page, showing, wait_until

CHAT_LINE, EMBED_LINE = FakeUsage().lines


@dataclass
class AskedUsage(FakeUsage):
    """Remembers everything it was asked, and fails when told to."""

    windows: list[tuple[Dimension, timedelta, str | None]] = field(default_factory=list)
    failure: Exception | None = None

    async def usage(
        self, by: Dimension, since: datetime, until: datetime | None = None, *, cluster: str | None = None
    ) -> tuple[UsageLine, ...]:
        self.windows.append((by, NOW - since, cluster))
        if self.failure is not None:
            raise self.failure
        return self.lines


@asynccontextmanager
async def usage_of(*lines: UsageLine, size: tuple[int, int] = (80, 24)) -> AsyncIterator[tuple[Pilot[Any], AskedUsage]]:
    world = FakeServices()
    usage = world.usage = AskedUsage(lines=lines)
    async with showing(world, None, size=size) as pilot:
        await pilot.app.switch_mode("usage")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, UsageScreen) and usage.windows)
        yield pilot, usage


def row_with(pilot: Pilot[Any], text: str) -> list[str]:
    """The cells of the table's line that has the text."""
    line = next((line for line in page(pilot.app).splitlines()[4:] if line.strip().startswith(text)), "")
    return line.split()


async def test_every_figure_is_there_and_what_is_not_known_is_no_zero() -> None:
    async with usage_of(CHAT_LINE, EMBED_LINE, size=(160, 48)) as (pilot, _):
        await wait_until(pilot, lambda: row_with(pilot, "team-a/chat"))
        assert row_with(pilot, "team-a/chat") == [
            "team-a/chat", "playground", "12", "4,210", "1,873", "6,083", "█" * 12, "$0.0019658", "1", "now"
        ]  # fmt: skip
        assert row_with(pilot, "search/embed") == ["search/embed", "cli", "3", "96", "0", "96", "█", "–", "2", "now"]
        assert "playground  12 requests  6,083 tokens  $0.0019658  ▲ 1 unreported" in page(pilot.app)


async def test_sources_and_currencies_are_never_added_up() -> None:
    euros = replace(CHAT_LINE, cost=Cost(Decimal("1.5"), "EUR"))
    async with usage_of(CHAT_LINE, euros, replace(CHAT_LINE, source=Source.CLI)) as (pilot, _):
        await wait_until(pilot, lambda: "€1.5" in page(pilot.app))
        assert "playground  24 requests  12,166 tokens  $0.0019658  €1.5" in page(pilot.app)
        assert "cli         12 requests  6,083 tokens  $0.0019658" in page(pilot.app)


async def test_two_lines_without_a_cost_are_both_shown() -> None:
    free = replace(CHAT_LINE, cost=None)
    async with usage_of(free, replace(free, requests=99, unreported=99, total_tokens=0)) as (pilot, _):
        await wait_until(pilot, lambda: row_with(pilot, "team-a/chat"))
        assert sum(line.strip().startswith("team-a/chat") for line in page(pilot.app).splitlines()) == 2


async def test_window_dimension_and_clusters_change_what_is_asked() -> None:
    async with usage_of(CHAT_LINE) as (pilot, usage):
        assert usage.windows[-1] == (Dimension.DEPLOYMENT, timedelta(hours=24), "https://127.0.0.1:6443")
        await pilot.press("w")
        await wait_until(pilot, lambda: usage.windows[-1][1] == timedelta(days=7))
        await pilot.press("b")
        await wait_until(pilot, lambda: usage.windows[-1][0] is Dimension.MODEL)
        await pilot.press("c")
        await wait_until(pilot, lambda: usage.windows[-1][2] is None)
        await pilot.click("#usage-window", offset=(2, 0))
        await wait_until(pilot, lambda: usage.windows[-1][1] == timedelta(hours=1))


async def test_an_empty_ledger_says_how_rows_come_to_be_and_follows_when_they_do() -> None:
    async with usage_of() as (pilot, usage):
        await wait_until(pilot, lambda: "No requests in the last 24h" in page(pilot.app))
        assert "opens the playground" in page(pilot.app)
        usage.lines = (CHAT_LINE,)
        await pilot.press("r")
        await wait_until(pilot, lambda: row_with(pilot, "team-a/chat"))
        assert "No requests" not in page(pilot.app)


async def test_a_ledger_that_cannot_be_read_says_why_and_keeps_the_last_figures() -> None:
    async with usage_of(CHAT_LINE) as (pilot, usage):
        await wait_until(pilot, lambda: row_with(pilot, "team-a/chat"))
        usage.failure = GenaiTuiError("the ledger failed", why="the file is damaged", next_step="move it away")
        await pilot.press("r")
        await wait_until(pilot, lambda: "✖ the ledger failed: the file is damaged; move it away" in page(pilot.app))
        assert row_with(pilot, "team-a/chat")
        usage.failure = None
        await pilot.press("r")
        await wait_until(pilot, lambda: "damaged" not in page(pilot.app))


async def test_enter_opens_the_deployment_and_history_without_one_says_so() -> None:
    gone = replace(CHAT_LINE, group="team-a/retired", total_tokens=1)
    async with usage_of(CHAT_LINE, gone) as (pilot, _):
        await wait_until(pilot, lambda: row_with(pilot, "team-a/chat"))
        await pilot.press("enter")
        assert isinstance(pilot.app, Console)
        assert pilot.app.sent == [CHAT]
        await pilot.press("down", "enter")
        await wait_until(pilot, lambda: "team-a/retired is not in this cluster" in page(pilot.app))
        assert pilot.app.sent == [CHAT]


async def test_names_of_other_machines_reach_the_terminal_safely() -> None:
    async with usage_of(replace(CHAT_LINE, group="evil\x1b[31m/\x07chat")) as (pilot, _):
        await wait_until(pilot, lambda: "evil" in page(pilot.app))
        assert "\x1b" not in page(pilot.app)
        assert "\x07" not in page(pilot.app)
