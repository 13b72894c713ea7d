"""The console: areas as modes, screens made when they are first needed, one look, a clean end.

Data path: `services.start()` begins after the first paint; the picture then calls back at most four times a second,
and the console passes that on to the screen on top, never to a hidden one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.screen import Screen
from textual.types import CSSPathType
from textual.worker import Worker, WorkerState

import styles
from genai_tui.domain.adoption import Adoption
from genai_tui.domain.problems import Problem
from genai_tui.domain.rows import Link, Ref
from genai_tui.errors import explain
from genai_tui.garbage import collect_in_parts
from genai_tui.services import SavedDraft, Services
from screens import themes
from screens.hangup import LOOK_EVERY_S, end_on_signals, forget_signals, terminal_is_gone
from screens.typing_ahead import TypingAhead

log = logging.getLogger(__name__)
_STYLES = Path(styles.__file__).parent
_BETWEEN = "between places"
_FIRST_SHEETS = (_STYLES / "app.tcss", _STYLES / "deployments.tcss")
"""What the first paint needs; the others are read right after it."""


def _deployments() -> Screen[None]:
    from screens.deployments import DeploymentsScreen

    return DeploymentsScreen()


def _models() -> Screen[None]:
    from screens.models import ModelsScreen

    return ModelsScreen()


def _endpoints() -> Screen[None]:
    from screens.endpoints import EndpointsScreen

    return EndpointsScreen()


def _access() -> Screen[None]:
    from screens.access import AccessScreen

    return AccessScreen()


def _cluster() -> Screen[None]:
    from screens.cluster import ClusterScreen

    return ClusterScreen()


def _usage() -> Screen[None]:
    from screens.usage import UsageScreen

    return UsageScreen()


def _palette() -> type[Provider]:
    from screens.commands import Commands

    return Commands


class GenaiTui(App[None]):
    """The Textual application.

    Args:
        services: the ports, wired; nothing is asked of them before the first paint.
    """

    TITLE = "genai-tui"
    CSS_PATH: ClassVar[CSSPathType | None] = [*_FIRST_SHEETS]
    MODES: ClassVar[dict[str, str | Callable[[], Screen[None]]]] = {
        "deployments": _deployments,
        "models": _models,
        "endpoints": _endpoints,
        "access": _access,
        "cluster": _cluster,
        "usage": _usage,
    }
    DEFAULT_MODE = "deployments"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_palette}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "Help", key_display="?", id="app.help", tooltip="All keys of this screen"),
        Binding("f1", "help", "Help", id="app.help", tooltip="All keys of this screen, also while typing"),
        # Textual adds a key of its own for the palette only where there is none yet.
        Binding("colon,ctrl+p", "command_palette", "Command", id="app.command", show=False,
                tooltip="Do anything by its name"),
        Binding("escape", "back", "Back", id="app.back", show=False, tooltip="To the screen before"),
        Binding("f6", "context", "ctx", id="app.context", show=False,
                tooltip="Go to another context; unfinished forms are kept"),
        Binding("f7", "namespace_everywhere", "ns", id="app.namespace", show=False,
                tooltip="Work in one namespace, or in all"),
        Binding("H", "hub", "Developer hub", id="app.hub", show=False,
                tooltip="What developers see: models, deployments, all it takes to call one"),
        Binding("ctrl+t", "next_theme", "Theme", id="app.theme", show=False,
                tooltip="Dark, light, high contrast, the terminal's own colours"),
        Binding("q", "quit", "Quit", id="app.quit", show=False, tooltip="Leave; nothing in the cluster changes"),
        Binding("ctrl+q", "quit", "Quit", id="app.quit_anyway", show=False, priority=True, tooltip="Leave at once"),
    ]  # fmt: skip

    def __init__(self, services: Services) -> None:
        # Without colours the terminal's own are used throughout: greys would be colours too.
        colourless = "NO_COLOR" in os.environ
        super().__init__(ansi_color=True if colourless else None)
        self.services = services
        # A scroll that glides is several screens over the line instead of one.
        self.animation_level = "none"
        self.failure: Problem | None = None
        """Why the services could not start; the screens show it."""
        self._unsubscribe: Callable[[], None] | None = None
        self._unrecorded = ""
        self._typing = TypingAhead(self, super().on_event)
        for theme in themes.all_themes():
            self.register_theme(theme)
        self._painted = False
        self._listed = False
        preferred = services.preferences.get("theme")
        self.theme = themes.first_theme(None if colourless else self.console.color_system, preferred)
        self.stylesheet.set_variables(self.get_css_variables())

    # Life -------------------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Follow the picture; connect once the first screen has been painted."""
        self._follow()
        if not self.is_headless:
            end_on_signals(self.exit)
            self.set_interval(LOOK_EVERY_S, self._end_without_terminal)
        self.call_after_refresh(self._first_painted)

    def _follow(self) -> None:
        self._unsubscribe = self.services.picture.subscribe(self._picture_changed)
        self.services.lend_terminal(self.suspend)
        self.services.confirm_writes(self._confirm_write)

    async def _confirm_write(self, what: str) -> bool:
        from screens.dialogs.confirm import ContextDialog

        answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def answer(yes: bool | None) -> None:
            if not answered.done():
                answered.set_result(bool(yes))

        self.push_screen(ContextDialog(self.services.session.context, what), answer)
        return await answered

    async def move(self, services: Services) -> None:
        """Go on with the services of another place: every screen is made anew, forms are kept as drafts.

        The old services are closed before it returns: their watches end, their connections are closed.
        """
        if self._unsubscribe is not None:
            self._unsubscribe()
        self.workers.cancel_group(self, "start")
        self.add_mode(_BETWEEN, Screen)
        await self.switch_mode(_BETWEEN)
        for area, made in self.MODES.items():
            await self.remove_mode(area)
            self.add_mode(area, made)
        left, self.services = self.services, services
        try:
            await left.close()
        finally:
            self.failure = None
            self._follow()
            await self.switch_mode(self.DEFAULT_MODE)
            await self.remove_mode(_BETWEEN)
            self.connect()

    def action_context(self) -> None:
        """Choose another context."""
        from screens.places import choose_context

        self.run_worker(choose_context(self), group="place", exclusive=True, exit_on_error=False)

    def action_namespace_everywhere(self) -> None:
        """Choose the namespace to work in."""
        from screens.places import choose_namespace

        self.run_worker(choose_namespace(self), group="place", exclusive=True, exit_on_error=False)

    def _first_painted(self) -> None:
        self._painted = True
        self.stylesheet.read_all([path for path in sorted(_STYLES.glob("*.tcss")) if path not in _FIRST_SHEETS])
        self.refresh_css(animate=False)
        self.connect()

    def refresh_css(self, animate: bool = True) -> None:
        """Apply another theme. Before the first paint there is none: the sheets were read with the right tokens."""
        if self._painted:
            super().refresh_css(animate)

    def connect(self) -> None:
        """Begin to watch the cluster; safe to call again after a failure."""
        self.failure = None
        self._picture_changed(always=True)
        self.run_worker(self.services.start(), name="start", group="start", exclusive=True, exit_on_error=False)

    async def on_unmount(self) -> None:
        """Leave nothing running."""
        if not self.is_headless:
            forget_signals()
        if self._unsubscribe is not None:
            self._unsubscribe()
        await self.services.close()

    def _end_without_terminal(self) -> None:
        if terminal_is_gone(sys.__stdin__.fileno() if sys.__stdin__ is not None else 0):
            log.warning("the terminal is gone: the console ends")
            self.exit()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Work that failed is told; the console stays."""
        if event.state is not WorkerState.ERROR or event.worker.error is None:
            return
        log.error("worker %s failed", event.worker.name, exc_info=event.worker.error)
        problem = explain(event.worker.error).problem
        if event.worker.group == "start":
            self.failure = problem
            self._picture_changed(always=True)
        else:
            self.notify(problem.line, severity="error", timeout=10)

    def _picture_changed(self, *, always: bool = False) -> None:
        from screens.base import ConsoleScreen

        if not self._listed and not self.is_headless and self.services.picture.health.link is Link.LIVE:
            self._listed = True
            collect_in_parts()
        screen = next((s for s in reversed(self.screen_stack) if isinstance(s, ConsoleScreen)), None)
        if screen is not None and screen.is_mounted:
            screen.picture_changed(always=always)

    def _fatal_error(self) -> None:
        """End after a defect of ours: the trace goes to the log; local variables, which may be secrets, nowhere."""
        log.critical("the console ended after a defect", exc_info=self._exception)
        error = self._exception or RuntimeError("unknown")
        self._exit_renderables.append(Text(f"genai-tui: {explain(error).problem.line}"))
        self._close_messages_no_wait()

    async def on_event(self, event: events.Event) -> None:
        """Keys one after the other, everything else as it comes."""
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            await self._typing.take(event)
        else:
            await super().on_event(event)

    # Look -------------------------------------------------------------------------------------------------------------

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our own tokens, for themes that are not ours."""
        return themes.OWN_DEFAULTS

    def choose_theme(self, name: str) -> None:
        """Switch the look and remember it on this machine."""
        self.theme = name
        self.services.preferences.set("theme", name)

    def action_next_theme(self) -> None:
        """Go round the themes."""
        at = themes.NAMES.index(self.theme) if self.theme in themes.NAMES else -1
        self.choose_theme(themes.NAMES[(at + 1) % len(themes.NAMES)])
        self.notify(f"theme: {self.theme}", timeout=2)

    # Navigation -------------------------------------------------------------------------------------------------------

    def open_area(self, area: str) -> None:
        """Go to an area, where it was left."""
        if area != self.current_mode:
            self.switch_mode(area)

    def action_open_area(self, area: str) -> None:
        """Go to an area."""
        self.open_area(area)

    async def action_back(self) -> None:
        """Leave the top screen; at the bottom of an area, go home."""
        if len(self.screen_stack) > 1:
            self.pop_screen()
        elif self.current_mode != self.DEFAULT_MODE:
            await self.switch_mode(self.DEFAULT_MODE)

    def action_help(self) -> None:
        """What can be done on the screen on top."""
        from screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))

    def open_deployment(self, ref: Ref, tab: str = "overview") -> None:
        """Show one deployment."""
        from screens.deployment.screen import DeploymentScreen

        self.push_screen(DeploymentScreen(ref, tab))

    def open_logs(self, ref: Ref) -> None:
        """Show the logs of a deployment."""
        self.open_deployment(ref, "logs")

    def open_playground(self, ref: Ref | None = None) -> None:
        """Talk to a deployment."""
        from screens.playground import PlaygroundScreen

        self.push_screen(PlaygroundScreen(ref))

    def open_adoption(self, adoption: Adoption) -> None:
        """Make a deployment with the settings of one of others."""
        from screens.wizard.adopting import AdoptScreen

        self.push_screen(AdoptScreen(adoption))

    def open_audit(self) -> None:
        """Show what was written to clusters from this machine."""
        from screens.audit import AuditScreen

        self._open_once(AuditScreen)

    def open_credentials(self) -> None:
        """Show where the operator's own secrets come from."""
        from screens.credentials import CredentialsScreen

        self._open_once(CredentialsScreen)

    def _open_once(self, kind: type[Screen[None]], *parts: type[Screen[None]]) -> None:
        if not isinstance(self.screen, (kind, *parts)):
            self.push_screen(kind())

    def action_hub(self) -> None:
        """What developers see: models, deployments, all it takes to call one."""
        from screens.hub import HubPageScreen, HubScreen

        self._open_once(HubScreen, HubPageScreen)

    def tell_unrecorded(self) -> None:
        """Say so, once, where the last write is not in the audit: it stands all the same."""
        problem = self.services.audit.problem
        if problem and problem != self._unrecorded:
            self.notify(problem, title="Not in the audit", severity="warning", timeout=10)
        self._unrecorded = problem

    def undo_last_write(self) -> None:
        """Undo the last write, after a yes."""
        from screens.undoing import undo_last

        self.run_worker(undo_last(self), name="undo", group="undo", exclusive=True, exit_on_error=False)

    def open_wizard(self, model: str | None = None, edit: Ref | None = None) -> None:
        """Make a deployment, from a model or not, or edit one."""
        from screens.wizard.screen import WizardScreen

        self.push_screen(WizardScreen(model=model, edit=edit))

    def open_filled(self, edit: Ref, fields: Mapping[str, str], *, review: bool = False) -> None:
        """Edit a deployment with these fields filled in, as if typed, on top of what an unfinished form holds.

        It opens at the first of them, or with `review` at the last look before it is saved.
        """
        from screens.wizard.screen import WizardScreen
        from screens.wizard.start import filled_in

        draft = filled_in(self.services.drafts, edit, fields, self.services.clock())
        at = "" if review else next(iter(fields), "")
        self.push_screen(WizardScreen(edit=edit, draft=draft, at=at, review=review))

    def resume_draft(self, draft: SavedDraft) -> None:
        """Go on with a kept form: of a new deployment, of an edited one, or of a catalogue entry."""
        kind, _, rest = draft.key.partition("/")
        first, _, second = rest.partition("/")
        if kind == "ModelDeployment":
            from screens.wizard.screen import WizardScreen

            edit = None if first == "new" else Ref(first, second)
            self.push_screen(WizardScreen(edit=edit, draft=draft))
        else:
            from screens.catalogue.form import CatalogueFormScreen, CatalogueKind

            name = None if first == "new" else first
            known: dict[str, CatalogueKind] = {"Model": "Model", "Organization": "Organization"}
            self.push_screen(CatalogueFormScreen(known.get(kind, "Endpoint"), name))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """All commands come from our own palette."""
        return ()
