"""The screen of what GPUs cost, used with keys, and how it looks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, Protocol

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from genai_tui.domain.gpu_cost import EVER, FREE, OTHERS, GpuCostLine, GpuCosts, GpuPrice
from genai_tui.domain.money import Cost
from screens.gpu_costs import GpuCostsScreen
from tests.fakes.services import NOW, FakeServices
from tests.screens.console import Console, page, plain_terminals, showing, wait_until


def usd(amount: str) -> tuple[Cost, ...]:
    return (Cost(Decimal(amount), "USD"),)


def line(name: str, hours: float, idle: float | None, income: tuple[Cost, ...], *types: str) -> GpuCostLine:
    costs = usd(str(Decimal(str(hours)) * 4))
    idle_costs = () if idle is None else usd(str(Decimal(str(idle)) * 4))
    return GpuCostLine(name, types or ("p5.48xlarge",), hours, idle, costs, idle_costs, False, income)


FOUND = GpuCosts(
    timedelta(hours=23, minutes=12),
    (
        line("team-a/chat", 92.8, 23.2, usd("512.4401")),
        line(FREE, 69.6, 69.6, ()),
        line("team-b/summarize", 23.2, 20.4, usd("1.02")),
        GpuCostLine(OTHERS, ("g6.xlarge",), 23.2, None, (), (), True, ()),
    ),
    (line("gpu-0", 185.6, 113.2, usd("513.46")), GpuCostLine("gpu-1", ("g6.xlarge",), 23.2, None, (), (), True, ())),
)


@pytest.fixture
def world() -> FakeServices:
    found = FakeServices()
    found.gpu_accounts.found = FOUND
    found.gpu_accounts.types = ("g6.xlarge", "p5.48xlarge")
    found.gpu_accounts.held = (GpuPrice("p5.48xlarge", Decimal(4), "USD", EVER),)
    return found


async def test_a_price_is_set_for_the_node_type_under_the_cursor_and_what_is_none_is_refused_there(
    world: FakeServices,
) -> None:
    async with showing(world, None, size=(160, 48)) as pilot:
        await pilot.app.switch_mode("usage")
        await pilot.press("i")
        await wait_until(pilot, lambda: "Seen 23h12m" in page(pilot.app))
        text = page(pilot.app)
        assert "Seen 23h12m of the last 24h (96%)" in text
        assert "g6.xlarge: no price (e sets one)" in text
        await pilot.press("b", "down", "e")
        await wait_until(pilot, lambda: "One GPU of g6.xlarge" in page(pilot.app))
        pilot.app.screen.query_one(Input).value = "0,8 USD"
        await pilot.press("enter")
        await wait_until(pilot, lambda: "is not an amount" in page(pilot.app))
        pilot.app.screen.query_one(Input).value = "0.805 usd"
        await pilot.press("enter")
        await wait_until(pilot, lambda: "$0.805 a GPU hour" in page(pilot.app))
        assert world.gpu_accounts.held[-1] == GpuPrice("g6.xlarge", Decimal("0.805"), "USD", EVER)
        await pilot.press("w")
        await wait_until(pilot, lambda: world.gpu_accounts.asked[-1] == (NOW - timedelta(days=7), NOW))


async def test_nothing_seen_says_who_looks(world: FakeServices) -> None:
    world.gpu_accounts.found = GpuCosts(timedelta(), (), ())
    async with showing(world, GpuCostsScreen()) as pilot:
        await wait_until(pilot, lambda: "genai-tui meter" in page(pilot.app))
        assert "0%" not in page(pilot.app)


async def test_a_share_below_one_percent_is_no_zero(world: FakeServices) -> None:
    hardly = line("team-a/chat", 185.6, 0.4, usd("1"))
    world.gpu_accounts.found = GpuCosts(timedelta(minutes=3), (hardly, line("team-a/busy", 9, 0, ())), ())
    async with showing(world, GpuCostsScreen()) as pilot:
        await wait_until(pilot, lambda: "Seen 3m of the last 24h (<1%)" in page(pilot.app))
        idle = {row.split()[0]: row.split()[2] for row in page(pilot.app).splitlines() if "team-a/" in row}
        assert idle == {"team-a/chat": "<1%", "team-a/busy": "0%"}


class Compare(Protocol):
    """The plugin's fixture."""

    def __call__(
        self, app: Console, *, terminal_size: tuple[int, int], run_before: Callable[[Pilot[Any]], Awaitable[None]]
    ) -> bool: ...


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
@pytest.mark.parametrize("by", ["deployment", "node", "nothing"])
def test_how_it_looks(snap_compare: Compare, world: FakeServices, size: tuple[int, int], by: str) -> None:
    if by == "nothing":
        world.gpu_accounts.found = GpuCosts(timedelta(), (), ())

    async def before(pilot: Pilot[Any]) -> None:
        await pilot.app.push_screen(GpuCostsScreen())
        await wait_until(pilot, lambda: ("genai-tui meter" if by == "nothing" else "(other pods)") in page(pilot.app))
        if by == "node":
            await pilot.press("b")
            await wait_until(pilot, lambda: "gpu-1" in page(pilot.app))

    assert snap_compare(Console(world), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
@plain_terminals
def test_how_it_looks_in_plain_terminals(
    snap_compare: Compare,
    world: FakeServices,
    size: tuple[int, int],
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    test_how_it_looks(snap_compare, world, size, "deployment")


async def test_the_mouse_does_what_keys_do(world: FakeServices) -> None:
    async with showing(world, GpuCostsScreen()) as pilot:
        await wait_until(pilot, lambda: "(other pods)" in page(pilot.app))

        def line_of(text: str) -> str:
            return next(line for line in page(pilot.app).splitlines() if text in line)

        def groups() -> list[str]:
            return [line.split()[0] for line in page(pilot.app).splitlines() if "$" in line and "hour" not in line]

        at = (line_of("GROUP").index("GPU H"), 0)
        await pilot.click("#gpus-table", offset=at)
        await wait_until(pilot, lambda: groups()[-1] == "team-a/chat", "a click on a heading sorts")
        await pilot.click("#gpus-table", offset=at)
        await wait_until(pilot, lambda: groups()[0] == "team-a/chat", "another turns the order")
        await pilot.click("#gpus-by", offset=(17, 0))
        await wait_until(pilot, lambda: "gpu-1" in page(pilot.app))
        await pilot.click("#gpus-table", offset=(3, 2))
        await pilot.press("e")
        await wait_until(pilot, lambda: "One GPU of g6.xlarge" in page(pilot.app), "a click moves the cursor")
        await pilot.press("escape")
        await pilot.click("#gpus-window", offset=(8, 0))
        await wait_until(pilot, lambda: world.gpu_accounts.asked[-1] == (NOW - timedelta(days=7), NOW))
