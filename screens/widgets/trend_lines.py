"""A trend as lines of text: bars of block elements over time, with units. Pure; `trend_chart.py` paints it.

Block elements are in every font of a terminal, tell eight heights a line without any colour, and repaint as little
as one line. A period of which nothing is known is an empty column, and a known zero a low line: they never look alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, log10

from rich.cells import cell_len

_EIGHTHS = " ▁▂▃▄▅▆▇█"
ZERO = "_"
_STEPS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_LABEL_GAP = 2


@dataclass(frozen=True, slots=True)
class Point:
    """One period: when it began, as people read it, and its value; None where nothing is known of it."""

    label: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Trend:
    """A measure over equally long periods, oldest first.

    Attributes:
        title: what it is and how long a period is: `Tokens each 30m`.
        points: the periods.
        text: a value with its unit.
        nothing: what is said where no period has a value.
        step: the axis names multiples of this alone, since `text` tells no less: 1 for whole numbers; 0 for any value.
    """

    title: str
    points: tuple[Point, ...]
    text: Callable[[float], str]
    nothing: str = "nothing is known of this time"
    step: float = 0.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """The lines of a chart: `head` above it, `rows` of (axis, bars) from the top, `foot` with the times.

    Attributes:
        first: place of the leftmost point that is drawn; earlier ones did not fit.
        wide: cells of one period.
        axis: cells in front of the first bar.
    """

    head: str
    rows: tuple[tuple[str, str], ...]
    foot: str
    first: int
    wide: int
    axis: int


def top_of(values: Sequence[float], step: float = 0.0) -> float:
    """A round number that no value is above, and a multiple of `step` where there is one; 1 where all are 0."""
    most = max(values, default=0.0)
    if most <= 0:
        return 1.0
    most = max(most, step)
    size = 10.0 ** floor(log10(most))
    return next((top for top in (each * size for each in _STEPS) if top >= most and _named(top, step)), most)


def _named(value: float, step: float) -> bool:
    """Whether the axis can name it and say what is true."""
    return not step or value % step == 0


def draw(trend: Trend, width: int, height: int, chosen: int | None = None) -> Drawn:
    """The chart in `width` x `height` cells: one line above, one below, the rest bars.

    `chosen` is the place of a point whose value the line above tells, instead of peak and last.
    """
    plot = max(1, height - 2)
    known = [point.value for point in trend.points if point.value is not None]
    top = top_of(known, trend.step)
    labels = {0: trend.text(top), plot - 1: "0"} if known else {}
    if known and plot >= 4 and plot % 2 == 0 and _named(top / 2, trend.step):
        labels[plot // 2] = trend.text(top / 2)
    axis = max((cell_len(label) for label in labels.values()), default=0) + 1
    room = max(1, width - axis)
    first = max(0, len(trend.points) - room)
    shown = trend.points[first:]
    # The last period needs no cell of distance behind it.
    wide = max(1, (room + 1) // max(1, len(shown)))
    wide = wide if wide >= 3 else max(1, room // max(1, len(shown)))
    columns = [_column(point.value, top, plot) for point in shown]
    rows = tuple(
        (
            f"{labels.get(row, ''):>{axis - 1}}{'┤' if row in labels else '│'}",
            "".join(_widened(column[row], wide) for column in columns)[:room],
        )
        for row in range(plot)
    )
    if not known:
        said = trend.nothing[:room].center(room).rstrip()
        rows = tuple((edge, said if row == plot // 2 else "") for row, (edge, _) in enumerate(rows))
    foot = " " * axis + _times(shown, wide, room)
    return Drawn(_head(trend, width, chosen), rows, foot, first, wide, axis)


def _column(value: float | None, top: float, plot: int) -> list[str]:
    """The glyphs of one period from the top down."""
    if value is None:
        return [" "] * plot
    if value <= 0:
        return [" "] * (plot - 1) + [ZERO]
    eighths = max(1, min(plot * 8, round(value / top * plot * 8)))
    return [_EIGHTHS[max(0, min(8, eighths - 8 * (plot - 1 - row)))] for row in range(plot)]


def _widened(glyph: str, wide: int) -> str:
    """A glyph over the cells of its period; wide ones keep a cell of distance."""
    return glyph * wide if wide < 3 else glyph * (wide - 1) + " "


def _times(shown: Sequence[Point], wide: int, room: int) -> str:
    """Times under the bars they belong to, as many as fit."""
    line = ""
    for place, point in enumerate(shown):
        start = place * wide
        fits = start + cell_len(point.label) <= room
        if fits and (not line or start >= cell_len(line) + _LABEL_GAP):
            line = line.ljust(start) + point.label
    return line


def _head(trend: Trend, width: int, chosen: int | None) -> str:
    known = [point for point in trend.points if point.value is not None]
    if chosen is not None and chosen < len(trend.points):
        point = trend.points[chosen]
        told = f"{point.label}  {trend.text(point.value) if point.value is not None else 'nothing known'}"
    elif known:
        peak = max(known, key=lambda point: point.value or 0.0)
        told = f"peak {trend.text(peak.value or 0.0)} at {peak.label}"
    else:
        told = ""
    space = width - cell_len(trend.title) - cell_len(told)
    return f"{trend.title}{' ' * space}{told}" if space >= 2 else trend.title[:width]
