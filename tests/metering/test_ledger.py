"""The ledger keeps what it is told, exactly, and sums it without mixing what may not be mixed."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genai_tui.domain.money import Cost, Price, cost_of, total
from genai_tui.domain.usage import Dimension, RequestRecord, Source, Timings, TokenUsage
from genai_tui.metering.ledger import Ledger
from tests.metering.writer import PRICE, request

START = datetime(2026, 11, 23, 10, tzinfo=UTC)
EVER = EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    ledger = Ledger(tmp_path / "state" / "ledger.db")
    yield ledger
    await ledger.close()


async def test_the_cost_has_every_digit(ledger: Ledger) -> None:
    cost = await ledger.record(request("a", TokenUsage(34, 7, 41)))
    assert cost == Cost(Decimal("0.000011"), "USD")
    (line,) = await ledger.usage(Dimension.DEPLOYMENT, EVER)
    assert (line.group, line.cost, line.total_tokens) == ("team-a/chat", cost, 41)


async def test_sums_beyond_what_floating_point_can_hold_are_exact(ledger: Ledger) -> None:
    dear = Price("USD", Decimal("999999999.999999999"), Decimal("0.000000001"))
    await ledger.record(request("dear", TokenUsage(1_000_000, 1, 1_000_001), dear))
    await ledger.record(request("cheap", TokenUsage(0, 1, 1), dear))
    (line,) = await ledger.usage(Dimension.MODEL, EVER)
    assert line.cost is not None
    assert line.cost.text() == "999999999.999999999000002"


async def test_currencies_and_sources_stay_apart(ledger: Ledger) -> None:
    await ledger.record(request("usd", TokenUsage(1, 1, 2)))
    await ledger.record(request("eur", TokenUsage(1, 1, 2), replace(PRICE, currency="EUR")))
    await ledger.record(request("cli", TokenUsage(1, 1, 2), source="cli"))
    lines = await ledger.usage(Dimension.DEPLOYMENT, EVER)
    assert {(line.source, line.cost.currency if line.cost else None) for line in lines} == {
        (Source.PLAYGROUND, "USD"),
        (Source.PLAYGROUND, "EUR"),
        (Source.CLI, "USD"),
    }


async def test_what_the_engine_did_not_report_is_counted_as_such_and_in_no_sum(ledger: Ledger) -> None:
    await ledger.record(request("silent", None))
    (line,) = await ledger.usage(Dimension.DEPLOYMENT, EVER)
    assert (line.requests, line.unreported, line.total_tokens, line.cost) == (1, 1, 0, None)
    await ledger.record(request("spoken", TokenUsage(5, 5, 10)))
    await ledger.record(request("failed", None, status="error"))
    (line,) = await ledger.usage(Dimension.DEPLOYMENT, EVER)
    assert (line.requests, line.unreported, line.errors, line.total_tokens) == (3, 1, 1, 10)


async def test_the_window_includes_its_start_and_excludes_its_end(ledger: Ledger) -> None:
    for minute in range(3):
        at = (START + timedelta(minutes=minute)).astimezone().isoformat()
        await ledger.record(request(f"at-{minute}", TokenUsage(1, 0, 1), at=at))
    (line,) = await ledger.usage(Dimension.MODEL, START + timedelta(minutes=1), START + timedelta(minutes=2))
    assert (line.requests, line.last_at) == (1, START + timedelta(minutes=1))


async def test_one_cluster_can_be_asked_for_alone(ledger: Ledger) -> None:
    await ledger.record(request("here", TokenUsage(1, 0, 1)))
    await ledger.record(request("there", TokenUsage(2, 0, 2), cluster="https://other"))
    (both,) = await ledger.usage(Dimension.DEPLOYMENT, EVER)
    (one,) = await ledger.usage(Dimension.DEPLOYMENT, EVER, cluster="https://other")
    assert (both.total_tokens, one.total_tokens) == (3, 2)


async def test_a_request_told_twice_is_kept_once(ledger: Ledger) -> None:
    for _ in range(2):
        await ledger.record(request("same", TokenUsage(1, 1, 2)))
    assert len(await ledger.requests(EVER)) == 1


async def test_a_price_that_cannot_be_kept_exactly_is_refused_and_keeps_nothing(ledger: Ledger) -> None:
    fine = replace(PRICE, input_per_million=Decimal("0.0000000001"))
    with pytest.raises(ValueError, match="not an amount"):
        await ledger.record_many([request("good", TokenUsage(1, 1, 2)), request("bad", TokenUsage(1, 1, 2), fine)])
    assert await ledger.requests(EVER) == ()


async def test_a_price_holds_from_its_time_and_the_past_keeps_its_own(ledger: Ledger) -> None:
    where = ("https://c:6443", "team-a", "chat")
    dearer = replace(PRICE, output_per_million=Decimal("0.90"))
    await ledger.note_price(*where, PRICE, START)
    await ledger.note_price(*where, PRICE, START + timedelta(hours=1))
    await ledger.note_price(*where, dearer, START + timedelta(hours=2))
    await ledger.note_price(*where, None, START + timedelta(hours=3))
    assert await ledger.price_history(*where) == (
        (START, PRICE),
        (START + timedelta(hours=2), dearer),
        (START + timedelta(hours=3), None),
    )
    assert await ledger.price_at(*where, START - timedelta(seconds=1)) is None
    assert await ledger.price_at(*where, START + timedelta(minutes=119)) == PRICE
    assert await ledger.price_at(*where, START + timedelta(hours=2)) == dearer
    assert await ledger.price_at(*where, START + timedelta(days=9)) is None
    assert await ledger.price_at("https://c:6443", "team-b", "chat", START) is None


async def test_several_prices_at_the_same_moment_are_all_kept(ledger: Ledger) -> None:
    where, dearer = ("c", "n", "d"), replace(PRICE, output_per_million=Decimal(9))
    for price in (PRICE, dearer, dearer, None):
        await ledger.note_price(*where, price, START)
    assert [price for _, price in await ledger.price_history(*where)] == [PRICE, dearer, None]


async def test_the_first_request_of_an_unknown_deployment_begins_its_price_history(ledger: Ledger) -> None:
    await ledger.record(request("first", TokenUsage(1, 1, 2)))
    assert await ledger.price_history("https://c:6443", "team-a", "chat") == ((START, PRICE),)


def priced(name: str, hours: float, price: Price | None) -> RequestRecord:
    return replace(request(name, TokenUsage(1, 1, 2), price), at=START + timedelta(hours=hours))


DEARER = replace(PRICE, input_per_million=Decimal(1))


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        # Another machine changed it, back again, and took it away.
        ([(1, DEARER), (2, DEARER)], [(0, PRICE), (1, DEARER)]),
        ([(1, DEARER), (2, PRICE), (3, None), (4, None)], [(0, PRICE), (1, DEARER), (2, PRICE), (3, None)]),
        # Told late, as from a journal: what it was asked at holds no longer, and is no news.
        ([(5, DEARER), (4, PRICE), (-1, DEARER)], [(0, PRICE), (5, DEARER)]),
        ([(1, DEARER), (2, PRICE), (1.5, replace(PRICE, currency="EUR"))], [(0, PRICE), (1, DEARER), (2, PRICE)]),
        # Told late, but the only one who saw it: what was asked since says that it holds no longer.
        ([(3, PRICE), (1, DEARER), (2, DEARER), (4, PRICE)], [(0, PRICE), (1, DEARER), (3, PRICE)]),
        # A picture that lags behind the change.
        ([(1, DEARER), (1.01, PRICE), (1.02, DEARER)], [(0, PRICE), (1, DEARER)]),
    ],
)
async def test_a_price_that_another_machine_changed_is_in_the_history_from_when_it_was_seen(
    ledger: Ledger, told: list[tuple[float, Price | None]], seen: list[tuple[float, Price | None]]
) -> None:
    where = ("https://c:6443", "team-a", "chat")
    await ledger.note_price(*where, PRICE, START)
    for number, (hours, price) in enumerate(told):
        await ledger.record(priced(f"r{number}", hours, price))
    wanted = tuple((START + timedelta(hours=hours), price) for hours, price in seen)
    assert await ledger.price_history(*where) == wanted
    # Told all over again, and at once, it says nothing new.
    await ledger.record_many([priced(f"r{number}", hours, price) for number, (hours, price) in enumerate(told)])
    assert await ledger.price_history(*where) == wanted


async def test_only_the_owner_can_read_the_files(ledger: Ledger, tmp_path: Path) -> None:
    directory = tmp_path / "state"
    directory.mkdir()
    (directory / "ledger.db").touch(mode=0o644)
    await ledger.record(request("a"))
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()}
    assert modes == {"ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600}


def test_nothing_is_opened_before_the_first_use(tmp_path: Path) -> None:
    asyncio.run(Ledger(tmp_path / "state" / "ledger.db").close())
    assert not (tmp_path / "state").exists()


async def test_a_row_is_kept_also_when_the_one_who_waits_is_cancelled(ledger: Ledger) -> None:
    await ledger.record(request("opens the file"))
    task = asyncio.create_task(ledger.record(request("cancelled")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ledger.do(lambda db: db.execute("select 1"))  # waits its turn behind the cancelled one
    assert [row.id for row in await ledger.requests(EVER)] == ["cancelled", "opens the file"]


AMOUNTS = st.decimals(min_value=0, max_value=Decimal("999999999.999999999"), places=9, allow_nan=False)
PRICES = st.builds(Price, st.sampled_from(["USD", "EUR", "JPY"]), AMOUNTS, AMOUNTS)
COUNTS = st.integers(0, 2_000_000)
USAGES = st.builds(lambda p, c, k: TokenUsage(p, c, p + c, k), COUNTS, COUNTS, st.none() | COUNTS)
SPEEDS = st.floats(0, 1e6)
REQUESTS = st.builds(
    RequestRecord,
    id=st.uuids().map(str),
    at=st.integers(0, 4_000_000_000_000_000).map(lambda us: EPOCH + timedelta(microseconds=us)),
    source=st.sampled_from(Source),
    cluster=st.sampled_from(["a", "b"]),
    namespace=st.sampled_from(["team-a", "team-b", ""]),
    deployment=st.sampled_from(["chat", "embed"]),
    model=st.sampled_from(["m1", "m2"]),
    usage=st.none() | USAGES,
    price=st.none() | PRICES,
    timings=st.none() | st.builds(Timings, st.none() | SPEEDS, SPEEDS, st.none() | SPEEDS),
    status=st.sampled_from(["ok", "cancelled", "error"]),
    finish_reason=st.sampled_from(["stop", "length", ""]),
    organization=st.sampled_from(["org-a", ""]),
    user=st.sampled_from(["alice", ""]),
    key=st.sampled_from(["k1", ""]),
)


@settings(max_examples=40)
@given(records=st.lists(REQUESTS, max_size=12, unique_by=lambda r: r.id), by=st.sampled_from(Dimension))
def test_the_report_is_the_sum_of_the_rows_and_the_rows_are_what_was_told(
    records: list[RequestRecord], by: Dimension
) -> None:
    async def told() -> None:
        with TemporaryDirectory() as directory:
            ledger = Ledger(Path(directory) / "ledger.db")
            try:
                await ledger.record_many(records)
                rows = await ledger.requests(EVER)
                lines = await ledger.usage(by, EVER)
            finally:
                await ledger.close()
        assert sorted(rows, key=lambda r: r.id) == sorted(records, key=lambda r: r.id)
        for source in Source:
            mine = [line for line in lines if line.source is source]
            theirs = [record for record in records if record.source is source]
            usages = [record.usage for record in theirs if record.usage is not None]
            assert sum(line.requests for line in mine) == len(theirs)
            silent = [record for record in theirs if record.usage is None and record.status != "error"]
            assert sum(line.unreported for line in mine) == len(silent)
            cached = [usage.cached for usage in usages if usage.cached is not None]
            told = [line.cached_tokens for line in mine if line.cached_tokens is not None]
            assert (sum(told), bool(told)) == (sum(cached), bool(cached))
            assert sum(line.total_tokens for line in mine) == sum(usage.total for usage in usages)
            costs = [record.usage.cost(record.price) for record in theirs if record.usage is not None]
            reported = total(line.cost for line in mine if line.cost is not None)
            assert {c.currency: c.amount for c in reported} == {
                c.currency: c.amount for c in total(cost for cost in costs if cost is not None)
            }

    asyncio.run(told())


@given(first=USAGES, second=USAGES, price=PRICES)
def test_the_cost_of_a_sum_is_the_sum_of_the_costs(first: TokenUsage, second: TokenUsage, price: Price) -> None:
    apart = total([cost_of(u.prompt, u.completion, price) for u in (first, second)])
    assert (first + second).cost(price) == apart[0]


ASKED = st.builds(
    lambda us, usage, price: replace(request("", usage, price), at=EPOCH + timedelta(microseconds=us)),
    st.integers(0, 10**11),
    st.none() | USAGES,
    st.none() | PRICES,
)
CHANGED = st.tuples(st.integers(0, 2 * 10**11), st.none() | PRICES)


@settings(max_examples=25)
@given(steps=st.lists(ASKED | CHANGED, max_size=14), cut=st.integers(0, 10**11))
def test_a_price_changes_nothing_that_was_asked_and_costs_add_up_to_the_last_digit(
    steps: list[RequestRecord | tuple[int, Price | None]], cut: int
) -> None:
    where = ("https://c:6443", "team-a", "chat")

    async def told() -> None:
        with TemporaryDirectory() as directory:
            ledger = Ledger(Path(directory) / "ledger.db")
            costs: dict[str, Cost | None] = {}
            history: tuple[tuple[datetime, Price | None], ...] = ()
            try:
                for number, step in enumerate(steps):
                    if isinstance(step, RequestRecord):
                        costs[f"r{number}"] = await ledger.record(replace(step, id=f"r{number}"))
                    else:
                        await ledger.note_price(*where, step[1], EPOCH + timedelta(microseconds=step[0]))
                    now_ = await ledger.price_history(*where)
                    assert [found for found in now_ if found in history] == list(history)
                    history = now_
                rows = await ledger.requests(EVER)
                middle = EPOCH + timedelta(microseconds=cut)
                whole = await ledger.usage(Dimension.DEPLOYMENT, EVER)
                parts = [await ledger.usage(Dimension.MODEL, EVER, middle), await ledger.usage(Dimension.MODEL, middle)]
            finally:
                await ledger.close()
        kept = {row.id: row.usage.cost(row.price) if row.usage is not None else None for row in rows}
        assert kept == costs
        sums = set(total(cost for cost in costs.values() if cost is not None))
        assert set(total(line.cost for line in whole if line.cost is not None)) == sums
        assert set(total(line.cost for part in parts for line in part if line.cost is not None)) == sums

    asyncio.run(told())


async def test_a_trend_sums_periods_exactly_and_both_reports_narrow_alike(ledger: Ledger) -> None:
    for number, minute in enumerate((0, 29, 30, 61)):
        asked = request(f"r{number}", TokenUsage(10 * (number + 1), 0, 10 * (number + 1)))
        await ledger.record(replace(asked, at=START + timedelta(minutes=minute), user="a" if number else ""))
    half = timedelta(minutes=30)
    points = await ledger.trend(half, START, START + timedelta(hours=2))
    assert [(point.start, point.total_tokens) for point in points] == [
        (START, 30), (START + half, 30), (START + 2 * half, 40)
    ]  # fmt: skip
    (line,) = await ledger.usage(Dimension.MODEL, START)
    assert total(point.cost for point in points if point.cost) == (line.cost,)
    for only, tokens in (({Dimension.USER: "a"}, 90), ({Dimension.USER: "–"}, 10), ({Dimension.USER: "x"}, 0)):
        lines = await ledger.usage(Dimension.DEPLOYMENT, START, only=only)
        points = await ledger.trend(half, START, only=only | {Dimension.DEPLOYMENT: "team-a/chat"})
        assert sum(line.total_tokens for line in lines) == tokens == sum(point.total_tokens for point in points)


async def test_cached_input_has_its_own_price_and_what_was_asked_keeps_it(ledger: Ledger) -> None:
    price = replace(PRICE, cached_per_million=Decimal("0.02"))
    cost = await ledger.record(request("a", TokenUsage(1_000_000, 0, 1_000_000, cached=400_000), price))
    assert cost == Cost(Decimal("0.128"), "USD")
    await ledger.note_price(
        "https://c:6443", "team-a", "chat", replace(price, cached_per_million=None), START + timedelta(days=1)
    )
    (line,) = await ledger.usage(Dimension.DEPLOYMENT, EVER)
    assert line.cost == cost
    (kept,) = await ledger.requests(EVER)
    assert kept.price == price
    history = await ledger.price_history("https://c:6443", "team-a", "chat")
    assert [found for _, found in history] == [price, PRICE]
