"""Home: every model deployment of the cluster in one list, with phase and cause."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from genai_tui.domain.rows import DeploymentRow, Link, Ref
from genai_tui.errors import GenaiTuiError
from screens import format as shown
from screens.base import AreaScreen
from screens.dialogs.ask import NumberDialog, TypedNameDialog
from screens.dialogs.tell import explanation_dialog, problem_dialog
from screens.widgets.virtual_table import Cell, Cells, Column, VirtualTable

COLUMNS = (
    Column("name", "NAME", least=8, most=32),
    Column("namespace", "NAMESPACE", least=6, most=20, rank=3),
    Column("model", "MODEL", least=6, most=24, rank=4),
    Column("engine", "ENGINE", least=6, most=6, rank=6),
    Column("phase", "PHASE", least=24, most=200, flexible=True),
    Column("ready", "READY", least=5, most=9, right=True),
    Column("gpus", "GPU", least=3, most=5, right=True, rank=1),
    Column("endpoint", "ENDPOINT", least=8, most=18, rank=8),
    Column("requests", "REQ/S", least=5, most=7, right=True, rank=7),
    Column("tokens", "TOK/S", least=5, most=7, right=True, rank=5),
    Column("age", "AGE", least=3, most=4, right=True, rank=2),
)


def cells_of(row: DeploymentRow, now: datetime) -> Cells:
    """A deployment as a line of the list."""
    look = shown.LOOKS[row.assessment.phase]
    traffic = row.traffic
    created = row.created.timestamp() if row.created else None
    return (
        Cell(row.ref.name, "quiet" if row.foreign else ""),
        Cell(row.ref.namespace, "quiet"),
        Cell(row.model or shown.MISSING, "" if row.model else "quiet"),
        Cell(row.engine or shown.MISSING, "quiet"),
        Cell(f"{look.glyph} {shown.phase_text(row.assessment)}", look.tone, order=row.assessment.phase.value),
        Cell(f"{row.ready}/{row.replicas}", order=row.ready / row.replicas if row.replicas else 1.0),
        Cell(shown.count(row.gpus), order=row.gpus),
        Cell(row.endpoint or shown.MISSING, "quiet"),
        Cell(shown.rate(traffic.requests_per_second), "quiet", order=traffic.requests_per_second),
        Cell(shown.rate(traffic.tokens_per_second), "", order=traffic.tokens_per_second),
        Cell(shown.age(row.created, now), "quiet", order=-created if created is not None else None),
    )


class DeploymentsScreen(AreaScreen):
    """The list, a filter, and what can be done to a deployment."""

    AREA = "deployments"
    HELP = """\
# Deployments

