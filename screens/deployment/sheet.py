"""Blocks of aligned text that change in place: only lines that look different are drawn again.

What to show is given as blocks (headings, facts, grids), without widths and without colours: the sheet lays them out
for the width it has, and its tones are component classes of the style sheet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import ClassVar

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.segment import Segment
from textual.events import Resize
from textual.geometry import Region, Size
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget

from genai_tui.domain.text import printable

GAP = 2
LABEL = 13
TONES = ("good", "busy", "waiting", "bad", "quiet", "accent", "strong", "heading", "label")


@dataclass(frozen=True, slots=True)
class Bit:
    """Text in a tone."""

    text: str
    tone: str = ""


Line = tuple[Bit, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A title, with a remark beside it."""

    text: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """A label and a text that wraps below itself; a line break in it begins a new line."""

    label: str
    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """Aligned cells.

    `right` holds the numbers of columns that are aligned to the right. The last column wraps below itself, or is cut
    when `cut`.
    """

    rows: tuple[Line, ...]
    right: frozenset[int] = frozenset()
    cut: bool = False
    gap: int = GAP


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str
    tone: str = ""
    indent: int = 0


@dataclass(frozen=True, slots=True)
class Space:
    """An empty line."""


Block = Heading | Fact | Grid | Text | Space


def lay_out(blocks: Sequence[Block], width: int) -> list[Line]:
    """Every block as lines of at most `width` cells."""
    lines: list[Line] = []
    for block in blocks:
        match block:
            case Heading():
                remark = (Bit(f"  {block.remark}", "quiet"),) if block.remark else ()
                lines.append((Bit(block.text, "heading"), *remark))
            case Fact():
                lines += _fact(block, width)
            case Grid():
                lines += _grid(block, width)
            case Text():
                room = max(1, width - block.indent)
                lines += [(Bit(" " * block.indent + part, block.tone),) for part in wrap(block.text, room)]
            case Space():
                lines.append(())
    return [_within(line, width) for line in lines]


def _fact(block: Fact, width: int) -> Iterator[Line]:
    for i, part in enumerate(wrap(block.text, max(1, width - LABEL))):
        label = block.label if i == 0 else ""
        yield (Bit(label + " " * (LABEL - cell_len(label)), "label"), Bit(part, block.tone))


def _grid(block: Grid, width: int) -> Iterator[Line]:
    columns = max((len(row) for row in block.rows), default=0)
    sizes = [max(cell_len(row[i].text) for row in block.rows if i < len(row)) for i in range(columns)]
    before = sum(sizes[:-1]) + block.gap * (columns - 1)
    room = max(8, width - before)
    for row in block.rows:
        line: list[Bit] = []
        for i, bit in enumerate(row[: columns - 1] if len(row) == columns else row):
            pad = " " * (sizes[i] - cell_len(bit.text))
            line.append(Bit(pad + bit.text if i in block.right else bit.text + pad, bit.tone))
            line.append(Bit(" " * block.gap))
        if len(row) < columns:
            yield tuple(line)
            continue
        last = row[-1]
        if columns - 1 in block.right:
            yield (*line, Bit(" " * (sizes[-1] - cell_len(last.text)) + last.text, last.tone))
            continue
        parts = [_cut(last.text, room)] if block.cut else wrap(last.text, room)
        for i, part in enumerate(parts):
            yield (*line, Bit(part, last.tone)) if i == 0 else (Bit(" " * before), Bit(part, last.tone))


