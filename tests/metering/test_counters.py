"""Engine counters: a sum that never falls, whoever reads them and however often engines begin again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genai_tui.domain.counters import Count, PodReading, Reconciliation, unattributed
from genai_tui.domain.rows import Ref
from genai_tui.domain.usage import RequestRecord, Timings, TokenUsage
from genai_tui.metering.counters import CounterRows
from genai_tui.metering.ledger import Ledger
from tests.metering.writer import request

START = datetime(2026, 11, 23, 10, tzinfo=UTC)
CLUSTER = "https://cluster"
CHAT = Ref("team-a", "chat")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def reading(pod: str, second: float, prompt: int, completion: int, **more: object) -> PodReading:
    found = PodReading(pod, at(second), at(second + 0.1), Count(prompt, completion), at(0))
    return replace(found, **more)  # type: ignore[arg-type]  # fields by name


@dataclass
class World:
    """Pods that count, and readings of them that are on their way to the ledger."""

    tells_began: bool
    second: float = 0.0
    true: Count = field(default_factory=Count)
    pods: dict[str, tuple[int, Count]] = field(default_factory=dict)
    late: list[PodReading] = field(default_factory=list)

    def count(self, pod: str, prompt: int, completion: int) -> None:
        epoch, count = self.pods.get(pod, (0, Count()))
        grown = Count(prompt, completion)
        self.pods[pod], self.true = (epoch, count + grown), self.true + grown

    def restart(self, pod: str) -> None:
        epoch, _ = self.pods.get(pod, (0, Count()))
        self.pods[pod] = (epoch + 1, Count())

    def read(self, pod: str, took: float) -> PodReading:
        """A reading whose value is of the moment between asking and answer; the clock goes on after the answer."""
        epoch, count = self.pods.get(pod, (0, Count()))
        began = float(epoch) if self.tells_began else None
        found = PodReading(pod, at(self.second), at(self.second + took), count, at(-1), began)
        self.second += took
        return found


PODS = st.sampled_from("abc")
TOKENS = st.integers(0, 50)
STEPS = st.one_of(
    st.tuples(st.just("count"), PODS, TOKENS, TOKENS),
    st.tuples(st.just("restart"), PODS),
    st.tuples(st.just("read"), PODS, st.floats(0.001, 30), st.integers(1, 3)),
    st.tuples(st.just("read late"), PODS, st.floats(0.001, 30)),
    st.tuples(st.just("deliver"), st.integers(0, 5)),
    st.tuples(st.just("gap"), st.floats(0.001, 90_000)),
)


@settings(max_examples=60)
@given(st.lists(STEPS, max_size=40), st.booleans())
def test_the_sum_is_what_was_counted_whatever_restarts_gaps_and_duplicates(
    steps: list[tuple[object, ...]], tells_began: bool
) -> None:
    async def live(path: Path) -> None:
        world, ledgers = World(tells_began), [Ledger(path), Ledger(path)]
        rows = [CounterRows(ledger) for ledger in ledgers]
        low = Count()

        async def keep(console: int, found: PodReading) -> None:
            nonlocal low
            await rows[console].add(CLUSTER, CHAT, [found])
            total = await rows[1 - console].total(CLUSTER, CHAT)
            assert total is not None
            assert low.prompt <= total.prompt <= world.true.prompt
            assert low.completion <= total.completion <= world.true.completion
            low = total

        for step in steps:
            match step:
                case ("count", str(pod), int(prompt), int(completion)):
                    world.count(pod, prompt, completion)
                case ("restart", str(pod)):
                    # What was counted since the last reading would be lost: here one comes just before.
                    await keep(0, world.read(pod, 0.01))
                    world.restart(pod)
                case ("read", str(pod), float(took), int(times)):
                    found = world.read(pod, took)
                    for time in range(times):
                        await keep(time % 2, found)
                case ("read late", str(pod), float(took)):
                    world.late.append(world.read(pod, took))
                case ("deliver", int(which)) if world.late:
                    await keep(1, world.late.pop(which % len(world.late)))
                case ("gap", float(seconds)):
                    world.second += seconds
        for pod in "abc":
            await keep(0, world.read(pod, 0.01))
        restarted = any(epoch for epoch, _ in world.pods.values())
        # Where an engine does not tell when it began, one that has counted as much again is as if it never ended.
        if tells_began or not restarted:
            assert await rows[0].total(CLUSTER, CHAT) == world.true
        for ledger in ledgers:
            await ledger.close()

    with TemporaryDirectory() as directory:
        asyncio.run(live(Path(directory) / "ledger.db"))


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    ledger = Ledger(tmp_path / "ledger.db")
    yield ledger
    await ledger.close()


async def test_overlapping_readings_of_two_consoles_are_no_restart(ledger: Ledger) -> None:
    rows = CounterRows(ledger)
    first = reading("a", 1, 10, 10)
    slow = PodReading("a", at(5), at(9), Count(20, 20), at(0))
    quick = PodReading("a", at(6), at(7), Count(30, 30), at(0))
    for found in (first, quick, slow):
        await rows.add(CLUSTER, CHAT, [found])
    assert await rows.total(CLUSTER, CHAT) == Count(30, 30)


async def test_a_restart_is_seen_by_its_beginning_even_when_it_has_counted_more(ledger: Ledger) -> None:
    rows = CounterRows(ledger)
    await rows.add(CLUSTER, CHAT, [reading("a", 1, 10, 10, began=1.0)])
    await rows.add(CLUSTER, CHAT, [reading("a", 2, 50, 50, began=2.0)])
    (line,) = await rows.reconcile(CLUSTER, at(0), at(60))
    assert (line.counted, line.restarts) == (Count(60, 60), 1)


def row(name: str, second: float, prompt: int, completion: int, took_ms: float = 1000.0) -> RequestRecord:
    usage = TokenUsage(prompt, completion, prompt + completion)
    found = request(name, usage)
    return replace(found, cluster=CLUSTER, namespace="team-a", deployment="chat", at=at(second),
                   timings=Timings(None, took_ms, None))  # fmt: skip


async def test_what_is_left_over_is_nobodys(ledger: Ledger) -> None:
    rows = CounterRows(ledger)
    await rows.add(CLUSTER, CHAT, [reading("a", 5, 0, 0), reading("b", 5, 0, 0)])
    await ledger.record(row("one", 10, 100, 20))
    await ledger.record(replace(row("unknown", 12, 0, 0), usage=None))
    await ledger.record(replace(row("elsewhere", 12, 7, 7), cluster="https://other"))
    await rows.add(CLUSTER, CHAT, [reading("a", 20, 100, 20), reading("b", 20, 9, 3)])
    (line,) = await rows.reconcile(CLUSTER, at(0), at(60))
    assert (line.counted, line.attributed, line.unattributed) == (Count(109, 23), Count(100, 20), Count(9, 3))
    assert (line.since, line.until, line.unreported, line.restarts) == (at(0), at(20.1), 1, 0)


async def test_a_window_is_measured_from_reading_to_reading_and_an_answer_counts_when_it_ends(ledger: Ledger) -> None:
    rows = CounterRows(ledger)
    for minute, count in enumerate((0, 10, 30, 60, 100)):
        await rows.add(CLUSTER, CHAT, [reading("a", minute * 60, count, 0)])
    # Begun before the reading at 120 s, ended after it.
    await ledger.record(row("long", 100, 30, 0, took_ms=50_000))
    await ledger.record(row("before", 60, 20, 0))
    await ledger.record(row("after", 200, 40, 0))
    (line,) = await rows.reconcile(CLUSTER, at(150), at(200))
    assert (line.since, line.until) == (at(120.1), at(180.1))
    assert (line.counted, line.attributed, line.unattributed) == (Count(30), Count(30), Count())


async def test_an_idle_engine_takes_two_marks_and_a_busy_one_a_mark_a_minute(ledger: Ledger) -> None:
    rows = CounterRows(ledger)

    async def marks() -> int:
        found = await ledger.do(lambda db: db.execute("select count(*) from engine_marks").fetchone()[0])
        assert isinstance(found, int)
        return found

    for step in range(60):
        await rows.add(CLUSTER, CHAT, [reading("a", 10 * step, 0, 0)])
    assert await marks() == 2
    for step in range(60, 120):
        await rows.add(CLUSTER, CHAT, [reading("a", 10 * step, step, step)])
    assert 10 <= await marks() <= 15
    (line,) = await rows.reconcile(CLUSTER, at(0), at(1200))
    assert line.counted == Count(119, 119)


async def test_engines_that_were_never_read_are_unknown_and_not_0(ledger: Ledger) -> None:
    await ledger.record(row("one", 10, 100, 20))
    (line,) = await CounterRows(ledger).reconcile(CLUSTER, at(0), at(60))
    assert (line.counted, line.attributed, line.unattributed) == (None, Count(100, 20), None)


LASTED = st.tuples(
    st.integers(-90_000, 180_000), st.sampled_from([0, 0, 1, 999_999]), st.integers(0, 86_400_000) | st.integers(0, 130_000),
    st.sampled_from(["ok", "error"]), st.booleans(), st.sampled_from(["chat", "chat", "embed"]),
)  # fmt: skip
ENDS = st.tuples(st.integers(-3_700, 7_300), st.integers(0, 90_000), st.sampled_from([0, 0, 1]))


@settings(max_examples=40)
@given(st.lists(LASTED, max_size=25), st.lists(ENDS, min_size=1, max_size=4))
def test_what_is_attributed_is_the_plain_sum_of_the_rows_that_ended_in_the_time(
    lasted: list[tuple[int, int, int, str, bool, str]], windows: list[tuple[int, int, int]]
) -> None:
    records = [
        replace(
            row(f"r{number}", second, number + 1, 2 * number, took_ms),
            at=at(second) + timedelta(microseconds=us),
            status=status,
            deployment=name,
            **({} if told else {"usage": None}),  # type: ignore[arg-type]  # fields by name
        )
        for number, (second, us, took_ms, status, told, name) in enumerate(lasted)
    ]

    async def asked(path: Path) -> None:
        ledger = Ledger(path)
        await ledger.record_many(records)
        for begins, length, us in windows:
            since, until = at(begins), at(begins + length) + timedelta(microseconds=us)
            for ref in (CHAT, Ref("team-a", "embed")):
                found = await CounterRows(ledger).reconcile(CLUSTER, since, until, ref)
                mine = [
                    one
                    for one in records
                    if one.timings is not None
                    and one.deployment == ref.name
                    and since < one.at + timedelta(milliseconds=one.timings.total_ms) <= until
                ]
                usages = [one.usage for one in mine if one.usage is not None]
                counted = Count(sum(used.prompt for used in usages), sum(used.completion for used in usages))
                silent = sum(one.usage is None and one.status != "error" for one in mine)
                assert [(line.attributed, line.unreported) for line in found] == (
                    [(counted, silent)] if since < until else []
                )
        await ledger.close()

    with TemporaryDirectory() as directory:
        asyncio.run(asked(Path(directory) / "ledger.db"))


def test_what_engines_lost_takes_nothing_off_what_others_counted_nor_prompts_off_completions() -> None:
    def line(counted: Count | None, attributed: Count) -> Reconciliation:
        return Reconciliation(Ref("team-a", "chat"), START, START + timedelta(hours=1), counted, attributed)

    found = unattributed(
        [line(Count(100, 2_074), Count(4_166, 100)), line(Count(10, 7), Count(10, 2)), line(None, Count(5, 5))]
    )
    assert found is not None
    assert (found.counted, found.rest, found.since) == (2_191, 1_979, START)
    assert unattributed([line(None, Count(5, 5))]) is None
