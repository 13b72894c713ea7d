"""One deployment on five tabs, live, with everything that can be done to it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static, TabbedContent, TabPane

from genai_tui.domain.rows import DeploymentDetail, Link, Ref
from genai_tui.errors import GenaiTuiError
from screens import format as shown
from screens.base import ConsoleScreen
from screens.deployment.logs import LogPane
from screens.deployment.overview import overview
from screens.deployment.rollout import rollout
from screens.deployment.scaling import scale_text
from screens.dialogs.confirm import ConfirmDialog, TypedConfirmDialog
from screens.dialogs.number import NumberDialog
from screens.dialogs.problem import ProblemDialog

TABS = (
    ("overview", "Overview"),
    ("rollout", "Rollout"),
    ("logs", "Logs"),
    ("api", "API"),
    ("manifest", "Manifest"),
)
VERBS = {"scale": "patch", "edit": "patch", "restart": "patch", "delete": "delete"}
"""The verb on apps/deployments each writing action needs."""


class DeploymentScreen(ConsoleScreen):
    """Opened from the list, on one of its tabs."""

    HELP = """\
# One deployment

`1` to `5` open the tabs. The rollout shows for each replica how long every stage took; the cause and the next step
stand below it. In the logs, space stops following, `tab` goes to the next replica, `p` shows the run before a crash.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back", id="deployment.back", tooltip="Back to the list"),
        Binding("c", "chat", "Chat", id="deployment.chat", tooltip="Talk to it in the playground"),
        Binding("l", "tab('logs')", "Logs", show=False, id="deployment.logs", tooltip="Show its logs"),
        Binding("s", "scale", "Scale", id="deployment.scale", tooltip="Change how many replicas it has; 0 stops it"),
        Binding("e", "edit", "Edit", id="deployment.edit", tooltip="Change its settings in the form"),
        Binding("r", "restart", "Restart", id="deployment.restart", tooltip="Replace every pod"),
        Binding("ctrl+d", "delete", "Delete", id="deployment.delete", tooltip="Delete it with what belongs to it"),
        *(
            Binding(str(n), f"tab('{name}')", title, show=False, id=f"deployment.tab.{name}", tooltip=f"Open {title}")
            for n, (name, title) in enumerate(TABS, 1)
        ),
    ]
    WRITES: ClassVar[frozenset[str]] = frozenset(VERBS)
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"detail--{tone}" for tone in ("good", "waiting", "bad", "busy", "quiet", "accent")
    }

    def __init__(self, ref: Ref, tab: str = "overview") -> None:
        super().__init__()
        self._ref, self._first_tab = ref, tab
        self._last: DeploymentDetail | None = None
        self._asked: set[str] = set()

    def compose_body(self) -> ComposeResult:
        """Title, banner, tabs."""
        yield Static("", id="detail-title")
        yield Static("", id="detail-banner", markup=False)
        with TabbedContent(initial=self._first_tab, id="detail-tabs"):
            for number, (name, title) in enumerate(TABS, 1):
                with TabPane(f"{number} {title}", id=name):
                    if name == "logs":
                        yield LogPane(self.services, self._ref)
                    else:
                        with VerticalScroll(id=f"detail-{name}-scroll"):
                            yield Static("", id=f"detail-{name}", classes="detail--text")

    def on_mount(self) -> None:
        """Draw what is known; ask what this identity may do here."""
        self.refresh_from_picture()
        self._focus_tab()
        self.run_worker(self._learn(), exit_on_error=False)
        self.set_interval(1, self._tick)

    async def _learn(self) -> None:
        try:
            await self.services.operations.check_permissions(self._ref.namespace)
        except GenaiTuiError as error:
            self.log.warning(error.problem.line)
        self.refresh_bindings()

    # -- drawing ------------------------------------------------------------------------------------------------

    @property
    def tab(self) -> str:
        """The open tab."""
        return self.query_one("#detail-tabs", TabbedContent).active or self._first_tab

    def _tone(self, name: str) -> Style:
        return Style(color=self.get_component_rich_style(f"detail--{name}").color)

    def refresh_from_picture(self) -> None:
        """Follow the deployment; keep the last state when it is gone."""
        detail = self.services.picture.deployment(self._ref)
        if detail is not None:
            self._last = detail
        self._show_banner(gone=detail is None)
        self._show_title()
        self._show_tab()

    def _tick(self) -> None:
        """Times go on while something is under way."""
        if not self.is_current or self.tab != "rollout" or self._last is None:
            return
        if any(shown.phase_look(row.assessment.phase).tone == "busy" for row in self._last.replicas):
            self._show_tab()

    def _show_title(self) -> None:
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"{self._ref.namespace} / ", self._tone("quiet"))
        line.append(self._ref.name, Style(bold=True))
        if self._last is not None:
            row = self._last.row
            look = shown.phase_look(row.assessment.phase)
            line.append(f"   {look.glyph} {row.assessment.phase.value}", self._tone(look.tone))
            line.append(f"   {row.ready}/{row.replicas} ready", self._tone("quiet"))
            if row.foreign:
                line.append(f"   made by {row.managed_by}, read-only", self._tone("waiting"))
        self.query_one("#detail-title", Static).update(line)

    def _show_banner(self, *, gone: bool) -> None:
        health = self.services.picture.health
        text = ""
        if gone:
            known = health.link is Link.LIVE
            text = "it does not exist any more; this is its last state" if known else "nothing is known of it yet"
        elif health.link in (Link.STALE, Link.OFFLINE) and health.problem is not None:
            text = f"▲ last known state, from {shown.clock(health.stale_since)} UTC: {health.problem.line}"
        banner = self.query_one("#detail-banner", Static)
        banner.update(text)
        banner.display = bool(text)

    def _show_tab(self) -> None:
        detail, tab = self._last, self.tab
        if detail is None:
            return
        now = self.services.clock()
        if tab == "overview":
            body = self.query_one("#detail-overview", Static)
            body.update(overview(detail, now, self._tone, self.size.width))
        elif tab == "rollout":
            self.query_one("#detail-rollout", Static).update(rollout(detail, now, self._tone))
        elif tab == "logs":
            self.query_one(LogPane).show(detail.replicas)
        elif tab not in self._asked:
            self._asked.add(tab)
            self._ask(tab)

    @work(exit_on_error=False, group="ask")
    async def _ask(self, tab: str) -> None:
        """What has to be fetched: the samples, the manifest."""
        body = self.query_one(f"#detail-{tab}", Static)
        body.update(Text("asking …", self._tone("quiet")))
        try:
            body.update(await (self._api() if tab == "api" else self._manifest()))
        except GenaiTuiError as error:
            self._asked.discard(tab)
            body.update(Text(f"✖ {error.problem.line}", self._tone("bad")))

    async def _api(self) -> Text:
        text = Text()
        detail = self._last
        names = detail.row.served_names if detail is not None else ()
        text.append("served names   ", self._tone("quiet"))
        text.append(", ".join(names) if names else "none answered yet")
        text.append("\nendpoint       ", self._tone("quiet"))
        text.append((detail.row.endpoint if detail is not None else None) or shown.MISSING)
        text.append("\nkey            ", self._tone("quiet"))
        text.append("the samples read it from $API_KEY; an address inside the cluster wants none\n")
        for language, title in (("curl", "curl"), ("python", "Python"), ("node", "Node")):
            text.append(f"\n{title}\n", self._tone("accent"))
            text.append(await self.services.playground.sample_code(self._ref, language))  # type: ignore[arg-type]
        return text

    async def _manifest(self) -> Text:
        return Text(await self.services.operations.live_manifest(self._ref))

    def _focus_tab(self) -> None:
        tab = self.tab
        target = "#log-lines" if tab == "logs" else f"#detail-{tab}-scroll"
        self.query_one(target).focus()

    @on(TabbedContent.TabActivated)
    def _activated(self) -> None:
        self._asked.discard("manifest")
        self._show_tab()
        self._focus_tab()

    # -- acting -------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What others made has no writing actions at all."""
        if action in VERBS and self._last is not None and self._last.row.foreign:
            return False
        return super().check_action(action, parameters)

    def refusal(self, action: str) -> str:
        """The verb this identity lacks in the deployment's namespace."""
        if action not in VERBS:
            return ""
        return self.services.operations.permission(VERBS[action], "apps/deployments", self._ref.namespace).reason

    def action_leave(self) -> None:
        """Close a search, or the screen."""
        if not (self.tab == "logs" and self.query_one(LogPane).clear_search()):
            self.dismiss()

    def action_tab(self, name: str) -> None:
        """Open a tab."""
        self.query_one("#detail-tabs", TabbedContent).active = name

    def action_chat(self) -> None:
        """Talk to it."""
        self.app.open_playground(self._ref)

    def action_edit(self) -> None:
        """Change its settings."""
        self.app.open_wizard(edit=self._ref)

    @work(exit_on_error=False, group="act")
    async def action_scale(self) -> None:
        """Ask for a number of replicas."""
        if self._last is None:
            return
        row = self._last.row
        dialog = NumberDialog(f"Replicas of {self._ref}", row.replicas, text=scale_text(row))
        wanted = await self.app.push_screen_wait(dialog)
        if wanted is not None and wanted != row.replicas:
            await self._act(self.services.operations.scale(self._ref, wanted), f"{self._ref}: {wanted} replicas wanted")

    @work(exit_on_error=False, group="act")
    async def action_restart(self) -> None:
        """Ask, then replace every pod."""
        if self._last is None:
            return
        stops = self._last.workload.strategy == "Recreate"
        text = f"In {self.services.session.context}: every pod is replaced. "
        text += "Requests fail until the new one is ready." if stops else "One after the other; it goes on answering."
        if await self.app.push_screen_wait(ConfirmDialog(f"Restart {self._ref}?", text, yes="Restart")):
            await self._act(self.services.operations.restart(self._ref), f"{self._ref} is being restarted")

    @work(exit_on_error=False, group="act")
    async def action_delete(self) -> None:
        """Ask for the name, then delete."""
        text = f"In {self.services.session.context}: its pods, Service and cache end with it. No undo."
        dialog = TypedConfirmDialog(f"Delete {self._ref}?", self._ref.name, text)
        if await self.app.push_screen_wait(dialog):
            deleting = self.services.operations.delete("ModelDeployment", self._ref.name, self._ref.namespace)
            await self._act(deleting, f"{self._ref} is being deleted")

    async def _act(self, doing: Awaitable[object], done: str) -> None:
        try:
            await doing
        except GenaiTuiError as error:
            self.app.push_screen(ProblemDialog(error.problem))
        else:
            self.notify(done)
