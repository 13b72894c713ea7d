"""Who may call: organizations, their users, and the API keys they call with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from genai_tui.domain.enforcement import unheld
from genai_tui.domain.keys import KeyRecord, Selection
from genai_tui.domain.organizations import in_the_way, key_doubts
from genai_tui.domain.problems import Problem
from genai_tui.domain.text import printable
from genai_tui.errors import GenaiTuiError, explain
from genai_tui.key_use import last_used
from screens.base import AreaScreen
from screens.catalogue.form import CatalogueFormScreen
from screens.dialogs.confirm import TypedConfirmDialog
from screens.dialogs.problem import ProblemDialog
from screens.keys.detail import Answer, KeyDialog, Told
from screens.keys.new_key import NewKeyDialog, ShownOnceDialog
from screens.keys.revoking import revoke_dialog
from screens.keys.views import COLUMNS, KEYS, ORGANIZATIONS, USERS, VIEWS, Known, rows
from screens.widgets.choice_row import ChoiceRow
from screens.widgets.virtual_table import VirtualTable

log = logging.getLogger(__name__)
READ_EVERY_S = 15.0
_NEEDS = {
    "new": ("create", "configmaps"),
    "edit": ("patch", "configmaps"),
    "delete": ("delete", "configmaps"),
    "new_key": ("create", "secrets"),
    "revoke_all": ("delete", "secrets"),
    "revoke_expired": ("delete", "secrets"),
}


class AccessScreen(AreaScreen):
    """Organizations, users and keys, one list at a time."""

    AREA = "access"
    WRITES: ClassVar[frozenset[str]] = frozenset(_NEEDS)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "view", "View", id="access.view", tooltip="Organizations, users, keys"),
        Binding("n", "new", "New", id="access.new", tooltip="Make an organization; among users and keys, a key"),
        Binding("K", "new_key", "New key", id="access.key", tooltip="Make an API key for whom the cursor is on"),
        Binding("e", "edit", "Edit", id="access.edit", tooltip="Edit the organization: display name, users"),
        Binding("ctrl+d", "delete", "Delete", id="access.delete", tooltip="Revoke the key, or delete the organization"),
        Binding("R", "revoke_all", "Revoke all", id="access.revoke_all", show=False,
                tooltip="Revoke every key of the user or organization under the cursor"),
        Binding("x", "revoke_expired", "Clean up", id="access.expired", show=False, tooltip="Delete the expired keys"),
        Binding("a", "audit", "Audit", id="access.audit", tooltip="What was written to clusters from this machine"),
        Binding("slash", "filter", "Filter", id="access.filter", key_display="/", tooltip="Show only some"),
        Binding("enter,d", "open", "Open", id="access.open", show=False,
                tooltip="The keys of the organization or user; of a key all that is known"),
        Binding("r", "read", "Read again", id="access.read", show=False, tooltip="Read the keys now"),
        Binding("escape", "clear", "All", show=False, tooltip="Show all again"),
    ]  # fmt: skip
    EMPTY: ClassVar[dict[str, str]] = {
        ORGANIZATIONS: "No organization yet\n\nAn organization is who a deployment is shared with, and whose use is "
        "limited and accounted for.\n\nn   make the first one",
        USERS: "No users yet\n\nUsers belong to organizations: e on an organization edits who they are.",
        KEYS: "No API keys yet\n\nA key says in whose name a request is made. It is shown once, when it is made.\n\n"
        "n   make the first one",
    }
    HELP = """\
# Access

Organizations are what deployments are shared with; users belong to them; an API key says in whose name a request is
made. `v` goes from one list to the next, `enter` shows the keys of an organization or user, and of a key all that is
known of it.

`n` makes an organization, and among users and keys a key; `K` makes a key for whom the cursor is on. It is shown once.
Revoking one deletes its Secret: callers that use it are refused from then on. `R` revokes every key of a user or an
organization, `x` those that have expired; both show first which ones.

`a` shows everything that was written to clusters from this machine.

