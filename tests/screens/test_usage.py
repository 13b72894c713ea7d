"""The usage screen, used with keys."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from genai_tui.commands.budgets import list_budgets
from genai_tui.domain.budgets import Budget
from genai_tui.domain.counters import Count, Reconciliation
from genai_tui.domain.money import Cost, Price
from genai_tui.domain.rows import Ref
from genai_tui.domain.usage import Dimension, RequestRecord, Source, Timings, TokenUsage, UsageLine
from genai_tui.errors import GenaiTuiError
from genai_tui.metering.budgets import BudgetRows
from genai_tui.metering.ledger import Ledger
from screens.usage import UsageScreen, screen
from screens.widgets.trend_chart import TrendChart
from tests.fakes.services import NOW, FakeServices, FakeUsage
from tests.fakes.tour import CHAT
from tests.screens.console import Console, page, showing, wait_until

CHAT_LINE, EMBED_LINE = FakeUsage().lines
CLUSTER = "https://127.0.0.1:6443"


@dataclass
class AskedUsage(FakeUsage):
    """Remembers everything it was asked, and fails when told to."""

    windows: list[tuple[Dimension, timedelta, str | None]] = field(default_factory=list)
    failure: Exception | None = None
    earlier: tuple[UsageLine, ...] = ()

    async def usage(
        self,
        by: Dimension,
        since: datetime,
        until: datetime | None = None,
        *,
        cluster: str | None = None,
        only: Mapping[Dimension, str] = MappingProxyType({}),
        waits: bool = False,
    ) -> tuple[UsageLine, ...]:
        if until is not None and until < NOW:
            return self.earlier
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
    async with usage_of(CHAT_LINE, EMBED_LINE, size=(160, 48)) as (pilot, usage):
        usage.earlier = (replace(CHAT_LINE, requests=24, total_tokens=3041),)
        await pilot.press("r")
        await wait_until(pilot, lambda: "+100%" in row_with(pilot, "team-a/chat"))
        assert row_with(pilot, "team-a/chat") == [
            "team-a/chat", "playground", "12", "4,210", "1,873", "6,083", "+100%", "█" * 12, "$0.0019658", "–", "1", "now"
        ]  # fmt: skip
        assert row_with(pilot, "search/embed") == [
            "search/embed",
            "cli",
            "3",
            "96",
            "0",
            "96",
            "new",
            "█",
            "–",
            "–",
            "2",
            "now",
        ]
        assert "playground  12 requests -50%  6,083 tokens +100%  $0.0019658 =  ▲ 1 unreported" in page(pilot.app)


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


async def test_o_opens_the_deployment_and_history_without_one_says_so() -> None:
    gone = replace(CHAT_LINE, group="team-a/retired", total_tokens=1)
    async with usage_of(CHAT_LINE, gone) as (pilot, _):
        await wait_until(pilot, lambda: row_with(pilot, "team-a/chat"))
        await pilot.press("o")
        assert isinstance(pilot.app, Console)
        assert pilot.app.sent == [CHAT]
        await pilot.press("down", "o")
        await wait_until(pilot, lambda: "team-a/retired is not in this cluster" in page(pilot.app))
        assert pilot.app.sent == [CHAT]


async def test_names_of_other_machines_reach_the_terminal_safely() -> None:
    async with usage_of(replace(CHAT_LINE, group="evil\x1b[31m/\x07chat")) as (pilot, _):
        await wait_until(pilot, lambda: "evil" in page(pilot.app))
        assert "\x1b" not in page(pilot.app)
        assert "\x07" not in page(pilot.app)


def axis(pilot: Pilot[Any]) -> list[str]:
    """What the chart's axis names, from the top."""
    return [line.partition("┤")[0].strip() for line in page(pilot.app).splitlines() if "┤" in line]


# Over a ledger on disk ------------------------------------------------------------------------------------------------


def asked_of(
    number: int, at: datetime, *, organization: str, user: str, tokens: int | None, deployment: str = "chat"
) -> RequestRecord:
    usage = None if tokens is None else TokenUsage(tokens, 0, tokens)
    price = Price("EUR", Decimal("0.5"), Decimal(1))
    return RequestRecord(
        f"r{number}", at, Source.GATEWAY, CLUSTER, "team-a", deployment, "llama", usage, price, Timings(80.0, 400.0, 60.0),
        organization=organization, user=user, key="k1",
    )  # fmt: skip


