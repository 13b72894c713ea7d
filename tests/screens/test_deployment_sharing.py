"""The Sharing and API tabs of a deployment, used with keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from genai_tui.domain.deployment import SharingMode
from genai_tui.domain.documents import ModelDeployment
from genai_tui.errors import NotPermitted
from genai_tui.services import Preview
from screens.dialogs.difference import DifferenceDialog
from tests.fakes.tour import CHAT
from tests.screens.deployment_world import World, page, says, showing, wait_until
from tests.screens.home import toasts


async def test_organizations_are_chosen_the_effect_is_said_and_it_is_applied_after_a_yes() -> None:
    world = World()
    async with showing(world, CHAT, "sharing") as pilot:
        await says(pilot, "2 organizations, 2 keys of 2 users may call this")
        await pilot.press("space")
        await says(pilot, "not applied yet: 1 organization, 0 keys of 0 users may call this")
        assert "○ org-a *" in page(pilot)
        await pilot.press("u")
        await says(pilot, "nothing to apply")
        await pilot.press("down", "space", "ctrl+s")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, DifferenceDialog))
        assert "Shared with org-a, until now with org-a, org-b" in page(pilot)
        assert "In tour" in page(pilot)
        assert "+kind: Deployment" in page(pilot), "what the server's dry run says"
        assert world.operations.applied == []
        await pilot.press("y")
        await wait_until(pilot, lambda: world.operations.applied)
        (document,) = world.operations.applied
        assert isinstance(document, ModelDeployment)
        assert document.spec.sharing.organizations == ("org-a",)


async def test_the_mode_goes_round_and_nothing_is_no_change() -> None:
    world = World()
    async with showing(world, CHAT, "sharing") as pilot:
        await says(pilot, "may call this")
        await pilot.press("ctrl+s", "m")
        await says(pilot, "not applied yet: 0 organizations")
        await pilot.press("m", "ctrl+s")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, DifferenceDialog))
        assert "all organizations" in page(pilot)
        await pilot.press("y")
        await wait_until(pilot, lambda: world.operations.applied)
        (document,) = world.operations.applied
        assert isinstance(document, ModelDeployment)
        assert document.spec.sharing.mode is SharingMode.ALL


async def test_keys_that_lose_access_are_named_and_what_the_server_refuses_is_told_before_the_yes() -> None:
    world = World()
    async with showing(world, CHAT, "sharing") as pilot:
        await says(pilot, "2 organizations, 2 keys of 2 users may call this")
        await pilot.press("space", "ctrl+s")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, DifferenceDialog))
        await says(pilot, "k-11111111 of alice, k-22222222 of bob may call no longer")
        await pilot.press("n")
        world.operations.answer = Preview((), {}, "", "quota exceeded: deployments", ())
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: "quota exceeded" in toasts(pilot))
        assert not isinstance(pilot.app.screen, DifferenceDialog)
        assert world.operations.applied == []


async def test_an_organization_that_does_not_exist_is_seen_and_can_be_taken_out() -> None:
    world = World()
    world.picture.organization_rows = world.picture.organization_rows[1:]
    async with showing(world, CHAT, "sharing") as pilot:
        await says(pilot, "2 organizations, 2 keys of 2 users may call this")
        assert "● org-a" in page(pilot)
        assert "▲ there is no such organization" in page(pilot)
        await pilot.press("space", "ctrl+s")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, DifferenceDialog))
        await pilot.press("y")
        await wait_until(pilot, lambda: world.operations.applied)
        (document,) = world.operations.applied
        assert isinstance(document, ModelDeployment)
        assert document.spec.sharing.organizations == ("org-b",)


async def test_keys_that_may_not_be_read_are_not_counted_as_none() -> None:
    world = World()
    world.keys.failure = NotPermitted("you may not list secrets in namespace genai-tui")
    async with showing(world, CHAT, "sharing") as pilot:
        await says(pilot, "2 organizations may call this; keys are not known: you may not list secrets")


async def test_a_read_only_console_changes_nothing() -> None:
    world = World(read_only=True)
    async with showing(world, CHAT, "sharing") as pilot:
        await says(pilot, "may call this")
        await pilot.press("space", "ctrl+s")
        await pilot.pause()
        assert not isinstance(pilot.app.screen, DifferenceDialog)
        assert world.operations.applied == []


async def test_the_page_for_developers_is_written_to_a_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with showing(World(), CHAT, "api") as pilot:
        await says(pilot, "write a page")
        await pilot.press("w", "w")
        first = tmp_path / "team-a-chat.md"
        await wait_until(pilot, lambda: (tmp_path / "team-a-chat-2.md").exists())
        assert first.read_text().startswith("# chat\n")
        assert first.stat().st_mode & 0o777 == 0o600
