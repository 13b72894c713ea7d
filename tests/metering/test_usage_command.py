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
from genai_tui.counting import Counting
from genai_tui.domain.usage import TokenUsage
from genai_tui.errors import BadInput, GenaiTuiError, NotFound
from genai_tui.metering import upkeep
from genai_tui.metering.counters import CounterRows
from genai_tui.metering.ledger import Ledger
from genai_tui.services import Services
from genai_tui.settings import Settings
from tests.metering.writer import PRICE, request

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
# How long ago, who, source: each with ten tokens a minute of its age.
LONG_AGO = "2026-10-01T00:00:00+00:00"
ASKED = ((5, "alice", "playground"), (20, "bob", "gateway"), (70, "bob", "gateway"), (26 * 60, "alice", "cli"))


async def nothing() -> None:
    """Stands for what asks a cluster."""


async def fill(ledger: Ledger) -> None:
    for number, (minutes, user, source) in enumerate(ASKED):
        at = (NOW - timedelta(minutes=minutes)).isoformat()
        used = TokenUsage(8 * minutes, 2 * minutes, 10 * minutes)
        await ledger.record(request(f"r{number}", used, at=at, user=user, source=source))
    for namespace, name in (("team-b", "embed"), ("team-a", "twice"), ("team-b", "twice")):
        price = None if name == "embed" else PRICE
        place = {"namespace": namespace, "deployment": name, "at": LONG_AGO}
        await ledger.record(request(f"{namespace}{name}", TokenUsage(1, 1, 2), price, **place))


async def ask(directory: Path, *words: str, command: str = "usage") -> None:
    """What the command line does with these words."""
    path = directory / "ledger.db"
    new, ledger = not path.exists(), Ledger(path)
    if new:
        await fill(ledger)
    counting = Counting(CounterRows(ledger), "https://c:6443", nothing, lambda: NOW)
    session = SimpleNamespace(server="https://c:6443", namespace="default")
    known = SimpleNamespace(usage=ledger, clock=lambda: NOW, counters=counting, session=session, settle=nothing)
    options = parser().parse_args([command, *words])
    try:
        await _verb(options, Settings(namespace=options.namespace))(cast(Services, known))
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
        ("--since 0001-01-01 --user alice --by source", "source", {"cli": 15_600, "playground": 50}),
        ("--since 0001-01-02 --user alice --by source", "source", {"cli": 15_600, "playground": 50}),
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
        "source,requests,promptTokens,cachedTokens,completionTokens,totalTokens,cost,currency,unreported,errors,"
        "ttftP50Ms,ttftP95Ms,ttftP99Ms,totalP50Ms,totalP95Ms,totalP99Ms",
        "gateway,2,720,,180,900,0.000252,USD,0,0,,,,,,",
    ]


async def test_nothing_found_says_what_was_looked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await ask(tmp_path, "--since", "1h", "--until", "30m", "--user", "carol")
    assert capsys.readouterr().out == "no requests of user carol since 1h until 30m\n"


@pytest.mark.parametrize("words", ["--since 1h --until 2h", "--until 2026-02-30", "--since yesterday"])
async def test_a_window_that_is_none_is_refused(tmp_path: Path, words: str) -> None:
    with pytest.raises(BadInput):
        await ask(tmp_path, *words.split())


@pytest.mark.parametrize("name", [["chat"], ["team-a/chat"], ["chat", "-n", "team-a"]])
@pytest.mark.parametrize("command", ["prices", "reconcile", "usage"])
async def test_a_deployment_is_named_alone_or_with_its_namespace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, name: list[str]
) -> None:
    words = ["--deployment", *name] if command == "usage" else name
    await ask(tmp_path, *words, "-o", "json", command=command)
    (item, *_) = json.loads(capsys.readouterr().out)["items"]
    wanted = {
        "prices": ("inputPerMillion", "0.2"),
        "reconcile": ("attributedPromptTokens", 760),
        "usage": ("errors", 0),
    }
    key, value = wanted[command]
    assert item[key] == value


@pytest.mark.parametrize("command", ["prices", "reconcile", "usage"])
@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        (["chatt"], NotFound, "no deployment is called 'chatt' in this machine's ledger; did you mean 'chat'?"),
        (["team-b/chat"], NotFound, "no deployment is called 'chat' in namespace team-b in this machine's ledger"),
        (["twice"], BadInput, "team-a, team-b"),
    ],
)
async def test_a_name_that_nothing_or_more_than_one_has_is_said(
    tmp_path: Path, command: str, name: list[str], error: type[GenaiTuiError], says: str
) -> None:
    words = ["--deployment", *name] if command == "usage" else name
    with pytest.raises(error) as caught:
        await ask(tmp_path, *words, command=command)
    assert says in caught.value.problem.line


async def test_csv_has_its_header_where_nothing_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for by in ("deployment", "source", "hour"):
        for since in ("24h", "1m"):
            await ask(tmp_path, "--by", by, "--since", since, "-o", "csv")
        head, *rows = capsys.readouterr().out.splitlines()
        assert rows[-1] == head
        assert len(rows) > 1
    await ask(tmp_path, "embed", "-o", "csv", command="prices")
    assert capsys.readouterr().out == "from,currency,inputPerMillion,cachedInputPerMillion,outputPerMillion\n"


async def test_minutes_of_pruned_time_are_told_by_hour_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await ask(tmp_path, "--since", "3d", "--by", "minute", "-o", "json")
    assert len(json.loads(capsys.readouterr().out)["items"]) == 4
    ledger = Ledger(tmp_path / "ledger.db")
    await upkeep.prune(ledger, NOW, NOW)
    await ledger.close()
    await ask(tmp_path, "--since", "3d", "--by", "minute", "-o", "json")
    said = capsys.readouterr()
    assert sum(item["requests"] for item in json.loads(said.out)["items"]) == 4
    assert {item["hour"][-7:] for item in json.loads(said.out)["items"]} == {":00:00Z"}
    assert said.err.startswith("by hour, not by minute")


@pytest.mark.parametrize("name", ["key", "organization", "user", "model", "deployment", "source"])
async def test_a_name_that_is_empty_is_refused_and_is_not_everything(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match=f"--{name} is empty"):
        await ask(tmp_path, f"--{name}", "")


async def test_a_source_that_is_none_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        await ask(tmp_path, "--source", "bogus")
    assert "use playground, cli, gateway" in caught.value.problem.line
