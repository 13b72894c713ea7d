"""The developer hub: what there is, for whom, and the page of one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
from textual.pilot import Pilot

from screens.access import AccessScreen
from screens.app import GenaiTui
from screens.audit import AuditScreen
from screens.deployment.screen import DeploymentScreen
from screens.hub import HubPageScreen, HubScreen
from screens.models import ModelsScreen
from screens.usage import UsageScreen
from tests.fakes.services import FakeServices
from tests.fakes.tour import CHAT
from tests.screens.console import Console, page, showing, wait_until


class Compare(Protocol):
    """`snap_compare` of pytest-textual-snapshot."""

    def __call__(
        self, app: Console, *, terminal_size: tuple[int, int], run_before: Callable[[Pilot[Any]], Awaitable[None]]
    ) -> bool: ...


async def test_the_page_of_a_deployment_has_all_that_is_needed_and_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with showing(FakeServices(), HubScreen(), size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: "team-a/chat" in page(pilot.app))
        await pilot.press("o")
        await wait_until(pilot, lambda: "Who looks?" in page(pilot.app))
        await pilot.press(*"org-b", "enter")
        await wait_until(pilot, lambda: "what org-b may call" in page(pilot.app))
        assert "search/embed" not in page(pilot.app), "it is shared with nobody"
        await pilot.press("w")
        await wait_until(pilot, lambda: (tmp_path / "models.md").exists())
        await pilot.press("enter")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, HubPageScreen) and "API key" in page(pilot.app))
        assert "smollm2-135m" in page(pilot.app)
        await pilot.press("w")
        await wait_until(pilot, lambda: (tmp_path / "team-a-chat.md").exists())
        await pilot.press("escape")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, HubScreen))
    written = (tmp_path / "team-a-chat.md").read_text()
    for needed in (
        "export API_KEY=",
        "## Limits",
        "| price |",
        "| context |",
        "| shared with |",
        "### curl",
        "### Node",
    ):
        assert needed in written
    assert "chat" in (tmp_path / "models.md").read_text()


async def test_it_is_one_key_from_anywhere() -> None:
    app = GenaiTui(FakeServices().build())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        await pilot.press("H")
        await wait_until(pilot, lambda: isinstance(app.screen, HubScreen))
        await pilot.press("H", "escape")
        await wait_until(pilot, lambda: not isinstance(app.screen, HubScreen))


async def test_the_digits_of_the_header_lead_out_of_every_screen_that_is_opened_on_top() -> None:
    app = GenaiTui(FakeServices().build())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        await pilot.press("H")
        await wait_until(pilot, lambda: isinstance(app.screen, HubScreen))
        await pilot.press("4")
        await wait_until(pilot, lambda: isinstance(app.screen, AccessScreen))
        await pilot.press("a")
        await wait_until(pilot, lambda: isinstance(app.screen, AuditScreen))
        await pilot.press("2")
        await wait_until(pilot, lambda: isinstance(app.screen, ModelsScreen))
        await pilot.press("1")
        await wait_until(pilot, lambda: isinstance(app.screen, HubScreen))
        await wait_until(pilot, lambda: "team-a/chat" in page(app))
        await pilot.press("enter")
        await wait_until(pilot, lambda: isinstance(app.screen, HubPageScreen))
        await pilot.press("6")
        await wait_until(pilot, lambda: isinstance(app.screen, UsageScreen))
        # One deployment has seven tabs: there the digits are theirs.
        app.open_deployment(CHAT)
        await wait_until(pilot, lambda: isinstance(app.screen, DeploymentScreen))
        await pilot.press("4")
        await wait_until(pilot, lambda: isinstance(app.screen, DeploymentScreen) and "WHERE IT ANSWERS" in page(app))


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
def test_hub(snap_compare: Compare, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        await wait_until(pilot, lambda: "team-a/chat" in page(pilot.app))

    assert snap_compare(Console(FakeServices(), HubScreen()), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
def test_hub_page(snap_compare: Compare, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        await wait_until(pilot, lambda: "smollm2-135m" in page(pilot.app))

    assert snap_compare(Console(FakeServices(), HubPageScreen(CHAT, None)), terminal_size=size, run_before=before)
