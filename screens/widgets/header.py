"""The first line: where we are, how good the picture is, who may write, what needs somebody, and the areas.

Everything that matters fits into 80 columns; parts are left out from the least important on, and nothing wraps.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.events import Click
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from genai_tui.domain.rows import Health, Link
from genai_tui.domain.text import printable
from genai_tui.services import Services
from screens.format import clock, latency, needs_you

AREAS = (("deployments", "Deployments"), ("models", "Models"), ("endpoints", "Endpoints"), ("usage", "Usage"))
_LONGEST_NAME = 24


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """What the line says."""

    context: str = ""
    namespace: str = ""
    link: str = ""
    link_tone: str = "quiet"
    writer: str = ""
    simulated: bool = False
    attention: int = 0


def link_words(health: Health) -> tuple[str, str]:
    """The state of the connection in a few words, and its tone."""
    if health.link is Link.LIVE:
        return latency(health.latency_ms) if health.latency_ms is not None else "live", "good"
    if health.link is Link.CONNECTING:
        return "connecting", "busy"
    if health.link is Link.STALE:
        return f"stale since {_time(health.stale_since)}", "waiting"
    return "offline", "bad"


def _time(at: datetime | None) -> str:
    return clock(at)[:5]


def header_facts(services: Services, namespace: str | None) -> HeaderFacts:
    """Read what the line says from the services. `namespace` None means all of them."""
    session = services.session
    words, tone = link_words(services.picture.health)
    return HeaderFacts(
        _shorten(printable(session.context)),
        namespace or "all namespaces",
        words,
        tone,
        "read-only" if session.read_only else session.identity or "operator",
        session.simulated,
        sum(needs_you(row.assessment) and not row.foreign for row in services.picture.deployments()),
    )


def _shorten(text: str) -> str:
    return text if cell_len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"


class HeaderBar(Widget):
    """One line; click an area to go there."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "header--program", "header--place", "header--muted", "header--good", "header--busy", "header--waiting",
        "header--bad", "header--quiet", "header--area", "header--area-on", "header--mark",
    }  # fmt: skip
    ALLOW_SELECT = False
    can_focus = False

    class AreaChosen(Message):
        """An area was clicked."""

        def __init__(self, area: str) -> None:
            self.area = area
            super().__init__()

    facts: reactive[HeaderFacts] = reactive(HeaderFacts())
    """What the line says now."""

    def __init__(self, area: str = "") -> None:
        super().__init__()
        self._area = area
        self._targets: list[tuple[range, str]] = []

    def follow(self, services: Services, namespace: str | None = None) -> None:
        """Say what is true now; repaints only when something changed."""
        self.facts = header_facts(services, namespace or services.session.namespace)

    def on_mount(self) -> None:
        """Be right from the first paint on."""
        services = getattr(self.app, "services", None)
        if services is not None:
            self.follow(services)

    def render_line(self, y: int) -> Strip:
        """The line at the present width."""
        width = self.size.width
        left, right = self._left(), self._areas()
        room = width - sum(cell_len(text) for text, _ in left)
        if sum(cell_len(text) for text, _ in right) + 2 > room:
            right = self._areas(short=True)
        space = room - sum(cell_len(text) for text, _ in right)
        if space < 1:
            right, space = [], max(0, room)
        parts = [*left, (" " * space, "header--muted"), *right]
        self._targets = []
        at = 0
        segments = []
        for text, style in parts:
            end = at + cell_len(text)
            area = next((name for name, title in AREAS if text.strip() and title.startswith(text.strip())), None)
            if area and style.startswith("header--area"):
                self._targets.append((range(at, end), area))
            segments.append(Segment(text, self.get_component_rich_style(style)))
            at = end
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _left(self) -> list[tuple[str, str]]:
        facts = self.facts
        parts = [(" genai-tui ", "header--program"), (f" {facts.context}", "header--place")]
        parts += [(" › ", "header--muted"), (facts.namespace, "header--place")]
        parts += [("  ", "header--muted"), (facts.link, f"header--{facts.link_tone}")]
        parts += [("  ", "header--muted"), (facts.writer, "header--muted")]
        if facts.simulated:
            parts += [("  ", "header--muted"), ("simulated", "header--mark")]
        if facts.attention:
            words = "needs" if facts.attention == 1 else "need"
            parts += [("  ", "header--muted"), (f"{facts.attention} {words} you", "header--waiting")]
        return parts

    def _areas(self, *, short: bool = False) -> list[tuple[str, str]]:
        if short and not self._area:
            return []
        found: list[tuple[str, str]] = []
        for name, title in AREAS:
            if short and name != self._area:
                continue
            found.append((f" {title} ", "header--area-on" if name == self._area else "header--area"))
        return found

    def on_click(self, event: Click) -> None:
        """Go to the area under the pointer."""
        area = next((name for where, name in self._targets if event.x in where), None)
        if area is not None:
            self.post_message(self.AreaChosen(area))
