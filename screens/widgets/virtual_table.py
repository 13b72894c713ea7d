"""A table that stays fast: only visible lines are drawn, and only those that look different are drawn again.

Rows have keys. The cursor stays on its row, and the row on its line, when others come, go or change places. The
strips of drawn rows are kept until the row, the width or the theme changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, ClassVar, Generic, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from screens.format import TONES
from screens.widgets.table_columns import GAP, Cell, Cells, Column, ColumnWidths, changed_spans, fit_text
from screens.widgets.table_rows import TableRows

__all__ = ["Cell", "Cells", "Column", "VirtualTable"]

Key = TypeVar("Key")


class VirtualTable(ScrollView, Generic[Key], can_focus=True):
    """A list of rows with a cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="table.up", tooltip="The row above"),
        Binding("down,j", "move(1)", "Down", show=False, id="table.down", tooltip="The row below"),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False, id="table.page_up", tooltip="A page up"),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False, id="table.page_down", tooltip="A page down"),
        Binding("home,g", "edge(-1)", "First", show=False, id="table.first", tooltip="The first row"),
        Binding("end,G", "edge(1)", "Last", show=False, id="table.last", tooltip="The last row"),
        Binding("less_than_sign", "sort_next(-1)", "Sort left", show=False, id="table.sort_left", key_display="<",
                tooltip="Sort by the column to the left"),
        Binding("greater_than_sign", "sort_next(1)", "Sort right", show=False, id="table.sort_right", key_display=">",
                tooltip="Sort by the column to the right"),
    ]  # fmt: skip
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--header", "table--sorted", "table--row", "table--cursor", "table--accent",
        *(f"table--{tone}" for tone in TONES),
    }  # fmt: skip
    DEFAULT_CSS = """
    VirtualTable {
        height: 1fr;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        & > .table--header { color: $text-muted; }
        & > .table--sorted { color: $text-accent; text-style: bold; }
        & > .table--row { color: $text; }
        & > .table--cursor { background: $block-cursor-blurred-background; color: $text; }
        &:focus > .table--cursor { background: $block-cursor-background; color: $text; text-style: bold; }
        & > .table--good { color: $text-success; }
        & > .table--waiting { color: $text-warning; }
        & > .table--bad { color: $text-error; }
        & > .table--busy { color: $busy; }
        & > .table--quiet { color: $text-muted; }
        & > .table--accent { color: $text-accent; }
        &:ansi > .table--quiet { text-style: dim; }
        &:ansi > .table--header { text-style: dim; }
        &:ansi > .table--cursor { background: ansi_default; text-style: underline; }
        &:ansi:focus > .table--cursor { background: ansi_default; text-style: reverse bold; }
    }
    """
    ALLOW_SELECT = False

    class Chosen(Message):
        """A row was double-clicked, or `choose` was called."""

        def __init__(self, table: VirtualTable[Any], key: Any) -> None:  # noqa: ANN401  # messages are not generic
            self.table, self.key = table, key
            super().__init__()

        @property
        def control(self) -> VirtualTable[Any]:
            """The table."""
            return self.table

    class Moved(Message):
        """The cursor is on another row; `key` None when there is none."""

        def __init__(self, table: VirtualTable[Any], key: Any) -> None:  # noqa: ANN401  # messages are not generic
            self.table, self.key = table, key
            super().__init__()

        @property
        def control(self) -> VirtualTable[Any]:
            """The table."""
            return self.table

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        natural: Callable[[Key], Any] | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._columns = tuple(columns)
        self._widths = ColumnWidths(columns)
        self._rows: TableRows[Key] = TableRows(natural)
        self._cursor: Key | None = None
        self._strips: dict[Key, Strip] = {}
        self._strip_width = -1
        self._styles: dict[str, Style] = {}

    # -- rows ---------------------------------------------------------------------------------------------------

    def replace(self, rows: Mapping[Key, Cells]) -> None:
        """Make these all rows."""
        self._rows.replace(rows)
        self._strips.clear()
        for cells in rows.values():
            self._widths.measure(cells)
        self._arrange(all_dirty=True)

    def merge(self, changed: Mapping[Key, Cells], gone: Iterable[Key] = ()) -> None:
        """Take in new and changed rows, drop others. Only lines that look different are drawn again."""
        before = {key: self._rows.cells[key] for key in changed if key in self._rows.place}
        dirty, rearrange = self._rows.merge(changed, gone)
        grown = False
        for key in dirty:
            self._strips.pop(key, None)
            grown = (key in changed and self._widths.measure(changed[key])) or grown
        if grown:
            self._strips.clear()
        if rearrange or grown:
            self._arrange(dirty, all_dirty=grown)
        else:
            self._draw_differences(dirty, before)

    @property
    def cursor(self) -> Key | None:
        """The key of the row the cursor is on; None when no row is shown."""
        return self._cursor

    def move_to(self, key: Key) -> None:
        """Put the cursor on a row, if it is shown."""
        if key in self._rows.place:
            self._go(self._rows.place[key])

    @property
    def row_count(self) -> int:
        """How many rows are shown."""
        return len(self._rows.shown)

    @property
    def total(self) -> int:
        """How many rows there are, shown or not."""
        return len(self._rows.cells)

    @property
    def keys(self) -> Iterable[Key]:
        """The keys of all rows, shown or not."""
        return self._rows.cells.keys()

    @property
    def shown(self) -> Sequence[Key]:
        """The keys of the shown rows, in order."""
        return self._rows.shown

    def narrow(self, text: str) -> None:
        """Show only rows that contain every word of the text, in any column."""
        if self._rows.narrow(text):
            self._arrange(all_dirty=True)

    @property
    def sorting(self) -> str:
        """`column`, `-column` for descending, or nothing."""
        if self._rows.sorting is None:
            return ""
        place, descending = self._rows.sorting
        return f"{'-' if descending else ''}{self._columns[place].id}"

    def sort(self, column: str, *, descending: bool = False) -> None:
        """Sort by a column; an empty one takes the order away."""
        place = next((place for place, c in enumerate(self._columns) if c.id == column), None)
        self._rows.sorting = None if place is None else (place, descending)
        self._arrange(all_dirty=True)

    def turn(self, column: str) -> None:
        """What an operator's choice of a column does: sort by it, then the other way round, then not at all."""
        if self.sorting == f"-{column}":
            self.sort("")
        else:
            self.sort(column, descending=self.sorting == column)

    def _arrange(self, dirty: Iterable[Key] = (), *, all_dirty: bool = False) -> None:
        """Filter and order again; keep the cursor on its row and the row on its line, as far as can be."""
        before, index = self._visible(), self._at()
        line = index - self._top()
        self._rows.arrange()
        shown = self._rows.shown
        lost = self._cursor not in self._rows.place
        if lost:
            self._cursor = shown[min(index, len(shown) - 1)] if shown else None
        self.virtual_size = Size(self.size.width, len(shown) + 1)
        self._hold(line)
        if all_dirty:
            self.refresh()
        else:
            self._draw_changed(before, set(dirty))
        if lost:
            self.post_message(self.Moved(self, self._cursor))

    def _hold(self, line: int) -> None:
        """Scroll so that the cursor's row is on the line it was on; at the very top stay there."""
        height, top = self._height(), self._top()
        wanted = top
        if 0 <= line < height and (top > 0 or self._at() >= height):
            wanted = self._at() - line
        wanted = max(0, min(len(self._rows.shown) - height, wanted))
        if wanted != top:
            self.scroll_to(y=wanted, animate=False, force=True)

    # -- drawing ------------------------------------------------------------------------------------------------

    def _height(self) -> int:
        """Lines for rows."""
        return max(1, self.size.height - 1)

    def _top(self) -> int:
        return int(self.scroll_offset.y)

    def _visible(self) -> list[Key]:
        return self._rows.shown[self._top() : self._top() + self._height()]

    def _draw_changed(self, before: Sequence[Key], dirty: set[Key]) -> None:
        """Draw the lines that now hold another row, or a changed one."""
        after = self._visible()
        lines = [
            number
            for number in range(max(len(before), len(after)))
            if number >= len(before) or number >= len(after) or before[number] != after[number]
            or after[number] in dirty
        ]  # fmt: skip
        self._draw_lines(lines)

    def _draw_again(self, keys: Iterable[Key]) -> None:
        top, height = self._top(), self._height()
        lines = (self._rows.place[key] - top for key in keys if key in self._rows.place)
        self._draw_lines([line for line in lines if 0 <= line < height])

    def _draw_differences(self, keys: Iterable[Key], before: Mapping[Key, Cells]) -> None:
        """Draw the parts of visible rows that look different from before."""
        top, height, widths = self._top(), self._height(), self._widths.fit(self.size.width)
        regions = [
            Region(begin, self._rows.place[key] - top + 1, end - begin, 1)
            for key in keys
            if key in self._rows.place and top <= self._rows.place[key] < top + height
            for begin, end in changed_spans(before[key], self._rows.cells[key], self._columns, widths)
        ]
        if regions:
            self.refresh(*regions)

    def _draw_lines(self, lines: Sequence[int]) -> None:
        if lines:
            self.refresh(*(Region(0, line + 1, self.size.width, 1) for line in lines))

    def notify_style_update(self) -> None:
        """Another theme: forget what was drawn."""
        self._styles.clear()
        self._strips.clear()
        super().notify_style_update()

    def on_resize(self, event: events.Resize) -> None:
        """The page has another size: the cursor stays in sight."""
        self.virtual_size = Size(event.size.width, len(self._rows.shown) + 1)
        self._into_sight()

    def _style(self, name: str) -> Style:
        found = self._styles.get(name)
        if found is None:
            found = self._styles[name] = self.get_component_rich_style(f"table--{name}")
        return found

    def render_line(self, y: int) -> Strip:
        """One line of the screen: the heading stays, rows scroll under it."""
        width = self.size.width
        if width != self._strip_width:
            self._strips.clear()
            self._strip_width = width
        if y == 0:
            return self._heading(width)
        index = self._top() + y - 1
        if index >= len(self._rows.shown):
            return Strip.blank(width, self._style("row"))
        key = self._rows.shown[index]
        if key == self._cursor:
            return self._row(self._rows.cells[key], width, self._style("cursor"))
        strip = self._strips.get(key)
        if strip is None:
            strip = self._strips[key] = self._row(self._rows.cells[key], width, self._style("row"))
        return strip

    def _heading(self, width: int) -> Strip:
        base, marked = self._style("header"), self._style("sorted")
        parts: list[tuple[str, Style]] = []
        for place, size in self._widths.fit(width):
            column, style, title = self._columns[place], base, self._columns[place].title
            if self._rows.sorting is not None and self._rows.sorting[0] == place:
                style, title = marked, f"{title}{'↓' if self._rows.sorting[1] else '↑'}"
            parts.append((fit_text(title, size, right=column.right), style))
        return _line(parts, width, base)

    def _row(self, cells: Cells, width: int, base: Style) -> Strip:
        parts: list[tuple[str, Style]] = []
        for place, size in self._widths.fit(width):
            cell = cells[place]
            style = base
            if cell.tone:
                tone = self._style(cell.tone)
                style = base + Style(color=tone.color, dim=tone.dim and not base.reverse)
            parts.append((fit_text(cell.text, size, right=self._columns[place].right), style))
        return _line(parts, width, base)

    # -- moving -------------------------------------------------------------------------------------------------

    def _at(self) -> int:
        return self._rows.place.get(self._cursor, 0) if self._cursor is not None else 0

    def _go(self, index: int) -> None:
        if not self._rows.shown:
            return
        old, self._cursor = self._cursor, self._rows.shown[max(0, min(len(self._rows.shown) - 1, index))]
        self._into_sight()
        if old != self._cursor:
            self._draw_again([key for key in (old, self._cursor) if key is not None])
            self.post_message(self.Moved(self, self._cursor))

    def _into_sight(self) -> None:
        index, top, height = self._at(), self._top(), self._height()
        if index < top:
            self.scroll_to(y=index, animate=False, force=True)
        elif index >= top + height:
            self.scroll_to(y=index - height + 1, animate=False, force=True)

    def action_move(self, by: int) -> None:
        """Some rows up or down."""
        self._go(self._at() + by)

    def action_page(self, by: int) -> None:
        """A page up or down."""
        self._go(self._at() + by * max(1, self._height() - 1))

    def action_edge(self, side: int) -> None:
        """To the first or the last row."""
        self._go(0 if side < 0 else len(self._rows.shown) - 1)

    def action_sort_next(self, by: int) -> None:
        """Sort by the column beside the one that is sorted by now."""
        places = [place for place, _ in self._widths.fit(self.size.width)]
        now = self._rows.sorting[0] if self._rows.sorting is not None else None
        at = places.index(now) if now in places else -1 if by > 0 else 0
        self.sort(self._columns[places[(at + by) % len(places)]].id)

    def choose(self) -> None:
        """Choose the row under the cursor."""
        if self._cursor is not None:
            self.post_message(self.Chosen(self, self._cursor))

    def on_click(self, event: events.Click) -> None:
        """A click moves, a double click chooses, a click on a heading sorts."""
        where = event.get_content_offset(self)
        if where is None:
            return
        if where.y == 0:
            self._click_heading(where.x)
            return
        index = self._top() + where.y - 1
        if index < len(self._rows.shown):
            self._go(index)
            if event.chain == 2:
                self.choose()

    def _click_heading(self, x: int) -> None:
        start = 0
        for place, size in self._widths.fit(self.size.width):
            if start <= x < start + size:
                self.turn(self._columns[place].id)
                return
            start += size + GAP

    def on_focus(self) -> None:
        """The cursor looks different with the focus."""
        self._draw_cursor()

    def on_blur(self) -> None:
        """The cursor looks different without the focus."""
        self._draw_cursor()

    def _draw_cursor(self) -> None:
        if self._cursor is not None:
            self._draw_again([self._cursor])


def _line(parts: Sequence[tuple[str, Style]], width: int, base: Style) -> Strip:
    """Columns side by side. Neighbours of one style become one segment: each costs its colours on the wire."""
    pieces = [piece for part in parts for piece in ((" " * GAP, base), part)][1:]
    runs = groupby(pieces, key=itemgetter(1))
    segments = [Segment("".join(text for text, _ in run), style) for style, run in runs]
    return Strip(segments).adjust_cell_length(width, base)
