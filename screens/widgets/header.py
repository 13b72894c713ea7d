"""The line at the top: where we are, how fresh the picture is, who may write, what needs attention, the areas."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from genai_tui.domain.rows import Health, Link
from genai_tui.services import Session
from screens.format import clock, needs_attention

if TYPE_CHECKING:
    from genai_tui.services import Services

AREAS = (
    ("deployments", "Deployments"),
    ("models", "Models"),
    ("endpoints", "Endpoints"),
    ("usage", "Usage"),
)


class ConsoleHeader(Widget):
    """One line; nothing wraps, the least important goes first."""

    DEFAULT_CSS = """
    ConsoleHeader {
        height: 1;
        background: $panel;
        color: $foreground;
        padding: 0 1;
        & > .header--accent { color: $text-accent; }
        & > .header--success { color: $text-success; }
        & > .header--warning { color: $text-warning; }
        & > .header--error { color: $text-error; }
        & > .header--muted { color: $text-muted; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"header--{tone}" for tone in ("accent", "success", "warning", "error", "muted")
    }

    area: reactive[str] = reactive("")
    """The area that is open."""

    class AreaChosen(Message):
        """An area was clicked."""

        def __init__(self, area: str) -> None:
            self.area = area
            super().__init__()

    def __init__(self, services: Services) -> None:
        super().__init__()
        self._services = services
        self._spans: list[tuple[int, int, str]] = []
        self._area_spans: list[tuple[int, int, str]] = []

    def render(self) -> Text:
        """The line."""
        width = self.size.width
        picture, session = self._services.picture, self._services.session
        left = self._where(session)
        health = self._health(picture.health)
        waiting = sum(needs_attention(row.assessment) for row in picture.deployments() if not row.foreign)
        right = self._areas(short=width < 110)
        middle: list[tuple[str, str | Style]] = [("  ", ""), health, ("  ", ""), self._who(session, short=width < 110)]
        if waiting:
            middle += [("  ", ""), (f"{waiting} need{'s' if waiting == 1 else ''} you", self._tone("warning"))]
        line = Text(no_wrap=True, overflow="crop")
        for text, style in [*left, *middle]:
            line.append(text, style)
        space = width - line.cell_len - right.cell_len
        if space < 1:
            line.truncate(max(0, width - right.cell_len - 1), overflow="ellipsis")
            space = width - line.cell_len - right.cell_len
        start = line.cell_len + max(1, space)
        self._spans = [(start + a, start + b, area) for a, b, area in self._area_spans]
        return Text.assemble(line, " " * max(1, space), right, no_wrap=True)

    def _tone(self, name: str, *, bold: bool = False) -> Style:
        found = self.get_component_rich_style(f"header--{name}")
        return Style(color=found.color, bold=bold)

    def _where(self, session: Session) -> list[tuple[str, str | Style]]:
        name = "genai-tui" if self.size.width >= 100 else "genai"
        place = session.namespace or "all namespaces"
        found: list[tuple[str, str | Style]] = [
            (name, self._tone("accent", bold=True)),
            ("  ", ""),
            (session.context, "bold"),
        ]
        if self.size.width >= 110:
            found.append((f" > {place}", ""))
        if session.simulated:
            found.append(("  simulated", self._tone("warning")))
        return found

    def _health(self, health: Health) -> tuple[str, str | Style]:
        if health.link is Link.LIVE:
            text = f"● {health.latency_ms:.0f} ms" if health.latency_ms is not None else "● live"
            return text, self._tone("success")
        if health.link is Link.STALE:
            return f"▲ stale since {clock(health.stale_since)}", self._tone("warning")
        if health.link is Link.OFFLINE:
            return "✖ offline", self._tone("error")
        return "○ connecting", self._tone("muted")

    def _who(self, session: Session, *, short: bool) -> tuple[str, str | Style]:
        if session.read_only:
            return "read-only", self._tone("warning")
        return ("" if short else session.identity or "may write"), self._tone("muted")

    def _areas(self, *, short: bool) -> Text:
        line = Text()
        self._area_spans = []
        for number, (area, title) in enumerate(AREAS, 1):
            # Where space is short only the open area has its name; the number is the key of each.
            label = f"{number} {title}" if not short or area == self.area else str(number)
            begin = line.cell_len
            style = self._tone("accent", bold=True) if area == self.area else self._tone("muted")
            line.append(label, style)
            self._area_spans.append((begin, line.cell_len, area))
            line.append("  " if not short else " ")
        return line

    def on_click(self, event: events.Click) -> None:
        """A click on an area opens it."""
        for start, end, area in self._spans:
            if start <= event.x - 1 < end:
                self.post_message(self.AreaChosen(area))
                return
