"""One deployment on its tabs, live, with everything that can be done to it.

Data path: the picture's `DeploymentDetail` -> blocks (pure functions of `overview`, `rollout`, `api`) -> sheets that
redraw the lines that changed. What is shown is kept when the deployment goes while it is looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.timer import Timer
from textual.widgets import ContentSwitcher

from genai_tui.domain.counters import Reconciliation
from genai_tui.domain.documents import Endpoint, Model
from genai_tui.domain.handover import sharing_text
from genai_tui.domain.monitoring import EngineReport, GpuReport
from genai_tui.domain.preflight import replacing_note
from genai_tui.domain.rows import Link, Ref
from genai_tui.errors import GenaiTuiError
from screens import format as shown
from screens.acting import act
from screens.deciding import written
from screens.deployment.api import ApiPane
from screens.deployment.choice_line import Choice, ChoiceLine
from screens.deployment.counted import COUNTED_EVERY_S, COUNTED_OVER, counted_blocks
from screens.deployment.drifting import DriftScreen, drift_blocks
from screens.deployment.gpus import gpus_blocks
from screens.deployment.logs import LogsPane
from screens.deployment.manifest import ManifestPane
from screens.deployment.overview import spec_blocks, state_blocks
from screens.deployment.rollout import moving, rollout
from screens.deployment.searching import SearchedText
from screens.deployment.sharing import SharingPane
from screens.deployment.sheet import Bit, Block, Grid, Sheet, Text
from screens.dialogs.difference import DifferenceDialog
from screens.limits import LimitsScreen

TABS = (
    ("overview", "Overview"),
    ("rollout", "Rollout"),
    ("logs", "Logs"),
    ("api", "API"),
    ("sharing", "Sharing"),
    ("manifest", "Manifest"),
    ("gpus", "Pods/GPUs"),
)
WIDE = 110
TALL = 36


class DeploymentScreen(DriftScreen):
    """Opened from the list, on one of its tabs.

    Args:
        ref: the deployment.
        tab: the tab to begin with; an unknown one is the first.
    """

    HELP = """\
# One deployment

`1` to `7`, or `Tab`, open the tabs. *Overview* says how it is and why, what to do
about it, and what was asked for; `x` opens the form with the fix filled in, to look over and to save.
`u` lists earlier revisions and goes back to one, `Z` stops and starts it, `P` pauses and resumes its rollout.
*Rollout* shows for each replica how long every stage took and what the cluster says about it. *Logs* follow one
container; `[` and `]` go to the others, `a` shows all replicas by time, `p` the run before a crash, `/` searches.
*API* has requests that run as printed; `w` writes all a developer needs into a file, and at a gateway `p` probes what
it keeps. `L` shows how far each limit is used up now, and what a key would be told. *Sharing* says which organizations
may call it, and changes it: `m` and `space` choose, `ctrl+s` applies.
*Manifest* has the live object, the document, and where the two differ because somebody else wrote to it: `t` takes that
into the form, `b` puts back what was asked for. *Pods/GPUs* says where each replica runs, what its GPUs do, and what
the engines report of requests, tokens and latency; it is read every few seconds while it is looked at.

