"""The ledger's file among several programs, over versions, and when it goes wrong."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlite_utils import Database

from genai_tui.domain.usage import Dimension, TokenUsage
from genai_tui.errors import GenaiTuiError
from genai_tui.metering.database import explained, open_ledger
from genai_tui.metering.ledger import Ledger
from genai_tui.metering.rows import request_row
from genai_tui.metering.schema import NAMES, migrations
from genai_tui.metering.upkeep import check
from tests.metering.writer import request

ROOT = Path(__file__).parents[2]
OLD = sorted((ROOT / "tests/data/ledger").glob("after-*.sql"))
EVER = datetime(1970, 1, 1, tzinfo=UTC)


def writer(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.metering.writer", str(path), name, str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


async def ids(path: Path) -> set[str]:
    ledger = Ledger(path)
    try:
        return {row.id for row in await ledger.requests(EVER)}
    finally:
        await ledger.close()


async def test_two_programs_that_begin_the_same_file_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    writers = [writer(path, name, 60) for name in ("left", "right")]
    acknowledged = {line.strip() for process in writers for line in process.communicate()[0].splitlines()}
    assert [process.returncode for process in writers] == [0, 0]
    assert len(acknowledged) == 120
    assert await ids(path) == acknowledged


async def test_killing_a_writer_loses_no_acknowledged_row(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with writer(path, "doomed", 100_000) as process:
        assert process.stdout is not None
        acknowledged = {process.stdout.readline().strip() for _ in range(25)}
        process.send_signal(signal.SIGKILL)
        acknowledged |= {line.strip() for line in process.stdout if line.endswith("\n")}
    assert process.returncode == -signal.SIGKILL
    assert acknowledged <= await ids(path)


@pytest.mark.parametrize("dump", [path.read_text() for path in OLD], ids=[path.stem for path in OLD])
async def test_a_file_of_an_earlier_version_opens_with_every_row_and_exact_sums(tmp_path: Path, dump: str) -> None:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(dump)
    ledger = Ledger(path)
    lines = await ledger.usage(Dimension.DEPLOYMENT, EVER)
    assert [line.errors for line in lines] == [1, 0, 0, 0]
    assert [(line.source, line.requests, line.unreported, line.cost and line.cost.text()) for line in lines] == [
        ("playground", 2, 0, "0.000011"),
        ("cli", 1, 0, "0.000012"),
        ("playground", 1, 0, "370.370367370370374"),
        ("playground", 1, 0, None),
    ]
    row = (await ledger.requests(EVER))[0]
    assert (row.id, row.usage, row.price and row.price.input_per_million) == (
        "row-0",
        TokenUsage(34, 7, 41, 33),
        Decimal("0.2"),
    )
    assert len(await ledger.price_history("https://c:6443", "team-a", "chat")) == 2
    await ledger.record(request("new", TokenUsage(1, 1, 2)))
    await ledger.close()
    assert await ids(path) >= {"new", "row-4"}


@pytest.mark.parametrize("step", [step.name for step in migrations.pending(Database(memory=True))])
async def test_every_earlier_version_is_brought_up_to_date_with_its_rows_and_their_sums(
    tmp_path: Path, step: str
) -> None:
    path = tmp_path / "ledger.db"
    kept = [
        request(
            f"row-{n}",
            TokenUsage(34, 7, 41, 5) if n % 3 else None,
            deployment=f"d{n % 2}",
            status="error" if n == 3 else "ok",
        )
        for n in range(7)
    ]
    with closing(sqlite3.connect(path)) as old:
        migrations.apply(Database(old), stop_before=step)
        columns = {row[1] for row in old.execute("pragma table_info(requests)")}
        for row in map(request_row, kept) if columns else ():
            cells = {name: value for name, value in row.items() if name in columns}
            names, values = ", ".join(f'"{name}"' for name in cells), ", ".join("?" * len(cells))
            old.execute(f"insert into requests ({names}) values ({values})", tuple(cells.values()))
        old.commit()
    ledger = Ledger(path)
    await ledger.record_many([*kept, request("new", TokenUsage(1, 1, 2))])
    assert [row.id for row in await ledger.requests(EVER)] == ["new", *(row.id for row in kept)]
    lines = await ledger.usage(Dimension.DEPLOYMENT, EVER)
    assert [(line.group, line.requests, line.unreported, line.errors, line.total_tokens) for line in lines] == [
        ("team-a/d0", 4, 2, 0, 82), ("team-a/d1", 3, 0, 1, 82), ("team-a/chat", 1, 0, 0, 2)
    ]  # fmt: skip
    assert [line.cached_tokens for line in lines] == [10, 10, None]
    assert (await check(ledger)).problems == ()
    assert [line.cost and line.cost.text() for line in lines] == ["0.000022", "0.000022", "0.0000008"]
    await ledger.close()
    with closing(sqlite3.connect(path)) as now:
        assert {done.name for done in migrations.applied(Database(now))} == NAMES


async def test_requests_that_failed_are_errors_alone_where_an_earlier_version_pruned_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    kept = [
        request(f"r{n}", None if n < 5 else TokenUsage(1, 1, 2), status="error" if n < 3 else "ok") for n in range(7)
    ]
    with closing(sqlite3.connect(path)) as old:
        migrations.apply(Database(old), stop_before="told")
        for row in map(request_row, kept):
            names = ", ".join(f'"{name}"' for name in row)
            old.execute(f"insert into requests ({names}) values ({', '.join('?' * len(row))})", tuple(row.values()))
        old.execute("insert into pruned values ('2026-11-24T00:00:00.000000Z', '2026-11-28T00:00:00.000000Z')")
        old.execute("delete from requests")
        old.execute("update minutes_since set start = cast(strftime('%s', '2026-11-24') as integer)")
        old.commit()
    ledger = Ledger(path)
    (line,) = await ledger.usage(Dimension.DEPLOYMENT, EVER)
    assert (line.requests, line.unreported, line.errors, line.total_tokens) == (7, 2, 3, 4)
    assert [(p.unreported, p.errors) for p in await ledger.trend(timedelta(hours=1), EVER)] == [(2, 3)]
    assert (await check(ledger)).problems == ()
    await ledger.close()


def test_history_cannot_be_rewritten(tmp_path: Path) -> None:
    with closing(open_ledger(tmp_path / "ledger.db")) as db:
        db.execute(
            "insert into requests (id, at, source, deployment, status) values ('a', '2026-11-23T10:00:00.000000Z', 'cli', 'd', 'ok')"
        )
        db.execute("insert into prices (cluster, namespace, deployment, from_at) values ('c', 'n', 'd', 't')")
        for statement in ("update requests set cost = '0'", "update prices set from_at = 'u'", "delete from prices"):
            with pytest.raises(sqlite3.IntegrityError, match="not rewritten"):
                db.execute(statement)


async def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(open_ledger(path)) as db:
        db.execute("insert into _sqlite_migrations (migration_set, name) values ('genai-tui', 'of_the_future')")
    with pytest.raises(GenaiTuiError, match="newer genai-tui") as caught:
        await Ledger(path).record(request("a"))
    assert "of_the_future" in caught.value.problem.why


async def test_a_locked_file_is_said_to_be_locked(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger(path, busy_limit_s=0.05)
    await ledger.record(request("a"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin exclusive")
        with pytest.raises(GenaiTuiError) as caught:
            await ledger.record(request("b"))
        assert "another program keeps it locked" in caught.value.problem.line
    await ledger.record(request("b"))
    await ledger.close()
    assert await ids(path) == {"a", "b"}


async def test_a_damaged_file_is_said_to_be_damaged_and_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"this is not a database" * 500)
    with pytest.raises(GenaiTuiError) as caught:
        await Ledger(path).usage(Dimension.MODEL, EVER)
    assert "the file is damaged" in caught.value.problem.line
    assert path.read_bytes() == b"this is not a database" * 500


async def test_a_place_that_cannot_hold_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    with pytest.raises(GenaiTuiError) as caught:
        await Ledger(tmp_path / "state" / "ledger.db").record(request("a"))
    assert str(tmp_path / "state" / "ledger.db") in caught.value.problem.what
    assert caught.value.problem.next_step


def test_a_file_that_may_not_be_written_is_said_to_be_that(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    open_ledger(path).close()
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    with closing(db), pytest.raises(GenaiTuiError) as caught, explained(path):
        db.execute("delete from requests")
    assert "it may not be written" in caught.value.problem.line
    assert f"check who owns {path}" in caught.value.problem.next_step


def test_a_full_disk_is_said_to_be_full(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(open_ledger(path)) as db:
        pages = db.execute("pragma page_count").fetchone()[0]
        db.execute(f"pragma max_page_count = {pages}")
        with pytest.raises(GenaiTuiError) as caught, explained(path):
            db.execute("create table filler as select randomblob(100000)")
    assert "the disk is full" in caught.value.problem.line
    assert "free space" in caught.value.problem.next_step
