"""GPU time in the ledger: what several lookers saw counts once, gaps are not made up, and costs are exact."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genai_tui.arguments import parser
from genai_tui.cli import _verb
from genai_tui.domain.counters import Count, PodReading
from genai_tui.domain.gpu_cost import EVER, FREE, OTHERS, GpuPrice, Held, HeldTime, gpu_costs, in_force, price_of
from genai_tui.domain.money import Cost
from genai_tui.domain.rows import Ref
from genai_tui.domain.usage import Source, UsageLine
from genai_tui.errors import BadInput, NotFound, Unreachable
from genai_tui.gpu_accounts import GpuAccounts
from genai_tui.metering.counters import CounterRows
from genai_tui.metering.gpu_time import LONGEST, GpuTimeRows
from genai_tui.metering.ledger import Ledger
from genai_tui.services import ClusterPicture, Services
from genai_tui.settings import Settings

START = datetime(2026, 11, 24, 9, 50, tzinfo=UTC)
CLUSTER = "https://c:6443"
HOLDERS = (Held("gpu-1", "p5", "team-a/chat", 4), Held("gpu-1", "p5", FREE, 4), Held("gpu-2", "g6", OTHERS, 1))
APART = st.lists(st.integers(1, 400_000), min_size=1, max_size=20)


@settings(max_examples=40)
@given(APART, st.lists(st.booleans(), min_size=25, max_size=25))
def test_the_time_between_looks_counts_once_however_many_look_and_not_over_a_gap(
    apart_ms: list[int], twice: list[bool]
) -> None:
    looks = [START]
    for apart in apart_ms:
        looks.append(looks[-1] + timedelta(milliseconds=apart))
    seen = sum((b - a for a, b in pairwise(looks) if b - a <= LONGEST), timedelta())

    async def kept() -> tuple[tuple[HeldTime, ...], timedelta]:
        with TemporaryDirectory() as directory:
            ledger = Ledger(Path(directory) / "ledger.db")
            rows = GpuTimeRows(ledger, CLUSTER)
            for place, look in enumerate(looks):
                await rows.add(look, HOLDERS)
                if twice[place % len(twice)]:
                    # Another console, which looked earlier and tells later.
                    await rows.add(look - timedelta(milliseconds=1), HOLDERS)
            found = await rows.times(START, looks[-1] + timedelta(hours=1))
            await ledger.close()
            return found

    times, watched = asyncio.run(kept())
    assert watched == seen
    for holder in HOLDERS:
        mine = [time.gpu_ms for time in times if (time.node, time.holder) == (holder.node, holder.holder)]
        assert sum(mine) == holder.gpus * (seen // timedelta(milliseconds=1))


async def test_engines_that_count_nothing_are_idle_and_those_never_read_are_unknown(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    counters, rows, ref = CounterRows(ledger), GpuTimeRows(ledger, CLUSTER), Ref("team-a", "chat")
    start = START.replace(minute=0)
    for minute in range(60):
        at = start + timedelta(minutes=minute)
        # It answers in the first quarter of the hour alone.
        count = Count(100 * min(minute, 15), 0)
        await counters.add(CLUSTER, ref, [PodReading("p", at, at, count, start, None)])
    assert await rows.idle(ref, start, start + timedelta(hours=1)) == pytest.approx(Fraction(44, 59), abs=0.03)
    assert await rows.idle(Ref("team-a", "other"), start, start + timedelta(hours=1)) is None
    await ledger.close()


async def test_prices_hold_from_their_hour_on_and_the_last_of_an_hour_wins(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    rows = GpuTimeRows(ledger, CLUSTER)
    for text in ("2 USD", "3 USD", "4 USD"):
        await rows.set_price(price_of("p5", text, START, await rows.prices()), START)
    prices = await rows.prices()
    assert [(price.per_hour, price.since) for price in prices] == [
        (Decimal(2), EVER), (Decimal(4), START.replace(minute=0))
    ]  # fmt: skip
    assert in_force(prices, "p5", START - timedelta(days=90)) == prices[0]
    assert in_force(prices, "p5", START) == prices[1]
    assert in_force(prices, "g6", START) is None
    await ledger.close()


class NoPicture:
    """A cluster that is not asked."""

    def nodes(self) -> tuple[()]:
        return ()


async def command(ledger: Ledger, *words: str) -> None:
    """What `gpu-costs` does with these words."""
    rows, now = GpuTimeRows(ledger, CLUSTER), START + timedelta(minutes=8)
    accounts = GpuAccounts(rows, ledger, cast(ClusterPicture, NoPicture()), CLUSTER, lambda: now)

    async def settle() -> None:
        raise Unreachable("no answer from the cluster")

    services = cast(Services, SimpleNamespace(gpu_accounts=accounts, clock=lambda: now, settle=settle))
    await _verb(parser().parse_args(["gpu-costs", *words]), Settings())(services)


async def test_a_price_of_a_node_type_never_seen_is_warned_of_and_can_be_taken_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    rows = GpuTimeRows(ledger, CLUSTER)
    for second in range(0, 459, 51):
        await rows.add(START + timedelta(seconds=second, microseconds=40_000 * (second > 0)), HOLDERS)
    await command(ledger, "show")
    assert capsys.readouterr().err == "seen 6m of the last 24h\n"
    await command(ledger, "set-price", "p5", "--price", "2 USD")
    assert "never" not in capsys.readouterr().err
    await command(ledger, "set-price", "nope", "--price", "2.5 USD")
    assert "no node type 'nope' was ever seen from here; those that were: g6, p5 (the nodes" in capsys.readouterr().err
    await command(ledger, "remove-price", "nope")
    with pytest.raises(NotFound, match="nope has no price"):
        await command(ledger, "remove-price", "nope")
    await command(ledger, "set-price", "p5", "--price", "3 USD")
    (_, now_on) = [price.since for price in await rows.prices() if price.node_type == "p5"]
    assert f"from {now_on:%Y-%m-%dT%H:00:00Z} on" in capsys.readouterr().err, "told as it holds, from its hour"
    with pytest.raises(BadInput, match="several prices"):
        await command(ledger, "remove-price", "p5")
    with pytest.raises(NotFound, match="no price of p5 is '4 USD'"):
        await command(ledger, "remove-price", "p5", "--price", "4 USD")
    await command(ledger, "remove-price", "p5", "--price", "3 USD")
    assert [(price.node_type, price.per_hour) for price in await rows.prices()] == [("p5", Decimal(2))]
    # Taken back is not gone: who looks into the file sees what was set, and when it was taken back.
    kept = await ledger.read(
        lambda db: db.execute("select node_type, per_hour from gpu_prices order by rowid").fetchall()
    )
    assert [tuple(row) for row in kept] == [("p5", "2"), ("nope", "2.5"), ("nope", ""), ("p5", "3"), ("p5", "")]
    await command(ledger, "set-price", "nope", "--price", "1 USD")
    assert [price.node_type for price in await rows.prices()] == ["nope", "p5"]
    await ledger.close()


@pytest.mark.parametrize(("text", "says"), [
    ("2.50", "an amount and a currency"), ("x USD", "is not an amount"), ("2 US", "is not an ISO 4217"),
    ("-1 USD", "0 or more"), ("1 USD from yesterday", "is no day"), ("1.1234567 USD", "digits"),
])  # fmt: skip
def test_what_is_no_price_says_why(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        price_of("p5", text, START, ())


def times(*cells: tuple[str, str, int]) -> list[HeldTime]:
    return [HeldTime(START, node, "p5", holder, hours * 3_600_000) for node, holder, hours in cells]


def asked(group: str, cost: str, source: Source = Source.GATEWAY) -> UsageLine:
    return UsageLine(group, source, 1, 0, 0, 1, 1, 2, Cost(Decimal(cost), "USD"), START)


def test_a_node_has_its_share_of_the_income_and_idle_gpus_cost_as_much() -> None:
    held = times(("n1", "a/chat", 6), ("n2", "a/chat", 2), ("n1", FREE, 2), ("n2", OTHERS, 1))
    prices = [GpuPrice("p5", Decimal("2.50"), "USD", EVER)]
    lines = [asked("a/chat", "40"), asked("a/gone", "5")]
    found = gpu_costs(held, prices, {"a/chat": Fraction(1, 4)}, lines, timedelta(hours=8))
    chat, free, others = found.deployments
    assert (chat.name, chat.gpu_hours, chat.idle_hours) == ("a/chat", 8.0, 2.0)
    assert (chat.costs, chat.idle_costs) == ((Cost(Decimal(20), "USD"),), (Cost(Decimal(5), "USD"),))
    assert (chat.income, chat.balance) == ((Cost(Decimal(40), "USD"),), Cost(Decimal(20), "USD"))
    assert (free.name, free.idle_hours, free.balance) == (FREE, 2.0, Cost(Decimal(-5), "USD"))
    assert (others.name, others.idle_hours, others.idle_costs) == (OTHERS, None, ())
    first, second = found.nodes
    assert (first.name, first.income, first.idle_hours) == ("n1", (Cost(Decimal(30), "USD"),), 3.5)
    assert (second.name, second.income, second.idle_hours) == ("n2", (Cost(Decimal(10), "USD"),), None)


def test_without_a_price_there_is_no_balance_and_no_zero() -> None:
    (line,) = gpu_costs(times(("n1", "a/chat", 6)), [], {}, [asked("a/chat", "1")], timedelta()).deployments
    assert (line.costs, line.unpriced, line.balance, line.idle_hours) == ((), True, None, None)


PRICES = st.decimals("0", "99", places=4)
HELD = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["x/1", "x/2", FREE]), st.integers(0, 10**10)))


@given(HELD, PRICES, st.fractions(0, 1))
def test_what_deployments_and_nodes_cost_is_the_same_and_idle_never_more_than_all(
    cells: Sequence[tuple[str, str, int]], price: Decimal, idle: Fraction
) -> None:
    held = [HeldTime(START, node, "p5", holder, ms) for node, holder, ms in cells]
    shares: dict[str, Fraction] = {"x/1": idle, "x/2": idle}
    found = gpu_costs(held, [GpuPrice("p5", price, "USD", EVER)], shares, (), timedelta())
    sums = [sum((line.costs[0].amount for line in lines), Decimal(0)) for lines in (found.deployments, found.nodes)]
    # Each line is rounded once, to a hundredth of a cent.
    assert abs(sums[0] - sums[1]) <= Decimal("0.0001") * (len(found.deployments) + len(found.nodes))
    for line in (*found.deployments, *found.nodes):
        assert line.idle_costs[0].amount <= line.costs[0].amount
        assert line.idle_hours is not None
        assert line.idle_hours <= line.gpu_hours * (1 + 1e-12)
