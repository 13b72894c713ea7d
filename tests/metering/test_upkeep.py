"""Upkeep of the ledger: a check that finds what is wrong, a copy while others write, and pruning that keeps the sums."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import sqlite3
import stat
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from genai_tui.domain.counters import Count, PodReading
from genai_tui.domain.rows import Ref
from genai_tui.domain.usage import Dimension, TokenUsage
from genai_tui.errors import BadInput, GenaiTuiError
from genai_tui.keeping import keep_tidy
from genai_tui.metering import upkeep
from genai_tui.metering.counters import CounterRows
from genai_tui.metering.ledger import Ledger
from genai_tui.settings import Settings
from tests.metering.writer import request

ROOT = Path(__file__).parents[2]
NOW = datetime.now(UTC)
EVER = datetime(1970, 1, 1, tzinfo=UTC)
SOAK_S = float(os.environ.get("GENAI_TUI_SOAK_S", "3"))


async def filled(path: Path, days: int = 10) -> Ledger:
    """A request every six hours, back from now, to two deployments."""
    ledger = Ledger(path)
    await ledger.record_many(
        [
            request(f"r{n}", TokenUsage(n, 1, n + 1), at=(NOW - timedelta(hours=6 * n)).isoformat(), user=f"u{n % 2}")
            for n in range(days * 4)
        ]
    )
    return ledger


def program(state: Path, *words: str, answer: str | None = None) -> subprocess.CompletedProcess[str]:
    """The command line, with the ledger of this directory and no cluster."""
    environment = {**os.environ, "XDG_STATE_HOME": str(state), "KUBECONFIG": "/dev/null", "COLUMNS": "200"}
    command = [sys.executable, "-m", "genai_tui", *words]
    return subprocess.run(
        command, cwd=ROOT, env=environment, input=answer or "", capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("delete from requests where id = 'r3'", "sums by hour are not"),
        ("update usage_hours set micro = micro + 1", "sums by hour are not"),
        ("update usage_days set requests = requests + 1", "sums by day are not"),
        ("update usage_minutes set requests = requests + 1", "sums by minute are not"),
        ("update usage_weeks set requests = requests + 1", "sums by week are not"),
        ("delete from latency_hours", "latencies by hour are not"),
        ("update latency_days set counts = json_set(counts, '$.t', 99)", "latencies by day are not"),
        ("update latency_weeks set counts = json_set(counts, '$.t', 99)", "latencies by week are not"),
        ("drop trigger requests_are_summed", "the trigger requests_are_summed was taken out"),
        ("pragma foreign_keys = off; delete from usage_series", "refers to none of usage_series"),
    ],
)
async def test_a_check_finds_what_is_wrong(tmp_path: Path, damage: str, said: str) -> None:
    ledger = await filled(tmp_path / "ledger.db", 2)
    found = await upkeep.check(ledger)
    assert (found.requests, found.problems) == (8, ())
    await ledger.close()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
        db.executescript(damage)
    ledger = Ledger(tmp_path / "ledger.db")
    assert any(said in problem for problem in (await upkeep.check(ledger)).problems)
    await ledger.close()


@pytest.mark.parametrize("counts", ["", "{}", "{", '{"t91000":1', '{"x1":1}', '{"t91000":"many"}', "[1]", "nothing"])
async def test_damaged_latencies_are_said_and_the_sums_beside_them_still_told(tmp_path: Path, counts: str) -> None:
    ledger = await filled(tmp_path / "ledger.db", 2)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
        for unit in ("minutes", "hours", "days", "weeks"):
            db.execute(f"update latency_{unit} set counts = ?", (counts,))
        db.commit()
    with pytest.raises(GenaiTuiError, match="damaged") as caught:
        await ledger.usage(Dimension.USER, EVER, waits=True)
    assert "ledger check" in caught.value.problem.next_step
    problems = (await upkeep.check(ledger)).problems
    assert [problem.split(" latencies by ")[1][:4] for problem in problems][:2] == ["minu", "hour"]
    assert sum(line.requests for line in await ledger.usage(Dimension.USER, EVER)) == 8
    await ledger.close()


async def test_a_backup_is_whole_private_and_overwrites_nothing(tmp_path: Path) -> None:
    ledger, copy = await filled(tmp_path / "ledger.db"), tmp_path / "copy.db"
    await upkeep.backup(ledger, copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with pytest.raises(BadInput, match="is there already"):
        await upkeep.backup(ledger, copy)
    with pytest.raises(BadInput, match="no file can be made"):
        await upkeep.backup(ledger, tmp_path / "nowhere" / "copy.db")
    other = Ledger(copy)
    assert await other.requests(EVER) == await ledger.requests(EVER)
    assert (await upkeep.check(other)).problems == ()
    await other.close()
    await ledger.close()


async def test_pruning_takes_old_rows_and_keeps_every_sum(tmp_path: Path) -> None:
    ledger = await filled(tmp_path / "ledger.db")
    before, hour = NOW - timedelta(days=4), timedelta(hours=1)
    edge = before.replace(hour=0, minute=0, second=0, microsecond=0)

    async def reports() -> list[object]:
        windows = [
            (EVER, None),
            (edge - timedelta(days=3), edge + hour / 3),
            (edge + hour, NOW),
            (EVER, edge - 7 * hour),
        ]
        lines = [await ledger.usage(Dimension.USER, since, until) for since, until in windows]
        return [lines, [await ledger.trend(every, EVER) for every in (hour, timedelta(days=1))]]

    whole, old = await reports(), await upkeep.prunable(ledger, before)
    assert 0 < old < 40
    assert await upkeep.prune(ledger, before, NOW) == old
    assert min(row.at for row in await ledger.requests(EVER)) >= edge
    assert await reports() == whole
    # Below the edge a window is cut by the hour, so that windows side by side still add up.
    cut = edge - timedelta(days=2, minutes=25)
    sides = [await ledger.usage(Dimension.MODEL, EVER, cut), await ledger.usage(Dimension.MODEL, cut)]
    (all_of_it,) = await ledger.usage(Dimension.MODEL, EVER)
    assert sum(side[0].total_tokens for side in sides) == all_of_it.total_tokens
    await ledger.record(request("late", TokenUsage(1, 0, 1), at=(edge - timedelta(days=1)).isoformat(), user="u0"))
    (now_,) = await ledger.usage(Dimension.MODEL, EVER)
    assert now_.total_tokens == all_of_it.total_tokens + 1
    found = await upkeep.check(ledger)
    assert (found.problems, found.pruned) == ((), edge)
    await ledger.close()


async def test_periods_shorter_than_what_is_kept_become_the_shortest_that_are_whole(tmp_path: Path) -> None:
    ledger = await filled(tmp_path / "ledger.db")
    await upkeep.prune(ledger, NOW - timedelta(days=4), NOW)
    edge = (NOW - timedelta(days=4)).replace(hour=0, minute=0, second=0, microsecond=0)
    minute, hour = timedelta(minutes=1), timedelta(hours=1)
    for asked, told in ((minute, hour), (30 * minute, hour), (90 * minute, 3 * hour), (hour, hour), (24 * hour,) * 2):
        points = await ledger.trend(asked, EVER, waits=True)
        assert (sum(point.requests for point in points), {point.every for point in points}) == (40, {told})
        assert all((point.start - EVER) % told == timedelta() for point in points)
        after = await ledger.trend(asked, edge)
        assert {point.every for point in after} == {asked}
        assert sum(point.requests for point in after) == len(await ledger.requests(EVER))
    await ledger.close()


async def test_what_is_older_than_the_setting_says_goes_by_itself_and_a_read_only_session_keeps_it(
    tmp_path: Path,
) -> None:
    ledger = await filled(tmp_path / "ledger.db")

    async def turn(settings: Settings) -> int:
        """Until it has rested for the second time."""
        rests: list[float] = []

        async def pause(seconds: float) -> None:
            rests.append(seconds)
            if len(rests) == 2:
                raise asyncio.CancelledError

        with contextlib.suppress(asyncio.CancelledError):
            await keep_tidy(ledger, settings, lambda: NOW, pause)
        return len(await ledger.requests(EVER))

    assert await turn(Settings()) == 40
    assert await turn(Settings(keep_requests="4d", read_only=True)) == 40
    left = await turn(Settings(keep_requests="4d"))
    assert 16 <= left <= 20
    (line,) = await ledger.usage(Dimension.MODEL, EVER)
    assert line.requests == 40
    assert (await upkeep.check(ledger)).problems == ()
    await ledger.close()


async def test_pruned_time_is_not_reconciled_as_if_nobody_had_asked(tmp_path: Path) -> None:
    ledger = await filled(tmp_path / "ledger.db")
    rows, ref = CounterRows(ledger), Ref("team-a", "chat")
    for day in range(9, -1, -1):
        at, count = NOW - timedelta(days=day, minutes=1), Count(1_000 * (10 - day), 0)
        await rows.add("https://c:6443", ref, [PodReading("p", at, at, count, NOW - timedelta(days=10), None)])
    await upkeep.prune(ledger, NOW - timedelta(days=4), NOW)
    edge = (NOW - timedelta(days=4)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert await rows.reconcile("https://c:6443", NOW - timedelta(days=9), edge) == ()
    (found,) = await rows.reconcile("https://c:6443", NOW - timedelta(days=9), NOW)
    assert found.since >= edge + timedelta(days=1)
    asked = [row.usage for row in await ledger.requests(found.since, found.until) if row.usage]
    assert found.attributed.prompt == sum(usage.prompt for usage in asked)
    assert await rows.total("https://c:6443", ref) == Count(10_000, 0)
    await ledger.close()


async def test_the_commands(tmp_path: Path) -> None:
    none = program(tmp_path, "ledger", "check")
    assert (none.returncode, "there is no ledger" in none.stderr) == (1, True)
    ledger = await filled(tmp_path / "genai-tui" / "ledger.db")
    await ledger.close()
    sound = program(tmp_path, "ledger", "check")
    assert (sound.returncode, sound.stdout.split(",")[0]) == (0, "sound: 40 requests; sums equal them: 40 by minute")
    made = program(tmp_path, "ledger", "backup", str(tmp_path / "copy.db"))
    assert (made.returncode, made.stdout.startswith(f"{tmp_path}/copy.db (")) == (0, True)
    unasked = program(tmp_path, "ledger", "prune", "--before", "4d")
    assert (unasked.returncode, "requests before" in unasked.stderr, "add --yes" in unasked.stderr) == (2, True, True)
    for words in (("prune",), ("prune", "--before", "1h", "--yes"), ("backup",), ("backup", str(tmp_path / "copy.db"))):
        refused = program(tmp_path, "ledger", *words)
        assert (refused.returncode, refused.stdout) == (2, "")
    assert program(tmp_path, "ledger", "prune", "--before", "4d", "--yes", "--read-only").returncode == 3
    pruned = program(tmp_path, "ledger", "prune", "--before", "4d", "--yes")
    assert (pruned.returncode, pruned.stdout[:7]) == (0, "pruned ")
    assert "pruned before" in program(tmp_path, "ledger", "check").stdout
    with closing(sqlite3.connect(tmp_path / "genai-tui" / "ledger.db")) as db:
        db.execute("update usage_hours set requests = requests + 1")
        db.commit()
    broken = program(tmp_path, "ledger", "check")
    assert (broken.returncode, "is not sound" in broken.stderr) == (1, True)


def limited_writer(path: Path) -> subprocess.CompletedProcess[str]:
    """A program that may make no file larger than a megabyte: some rows more than the tables take."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    command = [sys.executable, "-m", "tests.metering.writer", str(path), "w", "100000"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120, preexec_fn=limit)


