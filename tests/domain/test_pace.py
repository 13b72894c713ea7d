"""How long starts take: medians of what was, and what is left of what goes on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.pace import REMEMBERED, TIMED, Start, StartKind, Usual, finished, in_words, outlook, usual
from genai_tui.domain.rows import Phase

BEGAN = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
KIND = StartKind("vllm/vllm-openai:v0.33.0", "llama", 2)
SECONDS = st.lists(st.integers(0, 5_000).map(float), min_size=4, max_size=4)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def reached(lengths: list[float], upto: int) -> list[tuple[Phase, datetime]]:
    """A pod that waited 30 s for its place, then passed stages of these lengths and is in number `upto`."""
    found, now = [(Phase.PENDING, at(0))], 30.0
    for phase, length in zip((*TIMED, Phase.RUNNING), [*lengths, 0.0], strict=True):
        found.append((phase, at(now)))
        now += length
    return found[: upto + 2]


@given(SECONDS)
def test_a_start_has_the_length_of_each_stage_and_not_of_the_waiting(lengths: list[float]) -> None:
    start = finished("uid", KIND, reached(lengths, 4))
    assert start is not None
    assert start.seconds == dict(zip(TIMED, lengths, strict=True))
    assert start.at == at(30 + sum(lengths))
    assert finished("uid", KIND, reached(lengths, 3)) is None


def test_what_was_not_passed_through_is_not_in_it() -> None:
    stages = [(Phase.PENDING, at(0)), (Phase.LOADING, at(5)), (Phase.RUNNING, at(65))]
    start = finished("uid", KIND, stages)
    assert start is not None
    assert start.seconds == {Phase.LOADING: 60.0}


@given(SECONDS, st.integers(0, 3), st.floats(-10_000, 10_000))
def test_the_outlook_ends_at_ready_and_never_goes_below_what_comes_after(
    lengths: list[float], stage: int, spent: float
) -> None:
    known = Usual(dict(zip(TIMED, lengths, strict=True)), 3)
    stages = reached(lengths, stage)
    now = stages[-1][1] + timedelta(seconds=spent)
    ahead = outlook(stages, now, known)
    assert ahead is not None
    seconds, late = ahead
    later = sum(lengths[stage + 1 :])
    # Before its begin, as where the cluster's clock is ahead, nothing of the stage is over.
    assert seconds == pytest.approx(max(0.0, lengths[stage] - max(0.0, spent)) + later, abs=1e-3)
    assert late == (timedelta(seconds=spent).total_seconds() > lengths[stage])
    assert outlook(stages[:1], now, known) is None
    assert outlook(reached(lengths, 4), now, known) is None


def test_the_newest_starts_count_and_one_slow_one_does_not() -> None:
    def start(number: int, pulling: float) -> Start:
        return Start(f"p{number}", at(number), KIND, {Phase.PULLING: pulling, Phase.LOADING: 60.0})

    old = [start(number, 9_000.0) for number in range(5)]
    new = [start(number, 20.0) for number in range(5, 5 + REMEMBERED - 1)]
    known = usual([*new, start(99, 3_600.0), *old])
    assert known is not None
    assert known.seconds == {Phase.PULLING: 20.0, Phase.DOWNLOADING: 0.0, Phase.LOADING: 60.0, Phase.WARMING_UP: 0.0}
    assert (known.starts, known.whole) == (REMEMBERED, 80.0)
    assert (known.loading, known.last_loading, known.enough) == (60.0, 60.0, 120)
    slow = usual([*new, Start("slow", at(99), KIND, {Phase.LOADING: 372.0})])
    assert slow is not None
    assert slow.loads_in_words() == "1m is usual here (10 starts), the last took 6m12s"
    # Twice the slower of the two, in whole minutes.
    assert slow.enough == 780
    assert usual(()) is None
    assert in_words(45.0, False, known) == f"about 45s left; 1m20s is usual here ({REMEMBERED} starts)"
    assert in_words(45.0, True, known) == f"slower than usual; 1m20s is usual here ({REMEMBERED} starts)"