@asynccontextmanager
async def usage_over_a_ledger(tmp_path: Path, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Pilot[Any]]:
    """The console over a real ledger: today's traffic of two organizations, and half as much of yesterday."""
    ledger = Ledger(tmp_path / "ledger.db")
    await ledger.record_many(
        (
            asked_of(1, NOW - timedelta(hours=1), organization="org-a", user="alice", tokens=1_000),
            asked_of(2, NOW - timedelta(hours=3), organization="org-a", user="bob", tokens=3_000),
            asked_of(3, NOW - timedelta(hours=3), organization="org-b", user="carol", tokens=500),
            asked_of(4, NOW - timedelta(hours=2), organization="org-b", user="carol", tokens=200, deployment="embed"),
            asked_of(5, NOW - timedelta(hours=30), organization="org-a", user="alice", tokens=2_250),
        )
    )
    world = FakeServices()
    world.usage = ledger  # type: ignore[assignment]
    world.budgets = BudgetRows(ledger, CLUSTER, lambda: NOW)  # type: ignore[assignment]
    try:
        async with showing(world, None, size=size) as pilot:
            await pilot.app.switch_mode("usage")
            await wait_until(pilot, lambda: row_with(pilot, "team-a/chat"))
            yield pilot
    finally:
        await ledger.close()


async def test_enter_goes_in_from_what_cost_to_who_caused_it_and_escape_comes_back(tmp_path: Path) -> None:
    async with usage_over_a_ledger(tmp_path) as pilot:
        assert "gateway     4 requests +300%  4,700 tokens +109%" in page(pilot.app)
        await pilot.press("enter")
        await wait_until(pilot, lambda: row_with(pilot, "org-a"))
        assert "all › deployment team-a/chat" in page(pilot.app)
        assert "gateway     3 requests +200%  4,500 tokens +100%" in page(pilot.app)
        assert not row_with(pilot, "team-a/embed")
        await pilot.press("enter")
        await wait_until(pilot, lambda: row_with(pilot, "alice"))
        assert "all › deployment team-a/chat › organization org-a" in page(pilot.app)
        assert row_with(pilot, "bob")[:3] == ["bob", "gateway", "1"]
        await pilot.press("escape")
        await wait_until(pilot, lambda: row_with(pilot, "org-b"))
        await pilot.press("escape")
        await wait_until(pilot, lambda: row_with(pilot, "team-a/embed"))
        assert "all ›" not in page(pilot.app)


async def test_the_chart_shows_each_measure_and_a_time_without_requests_is_no_zero(tmp_path: Path) -> None:
    async with usage_over_a_ledger(tmp_path) as pilot:
        assert "Tokens, each 1h, gateway" in page(pilot.app)
        assert "peak 3.5k" in page(pilot.app)
        for title in ("Requests, each 1h", "Cost in EUR, each 1h", "Failed requests, each 1h"):
            await pilot.press("m")
            assert title in page(pilot.app)
        assert axis(pilot) == ["1", "0"]
        # Three periods have requests and no failure; of all the others nothing is known.
        bottom = next(line for line in page(pilot.app).splitlines() if "┤" in line and "_" in line)
        assert bottom.partition("┤")[2].split() == ["__", "__", "__"]
        await pilot.press("m")
        assert "Median time to first token" in page(pilot.app)
        assert re.search(r"peak (7[6-9]|8[0-4]) ms", page(pilot.app)), "80 ms, to within 5 %"
        for title in ("95th percentile of the time to first token", "95th percentile of the time to the whole"):
            await pilot.press("m")
            assert title in page(pilot.app)


async def test_a_window_of_ones_own_and_what_is_no_window_is_refused_where_it_was_typed(tmp_path: Path) -> None:
    async with usage_over_a_ledger(tmp_path) as pilot:
        await pilot.press("W")
        await wait_until(pilot, lambda: "back from now" in page(pilot.app))
        pilot.app.screen.query_one(Input).value = "2 days"
        await pilot.press("enter")
        await wait_until(pilot, lambda: "'2 days' is not a duration" in page(pilot.app))
        pilot.app.screen.query_one(Input).value = "2d"
        await pilot.press("enter")
        await wait_until(pilot, lambda: "5 requests" in page(pilot.app))
        assert "each 2h, gateway" in page(pilot.app)


