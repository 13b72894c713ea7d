"""A chart of one measure over time, read with the arrow keys; only lines that changed are painted again."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from screens.widgets.trend_lines import Drawn, Trend, draw


class TrendChart(Widget, can_focus=True):
    """Bars over time with a line above (what it is, its peak or the value under the cursor) and times below."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "step(-1)", "Earlier", show=False),
        Binding("right", "step(1)", "Later", show=False),
        Binding("home", "edge(0)", "First", show=False),
        Binding("end", "edge(1)", "Last", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"trend--head", "trend--axis", "trend--bar", "trend--chosen"}
    ALLOW_SELECT = False
    DEFAULT_CSS = """
    TrendChart {
        height: 8;
        & > .trend--head { text-style: bold; }
        & > .trend--axis { color: $text-muted; }
        & > .trend--bar { color: $text-accent; }
        & > .trend--chosen { background: $accent-muted; color: $block-cursor-foreground; text-style: bold; }
        &:focus > .trend--head { color: $text-accent; }
        &:ansi > .trend--chosen { background: ansi_default; text-style: reverse bold; }
        &:ansi:focus > .trend--head { text-style: bold underline; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._trend: Trend | None = None
        self._chosen: int | None = None
        self._drawn: Drawn | None = None

    def show(self, trend: Trend) -> None:
        """Show this trend. The cursor goes where a trend has other periods."""
        before = self._trend
        if before is None or [p.label for p in before.points] != [p.label for p in trend.points]:
            self._chosen = None
        self._trend = trend
        self._lay()

    def _lay(self) -> None:
        """Draw again, and paint the lines that are others now."""
        before, size = self._drawn, self.content_size
        if self._trend is None or not size.width or not size.height:
            self._drawn = None
            return
        drawn = self._drawn = draw(self._trend, size.width, size.height, self._chosen)
        if before is None or len(before.rows) != len(drawn.rows):
            self.refresh()
            return
        old, new = _lines(before), _lines(drawn)
        moved = before.first != drawn.first or before.wide != drawn.wide
        for y, (was, now) in enumerate(zip(old, new, strict=True)):
            if was != now or moved:
                self.refresh(Region(0, y, size.width, 1))

    def on_resize(self) -> None:
        """Another size is another drawing."""
        self._drawn = None
        self._lay()

    def render_line(self, y: int) -> Strip:
        """One line of the drawing."""
        drawn, base, width = self._drawn, self.rich_style, self.size.width
        if drawn is None:
            return Strip.blank(width, base)
        segments: list[Segment]
        if y == 0:
            segments = [Segment(drawn.head, self._style("head"))]
        elif y <= len(drawn.rows):
            axis, bars = drawn.rows[y - 1]
            segments = [Segment(axis, self._style("axis")), *self._bars(drawn, bars)]
        else:
            segments = [Segment(drawn.foot, self._style("axis"))]
        return Strip(segments).extend_cell_length(width, base).crop(0, width)

    def _bars(self, drawn: Drawn, bars: str) -> list[Segment]:
        style = self._style("bar")
        if self._chosen is None:
            return [Segment(bars, style)]
        start = (self._chosen - drawn.first) * drawn.wide
        end = start + max(1, drawn.wide - (drawn.wide >= 3))
        bars = bars.ljust(end)
        return [
            Segment(bars[:start], style),
            Segment(bars[start:end], self._style("chosen")),
            Segment(bars[end:], style),
        ]

    def _style(self, part: str) -> Style:
        return self.get_component_rich_style(f"trend--{part}")

    # Reading single values --------------------------------------------------------------------------------------------

    def _choose(self, place: int | None) -> None:
        if place == self._chosen or self._trend is None or self._drawn is None:
            return
        self._chosen = place
        self._lay()
        self.refresh()

    def action_step(self, by: int) -> None:
        """The period beside; from nowhere, the last one."""
        if self._trend is None or self._drawn is None or not self._trend.points:
            return
        last = len(self._trend.points) - 1
        place = last if self._chosen is None else max(self._drawn.first, min(last, self._chosen + by))
        self._choose(place)

    def action_edge(self, side: int) -> None:
        """The first or the last period."""
        if self._trend is not None and self._drawn is not None and self._trend.points:
            self._choose(len(self._trend.points) - 1 if side else self._drawn.first)

    def on_blur(self) -> None:
        """Without the keys there is no cursor."""
        self._choose(None)

    def on_click(self, event: events.Click) -> None:
        """The period under the pointer."""
        offset, drawn = event.get_content_offset(self), self._drawn
        if offset is None or drawn is None or self._trend is None:
            return
        place = drawn.first + (offset.x - drawn.axis) // drawn.wide
        if drawn.first <= place < len(self._trend.points):
            self._choose(place)


def _lines(drawn: Drawn) -> list[str]:
    return [drawn.head, *(axis + bars for axis, bars in drawn.rows), drawn.foot]
