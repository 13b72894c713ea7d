"""Laying out text: nothing is wider than the terminal, nothing is lost, wide characters count as two cells."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.geometry import Region

from genai_tui.domain.rows import Phase
from screens.deployment.sheet import Bit, Block, Fact, Grid, Heading, Sheet, Space, Text, lay_out, wrap
from screens.deployment.timeline import StageState, happenings, stages_of
from tests.fakes import tour
from tests.screens.deployment_world import detail_of, replica

WORDS = st.text(st.sampled_from("ab c漢é-"), max_size=60)
BITS = st.builds(Bit, WORDS)
BLOCKS: st.SearchStrategy[Block] = st.one_of(
    st.builds(Heading, WORDS, WORDS),
    st.builds(Fact, st.sampled_from(["cause", "what to do", "a label that is long"]), WORDS),
    st.builds(Text, WORDS, st.just(""), st.integers(0, 4)),
    st.just(Space()),
    st.integers(1, 4).flatmap(
        lambda columns: st.builds(
            Grid, st.lists(st.tuples(*[BITS] * columns), min_size=1, max_size=4).map(tuple), cut=st.booleans()
        )
    ),
)


@given(st.lists(BLOCKS, max_size=5), st.integers(20, 160))
def test_no_line_is_wider_than_the_terminal(blocks: list[Block], width: int) -> None:
    for line in lay_out(blocks, width):
        assert sum(cell_len(bit.text) for bit in line) <= width


@given(WORDS, st.integers(2, 60))
def test_wrapping_loses_nothing_but_the_spaces_it_breaks_at(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["Pulling", "Pulled"]), st.integers(1, 3)), max_size=12)
)
def test_events_are_said_once_and_counted_all(told: list[tuple[str, str, int]]) -> None:
    base = detail_of(tour.CHAT).events[0]
    events = [
        replace(base, regarding_name=f"chat-1-{about}", reason=reason, message=reason, count=count)
        for about, reason, count in told
    ]
    found = happenings(events)
    assert len({(item.about, item.reason) for item in found}) == len(found)
    assert sum(item.times for item in found) == sum(count for _, _, count in told)


def test_a_stage_ends_where_the_next_one_that_was_seen_begins() -> None:
    base = detail_of(tour.CHAT_LONG).replicas[0]
    skipped = tuple(stage for stage in base.stages if stage[0] is not Phase.DOWNLOADING)
    loading = stages_of(replica(base, "x-1", Phase.LOADING, progress=0.5, stages=skipped), tour.NOW)
    assert [stage.state for stage in loading] == [
        StageState.DONE, StageState.DONE, StageState.SKIPPED, StageState.NOW, StageState.AHEAD, StageState.AHEAD,
    ]  # fmt: skip
    assert [stage.seconds for stage in loading[:4]] == [2.0, 113.0, None, 245.0]
    failed = stages_of(replica(base, "x-1", Phase.FAILED, stages=skipped), tour.NOW)
    assert failed[3].state is StageState.STUCK
    assert all(stage.state is StageState.AHEAD for stage in failed[4:])


def test_a_stage_that_waits_for_somebody_is_stuck_and_a_ready_replica_is_done() -> None:
    base = detail_of(tour.SUMMARIZE).replicas[0]
    assert stages_of(base, tour.NOW)[0].state is StageState.STUCK
    running = detail_of(tour.CHAT).replicas[0]
    assert all(stage.state is StageState.DONE for stage in stages_of(running, tour.NOW))


async def test_a_sheet_that_grows_in_steps_is_laid_out_when_it_outgrows_one() -> None:
    sheet = Sheet(step=4)

    class Shown(App[None]):
        CSS = "Sheet { height: auto; & > .sheet--good { color: green; } }"

        def compose(self) -> ComposeResult:
            with VerticalScroll():
                yield sheet

    def rows(count: int) -> list[Block]:
        return [Grid(tuple((Bit(f"row {i}", "good"), Bit("fine", "good"), Bit("here")) for i in range(count)))]

    async with Shown().run_test(size=(40, 20)) as pilot:
        for count, height in ((1, 4), (4, 4), (2, 4), (5, 8)):
            sheet.show(rows(count))
            await pilot.pause()
            assert sheet.size.height == height
            drawn = [strip.text.rstrip() for strip in sheet.render_lines(Region(0, 0, 40, height))]
            assert drawn == [f"row {i}  fine  here" for i in range(count)] + [""] * (height - count)
        # Gaps need no codes of their own, and what looks alike is sent together.
        (strip,) = sheet.render_lines(Region(0, 0, 40, 1))
        assert [segment.text.rstrip() for segment in strip][:2] == ["row 0  fine", "here"]