def _cut(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    return f"{set_cell_size(text, width - 1)}…" if width > 1 else "…"


def _within(line: Line, width: int) -> Line:
    """The line cut at the edge, of characters that a terminal only shows: much of it is what machines said."""
    room, kept = width, []
    for part in line:
        bit = part if part.text.isprintable() else Bit(printable(part.text), part.tone)
        size = cell_len(bit.text)
        if size > room:
            if room > 0:
                kept.append(Bit(_cut(bit.text, room), bit.tone))
            break
        kept.append(bit)
        room -= size
    return tuple(kept)


def wrap(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` cells, broken between words where there are any."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        rest = paragraph
        while cell_len(rest) > width:
            head = chop_cells(rest, width)[0]
            space = head.rfind(" ") if rest[len(head) : len(head) + 1] != " " else len(head)
            # A word longer than half a line is broken where the line ends.
            at = space if space > len(head) // 2 else len(head)
            lines.append(rest[:at].rstrip())
            rest = rest[at:].lstrip()
        lines.append(rest)
    return lines


class Sheet(Widget):
    """Shows blocks.

    Args:
        step: by how many lines its height changes at a time. A sheet whose lines come and go all the time is laid out,
            and sent to the terminal as a whole, only when it outgrows its blank lines.
        id: id of the widget.
        classes: its style classes.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"sheet--{tone}" for tone in TONES}
    can_focus = False

    def __init__(self, *, step: int = 1, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._step = step
        self._blocks: tuple[Block, ...] = ()
        self._lines: list[Line] = []
        self._width = 0

    @property
    def text(self) -> str:
        """What is shown, as plain text."""
        return "\n".join("".join(bit.text for bit in line).rstrip() for line in self._lines)

    @property
    def allow_select(self) -> bool:
        """Text can be marked and copied with the mouse."""
        return True

    def show(self, blocks: Sequence[Block]) -> None:
        """Show these blocks; what stays the same is not drawn again."""
        if tuple(blocks) == self._blocks:
            return
        self._blocks = tuple(blocks)
        before, self._lines = self._lines, lay_out(self._blocks, self._width) if self._width else []
        if self._height(before) != self._height(self._lines) or not self._width:
            self.refresh(layout=True)
            return
        changed = [y for y, (old, new) in enumerate(zip_longest(before, self._lines)) if old != new]
        if changed:
            self.refresh(*(Region(0, y, self._width, 1) for y in changed))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as it takes at this width."""
        self._fit(width)
        return self._height(self._lines)

    def _height(self, lines: Sequence[Line]) -> int:
        return -(-len(lines) // self._step) * self._step

    def _fit(self, width: int) -> None:
        if width != self._width:
            self._width = width
            self._lines = lay_out(self._blocks, width)
        elif not self._lines:
            self._lines = lay_out(self._blocks, width)

    def on_resize(self, event: Resize) -> None:
        """Lay out anew."""
        self._fit(self.content_size.width)

    def render_line(self, y: int) -> Strip:
        """One line."""
        width, base = self.size.width, self.rich_style
        if y >= len(self._lines):
            return Strip.blank(width, base)
        segments: list[Segment] = []
        for bit in self._lines[y]:
            # A gap looks alike in every tone: in that of what stands before it, it needs no codes of its own.
            style = self.get_component_rich_style(f"sheet--{bit.tone}") if bit.tone else base
            if segments and (style == segments[-1].style or bit.text.isspace()):
                segments[-1] = Segment(segments[-1].text + bit.text, segments[-1].style)
            else:
                segments.append(Segment(bit.text, style))
        strip = marked(Strip(segments), self, y)
        return strip.extend_cell_length(width, base).apply_offsets(0, y)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """What is marked."""
        return selection.extract(self.text), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """The mark moved."""
        self.refresh()


def marked(strip: Strip, widget: Widget, y: int) -> Strip:
    """The strip with what is selected in it marked."""
    selection = widget.text_selection
    span = selection.get_span(y) if selection is not None else None
    if span is None:
        return strip
    start, end = span[0], strip.cell_length if span[1] == -1 else min(span[1], strip.cell_length)
    if end <= start:
        return strip
    style = widget.screen.get_component_rich_style("screen--selection")
    chosen = Strip([Segment(part.text, (part.style or style) + style) for part in strip.crop(start, end)])
    return Strip.join([strip.crop(0, start), chosen, strip.crop(end, strip.cell_length)])
