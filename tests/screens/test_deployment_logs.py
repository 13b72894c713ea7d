"""The logs of a deployment, read with keys; and the law that a log read again loses and repeats nothing."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.cluster import ContainerState
from genai_tui.domain.rows import Phase
from genai_tui.errors import NotFound, NotPermitted, Unreachable
from genai_tui.services import LogLine
from screens.deployment.log_lines import LogBuffer, tone_of
from screens.deployment.text_view import KEPT, SPARE, Row, TextView
from tests.fakes.tour import CHAT, SUMMARIZE
from tests.screens.deployment_world import Script, World, detail_of, line, page, replica, says, showing, wait_until

FIRST, SECOND = "chat-7c9d8f6b5-x7k2p", "chat-7c9d8f6b5-q4m8z"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("screens.deployment.logs.PAUSE_S", 0.0)
    monkeypatch.setattr("screens.deployment.logs.AGAIN_S", 0.05)
    return World()


def body(text: str) -> list[str]:
    """The lines of the log alone, without the scroll bar."""
    return [shown[:78].rstrip() for shown in text.splitlines()[4:-2]]


async def test_a_broken_stream_is_read_again_without_loss_or_repetition(world: World) -> None:
    first: Script = [line("one", 1), line("two", 2), Unreachable("cannot reach the cluster")]
    world.scripted.scripts = [first, [line("one", 1), line("two", 2), line("two", 2), line("three", 3)]]
    async with showing(world, CHAT, "logs") as pilot:
        await says(pilot, "three")
        assert [text.strip() for text in body(page(pilot)) if text.strip()] == ["one", "two", "two", "three"]
        assert "4 lines   following" in page(pilot)


async def test_what_a_container_prints_cannot_reach_the_terminal(world: World) -> None:
    world.scripted.scripts = [[line("\x1b[2J\x1b]0;owned\x07before\x00after\u202e"), line("bell \x07")]]
    async with showing(world, CHAT, "logs") as pilot:
        await says(pilot, "bell")
        shown = page(pilot)
        assert "␛[2J␛]0;owned␇before␀after" in shown
        assert "bell ␇" in shown
        assert not any(character in shown for character in ("\x1b", "\x07", "\x00", "\u202e"))


async def test_replicas_and_the_run_before_are_one_key_away(world: World) -> None:
    world.scripted.scripts = [[line("said")]]
    async with showing(world, CHAT, "logs") as pilot:
        await says(pilot, "x7k2p 1/2")
        await pilot.press("right_square_bracket")
        await says(pilot, "q4m8z 2/2")
        await wait_until(pilot, lambda: world.scripted.asked[-1] == (SECOND, "engine", False))
        await pilot.press("p")
        await wait_until(pilot, lambda: world.scripted.asked[-1] == (SECOND, "engine", True))
        await says(pilot, "the end of the previous run")
        world.scripted.scripts = [[NotFound("previous terminated container not found")]]
        await pilot.press("p", "left_square_bracket", "p")
        await says(pilot, "there was no run before this one")


async def test_what_prepares_a_replica_has_a_log_before_its_engine(world: World) -> None:
    detail = detail_of(CHAT)
    first = detail.replicas[0]
    fetch = ContainerState("fetch-model", init=True, state="terminated", exit_code=0)
    prepared = replace(first, pod=replace(first.pod, states=(fetch, *first.pod.states)))
    world.details.put_detail(replace(detail, replicas=(prepared,)))
    world.scripted.scripts = [[line("said")]]
    async with showing(world, CHAT, "logs") as pilot:
        await says(pilot, "x7k2p engine 2/2")
        await pilot.press("left_square_bracket")
        await says(pilot, "x7k2p fetch-model 1/2")
        await wait_until(pilot, lambda: world.scripted.asked[-1] == (FIRST, "fetch-model", False))


async def test_all_replicas_are_read_together_by_time_each_line_with_its_name(world: World) -> None:
    world.scripted.of_pods = {
        FIRST: [line("one", 1), line("three", 3)],
        SECOND: [line("two", 2), line("four", 4), line("five", 5)],
    }
    async with showing(world, CHAT, "logs") as pilot:
        await says(pilot, "three")
        await pilot.press("a")
        await says(pilot, "five")
        rows = [text.split() for text in body(page(pilot)) if text.strip()]
        assert [row[1] for row in rows] == ["one", "two", "three", "four", "five"]
        assert {row[0] for row in rows} == {"x7k2p", "q4m8z"}
        assert {asked[0] for asked in world.scripted.asked} == {FIRST, SECOND}
        await says(pilot, "5 lines   following")
        await pilot.press("a")
        await says(pilot, "x7k2p 1/2")


async def test_what_cannot_be_read_yet_or_at_all_says_why(world: World) -> None:
    async with showing(world, SUMMARIZE, "logs") as pilot:
        await says(pilot, "not started yet. Pending: no node has 4 free")
        assert world.scripted.asked == []
    world.scripted.scripts = [[NotPermitted("operator may not get pods/log in namespace team-a")]]
    async with showing(world, CHAT, "logs") as pilot:
        await says(pilot, "operator may not get pods/log in namespace team-a")


async def test_a_replica_that_goes_keeps_its_last_words(world: World) -> None:
    world.scripted.scripts = [[line("last words")], [NotFound("pods chat-7c9d8f6b5-x7k2p not found")]]
    async with showing(world, CHAT, "logs") as pilot:
        await says(pilot, "last words")
        base = detail_of(CHAT)
        world.details.put_detail(replace(base, replicas=(replica(base.replicas[0], "chat-2-zzzzz", Phase.LOADING),)))
        await says(pilot, "this replica is gone")
        assert "last words" in page(pilot)
        await pilot.press("right_square_bracket")
        await says(pilot, "zzzzz")


async def test_scrolling_up_stops_following_and_the_end_starts_it_again(world: World) -> None:
    world.scripted.scripts = [[line(f"line {number}", number) for number in range(60)]]
    async with showing(world, CHAT, "logs") as pilot:
        await says(pilot, "line 59")
        await pilot.press("pageup")
        await says(pilot, "not following")
        seen = body(page(pilot))
        pilot.app.screen.query_one("#pane-logs TextView", TextView).append([])
        await pilot.pause()
        assert body(page(pilot)) == seen
        await pilot.press("end")
        await says(pilot, "60 lines   following")
        await pilot.press("f", "home")
        await says(pilot, "line 0")
        await pilot.press("f")
        await says(pilot, "line 59")


async def test_searching_marks_counts_and_goes_round(world: World) -> None:
    world.scripted.scripts = [[line(f"row {number} {'NEEDLE' if number % 25 == 3 else ''}") for number in range(80)]]
    async with showing(world, CHAT, "logs") as pilot:
        await says(pilot, "row 79")
        await pilot.press("home", "slash", *"needle", "enter")
        await says(pilot, "needle: 1 of 4")
        await pilot.press("n", "n")
        await says(pilot, "needle: 3 of 4")
        assert "row 53 NEEDLE" in page(pilot)
        await pilot.press("N", "N", "N")
        await says(pilot, "needle: 4 of 4")
        assert "row 78 NEEDLE" in page(pilot)
        await pilot.press("escape")
        await says(pilot, "80 lines")


async def test_times_and_wrapping_are_switches(world: World) -> None:
    world.scripted.scripts = [[line("x" * 100 + "END", 5)]]
    async with showing(world, CHAT, "logs") as pilot:
        await says(pilot, "1 line")
        assert "END" not in page(pilot)
        await pilot.press("w")
        await says(pilot, "END")
        await pilot.press("t")
        await says(pilot, "10:30:05")
        await pilot.press("w")
        await wait_until(pilot, lambda: "END" not in page(pilot))


async def test_saving_writes_every_line_with_its_time_and_never_over_a_file(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    world.scripted.scripts = [[line("first", 1), line("second\x1b[31m red", 2)]]
    async with showing(world, CHAT, "logs") as pilot:
        await says(pilot, "second red")
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: (tmp_path / f"{FIRST}-engine.log").exists())
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: (tmp_path / f"{FIRST}-engine-2.log").exists())
    saved = tmp_path / f"{FIRST}-engine.log"
    assert saved.read_text() == "2026-11-23T10:30:01.000000Z first\n2026-11-23T10:30:02.000000Z second red\n"
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600


async def test_a_flood_stays_bounded_and_what_is_read_stays_in_place(world: World) -> None:
    world.scripted.scripts = [[line("start")]]
    async with showing(world, CHAT, "logs") as pilot:
        await says(pilot, "start")
        view = pilot.app.screen.query_one("#pane-logs TextView", TextView)
        view.append(Row(f"flood {number}") for number in range(KEPT))
        await says(pilot, f"flood {KEPT - 1}")
        await pilot.press("pageup")
        await pilot.pause()
        seen = body(page(pilot))
        view.append(Row(f"more {number}") for number in range(SPARE + 1))
        await pilot.pause()
        assert len(view.rows) == KEPT
        assert body(page(pilot)) == seen


async def test_a_crash_loop_opens_on_the_replica_that_crashes(world: World) -> None:
    base = detail_of(CHAT)
    crashing = replica(base.replicas[1], SECOND, Phase.FAILED)
    state = ContainerState("engine", state="waiting", reason="CrashLoopBackOff", restarts=3)
    crashing = replace(crashing, pod=replace(crashing.pod, states=(state,)))
    world.details.put_detail(replace(base, replicas=(base.replicas[0], crashing)))
    world.scripted.scripts = [[line("Traceback (most recent call last):")]]
    async with showing(world, CHAT, "logs") as pilot:
        await says(pilot, "Traceback")
        assert world.scripted.asked[0] == (SECOND, "engine", False)


LINES = st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc")), max_size=30).map(
    lambda found: [line(text, second) for second, text in sorted(found)]
)


@given(LINES, st.data())
def test_reading_again_from_any_place_loses_and_repeats_nothing(lines: list[LogLine], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(lines)))
    known = {item.at for item in lines[:cut]}
    # A log is read again from a time on: all of its lines at that time are in it.
    starts = [i for i in range(cut + 1) if i == 0 or lines[i - 1].at != (lines[i].at if i < len(lines) else None)]
    start = data.draw(st.sampled_from(starts)) if known else 0
    buffer = LogBuffer()
    buffer.take(lines[:cut])
    buffer.begin_again(lines[0].pod, lines[0].container) if lines else None
    buffer.take(lines[start:])
    assert sorted(buffer.plain(named=False).splitlines()) == sorted(
        f"{item.at:%Y-%m-%dT%H:%M:%S.%fZ} {item.text}" for item in lines
    )


@given(st.lists(LINES, min_size=2, max_size=4), st.data())
def test_lines_of_several_replicas_stand_by_time_however_they_come(
    streams: list[list[LogLine]], data: st.DataObject
) -> None:
    waiting = [[replace(item, pod=f"chat-{i}") for item in stream] for i, stream in enumerate(streams)]
    every = [item for stream in waiting for item in stream]
    buffer = LogBuffer()
    shown: list[Row] = []
    while any(waiting):
        stream = data.draw(st.sampled_from([stream for stream in waiting if stream]))
        size = data.draw(st.integers(1, len(stream)))
        again, end = buffer.take(stream[:size])
        del stream[:size]
        shown = shown[: len(shown) - again] + [buffer.row(item, times=True, named=True) for item in end]
    assert [row.whole for row in shown] == [row.whole for row in buffer.rows(times=True, named=True)]
    assert [row.lead.split()[0] for row in shown] == [f"{item.at:%H:%M:%S}" for item in sorted(every, key=_at)]
    for i in range(len(streams)):
        of_one = [row.text for row in shown if row.lead.split()[1] == str(i)]
        assert of_one == [item.text for item in every if item.pod == f"chat-{i}"]


def _at(item: LogLine) -> datetime:
    assert item.at is not None
    return item.at


@pytest.mark.parametrize(
    ("text", "tone"),
    [
        ("(EngineCore_0 pid=142) ERROR 11-23 10:00:00 [core.py:1] Engine core failed", "bad"),
        ("ValueError: no", "bad"),
        ("WARNING 11-23 10:00:00 [a.py:1] slow", "waiting"),
        ('INFO:     10.0.0.1:1 - "GET /health HTTP/1.1" 200 OK', "quiet"),
        ('{"level": "ERROR", "message": "no"}', "bad"),
        ('{"level": "INFO", "message": "an ERROR in words"}', ""),
        ("INFO all is well", ""),
    ],
)
def test_lines_are_toned_by_the_engines_own_level(text: str, tone: str) -> None:
    assert tone_of(text) == tone