async def test_the_rows_shown_are_written_into_a_file_and_never_over_another(tmp_path: Path) -> None:
    async with usage_over_a_ledger(tmp_path) as pilot:
        await pilot.press("slash", *"embed", "enter")
        await wait_until(pilot, lambda: row_with(pilot, "team-a/embed") and not row_with(pilot, "team-a/chat"))
        taken = tmp_path / "taken.csv"
        taken.write_text("mine")
        await pilot.press("x")
        await wait_until(pilot, lambda: "Write usage into a file" in page(pilot.app))
        pilot.app.screen.query_one(Input).value = str(taken)
        await pilot.press("enter")
        await wait_until(pilot, lambda: "there is a file of that name already" in page(pilot.app))
        pilot.app.screen.query_one(Input).value = "~nobody-here/u.csv"
        await wait_until(pilot, lambda: "there is no directory" in page(pilot.app))
        pilot.app.screen.query_one(Input).value = "y" * 300 + ".csv"
        await wait_until(pilot, lambda: "File name too long" in page(pilot.app))
        pilot.app.screen.query_one(Input).value = str(tmp_path / "mine.json")
        await pilot.press("enter")
        await wait_until(pilot, lambda: "1 row written to" in page(pilot.app))
        items = json.loads((tmp_path / "mine.json").read_text())["items"]
        assert [(item["deployment"], item["totalTokens"], item["cost"], item["currency"]) for item in items] == [
            ("team-a/embed", 200, "0.0001", "EUR")
        ]
        assert taken.read_text() == "mine"


async def test_what_has_not_changed_is_not_painted_again(tmp_path: Path) -> None:
    async with usage_over_a_ledger(tmp_path) as pilot:
        chart = pilot.app.screen.query_one(TrendChart)
        painted: list[int] = []
        lines = chart.render_line
        chart.render_line = lambda y: (painted.append(y), lines(y))[1]  # type: ignore[method-assign,func-returns-value]
        before = page(pilot.app)
        await pilot.press("r", "r")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert page(pilot.app) == before
        assert painted == []


async def test_the_prices_of_a_deployment_are_shown_with_the_time_from_which_each_held(tmp_path: Path) -> None:
    async with usage_over_a_ledger(tmp_path) as pilot:
        dearer = Price("EUR", Decimal("0.75"), Decimal("1.5"), Decimal("0.1"))
        ledger = pilot.app.screen.services.usage  # type: ignore[attr-defined]
        await ledger.note_price(CLUSTER, "team-a", "chat", dearer, NOW)
        await pilot.press("p")
        await wait_until(pilot, lambda: "Prices of team-a/chat" in page(pilot.app))
        lines = [line.strip(" │") for line in page(pilot.app).splitlines() if "input €" in line]
        assert lines[0].endswith("input €0.75   cached €0.1   output €1.5")
        assert lines[1].endswith("input €0.5   output €1")
        await pilot.press("escape")
        await wait_until(pilot, lambda: "Prices of" not in page(pilot.app))


async def test_a_budget_that_is_nearly_used_up_is_warned_of(tmp_path: Path) -> None:
    async with usage_over_a_ledger(tmp_path) as pilot:
        budgets = pilot.app.screen.services.budgets  # type: ignore[attr-defined]
        await budgets.set(Budget(Dimension.ORGANIZATION, "org-a", Decimal("0.0035"), "EUR"))
        await budgets.set(Budget(Dimension.USER, "bob", Decimal("0.001"), "EUR"))
        await budgets.set(Budget(Dimension.USER, "alice", Decimal(10), "EUR"))
        await pilot.press("r")
        await wait_until(pilot, lambda: "✖ user bob: 150% of this month's budget, €0.0015 of €0.001" in page(pilot.app))
        assert "▲ organization org-a: 89% of this month's budget" in page(pilot.app)
        assert "user alice" not in page(pilot.app)


async def answer(pilot: Pilot[Any], text: str) -> None:
    """Type into the dialog's line and accept it."""
    pilot.app.screen.query_one(Input).value = text
    await pilot.press("enter")


