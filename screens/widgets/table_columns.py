"""Columns of a table: what a cell is, how wide a column gets, which columns are left out where space is short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from genai_tui.domain.text import printable

GAP = 2
"""Cells between two columns."""
SAME_RUN = 24
"""Cells that are as cheap to draw again as to jump over: the jump and its colours are so many bytes."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        id: its name in code.
        title: its heading.
        least: cells it has at least.
        most: cells it has at most; longer text ends in an ellipsis.
        right: whether it is aligned to the right (numbers).
        rank: 0 is always shown; where space is short the highest rank goes first.
        flexible: whether it takes the space that is left; one column of a table.
    """

    id: str
    title: str
    least: int = 4
    most: int = 30
    right: bool = False
    rank: int = 0
    flexible: bool = False


class Cell(NamedTuple):
    """Text, in a tone (never told by the tone alone), and what it sorts by if not by its text."""

    text: str
    tone: str = ""
    order: float | str | None = None


Cells = tuple[Cell, ...]
Widths = tuple[tuple[int, int], ...]
"""(place of the column, its width) of the columns that are shown, in order."""


class ColumnWidths:
    """Keeps how wide columns are. They follow their content, only grow, and never jump."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self._natural = [max(column.least, cell_len(column.title) + 1) for column in self.columns]
        self._growing = [place for place, column in enumerate(self.columns) if not column.flexible]
        self._known: tuple[int, Widths] = (-1, ())

    def measure(self, cells: Cells) -> bool:
        """Take a row into account; returns whether a column grew."""
        grown = False
        natural = self._natural
        for place in self._growing:
            text = cells[place][0]
            # Text of fewer characters than the column has cells can only be wider when it is not ASCII.
            if len(text) <= natural[place] and text.isascii():
                continue
            width = min(self.columns[place].most, cell_len(text))
            if width > natural[place]:
                natural[place] = width
                grown = True
        if grown:
            self._known = (-1, ())
        return grown

    def fit(self, width: int) -> Widths:
        """The columns that fit into `width` cells."""
        if self._known[0] != width:
            self._known = (width, self._choose(width))
        return self._known[1]

    def _choose(self, width: int) -> Widths:
        chosen = list(range(len(self.columns)))
        for place in sorted(chosen, key=lambda place: -self.columns[place].rank):
            if self._needed(chosen) <= width or self.columns[place].rank == 0:
                break
            chosen.remove(place)
        found = {place: self._own(place) for place in chosen}
        self._shrink(found, self._needed(chosen) - width)
        spare = width - sum(found.values()) - GAP * (len(found) - 1)
        for place in found:
            if self.columns[place].flexible:
                found[place] += max(0, spare)
        return tuple(found.items())

    def _shrink(self, found: dict[int, int], excess: int) -> None:
        """Take what is missing from the columns with more than their least, the widest first."""
        for place in sorted(found, key=lambda place: -found[place]):
            give = min(max(0, excess), found[place] - min(found[place], self.columns[place].least))
            found[place] -= give
            excess -= give

    def _own(self, place: int) -> int:
        return self.columns[place].least if self.columns[place].flexible else self._natural[place]

    def _needed(self, chosen: Sequence[int]) -> int:
        return sum(self._own(place) for place in chosen) + GAP * max(0, len(chosen) - 1)


def fit_text(text: str, width: int, *, right: bool = False) -> str:
    """The text in exactly `width` cells, with an ellipsis where it is cut; safe to write to a terminal."""
    if not (text.isascii() and text.isprintable()):
        text = printable(text)
        length = cell_len(text)
    else:
        length = len(text)
    if length > width:
        return f"{set_cell_size(text, width - 1)}…" if width > 1 else set_cell_size(text, width)
    return " " * (width - length) + text if right else text + " " * (width - length)


def changed_spans(
    before: Cells, after: Cells, columns: Sequence[Column], widths: Widths
) -> tuple[tuple[int, int], ...]:
    """Where a line looks different: (first cell, cell after the last), from left to right.

    Neighbours are drawn as one: another place on the line costs as many bytes as SAME_RUN cells.
    """
    spans: list[tuple[int, int]] = []
    x = 0
    for place, size in widths:
        if before[place] != after[place]:
            begin, end = _difference(before[place], after[place], columns[place], size)
            if spans and begin < end and x + begin - spans[-1][1] <= SAME_RUN:
                spans[-1] = (spans[-1][0], x + end)
            elif begin < end:
                spans.append((x + begin, x + end))
        x += size + GAP
    return tuple(spans)


def _difference(before: Cell, after: Cell, column: Column, size: int) -> tuple[int, int]:
    old, new = (fit_text(cell.text, size, right=column.right) for cell in (before, after))
    if before.tone != after.tone or not (old.isascii() and new.isascii()):
        return (0, size) if old != new or before.tone != after.tone else (0, 0)
    differing = [i for i, (one, other) in enumerate(zip(old, new, strict=True)) if one != other]
    return (differing[0], differing[-1] + 1) if differing else (0, 0)


def sort_key(cell: Cell) -> tuple[int, float, str]:
    """Numbers, then text without regard to case, then what is missing."""
    if isinstance(cell.order, str):
        return (1, 0.0, cell.order)
    if cell.order is not None:
        return (0, float(cell.order), "")
    return (2, 0.0, "") if cell.text in ("", "–") else (1, 0.0, cell.text.lower())
