"""The first line: where we are, how good the picture is, who may write, what needs somebody, and the areas.

Everything that matters fits into 80 columns; parts are left out from the least important on, and nothing wraps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
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

AREAS = (
    ("deployments", "Deployments"),
    ("models", "Models"),
    ("endpoints", "Endpoints"),
    ("access", "Access"),
    ("cluster", "Cluster"),
    ("usage", "Usage"),
)
_LONGEST_NAME = 24


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """What the line says. An empty namespace means all of them."""

    context: str = ""
    namespace: str = ""
    link: str = ""
    link_tone: str = "quiet"
    writer: str = ""
    read_only: bool = False
    simulated: bool = False
    attention: int = 0
    insecure: bool = False
    production: bool = False


def link_words(health: Health) -> tuple[str, str]:
    """The state of the connection in a few words, and its tone."""
    if health.link is Link.LIVE:
        # As wide for 4 ms as for 412 ms: the rest of the line stays where it is.
        return f"{latency(health.latency_ms):>6}" if health.latency_ms is not None else "live", "good"
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
        namespace or "",
        words,
        tone,
        _shorten(printable(services.access.identity or "")),
        session.read_only,
        session.simulated,
        sum(needs_you(row.assessment) and not row.foreign for row in services.picture.deployments()),
        session.insecure,
        session.production,
    )


def _shorten(text: str, longest: int = _LONGEST_NAME) -> str:
    return text if cell_len(text) <= longest else f"{set_cell_size(text, longest - 1)}…"


Part = tuple[str, str, str]
"""Text, the name of its style, and the area a click on it opens."""
_LAYOUTS = (
    ("titles", 0), ("numbers", 0), ("numbers", 1), ("digits", 1), ("digits", 2), ("digits", 3), ("digits", 4), ("", 4),
)  # fmt: skip
"""How the areas are written, and how much the rest is shortened; the first that fits is taken."""


def _width(parts: Sequence[Part]) -> int:
    return sum(cell_len(text) for text, _, _ in parts)


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

    def follow(self, services: Services, namespace: str | None = None, *, broken: bool = False) -> None:
        """Say what is true now, `broken` being that the services did not start; repaints only what changed."""
        facts = header_facts(services, namespace or services.picture.health.within or services.session.namespace)
        self.facts = replace(facts, link="offline", link_tone="bad") if broken else facts

    def on_mount(self) -> None:
        """Be right from the first paint on."""
        services = getattr(self.app, "services", None)
        if services is not None:
            self.follow(services)

    def render_line(self, y: int) -> Strip:
        """The line at the present width: the first of the layouts that fits."""
        width = self.size.width
        left, right = self._left(4), self._areas("")
        for areas, shortened in _LAYOUTS:
            left, right = self._left(shortened), self._areas(areas)
            if _width(left) + _width(right) + 1 <= width:
                break
        space = max(0, width - _width(left) - _width(right))
        self._targets, segments, at = [], [], 0
        for text, style, area in [*left, (" " * space, "muted", ""), *right]:
            end = at + cell_len(text)
            if area:
                self._targets.append((range(at, end), area))
            segments.append(Segment(text, self.get_component_rich_style(f"header--{style}")))
            at = end
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _left(self, shortened: int) -> list[Part]:
        """Where, how fresh, who, how many; `shortened` from 0 to 4 leaves out the least important."""
        facts = self.facts
        context = facts.context if shortened < 3 else _shorten(facts.context, 12)
        parts: list[Part] = [(" genai-tui " if shortened < 4 else " g ", "program", ""), self._marked(context)]
        namespace = facts.namespace or ("all namespaces" if shortened < 1 else "all")
        if facts.insecure and shortened > 2:
            namespace = _shorten(namespace, 12)
        parts += [(" › ", "muted", ""), (namespace, "place", "")]
        told = [(facts.link, facts.link_tone)]
        if facts.insecure:
            # On a narrow line the warning stands where the round trip would: the areas stay within reach.
            kept = told if shortened < 1 or facts.link_tone != "good" else []
            told = [*kept, ("TLS not verified" if shortened < 1 else "no TLS check", "bad")]
        if facts.read_only:
            told.append(("read-only", "waiting"))
        elif shortened < 2 and facts.writer:
            told.append((facts.writer, "muted"))
        if facts.simulated:
            told.append(("simulated", "mark"))
        if facts.attention:
            words = "needs" if facts.attention == 1 else "need"
            told.append((f"{facts.attention} {words} you", "waiting"))
        for text, style in told:
            parts += [("  ", "muted", ""), (text, style, "")]
        return parts

    def _marked(self, name: str) -> Part:
        """Where writes go; production is marked by more than its colour."""
        return (f" ▲ {name}", "bad", "") if self.facts.production else (f" {name}", "place", "")

    def _areas(self, how: str) -> list[Part]:
        """The areas: all titles, the title of this one, or digits, which are also their keys."""
        found: list[Part] = []
        for number, (name, title) in enumerate(AREAS, 1):
            here = name == self._area
            text = title if how == "titles" else f"{number} {title}" if how == "numbers" and here else str(number)
            found.append((f" {text} ", "area-on" if here else "area", name))
        return found if how else []

    def on_click(self, event: Click) -> None:
        """Go to the area under the pointer."""
        area = next((name for where, name in self._targets if event.x in where), None)
        if area is not None:
            self.post_message(self.AreaChosen(area))
