"""How every step of the wizard looks, at the smallest and at a large size."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input, TextArea

from genai_tui.domain.form_fields import TABS
from genai_tui.domain.model_secrets import MissingSecret
from genai_tui.domain.preflight import Check, Level
from genai_tui.errors import ChangedMeanwhile, PartlyApplied
from genai_tui.services import Preview
from screens.catalogue.form import CatalogueFormScreen
from screens.dialogs.disputes import DisputesDialog
from screens.endpoints import EndpointsScreen
from screens.forms.picker import PickerScreen
from screens.models import ModelsScreen
from screens.wizard.screen import WizardScreen
from tests.fakes.tour import CHAT
from tests.screens.form_world import Console, FormWorld, form_of, shown, type_in, wait_until
from tests.screens.test_wizard import OF_HELM, OF_SCALER

Steps = Callable[[Pilot[Any]], Awaitable[None]]


class Compare(Protocol):
    """The plugin's fixture."""

    def __call__(
        self, app: Console, *, terminal_size: tuple[int, int], run_before: Callable[[Pilot[Any]], Awaitable[None]]
    ) -> bool: ...


@pytest.fixture(params=[(80, 24), (160, 48)], ids=["80x24", "160x48"])
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    chosen: tuple[int, int] = request.param
    return chosen


@pytest.fixture
def world(tmp_path: Path) -> FormWorld:
    return FormWorld(tmp_path / "drafts")


async def nothing(pilot: Pilot[Any]) -> None:
    await pilot.pause()


def look(
    compare: Compare, world: FormWorld, size: tuple[int, int], screen: Screen[Any], ready: str, steps: Steps = nothing
) -> bool:
    """Open a screen, do something, compare the picture."""

    async def before(pilot: Pilot[Any]) -> None:
        pilot.app.push_screen(screen)
        await wait_until(pilot, lambda: screen.is_mounted and screen.query(ready), ready)
        await steps(pilot)
        for blinking in (*pilot.app.screen.query(Input), *pilot.app.screen.query(TextArea)):
            blinking.cursor_blink = False
        await pilot.pause()

    return compare(Console(world), terminal_size=size, run_before=before)


def at(title: str) -> Steps:
    """Go to a step."""

    async def go(pilot: Pilot[Any]) -> None:
        await pilot.press(*["f4"] * TABS.index(title))
        await pilot.pause()

    return go


async def reviewed(pilot: Pilot[Any]) -> None:
    await pilot.press("ctrl+s")
    await wait_until(pilot, lambda: shown(pilot, "#review-verdict").startswith(("✖", "✔")))


MISSING = MissingSecret("team-a", "hf", "token", "HF_TOKEN")


@pytest.mark.parametrize("title", TABS[:-1])
def test_step(snap_compare: Compare, world: FormWorld, size: tuple[int, int], title: str) -> None:
    assert look(snap_compare, world, size, WizardScreen(model="smollm2-135m"), "StepRail", at(title))


def test_review(snap_compare: Compare, world: FormWorld, size: tuple[int, int]) -> None:
    assert look(snap_compare, world, size, WizardScreen(model="smollm2-135m"), "StepRail", reviewed)


def test_review_with_a_stop(snap_compare: Compare, world: FormWorld, size: tuple[int, int]) -> None:
    checks = (
        Check("placement", Level.WARNING, "room for 1 of 2 replicas now: gpu-1. Not gpu-2: 0 of 8 GPUs free; cordoned"),
        Check("GPU memory, 1 x NVIDIA-L4", Level.OK, "16-bit weights take 257.5 MiB of 18.2 GiB; context 4,096"),
        Check("secret hf", Level.STOP, "it does not exist; HF_TOKEN needs its key token", MISSING),
        Check("quota", Level.UNKNOWN, "you are not permitted to look"),
    )
    world.operations.answer = Preview((), {"Deployment team-a/smollm2-135m": "created"}, "", None, (), checks=checks)
    assert look(snap_compare, world, size, WizardScreen(model="smollm2-135m"), "StepRail", reviewed)


def test_making_a_secret(snap_compare: Compare, world: FormWorld, size: tuple[int, int]) -> None:
    checks = (Check("secret hf", Level.STOP, "it does not exist; HF_TOKEN needs its key token", MISSING),)
    world.operations.answer = Preview((), {"Deployment team-a/smollm2-135m": "created"}, "", None, (), checks=checks)
    world.secrets.environment = "$HF_TOKEN"

    async def steps(pilot: Pilot[Any]) -> None:
        await reviewed(pilot)
        await wait_until(pilot, lambda: "F9 makes Secret hf" in shown(pilot, "#review-verdict"))
        await pilot.press("f9", *"hf_abc")

    assert look(snap_compare, world, size, WizardScreen(model="smollm2-135m"), "StepRail", steps)