What others made is shown and talked to, and never written to; `A` opens its settings in the form, for a new deployment
of ours beside it.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "tab('logs')", "Logs", id="deployment.logs", tooltip="Show its logs"),
        Binding("escape", "leave", "Back", id="deployment.back", tooltip="End the search, or back to the list"),
        Binding("L", "limits", "Limits", show=False, id="deployment.limits",
                tooltip="How far each limit is used up now, and what a key would be told"),
        Binding("tab", "next_tab(1)", "Next tab", show=False, id="deployment.next", tooltip="The tab to the right"),
        Binding("shift+tab", "next_tab(-1)", "Tab before", show=False, id="deployment.before",
                tooltip="The tab to the left"),
        *(
            Binding(str(n), f"tab('{name}')", title, show=False, id=f"deployment.{name}", tooltip=f"Open {title}")
            for n, (name, title) in enumerate(TABS, 1)
        ),
    ]  # fmt: skip

    def __init__(self, ref: Ref, tab: str = "overview") -> None:
        super().__init__(ref)
        self._tab = tab if tab in dict(TABS) else TABS[0][0]
        self._gpus: GpuReport | None = None
        self._engine: EngineReport | None = None
        self._counted: Reconciliation | None = None
        self._next_reading: Timer | None = None

    def compose_body(self) -> ComposeResult:
        """Title, banner, tabs."""
        operations = self.services.operations
        yield Sheet(id="deployment-title")
        yield ChoiceLine(id="deployment-tabs")
        yield Sheet(id="deployment-banner")
        with ContentSwitcher(initial=_pane_id(self._tab), id="deployment-panes"):
            with VerticalScroll(id=_pane_id("overview"), classes="sheet--scroll"), Container(id="overview-columns"):
                yield Sheet(id="overview-state")
                yield Sheet(id="overview-spec")
            with VerticalScroll(id=_pane_id("rollout"), classes="sheet--scroll"):
                yield Sheet(step=8, id="rollout-sheet")
            yield LogsPane(operations, self._ref, id=_pane_id("logs"))
            yield ApiPane(
                self.services.playground, operations, self._ref, self.services.session.context, id=_pane_id("api")
            )
            yield SharingPane(self.services.keys, id=_pane_id("sharing"))
            yield ManifestPane(operations, self._ref, id=_pane_id("manifest"))
            with VerticalScroll(id=_pane_id("gpus"), classes="sheet--scroll"):
                yield Sheet(step=8, id="gpus-sheet")

    def on_mount(self) -> None:
        """Draw what is known; ask what this identity may do here."""
        self.refresh_from_picture()
        # A key that was typed ahead may have opened another tab by then.
        self.call_after_refresh(lambda: self._open(self._tab))
        self.run_worker(self._learn(), group="permissions", exit_on_error=False)
        self.set_interval(1.0, self._tick)

    async def _learn(self) -> None:
        try:
            await self.services.access.check(self._ref.namespace)
        except GenaiTuiError as error:
            # Unknown counts as permitted: the cluster has the last word when something is done.
            self.log.warning(error.problem.line)
        self.refresh_bindings()

    # Following the picture --------------------------------------------------------------------------------------------

    def refresh_from_picture(self) -> None:
        """Follow the deployment; keep its last state when it is gone."""
        detail = self.services.picture.deployment(self._ref)
        gone = detail is None and self._last is not None and self.services.picture.health.link is Link.LIVE
        if detail is not None:
            self._last = detail
        self._gone = gone
        self.follow_drift()
        self._show_title()
        self._show_banner()
        self._show_tabs()
        self._show_pane()
        self.refresh_bindings()

    def _tick(self) -> None:
        """Times go on while something is under way."""
        looked_at = self.is_current and self._tab == "rollout" and not self._gone
        if looked_at and self._last is not None and moving(self._last):
            self._show_pane()

    def _show_title(self) -> None:
        name = Bit(f"{self._ref.namespace} / {self._ref.name}", "strong")
        cells: tuple[Bit, ...] = (name,)
        if self._last is not None:
            row = self._last.row
            look = shown.phase_look(row.assessment.phase)
            if self._gone:
                cells = (name, Bit("gone", "bad"))
            else:
                cells = (
                    name,
                    Bit(f"{shown.ratio(row.ready, row.replicas)} ready", "quiet"),
                    Bit(f"{look.glyph} {shown.phase_text(row.assessment)}", look.tone),
                )
        self.query_one("#deployment-title", Sheet).show([Grid((cells,), cut=True, gap=3)])

    def _show_banner(self) -> None:
        text, tone = self._banner()
        banner = self.query_one("#deployment-banner", Sheet)
        banner.display = bool(text)
        banner.show([Text(text, tone)] if text else [])

    def _banner(self) -> tuple[str, str]:
        health = self.services.picture.health
        problem = f": {health.problem.line}" if health.problem is not None else ""
        if self._gone:
            return "✖ It does not exist any more: it was deleted. Below is its last state.", "bad"
        if health.link in (Link.STALE, Link.OFFLINE):
            if self._last is None:
                return f"✖ Nothing is known of it yet{problem}", "bad"
            return f"▲ Last known state, from {shown.clock(health.stale_since)} UTC{problem}", "waiting"
        if self._last is None:
            waiting = health.link is Link.CONNECTING
            return ("Connecting ...", "quiet") if waiting else (f"✖ There is no deployment {self._ref}.", "bad")
        if self._last.row.foreign:
            return f"Made by {self._last.row.managed_by}: nothing here writes to it.", "quiet"
        return "", ""

    # Readings ---------------------------------------------------------------------------------------------------------

    def on_screen_resume(self) -> None:
        """Read while it is seen."""
        super().on_screen_resume()
        self._read()

    def on_screen_suspend(self) -> None:
        """Nobody looks."""
        self._read_no_more()

    def _read_no_more(self) -> None:
        if self._next_reading is not None:
            self._next_reading.stop()
            self._next_reading = None
        self.workers.cancel_group(self, "readings")

    @work(exclusive=True, group="readings", exit_on_error=False)
    async def _read(self) -> None:
        """Ask what the open tab shows beside the picture, and again when it is polite to."""
        if self._last is None or self._gone:
            return
        if self._tab == "overview":
            await self._read_counted()
        if self._tab != "gpus":
            return
        monitor = self.services.monitor
        nodes = {replica.pod.node for replica in self._last.replicas if replica.pod.node}
        engine, self._gpus = await asyncio.gather(monitor.engine(self._ref), monitor.gpus(nodes))
        self._engine = engine
        self._show_pane()
        if self.is_current and self._tab == "gpus":
            self._next_reading = self.set_timer(engine.again_s, self._read)

    async def _read_counted(self) -> None:
        """What engines counted and what of it is attributed; an extra, which is left out where it cannot be read."""
        since = self.services.clock() - COUNTED_OVER
        try:
            found = await self.services.counters.reconcile(since, only=self._ref)
        except GenaiTuiError as error:
            self.log.warning(error.problem.line)
            found = ()
        self._counted = next(iter(found), None)
        self._show_pane()
        if self.is_current and self._tab == "overview":
            self._next_reading = self.set_timer(COUNTED_EVERY_S, self._read)

    # Tabs -------------------------------------------------------------------------------------------------------------

    def _show_tabs(self) -> None:
        choices = (
            Choice(str(n), title, f"tab('{name}')", name == self._tab) for n, (name, title) in enumerate(TABS, 1)
        )
        self.query_one("#deployment-tabs", ChoiceLine).show(tuple(choices))

    def _show_pane(self) -> None:
        detail = self._last
        if detail is None:
            return
        now = self.services.clock()
        match self._tab:
            case "overview":
                roomy = self.size.width >= WIDE and self.size.height >= TALL
                counted = counted_blocks(self._counted)
                state = state_blocks(detail, now, drift_blocks(self.drift), counted, roomy=roomy, gone=self._gone)
                self.query_one("#overview-state", Sheet).show(state)
                self.query_one("#overview-spec", Sheet).show(spec_blocks(detail, self._model(), self._endpoint()))
            case "rollout":
                picture = self.services.picture
                health, known = picture.health, picture.usual_start(self._ref)
                replacing = replacing_note(detail, () if health.not_visible("Node") else picture.nodes())
                self._show_sheet("#rollout-sheet", rollout(detail, now, self.size.width, health, known, replacing))
            case "logs":
                self.query_one(LogsPane).show(() if self._gone else detail.replicas)
            case "api":
                self.query_one(ApiPane).show(detail, self._model(), self._endpoint())
            case "sharing":
                picture = self.services.picture
                self.query_one(SharingPane).show(detail, self._endpoint(), picture.organizations(), now)
            case "manifest":
                self.query_one(ManifestPane).show(detail, self.drift)
            case "gpus":
                sheet = self.query_one("#gpus-sheet", Sheet)
                sheet.show(gpus_blocks(detail, self._gpus, self._engine, now, self.size.width))

    def drift_changed(self) -> None:
        """Show it."""
        self._show_pane()
        self.refresh_bindings()

    def _show_sheet(self, selector: str, blocks: Sequence[Block]) -> None:
        """Keep the end in sight for somebody who is at the end: that is where new events come."""
        sheet = self.query_one(selector, Sheet)
        scroll = sheet.parent
        at_end = isinstance(scroll, VerticalScroll) and 0 < scroll.max_scroll_y <= scroll.scroll_y
        sheet.show(blocks)
        if at_end and isinstance(scroll, VerticalScroll):
            self.call_after_refresh(scroll.scroll_end, animate=False)

    def _model(self) -> Model | None:
        name = self._last.row.model if self._last is not None else None
        return next((row.document for row in self.services.picture.models() if row.name == name), None)

    def _endpoint(self) -> Endpoint | None:
        name = self._last.row.endpoint if self._last is not None else None
        return next((row.document for row in self.services.picture.endpoints() if row.name == name), None)

    def on_resize(self) -> None:
        """Two columns where there is room."""
        self.set_class(self.size.width >= WIDE, "-wide")
        if self.is_mounted and self._last is not None:
            self._show_pane()

    def _open(self, name: str) -> None:
        self._tab = name
        self.query_one("#deployment-panes", ContentSwitcher).current = _pane_id(name)
        self._show_tabs()
        self._show_pane()
        self._read_no_more()
        self._read()
        pane = self.query_one(f"#{_pane_id(name)}")
        if isinstance(pane, SearchedText | ApiPane | SharingPane):
            pane.focus_text()
        else:
            pane.focus(scroll_visible=False)

    def action_tab(self, name: str) -> None:
        """Open a tab."""
        self._open(name)

    def action_next_tab(self, by: int) -> None:
        """Open a neighbouring tab."""
        names = [name for name, _ in TABS]
        self._open(names[(names.index(self._tab) + by) % len(names)])

    @on(ChoiceLine.Clicked, "#deployment-tabs")
    async def _tab_clicked(self, event: ChoiceLine.Clicked) -> None:
        event.stop()
        await self.run_action(event.action)

    def action_limits(self) -> None:
        """How far each limit is used up now."""
        self.app.push_screen(LimitsScreen(self._ref))

    def action_leave(self) -> None:
        """End a search, or leave the screen."""
        pane = self.query_one(f"#{_pane_id(self._tab)}")
        if not (isinstance(pane, SearchedText) and pane.end_search()):
            self.dismiss()

    # Sharing ----------------------------------------------------------------------------------------------------------

    @on(SharingPane.ApplyRequested)
    @work(exclusive=True, group="act", exit_on_error=False)
    async def _share(self, event: SharingPane.ApplyRequested) -> None:
        """Ask, then apply the same document with another sharing."""
        event.stop()
        refusal = self.refusal("share")
        document = self._last.document if self._last is not None else None
        if refusal or document is None or self.services.session.read_only:
            why = refusal or "this is a read-only session" if document is not None else f"{self._ref} cannot be read"
            self.notify(why, title="Sharing cannot be changed", severity="warning")
            return
        spec = document.spec.model_copy(update={"sharing": event.sharing})
        operations, wanted = self.services.operations, document.model_copy(update={"spec": spec})
        slow = self.set_timer(1.0, lambda: self.notify("asking the API server what it would change ...", timeout=3))
        try:
            preview = await operations.preview(wanted)
        finally:
            slow.stop()
        if preview.refusal:
            self.notify(preview.refusal, title="Sharing cannot be changed", severity="error", timeout=10)
            return
        text = f"In {self.services.session.context}: {event.text}"
        change = DifferenceDialog(f"Change who may call {self._ref}?", text, preview.diff, yes="Share")
        if not await self.app.push_screen_wait(change):
            return
        applying = written(
            self.app,
            f"Share {self._ref}?",
            lambda decided: operations.apply(wanted, base=document, resolution=decided),
        )
        self.query_one(SharingPane).applied()
        await act(self.app, applying, f"{self._ref} is shared with {sharing_text(event.sharing)}")


def _pane_id(name: str) -> str:
    return f"pane-{name}"
