"""How the home list looks in every state, in every theme, at 80x24 and 160x48."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from genai_tui.domain.rows import Phase, Ref
from tests.fakes import tour
from tests.fakes.services import CONNECTING, FakeServices, offline, stale
from tests.screens.home import Home

SIZES = pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
Compare = Callable[..., bool]


def _every_phase() -> FakeServices:
    rows = list(tour.rows())
    for number, phase in enumerate(Phase):
        ref = Ref("phases", f"model-{number:02d}")
        made_up = tour.with_phase(tour.chat_row(), phase, None if phase is Phase.RUNNING else "the cause", ref=ref)
        rows.append(made_up)
    return FakeServices([*rows, tour.foreign_row()], simulated=False, context="prod-eu")


def _old() -> FakeServices:
    world = FakeServices()
    world.picture.set_health(stale())
    return world


def _broken() -> FakeServices:
    world = FakeServices(())
    world.picture.set_health(offline())
    return world


def _connecting() -> FakeServices:
    world = FakeServices(())
    world.picture.set_health(CONNECTING)
    return world


def _draft() -> FakeServices:
    world = FakeServices(read_only=False)
    world.drafts.save("ModelDeployment/new/1", "deployment half of smollm2-135m", {})
    return world


STATES: dict[str, tuple[Callable[[], FakeServices], tuple[str, ...]]] = {
    "tour": (FakeServices, ("down", "down")),
    "every-phase": (_every_phase, ("P",)),
    "empty": (lambda: FakeServices(()), ()),
    "connecting": (_connecting, ()),
    "offline": (_broken, ()),
    "stale": (_old, ()),
    "draft": (_draft, ()),
    "read-only": (lambda: FakeServices(read_only=True), ()),
    "filter": (FakeServices, ("slash", *"team-a")),
    "describe": (FakeServices, ("d",)),
    "delete": (FakeServices, ("ctrl+d",)),
    "scale": (FakeServices, ("down", "s", "up")),
    "help": (FakeServices, ("question_mark",)),
    "palette": (FakeServices, ("colon", *"sc")),
    "namespace": (FakeServices, ("w",)),
}


async def _settle(pilot: Pilot[Any]) -> None:
    await pilot.app.workers.wait_for_complete([w for w in pilot.app.workers if w.group == "start"])
    await pilot.pause()


@SIZES
@pytest.mark.parametrize("state", STATES)
def test_deployments(snap_compare: Compare, state: str, size: tuple[int, int]) -> None:
    world, keys = STATES[state]

    async def act(pilot: Pilot[Any]) -> None:
        await _settle(pilot)
        for key in keys:
            await pilot.press(key)
        await pilot.app.animator.wait_for_idle()
        await pilot.pause()

    assert snap_compare(Home(world()), terminal_size=size, run_before=act)


@pytest.mark.parametrize("theme", ["light", "high-contrast", "terminal"])
def test_themes(snap_compare: Compare, theme: str) -> None:
    world = FakeServices()
    world.preferences.set("theme", theme)
    assert snap_compare(Home(world), terminal_size=(120, 24), run_before=_settle)


@pytest.mark.parametrize(
    "environment", [{"TERM": "linux", "COLORTERM": ""}, {"NO_COLOR": "1"}], ids=["16-colours", "no-colour"]
)
def test_plain_terminals(snap_compare: Compare, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert snap_compare(Home(FakeServices()), terminal_size=(80, 24), run_before=_settle)