`ctrl+d` deletes an organization once it has no keys and nothing is shared with it.

A `▲` marks a key whose user is in no organization, or in two: limits are counted by the user's name, so the requests of
both would count together. `enter` on the key says which.

Last used is what the ledger of this machine has seen within 90 days; `–` is not seen here.
"""

    def __init__(self) -> None:
        super().__init__()
        self._keys: Sequence[KeyRecord] | None = None
        self._used: Mapping[str, datetime] | None = {}
        """When keys were last used, by id; None where the ledger cannot be read."""
        self._shown: tuple[str, tuple[str, ...]] = ("", ())

    def compose_body(self) -> ComposeResult:
        """Which list, the list, what stands in its place, and the line to narrow it."""
        yield ChoiceRow(VIEWS, ORGANIZATIONS, id="access-view")
        yield Static("", id="access-problem", markup=False)
        for view in VIEWS:
            yield VirtualTable[str](COLUMNS[view], id=f"access-{view}", classes="access--table")
        yield Static("", id="access-empty", markup=False)
        yield Input(placeholder="type to narrow, enter to keep, esc for all", id="access-filter", compact=True)

    def on_mount(self) -> None:
        """Stand on the list; read the keys now and then."""
        self.query_one("#access-filter").display = False
        self.query_one("#access-problem").display = False
        self.table.focus()
        self.set_interval(READ_EVERY_S, self._read_if_seen)

    def on_screen_resume(self) -> None:
        """Keys are not watched: what was made elsewhere meanwhile is read."""
        super().on_screen_resume()
        self.action_read()

    def _read_if_seen(self) -> None:
        if self.is_current:
            self.action_read()

    @property
    def view(self) -> str:
        """The list that is shown."""
        return self.query_one("#access-view", ChoiceRow).value

    @property
    def table(self) -> VirtualTable[str]:
        """The table that is shown."""
        found: VirtualTable[str] = self.query_one(f"#access-{self.view}", VirtualTable)
        return found

    # Reading ----------------------------------------------------------------------------------------------------------

    @work(exclusive=True, group="keys", exit_on_error=False)
    async def action_read(self) -> None:
        """Read the keys, and when they were last used."""
        try:
            self._keys = await self.services.keys.listed()
            self._say("")
        except GenaiTuiError as error:
            self._say(f"▲ keys cannot be listed: {error.problem.line}")
        try:
            self._used = await last_used(self.services.usage, self.services.clock())
        except GenaiTuiError as error:
            self._used = None
            log.warning("the ledger cannot be read: %s", error.problem.line)
        self.refresh_from_picture()

    def _say(self, text: str) -> None:
        line = self.query_one("#access-problem", Static)
        line.display = bool(text)
        line.update(printable(text))

    def action_audit(self) -> None:
        """Show the writes."""
        self.app.open_audit()

    def refresh_from_picture(self) -> None:
        """Follow picture and keys; the cursor stays where it is."""
        known = Known(
            self.services.picture.organizations(),
            self.services.picture.deployments(),
            self._keys,
            self._used or {},
            self._doubts(),
            self.services.clock(),
        )
        drawn = rows(self.view, known)
        view, names = self._shown
        if view == self.view and self.table.total:
            self.table.merge(drawn, [name for name in names if name not in drawn])
        else:
            self.table.replace(drawn)
        self._shown = (self.view, tuple(drawn))
        for table in self.query(".access--table"):
            table.display = table is self.table and bool(drawn)
        empty = self.query_one("#access-empty", Static)
        empty.display = not drawn
        missing = self.services.picture.health.not_visible("ConfigMap") if self.view != KEYS else ""
        told = f"The catalogue is {printable(missing)}" if missing else self.EMPTY[self.view]
        empty.update(told if self._keys is not None or self.view != KEYS else "")
        self.refresh_bindings()

    def _doubts(self) -> Mapping[str, str]:
        """What is wrong with keys; nothing is said while it is not known which organizations there are."""
        picture = self.services.picture
        if picture.health.not_visible("ConfigMap"):
            return {}
        users = {row.name: row.document.spec.users if row.document else None for row in picture.organizations()}
        return key_doubts(self._keys or (), users)

    # What the cursor is on --------------------------------------------------------------------------------------------

    def _place(self) -> tuple[str, str]:
        """Organization and user under the cursor; empty where there is none."""
        cursor = self.table.cursor
        if cursor is None:
            return "", ""
        if self.view == KEYS:
            key = self._key()
            return (key.organization, key.user) if key else ("", "")
        organization, _, user = cursor.partition("/")
        return organization, user

    def _key(self) -> KeyRecord | None:
        return next((key for key in self._keys or () if key.id == self.table.cursor), None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys exist only where they do something."""
        if not self.is_mounted:
            return True
        if action in ("edit", "open", "revoke_all") and not self._place()[0]:
            return False
        if action == "delete" and (self.view == USERS or self.table.cursor is None):
            return False
        if action == "revoke_expired" and not self._expired():
            return False
        return super().check_action(action, parameters)

    def refusal(self, action: str) -> str:
        """What the cluster does not permit, in words."""
        needed = _NEEDS.get(action)
        if needed is None:
            return ""
        verb, resource = needed
        if action in ("new", "delete") and self.is_mounted and self.view != ORGANIZATIONS:
            resource = "secrets"
        permission = self.services.access.permission(verb, resource, self.services.session.system_namespace)
        return "" if permission.allowed else permission.reason

    def commands(self) -> Iterable[tuple[str, Callable[[], object], str]]:
        """The lists, by name."""
        for view in VIEWS:
            yield f"show {view}", lambda view=view: self._show_view(view), f"The list of {view}"  # type: ignore[misc]

    # Going about ------------------------------------------------------------------------------------------------------

    def action_view(self) -> None:
        """The next list."""
        self.query_one("#access-view", ChoiceRow).action_step(1)

    @on(ChoiceRow.Changed)
    def _other_view(self, event: ChoiceRow.Changed) -> None:
        event.stop()
        self._show_view(event.value)

    def _show_view(self, view: str, words: str = "") -> None:
        self.query_one("#access-view", ChoiceRow).value = view
        line = self.query_one("#access-filter", Input)
        line.value, line.display = words, bool(words)
        self.refresh_from_picture()
        self.table.narrow(words)
        self.table.focus()

    @on(VirtualTable.Chosen)
    def _chosen(self, event: VirtualTable.Chosen) -> None:
        event.stop()
        self.action_open()

    def action_open(self) -> None:
        """The keys of the organization or user under the cursor; of a key all that is known."""
        organization, user = self._place()
        key = self._key() if self.view == KEYS else None
        if key is not None:
            self._describe(key)
        elif organization:
            self._show_view(KEYS, f"{organization} {user}".strip())

    @work(exclusive=True, group="detail")
    async def _describe(self, key: KeyRecord) -> None:
        told = Told(self._used, self._doubts().get(key.id, ""), self.services.clock())
        actions: dict[Answer, str] = {"revoke": "delete", "new_key": "new_key"}
        allowed: frozenset[Answer] = frozenset(a for a, action in actions.items() if self.check_action(action, ()))
        match await self.app.push_screen_wait(KeyDialog(key, told, allowed)):
            case "revoke":
                self._revoke(Selection(id=key.id), f"Revoke key {key.id} of {key.user} in {key.organization}?")
            case "new_key":
                self.action_new_key()

    def action_filter(self) -> None:
        """Open the line to narrow the list."""
        line = self.query_one("#access-filter", Input)
        line.display = True
        line.focus()

    def action_clear(self) -> None:
        """Show everything again."""
        self._show_view(self.view)

    @on(Input.Changed, "#access-filter")
    def _narrow(self, event: Input.Changed) -> None:
        event.stop()
        self.table.narrow(event.value)

    @on(Input.Submitted, "#access-filter")
    def _keep(self, event: Input.Submitted) -> None:
        event.stop()
        event.input.display = bool(event.value)
        self.table.focus()

    # Doing ------------------------------------------------------------------------------------------------------------

    def action_new(self) -> None:
        """Make an organization, or a key where keys are listed."""
        if self.view == ORGANIZATIONS:
            self.app.push_screen(CatalogueFormScreen("Organization"))
        else:
            self.action_new_key()

    def action_edit(self) -> None:
        """Edit the organization under the cursor."""
        self.app.push_screen(CatalogueFormScreen("Organization", self._place()[0]))

    @work(exclusive=True, group="dialog")
    async def action_new_key(self) -> None:
        """Ask for whom, make the key, show it once."""
        picture = self.services.picture
        organizations = [row.document for row in picture.organizations() if row.document is not None]
        if not organizations:
            why = "a key belongs to a user of an organization, and there is no organization yet"
            self.app.push_screen(ProblemDialog(Problem("No key can be made", why, "n makes an organization")))
            return
        organization, user = self._place()
        deployments = [str(row.ref) for row in picture.deployments() if not row.foreign]
        key = await self.app.push_screen_wait(
            NewKeyDialog(
                organizations,
                deployments,
                self.services.keys.create,
                self.services.clock,
                unheld=unheld(picture.endpoints()),
                organization=organization or (organizations[0].metadata.name if len(organizations) == 1 else ""),
                user=user,
            )
        )
        if key is not None:
            await self.app.push_screen_wait(ShownOnceDialog(key))
            self.action_read()

    def action_delete(self) -> None:
        """Revoke the key under the cursor, or delete the organization."""
        key = self._key()
        if self.view == KEYS and key is not None:
            self._revoke(Selection(id=key.id), f"Revoke key {key.id} of {key.user} in {key.organization}?")
        elif self.view == ORGANIZATIONS:
            self._delete_organization(self._place()[0])

    def action_revoke_all(self) -> None:
        """Revoke every key of the user or organization under the cursor."""
        organization, user = self._place()
        whose = f"{user} in {organization}" if user else organization
        self._revoke(Selection(organization=organization, user=user), f"Revoke every key of {whose}?")

    def _expired(self) -> tuple[KeyRecord, ...]:
        return Selection(expired=True).of(self._keys or (), self.services.clock())

    def action_revoke_expired(self) -> None:
        """Delete the keys that have expired."""
        self._revoke(Selection(expired=True), "Delete the keys that have expired?")

    @work(exclusive=True, group="dialog")
    async def _revoke(self, selection: Selection, title: str) -> None:
        chosen = selection.of(self._keys or (), self.services.clock())
        if not chosen:
            self.notify("there is no such key", timeout=3)
            return
        dialog = revoke_dialog(title, chosen, self.services.session.context)
        if not await self.app.push_screen_wait(dialog):
            return
        try:
            await self.services.keys.revoke(chosen)
        except GenaiTuiError as error:
            self.app.push_screen(ProblemDialog(explain(error).problem))
        else:
            self.notify(f"{len(chosen)} key{'' if len(chosen) == 1 else 's'} revoked.")
        self.action_read()

    @work(exclusive=True, group="dialog")
    async def _delete_organization(self, name: str) -> None:
        picture = self.services.picture
        try:
            keys = await self.services.keys.listed()
        except GenaiTuiError as error:
            self.app.push_screen(ProblemDialog(error.problem))
            return
        problem = in_the_way(name, keys, (picture.deployment(row.ref) for row in picture.deployments()))
        if problem is not None:
            self.app.push_screen(ProblemDialog(problem))
            return
        where = self.services.session.context
        text = f"In {where}: no key belongs to it and nothing is shared with it. Its usage stays in the ledger."
        if not await self.app.push_screen_wait(TypedConfirmDialog(f"Delete organization {name}?", name, text)):
            return
        try:
            await self.services.operations.delete("Organization", name)
        except GenaiTuiError as error:
            self.app.push_screen(ProblemDialog(error.problem))
            return
        self.notify(f"organization {name} deleted.")