async def test_b_sets_the_budget_of_the_row_and_what_is_none_is_refused_where_it_was_typed(tmp_path: Path) -> None:
    async with usage_over_a_ledger(tmp_path) as pilot:
        services = pilot.app.screen.services  # type: ignore[attr-defined]

        async def listed() -> list[tuple[str, str, str, int, str]]:
            with redirect_stdout(StringIO()) as told:
                await list_budgets(services, "json")
            items = json.loads(told.getvalue())["items"]
            return [(i["name"], i["amount"], i["currency"], i["used"], i["state"]) for i in items]

        def says(text: str) -> bool:
            return text in page(pilot.app)

        await pilot.press("B")
        await wait_until(pilot, lambda: "an organization, a user or a key can have a budget" in page(pilot.app))
        await pilot.press("b", "b")
        await wait_until(pilot, lambda: row_with(pilot, "org-a"))
        await pilot.press("B")
        await wait_until(pilot, lambda: "Budget of organization org-a, a month" in page(pilot.app))
        assert "None is set." in page(pilot.app)
        for wrong, why in (
            ("", "write an amount and a currency: 250 EUR"),
            ("0.01", "write an amount and a currency: 250 EUR"),
            ("0 EUR", "write an amount above 0"),
            ("0.001 EUR", "Euro has 2 digits after the point"),
            ("1 EUX", "'EUX' is not an ISO 4217 currency code"),
        ):
            await answer(pilot, wrong)
            await wait_until(pilot, partial(says, why))
        assert await listed() == []
        await answer(pilot, "0.01 eur")
        await wait_until(pilot, lambda: "organization org-a: €0.01 a month; it warns from 80%" in page(pilot.app))
        assert await listed() == [("org-a", "0.01", "EUR", 31, "fine")]

        more = asked_of(6, NOW - timedelta(hours=1), organization="org-a", user="alice", tokens=16_000)
        await services.usage.record(more)
        await pilot.press("r")
        await wait_until(pilot, lambda: "✖ organization org-a: 111% of this month's budget" in page(pilot.app))
        assert await listed() == [("org-a", "0.01", "EUR", 111, "over")]
        await pilot.press("B")
        await wait_until(pilot, lambda: "Set: €0.01, 111% used (€0.011125)." in page(pilot.app))
        assert pilot.app.screen.query_one(Input).value == "0.01 EUR"
        await answer(pilot, "1 EUR")
        await wait_until(pilot, lambda: "111%" not in page(pilot.app) and row_with(pilot, "org-a"))
        assert await listed() == [("org-a", "1", "EUR", 1, "fine")]


async def test_b_waits_for_the_rows_of_the_grouping_that_was_just_chosen() -> None:
    world = FakeServices()
    usage = world.usage = SlowUsage(lines=(CHAT_LINE,))
    usage.let.set()
    async with showing(world, None) as pilot:
        await pilot.app.switch_mode("usage")
        await wait_until(pilot, lambda: row_with(pilot, "team-a/chat"))
        usage.let.clear()
        usage.lines = (replace(CHAT_LINE, group="org-a"),)
        await pilot.press("b", "b", "enter", "B")
        await pilot.pause()
        usage.let.set()
        await wait_until(pilot, lambda: "Budget of organization" in page(pilot.app))
        assert "Budget of organization org-a, a month" in page(pilot.app)


async def test_a_budget_is_removed_after_a_yes(tmp_path: Path) -> None:
    async with usage_over_a_ledger(tmp_path) as pilot:
        budgets = pilot.app.screen.services.budgets  # type: ignore[attr-defined]
        for amount, currency in ((5, "EUR"), (7, "USD")):
            await budgets.set(Budget(Dimension.ORGANIZATION, "org-a", Decimal(amount), currency))
        await pilot.press("b", "b")
        await wait_until(pilot, lambda: row_with(pilot, "org-a"))
        for key, left in (("n", 2), ("escape", 2), ("y", 0)):
            await pilot.press("B")
            await wait_until(pilot, lambda: "Set: €5, <1% used (€0.003125); $7, 0% used ($0)." in page(pilot.app))
            await answer(pilot, "")
            await wait_until(pilot, lambda: "Remove the budget of organization org-a?" in page(pilot.app))
            assert "€5, $7 a month" in page(pilot.app)
            await pilot.press(key)
            await wait_until(pilot, lambda: isinstance(pilot.app.screen, UsageScreen))
            await pilot.app.workers.wait_for_complete()
            assert len(await budgets.all()) == left
        await pilot.press("c", "B")
        await wait_until(pilot, lambda: "a budget is of one cluster: c shows this cluster alone" in page(pilot.app))


def counted(ref: Ref, by_engines: int | None, attributed: int, since: datetime) -> Reconciliation:
    engines = None if by_engines is None else Count(by_engines, 0)
    return Reconciliation(ref, since, NOW, engines, Count(attributed, 0))


async def test_what_is_unattributed_is_told_beside_the_sums_where_it_is_known() -> None:
    async with usage_of(CHAT_LINE) as (pilot, _):
        await wait_until(pilot, lambda: row_with(pilot, "team-a/chat"))
        assert "attributed" not in page(pilot.app)
        counters = pilot.app.screen.services.counters  # type: ignore[attr-defined]
        began = NOW - timedelta(hours=24)
        # What is lost of one deployment hides nothing of another.
        lost = counted(Ref("search", "embed"), 10, 400, began)
        counters.lines = (counted(CHAT, 6_083 + 17, 6_083, began), counted(Ref("a", "b"), None, 9, began), lost)
        await pilot.press("r")
        told = "Not in these sums: 17 unattributed tokens, <1% of what engines counted"
        await wait_until(pilot, lambda: told in page(pilot.app))
        await pilot.press("c")
        await wait_until(pilot, lambda: "unattributed" not in page(pilot.app))
        await pilot.press("c")
        await wait_until(pilot, lambda: "17 unattributed tokens" in page(pilot.app))
        counters.lines = (counted(CHAT, 6_083, 6_083, NOW - timedelta(hours=2)),)
        await pilot.press("enter")
        told = "Unattributed: none of 6,083 tokens engines counted  since 2026-11-23 08:"
        await wait_until(pilot, lambda: told in page(pilot.app))
        await pilot.press("enter")
        await wait_until(pilot, lambda: "organization" in page(pilot.app) and "engines counted" not in page(pilot.app))


