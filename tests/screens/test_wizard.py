"""The deployment wizard, walked with keys."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList, Static

from genai_tui.domain.disputes import Dispute, Stand
from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.form_fields import REVIEW, TABS
from genai_tui.domain.model_secrets import MissingSecret
from genai_tui.domain.money import Price
from genai_tui.domain.pace import StartKind, Usual
from genai_tui.domain.preflight import Check, Level
from genai_tui.domain.problems import FieldProblem
from genai_tui.domain.rows import Phase, Ref
from genai_tui.errors import BadInput, Conflict, GenaiTuiError, NotPermitted, PartlyApplied, Unreachable
from genai_tui.services import Preview
from screens.dialogs.confirm import ConfirmDialog
from screens.dialogs.disputes import DisputesDialog
from screens.forms.form_screen import row_of
from screens.forms.picker import PickerScreen
from screens.wizard.rail import StepRail
from screens.wizard.screen import WizardScreen
from tests.fakes import tour
from tests.fakes.tour import CHAT
from tests.screens.console import page
from tests.screens.form_world import (
    FormWorld,
    console_of,
    form_of,
    notice,
    row,
    showing,
    shown,
    type_in,
    typed,
    wait_until,
)


@pytest.fixture
def world(tmp_path: Path) -> FormWorld:
    return FormWorld(tmp_path / "drafts")


def wizard(world: FormWorld, **how: Any) -> AbstractAsyncContextManager[Pilot[Any]]:
    return showing(world, WizardScreen(**how), "StepRail, .form-verdict")


async def to_review(pilot: Pilot[Any]) -> None:
    await pilot.press("ctrl+s")
    await wait_until(pilot, lambda: form_of(pilot).query_one(StepRail).current == REVIEW)
    await pilot.app.workers.wait_for_complete(
        [worker for worker in pilot.app.workers if worker.group in ("preview", "apply")]
    )
    await pilot.pause()


async def test_a_deployment_is_made_by_keys_alone(world: FormWorld) -> None:
    async with wizard(world) as pilot:
        await pilot.press(*"helper", "tab", "tab", *"for all", "ctrl+n")
        await pilot.press("f2")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, PickerScreen))
        await pilot.press(*"smol", "enter")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, WizardScreen))
        await pilot.press("ctrl+n", "ctrl+n", "ctrl+n", "ctrl+n")
        await pilot.press("tab", "tab", *"600", "ctrl+n")
        await pilot.press(
            "tab", *".2", "enter", *".60", "enter", *".05", "enter", "right", "right", "enter", *"org-a", "tab"
        )
        await wait_until(pilot, lambda: "The server" in shown(pilot, "#review-verdict"))
        assert "The server accepts it" in shown(pilot, "#review-verdict")
        assert "created   Deployment team-a/helper" in shown(pilot, "#review-text")
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: world.operations.applied)
        await wait_until(pilot, lambda: not isinstance(pilot.app.screen, WizardScreen))
        await wait_until(pilot, lambda: console_of(pilot).sent)
        assert console_of(pilot).sent == [(Ref("team-a", "helper"), "rollout")]
    (document,) = world.operations.applied
    assert world.form_operations.created_only == [True]
    assert isinstance(document, ModelDeployment)
    spec = document.spec
    assert (document.metadata.name, document.metadata.namespace) == ("helper", "team-a")
    assert (spec.description, spec.model, spec.endpoint) == ("for all", "smollm2-135m", "internal")
    assert (spec.resources.cpu, spec.resources.memory, spec.resources.gpu) == ("2", "4Gi", 1)
    assert spec.rate_limits.user.tokens_per_minute == 600
    assert spec.pricing is not None
    assert spec.pricing.price == Price("USD", Decimal("0.2"), Decimal("0.6"), Decimal("0.05"))
    assert spec.sharing.organizations == ("org-a",)
    assert world.kept == []


BAD = [
    ("name", "My Chat", "may hold only lower-case letters"),
    ("name", "chat", "team-a already has a deployment named chat"),
    ("name", "vllm", "choose another name"),
    ("namespace", "team-x", "there is no namespace 'team-x'"),
    ("model", "smollm2-136m", "did you mean 'smollm2-135m'?"),
    ("endpoint", "intern", "did you mean 'internal'?"),
    ("engine.image", "vllm openai", "is not an image reference"),
    ("engine.replicas", "many", "must be a whole number"),
    ("engine.contextLength", "8k", "must be a number of tokens or auto"),
    ("resources.cpu", "two", "is not a quantity"),
    ("resources.memory", "16GiB", "is not a quantity"),
    ("resources.gpu", "16", "no node has 16 nvidia.com/gpu; the largest has 8 (gpu-3)"),
    ("advanced.env", "A=1\n1B=2", "line 2: '1B' is not a valid variable name"),
    ("advanced.tolerations", "gpu:NoShedule", "line 1: 'NoShedule' is not an effect"),
    ("advanced.podAffinity", "beside app=web", "line 1: write near or apart"),
    ("rateLimits.apiKey.tokensPerMinute", "-5", "must be more than 0, not -5"),
    ("pricing.currency", "BUCKS", "is not an ISO 4217 currency code"),
    ("pricing.inputPerMillion", "-1", "must be at least 0, not -1"),
]


async def test_bad_input_is_one_clear_line_at_its_field_and_nothing_is_applied(world: FormWorld) -> None:
    async with wizard(world) as pilot:
        await type_in(pilot, "name", "chat-2")
        await type_in(pilot, "model", "smollm2-135m")
        rail = form_of(pilot).query_one(StepRail)
        for field, text, message in BAD:
            before = form_of(pilot).state.draft[field]
            await type_in(pilot, field, text)
            assert message in notice(pilot, field), field
            assert typed(pilot, field) == text
            step = TABS.index(row(pilot, field).field.tab)
            assert rail.steps[step].problems == 1, field
            assert form_of(pilot).state.document is None
            await type_in(pilot, field, before)
            assert "✖" not in notice(pilot, field), field
    assert world.operations.calls == []


async def test_review_lists_what_is_wrong_and_leads_to_it(world: FormWorld) -> None:
    async with wizard(world, model="smollm2-135m") as pilot:
        await type_in(pilot, "resources.gpu", "16")
        await type_in(pilot, "advanced.env", "1B=2")
        await to_review(pilot)
        assert "2 fields need attention" in shown(pilot, "#review-verdict")
        await pilot.press("ctrl+s")
        assert world.operations.calls == []
        await pilot.press("down", "enter")
        await wait_until(pilot, lambda: form_of(pilot).focused is row(pilot, "advanced.env").control)


async def test_a_wrong_field_becomes_right_as_it_is_typed(world: FormWorld) -> None:
    async with wizard(world) as pilot:
        await pilot.press(*"Chat")
        assert "lower-case" in notice(pilot, "name")
        await pilot.press("home", "delete", "c", "end", "2")
        await pilot.pause()
        assert notice(pilot, "name") == ""
        assert form_of(pilot).query_one(StepRail).steps[0].problems == 0


async def test_an_empty_form_does_not_complain_before_it_is_looked_at(world: FormWorld) -> None:
    async with wizard(world) as pilot:
        assert [step.problems for step in form_of(pilot).query_one(StepRail).steps] == [0] * len(TABS)
        await to_review(pilot)
        assert [step.problems for step in form_of(pilot).query_one(StepRail).steps][:2] == [1, 1]
        await pilot.press("ctrl+g")
        await wait_until(pilot, lambda: form_of(pilot).focused is row(pilot, "name").control)


async def test_a_model_it_was_opened_from_is_chosen_and_locked(world: FormWorld) -> None:
    async with wizard(world, model="llama-3.3-70b") as pilot:
        await pilot.press("ctrl+n")
        assert row(pilot, "model").control is None
        assert "llama-3.3-70b" in str(row(pilot, "model").query_one(".field--locked", Static).visual)
        assert form_of(pilot).focused is row(pilot, "endpoint").control
        await to_review(pilot)
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: world.operations.applied)
    document = world.operations.applied[0]
    assert isinstance(document, ModelDeployment)
    assert (document.spec.model, document.metadata.name) == ("llama-3.3-70b", "llama-3-3-70b")
    assert document.spec.resources.gpu == 4


async def test_the_engine_decides_which_fields_there_are(world: FormWorld) -> None:
    async with wizard(world, model="smollm2-135m") as pilot:
        await pilot.press("ctrl+n", "ctrl+n")
        assert not row(pilot, "engine.ngc.pullSecret").display
        await pilot.press("right")
        await pilot.pause()
        assert row(pilot, "engine.ngc.pullSecret").display
        assert "does not come from NGC" in notice(pilot, "engine.type")


async def test_the_engine_step_says_how_long_such_pods_took_to_start_here(world: FormWorld) -> None:
    async with wizard(world, model="smollm2-135m") as pilot:
        await pilot.press("ctrl+n", "ctrl+n")
        kind = StartKind(typed(pilot, "engine.image"), "smollm2-135m", 1)
        world.picture.usual_starts[kind] = Usual({Phase.LOADING: 330.0}, 5, {Phase.LOADING: 372.0})
        world.picture.put(tour.chat_row())
        said = "Start-up: 5m30s is usual here (5 starts), the last took 6m12s; a budget of 780 s leaves room."
        await wait_until(pilot, lambda: said in shown(pilot, ".form-pane--note"))
        await form_of(pilot).go_to("engine.startupBudgetSeconds")
        await pilot.press(*"300")
        await wait_until(
            pilot, lambda: "restarted before they are ready" in notice(pilot, "engine.startupBudgetSeconds")
        )
        await pilot.press("f2")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, PickerScreen))
        await pilot.press("enter")
        await wait_until(pilot, lambda: typed(pilot, "engine.startupBudgetSeconds") == "780")
        await wait_until(pilot, lambda: not notice(pilot, "engine.startupBudgetSeconds"))


async def test_suggestions_from_the_nodes_are_put_in_as_lines(world: FormWorld) -> None:
    async with wizard(world, model="smollm2-135m") as pilot:
        await form_of(pilot).go_to("advanced.tolerations")
        await pilot.pause()
        await pilot.press("f2")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, PickerScreen))
        await pilot.press("enter")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, WizardScreen))
        assert typed(pilot, "advanced.tolerations") == "dedicated=research:NoSchedule"


async def test_an_edit_says_what_it_interrupts_and_changes_only_what_was_typed(world: FormWorld) -> None:
    async with wizard(world, edit=CHAT) as pilot:
        assert row(pilot, "name").control is None
        await type_in(pilot, "pricing.inputPerMillion", "0.25")
        await to_review(pilot)
        assert "No pod is replaced" in shown(pilot, "#review-text")
        assert "Input tokens: 0.2 → 0.25" in shown(pilot, "#review-text")
        await type_in(pilot, "engine.contextLength", "8192")
        await to_review(pilot)
        in_one = "Every pod is replaced (Context length): each new one loads the model before an old one stops."
        assert in_one in shown(pilot, "#review-text"), "a GPU for one replica more is free"
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: world.operations.applied)
    (document,) = world.operations.applied
    assert world.form_operations.created_only == [False]
    assert isinstance(document, ModelDeployment)
    assert document.spec.engine.context_length == 8192
    assert document.spec.description == "team chat"


@pytest.mark.parametrize(
    ("ref", "message"),
    [(tour.FOREIGN, "managed by kserve"), (Ref("team-a", "gone"), "does not exist any more")],
)
async def test_what_cannot_be_edited_says_why(world: FormWorld, ref: Ref, message: str) -> None:
    world.picture.put(tour.foreign_row())
    async with wizard(world, edit=ref) as pilot:
        assert message in shown(pilot, ".form-verdict")
        await pilot.press("ctrl+s", "ctrl+n", "ctrl+g", "escape")
        await wait_until(pilot, lambda: not isinstance(pilot.app.screen, WizardScreen))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            Conflict("chat-2 was changed by helm", why="helm owns spec.replicas"),
            ["changed by helm", "owns spec.replicas"],
        ),
        (
            PartlyApplied("Service refused", created=("Deployment team-a/chat-2",), missing=("Service team-a/chat-2",)),
            ["Service refused", "created: Deployment team-a/chat-2", "not created: Service team-a/chat-2"],
        ),
        (NotPermitted("operator may not create deployments.apps in team-a"), ["may not create deployments.apps"]),
        (Unreachable("the API server does not answer", next_step="try again"), ["does not answer", "try again"]),
        (RuntimeError("boom"), ["RuntimeError: boom"]),
    ],
)
async def test_a_failed_save_is_told_and_the_form_is_intact(
    world: FormWorld, error: Exception, words: list[str]
) -> None:
    world.form_operations.apply_failure = error
    async with wizard(world, model="smollm2-135m") as pilot:
        await type_in(pilot, "name", "chat-2")
        await to_review(pilot)
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: words[0] in shown(pilot, "#review-verdict"))
        for word in words:
            assert word in shown(pilot, "#review-verdict")
        assert form_of(pilot).state.draft["name"] == "chat-2"
        world.form_operations.apply_failure = None
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: world.operations.applied)


async def test_a_save_that_was_refused_half_way_can_be_finished(world: FormWorld) -> None:
    created = ("Deployment team-a/smollm2-135m",)
    world.form_operations.apply_failure = PartlyApplied("refused", created=created, missing=("Service x/y",))
    async with wizard(world, model="smollm2-135m") as pilot:
        await to_review(pilot)
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: "not created" in shown(pilot, "#review-verdict"))
        world.picture.put(replace(tour.chat_row(), ref=Ref("team-a", "smollm2-135m")))
        world.form_operations.apply_failure = None
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: world.form_operations.created_only == [False])


@pytest.mark.parametrize("path", ["spec.engine.replicas", "spec.replicas"])
async def test_what_the_server_refuses_at_a_field_stands_at_that_field(world: FormWorld, path: str) -> None:
    world.form_operations.apply_failure = BadInput("refused", fields=(FieldProblem(path, "quota allows 0 more pods"),))
    async with wizard(world, model="smollm2-135m") as pilot:
        await to_review(pilot)
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: "1 field needs attention" in shown(pilot, "#review-verdict"))
        await pilot.press("enter")
        await wait_until(pilot, lambda: form_of(pilot).focused is row(pilot, "engine.replicas").control)
        assert "quota allows 0" in notice(pilot, "engine.replicas")


async def test_what_the_server_refuses_at_no_field_is_said_on_the_last_step(world: FormWorld) -> None:
    immutable = FieldProblem("spec", "Forbidden: spec is immutable after creation")
    world.form_operations.apply_failure = BadInput("the API server refused the object", fields=(immutable,))
    async with wizard(world, model="smollm2-135m") as pilot:
        await to_review(pilot)
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: "the API server refused the object" in shown(pilot, "#review-verdict"))
        assert "attention" not in shown(pilot, "#review-verdict")
        assert form_of(pilot).state.problems == ()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Preview((), {}, "", "exceeded quota: pods", ()), "The server would refuse: exceeded quota"),
        (Preview((), {"Deployment a/b": "unchanged"}, "", None, ()), "saving changes nothing"),
        (Unreachable("the API server does not answer"), "the API server does not answer"),
    ],
)
async def test_the_dry_run_is_shown_as_it_is(world: FormWorld, answer: Preview | GenaiTuiError, words: str) -> None:
    world.operations.answer = answer if isinstance(answer, Preview) else None
    world.form_operations.preview_failure = answer if isinstance(answer, Exception) else None
    async with wizard(world, model="smollm2-135m") as pilot:
        await to_review(pilot)
        await wait_until(pilot, lambda: words in shown(pilot, "#review-verdict"))


async def test_a_stop_of_the_preflight_is_asked_about_before_it_is_saved(world: FormWorld) -> None:
    stop = Check("secret hf", Level.STOP, "it does not exist; HF_TOKEN needs its key token")
    room = Check("placement", Level.OK, "gpu-1 can take a replica")
    world.operations.answer = Preview((), {"Deployment a/b": "created"}, "", None, (), checks=(room, stop))
    async with wizard(world, model="smollm2-135m") as pilot:
        await to_review(pilot)
        await wait_until(pilot, lambda: "would not start: secret hf" in shown(pilot, "#review-verdict"))
        text = shown(pilot, "#review-text")
        assert text.index("✖ stop secret hf") < text.index("✔ ok placement")
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, ConfirmDialog))
        await pilot.press("n")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, WizardScreen))
        assert world.operations.applied == []
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, ConfirmDialog))
        await pilot.press("y")
        await wait_until(pilot, lambda: len(world.operations.applied) == 1)


async def test_a_secret_that_is_missing_is_made_with_one_key_and_the_server_is_asked_again(world: FormWorld) -> None:
    missing = MissingSecret("team-a", "hf", "token", "HF_TOKEN")
    stop = Check("secret hf", Level.STOP, "it does not exist; HF_TOKEN needs its key token", missing)
    world.operations.answer = Preview((), {"Deployment a/b": "created"}, "", None, (), checks=(stop,))
    async with wizard(world, model="smollm2-135m") as pilot:
        await pilot.press("f9")
        assert isinstance(pilot.app.screen, WizardScreen), "nothing is known to be missing yet"
        await to_review(pilot)
        await wait_until(pilot, lambda: "F9 makes Secret hf" in shown(pilot, "#review-verdict"))
        asked = world.previewed
        await pilot.press("f9")
        await wait_until(pilot, lambda: "Make Secret team-a/hf in tour" in page(pilot.app))
        world.secrets.failure = Conflict("Secret team-a/hf exists by now")
        await pilot.press(*"hf_typed", "enter")
        await wait_until(pilot, lambda: "exists by now" in page(pilot.app))
        assert "hf_typed" not in page(pilot.app)
        world.secrets.failure = None
        await pilot.press("enter")
        await wait_until(pilot, lambda: world.previewed > asked)
        assert world.secrets.made == [("hf", 8, "")]
        assert isinstance(pilot.app.screen, WizardScreen)
        # A registry that is not NVIDIA's wants a user too.
        pull = replace(missing, name="pull", key="", registry="registry.example")
        world.operations.answer = replace(world.operations.answer, checks=(replace(stop, missing=pull),))
        await pilot.press("f3")
        await to_review(pilot)
        await wait_until(pilot, lambda: "F9 makes Secret pull" in shown(pilot, "#review-verdict"))
        await pilot.press("f9", *"ann", "enter", *"pw", "enter")
        await wait_until(pilot, lambda: len(world.secrets.made) == 2)
    assert world.secrets.made[1] == ("pull", 2, "ann")
    assert all("hf_typed" not in text for draft in world.files.saved() for text in draft.fields.values())


async def test_a_save_before_the_server_has_answered_waits_for_what_it_says(world: FormWorld) -> None:
    stop = Check("secret hf", Level.STOP, "it does not exist; HF_TOKEN needs its key token")
    world.operations.answer = Preview((), {"Deployment a/b": "created"}, "", None, (), checks=(stop,))
    world.form_operations.answering = asyncio.Event()
    async with wizard(world, model="smollm2-135m") as pilot:
        await pilot.press("ctrl+s", "ctrl+s", "ctrl+s")
        await wait_until(pilot, lambda: form_of(pilot).query_one(StepRail).current == REVIEW)
        assert world.operations.applied == []
        world.form_operations.answering.set()
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, ConfirmDialog))
        await pilot.press("n")
        assert world.operations.applied == []
        # Going back takes the wish back; without a stop it is fulfilled.
        world.form_operations.answering.clear()
        world.operations.answer = None
        await pilot.press("f3", "ctrl+s", "ctrl+s", "f3")
        world.form_operations.answering.set()
        await wait_until(pilot, lambda: world.previewed == 2)
        assert world.operations.applied == []
        world.form_operations.answering.clear()
        await pilot.press("ctrl+s", "ctrl+s")
        world.form_operations.answering.set()
        await wait_until(pilot, lambda: len(world.operations.applied) == 1)


async def test_a_read_only_console_reviews_and_does_not_save(tmp_path: Path) -> None:
    world = FormWorld(tmp_path, read_only=True)
    async with wizard(world, model="smollm2-135m") as pilot:
        await to_review(pilot)
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert "read-only" in shown(pilot, "#review-verdict")
    assert world.operations.applied == []


async def test_a_kept_form_is_offered_again_and_continued(world: FormWorld) -> None:
    async with wizard(world) as pilot:
        await pilot.press(*"half-done")
        await wait_until(pilot, lambda: world.kept)
    async with wizard(world) as pilot:
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, PickerScreen))
        await pilot.press("enter")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, WizardScreen))
        assert typed(pilot, "name") == "half-done"
        await pilot.press("end", "1")
        await wait_until(pilot, lambda: [fields["name"] for fields in world.kept] == ["half-done1"])


@pytest.mark.parametrize(("downs", "left", "kept"), [(0, True, ["ab"]), (1, True, []), (2, False, ["ab"])])
async def test_leaving_asks_what_to_do_with_what_was_typed(
    world: FormWorld, downs: int, left: bool, kept: list[str]
) -> None:
    async with wizard(world) as pilot:
        await pilot.press("a", "b", "escape")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, PickerScreen))
        await pilot.press(*["down"] * downs, "enter")
        await wait_until(pilot, lambda: not isinstance(pilot.app.screen, PickerScreen))
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, WizardScreen) != left)
        await wait_until(pilot, lambda: [fields["name"] for fields in world.kept] == kept)


async def test_leaving_an_untouched_form_asks_nothing(world: FormWorld) -> None:
    async with wizard(world) as pilot:
        await pilot.press("escape")
        await wait_until(pilot, lambda: not isinstance(pilot.app.screen, WizardScreen))
    assert world.kept == []


async def test_the_mouse_does_what_the_keys_do(world: FormWorld) -> None:
    async with wizard(world, model="smollm2-135m") as pilot:
        await pilot.click(StepRail, offset=(6, 3))
        await wait_until(pilot, lambda: form_of(pilot).query_one(StepRail).current == TABS[2])
        control = row(pilot, "engine.promptCaching").control
        assert control is not None
        await pilot.click(control, offset=(9, 0))
        await pilot.pause()
        assert control.text == "off"


async def test_what_appears_in_the_cluster_meanwhile_is_told_at_once(world: FormWorld) -> None:
    async with wizard(world, model="smollm2-135m") as pilot:
        world.picture.endpoint_rows = ()
        world.picture.put(tour.chat_row())
        await form_of(pilot).go_to("endpoint")
        await pilot.press("tab", "shift+tab")
        await pilot.pause()
        assert "there are no endpoints yet" in notice(pilot, "endpoint")


OF_HELM = Dispute(
    "Deployment team-a/chat",
    '.spec.template.spec.containers[name="engine"].image',
    "helm",
    "vllm/vllm-openai:v0.34.0",
    "vllm/vllm-openai:v0.33.0",
    "engine.image",
)
OF_SCALER = Dispute("Deployment team-a/chat", ".spec.replicas", "horizontal-autoscaler", "5", "2", "engine.replicas")


async def test_what_others_hold_is_decided_field_by_field_before_a_save(world: FormWorld) -> None:
    world.form_operations.disputed = (OF_HELM, OF_SCALER)
    async with wizard(world, edit=CHAT) as pilot:
        await type_in(pilot, "description", "for everyone")
        await to_review(pilot)
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, DisputesDialog))
        told = str(pilot.app.screen.query_one(OptionList).get_option_at_index(0).prompt)
        for word in ("Engine image", "helm", "v0.34.0", "v0.33.0", "Deployment team-a/chat"):
            assert word in told
        await pilot.press("t", "enter")
        assert isinstance(pilot.app.screen, DisputesDialog), "one field is not decided yet"
        await pilot.press("o", "enter")
        await wait_until(pilot, lambda: world.operations.applied)
    assert world.operations.resolutions == [{OF_HELM.key: Stand.THEIRS, OF_SCALER.key: Stand.OURS}]
    (base,) = world.form_operations.bases
    assert isinstance(base, ModelDeployment)
    assert base.spec.description != "for everyone", "the lock is what was live when the form was opened"


async def test_a_question_that_is_left_writes_nothing_and_edit_goes_to_the_field(world: FormWorld) -> None:
    world.form_operations.disputed = (OF_HELM,)
    async with wizard(world, edit=CHAT) as pilot:
        await type_in(pilot, "description", "for everyone")
        await to_review(pilot)
        for key in ("escape", "e"):
            await pilot.press("ctrl+s")
            await wait_until(pilot, lambda: isinstance(pilot.app.screen, DisputesDialog))
            await pilot.press(key)
            await wait_until(pilot, lambda: isinstance(pilot.app.screen, WizardScreen))
        await wait_until(pilot, lambda: (at := row_of(form_of(pilot).focused)) and at.field.id == "engine.image")
        assert form_of(pilot).state.draft["description"] == "for everyone"
    assert world.operations.applied == []
