"""The table: whatever happens to its rows, the cursor stays, and only what changed is drawn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.pilot import Pilot
from textual.strip import Strip

from screens import themes
from screens.widgets.table_columns import GAP, ColumnWidths, changed_spans, fit_text
from screens.widgets.virtual_table import Cell, Cells, Column, VirtualTable

COLUMNS = (
    Column("name", "NAME", least=6),
    Column("what", "WHAT", least=10, flexible=True),
    Column("n", "N", right=True),
)


def cells(name: str, what: str = "", number: float | None = None) -> Cells:
    return (Cell(name), Cell(what), Cell("–" if number is None else f"{number:.0f}", order=number))


class Watched(VirtualTable[str]):
    """Remembers which lines were drawn."""

    def __init__(self) -> None:
        super().__init__(COLUMNS)
        self.drawn: list[int] = []
        self.whole = 0

    def render_line(self, y: int) -> Strip:
        self.drawn.append(y)
        return super().render_line(y)

    def refresh(self, *regions: Region, **how: Any) -> Any:
        if not regions:
            self.whole += 1
        return super().refresh(*regions, **how)


class Host(App[None]):
    """One table."""

    def __init__(self) -> None:
        super().__init__()
        for theme in themes.all_themes():
            self.register_theme(theme)
        self.theme = "dark"
        self.table = Watched()
        self.moved: list[str | None] = []

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.OWN_DEFAULTS

    def compose(self) -> ComposeResult:
        yield self.table

    def on_virtual_table_moved(self, event: VirtualTable.Moved) -> None:
        self.moved.append(event.key)


def lines(table: VirtualTable[str]) -> list[str]:
    height = table.size.height
    return ["".join(segment.text for segment in table.render_line(y)).rstrip() for y in range(height)]


async def with_table(rows: int, act: Callable[[Host, Pilot[Any]], Any], size: tuple[int, int] = (40, 11)) -> None:
    app = Host()
    async with app.run_test(size=size) as pilot:
        app.table.replace({f"r{number:04d}": cells(f"r{number:04d}", "x", number) for number in range(rows)})
        app.table.focus()
        await pilot.pause()
        await act(app, pilot)


async def test_a_change_draws_its_line_and_no_other() -> None:
    async def act(app: Host, pilot: Pilot[Any]) -> None:
        table = app.table
        table.drawn.clear()
        whole = table.whole
        table.merge({"r0003": cells("r0003", "changed", 3), "r0500": cells("r0500", "not in sight", 500)})
        await pilot.pause()
        assert set(table.drawn) == {4}
        table.drawn.clear()
        table.merge({"r0003": cells("r0003", "changed", 3)})
        await pilot.pause()
        assert table.drawn == []
        assert table.whole == whole

    await with_table(1000, act)


TEXTS = st.text(st.sampled_from("ab 12✔日\x1b"), max_size=14)
CELLS = st.tuples(*(st.builds(Cell, TEXTS, st.sampled_from(("", "good"))) for _ in COLUMNS))


@given(CELLS, CELLS, st.integers(20, 60))
def test_outside_the_spans_that_are_drawn_a_changed_line_looks_as_before(one: Cells, other: Cells, width: int) -> None:
    widths = ColumnWidths(COLUMNS).fit(width)

    def looks(cells: Cells) -> list[tuple[str, str]]:
        """Each cell of the line with its tone; a wide character stands in its first cell."""
        found: list[tuple[str, str]] = []
        for place, size in widths:
            found += [(" ", "")] * GAP if found else []
            text = fit_text(cells[place].text, size, right=COLUMNS[place].right)
            found += [(part, cells[place].tone) for c in text for part in (c, *[""] * (cell_len(c) - 1))]
        return found

    spans = changed_spans(one, other, COLUMNS, widths)
    drawn = {x for begin, end in spans for x in range(begin, end)}
    before, after = looks(one), looks(other)
    assert [found for x, found in enumerate(before) if x not in drawn] == [
        found for x, found in enumerate(after) if x not in drawn
    ]
    assert all(begin < end <= len(after) for begin, end in spans)
    assert bool(spans) == (before != after)


async def test_a_page_of_ten_thousand_rows_draws_a_page() -> None:
    async def act(app: Host, pilot: Pilot[Any]) -> None:
        app.table.drawn.clear()
        await pilot.press("end")
        assert app.table.cursor == "r9999"
        assert len(set(app.table.drawn)) <= 11
        assert lines(app.table)[-1].startswith("r9999")
        await pilot.press("pageup", "home", "pagedown")
        assert app.table.cursor == "r0009"

    await with_table(10_000, act)


async def test_rows_that_appear_above_do_not_move_what_is_looked_at() -> None:
    async def act(app: Host, pilot: Pilot[Any]) -> None:
        table = app.table
        table.sort("name")
        await pilot.press(*["pagedown"] * 5)
        at, before = table.cursor, lines(table)
        table.merge({f"a{number}": cells(f"a{number}") for number in range(7)}, gone=["r0001", "r0002"])
        await pilot.pause()
        assert table.cursor == at
        assert lines(table)[1:] == before[1:]

    await with_table(200, act)


async def test_wide_characters_and_long_text_stay_in_their_columns() -> None:
    async def act(app: Host, pilot: Pilot[Any]) -> None:
        app.table.replace({"a": cells("模型模型", "長" * 40, 1), "b": cells("plain", "short", 22)})
        await pilot.pause()
        header, wide, plain = (app.table.render_line(y) for y in range(3))
        assert {strip.cell_length for strip in (header, wide, plain)} == {app.table.size.width}
        texts = ["".join(segment.text for segment in strip) for strip in (wide, plain)]
        assert "…" in texts[0]
        assert texts[0].rstrip().endswith(" 1")
        assert texts[1].rstrip().endswith("22")

    await with_table(0, act)


async def test_an_empty_table_takes_every_key() -> None:
    async def act(app: Host, pilot: Pilot[Any]) -> None:
        await pilot.press("down", "up", "end", "home", "pagedown", "pageup", "less_than_sign", "greater_than_sign")
        app.table.merge({"a": cells("a")})
        await pilot.pause()
        assert app.table.cursor == "a"
        assert app.moved[-1] == "a"

    await with_table(0, act)


NAMES = st.sampled_from([f"n{number}" for number in range(12)])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), NAMES, st.integers(0, 5)),
        st.tuples(st.just("gone"), NAMES, st.just(0)),
        st.tuples(st.just("filter"), st.sampled_from(["", "n1", "even", "zzz"]), st.just(0)),
        st.tuples(st.just("sort"), st.sampled_from(["name", "n", ""]), st.integers(0, 1)),
        st.tuples(st.just("move"), st.just(""), st.integers(-3, 3)),
    ),
    max_size=25,
)


@settings(max_examples=25)
@given(STEPS)
def test_after_any_changes_the_table_shows_what_a_fresh_one_would_and_keeps_its_cursor(
    steps: list[tuple[str, str, int]],
) -> None:
    rows: dict[str, Cells] = {}
    words, order = "", ("", False)

    def expected() -> list[str]:
        fresh = Watched()
        fresh.replace(rows)
        fresh.narrow(words)
        fresh.sort(order[0], descending=order[1])
        return list(fresh.shown)

    async def run() -> None:
        nonlocal words, order
        app = Host()
        async with app.run_test(size=(40, 6)) as pilot:
            table = app.table
            for what, name, number in steps:
                before = table.cursor
                if what == "put":
                    rows[name] = cells(name, "even" if number % 2 == 0 else "odd", number)
                    table.merge({name: rows[name]})
                elif what == "gone":
                    rows.pop(name, None)
                    table.merge({}, [name])
                elif what == "filter":
                    words = name
                    table.narrow(name)
                elif what == "sort":
                    order = (name, bool(number))
                    table.sort(name, descending=bool(number))
                else:
                    table.action_move(number)
                    before = table.cursor
                assert list(table.shown) == expected()
                assert (table.cursor in table.shown) if table.shown else table.cursor is None
                if before in table.shown:
                    assert table.cursor == before
            await pilot.pause()
            top, height = int(table.scroll_offset.y), table.size.height - 1
            texts = [line.split()[0] if line.split() else "" for line in lines(table)[1:]]
            wanted = list(table.shown)[top : top + height]
            assert texts == wanted + [""] * (height - len(wanted))
            assert table.cursor is None or table.cursor in wanted

    asyncio.run(run())
