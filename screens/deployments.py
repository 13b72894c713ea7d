"""Home: every model deployment of the cluster in one list, the cause beside its phase.

Data path: the picture's rows become cells (`deployment_cells`), the table draws the lines that changed. Keys act on
the row under the cursor; a write asks first, and the watch brings back what it did. Dialogs are imported when they are
opened: the first paint does without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Static

from genai_tui.domain.rows import Assessment, DeploymentRow, Link, Ref
from genai_tui.errors import GenaiTuiError
from screens.asking import talk_refusal
from screens.base import AreaScreen
from screens.deployment_cells import COLUMNS, SORT_KEYS, cells_of
from screens.deployment_states import Nothing, banner_text, cause_text, nothing_text
from screens.widgets.saying import say
from screens.widgets.virtual_table import VirtualTable

_AGES_EVERY_S = 30.0
_ABOUT_ONE = frozenset({"open", "chat", "logs", "scale", "edit", "describe", "fix", "delete"})
"""Actions on the row under the cursor."""
_VERBS = {"new": "create", "scale": "patch", "edit": "patch", "fix": "patch", "delete": "delete"}
"""The verb on apps/deployments each writing action needs."""


class DeploymentsScreen(AreaScreen):
    """The list, a filter, and what can be done to a deployment."""

    AREA = "deployments"
    WRITES = frozenset(_VERBS)
    HELP = """\
Every model deployment of the cluster. The cause stands beside the phase; `d` tells the evidence and what to do about
it, and `x` opens the form with that filled in, to look over and to save. A name followed by `⌁` was made by another
tool: it is listed and can be talked to, and nothing here writes to it.

