"""`genai-tui usage` over a window, by a group or a period, narrowed; on a ledger with known requests."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from genai_tui.arguments import parser
from genai_tui.cli import _verb
from genai_tui.domain.usage import TokenUsage
from genai_tui.errors import BadInput
from genai_tui.metering.ledger import Ledger
from genai_tui.services import Services
from genai_tui.settings import Settings
from tests.metering.writer import request

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
# How long ago, who, source: each with ten tokens a minute of its age.
ASKED = ((5, "alice", "playground"), (20, "bob", "gateway"), (70, "bob", "gateway"), (26 * 60, "alice", "cli"))


async def ask(directory: Path, *words: str) -> None:
    """What the command line does with these words."""
    ledger = Ledger(directory / "ledger.db")
    for number, (minutes, user, source) in enumerate(ASKED):
        at = (NOW - timedelta(minutes=minutes)).isoformat()
        used = TokenUsage(8 * minutes, 2 * minutes, 10 * minutes)
        await ledger.record(request(f"r{number}", used, at=at, user=user, source=source))
    services = cast(Services, SimpleNamespace(usage=ledger, clock=lambda: NOW))
    try:
        await _verb(parser().parse_args(["usage", *words]), Settings())(services)
    finally:
        await ledger.close()


def found(text: str, by: str) -> dict[str, Any]:
    return {item[by]: item["totalTokens"] for item in json.loads(text)["items"]}


@pytest.mark.parametrize(
    ("words", "by", "sums"),
    [
        ("--by hour --source gateway", "hour", {"2026-11-23T11:00:00Z": 700, "2026-11-23T12:00:00Z": 200}),
        ("--since 2026-11-22 --by day", "day", {"2026-11-22T00:00:00Z": 15_600}),
        ("--since 2026-11-22 --until 2026-11-22 --by user", "user", {"alice": 15_600}),
        ("--since 2026-11-23 --by user", "user", {"bob": 900, "alice": 50}),
        ("--since 2h --until 10m --by source", "source", {"gateway": 900}),
        ("--since 2026-11-23T11:20:00Z --until 2026-11-23T11:20:01Z", "deployment", {"team-a/chat": 700}),
        ("--since 7d --user alice --by source", "source", {"cli": 15_600, "playground": 50}),
        ("--since 7d --deployment team-a/chat --source cli", "deployment", {"team-a/chat": 15_600}),
    ],
)
async def test_a_window_by_a_group_or_a_period(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, by: str, sums: dict[str, int]
) -> None:
    await ask(tmp_path, *words.split(), "-o", "json")
    assert sums.items() <= found(capsys.readouterr().out, by).items()


async def test_the_table_and_csv_of_periods(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await ask(tmp_path, "--by", "day", "--source", "gateway")
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["DAY", "REQUESTS", "PROMPT", "COMPLETION", "TOTAL", "COST", "CURRENCY", "SOURCE"]
    assert row.split() == ["2026-11-23T00:00:00Z", "2", "720", "180", "900", "0.000252", "USD", "gateway"]
    await ask(tmp_path, "--by", "source", "--user", "bob", "-o", "csv")
    assert capsys.readouterr().out.splitlines() == [
        "source,requests,promptTokens,completionTokens,totalTokens,cost,currency,unreported,errors,"
        "ttftP50Ms,ttftP95Ms,ttftP99Ms,totalP50Ms,totalP95Ms,totalP99Ms",
        "gateway,2,720,180,900,0.000252,USD,0,0,,,,,,",
    ]


async def test_nothing_found_says_what_was_looked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await ask(tmp_path, "--since", "1h", "--until", "30m", "--user", "carol")
    assert capsys.readouterr().out == "no requests of user carol since 1h until 30m\n"


@pytest.mark.parametrize("words", ["--since 1h --until 2h", "--until 2026-02-30", "--since yesterday"])
async def test_a_window_that_is_none_is_refused(tmp_path: Path, words: str) -> None:
    with pytest.raises(BadInput):
        await ask(tmp_path, *words.split())
