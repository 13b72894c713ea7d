"""The deployment wizard: the form in steps, the last look, and the act of saving.

Data path: typed text -> `FormState` (texts, problems) -> document -> `services.operations` preview and apply. The
form is never rebuilt from the cluster while it is open; what the cluster says only adds problems beside it.
"""

from __future__ import annotations

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import ContentSwitcher, Static
from textual.worker import Worker, WorkerState

from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.drafts import DEPLOYMENT_FORM
from genai_tui.domain.form_changes import changes, interruption
from genai_tui.domain.form_defaults import choose_model
from genai_tui.domain.form_facts import Findings, check_against
from genai_tui.domain.form_field import Draft
from genai_tui.domain.form_fields import ENGINE, LIMITS, RESOURCES, REVIEW, TABS
from genai_tui.domain.problems import FieldProblem, Problem
from genai_tui.domain.rows import Ref
from genai_tui.errors import BadInput, ChangedMeanwhile, GenaiTuiError, PartlyApplied, explain
from genai_tui.services import Preview, SavedDraft
from genai_tui.spare import room_for_one_more
from screens.deciding import deciding
from screens.dialogs.confirm import ConfirmDialog
from screens.forms.facts import facts_of
from screens.forms.field_help import FieldHelp
from screens.forms.form_pane import FormPane
from screens.forms.form_screen import FormScreen
from screens.forms.keeper import DraftKeeper
from screens.forms.state import FormState
from screens.wizard.merging import SharedEditScreen
from screens.wizard.rail import Step, StepRail
from screens.wizard.review import Remark, ReviewPane
from screens.wizard.secrets import SecretDialog
from screens.wizard.start import Start, offered_drafts, start_of
from screens.wizard.summary import gpu_note, hanging, limits_note, start_note, summary


