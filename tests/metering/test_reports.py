"""Reports read roll-ups where they can; what they say is what plain Python makes of the single requests."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from genai_tui.domain.latency import counted
from genai_tui.domain.trends import UsagePoint
from genai_tui.domain.usage import Dimension, RequestRecord, Source, Timings, TokenUsage, UsageLine, Waits
from genai_tui.metering import upkeep
from genai_tui.metering.ledger import Ledger
from tests.metering.test_ledger import REQUESTS
from tests.metering.writer import request

START = datetime(2026, 11, 20, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EVERY = [timedelta(seconds=s) for s in (60, 90, 1_800, 3_600, 10_800, 86_400, 7 * 86_400)]
EDGES = st.builds(
    lambda hours, us: START + timedelta(hours=hours, microseconds=us),
    st.sampled_from([0, 1, 22, 23, 24, 25, 47, 48, 49, 70, 72, 96]),
    st.sampled_from([0, 0, 1, -1, 999_700, 1_799_999_999, 1_800_000_000, 3_599_999_999]),
)
AT = EDGES | st.integers(0, 100 * 3_600_000_000).map(lambda us: START + timedelta(microseconds=us))
TIMED = st.none() | st.integers(0, 10**9).map(lambda us: Timings(us / 1000, us / 500, None))
RECORDS = st.lists(
    st.builds(lambda record, at, timings: replace(record, at=at, timings=timings), REQUESTS, AT, TIMED),
    min_size=5,
    max_size=25,
    unique_by=lambda record: record.id,
)
NAMES = {
    Dimension.DEPLOYMENT: ["team-a/chat", "embed"],
    Dimension.MODEL: ["m1", "nothing"],
    Dimension.ORGANIZATION: ["org-a", "–"],
    Dimension.USER: ["alice", "–"],
    Dimension.KEY: ["k1", "–"],
    Dimension.SOURCE: ["gateway", "cli"],
}
ONLY = st.fixed_dictionaries({}, optional={by: st.sampled_from(names) for by, names in NAMES.items()})
Question = tuple[Dimension, timedelta, datetime, datetime | None, str | None, dict[Dimension, str]]
QUESTIONS: st.SearchStrategy[Question] = st.tuples(
    st.sampled_from(Dimension),
    st.sampled_from(EVERY),
    EDGES | st.just(EPOCH),
    st.none() | EDGES,
    st.sampled_from([None, None, "a"]),
    st.just({}) | ONLY,
)


def name(record: RequestRecord, by: Dimension) -> str:
    """The group of a request, as a line has it."""
    if by is Dimension.DEPLOYMENT:
        return f"{record.namespace}/{record.deployment}" if record.namespace else record.deployment
    return str(getattr(record, by.value)) or "–"


def summed(records: Sequence[RequestRecord]) -> tuple[object, ...]:
    """What a line and a point have in common."""
    usages = [record.usage for record in records if record.usage is not None]
    costs = [cost for r in records if r.usage is not None and (cost := r.usage.cost(r.price)) is not None]
    return (
        len(records),
        sum(record.usage is None and record.status != "error" for record in records),
        sum(record.status == "error" for record in records),
        sum(usage.prompt for usage in usages),
        sum(usage.completion for usage in usages),
        sum(usage.total for usage in usages),
        (sum(Fraction(cost.amount) for cost in costs), costs[0].currency) if costs else None,
        told_waits(Waits(*(counted(times_us(records, name)) for name in ("ttft_ms", "total_ms")))),
    )


def times_us(records: Sequence[RequestRecord], name: str) -> list[int]:
    found = [getattr(record.timings, name) for record in records if record.timings is not None]
    return [round(time * 1000) for time in found if time is not None]


def told_waits(waits: Waits | None) -> object:
    """Comparable, and hashable."""
    assert waits is not None
    return tuple(tuple(sorted(one.counts.items())) for one in (waits.first_token, waits.answer))


def told(sums: UsageLine | UsagePoint) -> tuple[object, ...]:
    """The same of a report."""
    cost = (Fraction(sums.cost.amount), sums.cost.currency) if sums.cost else None
    tokens = (sums.prompt_tokens, sums.completion_tokens, sums.total_tokens)
    return (sums.requests, sums.unreported, sums.errors, *tokens, cost, told_waits(sums.waits))


def grouped(records: Iterable[RequestRecord], key: Callable[[RequestRecord], object]) -> list[list[RequestRecord]]:
    groups: dict[tuple[object, Source, str], list[RequestRecord]] = {}
    for record in records:
        groups.setdefault((key(record), record.source, record.price.currency if record.price else ""), []).append(
            record
        )
    return list(groups.values())


def of_lines(records: Iterable[RequestRecord], by: Dimension) -> Counter[tuple[object, ...]]:
    return Counter(
        (name(mine[0], by), mine[0].source, max(r.at for r in mine), *summed(mine))
        for mine in grouped(records, lambda record: name(record, by))
    )


def of_points(records: Iterable[RequestRecord], every: timedelta) -> Counter[tuple[object, ...]]:
    def start(record: RequestRecord) -> datetime:
        return EPOCH + (record.at - EPOCH) // every * every

    found: Counter[tuple[object, ...]] = Counter()
    for mine in grouped(records, start):
        found[start(mine[0]), mine[0].source, *summed(mine)] += 1
    return found


async def check(ledger: Ledger, records: Sequence[RequestRecord], question: Question) -> None:
    """Both reports say what the rows say."""
    by, every, since, until, cluster, only = question
    kept = [
        record
        for record in records
        if record.at >= since
        and (until is None or record.at < until)
        and cluster in (None, record.cluster)
        and all(name(record, dimension) == wanted for dimension, wanted in only.items())
    ]
    lines = await ledger.usage(by, since, until, cluster=cluster, only=only, waits=True)
    assert Counter((line.group, line.source, line.last_at, *told(line)) for line in lines) == of_lines(kept, by)
    assert [line.total_tokens for line in lines] == sorted((line.total_tokens for line in lines), reverse=True)
    points = await ledger.trend(every, since, until, cluster=cluster, only=only, waits=True)
    assert Counter((point.start, point.source, *told(point)) for point in points) == of_points(kept, every)
    assert [point.start for point in points] == sorted(point.start for point in points)


@settings(max_examples=40)
@given(
    records=RECORDS,
    questions=st.lists(QUESTIONS, min_size=4, max_size=6),
    again=st.integers(0, 25),
    minutes_days=st.integers(-1, 5),
)
def test_reports_are_the_sums_of_the_rows_for_every_window_group_and_filter(
    records: list[RequestRecord], questions: list[Question], again: int, minutes_days: int
) -> None:
    async def asked() -> None:
        with TemporaryDirectory() as directory:
            ledger = Ledger(Path(directory) / "ledger.db")
            try:
                await ledger.record_many(records[:again])
                await upkeep.tidy(ledger, START + timedelta(days=minutes_days) + upkeep.MINUTES_KEPT, None)
                await ledger.record_many(records)  # what a journal that is read again does
                assert (await upkeep.check(ledger)).problems == ()
                for question in questions:
                    await check(ledger, records, question)
            finally:
                await ledger.close()

    asyncio.run(asked())


async def test_a_report_does_not_hold_up_what_is_recorded(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    await ledger.record(request("before", TokenUsage(1, 1, 2)))
    reading, recorded = threading.Event(), threading.Event()

    def long_report(db: sqlite3.Connection) -> tuple[int, bool, int]:
        seen = db.execute("select count(*) from requests").fetchone()[0]
        reading.set()
        in_time = recorded.wait(20)
        return seen, in_time, db.execute("select count(*) from requests").fetchone()[0]

    report = asyncio.create_task(ledger.read(long_report))
    assert await asyncio.to_thread(reading.wait, 20)
    await ledger.record(request("meanwhile", TokenUsage(1, 1, 2)))
    recorded.set()
    assert await report == (1, True, 1)
    (line,) = await ledger.usage(Dimension.MODEL, EPOCH)
    assert line.requests == 2
    await ledger.close()
