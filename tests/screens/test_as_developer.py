"""The playground as a developer meets it: with a key, without one, with one like somebody's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from textual.pilot import Pilot

from genai_tui.domain.own_credentials import API_KEY, Found
from genai_tui.errors import EngineRefused, NotPermitted
from screens.playground import PlaygroundScreen
from tests.fakes.services import NOW, FakeServices
from tests.fakes.tour import CHAT
from tests.screens.console import Console, page, paste, showing, wait_until
from tests.screens.home import toasts
from tests.screens.test_limits import Compare

KEY = "sk-genai-pasted-by-the-operator"


async def choose(pilot: Pilot[Any], *keys: str) -> None:
    await pilot.press("ctrl+y")
    await wait_until(pilot, lambda: f"Ask {CHAT} as whom?" in page(pilot.app))
    await pilot.press(*keys, "enter")


async def ask(pilot: Pilot[Any], text: str) -> None:
    await paste(pilot, text)
    await pilot.press("enter")


async def test_with_a_pasted_key_questions_go_to_the_public_address() -> None:
    world = FakeServices()
    async with showing(world, PlaygroundScreen(CHAT), size=(100, 30)) as pilot:
        app = pilot.app
        await choose(pilot)
        await wait_until(pilot, lambda: "limits hold" in page(app))
        assert "http://127.0.0.1:8090" in page(app)
        await pilot.press("enter")
        await wait_until(pilot, lambda: "type the key" in page(app))
        await pilot.press(*KEY)
        await wait_until(pilot, lambda: "•" * len(KEY) in page(app))
        assert KEY not in app.export_screenshot()
        await pilot.press("up", "ctrl+u", *"nowhere", "enter")
        await wait_until(pilot, lambda: "write the address as" in page(app))
        await pilot.press("ctrl+u", *"https://chat.models.example/v1", "enter")
        await wait_until(pilot, lambda: "asking as a developer: with a key that you typed" in page(app))
        assert world.playground.developers == [("https://chat.models.example", True)]
        await ask(pilot, "Who am I?")
        await wait_until(pilot, lambda: "As a developer." in page(app))
        assert world.playground.asked == [], "not with our own rights"
        await pilot.press("ctrl+y")
        await wait_until(pilot, lambda: "asking as a developer" not in page(app))
        await ask(pilot, "And now?")
        await wait_until(pilot, lambda: len(world.playground.asked) == 1)


async def test_side_by_side_and_code_are_the_developers_too() -> None:
    world = FakeServices()
    async with showing(world, PlaygroundScreen(CHAT), size=(160, 48)) as pilot:
        await choose(pilot, *"without")
        await wait_until(pilot, lambda: "limits hold" in page(pilot.app))
        await pilot.press("up", "ctrl+u", *"http://gate", "enter")
        await wait_until(pilot, lambda: "asking as a developer: without a key" in page(pilot.app))
        await pilot.press("f4")
        await wait_until(pilot, lambda: "# curl for team-a/chat at http://gate" in page(pilot.app))
        await pilot.press("escape", "ctrl+b")
        await wait_until(pilot, lambda: "Beside team-a/chat?" in page(pilot.app))
        await pilot.press(*"embed", "enter")
        await wait_until(pilot, lambda: page(pilot.app).count("developer: without a key, at http://gate") == 2)
        await ask(pilot, "Who am I?")
        await wait_until(pilot, lambda: page(pilot.app).count("As a developer.") == 2)
    assert world.playground.asked == []
    assert world.playground.developers == [("http://gate", False)] * 2


async def test_where_no_public_address_is_known_the_setting_that_gives_one_is_named() -> None:
    world = FakeServices()
    world.playground.address = ""
    async with showing(world, PlaygroundScreen(CHAT), size=(160, 48)) as pilot:
        await choose(pilot, *"without")
        await wait_until(pilot, lambda: "limits hold" in page(pilot.app))
        assert "no public address of team-a/chat is known: `gateway` in the" in page(pilot.app)
        await pilot.press(*"http://gate", "enter")
        await wait_until(pilot, lambda: "asking as a developer: without a key" in page(pilot.app))
        await pilot.press("ctrl+b")
        await wait_until(pilot, lambda: "Beside team-a/chat?" in page(pilot.app))
        await pilot.press(*"embed", "enter")
        await wait_until(pilot, lambda: "with your own rights: no public address of search/embed" in page(pilot.app))


async def test_without_a_key_the_gateway_says_no_in_its_own_words() -> None:
    world = FakeServices()
    what = "the gateway does not accept this API key (401)"
    world.playground.as_theirs = EngineRefused(what, status=401, why="You didn't provide an API key.")
    async with showing(world, PlaygroundScreen(CHAT), size=(100, 30)) as pilot:
        await choose(pilot, *"without")
        await wait_until(pilot, lambda: "limits hold" in page(pilot.app))
        await pilot.press("enter")
        await wait_until(pilot, lambda: "asking as a developer: without a key" in page(pilot.app))
        await ask(pilot, "Who am I?")
        await wait_until(pilot, lambda: "You didn't provide an API key." in page(pilot.app))
        assert world.playground.developers == [("http://127.0.0.1:8090", False)]


async def test_a_key_like_somebodys_is_made_after_a_yes_and_revoked_at_the_end() -> None:
    world = FakeServices()
    async with showing(world, PlaygroundScreen(CHAT), size=(100, 30)) as pilot:
        await choose(pilot, *"1111")
        await wait_until(pilot, lambda: "limits hold" in page(pilot.app))
        await pilot.press("enter")
        await wait_until(pilot, lambda: "Make a key of alice of org-a in tour?" in page(pilot.app))
        await pilot.press("escape")
        await wait_until(pilot, lambda: pilot.app.screen.id != "dialog" and "Make a key" not in page(pilot.app))
        assert world.keys.made == []

        await choose(pilot, *"1111")
        await wait_until(pilot, lambda: "limits hold" in page(pilot.app))
        await pilot.press("enter")
        await wait_until(pilot, lambda: "Make a key of alice" in page(pilot.app))
        await pilot.press("y")
        await wait_until(pilot, lambda: "alice of org-a with k-0badc0de, like k-11111111" in page(pilot.app))
        (made,) = world.keys.made
        assert (made.organization, made.user, made.expires) == ("org-a", "alice", NOW + timedelta(minutes=15))
        await ask(pilot, "Who am I?")
        await wait_until(pilot, lambda: "As a developer." in page(pilot.app))
        await pilot.press("escape")
        await wait_until(pilot, lambda: world.keys.revoked == ["k-0badc0de"])


async def test_keys_that_may_not_be_listed_or_made_are_said() -> None:
    world = FakeServices()
    world.keys.failure = NotPermitted("operator may not list secrets in namespace genai-tui")
    world.credentials.found["api-key"] = Found(API_KEY, "$GENAI_TUI_API_KEY", fixed=True)
    async with showing(world, PlaygroundScreen(CHAT), size=(120, 30)) as pilot:
        await choose(pilot)
        await wait_until(pilot, lambda: "limits hold" in page(pilot.app))
        await pilot.press("enter")
        await wait_until(pilot, lambda: "asking as a developer: with $GENAI_TUI_API_KEY" in page(pilot.app))
        assert world.playground.developers == [("http://127.0.0.1:8090", True)]
        await pilot.press("ctrl+y")
    world = FakeServices()
    async with showing(world, PlaygroundScreen(CHAT), size=(120, 30)) as pilot:
        await choose(pilot, *"1111")
        await wait_until(pilot, lambda: "limits hold" in page(pilot.app))
        world.keys.failure = NotPermitted("operator may not create secrets in namespace genai-tui")
        await pilot.press("enter")
        await wait_until(pilot, lambda: "Make a key" in page(pilot.app))
        await pilot.press("y")
        await wait_until(pilot, lambda: "may not create secrets" in toasts(pilot))
        assert "asking as a developer" not in page(pilot.app)


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
@pytest.mark.parametrize("state", ["whom", "where", "asked"])
def test_as_a_developer(snap_compare: Compare, state: str, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        await pilot.press("ctrl+y")
        await wait_until(pilot, lambda: "as whom?" in page(pilot.app))
        if state == "whom":
            return
        await pilot.press(*("" if state == "where" else "without"), "enter")
        await wait_until(pilot, lambda: "limits hold" in page(pilot.app))
        if state == "asked":
            await pilot.press("enter")
            await wait_until(pilot, lambda: "asking as a developer" in page(pilot.app))

    assert snap_compare(Console(FakeServices(), PlaygroundScreen(CHAT)), terminal_size=size, run_before=before)
