"""The last line: at most eight keys, the most useful first; each can be clicked."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.binding import ActiveBinding, Binding
from textual.events import Click
from textual.strip import Strip
from textual.widget import Widget

MOST = 8


class FooterBar(Widget):
    """Shows what can be done here. The last place is kept for help."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"footer--key", "footer--word", "footer--off"}
    ALLOW_SELECT = False
    can_focus = False

    def __init__(self) -> None:
        super().__init__()
        self._targets: list[tuple[range, str]] = []
        self._drawn: tuple[tuple[str, str, bool], ...] = ()

    def on_mount(self) -> None:
        """Follow the bindings."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self._follow())

    def _follow(self) -> None:
        """Draw the line again where it says something else: bindings are told of with every change in the cluster."""
        if self._said() != self._drawn:
            self.refresh()

    def _said(self) -> tuple[tuple[str, str, bool], ...]:
        return tuple((found.binding.key, found.binding.description, found.enabled) for found in self.shown())

    def shown(self) -> list[ActiveBinding]:
        """The bindings in the order in which they are shown: the screen's own first, help last."""
        screen = self.screen
        active: dict[str, ActiveBinding] = {}
        for found in screen.active_bindings.values():
            if found.binding.show and not self._typed(found.binding):
                active.setdefault(found.binding.action, found)
        ranks = {id(screen): 0, id(self.app): 2}
        order = sorted(active.values(), key=lambda found: ranks.get(id(found.node), 1))
        last = [found for found in order if found.binding.id == "app.help"]
        return [found for found in order if found not in last][: MOST - len(last)] + last

    def _typed(self, binding: Binding) -> bool:
        """Whether the key is text for what has the focus."""
        focused, character = self.screen.focused, self.app.get_key_display(binding)
        return focused is not None and len(character) == 1 and focused.check_consume_key(binding.key, character)

    def render_line(self, y: int) -> Strip:
        """The keys that fit."""
        width = self.size.width
        key, word, off = (self.get_component_rich_style(f"footer--{name}") for name in ("key", "word", "off"))
        self._drawn = self._said()
        entries = [(found, self.app.get_key_display(found.binding)) for found in self.shown()]
        while entries and sum(_width(display, found) for found, display in entries) > width:
            del entries[-2 if len(entries) > 1 else -1]
        segments: list[Segment] = []
        self._targets = []
        at = 0
        for found, display in entries:
            text = f" {found.binding.description}  "
            segments += [
                Segment(f" {display}", key if found.enabled else off),
                Segment(text, word if found.enabled else off),
            ]
            self._targets.append((range(at, at + _width(display, found)), found.binding.key))
            at += _width(display, found)
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def on_click(self, event: Click) -> None:
        """Press the key under the pointer."""
        key = next((key for where, key in self._targets if event.x in where), None)
        if key is not None:
            self.app.simulate_key(key)


def _width(display: str, found: ActiveBinding) -> int:
    return cell_len(display) + cell_len(found.binding.description) + 4