`/` narrows while you type, `w` shows one namespace. Shift and a letter, or a click on a heading, sorts; again turns
the order round, and once more takes it away.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear", "Show all", key_display="esc", id="list.clear", tooltip="Every row again"),
        Binding("slash", "filter", "Filter", key_display="/", id="list.filter", tooltip="Show rows with these words"),
        Binding("n", "new", "New", id="list.new", tooltip="Make a deployment"),
        Binding("enter", "open", "Open", key_display="enter", id="list.open", tooltip="Rollout, logs, API, manifest"),
        Binding("c", "chat", "Chat", id="list.chat", tooltip="Talk to it in the playground"),
        Binding("l", "logs", "Logs", id="list.logs", tooltip="Its logs"),
        Binding("s", "scale", "Scale", id="list.scale", tooltip="Change how many replicas it has; 0 stops it"),
        Binding("e", "edit", "Edit", id="list.edit", tooltip="Change its settings in the form"),
        Binding("d", "describe", "Describe", show=False, id="list.describe", tooltip="Why it is as it is, what to do"),
        Binding("x", "fix", "Fix", show=False, id="list.fix", tooltip="Open the form with the fix filled in"),
        Binding("ctrl+d", "delete", "Delete", show=False, id="list.delete", tooltip="Delete it and what belongs to it"),
        Binding("w", "namespace", "Namespace", show=False, id="list.namespace", tooltip="Show one namespace, or all"),
        Binding("r", "resume", "Resume form", show=False, id="list.resume", tooltip="Go on with the unfinished form"),
        Binding("X", "discard", "Discard form", show=False, id="list.discard", tooltip="Forget the unfinished form"),
        Binding("ctrl+r", "reconnect", "Try again", show=False, id="list.reconnect", tooltip="Connect again now"),
        *(
            Binding(key, f"sort('{column}')", f"Sort by {column}", show=False, id=f"list.sort.{column}",
                    tooltip=f"Sort by {column}")
            for key, column in SORT_KEYS.items()
        ),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._drawn_at = -1
        self._namespace: str | None = None
        self._checked: set[str] = set()
        self._rows: dict[Ref, DeploymentRow] = {}
        self._cause_of: tuple[Ref, Assessment] | None = None

    def compose_body(self) -> ComposeResult:
        """The list or what is said in its place; below it, so that rows do not move, everything that comes and goes."""
        yield VirtualTable[Ref](COLUMNS, natural=lambda ref: (ref.namespace, ref.name), id="list")
        yield Static("", id="list-nothing")
        yield Static("", id="list-cause")
        yield Static("", id="list-banner", markup=False)
        yield Static("", id="list-draft", markup=False)
        with Horizontal(id="list-filter"):
            yield Static("/", id="list-filter-mark", markup=False)
            yield Input(placeholder="words of any column", id="list-words", compact=True)
            yield Static("", id="list-found", markup=False)

    @property
    def table(self) -> VirtualTable[Ref]:
        """The list."""
        found: VirtualTable[Ref] = self.query_one("#list", VirtualTable)
        return found

    def on_mount(self) -> None:
        """Begin on the list; the first rows come with the first look at the picture."""
        self.query_one("#list-filter").display = False
        self.table.focus()
        self.set_interval(_AGES_EVERY_S, self._age)
        self._show_draft()

    # Drawing ----------------------------------------------------------------------------------------------------------

    def refresh_from_picture(self) -> None:
        """Take in what changed since the last time."""
        picture, now = self.services.picture, self.services.clock()
        changes = picture.changes_since(self._drawn_at) if self._drawn_at >= 0 else None
        if changes is None or changes.reset:
            self._draw_all()
        else:
            self._rows |= {row.ref: row for row in changes.rows}
            for ref in changes.gone:
                self._rows.pop(ref, None)
            wanted = [row for row in changes.rows if self._wanted(row)]
            self.table.merge({row.ref: cells_of(row, now) for row in wanted}, changes.gone)
        self._drawn_at = picture.revision
        self._show_state()

    def _draw_all(self) -> None:
        now = self.services.clock()
        self._rows = {row.ref: row for row in self.services.picture.deployments()}
        self.table.replace({row.ref: cells_of(row, now) for row in self._rows.values() if self._wanted(row)})

    def _wanted(self, row: DeploymentRow) -> bool:
        return self._namespace is None or row.ref.namespace == self._namespace

    def _age(self) -> None:
        """Ages move on although nothing changed."""
        if self.is_current and self._drawn_at >= 0:
            now = self.services.clock()
            self.table.merge({row.ref: cells_of(row, now) for row in self._rows.values() if self._wanted(row)})

    def _show_state(self) -> None:
        """Say how fresh the list is, and what is there when it is empty."""
        health, failure, table = self.services.picture.health, self.app.failure, self.table
        banner = self.query_one("#list-banner", Static)
        text = banner_text(health, failure) if table.total else ""
        say(banner, text)
        banner.display = bool(text)
        table.display = table.row_count > 0
        nothing = self.query_one("#list-nothing", Static)
        nothing.display = not table.display
        if nothing.display:
            words = self.query_one("#list-words", Input).value if table.total else ""
            scope = Nothing(self.services.session, health, failure, self._namespace, words)
            say(nothing, nothing_text(scope))
        say(self.query_one("#list-found", Static), f"{table.row_count} of {table.total}")
        self._show_cause()
        self.refresh_bindings()

    def _show_cause(self) -> None:
        """Two lines for the row under the cursor: the cause whole, and what to do. They are always there."""
        line = self.query_one("#list-cause", Static)
        line.display = self.table.display
        row = self.current()
        if row is not None and self._cause_of != (row.ref, row.assessment):
            self._cause_of = (row.ref, row.assessment)
            say(line, cause_text(row), same_height=True)

    def _show_draft(self) -> None:
        titles = [draft.title for draft in self.services.drafts.saved()]
        line = self.query_one("#list-draft", Static)
        line.display = bool(titles)
        if titles:
            more = f" (and {len(titles) - 1} more)" if len(titles) > 1 else ""
            say(line, f"✎ unfinished: {titles[0]}{more}   r resume   X discard")
        self.refresh_bindings()

    def on_screen_resume(self) -> None:
        """A form may have been kept or finished meanwhile."""
        self._show_draft()

    # What can be done -------------------------------------------------------------------------------------------------

    def current(self) -> DeploymentRow | None:
        """The row under the cursor as it is now."""
        ref = self.table.cursor if self.is_mounted else None
        return None if ref is None else self._rows.get(ref)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys exist only where they do something."""
        if not self.is_mounted:
            return True
        if action in ("resume", "discard") and not self.services.drafts.saved():
            return False
        if action == "reconnect" and self.app.failure is None and self.services.picture.health.link is Link.LIVE:
            return False
        if action == "clear" and not (self._namespace or self.query_one("#list-filter").display):
            return False
        if action in _ABOUT_ONE and self.table.cursor is None:
            return False
        if action == "fix" and not ((row := self.current()) and row.assessment.changes):
            return False
        return super().check_action(action, parameters)

    def refusal(self, action: str) -> str:
        """What others made is not written to; what is not permitted names verb, resource and namespace."""
        if action in ("chat", "logs"):
            return self._unread(action)
        if action not in _VERBS:
            return ""
        if action == "new":
            namespace = self._namespace or self.services.session.namespace
            return self._missing(action, namespace) if namespace else ""
        row = self.current()
        if row is None:
            return ""
        if row.foreign:
            return f"{row.ref} was made by {row.managed_by}: change it there"
        return self._missing(action, row.ref.namespace)

    def _unread(self, action: str) -> str:
        row = self.current()
        if row is None:
            return ""
        if action == "chat":
            return talk_refusal(self.services, row)
        return self.services.access.permission("get", "pods/log", row.ref.namespace).reason

    def _missing(self, action: str, namespace: str) -> str:
        permission = self.services.access.permission(_VERBS[action], "apps/deployments", namespace)
        return "" if permission.allowed else permission.reason

    @on(VirtualTable.Moved)
    def _moved(self) -> None:
        """Other rows have other causes and allow other actions."""
        self._show_cause()
        row = self.current()
        if row is not None and row.ref.namespace not in self._checked:
            self._checked.add(row.ref.namespace)
            self._learn(row.ref.namespace)
        self.refresh_bindings()

    @work(exit_on_error=False, group="permissions")
    async def _learn(self, namespace: str) -> None:
        """Ask what this identity may do there; until it is known, everything is offered."""
        try:
            await self.services.access.check(namespace)
        except GenaiTuiError as error:
            self._checked.discard(namespace)
            self.log.warning(error.problem.line)
        self.refresh_bindings()

    def commands(self) -> Iterable[tuple[str, Callable[[], object], str]]:
        """Every namespace by its name."""
        yield "namespace: all", partial(self._show_namespace, None), "Show every namespace"
        for name in self.services.picture.namespaces():
            yield f"namespace: {name}", partial(self._show_namespace, name), f"Show the deployments of {name} only"

    # Narrowing --------------------------------------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Open the line to narrow the list."""
        self.query_one("#list-filter").display = True
        self.query_one("#list-words").focus()

    def action_clear(self) -> None:
        """Show all rows of all namespaces."""
        self.query_one("#list-words", Input).value = ""
        self.query_one("#list-filter").display = False
        self.table.narrow("")
        self._show_namespace(None)
        self.table.focus()

    @on(Input.Changed, "#list-words")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.table.narrow(event.value)
        self._show_state()

    @on(Input.Submitted, "#list-words")
    def _kept(self, event: Input.Submitted) -> None:
        event.stop()
        if not event.value.strip():
            self.query_one("#list-filter").display = False
        self.table.focus()
        self.refresh_bindings()

    @work(exclusive=True, group="dialog", exit_on_error=False)
    async def action_namespace(self) -> None:
        """Choose a namespace."""
        from genai_tui.domain.form_facts import Choice
        from screens.forms.picker import PickerScreen

        names = list(self.services.picture.namespaces())
        here = [ref.namespace for ref in self._rows]
        choices = [Choice("all namespaces", f"{len(here)} deployments")]
        choices += [Choice(name, f"{here.count(name)}" if name in here else "–") for name in names]
        current = self._namespace or "all namespaces"
        chosen = await self.app.push_screen_wait(PickerScreen("Show the deployments of", choices, current=current))
        if chosen is not None:
            self._show_namespace(names[chosen - 1] if chosen else None)

    def _show_namespace(self, name: str | None) -> None:
        self._namespace = name
        self.header_namespace(name)
        self._draw_all()
        self._show_state()

    def action_sort(self, column: str) -> None:
        """Sort by a column, then the other way round, then not at all."""
        self.table.turn(column)

    # Acting -----------------------------------------------------------------------------------------------------------

    @on(VirtualTable.Chosen)
    def _chosen(self, event: VirtualTable.Chosen) -> None:
        event.stop()
        self.app.open_deployment(event.key)

    def action_open(self) -> None:
        """Show the deployment."""
        self.table.choose()

    def action_new(self) -> None:
        """Make a deployment."""
        self.app.open_wizard()

    def action_chat(self) -> None:
        """Talk to it."""
        if self.table.cursor is not None:
            self.app.open_playground(self.table.cursor)

    def action_logs(self) -> None:
        """Show its logs."""
        if self.table.cursor is not None:
            self.app.open_logs(self.table.cursor)

    def action_edit(self) -> None:
        """Change its settings."""
        if self.table.cursor is not None:
            self.app.open_wizard(edit=self.table.cursor)

    def action_describe(self) -> None:
        """Say why it is as it is."""
        from screens.dialogs.explain import ExplainDialog

        def fix(wanted: bool | None) -> None:
            if wanted:
                self.action_fix()

        row = self.current()
        if row is not None:
            fixable = bool(self.check_action("fix", ()))
            self.app.push_screen(ExplainDialog(row, fixable=fixable), fix)

    def action_fix(self) -> None:
        """Open the form with the fix filled in: an edit like any other, reviewed before it is saved."""
        from screens.deployment.overview import fix_fields

        row = self.current()
        detail = self.services.picture.deployment(row.ref) if row is not None else None
        if detail is not None and (fields := fix_fields(detail)):
            self.app.open_filled(detail.row.ref, fields)

    def action_resume(self) -> None:
        """Go on with the unfinished form."""
        self.app.resume_draft(self.services.drafts.saved()[0])

    def action_discard(self) -> None:
        """Forget the unfinished form, after a yes."""
        from screens.dialogs.confirm import ConfirmDialog

        draft = self.services.drafts.saved()[0]

        def answered(yes: bool | None) -> None:
            if yes:
                self.services.drafts.discard(draft.key)
                self._show_draft()

        text = "What was typed into it is lost; nothing in the cluster changes."
        self.app.push_screen(ConfirmDialog(f"Discard the unfinished {draft.title}?", text, yes="Discard"), answered)

    def action_reconnect(self) -> None:
        """Connect again now."""
        if self.app.failure is not None:
            self.app.connect()
        else:
            self.services.retry()
        self._show_state()

    @work(exclusive=True, group="dialog", exit_on_error=False)
    async def action_scale(self) -> None:
        """Ask for a number of replicas."""
        from screens.acting import ask_replicas

        row = self.current()
        detail = self.services.picture.deployment(row.ref) if row is not None else None
        if detail is not None:
            await ask_replicas(self.app, detail.row.ref, detail.workload, offered=detail.workload.replicas)

    @work(exclusive=True, group="dialog", exit_on_error=False)
    async def action_delete(self) -> None:
        """Ask for the name, then delete."""
        from screens.acting import ask_to_delete

        row = self.current()
        if row is not None:
            await ask_to_delete(self.app, row.ref)
