"""Many things as one glyph each, shaded by how full they are: what a list of hundreds cannot show at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

SHADES = "·░▒▓█"
"""Nothing, up to a third, up to two thirds, below all, all."""
UNKNOWN = "?"
_STEP = 2


@dataclass(frozen=True, slots=True)
class Spot:
    """One thing: its name, its glyph and the tone of it (never told by the tone alone)."""

    name: str
    glyph: str
    tone: str = ""


def shade(fraction: float | None) -> str:
    """The glyph of a share from 0 to 1; `?` where it is not known."""
    if fraction is None:
        return UNKNOWN
    if fraction <= 0:
        return SHADES[0]
    return SHADES[4] if fraction >= 1 else SHADES[1 + min(2, int(fraction * 3))]


class HeatMap(Widget, can_focus=True):
    """The spots in rows as wide as there is room, one of them under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1,0)", "Left", show=False),
        Binding("right", "move(1,0)", "Right", show=False),
        Binding("up", "move(0,-1)", "Up", show=False),
        Binding("down", "move(0,1)", "Down", show=False),
        Binding("home", "edge(0)", "First", show=False),
        Binding("end", "edge(1)", "Last", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"map--{t}" for t in ("good", "busy", "waiting", "bad", "quiet", "cursor")}
    ALLOW_SELECT = False

    @dataclass
    class Moved(Message):
        """The cursor is on another spot."""

        name: str

    @dataclass
    class Chosen(Message):
        """A spot was clicked twice."""

        name: str

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._spots: tuple[Spot, ...] = ()
        self._at = 0

    @property
    def cursor(self) -> str | None:
        """The name under the cursor."""
        return self._spots[self._at].name if self._spots else None

    def show(self, spots: Sequence[Spot]) -> None:
        """Show these; the cursor stays on its name, and lines that look the same are not drawn again."""
        before, name = self._spots, self.cursor
        self._spots = tuple(spots)
        places = {spot.name: place for place, spot in enumerate(self._spots)}
        at = places.get(name or "", min(self._at, max(0, len(self._spots) - 1)))
        self._at, was = at, self._at
        if len(before) != len(self._spots):
            self.refresh(layout=True)
            return
        changed = {i for i, (old, new) in enumerate(zip(before, self._spots, strict=True)) if old != new}
        self._draw(changed | ({at, was} if at != was else set()))

    def move_to(self, name: str) -> None:
        """Put the cursor on a spot."""
        place = next((i for i, spot in enumerate(self._spots) if spot.name == name), None)
        if place is not None:
            self._go(place)

    def _columns(self) -> int:
        return max(1, self.content_size.width // _STEP)

    def _draw(self, places: set[int]) -> None:
        columns, width = self._columns(), self.content_size.width
        for y in {place // columns for place in places}:
            self.refresh(Region(0, y, width, 1))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many rows as it takes at this width."""
        columns = max(1, width // _STEP)
        return max(1, -(-len(self._spots) // columns))

    def render_line(self, y: int) -> Strip:
        """One row of spots."""
        columns, base = self._columns(), self.rich_style
        segments: list[Segment] = []
        for place in range(y * columns, min((y + 1) * columns, len(self._spots))):
            spot = self._spots[place]
            style = self.get_component_rich_style(f"map--{spot.tone}") if spot.tone else base
            if place == self._at:
                style = self.get_component_rich_style("map--cursor")
            segments += [Segment(spot.glyph, style), Segment(" ", base)]
        return Strip(segments).extend_cell_length(self.size.width, base).crop(0, self.size.width)

    def _go(self, place: int) -> None:
        place = max(0, min(place, len(self._spots) - 1))
        if place == self._at or not self._spots:
            return
        was, self._at = self._at, place
        self._draw({was, place})
        if isinstance(self.parent, VerticalScroll):
            self.parent.scroll_to_region(Region(0, place // self._columns(), 1, 1), animate=False)
        self.post_message(self.Moved(self._spots[place].name))

    def action_move(self, across: int, down: int) -> None:
        """Move by spots and rows."""
        place = self._at + across + down * self._columns()
        if 0 <= place < len(self._spots):
            self._go(place)

    def action_edge(self, side: int) -> None:
        """The first or last spot."""
        self._go(side * (len(self._spots) - 1))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor there; twice opens it."""
        offset = event.get_content_offset(self)
        place = offset.y * self._columns() + offset.x // _STEP if offset is not None else -1
        if 0 <= place < len(self._spots):
            self._go(place)
            if event.chain == 2:
                self.post_message(self.Chosen(self._spots[place].name))
