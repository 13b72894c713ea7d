"""How the Access screen looks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.fakes.services import FakeServices
from tests.screens.console import Console, page, wait_until
from tests.screens.test_access import ALICE_ASKED
from tests.screens.test_snapshots_usage import Compare

Before = Callable[[Pilot[Any]], Awaitable[None]]


@pytest.fixture(params=[(80, 24), (160, 48)], ids=["80x24", "160x48"])
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    chosen: tuple[int, int] = request.param
    return chosen


def look(compare: Compare, size: tuple[int, int], *keys: str, until: str, world: FakeServices | None = None) -> bool:
    world = world or FakeServices()
    world.usage.lines = (ALICE_ASKED,)

    async def before(pilot: Pilot[Any]) -> None:
        await pilot.app.switch_mode("access")
        await wait_until(pilot, lambda: "ORGANIZATION" in page(pilot.app) or "No organization" in page(pilot.app))
        await pilot.app.workers.wait_for_complete([w for w in pilot.app.workers if w.group == "keys"])
        await pilot.press(*keys)
        await wait_until(pilot, lambda: until in page(pilot.app))

    return compare(Console(world), terminal_size=size, run_before=before)


def test_organizations(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, until="2h")


def test_users(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, "v", until="carol")


def test_keys(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, "v", "v", until="k-33333333")


def test_key(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, "v", "v", "down", "enter", until="API key k-22222222")


def test_empty(snap_compare: Compare, size: tuple[int, int]) -> None:
    world = FakeServices()
    world.picture.organization_rows = ()
    world.keys.keys = []
    assert look(snap_compare, size, until="No organization yet", world=world)


def test_new_key(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, "K", *"nobody", "ctrl+s", until="is no user of")


def test_shown_once(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, "K", *"alice", "ctrl+s", until="export API_KEY")


def test_revoke(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, "R", until="Revoke every key")


def test_organization_form(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, "e", until="Edit organization org-a")
