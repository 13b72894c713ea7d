"""Windows of time, trends over them, and the charts they become."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.latency import BOUNDS_US, Latencies, counted, range_of
from genai_tui.domain.money import Cost
from genai_tui.domain.trends import Measure, UsagePoint, change, series
from genai_tui.domain.usage import Source, Waits
from genai_tui.domain.windows import MOST_PERIODS, Window, length_text, parse_window
from screens.widgets.trend_lines import ZERO, Point, Trend, draw, top_of

NOW = datetime(2026, 11, 23, 10, 17, 5, tzinfo=UTC)


LENGTHS = st.timedeltas(timedelta(minutes=1), timedelta(days=5_000))
ENDS = st.integers(0, 10**9).map(lambda seconds: NOW - timedelta(seconds=seconds))


@given(LENGTHS, ENDS)
def test_periods_cover_a_window_without_a_hole_and_are_few(length: timedelta, end: datetime) -> None:
    window = Window(end - length, end, "w")
    starts = window.periods
    assert starts[0] <= window.since < starts[0] + window.every
    assert starts[-1] < window.until <= starts[-1] + window.every
    assert {later - earlier for earlier, later in pairwise(starts)} <= {window.every}
    assert len(starts) <= max(MOST_PERIODS, length // timedelta(days=365)) + 1
    assert window.before.until == window.since


@pytest.mark.parametrize(("text", "since", "until"), [
    ("36h", NOW - timedelta(hours=36), NOW),
    (" 14d ", NOW - timedelta(days=14), NOW),
    ("2026-11-01 2026-11-15", datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 16, tzinfo=UTC)),
    ("2026-11-01 to 2026-11-01", datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)),
    ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)),
])  # fmt: skip
def test_windows_as_people_write_them(text: str, since: datetime, until: datetime) -> None:
    window = parse_window(text, NOW)
    assert (window.since, window.until) == (since, until)


@pytest.mark.parametrize(
    "text",
    [
        "", "soon", "30s", "99999999d", "400000d", "2026-13-01", "2026-11-15 2026-11-01", "9999-12-31", "0001-01-01",
        "1000-01-01 2026-01-01", "2026-11-01 9999-12-30",
    ],
)  # fmt: skip
def test_what_is_no_window_says_why(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        parse_window(text, NOW)


def test_the_longest_windows_have_one_before_them_too() -> None:
    for text in ("20000d", "1970-01-01 2026-11-01", "1970-01-01 2027-11-01"):
        window = parse_window(text, NOW)
        assert window.before.since <= window.before.until == window.since
        assert window.periods


def test_lengths_read_short() -> None:
    lengths = (timedelta(minutes=30), timedelta(hours=6), timedelta(days=7))
    assert [length_text(length) for length in lengths] == ["30m", "6h", "7d"]


def test_a_series_tells_zero_from_nothing_and_keeps_sources_and_currencies_apart() -> None:
    waits = Waits(counted([100_000] * 9), counted([900_000] * 9))
    slower = Waits(counted([5_000_000]), Latencies())
    starts = [NOW, NOW + timedelta(hours=1), NOW + timedelta(hours=2)]
    points = [
        UsagePoint(starts[0], Source.GATEWAY, 4, 4, 0, 0, 0, 0, None),
        UsagePoint(starts[1], Source.GATEWAY, 2, 0, 1, 70, 0, 70, Cost(Decimal("0.5"), "EUR"), waits),
        UsagePoint(starts[1], Source.GATEWAY, 1, 0, 0, 7, 0, 7, Cost(Decimal(9), "USD"), slower),
        UsagePoint(starts[2], Source.CLI, 1, 0, 0, 7, 0, 7, None),
    ]

    def of(measure: Measure) -> tuple[float | None, ...]:
        return series(points, starts, Source.GATEWAY, measure, "EUR")

    assert of(Measure.TOKENS) == (None, 77, None)
    assert of(Measure.REQUESTS) == (4, 3, None)
    assert of(Measure.ERRORS) == (0, 1, None)
    assert of(Measure.COST) == (None, 0.5, None)
    latencies = ((Measure.FIRST_TOKEN, 100), (Measure.FIRST_TOKEN_P95, 5_000), (Measure.ANSWER_P95, 900))
    for measure, milliseconds in latencies:
        before, told, after = of(measure)
        assert (before, after) == (None, None)
        assert told == pytest.approx(milliseconds, rel=0.05)


TIMES_US = st.lists(st.integers(1_000, 10**10), min_size=1, max_size=200)


@given(TIMES_US, TIMES_US, st.sampled_from([0.5, 0.9, 0.95, 0.99, 1.0]))
def test_percentiles_of_sums_are_those_of_all_the_times_together(
    one: list[int], other: list[int], share: float
) -> None:
    whole = sorted(one + other)
    exact = whole[max(1, ceil(share * len(whole))) - 1] / 1_000
    told = (counted(one) + counted(other)).percentile_ms(share)
    assert told == pytest.approx(exact, rel=0.05)
    assert counted([]).percentile_ms(share) is None


@given(st.integers(0, 10**12))
def test_a_time_is_in_the_range_that_begins_at_or_before_it(took: int) -> None:
    begins = range_of(took)
    assert begins <= took
    later = [bound for bound in BOUNDS_US if bound > begins]
    assert not later or took < later[0]


def test_changes_read_as_people_say_them() -> None:
    pairs = [(112, 100), (97, 100), (1000, 999), (1, 0), (0, 0), (0, 5), (50, 5), (None, 5), (5, None)]
    assert [change(now, before) for now, before in pairs] == ["+12%", "-3%", "=", "new", "", "-100%", "x10", "", ""]


VALUES = st.lists(st.none() | st.floats(0, 1e12) | st.just(0.0), min_size=1, max_size=90)


@given(VALUES, st.integers(30, 200), st.integers(4, 20))
def test_a_chart_fits_and_an_unknown_period_is_an_empty_column(
    values: list[float | None], width: int, height: int
) -> None:
    trend = Trend("t", tuple(Point(str(place), value) for place, value in enumerate(values)), "{:.3g}".format)
    drawn = draw(trend, width, height)
    lines = [drawn.head, *(axis + bars for axis, bars in drawn.rows), drawn.foot]
    assert len(lines) == height
    assert all(len(line) <= width for line in lines)
    if all(value is None for value in values):
        return
    for place, value in list(enumerate(values))[drawn.first :]:
        at = (place - drawn.first) * drawn.wide
        column = [bars[at] for _, bars in drawn.rows]
        filled = sum(glyph != " " for glyph in column)
        assert (filled == 0) == (value is None)
        assert (column[-1] == ZERO) == (value == 0)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=30), st.integers(6, 20))
def test_an_axis_of_whole_numbers_names_each_once_and_where_it_is(counts: list[int], height: int) -> None:
    points = tuple(Point(str(place), value) for place, value in enumerate(counts))
    drawn = draw(Trend("t", points, "{:.0f}".format, step=1.0), 120, height)
    named = {row: int(axis[:-1]) for row, (axis, _) in enumerate(drawn.rows) if axis.endswith("┤")}
    top, plot = named[0], height - 2
    assert top >= max(counts)
    assert len(set(named.values())) == len(named)
    assert all(value * 2 == top for row, value in named.items() if 0 < row < plot - 1)


@given(st.lists(st.floats(0, 1e15), min_size=1))
def test_the_top_of_a_scale_is_above_every_value_and_not_far_above(values: list[float]) -> None:
    top = top_of(values)
    assert top >= max(values) * (1 - 1e-12)
    assert top <= max(2 * max(values), 1)
