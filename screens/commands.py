"""The command palette: every action of the screen on top and of the console, by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from rich.cells import cell_len
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from screens import themes
from screens.app import GenaiTui
from screens.base import ConsoleScreen
from screens.widgets.header import AREAS


@dataclass(frozen=True, slots=True)
class Command:
    """An entry of the palette."""

    name: str
    run: Callable[[], Any]
    help: str
    key: str = ""

    def line(self, name: Content | None = None) -> Content:
        """One line of the palette: key, name, what it does."""
        key = f"{self.key:>8}  " if cell_len(self.key) <= 8 else f"{self.key} "
        space = " " * max(2, 26 - cell_len(self.name))
        return Content.assemble((key, "$text-accent bold"), name or self.name, (f"{space}{self.help}", "$text-muted"))


class Commands(Provider):
    """What the bindings do, then areas, namespaces and themes. What is refused is listed with the reason."""

    def commands(self) -> Iterator[Command]:
        """Every command as things stand."""
        app = self.app
        if not isinstance(app, GenaiTui):
            return
        yield from self._actions(app)
        for area, title in AREAS:
            yield Command(f"go to {title}", partial(app.open_area, area), f"The area {title}")
        yield Command("audit", app.open_audit, "What was written to clusters from this machine")
        yield Command("credentials", app.open_credentials, "Where your own secrets come from; replace or forget one")
        if not app.services.session.read_only:
            yield Command("undo last write", app.undo_last_write, "Show what that changes, ask, and undo it")
        if isinstance(self.screen, ConsoleScreen):
            for name, run, about in self.screen.commands():
                yield Command(name, run, about)
        for name in themes.NAMES:
            yield Command(f"theme: {name}", partial(app.choose_theme, name), themes.ABOUT[name])

    def _actions(self, app: GenaiTui) -> Iterator[Command]:
        seen: set[str] = set()
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.id is None or not binding.description or binding.action in seen:
                continue
            if binding.action.removeprefix("app.").startswith(("open_area", "command_palette")):
                continue
            seen.add(binding.action)
            refusal = ""
            if not active.enabled and isinstance(self.screen, ConsoleScreen):
                refusal = self.screen.refusal(binding.action.partition("(")[0])
            name = binding.description.lower()
            run = partial(app.notify, refusal, severity="warning") if refusal else partial(self._run, active)
            about = refusal or binding.tooltip or binding.description
            yield Command(name, run, about, app.get_key_display(binding))

    async def _run(self, active: Any) -> None:  # noqa: ANN401
        await self.app.run_action(active.binding.action, active.node)

    async def search(self, query: str) -> Hits:
        """What matches, best first."""
        matcher = self.matcher(query)
        for command in self.commands():
            score = matcher.match(command.name)
            if score > 0:
                line = command.line(matcher.highlight(command.name))
                yield Hit(score, line, command.run, text=command.name)

    async def discover(self) -> Hits:
        """Everything, before anything is typed."""
        for command in self.commands():
            yield DiscoveryHit(command.line(), command.run, text=command.name)