class WizardScreen(SharedEditScreen, inherit_bindings=False):
    """Creates or edits a model deployment.

    Args:
        model: a model that is chosen and cannot be changed here.
        edit: the deployment to edit; its name and namespace stay.
        draft: a kept form to go on with.
        at: id of the field to begin at; the first one when empty.
        review: whether to begin with the last look before it is saved.
    """

    # Not inherited but listed, so that the most useful comes first in the footer.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+n,f4,alt+right", "step(1)", "Next", id="wizard.next", tooltip="Go to the next step"),
        Binding("ctrl+s", "save", "Save", id="wizard.save", tooltip="Review, then save and deploy"),
        *FormScreen.BINDINGS,
        Binding("f3,alt+left", "step(-1)", "Back", id="wizard.back", tooltip="Go to the step before"),
        Binding("f9", "make_secret", "Make Secret", show=False, id="wizard.secret",
                tooltip="Make the Secret that the last step says is missing"),
    ]  # fmt: skip
    HELP = """\
# The deployment form

Fill in the steps from top to bottom. `Tab` and `Enter` go to the next field and on into the next step, `Ctrl+N` and
`F3` go to the next step and back, `F2` lists what can be put into a field marked ▾.

What is wrong is told below its field and counted on its step; `Ctrl+G` goes to the next wrong field. Everything typed
is kept on this machine at once: a broken connection loses nothing.

The last step shows what will be made and what the API server says to it. `Ctrl+S` there saves and deploys. `F9` makes
a Secret that is missing: what you type is sent to the cluster once and kept nowhere here.
"""

    def __init__(
        self,
        model: str | None = None,
        edit: Ref | None = None,
        draft: SavedDraft | None = None,
        at: str = "",
        *,
        review: bool = False,
    ) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]
        self._model = model
        self._edit = edit
        self._resume = draft
        self._at = at
        self._review_first = review
        self._save_next = False
        """Saving was asked for before the server had said what it thinks of it."""
        self._visited: set[str] = set()
        self._begun: Ref | None = None
        """What a save created before it was refused: saving it again is no duplicate."""
        self._step = TABS[0]

    # What is on the screen --------------------------------------------------------------------------------------------

    def compose_body(self) -> ComposeResult:
        """Title, steps, the open step, help."""
        self.facts = facts_of(self.services.picture)
        self._begin(self._resume)
        with Horizontal(classes="form-top"):
            yield Static(self.start.title, classes="form-title", markup=False)
            yield Static("", classes="form-kept", markup=False)
        if self.start.refusal:
            yield Static(f"✖ {self.start.refusal}", classes="form-verdict", markup=False)
            return
        with Horizontal(id="wizard-middle"):
            yield StepRail(TABS, id="wizard-rail")
            with ContentSwitcher(initial=_pane_id(TABS[0]), id="wizard-steps"):
                yield self._new_pane(TABS[0])
                yield ReviewPane(id=_pane_id(REVIEW))
            with Vertical(id="wizard-help-side"):
                yield FieldHelp(id="wizard-help")
                yield Static("", id="wizard-so-far", markup=False)

    def _new_pane(self, title: str) -> FormPane:
        """The fields of a step; steps are made when they are first opened."""
        fields = [field for field in DEPLOYMENT_FORM.fields if field.tab == title]
        return FormPane(fields, self.state.draft, locked=self.start.locked, id=_pane_id(title))

    def _begin(self, kept: SavedDraft | None) -> None:
        self.begin(self.start_with(kept))
        self.state = FormState(DEPLOYMENT_FORM, dict(self.start.draft), self._check)
        self.state.typed.update(self.start.typed)
        self.keeper = DraftKeeper(self.services.drafts, self.start.key, self.not_kept)
        self.keeper.kept = kept is not None

    def start_with(self, kept: SavedDraft | None) -> Start:
        """With what the form begins."""
        return start_of(self.services, self.facts, self._model, self._edit, kept)

    def _check(self, draft: Draft) -> Findings:
        return check_against(draft, self.facts, self._edit or self._begun)

    def on_mount(self) -> None:
        """Offer kept forms, or begin."""
        if not self.usable:
            return
        self.show_form()
        if self._review_first:
            self.call_after_refresh(self.action_open_step, len(TABS))
        elif self._at:
            self.call_after_refresh(self.go_to, self._at)
        else:
            self._focus_first()
        offers = offered_drafts(self.services.drafts, self._model, self._edit) if self._resume is None else ()
        for sentence in self.services.drafts.set_aside():
            self.notify(sentence, severity="warning")
        if offers:
            self.offer(offers, "Start a new form" if self._edit is None else "Start from what is live")

    @property
    def usable(self) -> bool:
        """Whether there is something to edit."""
        return not self.start.refusal

    def open_pane(self) -> FormPane | None:
        """The fields of the open step; None on the last one."""
        return None if self._step == REVIEW else self.query_one(f"#{_pane_id(self._step)}", FormPane)

    def draft_title(self) -> str:
        """What the kept form is called in a list."""
        return self.start.draft_title(self.state.draft)

    def show_form(self) -> None:
        """Follow the form: the open step and the marks of all steps."""
        rail = self.query_one(StepRail)
        rail.current = self._step
        rail.steps = tuple(self._mark(title) for title in TABS)
        pane = self.open_pane()
        if pane is not None:
            pane.show(self.state)
            pane.say_note(self._note())
        if self.has_class("-wide"):
            self.query_one("#wizard-so-far", Static).update(self._so_far())

    def _mark(self, title: str) -> Step:
        done = title in self._visited and title != REVIEW and not self.state.has_problems(title)
        return Step(title, self.state.shown_problems(title), done)

    def on_resize(self) -> None:
        """A wide screen has room for the whole form in short."""
        if self.usable:
            self.call_after_refresh(self.show_form)

    def _so_far(self) -> str:
        document = self.state.document
        if document is not None:
            width = self.query_one("#wizard-so-far").content_size.width
            return "\n".join(f"{label}{text}" for label, text in hanging(summary(document, self.facts), width))
        missing = dict.fromkeys(DEPLOYMENT_FORM.field(problem.field).label for problem in self.state.problems)
        return "Still needed or wrong:\n" + "\n".join(f"  {label}" for label in missing)

    def _note(self) -> str:
        if self._step == RESOURCES:
            return gpu_note(self.facts)
        if self._step == ENGINE:
            return start_note(self.state.draft, self.facts)
        return limits_note(self.state.draft.get("endpoint", ""), self.facts) if self._step == LIMITS else ""

    def typed(self, field_id: str) -> None:
        """What nobody has typed yet follows the model and the namespace."""
        if field_id in ("model", "namespace") and self._edit is None and self.state.draft.get("model"):
            draft = self.state.draft
            untouched = frozenset(draft) - self.state.typed
            self.fill_in(choose_model(draft, draft["model"], self.facts, untouched=untouched))

    def resume(self, draft: SavedDraft) -> None:
        """Go on with a kept form."""
        self._begin(draft)

    # Moving -----------------------------------------------------------------------------------------------------------

    async def _open(self, title: str) -> None:
        self._visited.add(self._step)
        self._save_next = False
        self.keep_now()
        self._step = title
        steps = self.query_one("#wizard-steps", ContentSwitcher)
        if not steps.query(f"#{_pane_id(title)}"):
            await steps.mount(self._new_pane(title))
        steps.current = _pane_id(title)
        self.set_class(title == REVIEW, "-review")
        if title == REVIEW:
            self._visited.update(TABS[:-1])
            self.state.look_at_everything()
            self._review()
        self.show_form()

    def _focus_first(self) -> None:
        controls = self.controls()
        if controls:
            self.set_focus(controls[0])
        elif self._step == REVIEW:
            self.query_one(ReviewPane).focus_first()

    async def action_step(self, by: int) -> None:
        """Go some steps on or back."""
        at = TABS.index(self._step) + by
        if self.usable and 0 <= at < len(TABS):
            await self._open(TABS[at])
            self._focus_first()

    async def action_open_step(self, number: int) -> None:
        """Go to a step by its number from 1."""
        if self.usable:
            await self._open(TABS[number - 1])
            self._focus_first()

    @on(StepRail.StepChosen)
    async def _step_chosen(self, event: StepRail.StepChosen) -> None:
        event.stop()
        await self.action_open_step(TABS.index(event.title) + 1)

    async def past_the_fields(self, by: int) -> None:
        """Go on into the next step, or back into the one before."""
        if self._step != REVIEW:
            await self.action_step(by)
        elif by > 0 or not self.query_one(ReviewPane).at_first:
            await super().past_the_fields(by)
            return
        else:
            await self.action_step(-1)
        if by < 0 and (controls := self.controls()):
            self.set_focus(controls[-1])

    async def go_to(self, field_id: str) -> None:
        """Open the step of a field and focus it."""
        await self._open(DEPLOYMENT_FORM.field(field_id).tab)
        pane = self.open_pane()
        row = pane.row(field_id) if pane is not None else None
        if row is not None and row.control is not None:
            self.set_focus(row.control)

    @on(ReviewPane.FieldChosen)
    async def _field_chosen(self, event: ReviewPane.FieldChosen) -> None:
        event.stop()
        await self.go_to(event.field_id)

    # The last look ----------------------------------------------------------------------------------------------------

    def _review(self) -> None:
        document = self.state.document
        remarks = [_remark(problem, True) for problem in self.state.problems]
        remarks += [_remark(warning, False) for warning in self.state.warnings]
        pane = self.query_one(ReviewPane)
        pane.show_form(remarks, summary(document, self.facts) if document else (), self.lead())
        if document is not None:
            pane.show_asking()
            self._ask(document)

    def lead(self) -> str:
        """What the changes are and do to what runs; empty for a new deployment."""
        if self._edit is None:
            return ""
        changed = changes(DEPLOYMENT_FORM.fields, self.start.before, self.state.draft)
        lines = [f"  {change.field.label}: {_short(change.before)} → {_short(change.after)}" for change in changed]
        document = self.state.document
        room = document is not None and room_for_one_more(self.services.picture, document.spec, self._edit)
        return "\n".join([interruption(changed, self.state.draft, room=room), *lines])

    async def preview(self, document: ModelDeployment) -> Preview:
        """What saving would do."""
        return await self.services.operations.preview(document)

    @work(exclusive=True, group="preview", exit_on_error=False)
    async def _ask(self, document: ModelDeployment) -> None:
        pane = self.query_one(ReviewPane)
        try:
            preview = await self.preview(document)
        except GenaiTuiError as error:
            self._save_next = False
            self._refused(error)
            return
        if preview.problems:
            self._stopped(preview.problems, Problem(preview.problems[0].message))
        else:
            pane.show_preview(preview)
            if self._save_next:
                self._save_next = False
                await self.action_save()

    def action_make_secret(self) -> None:
        """Make the Secret that is missing, then ask the server again."""
        missing = self.query_one(ReviewPane).missing
        if missing is None:
            self.notify("the last step says which Secrets are missing: none is known to be", timeout=4)
            return

        def made(yes: bool | None) -> None:
            if yes:
                self.notify(f"Secret {missing.namespace}/{missing.name} was made", timeout=4)
                self.app.tell_unrecorded()
                self._review()

        self.app.push_screen(SecretDialog(self.services, missing), made)

    def _refused(self, error: GenaiTuiError) -> None:
        self._stopped(error.fields if isinstance(error, BadInput) else (), _in_words(error))

    def _stopped(self, fields: tuple[FieldProblem, ...], whole: Problem) -> None:
        """Say it at the fields it is about; where it belongs to none, say the whole on the last step."""
        placed = DEPLOYMENT_FORM.place(self.state.draft, fields)
        if not placed or len(placed) < len(fields):
            self.query_one(ReviewPane).show_failure(whole)
            return
        self.state.refuse(placed)
        self._review()
        self.show_form()
        if self._step == REVIEW:
            self._focus_first()

    # Saving -----------------------------------------------------------------------------------------------------------

    async def action_save(self) -> None:
        """Show the last step; on it, save to the cluster."""
        if not self.usable or self.applying:
            return
        if self._step != REVIEW:
            await self.action_open_step(len(TABS))
            return
        pane = self.query_one(ReviewPane)
        if self.state.document is None:
            pane.focus_first()
        elif self.services.session.read_only:
            pane.show_failure(Problem("This console is read-only", next_step="start it without --read-only to deploy"))
        elif pane.asking:
            # What cannot work must be known before it is saved, however fast the keys come.
            self._save_next = True
            self.notify("it is saved as soon as the server has answered; f3 goes back", timeout=4)
        elif pane.stops:
            self._save_anyway(self.state.document, pane)
        else:
            self.applying = True
            self._apply(self.state.document)

    def _save_anyway(self, document: ModelDeployment, pane: ReviewPane) -> None:
        def answered(yes: bool | None) -> None:
            # What was asked about is what is saved: a form that changed meanwhile is looked at again first.
            if yes and self.state.document == document and not self.applying:
                self.applying = True
                self._apply(document)

        text = f"In {self.services.session.context}.\n"
        text += "\n".join(f"{check.about}: {check.text}" for check in pane.stops)
        title = f"Save {document.metadata.name} although it would not start?"
        self.app.push_screen(ConfirmDialog(title, text, yes="Save anyway", tone="danger"), answered)

    @work(exclusive=True, group="apply", exit_on_error=False)
    async def _apply(self, document: ModelDeployment) -> None:
        pane = self.query_one(ReviewPane)
        pane.show_saving()
        ref = Ref(document.metadata.namespace or "", document.metadata.name)
        create_only = self._edit is None and ref != self._begun
        operations, base = self.services.operations, self.base
        try:
            done = await deciding(
                self.app,
                f"Save {ref}?",
                lambda decided: operations.apply(document, create_only=create_only, base=base, resolution=decided),
                editable=True,
            )
            if done is None or done.edit is not None:
                self._review()
                if done is not None and done.edit:
                    await self.go_to(done.edit)
                return
        except ChangedMeanwhile as error:
            if await self.take_in(error):
                self._review()
                self.show_form()
            else:
                pane.show_failure(error.problem)
            return
        except GenaiTuiError as error:
            if isinstance(error, PartlyApplied) and error.created:
                self._begun = ref
                self.base = document if self._edit is not None else None
            self._refused(error)
            return
        finally:
            self.applying = False
        await self.keeper.discard()
        self.app.call_later(self.app.open_deployment, ref, "rollout")
        self.dismiss()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A defect of our own is told, not swallowed."""
        if event.state is WorkerState.ERROR and event.worker.error is not None and self.query(ReviewPane):
            self.query_one(ReviewPane).show_failure(explain(event.worker.error).problem)


def _pane_id(title: str) -> str:
    return f"step-{TABS.index(title)}"


def _remark(problem: FieldProblem, stops: bool) -> Remark:
    at = f"line {problem.line}: " if problem.line is not None else ""
    return Remark(problem.field, DEPLOYMENT_FORM.field(problem.field).label, f"{at}{problem.message}", stops)


def _in_words(error: GenaiTuiError) -> Problem:
    told = error.problem
    if not isinstance(error, PartlyApplied):
        return told
    made, missing = ", ".join(error.created) or "nothing", ", ".join(error.missing)
    return Problem(told.what, told.why, told.next_step, f"created: {made}\nnot created: {missing}")


def _short(text: str) -> str:
    line = text.replace("\n", " ⏎ ")
    return (line if len(line) <= 40 else f"{line[:39]}…") or "(empty)"
