"""The lists of models and of endpoints, and their forms, by keys."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from genai_tui.domain.catalogue import HubSource, NgcSource
from genai_tui.domain.documents import Endpoint, Model
from genai_tui.domain.enforcement import GATEWAY, HTTP_ROUTE, REQUIRED, Backend
from genai_tui.domain.rows import ModelRow
from genai_tui.errors import ChangedMeanwhile, NotPermitted
from screens.catalogue.entry_dialog import EntryDialog
from screens.catalogue.form import CatalogueFormScreen
from screens.dialogs.confirm import ConfirmDialog, TypedConfirmDialog
from screens.dialogs.problem import ProblemDialog
from screens.endpoints import EndpointsScreen
from screens.forms.picker import PickerScreen
from screens.models import ModelsScreen
from screens.widgets.virtual_table import VirtualTable
from tests.fakes.services import served
from tests.fakes.tour import CHAT
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


def opened(world: FormWorld, screen: Screen[Any]) -> AbstractAsyncContextManager[Pilot[Any]]:
    return showing(world, screen, "VirtualTable")


async def front(pilot: Pilot[Any], kind: type[Screen[Any]]) -> None:
    await wait_until(pilot, lambda: isinstance(pilot.app.screen, kind), kind.__name__)


def table(pilot: Pilot[Any]) -> VirtualTable[str]:
    found: VirtualTable[str] = pilot.app.screen.query_one(VirtualTable)
    return found


async def test_a_model_is_made_by_keys(world: FormWorld) -> None:
    async with opened(world, ModelsScreen()) as pilot:
        await pilot.press("n")
        await front(pilot, CatalogueFormScreen)
        await pilot.press(*"qwen-2.5", "tab", "tab", "tab", "tab", "tab", *"Qwen/Q", "tab", "tab", "tab", *"7B")
        await pilot.press("ctrl+s")
        await front(pilot, ModelsScreen)
    (document,) = world.operations.applied
    assert isinstance(document, Model)
    assert document.metadata.name == "qwen-2.5"
    assert document.spec.source == HubSource(type="huggingface", repository="Qwen/Q")
    assert document.spec.parameters == "7B"
    assert world.form_operations.created_only == [True]
    assert world.kept == []


async def test_the_source_decides_which_fields_a_model_has(world: FormWorld) -> None:
    async with showing(world, CatalogueFormScreen("Model"), "FieldRow") as pilot:
        assert row(pilot, "source.repository").display
        await type_in(pilot, "name", "nim")
        await form_of(pilot).go_to("source.type")
        await pilot.press("right", "enter")
        assert not row(pilot, "source.repository").display
        assert form_of(pilot).focused is row(pilot, "source.image").control
        await type_in(pilot, "source.image", "nvcr.io/nim/meta/llama:2.1")
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: world.operations.applied)
    (document,) = world.operations.applied
    assert isinstance(document, Model)
    assert document.spec.source == NgcSource(type="ngc", image="nvcr.io/nim/meta/llama:2.1")


BAD = {
    "Model": [
        ("name", "smollm2-135m", "model smollm2-135m exists already"),
        ("name", "Big", "lower-case"),
        ("source.repository", "justaname", "is not a repository"),
        ("parameters", "7 billion", "is not a parameter count"),
        ("contextLength", "-1", "must be more than 0"),
    ],
    "Endpoint": [
        ("name", "internal", "endpoint internal exists already"),
        ("hostname", "no host", "must be a lower-case DNS name"),
    ],
}


@pytest.mark.parametrize("kind", list(BAD))
async def test_bad_input_stays_at_its_field(world: FormWorld, kind: Any) -> None:
    async with showing(world, CatalogueFormScreen(kind), "FieldRow") as pilot:
        for field, text, message in BAD[kind]:
            await type_in(pilot, field, text)
            assert message in notice(pilot, field)
        await pilot.press("ctrl+s")
        await pilot.pause()
        for field, text, _ in BAD[kind][-2:]:
            assert typed(pilot, field) == text
    assert world.operations.applied == []


async def test_an_endpoint_behind_a_gateway(world: FormWorld) -> None:
    async with opened(world, EndpointsScreen()) as pilot:
        await pilot.press("n")
        await front(pilot, CatalogueFormScreen)
        await type_in(pilot, "name", "partners")
        await type_in(pilot, "hostname", "llm.example.org")
        await pilot.press("tab", "right", "ctrl+s")
        await pilot.pause()
        assert form_of(pilot).focused is row(pilot, "gateway.namespace").control
        assert "may not be empty" in notice(pilot, "gateway.name")
        await type_in(pilot, "gateway.namespace", "team-a")
        await type_in(pilot, "gateway.name", "edge")
        await pilot.press("tab", "right", "right", "ctrl+s")
        await front(pilot, EndpointsScreen)
    (document,) = world.operations.applied
    assert isinstance(document, Endpoint)
    assert document.spec.enforcement == "kuadrant"
    assert document.spec.gateway is not None
    assert document.spec.gateway.name == "edge"


async def test_a_gateway_that_the_cluster_does_not_have_is_told_where_it_is_chosen(world: FormWorld) -> None:
    world.operations.installed = served(GATEWAY, HTTP_ROUTE, *REQUIRED[Backend.ENVOY])
    async with showing(world, CatalogueFormScreen("Endpoint"), "FieldRow") as pilot:
        await type_in(pilot, "name", "partners")
        await type_in(pilot, "hostname", "llm.example.org")
        await pilot.press("tab", "right")
        assert notice(pilot, "exposure") == "", "the Gateway API is there"
        await type_in(pilot, "gateway.namespace", "team-a")
        await type_in(pilot, "gateway.name", "edge")
        await pilot.press("tab", "right")
        assert notice(pilot, "enforcement") == "", "Envoy AI Gateway is there"
        await pilot.press("right")
        said = notice(pilot, "enforcement")
        assert "needs Kuadrant, and the cluster does not serve AuthPolicy (kuadrant.io/v1), RateLimitPolicy" in said
        assert said.endswith("nothing can be deployed to it until then")
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: bool(world.operations.applied))
    (document,) = world.operations.applied
    assert isinstance(document, Endpoint)
    assert document.spec.enforcement == "kuadrant", "an endpoint may be there before its gateway"


async def test_of_an_endpoint_that_is_there_already_only_what_is_changed_is_doubted(world: FormWorld) -> None:
    world.operations.installed = served()
    async with showing(world, CatalogueFormScreen("Endpoint"), "FieldRow") as pilot:
        await type_in(pilot, "hostname", "llm.example.org")
        await pilot.press("tab", "right")
        assert "needs the Gateway API, and the cluster does not serve Gateway" in notice(pilot, "exposure")
    async with opened(world, EndpointsScreen()) as pilot:
        await pilot.press("end", "e")
        await front(pilot, CatalogueFormScreen)
        assert typed(pilot, "enforcement") == "envoy-ai-gateway"
        await pilot.pause()
        assert notice(pilot, "exposure") == notice(pilot, "enforcement") == ""


async def test_an_edit_keeps_the_name_and_what_was_not_typed(world: FormWorld) -> None:
    async with opened(world, ModelsScreen()) as pilot:
        await pilot.press("end", "e")
        await front(pilot, CatalogueFormScreen)
        assert row(pilot, "name").control is None
        await type_in(pilot, "description", "tiny")
        await pilot.press("ctrl+s")
        await front(pilot, ModelsScreen)
    (document,) = world.operations.applied
    assert isinstance(document, Model)
    assert (document.metadata.name, document.spec.description, document.spec.parameters) == (
        "smollm2-135m",
        "tiny",
        "135M",
    )
    assert world.form_operations.created_only == [False]


async def test_a_refused_save_is_told_and_the_form_is_intact(world: FormWorld) -> None:
    world.form_operations.apply_failure = NotPermitted("operator may not create configmaps in namespace genai-tui")
    async with showing(world, CatalogueFormScreen("Endpoint"), "FieldRow") as pilot:
        await type_in(pilot, "name", "e")
        await type_in(pilot, "hostname", "llm.example.org")
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: "may not create configmaps" in shown(pilot, ".form-verdict"))
        assert typed(pilot, "name") == "e"


async def test_what_is_used_is_not_deleted_and_the_users_are_named(world: FormWorld) -> None:
    async with opened(world, ModelsScreen()) as pilot:
        await pilot.press("end", "ctrl+d")
        await front(pilot, ProblemDialog)
        assert "1 deployment uses it: team-a/chat" in shown(pilot, "Static")
    assert world.operations.calls == []


async def test_a_free_model_is_deleted_once_its_name_is_typed(world: FormWorld) -> None:
    async with opened(world, ModelsScreen()) as pilot:
        await pilot.press("end", "up", "ctrl+d")
        await front(pilot, TypedConfirmDialog)
        await pilot.press(*"mistral", "enter")
        await front(pilot, TypedConfirmDialog)
        assert world.operations.calls == []
        await pilot.press(*"-7b", "enter")
        await front(pilot, ModelsScreen)
        await wait_until(pilot, lambda: world.operations.calls == [("delete", "Model", "mistral-7b")])


async def test_details_lead_to_the_deployments_of_a_model(world: FormWorld) -> None:
    async with opened(world, ModelsScreen()) as pilot:
        await pilot.press("end", "enter")
        await front(pilot, EntryDialog)
        assert "1 deployment uses it" in shown(pilot, "Static")
        await pilot.press("enter")
        await front(pilot, ModelsScreen)
        await wait_until(pilot, lambda: console_of(pilot).sent == [(CHAT, "overview")])


@pytest.mark.parametrize("keys", [("D",), ("enter", "n")])
async def test_a_new_deployment_is_opened_from_a_model(world: FormWorld, keys: tuple[str, ...]) -> None:
    async with opened(world, ModelsScreen()) as pilot:
        await pilot.press("end")
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        await wait_until(pilot, lambda: console_of(pilot).sent == [("smollm2-135m", "wizard")])


async def test_a_document_that_cannot_be_read_is_shown_with_its_problem(world: FormWorld) -> None:
    broken = ModelRow("a-broken", None, 0, None, "spec.source: needs type")
    world.picture.model_rows = (broken, *world.picture.model_rows)
    async with opened(world, ModelsScreen()) as pilot:
        assert table(pilot).total == 6
        await pilot.press("enter")
        await front(pilot, EntryDialog)
        assert "spec.source: needs type" in shown(pilot, "Static")
        await pilot.press("escape", "D", "e")
        await front(pilot, CatalogueFormScreen)
        assert "model a-broken cannot be read" in shown(pilot, ".form-verdict")
        assert console_of(pilot).sent == []
        await pilot.press("escape")
        await front(pilot, ModelsScreen)


async def test_the_list_follows_the_cluster_and_can_be_narrowed(world: FormWorld) -> None:
    async with opened(world, ModelsScreen()) as pilot:
        await pilot.press("slash", *"llama", "enter")
        await pilot.pause()
        assert table(pilot).row_count == 2
        await pilot.press("escape")
        await pilot.pause()
        assert table(pilot).row_count == 5
        world.picture.model_rows = tuple(replace(row, deployments=3) for row in world.picture.model_rows[:2])
        world.picture.put()
        await wait_until(pilot, lambda: table(pilot).total == 2)
        world.picture.model_rows = ()
        world.picture.put()
        await wait_until(pilot, lambda: not table(pilot).display)
        assert "No model yet" in shown(pilot, "#catalogue-empty")


async def test_a_read_only_console_offers_no_writing(tmp_path: Path) -> None:
    world = FormWorld(tmp_path, read_only=True)
    async with opened(world, ModelsScreen()) as pilot:
        await pilot.press("n", "e", "D", "ctrl+d")
        await pilot.pause()
        assert isinstance(pilot.app.screen, ModelsScreen)
        assert console_of(pilot).sent == []


async def test_a_kept_model_form_is_offered_again(world: FormWorld) -> None:
    async with showing(world, CatalogueFormScreen("Model"), "FieldRow") as pilot:
        await type_in(pilot, "name", "half")
        await wait_until(pilot, lambda: world.kept)
    async with showing(world, CatalogueFormScreen("Model"), "FieldRow") as pilot:
        await front(pilot, PickerScreen)
        await pilot.press("enter")
        await front(pilot, CatalogueFormScreen)
        assert typed(pilot, "name") == "half"


async def test_an_entry_that_another_console_saved_meanwhile_is_merged_first(world: FormWorld) -> None:
    (row_,) = [found for found in world.picture.organization_rows if found.name == "org-a"]
    base = row_.document
    assert base is not None
    theirs = base.spec.model_copy(update={"display_name": "Renamed", "users": (*base.spec.users, "dora")})
    live = base.model_copy(update={"spec": theirs})
    world.form_operations.apply_failure = ChangedMeanwhile("ConfigMap genai-tui/organization-org-a", live)
    async with showing(world, CatalogueFormScreen("Organization", "org-a"), "FieldRow") as pilot:
        before = form_of(pilot).state.draft["users"]
        await type_in(pilot, "users", f"{before}\nemil")
        await pilot.press("ctrl+s")
        await front(pilot, ConfirmDialog)
        await pilot.press("y")
        await front(pilot, CatalogueFormScreen)
        await wait_until(pilot, lambda: form_of(pilot).state.draft["users"] == f"{before}\nemil\ndora")
        assert form_of(pilot).state.draft["displayName"] == "Renamed"
        world.form_operations.apply_failure = None
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: world.operations.applied)
    assert world.form_operations.bases == [base, live]