def test_nim(snap_compare: Compare, world: FormWorld, size: tuple[int, int]) -> None:
    assert look(snap_compare, world, size, WizardScreen(model="llama-nim"), "StepRail", at("Engine"))


def test_wrong_fields(snap_compare: Compare, world: FormWorld, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await type_in(pilot, "advanced.env", "A=1\n2B=x")
        await type_in(pilot, "resources.gpu", "16")
        await type_in(pilot, "resources.memory", "16 GB")

    assert look(snap_compare, world, size, WizardScreen(model="smollm2-135m"), "StepRail", steps)


def test_review_of_wrong_fields(snap_compare: Compare, world: FormWorld, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await type_in(pilot, "resources.gpu", "16")
        await reviewed(pilot)

    assert look(snap_compare, world, size, WizardScreen(), "StepRail", steps)


def test_review_of_an_edit(snap_compare: Compare, world: FormWorld, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await type_in(pilot, "engine.contextLength", "8192")
        await reviewed(pilot)

    assert look(snap_compare, world, size, WizardScreen(edit=CHAT), "StepRail", steps)


def test_partly_applied(snap_compare: Compare, world: FormWorld, size: tuple[int, int]) -> None:
    world.form_operations.apply_failure = PartlyApplied(
        "the cluster refused Service team-a/smollm2-135m",
        why="exceeded quota: services",
        next_step="raise the quota, then save again",
        created=("Deployment team-a/smollm2-135m",),
        missing=("Service team-a/smollm2-135m",),
    )

    async def steps(pilot: Pilot[Any]) -> None:
        await reviewed(pilot)
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: "not created" in shown(pilot, "#review-verdict"))

    assert look(snap_compare, world, size, WizardScreen(model="smollm2-135m"), "StepRail", steps)


def test_choosing_a_model(snap_compare: Compare, world: FormWorld, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await form_of(pilot).go_to("model")
        await pilot.press("f2")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, PickerScreen))

    assert look(snap_compare, world, size, WizardScreen(), "StepRail", steps)


def test_models(snap_compare: Compare, world: FormWorld, size: tuple[int, int]) -> None:
    assert look(snap_compare, world, size, ModelsScreen(), "VirtualTable")


def test_no_models(snap_compare: Compare, world: FormWorld, size: tuple[int, int]) -> None:
    world.picture.model_rows = ()
    assert look(snap_compare, world, size, ModelsScreen(), "VirtualTable")


def test_model_details(snap_compare: Compare, world: FormWorld, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await pilot.press("end", "enter")
        await pilot.pause()

    assert look(snap_compare, world, size, ModelsScreen(), "VirtualTable", steps)


def test_model_form(snap_compare: Compare, world: FormWorld, size: tuple[int, int]) -> None:
    assert look(snap_compare, world, size, CatalogueFormScreen("Model", "llama-nim"), "FieldRow")


def test_endpoints(snap_compare: Compare, world: FormWorld, size: tuple[int, int]) -> None:
    assert look(snap_compare, world, size, EndpointsScreen(), "VirtualTable")


def test_endpoint_form(snap_compare: Compare, world: FormWorld, size: tuple[int, int]) -> None:
    assert look(snap_compare, world, size, CatalogueFormScreen("Endpoint", "public"), "FieldRow")


def test_fields_that_others_hold(snap_compare: Compare, world: FormWorld, size: tuple[int, int]) -> None:
    world.form_operations.disputed = (OF_HELM, OF_SCALER)

    async def asked(pilot: Pilot[Any]) -> None:
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: form_of(pilot).has_class("-review"))
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, DisputesDialog))
        await pilot.press("t")
        await pilot.pause()

    assert look(snap_compare, world, size, WizardScreen(edit=CHAT), "StepRail", asked)


def test_an_edit_that_another_console_overtook(snap_compare: Compare, world: FormWorld, size: tuple[int, int]) -> None:
    detail = world.picture.deployment(CHAT)
    assert detail is not None
    assert detail.document is not None
    spec = detail.document.spec
    engine = spec.engine.model_copy(update={"replicas": 3, "context_length": 8192})
    live = detail.document.model_copy(update={"spec": spec.model_copy(update={"engine": engine})})
    world.form_operations.apply_failure = ChangedMeanwhile("Deployment team-a/chat", live)

    async def asked(pilot: Pilot[Any]) -> None:
        await type_in(pilot, "description", "for everyone")
        form = form_of(pilot)
        form.fill_in({**form.state.draft, "engine.contextLength": "2048"})
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: form.has_class("-review"))
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, DisputesDialog))

    assert look(snap_compare, world, size, WizardScreen(edit=CHAT), "StepRail", asked)
