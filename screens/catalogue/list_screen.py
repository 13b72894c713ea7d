"""What the lists of models and of endpoints have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from genai_tui.domain.problems import Problem
from genai_tui.domain.rows import DeploymentRow, EndpointRow, ModelRow, Ref
from genai_tui.domain.text import printable
from genai_tui.errors import GenaiTuiError
from screens.base import AreaScreen
from screens.catalogue.entry_dialog import EntryDialog
from screens.catalogue.form import CatalogueFormScreen, CatalogueKind
from screens.dialogs.confirm import TypedConfirmDialog
from screens.dialogs.problem import ProblemDialog
from screens.format import MISSING
from screens.widgets.virtual_table import Cell, Cells, Column, VirtualTable

Entry = ModelRow | EndpointRow


class CatalogueScreen(AreaScreen):
    """A list of catalogue entries: new, edit, delete, details."""

    KIND: ClassVar[CatalogueKind]
    COLUMNS: ClassVar[tuple[Column, ...]]
    EMPTY: ClassVar[str]
    DEPLOYABLE: ClassVar[bool] = False
    WRITES: ClassVar[frozenset[str]] = frozenset({"new", "edit", "delete", "deploy"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New", id="catalogue.new", tooltip="Make a new entry"),
        Binding("enter", "open", "Details", id="catalogue.open", tooltip="What it is, and which deployments use it"),
        Binding("e", "edit", "Edit", id="catalogue.edit", tooltip="Edit the entry under the cursor"),
        Binding("ctrl+d", "delete", "Delete", id="catalogue.delete", tooltip="Delete the entry under the cursor"),
        Binding("slash", "filter", "Filter", id="catalogue.filter", key_display="/", tooltip="Show only some"),
        Binding("escape", "clear", "All", show=False, tooltip="Show all entries again"),
    ]

    @abstractmethod
    def entries(self) -> Sequence[Entry]:
        """The rows of the picture."""

    @abstractmethod
    def cells(self, entry: Entry) -> Cells:
        """One line of the list."""

    @abstractmethod
    def uses(self, deployment: DeploymentRow) -> str | None:
        """Which entry a deployment uses."""

    @abstractmethod
    def details(self, entry: Entry) -> Sequence[tuple[str, str]]:
        """(label, text) of what is known of an entry."""

    def compose_body(self) -> ComposeResult:
        """The list, what stands in its place when it is empty, and the line to narrow it."""
        yield VirtualTable[str](self.COLUMNS, natural=str, id="catalogue-table")
        yield Static(self.EMPTY, id="catalogue-empty", markup=False)
        yield Input(placeholder="type to narrow, enter to keep, esc for all", id="catalogue-filter", compact=True)

    def on_mount(self) -> None:
        """Stand on the list."""
        self.query_one("#catalogue-filter").display = False
        self._table.focus()

    @property
    def _table(self) -> VirtualTable[str]:
        table: VirtualTable[str] = self.query_one("#catalogue-table", VirtualTable)
        return table

    def refresh_from_picture(self) -> None:
        """Follow the picture; the cursor stays on its entry."""
        rows: Mapping[str, Cells] = {entry.name: self.cells(entry) for entry in self.entries()}
        table = self._table
        if table.total:
            table.merge(rows, [key for key in self._names if key not in rows])
        else:
            table.replace(rows)
        self._names = tuple(rows)
        table.display = bool(rows)
        empty = self.query_one("#catalogue-empty", Static)
        empty.display = not rows
        if not rows:
            missing = self.services.picture.health.not_visible("ConfigMap")
            empty.update(f"The catalogue is {printable(missing)}" if missing else self.EMPTY)

    _names: tuple[str, ...] = ()

    def _entry(self) -> Entry | None:
        name = self._table.cursor
        return next((entry for entry in self.entries() if entry.name == name), None)

    def deployed(self, entry: Entry) -> Cell:
        """How many deployments use it; nothing where these may not be seen."""
        if self.services.picture.health.not_visible("Deployment"):
            return Cell(MISSING, "quiet")
        return Cell(str(entry.deployments), "" if entry.deployments else "quiet", entry.deployments)

    def _users(self, name: str) -> list[DeploymentRow]:
        return [row for row in self.services.picture.deployments() if self.uses(row) == name]

    # Doing ------------------------------------------------------------------------------------------------------------

    def action_new(self) -> None:
        """Make a new entry."""
        self.app.push_screen(CatalogueFormScreen(self.KIND))

    def action_edit(self) -> None:
        """Edit the entry under the cursor."""
        entry = self._entry()
        if entry is not None:
            self.app.push_screen(CatalogueFormScreen(self.KIND, entry.name))

    def action_open(self) -> None:
        """Show the entry under the cursor."""
        entry = self._entry()
        if entry is not None:
            self._open(entry)

    @on(VirtualTable.Chosen)
    def _chosen(self, event: VirtualTable.Chosen) -> None:
        event.stop()
        self.action_open()

    @work(exclusive=True, group="dialog")
    async def _open(self, entry: Entry) -> None:
        lines = [("problem", entry.problem)] if entry.problem else list(self.details(entry))
        answer = await self.app.push_screen_wait(
            EntryDialog(
                f"{self.KIND} {entry.name}",
                [(label, text) for label, text in lines if text],
                self._users(entry.name),
                deployable=self.DEPLOYABLE and entry.document is not None,
            )
        )
        if isinstance(answer, Ref):
            self.app.open_deployment(answer)
        elif answer == "edit":
            self.action_edit()
        elif answer == "deploy":
            self.app.open_wizard(model=entry.name)

    @work(exclusive=True, group="dialog")
    async def action_delete(self) -> None:
        """Delete the entry under the cursor, when nothing uses it and its name was typed."""
        entry = self._entry()
        if entry is None:
            return
        what = f"{self.KIND.lower()} {entry.name}"
        problem = self._why_not(entry, what)
        if problem is not None:
            self.app.push_screen(ProblemDialog(problem))
            return
        where = self.services.session.context
        text = f"In {where}: it is taken out of the catalogue. No deployment uses it."
        if not await self.app.push_screen_wait(TypedConfirmDialog(f"Delete {what}?", entry.name, text)):
            return
        try:
            await self.services.operations.delete(self.KIND, entry.name)
        except GenaiTuiError as error:
            self.app.push_screen(ProblemDialog(error.problem))
            return
        self.notify(f"{what} deleted.")

    def _why_not(self, entry: Entry, what: str) -> Problem | None:
        users = self._users(entry.name)
        if not users:
            return None
        names = ", ".join(str(row.ref) for row in users)
        one = len(users) == 1
        why = f"{len(users)} deployment{'' if one else 's'} use{'s' if one else ''} it: {names}"
        return Problem(f"{what} cannot be deleted", why, f"delete {'it' if one else 'them'} first, or choose another")

    def refusal(self, action: str) -> str:
        """What the cluster does not permit, in words."""
        verb = {"new": "create", "edit": "patch", "delete": "delete"}.get(action)
        if verb is None:
            return ""
        permission = self.services.access.permission(verb, "configmaps", self.services.session.system_namespace)
        return "" if permission.allowed else permission.reason

    # Narrowing --------------------------------------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Open the line to narrow the list."""
        line = self.query_one("#catalogue-filter", Input)
        line.display = True
        line.focus()

    def action_clear(self) -> None:
        """Show everything again."""
        line = self.query_one("#catalogue-filter", Input)
        line.value = ""
        line.display = False
        self._table.focus()

    @on(Input.Changed, "#catalogue-filter")
    def _narrow(self, event: Input.Changed) -> None:
        event.stop()
        self._table.narrow(event.value)

    @on(Input.Submitted, "#catalogue-filter")
    def _keep(self, event: Input.Submitted) -> None:
        event.stop()
        if not event.value:
            event.input.display = False
        self._table.focus()


def unreadable(entry: Entry, columns: int, at: int) -> Cells:
    """The line of an entry whose stored document cannot be read: its name and why, at the flexible column."""
    cells = [Cell("")] * columns
    cells[0] = Cell(f"✖ {entry.name}", "bad", entry.name)
    cells[at] = Cell(entry.problem or "cannot be read", "bad")
    return tuple(cells)
