"""Values as text, and columns: what is shown is exact, and fits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from genai_tui.domain.money import Cost
from genai_tui.domain.rows import Assessment, Phase
from screens import format as shown
from screens.deployment_cells import COLUMNS
from screens.widgets.table_columns import GAP, Cell, ColumnWidths, fit_text, sort_key

NOW = datetime(2026, 11, 23, 10, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (timedelta(0), "now"),
        (timedelta(seconds=59), "<1m"),
        (timedelta(seconds=60), "1m"),
        (timedelta(minutes=59, seconds=59), "59m"),
        (timedelta(hours=1), "1h"),
        (timedelta(days=1), "1d"),
        (timedelta(days=729), "729d"),
        (timedelta(days=730), "2y"),
        (timedelta(seconds=-5), "now"),
    ],
)
def test_an_age_has_one_unit(passed: timedelta, text: str) -> None:
    assert shown.age(NOW - passed, NOW) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0"),
        (0.004, "0.01"),
        (0.05, "0.05"),
        (3.24, "3.2"),
        (9.96, "10"),
        (412.4, "412"),
        (12_345.0, "12.3k"),
    ],
)
def test_a_rate_tells_something_and_a_missing_one_is_not_zero(value: float | None, text: str) -> None:
    assert shown.rate(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.0k"),
        (99_949, "99.9k"),
        (99_951, "100k"),
        (999_499, "999k"),
        (999_501, "1.0M"),
        (4_200_000, "4.2M"),
    ],
)
def test_a_short_count_rounds_into_the_next_unit(value: int, text: str) -> None:
    assert shown.short_count(value) == text


@given(st.floats(0, 9e14))
def test_a_short_count_is_short(value: float) -> None:
    assert len(shown.short_count(value)) <= 6


@given(st.floats(0, 0.9999999))
def test_only_what_is_complete_is_100_percent(fraction: float) -> None:
    assert shown.percent(fraction) != "100%"
    assert shown.percent(1.0) == "100%"
    assert (shown.percent(fraction) == "0%") == (fraction == 0)


def test_money_keeps_every_digit() -> None:
    assert shown.money(Cost(Decimal("0.0000110"), "USD")) == "$0.000011"
    assert shown.money(Cost(Decimal("1E-9"), "CHF")) == "0.000000001 CHF"
    assert shown.money(None) == "–"


def test_every_phase_has_a_glyph_of_one_cell_and_a_tone() -> None:
    for phase in Phase:
        look = shown.phase_look(phase)
        assert cell_len(look.glyph) == 1
        assert look.tone in shown.TONES
    assert shown.phase_text(Assessment(Phase.LOADING, "3 of 5 shards", progress=0.62)) == "Loading 62%, 3 of 5 shards"
    assert shown.phase_text(Assessment(Phase.PENDING, "no GPUs")) == "Pending: no GPUs"
    assert shown.phase_text(Assessment(Phase.RUNNING)) == "Running"


@given(st.text(max_size=40), st.integers(0, 30), st.booleans())
def test_text_is_fitted_into_exactly_its_width_and_is_safe(text: str, width: int, right: bool) -> None:
    fitted = fit_text(text, width, right=right)
    assert cell_len(fitted) == width
    assert not any(ord(character) < 0x20 or ord(character) == 0x7F for character in fitted)


@given(
    st.lists(st.lists(st.text(max_size=60), min_size=len(COLUMNS), max_size=len(COLUMNS)), max_size=5),
    st.integers(50, 300),
)
def test_columns_fill_the_width_and_the_important_ones_stay(rows: list[list[str]], width: int) -> None:
    widths = ColumnWidths(COLUMNS)
    for row in rows:
        widths.measure(tuple(Cell(text) for text in row))
    fitted = widths.fit(width)
    ids = [COLUMNS[place].id for place, _ in fitted]
    assert {"name", "phase"} <= set(ids)
    assert sum(size for _, size in fitted) + GAP * (len(fitted) - 1) == width
    assert all(size >= COLUMNS[place].least for place, size in fitted)


@given(
    st.lists(st.tuples(st.text(max_size=5), st.none() | st.floats(allow_nan=False) | st.text(max_size=3)), max_size=20)
)
def test_cells_of_any_kind_can_be_sorted(cells: list[tuple[str, float | str | None]]) -> None:
    keys = sorted(sort_key(Cell(text, order=order)) for text, order in cells)
    kinds = [kind for kind, _, _ in keys]
    assert kinds == sorted(kinds)