async def test_engines_counters_that_are_slow_to_read_hold_up_no_sum_and_are_not_asked_again_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(screen, "READ_EVERY_S", 0.01)
    world, let = FakeServices(), asyncio.Event()
    usage = world.usage = AskedUsage(lines=(CHAT_LINE,))
    world.counters.lines = (counted(CHAT, 100, 40, NOW - timedelta(hours=24)),)
    reconcile = world.counters.reconcile

    async def slow(*asked: Any, **more: Any) -> Any:
        found = await reconcile(*asked, **more)
        await let.wait()
        return found

    monkeypatch.setattr(world.counters, "reconcile", slow)
    async with showing(world, None) as pilot:
        await pilot.app.switch_mode("usage")
        await wait_until(pilot, lambda: row_with(pilot, "team-a/chat"))
        await wait_until(pilot, lambda: world.counters.asked)
        for _ in range(5):
            await pilot.pause(0.02)
        assert (len(usage.windows), len(world.counters.asked)) == (1, 1)
        assert "unattributed" not in page(pilot.app)
        let.set()
        await wait_until(pilot, lambda: "60 unattributed tokens" in page(pilot.app))


async def test_the_mouse_does_what_keys_do(tmp_path: Path) -> None:
    async with usage_over_a_ledger(tmp_path) as pilot:

        def groups() -> list[str]:
            return [line.split()[0] for line in page(pilot.app).splitlines() if line.strip().startswith("team-a/")]

        assert groups() == ["team-a/chat", "team-a/embed"]
        heading = next(line for line in page(pilot.app).splitlines() if "GROUP" in line)
        await pilot.click("#usage-table", offset=(heading.index("GROUP"), 0))
        await wait_until(pilot, lambda: "GROUP↑" in page(pilot.app), "a click on a heading sorts")
        await pilot.click("#usage-table", offset=(heading.index("GROUP"), 0))
        await wait_until(pilot, lambda: groups() == ["team-a/embed", "team-a/chat"], "another turns the order")
        await pilot.click("#usage-trend", offset=(47, 4))
        await wait_until(pilot, lambda: "peak" not in page(pilot.app), "a click tells the value under the pointer")
        await pilot.click("#usage-table", offset=(4, 2), times=2)
        await wait_until(pilot, lambda: "all › deployment team-a/chat" in page(pilot.app), "two clicks go into a row")
        await pilot.press("escape")
        await pilot.click("#usage-by", offset=(page(pilot.app).splitlines()[2].index("user") - 1, 0))
        await wait_until(pilot, lambda: row_with(pilot, "carol"))
        await pilot.click("#usage-clusters", offset=(20, 0))
        await pilot.click("#usage-window", offset=(page(pilot.app).splitlines()[1].index("other") - 1, 0))
        await wait_until(pilot, lambda: "back from now" in page(pilot.app))


@dataclass
class SlowUsage(AskedUsage):
    """Answers when it is let."""

    let: asyncio.Event = field(default_factory=asyncio.Event)

    async def usage(self, *asked: Any, **more: Any) -> tuple[UsageLine, ...]:
        lines = await super().usage(*asked, **more)
        await self.let.wait()
        return lines


async def test_a_slow_ledger_is_said_to_be_read_and_not_asked_again_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "READ_EVERY_S", 0.01)
    monkeypatch.setattr(screen, "SLOW_AFTER_S", 0.1)
    world = FakeServices()
    usage = world.usage = SlowUsage(lines=(CHAT_LINE,))
    async with showing(world, None) as pilot:
        await pilot.app.switch_mode("usage")
        await wait_until(pilot, lambda: "reading the ledger" in page(pilot.app))
        assert len(usage.windows) == 1
        usage.let.set()
        await wait_until(pilot, lambda: row_with(pilot, "team-a/chat"))
        assert "reading the ledger" not in page(pilot.app)
