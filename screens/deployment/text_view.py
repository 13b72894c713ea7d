"""A long text that grows: bounded, drawn only where it is seen, wrapped or not, searched, followed to its end.

When the oldest lines are dropped, what is read stays where it is on the screen.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import var
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from screens.deployment.sheet import Bit, Line, marked

KEPT = 10_000
SPARE = 1_000
"""Dropped at once when there are so many too many, so that dropping costs nothing most of the time."""
MORE = "›"
"""At the edge of a line that goes on."""
TONES = ("good", "waiting", "bad", "quiet", "accent", "busy")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the text: `lead` in a tone of its own (a time, a name), then the text."""

    text: str
    tone: str = ""
    lead: str = ""
    lead_tone: str = "quiet"

    @property
    def whole(self) -> str:
        """Lead and text."""
        return self.lead + self.text


class TextView(ScrollView, can_focus=True):
    """Shows rows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "Up", show=False),
        Binding("down,j", "scroll_down", "Down", show=False),
        Binding("left", "scroll_left", "Left", show=False),
        Binding("right", "scroll_right", "Right", show=False),
        Binding("pageup", "page_up", "Page up", show=False),
        Binding("pagedown", "page_down", "Page down", show=False),
        Binding("home,g", "scroll_home", "First line", show=False),
        Binding("end,G", "to_end", "Last line", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"text--{tone}" for tone in TONES),
        "text--match",
        "text--match-current",
    }

    following: var[bool] = var(False)
    """Whether the end is kept in sight; ends when somebody scrolls up, begins when they are back at the end."""
    wrapping: var[bool] = var(False)
    """Whether long lines go on below themselves."""

    class FollowingChanged(Message):
        """Somebody scrolled away from the end, or came back to it."""

    class MatchesChanged(Message):
        """Another match, or another number of them."""

    def __init__(self, *, follow: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: list[Row] = []
        self._starts: list[int] = [0]
        self._widest = 0
        self._needle: re.Pattern[str] | None = None
        self._matches: list[int] = []
        self._match: int | None = None
        self._follows_ends = follow
        self.set_reactive(TextView.following, follow)

    # What is shown ----------------------------------------------------------------------------------------------------

    @property
    def rows(self) -> Sequence[Row]:
        """Everything kept, oldest first."""
        return self._rows

    @property
    def text(self) -> str:
        """Everything kept, as text."""
        return "\n".join(row.whole for row in self._rows)

    @property
    def allow_select(self) -> bool:
        """Text can be marked and copied with the mouse."""
        return True

    def replace(self, rows: Iterable[Row]) -> None:
        """Show these rows instead; the place that is read is kept as far as it exists."""
        self._rows = list(rows)[-KEPT:]
        self._measure_all()
        self._search_all()

    def append(self, rows: Iterable[Row]) -> None:
        """Add rows at the end."""
        first = len(self._rows)
        self._rows.extend(rows)
        for i in range(first, len(self._rows)):
            self._starts.append(self._starts[-1] + self._height(self._rows[i]))
            self._widest = max(self._widest, cell_len(self._rows[i].whole))
        self._look_in(range(first, len(self._rows)))
        if len(self._rows) > KEPT + SPARE:
            self._drop(len(self._rows) - KEPT)
        self._resized()

    def replace_end(self, count: int, rows: Iterable[Row]) -> None:
        """Show these rows instead of the last `count`."""
        left = max(0, len(self._rows) - count)
        del self._rows[left:], self._starts[left + 1 :]
        self._matches = [i for i in self._matches if i < left]
        self._match = None if self._match is None or self._match >= left else self._match
        self.append(rows)

    def _drop(self, count: int) -> None:
        gone = self._starts[count]
        del self._rows[:count]
        self._starts = [start - gone for start in self._starts[count:]]
        self._matches = [i - count for i in self._matches if i >= count]
        self._match = None if self._match is None or self._match < count else self._match - count
        if not self.following:
            self.scroll_to(y=max(0, self.scroll_offset.y - gone), animate=False, immediate=True, force=True)

    def _room(self) -> int:
        return max(1, self.scrollable_content_region.width or self.size.width)

    def _height(self, row: Row) -> int:
        if not self.wrapping:
            return 1
        whole = row.whole
        # Wide characters are never cut in two, so that only the cutting itself tells how many lines they take.
        return max(1, -(-len(whole) // self._room()) if whole.isascii() else len(chop_cells(whole, self._room())))

    def _measure_all(self) -> None:
        starts, at = [0], 0
        for row in self._rows:
            at += self._height(row)
            starts.append(at)
        self._starts = starts
        self._widest = max((cell_len(row.whole) for row in self._rows), default=0)
        self._resized()

    def _resized(self) -> None:
        self.virtual_size = Size(0 if self.wrapping else self._widest, self._starts[-1])
        if self.following:
            self.scroll_end(animate=False, immediate=True, force=True, x_axis=False)
        self.refresh()

    def watch_wrapping(self) -> None:
        """Keep the first line in sight."""
        top = self._index(self.scroll_offset.y)
        self._measure_all()
        if not self.following:
            self.scroll_to(x=0, y=self._starts[min(top, len(self._starts) - 1)], animate=False, force=True)

    def _on_resize(self, event: events.Resize) -> None:
        if self.wrapping:
            self._measure_all()
        else:
            self._resized()

    # Following --------------------------------------------------------------------------------------------------------

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Stop to follow when somebody scrolls up; go on at the end."""
        super().watch_scroll_y(old_value, new_value)
        if not self._follows_ends or round(old_value) == round(new_value):
            return
        at_end = new_value >= self.max_scroll_y - 0.5
        if at_end != self.following and (at_end or new_value < old_value):
            self.following = at_end
            self.post_message(self.FollowingChanged())

    def watch_following(self, following: bool) -> None:
        """Go to the end."""
        if following:
            self.scroll_end(animate=False, force=True, x_axis=False)

    def action_to_end(self) -> None:
        """Go to the last line."""
        self.scroll_end(animate=False, force=True, x_axis=False)

    # Searching --------------------------------------------------------------------------------------------------------

    def search(self, text: str) -> None:
        """Mark every place with this text, in any case; empty ends it."""
        self._needle = re.compile(re.escape(text), re.IGNORECASE) if text else None
        self._search_all()
        if self._matches:
            top = self._index(self.scroll_offset.y)
            self._match = next((i for i in self._matches if i >= top), self._matches[-1])
            self._show_match()

    @property
    def found(self) -> tuple[int, int]:
        """(which, of how many) lines with the text; which is 0 for none."""
        place = bisect_right(self._matches, self._match) if self._match is not None else 0
        return place, len(self._matches)

    def next_match(self, by: int) -> None:
        """Go to another line with the text, round at the ends."""
        if self._matches:
            at = self._matches.index(self._match) if self._match in self._matches else -1
            self._match = self._matches[(at + by) % len(self._matches)]
            self._show_match()

    def _show_match(self) -> None:
        if self._match is None:
            return
        y = self._starts[self._match]
        top, height = self.scroll_offset.y, self.size.height
        if not top <= y < top + height:
            self.scroll_to(y=max(0, y - height // 2), animate=False, force=True)
        self.refresh()
        self.post_message(self.MatchesChanged())

    def _search_all(self) -> None:
        self._matches, self._match = [], None
        self._look_in(range(len(self._rows)))
        self.refresh()

    def _look_in(self, indices: range) -> None:
        if self._needle is None:
            return
        found = [i for i in indices if self._needle.search(self._rows[i].whole)]
        self._matches += found
        if found:
            self.post_message(self.MatchesChanged())

    # Drawing ----------------------------------------------------------------------------------------------------------

    def _index(self, y: int) -> int:
        """The row that line `y` of the text belongs to."""
        return bisect_right(self._starts, y) - 1

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        left, top = self.scroll_offset
        width, at = self.size.width, top + y
        if at >= self._starts[-1]:
            return Strip.blank(width, self.rich_style)
        index = self._index(at)
        row = self._rows[index]
        strip = Strip(
            Segment(bit.text, self.get_component_rich_style(f"text--{bit.tone}") if bit.tone else self.rich_style)
            for bit in self._bits(index, row)
        )
        if self.wrapping:
            part = self._part(row, at - self._starts[index])
            strip = marked(strip.crop(*part), self, at)
        else:
            strip = marked(strip, self, at)
        shown = strip.crop_extend(left, left + width, self.rich_style)
        if strip.cell_length > left + width:
            more = Segment(MORE, self.get_component_rich_style("text--accent"))
            shown = Strip.join([shown.crop(0, width - 1), Strip([more])])
        return shown.apply_offsets(left, at)

    def _part(self, row: Row, number: int) -> tuple[int, int]:
        """Where the part of a wrapped row begins and ends, in cells; wide characters are never cut in two."""
        begin = 0
        for i, piece in enumerate(chop_cells(row.whole, self._room())):
            size = cell_len(piece)
            if i == number:
                return begin, begin + size
            begin += size
        return begin, begin

    def _bits(self, index: int, row: Row) -> Line:
        bits = ((Bit(row.lead, row.lead_tone),) if row.lead else ()) + (Bit(row.text, row.tone),)
        if self._needle is None:
            return bits
        tone = "match-current" if index == self._match else "match"
        return tuple(_overlaid(bits, [match.span() for match in self._needle.finditer(row.whole)], tone))

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """What is marked."""
        if not self.wrapping:
            return selection.extract(self.text), "\n"
        parts = (part for row in self._rows for part in chop_cells(row.whole, self._room()) or [""])
        return selection.extract("\n".join(parts)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """The mark moved."""
        self.refresh()


def _overlaid(bits: Line, spans: Sequence[tuple[int, int]], tone: str) -> Iterator[Bit]:
    """The same text with the spans, counted in characters, in another tone."""
    at = 0
    for bit in bits:
        end = at + len(bit.text)
        cut = at
        for begin, stop in spans:
            low, high = max(begin, cut), min(stop, end)
            if low < high:
                yield Bit(bit.text[cut - at : low - at], bit.tone)
                yield Bit(bit.text[low - at : high - at], tone)
                cut = high
        yield Bit(bit.text[cut - at :], bit.tone)
        at = end