async def test_a_disk_that_fills_up_is_said_and_loses_nothing_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"

    ended = limited_writer(path)
    acknowledged = ended.stdout.split()
    assert (ended.returncode, len(acknowledged) > 10) == (1, True)
    assert f"GenaiTuiError: the ledger {path} failed" in ended.stderr
    ledger = Ledger(path)
    assert {row.id for row in await ledger.requests(EVER, limit=10**6)} >= set(acknowledged)
    assert (await upkeep.check(ledger)).problems == ()
    pages = await ledger.do(lambda db: db.execute("pragma page_count").fetchone()[0])
    await ledger.do(lambda db: db.execute(f"pragma max_page_count = {pages + 4}").fetchone())
    kept = set(acknowledged)

    async def fill() -> None:
        for number in range(10_000):
            await ledger.record(request(f"more-{number}", TokenUsage(1, 1, 2)))
            kept.add(f"more-{number}")

    with pytest.raises(GenaiTuiError, match="failed") as caught:
        await fill()
    assert "the disk is full" in caught.value.problem.line
    assert "free space" in caught.value.problem.next_step
    await ledger.do(lambda db: db.execute("pragma max_page_count = 100000").fetchone())
    await ledger.record(request("after", TokenUsage(1, 1, 2)))
    assert {row.id for row in await ledger.requests(EVER, limit=10**6)} >= kept | {"after"}
    assert (await upkeep.check(ledger)).problems == ()
    await ledger.close()


