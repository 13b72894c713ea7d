"""The command palette: every action of the screen in front and of the application, by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from textual.command import DiscoveryHit, Hit, Hits, Provider

from screens.themes import THEMES
from screens.widgets.header import AREAS


@dataclass(frozen=True, slots=True)
class Command:
    """An entry of the palette."""

    name: str
    run: Callable[[], Any]
    help: str


class Actions(Provider):
    """Offers what the bindings of the screen and of the application do, then areas and themes."""

    def _commands(self) -> Iterator[Command]:
        app: Any = self.app
        for area, title in AREAS:
            yield Command(f"Go to {title}", partial(app.open_area, area), f"the {title.lower()} area")
        seen: set[str] = set()
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if not active.enabled or binding.id is None or not binding.description or binding.description in seen:
                continue
            seen.add(binding.description)
            name = f"{binding.description} ({app.get_key_display(binding)})"
            yield Command(name, partial(self._run, binding.action, active.node), binding.tooltip or binding.description)
        for theme in THEMES:
            plain = theme.name.removeprefix("genai-")
            yield Command(f"Theme: {plain}", partial(app.choose_theme, theme.name), f"use the {plain} theme")

    async def _run(self, action: str, node: Any) -> None:  # noqa: ANN401
        await self.app.run_action(action, node)

    async def search(self, query: str) -> Hits:
        """What matches, best first."""
        matcher = self.matcher(query)
        for command in self._commands():
            score = matcher.match(command.name)
            if score > 0:
                yield Hit(score, matcher.highlight(command.name), command.run, help=command.help)

    async def discover(self) -> Hits:
        """Everything, before anything is typed."""
        for command in self._commands():
            yield DiscoveryHit(command.name, command.run, help=command.help)
