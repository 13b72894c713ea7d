"""The form of a model, an endpoint or an organization: one page, the same fields and checks as everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar, Literal
from uuid import uuid4

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from genai_tui.domain.documents import Endpoint, Model, Organization
from genai_tui.domain.drafts import BASE, ENDPOINT_FORM, MODEL_FORM, ORGANIZATION_FORM, Form, draft_key
from genai_tui.domain.enforcement import Installed, gateway_doubt
from genai_tui.domain.form_facts import Findings
from genai_tui.domain.form_field import Draft
from genai_tui.domain.organizations import user_problem
from genai_tui.domain.problems import FieldProblem, Problem
from genai_tui.domain.rows import EndpointRow, ModelRow, OrganizationRow
from genai_tui.errors import BadInput, ChangedMeanwhile, GenaiTuiError, explain
from genai_tui.services import SavedDraft
from screens.deciding import deciding
from screens.forms.facts import facts_of
from screens.forms.field_help import FieldHelp
from screens.forms.form_pane import FormPane
from screens.forms.form_screen import FormScreen
from screens.forms.keeper import DraftKeeper
from screens.forms.merging import merged
from screens.forms.state import FormState

CatalogueKind = Literal["Model", "Endpoint", "Organization"]
_FORMS: dict[CatalogueKind, Form[Any]] = {
    "Model": MODEL_FORM,
    "Endpoint": ENDPOINT_FORM,
    "Organization": ORGANIZATION_FORM,
}


class CatalogueFormScreen(FormScreen, inherit_bindings=False):
    """Creates or edits a catalogue entry.

    Args:
        kind: what it is.
        name_of: the entry to edit; None makes a new one.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "Save", id="form.save", tooltip="Save to the cluster"),
        *FormScreen.BINDINGS,
    ]
    HELP = """\
# The form of a catalogue entry

`Tab` and `Enter` go to the next field, `Ctrl+G` to the next wrong one, `F2` lists what can be put into a field marked
▾. `Ctrl+S` saves to the cluster. What is typed is kept on this machine until then.
"""

    def __init__(self, kind: CatalogueKind, name_of: str | None = None) -> None:
        super().__init__()
        self._kind: CatalogueKind = kind
        self._entry = name_of
        self._saving = False
        self._refusal = ""
        self._gateways = Installed()
        self._base: Model | Endpoint | Organization | None = None
        """What was live when the form was begun: what another saves meanwhile is not written over."""

    def compose_body(self) -> ComposeResult:
        """Title, fields, help."""
        self.facts = facts_of(self.services.picture)
        self._begin(None)
        what = self._kind.lower()
        with Horizontal(id="catalogue-top", classes="form-top"):
            title = f"Edit {what} {self._entry}" if self._entry else f"New {what}"
            yield Static(title, classes="form-title", markup=False)
            yield Static("", classes="form-kept", markup=False)
        yield Static("", id="form-verdict", classes="form-verdict", markup=False)
        locked = {"name": "cannot be changed"} if self._entry else {}
        with Vertical(id="catalogue-middle"):
            yield FormPane(self.state.form.fields, self.state.draft, locked=locked, id="catalogue-fields")
            with Vertical(id="catalogue-help-side"):
                yield FieldHelp()

    @property
    def _form(self) -> Form[Any]:
        return _FORMS[self._kind]

    @property
    def _rows(self) -> Sequence[ModelRow | EndpointRow | OrganizationRow]:
        """The entries of this kind that exist."""
        match self._kind:
            case "Model":
                return self.facts.models
            case "Endpoint":
                return self.facts.endpoints
            case "Organization":
                return self.facts.organizations

    def _begin(self, kept: SavedDraft | None) -> None:
        draft = self._form.blank()
        if self._entry is not None:
            live = self._live(self._entry)
            if live is None:
                self._refusal = f"{self._kind.lower()} {self._entry} cannot be read, or does not exist any more"
            else:
                self._base = live
                draft = self._form.write(live)
        if kept is not None:
            texts = dict(kept.fields)
            self._base = self._read_base(texts.pop(BASE, "")) or self._base
            draft |= texts
        key = draft_key(self._kind, self._entry) + ("" if self._entry else f"/{uuid4().hex[:12]}")
        self.state = FormState(self._form, draft, self._check)
        self.keeper = DraftKeeper(self.services.drafts, kept.key if kept else key, self.not_kept)
        self.keeper.kept = kept is not None

    def kept(self) -> dict[str, str]:
        """Also on what it is based: a form that is taken up again later may be behind."""
        based = {BASE: self._base.model_dump_json()} if self._base is not None else {}
        return super().kept() | based

    def _read_base(self, text: str) -> Model | Endpoint | Organization | None:
        try:
            found = self._form.kind.model_validate_json(text, by_alias=True, by_name=False) if text else None
        except ValueError:
            return None
        return found if isinstance(found, Model | Endpoint | Organization) else None

    def _live(self, name: str) -> Model | Endpoint | Organization | None:
        return next((row.document for row in self._rows if row.name == name), None)

    def _check(self, draft: Draft) -> Findings:
        name = draft.get("name", "").strip()
        if self._entry is None and any(row.name == name for row in self._rows):
            text = f"{self._kind.lower()} {name} exists already; choose another name"
            return Findings((FieldProblem("name", text),))
        match self._kind:
            case "Endpoint":
                return self._check_gateway(draft)
            case "Organization":
                return self._check_users(name, draft)
            case _:
                return Findings()

    def _check_users(self, name: str, draft: Draft) -> Findings:
        others = {row.name: row.document.spec.users for row in self.facts.organizations if row.document is not None}
        text = user_problem(name, draft.get("users", "").split(), others)
        return Findings((FieldProblem("users", text),) if text else ())

    def _check_gateway(self, draft: Draft) -> Findings:
        live = self._base.spec if isinstance(self._base, Endpoint) else None
        kept_by = draft.get("enforcement", "none")
        doubt = gateway_doubt(draft.get("exposure", ""), None if kept_by == "none" else kept_by, self._gateways, live)
        return Findings() if doubt is None else Findings(warnings=(doubt,))

    @work(exclusive=True, group="gateways", exit_on_error=False)
    async def _ask_for_gateways(self) -> None:
        """Learn what the cluster has. Where it does not say, nothing is said about it."""
        with suppress(GenaiTuiError):
            self._gateways = await self.services.operations.gateways()
            self.refresh_from_picture()

    def on_mount(self) -> None:
        """Offer a kept form, or begin."""
        self._say(None)
        if self._refusal:
            self._say(Problem(self._refusal))
            self.query_one("#catalogue-middle").display = False
            return
        self.show_form()
        self.controls()[0].focus()
        if self._kind == "Endpoint":
            self._ask_for_gateways()
        key = draft_key(self._kind, self._entry)
        drafts = self.services.drafts.saved()
        offers = tuple(d for d in drafts if (d.key == key if self._entry else d.key.startswith(f"{key}/")))
        if offers:
            self.offer(offers, "Start from what is live" if self._entry else "Start a new form")

    @property
    def usable(self) -> bool:
        """Whether there is something to edit."""
        return not self._refusal

    def open_pane(self) -> FormPane | None:
        """All fields stand on one page."""
        return self.query_one("#catalogue-fields", FormPane)

    def draft_title(self) -> str:
        """What the kept form is called in a list."""
        return f"{self._kind.lower()} {self.state.draft.get('name') or 'without a name'}"

    def show_form(self) -> None:
        """Follow the form."""
        pane = self.open_pane()
        if pane is not None:
            pane.show(self.state)

    async def go_to(self, field_id: str) -> None:
        """Focus a field."""
        pane = self.open_pane()
        row = pane.row(field_id) if pane is not None else None
        if row is not None and row.control is not None:
            row.control.focus()

    async def past_the_fields(self, by: int) -> None:
        """Round and round: the page is all there is."""
        controls = self.controls()
        if controls:
            controls[0 if by > 0 else -1].focus()

    def resume(self, draft: SavedDraft) -> None:
        """Go on with a kept form."""
        self._begin(draft)

    def _say(self, problem: Problem | None) -> None:
        self._tell("" if problem is None else f"✖ {problem.line}")

    def _tell(self, text: str) -> None:
        line = self.query_one("#form-verdict", Static)
        line.update(text)
        line.display = bool(text)

    async def action_save(self) -> None:
        """Save to the cluster, or go to the first wrong field."""
        if not self.usable or self._saving:
            return
        self._say(None)
        if self.state.document is None:
            self.state.look_at_everything()
            self.show_form()
            await self.go_to(self.state.problems[0].field)
        elif self.services.session.read_only:
            self._say(Problem("This console is read-only", next_step="start it without --read-only to save"))
        else:
            self._saving = True
            self._apply(self.state.document)

    @work(exclusive=True, group="apply", exit_on_error=False)
    async def _apply(self, document: Model | Endpoint | Organization) -> None:
        self._tell("· saving...")
        operations, new, base = self.services.operations, self._entry is None, self._base
        title = f"Save {self._kind} {document.metadata.name}?"
        try:
            done = await deciding(
                self.app,
                title,
                lambda resolution: operations.apply(document, create_only=new, base=base, resolution=resolution),
                editable=True,
            )
            if done is None or done.edit is not None:
                self._say(None)
                return
        except ChangedMeanwhile as error:
            await self._take_in(error)
            return
        except GenaiTuiError as error:
            self._say(error.problem)
            placed = self._form.place(self.state.draft, error.fields) if isinstance(error, BadInput) else ()
            if placed:
                self._say(None)
                self.state.refuse(placed)
                self.show_form()
                await self.go_to(self.state.problems[0].field)
            return
        finally:
            self._saving = False
        await self.keeper.discard()
        self.notify(f"{self._kind} {document.metadata.name} saved.")
        self.dismiss()

    async def _take_in(self, error: ChangedMeanwhile) -> None:
        """Bring what another saved into the form; it is looked at before it is saved again."""
        live, base, form = error.live, self._base, self._form
        if base is None or not isinstance(live, Model | Endpoint | Organization):
            self._say(error.problem)
            return
        what = f"{self._kind} {self._entry}"
        found = await merged(self.app, what, form.fields, form.write(base), form.write(live), self.state.draft)
        if found is None:
            self._say(error.problem)
            return
        self._base = live
        self.fill_in(found)
        self._say(None)
        self.show_form()
        self.notify(f"Both edits are in the form now; look them over, then save {what}.")

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A defect of our own is told, not swallowed."""
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            self._say(explain(event.worker.error).problem)
