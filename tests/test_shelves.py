"""Conversations and prompts kept by name."""

from __future__ import annotations

import shutil
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from genai_tui import shelves
from genai_tui.domain.chat import Answered, Message, TokenChance, ToolCall
from genai_tui.domain.conversation import SavedConversation, SavedPrompt, Turn, asked, messages, totals, tries_at
from genai_tui.domain.money import Cost
from genai_tui.domain.problems import Problem
from genai_tui.domain.rows import Ref
from genai_tui.domain.usage import Timings, TokenUsage
from genai_tui.errors import GenaiTuiError
from genai_tui.known_secrets import remember

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
END = Answered(
    "Blue.", "stop", TokenUsage(34, 7, 41, 3), Timings(82.5, 197.0, 61.2), Cost(Decimal("0.0000110"), "USD"),
    (ToolCall("weather", "{}", "call_1"),), (TokenChance("Blue", -0.1, (("Red", -2.0),)),),
)  # fmt: skip
FIRST = Turn("Name a colour.", "Blue.", "a colour…", END)
STOPPED = Turn(
    "And?", "Wel", stopped=True, running_usage=TokenUsage(40, 1, 41), running_cost=Cost(Decimal("1E-7"), "USD")
)
FAILED = Turn("Why?", problem=Problem("the engine is gone", "connection refused", "ask again"))
RESULTS = Turn("", "Well.", results=('{"sky": "blue"}',))
HELD = SavedConversation(
    "colours", Ref("team-a", "chat"), {"system": "Be brief.", "seed": "7"},
    (*asked(asked(asked(asked((FAILED, STOPPED), 0, FIRST), 1, STOPPED), 1, FAILED), 2, STOPPED), FIRST, RESULTS), NOON,
)  # fmt: skip


def test_a_conversation_comes_back_with_every_try_count_and_cost(tmp_path: Path) -> None:
    shelves.conversations(tmp_path).save(HELD)
    (back,) = shelves.conversations(tmp_path).saved()
    assert back == HELD
    assert totals(back.turns) == totals(HELD.turns)


def test_one_that_was_kept_before_there_were_branches_still_opens(tmp_path: Path) -> None:
    (tmp_path / "conversations").mkdir()
    shutil.copy(Path(__file__).parent / "data" / "conversations" / "without-branches.json", tmp_path / "conversations")
    shelf = shelves.conversations(tmp_path)
    (back,) = shelf.saved()
    assert shelf.set_aside() == ()
    assert [turn.question for turn in back.turns] == ["Name a colour.", "And?", "Why?"]
    assert [turn.question for turn in tries_at(back.turns, 2)] == ["Name a colour.", "Why?"]
    assert (totals(back.turns).questions, totals(back.turns).failed) == (5, 2)


def test_one_that_was_kept_before_calls_had_ids_opens_and_its_results_can_be_given(tmp_path: Path) -> None:
    (tmp_path / "conversations").mkdir()
    shutil.copy(Path(__file__).parent / "data" / "conversations" / "calls-without-ids.json", tmp_path / "conversations")
    (back,) = shelves.conversations(tmp_path).saved()
    assert messages("", back.turns, "", ("warm",))[-2:] == (
        Message("assistant", "", (ToolCall("weather", "{}", "call00003"),)),
        Message("tool", "warm", tool_call_id="call00003"),
    )


def test_newest_first_and_a_name_is_there_once(tmp_path: Path) -> None:
    shelf = shelves.prompts(tmp_path)
    shelf.save(SavedPrompt("brief", "Be brief.", NOON))
    shelf.save(SavedPrompt("../rude", "Be rude.", NOON + timedelta(minutes=1)))
    shelf.save(SavedPrompt("brief", "Be very brief.", NOON + timedelta(minutes=2)))
    assert [(one.name, one.text) for one in shelf.saved()] == [("brief", "Be very brief."), ("../rude", "Be rude.")]
    shelf.discard("../rude")
    assert [one.name for one in shelf.saved()] == ["brief"]


def test_only_the_owner_reads_it_and_no_secret_of_this_process_stands_in_it(tmp_path: Path) -> None:
    secret = 'kept-"secret\\value'
    remember(secret)
    told = replace(FIRST, question=f"my key is {secret}", answer=f"{secret}?")
    shelves.conversations(tmp_path).save(replace(HELD, turns=(told,)))
    (path,) = (tmp_path / "conversations").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "secret" not in path.read_text()
    (back,) = shelves.conversations(tmp_path).saved()
    assert back.turns[0].question.startswith("my key is ")
    assert secret not in back.turns[0].question


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ('-----BEGIN PRIVATE KEY-----\nMIIEv"}', "[hidden]"),
        ('see "https://ann:secret1@host/x"', 'see "https://ann:[hidden]@host/x"'),
        ("use --api-key\nsk-abcdefgh12345678", "use --api-key\n[hidden]"),
    ],
)
def test_hiding_takes_no_more_than_the_secret(tmp_path: Path, said: str, kept: str) -> None:
    shelf = shelves.conversations(tmp_path)
    shelf.save(replace(HELD, turns=(replace(FIRST, question=said), STOPPED)))
    (back,) = shelf.saved()
    assert (back.turns[0].question, back.turns[1]) == (kept, STOPPED)


@pytest.mark.parametrize("content", ["{", '{"name": "x", "turns": [3]}', "[" * 100_000])
def test_a_file_that_cannot_be_read_is_set_aside_and_told(tmp_path: Path, content: str) -> None:
    shelf = shelves.conversations(tmp_path)
    shelf.save(HELD)
    (tmp_path / "conversations" / "bad.json").write_text(content)
    assert shelf.saved() == (HELD,)
    assert [said.partition(";")[0] for said in shelf.set_aside()] == ["a kept conversation cannot be read"]


def test_branches_too_deep_for_a_file_are_told_and_what_was_kept_stays(tmp_path: Path) -> None:
    shelf = shelves.conversations(tmp_path)
    shelf.save(HELD)
    turns: tuple[Turn, ...] = (FIRST,) * 400
    for at in reversed(range(400)):
        turns = asked(turns, at, FIRST)
    with pytest.raises(GenaiTuiError, match="cannot be kept"):
        shelf.save(replace(HELD, turns=turns))
    assert shelf.saved() == (HELD,)


def test_a_disk_that_takes_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "conversations").write_text("in the way")
    with pytest.raises(GenaiTuiError, match="the conversation cannot be kept"):
        shelves.conversations(tmp_path).save(HELD)
