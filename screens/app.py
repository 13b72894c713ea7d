"""The Textual application: themes, areas, navigation, commands, life and death of the services."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen

from genai_tui.domain.problems import Problem
from genai_tui.domain.rows import Ref
from genai_tui.errors import explain
from genai_tui.services import Services
from screens.commands import Actions
from screens.themes import DARK, THEMES

if TYPE_CHECKING:
    from screens.base import ConsoleScreen

log = logging.getLogger(__name__)
_THEME = "theme"


def _deployments() -> Screen[Any]:
    from screens.deployments import DeploymentsScreen

    return DeploymentsScreen()


def _models() -> Screen[Any]:
    from screens.models import ModelsScreen

    return ModelsScreen()


def _endpoints() -> Screen[Any]:
    from screens.endpoints import EndpointsScreen

    return EndpointsScreen()


def _usage() -> Screen[Any]:
    from screens.usage import UsageScreen

    return UsageScreen()


class GenaiTui(App[None]):
    """The console."""

    TITLE = "genai-tui"
    CSS_PATH: ClassVar[Any] = [
        f"../styles/{name}.tcss"
        for name in ("app", "dialogs", "deployments", "deployment", "wizard", "catalogue", "playground", "usage")
    ]
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        "deployments": _deployments,
        "models": _models,
        "endpoints": _endpoints,
        "usage": _usage,
    }
    COMMANDS: ClassVar[set[Any]] = {Actions}
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "show_help", "Help", id="app.help", key_display="?", tooltip="What can be done here"),
        Binding("colon", "command_palette", "Command", show=False, id="app.command", tooltip="Do anything by its name"),
        Binding("ctrl+t", "next_theme", "Theme", show=False, id="app.theme", tooltip="Dark, light, high contrast"),
        Binding("q", "quit", "Quit", show=False, id="app.quit", tooltip="Leave the console"),
        Binding("ctrl+q", "quit", "Quit", show=False, priority=True),
    ]

    def __init__(self, services: Services) -> None:
        super().__init__()
        self.services = services
        self.failure: Problem | None = None
        """Why the services could not start; shown by the first screen."""
        for theme in THEMES:
            self.register_theme(theme)

    def on_mount(self) -> None:
        """Show the list at once, then connect."""
        chosen = self.services.preferences.get(_THEME)
        self.theme = chosen if chosen in self.available_themes else DARK.name
        self.switch_mode("deployments")
        self.call_after_refresh(self._start)

    @work(exit_on_error=False, group="services")
    async def _start(self) -> None:
        try:
            await self.services.start()
        except Exception as error:
            log.exception("the services did not start")
            self.failure = explain(error).problem
            self.notify(self.failure.line, severity="error", timeout=20)

    async def on_unmount(self) -> None:
        """End what runs beside the screens."""
        await self.services.close()

    # -- navigation ---------------------------------------------------------------------------------------------

    def open_area(self, area: str) -> None:
        """Go to an area, where it was left."""
        if self.current_mode != area:
            self.switch_mode(area)

    def open_deployment(self, ref: Ref, tab: str = "overview") -> None:
        """Show one deployment."""
        from screens.deployment.screen import DeploymentScreen

        self.push_screen(DeploymentScreen(ref, tab))

    def open_logs(self, ref: Ref) -> None:
        """Show its logs."""
        self.open_deployment(ref, "logs")

    def open_playground(self, ref: Ref | None = None) -> None:
        """Talk to a deployment."""
        from screens.playground import PlaygroundScreen

        self.push_screen(PlaygroundScreen(ref))

    def open_wizard(self, model: str | None = None, edit: Ref | None = None) -> None:
        """Create a deployment, of a model when one is given; or edit one."""
        from screens.wizard.screen import WizardScreen

        self.push_screen(WizardScreen(model=model, edit=edit))

    def action_open_area(self, area: str) -> None:
        """Go to an area."""
        self.open_area(area)

    def action_show_help(self) -> None:
        """What can be done on this screen."""
        from screens.help import HelpScreen

        self.push_screen(HelpScreen(self.screen))

    def action_next_theme(self) -> None:
        """Dark, light, high contrast."""
        names = [theme.name for theme in THEMES]
        at = names.index(self.theme) if self.theme in names else -1
        self.choose_theme(names[(at + 1) % len(names)])

    def choose_theme(self, name: str) -> None:
        """Use a theme and remember it."""
        self.theme = name
        self.services.preferences.set(_THEME, name)
        self.notify(f"theme: {name.removeprefix('genai-')}", timeout=2)

    def current_console_screen(self) -> ConsoleScreen | None:
        """The screen in front, when it is one of ours."""
        from screens.base import ConsoleScreen

        return self.screen if isinstance(self.screen, ConsoleScreen) else None
