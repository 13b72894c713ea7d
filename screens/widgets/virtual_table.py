"""A table that stays fast: only visible lines are drawn, only changed lines are drawn again.

Rows have keys; the cursor stays on its row when rows come, go or are sorted. Columns are as wide as their content
within bounds and only grow, so that nothing jumps; on a narrow terminal the least important columns are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

Key = TypeVar("Key")
GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `rank` 0 is always shown; the highest ranks go first when space is short; `flexible` takes the rest."""

    id: str
    title: str
    least: int = 4
    most: int = 30
    right: bool = False
    rank: int = 0
    flexible: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """Text, in a tone (the name of a component class after `table--`), and what it sorts by."""

    text: str
    tone: str = ""
    order: float | str | None = None


Cells = tuple[Cell, ...]
TONES = ("good", "warned", "bad", "busy", "quiet", "accent")


class VirtualTable(ScrollView, Generic[Key], can_focus=True):
    """The table."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home,g", "edge(-1)", "First", show=False),
        Binding("end,G", "edge(1)", "Last", show=False),
        Binding("enter", "choose", "Open", show=False),
        Binding("less_than_sign", "sort_by(-1)", "Sort by the column before", show=False),
        Binding("greater_than_sign", "sort_by(1)", "Sort by the next column", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--header",
        "table--sorted",
        "table--row",
        "table--cursor",
        *(f"table--{tone}" for tone in TONES),
    }
    DEFAULT_CSS = """
    VirtualTable {
        height: 1fr;
        scrollbar-size-vertical: 1;
        & > .table--header { color: $text-muted; }
        & > .table--sorted { color: $text-accent; text-style: bold; }
        & > .table--row { color: $foreground; }
        & > .table--cursor { background: $boost; text-style: bold; }
        &:focus > .table--cursor { background: $accent-muted; text-style: bold; }
        & > .table--good { color: $text-success; }
        & > .table--warned { color: $text-warning; }
        & > .table--bad { color: $text-error; }
        & > .table--busy { color: $text-primary; }
        & > .table--quiet { color: $text-muted; }
        & > .table--accent { color: $text-accent; }
    }
    """

    class Chosen(Message):
        """Enter or a double click on a row."""

        def __init__(self, table: VirtualTable[Any], key: Any) -> None:
            self.table, self.key = table, key
            super().__init__()

        @property
        def control(self) -> VirtualTable[Any]:
            """The table."""
            return self.table

    class Moved(Message):
        """The cursor is on another row; `key` None when there is none."""

        def __init__(self, table: VirtualTable[Any], key: Any) -> None:
            self.table, self.key = table, key
            super().__init__()

        @property
        def control(self) -> VirtualTable[Any]:
            """The table."""
            return self.table

    def __init__(self, columns: Sequence[Column], *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._columns = tuple(columns)
        self._natural = [max(column.least, len(column.title)) for column in columns]
        self._rows: dict[Key, Cells] = {}
        self._shown: list[Key] = []
        self._place: dict[Key, int] = {}
        self._filter = ""
        self._sort: tuple[int, bool] | None = None
        self._cursor: Key | None = None
        self._strips: dict[Key, tuple[int, Strip]] = {}
        self._layout: tuple[int, list[tuple[int, int]]] = (-1, [])
        self._tones: dict[str, Style] = {}

    # -- rows ---------------------------------------------------------------------------------------------------

    def replace(self, rows: Mapping[Key, Cells]) -> None:
        """Make these all rows, in this order where nothing is sorted."""
        self._rows = dict(rows)
        self._strips.clear()
        for cells in self._rows.values():
            self._measure(cells)
        self._arrange()

    def merge(self, changed: Mapping[Key, Cells], gone: Iterable[Key] = ()) -> None:
        """Take in new and changed rows, drop others. Only lines that look different are drawn again."""
        rearrange = False
        dirty: list[Key] = []
        for key in gone:
            if self._rows.pop(key, None) is not None:
                self._strips.pop(key, None)
                rearrange = True
        for key, cells in changed.items():
            old = self._rows.get(key)
            if old == cells:
                continue
            rearrange = rearrange or old is None or self._order_changed(old, cells) or bool(self._filter)
            self._rows[key] = cells
            self._strips.pop(key, None)
            rearrange = self._measure(cells) or rearrange
            dirty.append(key)
        if rearrange:
            self._arrange()
        elif dirty:
            self._draw_again(dirty)

    @property
    def cursor(self) -> Key | None:
        """The key of the row the cursor is on."""
        return self._cursor

    @cursor.setter
    def cursor(self, key: Any) -> None:
        if key is not None and key in self._place:
            self._go(self._place[key])

    @property
    def row_count(self) -> int:
        """How many rows are shown."""
        return len(self._shown)

    @property
    def total(self) -> int:
        """How many rows there are, shown or not."""
        return len(self._rows)

    def narrow(self, text: str) -> None:
        """Show only rows that contain every word of the text."""
        self._filter = text.lower().strip()
        self._arrange()

    @property
    def sorting(self) -> str:
        """`column`, `-column` for descending, or nothing."""
        if self._sort is None:
            return ""
        return ("-" if self._sort[1] else "") + self._columns[self._sort[0]].id

    def sort(self, column: str, *, descending: bool = False) -> None:
        """Sort by a column; equal rows keep their order."""
        index = next(i for i, c in enumerate(self._columns) if c.id == column)
        self._sort = (index, descending)
        self._arrange()

    def _measure(self, cells: Cells) -> bool:
        """Let columns grow with their content; returns whether one did."""
        grown = False
        for i, (cell, column) in enumerate(zip(cells, self._columns, strict=True)):
            width = min(column.most, cell_len(cell.text))
            if width > self._natural[i]:
                self._natural[i] = width
                grown = True
        if grown:
            self._layout = (-1, [])
            self._strips.clear()
        return grown

    def _order_changed(self, old: Cells, new: Cells) -> bool:
        if self._sort is None:
            return False
        index = self._sort[0]
        return _order(old[index]) != _order(new[index])

    def _arrange(self) -> None:
        """Filter and sort again, keep the cursor on its row or as near as can be."""
        before = self._place.get(self._cursor, 0) if self._cursor is not None else 0
        words = self._filter.split()
        keys = [
            key
            for key, cells in self._rows.items()
            if not words or all(any(word in cell.text.lower() for cell in cells) for word in words)
        ]
        if self._sort is not None:
            index, descending = self._sort
            keys.sort(key=lambda key: _order(self._rows[key][index]), reverse=descending)
        self._shown = keys
        self._place = {key: i for i, key in enumerate(keys)}
        moved = self._cursor not in self._place
        if moved:
            self._cursor = keys[min(before, len(keys) - 1)] if keys else None
        self.virtual_size = Size(self.size.width, len(keys) + 1)
        self.refresh()
        if moved:
            self.post_message(self.Moved(self, self._cursor))

    # -- drawing ------------------------------------------------------------------------------------------------

    def _draw_again(self, keys: Iterable[Key]) -> None:
        top, height = int(self.scroll_offset.y), self.size.height - 1
        lines = [self._place[key] - top for key in keys if key in self._place]
        regions = [Region(0, line + 1, self.size.width, 1) for line in lines if 0 <= line < height]
        if regions:
            self.refresh(*regions)

    def notify_style_update(self) -> None:
        """Themes change: forget drawn lines."""
        self._tones.clear()
        self._strips.clear()
        super().notify_style_update()

    def _on_resize(self, event: events.Resize) -> None:
        self._strips.clear()
        self.virtual_size = Size(event.size.width, len(self._shown) + 1)

    def _style(self, name: str) -> Style:
        found = self._tones.get(name)
        if found is None:
            found = self._tones[name] = self.get_component_rich_style(f"table--{name}")
        return found

    def _widths(self, width: int) -> list[tuple[int, int]]:
        """(column, width) of the columns that fit, in order."""
        if self._layout[0] == width:
            return self._layout[1]
        chosen = list(range(len(self._columns)))
        least = self._needed(chosen)
        for i in sorted(chosen, key=lambda i: -self._columns[i].rank):
            if least <= width or self._columns[i].rank == 0:
                break
            chosen.remove(i)
            least = self._needed(chosen)
        spare = max(0, width - least)
        found = []
        for i in chosen:
            column = self._columns[i]
            found.append((i, (column.least + spare) if column.flexible else self._natural[i]))
        self._layout = (width, found)
        return found

    def _needed(self, chosen: Sequence[int]) -> int:
        own = (self._columns[i].least if self._columns[i].flexible else self._natural[i] for i in chosen)
        return sum(own) + GAP * max(0, len(chosen) - 1)

    def render_line(self, y: int) -> Strip:
        """One line of the screen: the header stays, rows scroll under it."""
        width = self.size.width
        if y == 0:
            return self._header(width)
        index = int(self.scroll_offset.y) + y - 1
        if index >= len(self._shown):
            return Strip.blank(width, self._style("row"))
        key = self._shown[index]
        if key == self._cursor:
            return self._row(self._rows[key], width, self._style("cursor"))
        cached = self._strips.get(key)
        if cached is None or cached[0] != width:
            cached = (width, self._row(self._rows[key], width, self._style("row")))
            self._strips[key] = cached
        return cached[1]

    def _header(self, width: int) -> Strip:
        segments = []
        for place, (i, size) in enumerate(self._widths(width)):
            column = self._columns[i]
            marked = self._sort is not None and self._sort[0] == i
            mark = ("▼" if self._sort[1] else "▲") if marked and self._sort is not None else ""
            text = _fit(column.title + mark, size, right=column.right)
            segments.append(Segment(" " * GAP if place else "", self._style("header")))
            segments.append(Segment(text, self._style("sorted" if marked else "header")))
        return Strip(segments).adjust_cell_length(width, self._style("header"))

    def _row(self, cells: Cells, width: int, base: Style) -> Strip:
        segments = []
        for place, (i, size) in enumerate(self._widths(width)):
            cell = cells[i]
            style = base
            if cell.tone:
                tone = self._style(cell.tone)
                style = base + Style(color=tone.color, bold=base.bold)
            if place:
                segments.append(Segment(" " * GAP, base))
            segments.append(Segment(_fit(cell.text, size, right=self._columns[i].right), style))
        return Strip(segments).adjust_cell_length(width, base)

    # -- moving -------------------------------------------------------------------------------------------------

    def _go(self, index: int) -> None:
        if not self._shown:
            return
        index = max(0, min(len(self._shown) - 1, index))
        old = self._cursor
        self._cursor = self._shown[index]
        top, height = int(self.scroll_offset.y), max(1, self.size.height - 1)
        if index < top:
            self.scroll_to(y=index, animate=False, force=True)
        elif index >= top + height:
            self.scroll_to(y=index - height + 1, animate=False, force=True)
        self._draw_again([key for key in (old, self._cursor) if key is not None])
        if old != self._cursor:
            self.post_message(self.Moved(self, self._cursor))

    def _at(self) -> int:
        return self._place.get(self._cursor, 0) if self._cursor is not None else 0

    def action_move(self, by: int) -> None:
        """Some rows up or down."""
        self._go(self._at() + by)

    def action_page(self, by: int) -> None:
        """A page up or down."""
        self._go(self._at() + by * max(1, self.size.height - 2))

    def action_edge(self, side: int) -> None:
        """To the first or the last row."""
        self._go(0 if side < 0 else len(self._shown) - 1)

    def action_choose(self) -> None:
        """Open the row."""
        if self._cursor is not None:
            self.post_message(self.Chosen(self, self._cursor))

    def action_sort_by(self, by: int) -> None:
        """Sort by the neighbouring column; the same column again turns the order round."""
        current = self._sort[0] if self._sort is not None else -by if by > 0 else 0
        self.sort(self._columns[(current + by) % len(self._columns)].id)

    def on_click(self, event: events.Click) -> None:
        """A click moves, a double click opens, a click on the header sorts."""
        if event.y == 0:
            self._sort_at(event.x)
            return
        index = int(self.scroll_offset.y) + event.y - 1
        if index < len(self._shown):
            self._go(index)
            if event.chain == 2:
                self.action_choose()

    def _sort_at(self, x: int) -> None:
        start = 0
        for i, size in self._widths(self.size.width):
            if start <= x < start + size + GAP:
                again = self._sort is not None and self._sort[0] == i
                self.sort(self._columns[i].id, descending=again and not (self._sort or (0, False))[1])
                return
            start += size + GAP

    def on_focus(self) -> None:
        """The cursor looks different with the focus."""
        self._draw_again([self._cursor] if self._cursor is not None else [])

    def on_blur(self) -> None:
        """As on_focus."""
        self._draw_again([self._cursor] if self._cursor is not None else [])


def _order(cell: Cell) -> tuple[int, float | str]:
    """Numbers before text, missing last."""
    if isinstance(cell.order, int | float):
        return (0, float(cell.order))
    if isinstance(cell.order, str):
        return (1, cell.order)
    return (2, "") if cell.text in ("", "–") else (1, cell.text.lower())


def _fit(text: str, width: int, *, right: bool = False) -> str:
    """The text in exactly `width` cells, with an ellipsis where it is cut."""
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…" if width > 1 else set_cell_size(text, width)
    return " " * (width - length) + text if right else text + " " * (width - length)