async def test_several_that_record_and_are_killed_keep_each_acknowledged_row_once(tmp_path: Path) -> None:
    """Two consoles and a gateway, each killed again and again, and the gateway telling its last rows twice.

    GENAI_TUI_SOAK_S=60 does it for a minute.
    """
    path, deadline = tmp_path / "ledger.db", time.monotonic() + SOAK_S
    acknowledged: list[str] = []
    turn = 0
    while time.monotonic() < deadline or turn < 2:
        names = (f"left-{turn}", f"right-{turn}", f"gateway-{turn}")
        writers = [writing(path, name) for name in names]
        for process in writers:
            assert process.stdout is not None
            acknowledged += [process.stdout.readline().strip() for _ in range(15)]
            process.kill()
        for process in writers:
            acknowledged += [line.strip() for line in process.stdout or () if line.endswith("\n")]
            process.communicate()
        again = Ledger(path)
        await again.record_many([request(id, TokenUsage(3, 4, 7)) for id in acknowledged[-20:]])
        await again.close()
        turn += 1
    ledger = Ledger(path)
    rows = Counter(row.id for row in await ledger.requests(EVER, limit=10**7))
    assert set(acknowledged) <= rows.keys()
    assert set(rows.values()) == {1}
    lines = await ledger.usage(Dimension.DEPLOYMENT, EVER)
    assert sum(line.requests for line in lines) == len(rows)
    assert (await upkeep.check(ledger)).problems == ()
    await ledger.close()


def come_and_gone(path: Path, name: str) -> set[str]:
    command = [sys.executable, "-m", "tests.metering.writer", str(path), name, "3"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return set(ended.stdout.split())


async def test_programs_that_come_and_go_take_nothing_from_one_that_records_and_reads(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger(path)
    acknowledged: set[str] = set()
    for turn in range(4):
        await ledger.record(request(f"here-{turn}", TokenUsage(1, 1, 2)))
        acknowledged.add(f"here-{turn}")
        acknowledged |= await asyncio.to_thread(come_and_gone, path, f"there-{turn}")
        assert {row.id for row in await ledger.requests(EVER)} == acknowledged
    await ledger.close()
    again = Ledger(path)
    assert {row.id for row in await again.requests(EVER)} == acknowledged
    assert (await upkeep.check(again)).problems == ()
    await again.close()


def writing(path: Path, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.metering.writer", str(path), name, "100000"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
