"""Keys that arrive together, as over a slow line, do what they would do one by one."""

from __future__ import annotations

import asyncio
import unicodedata
from pathlib import Path
from typing import Any

from textual import events
from textual.pilot import Pilot

from screens.app import GenaiTui
from screens.deployment.screen import DeploymentScreen
from screens.deployment.sheet import Sheet
from screens.deployments import DeploymentsScreen
from screens.forms.field_row import FieldRow
from screens.typing_ahead import TypingAhead
from screens.wizard.rail import StepRail
from screens.wizard.screen import WizardScreen
from tests.fakes.services import FakeServices
from tests.screens.form_world import FormWorld, form_of, row, showing, typed, wait_until


def at_once(pilot: Pilot[Any], *keys: str) -> None:
    """Post keys as one packet of a terminal: nothing is handled between them."""
    for key in keys:
        character = key if len(key) == 1 else None
        name = unicodedata.name(key).lower().replace("-", "_").replace(" ", "_") if key == "-" else key
        pilot.app.post_message(events.Key(name, character))


async def test_letters_after_tab_go_to_the_next_field(tmp_path: Path) -> None:
    world = FormWorld(tmp_path / "drafts")
    async with showing(world, WizardScreen(), "StepRail") as pilot:
        at_once(pilot, *"helper", "tab", "ctrl+a", *"team-b", "enter", *"for all", "ctrl+n")
        await wait_until(pilot, lambda: form_of(pilot).query_one(StepRail).current == "Model and endpoint")
        draft = form_of(pilot).state.draft
        assert (draft["name"], draft["description"]) == ("helper", "for all")
        assert draft["namespace"].startswith("team-b")


async def test_what_is_typed_while_the_form_follows_is_not_overwritten(tmp_path: Path) -> None:
    world = FormWorld(tmp_path / "drafts")
    async with showing(world, WizardScreen(), "StepRail") as pilot:
        control = row(pilot, "name").control
        assert control is not None
        for length in range(1, 7):
            control.value = "helper"[:length]  # type: ignore[union-attr]
            form_of(pilot).show_form()
        await wait_until(pilot, lambda: form_of(pilot).state.draft["name"] == "helper")
        assert typed(pilot, "name") == "helper"


async def test_a_key_after_one_that_opens_a_screen_goes_to_that_screen() -> None:
    app = GenaiTui(FakeServices().build())
    async with app.run_test(size=(120, 24)) as pilot:
        await wait_until(pilot, lambda: isinstance(app.screen, DeploymentsScreen))
        await pilot.pause()
        at_once(pilot, "n", *"qq", "tab", "ctrl+a", *"jj")
        await wait_until(pilot, lambda: isinstance(app.screen, WizardScreen) and app.screen.query(FieldRow))
        wizard = app.screen
        assert isinstance(wizard, WizardScreen)
        await wait_until(pilot, lambda: wizard.state.draft["namespace"].startswith("jj"))
        assert wizard.state.draft["name"] == "qq"


async def test_a_tab_that_is_asked_for_while_its_screen_opens_is_the_one_that_opens() -> None:
    app = GenaiTui(FakeServices().build())
    async with app.run_test(size=(120, 24)) as pilot:
        await wait_until(pilot, lambda: isinstance(app.screen, DeploymentsScreen))
        await pilot.pause()
        at_once(pilot, "enter", "2")
        await wait_until(pilot, lambda: isinstance(app.screen, DeploymentScreen))
        await pilot.pause()
        await wait_until(pilot, lambda: app.screen.query_one("#pane-rollout").display)
        assert "REVISION" in app.screen.query_one("#rollout-sheet", Sheet).text


async def test_a_key_that_takes_long_does_not_hold_up_the_next_for_ever() -> None:
    app = GenaiTui(FakeServices().build())
    async with app.run_test(size=(120, 24)) as pilot:
        await wait_until(pilot, lambda: isinstance(app.screen, DeploymentsScreen))
        taken: list[str] = []
        second, over = asyncio.Event(), asyncio.Event()

        async def hand_over(event: Any) -> None:
            taken.append(event.key)
            if event.key == "b":
                second.set()

        typing = TypingAhead(app, hand_over)
        app.screen.call_later(over.wait)
        for key in "ab":
            await typing.take(events.Key(key, key))
        assert taken == ["a"]
        try:
            await asyncio.wait_for(second.wait(), 20)
        finally:
            over.set()
        assert taken == ["a", "b"]