One line for each model deployment, the cause beside its phase. Greyed names were made by others: they are listed and
can be talked to, and nothing here writes to them. `<` and `>` or a click on a heading sort; `/` narrows while you type.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "slash", "filter", "Filter", id="list.filter", key_display="/", tooltip="Show only rows with these words"
        ),
        Binding("n", "new", "New", id="list.new", tooltip="Create a deployment"),
        Binding("enter", "open", "Open", id="list.open", tooltip="Show the deployment"),
        Binding("c", "chat", "Chat", id="list.chat", tooltip="Talk to the deployment in the playground"),
        Binding("l", "logs", "Logs", id="list.logs", tooltip="Show its logs"),
        Binding("s", "scale", "Scale", id="list.scale", tooltip="Change how many replicas it has; 0 stops it"),
        Binding("e", "edit", "Edit", id="list.edit", tooltip="Change its settings in the form"),
        Binding(
            "d", "describe", "Describe", show=False, id="list.describe", tooltip="Why it is as it is, and what to do"
        ),
        Binding(
            "ctrl+d", "delete", "Delete", show=False, id="list.delete", tooltip="Delete it with what belongs to it"
        ),
        Binding(
            "escape", "clear_filter", "Clear the filter", show=False, id="list.clear", tooltip="Show all rows again"
        ),
    ]
    WRITES: ClassVar[dict[str, tuple[str, str]]] = {
        "new": ("patch", "apps/deployments"),
        "scale": ("patch", "apps/deployments"),
        "edit": ("patch", "apps/deployments"),
        "delete": ("delete", "apps/deployments"),
    }

    def __init__(self) -> None:
        super().__init__()
        self._drawn = -1
        self._offered = False

    def compose_body(self) -> ComposeResult:
        """Banner, list, empty state, filter."""
        yield Static("", id="list-banner", markup=False)
        yield VirtualTable[Ref](COLUMNS, id="list")
        yield Static("", id="list-empty", markup=False)
        yield Input(placeholder="words to look for; esc shows all", id="list-filter", compact=True)

    @property
    def table(self) -> VirtualTable[Ref]:
        """The list."""
        return self.query_one("#list", VirtualTable)

    def on_mount(self) -> None:
        """Begin with the list in front."""
        self.query_one("#list-filter").display = False
        self.table.focus()
        self.set_interval(30, self._age)
        self.refresh_from_picture()

    def refresh_from_picture(self) -> None:
        """Take in what changed."""
        picture, now = self.services.picture, self.services.clock()
        if self._drawn < 0:
            self.table.replace({row.ref: cells_of(row, now) for row in picture.deployments()})
            self._drawn = picture.revision
        else:
            changes = picture.changes_since(self._drawn)
            if changes.reset:
                self.table.replace({row.ref: cells_of(row, now) for row in picture.deployments()})
            else:
                self.table.merge({row.ref: cells_of(row, now) for row in changes.rows}, changes.gone)
            self._drawn = changes.revision
        self._show_state()
        self._offer_drafts()

    def _age(self) -> None:
        """Ages move on although nothing changed."""
        if self.is_current:
            now = self.services.clock()
            self.table.merge({row.ref: cells_of(row, now) for row in self.services.picture.deployments()})

    def _show_state(self) -> None:
        """What to say when there is nothing to list, or it is not fresh."""
        health, failure = self.services.picture.health, self.app.failure
        banner = self.query_one("#list-banner", Static)
        problem = health.problem or failure
        text = ""
        if health.link is Link.STALE and problem is not None:
            text = f"▲ last known state, from {shown.clock(health.stale_since)} UTC: {problem.line}"
        elif health.link is Link.OFFLINE and problem is not None:
            text = f"✖ {problem.line}"
        banner.update(text)
        banner.display = bool(text)
        empty = self.query_one("#list-empty", Static)
        self.table.display = bool(self.table.row_count) or bool(self.table.total)
        empty.display = not self.table.row_count
        if not self.table.row_count:
            empty.update(self._empty_text(health.link))

    def _empty_text(self, link: Link) -> str:
        if self.table.total:
            return "no deployment has these words   esc shows all"
        if link is Link.CONNECTING and self.app.failure is None:
            return f"connecting to {self.services.session.server} …"
        if link is Link.OFFLINE or self.app.failure is not None:
            return "nothing is known of this cluster yet; it is tried again by itself"
        return (
            "no model deployments yet\n\n"
            "n  creates one: choose a model and an endpoint, the rest has defaults\n"
            "2  models, 3  endpoints: what a deployment is made from\n"
            "?  all keys"
        )

    def _offer_drafts(self) -> None:
        if self._offered or not self.table.is_mounted:
            return
        self._offered = True
        drafts = self.services.drafts.saved()
        if drafts:
            self.notify(f"unfinished: {drafts[0].title}; n goes on with it", title="A form was kept", timeout=10)

    # -- actions ------------------------------------------------------------------------------------------------

    def _row(self) -> DeploymentRow | None:
        ref = self.table.cursor
        detail = self.services.picture.deployment(ref) if ref is not None else None
        return detail.row if detail is not None else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A read-only session has no writing actions; what is not permitted is greyed and says why when pressed."""
        return not (action in self.WRITES and self.services.session.read_only)

    def _refused(self, action: str, row: DeploymentRow | None) -> bool:
        """Say why a write cannot be done, before it is tried."""
        if row is not None and row.foreign:
            self.notify(f"{row.ref} was made by {row.managed_by}: nothing here writes to it", severity="warning")
            return True
        verb, resource = self.WRITES[action]
        namespace = row.ref.namespace if row is not None else self.services.session.namespace or "default"
        permission = self.services.operations.permission(verb, resource, namespace)
        if not permission.allowed:
            self.notify(permission.reason, severity="warning")
        return not permission.allowed

    def action_filter(self) -> None:
        """Narrow the list."""
        field = self.query_one("#list-filter", Input)
        field.display = True
        field.focus()

    def action_clear_filter(self) -> None:
        """Show all rows."""
        field = self.query_one("#list-filter", Input)
        field.value = ""
        field.display = False
        self.table.narrow("")
        self._show_state()
        self.table.focus()

    @on(Input.Changed, "#list-filter")
    def _filter_typed(self, event: Input.Changed) -> None:
        self.table.narrow(event.value)
        self._show_state()

    @on(Input.Submitted, "#list-filter")
    def _filter_done(self, event: Input.Submitted) -> None:
        if not event.value:
            self.query_one("#list-filter").display = False
        self.table.focus()

    @on(VirtualTable.Chosen)
    def _chosen(self, event: VirtualTable.Chosen) -> None:
        self.app.open_deployment(event.key)

    def action_open(self) -> None:
        """Show the deployment."""
        self.table.action_choose()

    def action_new(self) -> None:
        """Create a deployment."""
        if not self._refused("new", None):
            self.app.open_wizard()

    def action_chat(self) -> None:
        """Talk to it."""
        row = self._row()
        self.app.open_playground(row.ref if row is not None else None)

    def action_logs(self) -> None:
        """Show its logs."""
        row = self._row()
        if row is not None:
            self.app.open_logs(row.ref)

    def action_describe(self) -> None:
        """Why it is as it is."""
        row = self._row()
        if row is not None:
            self.app.push_screen(explanation_dialog(str(row.ref), row.assessment))

    def action_edit(self) -> None:
        """Change its settings."""
        row = self._row()
        if row is not None and not self._refused("edit", row):
            self.app.open_wizard(edit=row.ref)

    @work(exit_on_error=False, group="act")
    async def action_scale(self) -> None:
        """Ask for a number of replicas."""
        row = self._row()
        if row is None or self._refused("scale", row):
            return
        title = f"Replicas of {row.ref}"
        wanted = await self.app.push_screen_wait(
            NumberDialog(title, row.replicas, 0, 1000, lambda number: scale_note(row, number))
        )
        if wanted is not None and wanted != row.replicas:
            await self._act(self.services.operations.scale(row.ref, wanted), f"{row.ref}: {wanted} replicas wanted")

    @work(exit_on_error=False, group="act")
    async def action_delete(self) -> None:
        """Ask for the name, then delete."""
        row = self._row()
        if row is None or self._refused("delete", row):
            return
        text = f"{row.ref} in {self.services.session.context}: its pods, Service and cache end with it. No undo."
        dialog = TypedNameDialog("Delete this deployment?", text, row.ref.name, "delete")
        if await self.app.push_screen_wait(dialog):
            deleting = self.services.operations.delete("ModelDeployment", row.ref.name, row.ref.namespace)
            await self._act(deleting, f"{row.ref} is being deleted")

    async def _act(self, doing: object, done: str) -> None:
        """Wait for a write and say how it went."""
        try:
            await doing  # type: ignore[misc]
        except GenaiTuiError as error:
            self.app.push_screen(problem_dialog(error.problem))
        else:
            self.notify(done)


def scale_note(row: DeploymentRow, wanted: int) -> str:
    """What a number of replicas means for this deployment."""
    if wanted == row.replicas:
        return "as it is"
    if wanted == 0:
        return "stops it: all GPUs become free, requests fail"
    each = row.gpus // row.replicas if row.gpus and row.replicas else None
    more = wanted - row.replicas
    what = f"{abs(more)} {'more' if more > 0 else 'fewer'}"
    gpus = f", {abs(more) * each} GPUs {'needed' if more > 0 else 'become free'}" if each else ""
    return f"{what}{gpus}"
