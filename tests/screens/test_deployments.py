"""The home list, by keys."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from textual.pilot import Pilot

from genai_tui.domain.problems import FieldChange, Problem
from genai_tui.domain.rows import Health, Link, Phase, Ref
from genai_tui.errors import CredentialsRejected, NotPermitted
from screens.dialogs.confirm import TypedConfirmDialog
from screens.dialogs.explain import ExplainDialog
from screens.dialogs.number import NumberDialog
from screens.dialogs.problem import ProblemDialog
from screens.forms.picker import PickerScreen
from tests.fakes import tour
from tests.fakes.services import CONNECTING, LIVE, FakeServices, offline, stale
from tests.screens.console import page, wait_until
from tests.screens.home import home, names, sent, table, toasts

DELETE = ("delete", "apps/deployments", "team-a")


async def on(pilot: Pilot[Any], name: str) -> None:
    """Go down to a row."""
    for _ in range(table(pilot).row_count):
        cursor = table(pilot).cursor
        if cursor is not None and cursor.name == name:
            return
        await pilot.press("down")
    raise AssertionError(f"no row {name}\n{page(pilot.app)}")


async def dialog(pilot: Pilot[Any], kind: type) -> None:
    await wait_until(pilot, lambda: isinstance(pilot.app.screen, kind), kind.__name__)


# What is seen ---------------------------------------------------------------------------------------------------------


async def test_the_list_names_the_cause_beside_the_phase_and_what_is_missing_is_a_dash() -> None:
    async with home(FakeServices(), size=(200, 24)) as pilot:
        text = page(pilot.app)
    assert "✖ Failed: context 131072 exceeds the KV cache of 61440 tokens" in text
    assert "◑ Loading 62%, 3 of 5 shards, about 1m40s left" in text
    assert "○ Pending: no node has 4 free nvidia.com/gpu (largest block 2 on gpu-3)" in text
    (chat,) = [line for line in text.splitlines() if line.strip().startswith("chat ")]
    assert chat.split() == "chat team-a smollm2-135m vllm ● Running 2/2 2 internal 3.2 412 3d".split()
    (pending,) = [line for line in text.splitlines() if "llama-nim" in line]
    assert pending.split()[-3:] == ["–", "–", "12m"]
    assert "2 need you" in text


async def test_at_80_columns_name_phase_and_cause_stay_and_the_cause_stands_whole_below() -> None:
    async with home(FakeServices()) as pilot:
        await on(pilot, "summarize")
        lines = page(pilot.app).splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert lines[1].split() == ["NAME", "NAMESPACE", "PHASE", "READY", "GPUS"]
    assert "no node has 4 free nvidia.com/gpu (largest block 2 on gpu-3)" in lines[-3]
    assert "do  ask for at most 2 GPUs, or free 2 more on gpu-3" in lines[-2]


async def test_changes_are_drawn_and_the_cursor_stays_on_its_row() -> None:
    world = FakeServices()
    async with home(world, size=(120, 24)) as pilot:
        await on(pilot, "chat-long")
        world.picture.put(
            replace(tour.chat_row(), ref=Ref("alpha", "first")),
            tour.with_phase(tour.chat_long_row(), Phase.RUNNING, ready=1),
        )
        world.picture.remove(tour.EMBED)
        await pilot.pause()
        assert names(pilot) == ["first", "chat", "chat-long", "summarize"]
        assert table(pilot).cursor == tour.CHAT_LONG
        (line,) = [line for line in page(pilot.app).splitlines() if line.strip().startswith("chat-long")]
        assert "● Running" in line
        world.picture.remove(tour.CHAT_LONG)
        await pilot.pause()
        assert table(pilot).cursor == tour.SUMMARIZE


async def test_what_another_tool_made_is_marked_and_not_written_to() -> None:
    world = FakeServices((tour.foreign_row(),))
    async with home(world, size=(120, 24)) as pilot:
        assert "reranker ⌁kserve" in page(pilot.app)
        for key in ("s", "e", "ctrl+d"):
            await pilot.press(key)
        assert "was made by kserve: change it there" in toasts(pilot)
        await pilot.press("c")
        assert sent(pilot) == [("playground", tour.FOREIGN)]
    assert world.operations.calls == []


async def test_text_from_the_cluster_cannot_write_to_the_terminal() -> None:
    evil = tour.with_phase(tour.embed_row(), Phase.FAILED, "\x1b[2J\x1b]0;owned\x07gone\nsecond line\u202e")
    async with home(FakeServices((evil,)), size=(160, 24)) as pilot:
        text = page(pilot.app)
    assert "\x1b" not in text
    assert "gone␊second line\ufffd" in text


# Narrowing and order --------------------------------------------------------------------------------------------------


async def test_the_filter_narrows_while_typing_and_escape_shows_all() -> None:
    async with home(FakeServices()) as pilot:
        await pilot.press("slash", *"chat")
        assert names(pilot) == ["chat", "chat-long"]
        await pilot.press("space", *"load")
        assert names(pilot) == ["chat-long"]
        assert "1 of 4" in page(pilot.app)
        await pilot.press("enter")
        assert pilot.app.focused is table(pilot)
        await pilot.press("enter")
        assert sent(pilot) == [("overview", tour.CHAT_LONG)]
        await pilot.press("slash", *"zzz")
        assert "No deployment has these words" in page(pilot.app)
        await pilot.press("escape")
        assert len(names(pilot)) == 4
        assert pilot.app.screen.query_one("#list-filter").display is False


async def test_a_changed_row_enters_and_leaves_the_filter() -> None:
    world = FakeServices()
    async with home(world) as pilot:
        await pilot.press("slash", *"running", "enter")
        assert names(pilot) == ["chat"]
        world.picture.put(tour.with_phase(tour.embed_row(), Phase.RUNNING))
        await pilot.pause()
        assert names(pilot) == ["embed", "chat"]
        world.picture.put(tour.with_phase(tour.chat_row(), Phase.DEGRADED))
        await pilot.pause()
        assert names(pilot) == ["embed"]


async def test_sorting_keeps_the_cursor_and_turns_round_and_goes_away() -> None:
    async with home(FakeServices(), size=(160, 24)) as pilot:
        await on(pilot, "summarize")
        await pilot.press("N")
        assert names(pilot) == ["chat", "chat-long", "embed", "summarize"]
        await pilot.press("N")
        assert names(pilot) == ["summarize", "embed", "chat-long", "chat"]
        assert "NAME↓" in page(pilot.app)
        assert table(pilot).cursor == tour.SUMMARIZE
        await pilot.press("N")
        assert names(pilot) == ["embed", "chat", "chat-long", "summarize"]
        await pilot.press("P")
        assert names(pilot) == ["embed", "summarize", "chat-long", "chat"]
        await pilot.press("T", "T")
        assert names(pilot)[0] == "chat"


async def test_the_mouse_sorts_moves_and_opens() -> None:
    async with home(FakeServices(), size=(160, 24)) as pilot:
        await pilot.click(table(pilot), offset=(3, 0))
        assert names(pilot)[-1] == "summarize"
        await pilot.click(table(pilot), offset=(5, 3))
        assert table(pilot).cursor == tour.EMBED
        await pilot.click(table(pilot), offset=(5, 1), times=2)
        assert sent(pilot) == [("overview", tour.CHAT)]


async def test_one_namespace_can_be_shown() -> None:
    world = FakeServices()
    async with home(world, size=(100, 24)) as pilot:
        await pilot.press("w")
        await dialog(pilot, PickerScreen)
        await pilot.press(*"team-a", "enter")
        await wait_until(pilot, lambda: names(pilot) == ["chat", "chat-long"])
        assert "tour › team-a" in page(pilot.app)
        world.picture.put(tour.with_phase(tour.embed_row(), Phase.RUNNING))
        await pilot.pause()
        assert names(pilot) == ["chat", "chat-long"]
        await pilot.press("escape")
        assert len(names(pilot)) == 4


# Acting ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "where"),
    [
        ("enter", ("overview", tour.CHAT)),
        ("l", ("logs", tour.CHAT)),
        ("c", ("playground", tour.CHAT)),
        ("e", ("wizard", tour.CHAT)),
        ("n", ("wizard", None)),
    ],
)
async def test_keys_lead_to_the_row_under_the_cursor(key: str, where: tuple[str, object]) -> None:
    async with home(FakeServices()) as pilot:
        await on(pilot, "chat")
        await pilot.press(key)
        assert sent(pilot) == [where]


async def test_describe_tells_cause_fix_and_evidence() -> None:
    async with home(FakeServices()) as pilot:
        await on(pilot, "embed")
        await pilot.press("d")
        await dialog(pilot, ExplainDialog)
        text = page(pilot.app)
        assert "✖ Failed" in text
        assert "set the context length to 61440 or less" in text
        assert "ValueError: The model's max seq len" in text
        await pilot.press("escape")
        assert pilot.app.focused is table(pilot)


async def test_delete_asks_for_the_name_and_calls_once() -> None:
    world = FakeServices()
    async with home(world) as pilot:
        await on(pilot, "chat")
        await pilot.press("ctrl+d")
        await dialog(pilot, TypedConfirmDialog)
        assert "Delete team-a/chat?" in page(pilot.app)
        await pilot.press("enter", *"cha", "enter")
        assert "that is not chat" in page(pilot.app)
        assert world.operations.calls == []
        await pilot.press("t", "enter")
        await wait_until(pilot, lambda: world.operations.calls)
        assert "team-a/chat is being deleted" in toasts(pilot)
        assert names(pilot) == ["embed", "chat", "chat-long", "summarize"], "the row goes when the watch says so"
    assert world.operations.calls == [("delete", "ModelDeployment", "team-a/chat")]


async def test_leaving_the_question_deletes_nothing() -> None:
    world = FakeServices()
    async with home(world) as pilot:
        await pilot.press("ctrl+d")
        await dialog(pilot, TypedConfirmDialog)
        await pilot.press("escape")
        await wait_until(pilot, lambda: pilot.app.focused is table(pilot))
    assert world.operations.calls == []


async def test_scale_says_what_the_number_means() -> None:
    world = FakeServices()
    async with home(world) as pilot:
        await on(pilot, "chat-long")
        await pilot.press("s")
        await dialog(pilot, NumberDialog)
        await pilot.press("up", "up")
        assert "2 more: needs 8 GPUs" in page(pilot.app)
        await pilot.press("ctrl+u", *"1x", "enter")
        assert "write a whole number from 0 to 1000" in page(pilot.app)
        await pilot.press("ctrl+u", "0")
        assert "stops it" in page(pilot.app)
        await pilot.press("enter")
        await wait_until(pilot, lambda: world.operations.calls)
    assert world.operations.calls == [("scale", "team-a/chat-long", "0")]


async def test_a_refused_write_is_told_with_what_to_do() -> None:
    world = FakeServices()
    detail = "forbidden: exceeded quota: gpus"
    world.operations.failure = NotPermitted("the cluster refused to scale", next_step="ask an admin", detail=detail)
    async with home(world) as pilot:
        await pilot.press("s")
        await dialog(pilot, NumberDialog)
        await pilot.press("up", "enter")
        await dialog(pilot, ProblemDialog)
        text = page(pilot.app)
        assert "the cluster refused to scale" in text
        assert "ask an admin" in text
        assert "exceeded quota" not in text
        await pilot.press("d")
        assert "exceeded quota" in page(pilot.app)


async def test_read_only_has_no_writing_keys_at_all() -> None:
    world = FakeServices(read_only=True)
    async with home(world) as pilot:
        text = page(pilot.app)
        assert "read-only" in text.splitlines()[0]
        assert "Scale" not in text
        assert "New" not in text
        await on(pilot, "chat")
        await pilot.press("n", "s", "e", "ctrl+d")
        assert sent(pilot) == []
        await pilot.press("question_mark")
        await wait_until(pilot, lambda: "Here" in page(pilot.app))
        assert "Delete it" not in page(pilot.app)
    assert world.operations.calls == []


async def test_a_missing_permission_names_verb_resource_and_namespace() -> None:
    world = FakeServices()
    world.access.refused.add(DELETE)
    async with home(world) as pilot:
        await on(pilot, "chat")
        await wait_until(pilot, lambda: "team-a" in world.access.checked)
        await pilot.press("ctrl+d")
        await pilot.pause()
        assert "operator may not delete deployments.apps in namespace team-a" in toasts(pilot)
        await on(pilot, "summarize")
        await pilot.press("ctrl+d")
        await dialog(pilot, TypedConfirmDialog)
    assert world.operations.calls == []


# Fresh, old, empty, broken --------------------------------------------------------------------------------------------


async def test_an_old_list_says_since_when_and_why_and_comes_back() -> None:
    world = FakeServices()
    async with home(world) as pilot:
        world.picture.set_health(stale())
        await pilot.pause()
        text = page(pilot.app)
        assert "stale since 10:43" in text
        assert "▲ not updated since 10:43:00 UTC: tour does not answer: connection refused" in text
        assert "● Running" in text
        world.picture.set_health(LIVE)
        await pilot.pause()
        assert "not updated" not in page(pilot.app)


async def test_every_way_to_have_no_rows_is_told_apart() -> None:
    world = FakeServices(())
    async with home(world) as pilot:
        assert "No model deployments yet" in page(pilot.app)
        assert "makes one: choose a model and an endpoint" in page(pilot.app)
        world.picture.set_health(CONNECTING)
        await pilot.pause()
        assert "Connecting to tour" in page(pilot.app)
        world.picture.set_health(offline())
        await pilot.pause()
        text = page(pilot.app)
        assert "the cluster refused the credentials of context tour" in text
        assert "the token has expired" in text
        assert "aws sso login" in text
        assert "offline" in text.splitlines()[0]


async def test_services_that_do_not_start_are_told_and_started_again() -> None:
    world = FakeServices(())
    world.picture.set_health(Health(Link.CONNECTING))
    world.start_failure = CredentialsRejected("the plugin aws is not installed", next_step="install it")
    async with home(world) as pilot:
        await wait_until(pilot, lambda: "the plugin aws is not installed" in page(pilot.app))
        assert "install it" in page(pilot.app)
        world.start_failure = None
        await pilot.press("ctrl+r")
        await wait_until(pilot, lambda: world.started == 2)
        assert "Connecting to tour" in page(pilot.app)


async def test_an_unfinished_form_is_offered_and_resumed_or_forgotten() -> None:
    world = FakeServices()
    world.drafts.save("ModelDeployment/new/1", "deployment half of smollm2-135m", {"name": "half"})
    async with home(world) as pilot:
        assert "unfinished: deployment half of smollm2-135m   r resume   X discard" in page(pilot.app)
        await pilot.press("r")
        assert sent(pilot) == [("resume", "ModelDeployment/new/1")]
        await pilot.press("X")
        await wait_until(pilot, lambda: "Discard the unfinished deployment half of smollm2-135m?" in page(pilot.app))
        await pilot.press("n")
        assert world.drafts.saved()
        await pilot.press("X", "y")
        await wait_until(pilot, lambda: "unfinished" not in page(pilot.app))
    assert world.drafts.saved() == ()


async def test_the_fix_of_a_row_opens_its_form_and_touches_no_unfinished_one() -> None:
    world = FakeServices()
    world.drafts.save("ModelDeployment/new/1", "deployment half of smollm2-135m", {"name": "half"})
    failed = tour.embed_row()
    told = replace(failed.assessment, changes=(FieldChange("engine.contextLength", "61440"),))
    world.picture.put(replace(failed, assessment=told))
    async with home(world) as pilot:
        await on(pilot, "embed")
        assert "x do  " in page(pilot.app)
        await pilot.press("x", "d")
        await dialog(pilot, ExplainDialog)
        assert "x open the form with the fix" in page(pilot.app)
        await pilot.press("x")
        await wait_until(pilot, lambda: len(sent(pilot)) == 2)
        assert sent(pilot) == [("engine.contextLength=61440", failed.ref)] * 2
        await on(pilot, "chat")
        await pilot.press("x")
        assert len(sent(pilot)) == 2
        assert world.drafts.saved()


async def test_ages_move_on() -> None:
    world = FakeServices()
    async with home(world, size=(160, 24)) as pilot:
        assert "12m" in page(pilot.app)
        world.now += timedelta(hours=2)
        world.picture.put(tour.with_phase(tour.summarize_row(), Phase.PENDING, "still"))
        await pilot.pause()
        assert " 2h" in page(pilot.app)


async def test_a_problem_without_words_does_not_break_the_banner() -> None:
    world = FakeServices()
    async with home(world) as pilot:
        world.picture.set_health(Health(Link.STALE, None, None, Problem("it broke")))
        await pilot.pause()
        assert "▲ not updated: it broke" in page(pilot.app)
