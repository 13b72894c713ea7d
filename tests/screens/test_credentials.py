"""The operator's own secrets on screen: sources, never values."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from genai_tui.domain.own_credentials import ENGINE_KEY, NGC_API_KEY, Found, Keep
from genai_tui.errors import GenaiTuiError
from screens.credentials import CredentialsScreen
from tests.fakes.services import FakeServices
from tests.screens.console import Console, page, showing, wait_until
from tests.screens.test_limits import Compare

TYPED = "nvapi-typed-into-the-dialog"


def some() -> FakeServices:
    world = FakeServices(simulated=False, context="prod-eu")
    why = "pass did not print the engine key: gpg: decryption failed; run it in a shell once"
    world.credentials.found["engine-key"] = Found(ENGINE_KEY, problem=why, fixed=True)
    return world


async def test_one_is_typed_kept_and_forgotten_and_never_shown() -> None:
    world = some()
    async with showing(world, CredentialsScreen(), size=(100, 30)) as pilot:
        app = pilot.app
        await wait_until(pilot, lambda: "$HF_TOKEN" in page(app))
        assert "gpg: decryption failed" in page(app)
        await pilot.press("down", "down", "down", "enter")
        await wait_until(pilot, lambda: "NGC API key" in page(app) and "shown as dots" in page(app))
        await pilot.press(*"two words", "enter")
        await wait_until(pilot, lambda: "no spaces" in page(app))
        await pilot.press("ctrl+u", *TYPED)
        await wait_until(pilot, lambda: "•" * len(TYPED) in page(app))
        assert TYPED not in app.export_screenshot()
        await pilot.press("enter")
        await wait_until(pilot, lambda: "where?" in page(app))
        assert page(app).count("keyring") == 1, "there is none to choose"
        assert "not encrypted" in page(app)
        await pilot.press("down", "enter")
        await wait_until(pilot, lambda: bool(world.credentials.kept))
        assert world.credentials.kept == [("ngc-api-key", len(TYPED), Keep.MEMORY)]

        await wait_until(pilot, lambda: isinstance(app.screen, CredentialsScreen))
        await pilot.press("d")
        await wait_until(pilot, lambda: "Forget the NGC API key of this machine?" in page(app))
        await pilot.press("escape", "d", "y")
        await wait_until(pilot, lambda: world.credentials.forgotten == ["ngc-api-key"])
        await wait_until(pilot, lambda: isinstance(app.screen, CredentialsScreen))
        await pilot.press("up", "d", "y")
        await wait_until(pilot, lambda: "keeps no Hub token" in " ".join(n.message for n in app._notifications))


async def test_what_cannot_be_kept_is_told_and_the_palette_opens_it() -> None:
    world = some()
    world.credentials.failure = GenaiTuiError("the secret cannot be kept", why="No space left on device")
    world.credentials.keyring = ""
    async with showing(world, CredentialsScreen(), size=(100, 30)) as pilot:
        await wait_until(pilot, lambda: "$HF_TOKEN" in page(pilot.app))
        await pilot.press("down", "down", "enter")
        await wait_until(pilot, lambda: "As long as $HF_TOKEN" in page(pilot.app))
        await pilot.press(*"abc", "enter")
        await wait_until(pilot, lambda: "where?" in page(pilot.app))
        await pilot.press("enter")
        await wait_until(pilot, lambda: any("No space left" in n.message for n in pilot.app._notifications))
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, CredentialsScreen))
        await pilot.press("escape", "colon", *"credentials", "enter")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, CredentialsScreen))


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
@pytest.mark.parametrize("state", ["sources", "typing"])
def test_credentials(snap_compare: Compare, state: str, size: tuple[int, int]) -> None:
    world = some()
    world.credentials.found["ngc-api-key"] = Found(
        NGC_API_KEY, "/home/ann/.local/state/genai-tui/credentials.json (not encrypted)"
    )

    async def run(pilot: Pilot[Any]) -> None:
        await wait_until(pilot, lambda: "$HF_TOKEN" in page(pilot.app))
        if state == "typing":
            await pilot.press("enter", *TYPED)
            await wait_until(pilot, lambda: "•" * len(TYPED) in page(pilot.app))

    assert snap_compare(Console(world, CredentialsScreen()), terminal_size=size, run_before=run)
