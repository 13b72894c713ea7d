"""The audit: every write, what it changed, and undoing the last one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Protocol

import pytest
from textual.pilot import Pilot

from genai_tui.domain.audit import Undo, Verb, Write
from genai_tui.domain.disputes import Dispute, Resolution, Stand
from genai_tui.errors import Disputed, GenaiTuiError
from screens.app import GenaiTui
from screens.audit import AuditScreen
from screens.deployment.screen import DeploymentScreen
from screens.dialogs.confirm import ConfirmDialog
from screens.dialogs.difference import DifferenceDialog
from screens.dialogs.disputes import DisputesDialog
from tests.fakes.services import FakeServices
from tests.fakes.tour import CHAT, NOW
from tests.screens.console import Console, page, plain_terminals, showing, wait_until

DIFF = """\
--- live Deployment team-a/chat
+++ applied Deployment team-a/chat
@@ -14,7 +14,7 @@
 spec:
-  replicas: 1
+  replicas: 2
"""
SERVER = "https://127.0.0.1:6443"


def write(number: int, minutes: int, verb: Verb, kind: str, name: str, result: str, **more: str) -> Write:
    at = NOW - timedelta(minutes=minutes)
    cluster = more.pop("cluster", SERVER)
    return Write(f"w{number}", f"a{number}", at, more.pop("who", "olga"), cluster, "tour", verb, kind, "apps/v1",
                 "team-a", name, result, **more)  # fmt: skip


ROWS = [
    write(5, 2, Verb.APPLY, "Deployment", "chat", "changed", diff=DIFF),
    write(4, 9, Verb.PATCH, "Deployment", "chat", "changed", diff=DIFF),
    write(3, 64, Verb.APPLY, "Service", "chat", "refused", detail="olga may not patch services in namespace team-a"),
    write(2, 65, Verb.DELETE, "Deployment", "summarize-old", "deleted", who="system:serviceaccount:team-a:deployer"),
    write(1, 300, Verb.APPLY, "Deployment", "chat", "not known", detail="interrupted before the answer"),
    write(0, 9000, Verb.CREATE, "Deployment", "other", "created", cluster="https://elsewhere"),
]
PLAN = Undo("a5", "apply Deployment team-a/chat as it was before", "", DIFF, "", (ROWS[0],))


@pytest.fixture
def world() -> FakeServices:
    found = FakeServices()
    found.audit.rows = list(ROWS)
    found.audit.plan = PLAN
    return found


async def test_every_write_is_listed_and_says_what_it_changed(world: FakeServices) -> None:
    async with showing(world, AuditScreen()) as pilot:
        await wait_until(pilot, lambda: "Service team-a/chat" in page(pilot.app))
        text = page(pilot.app)
        assert "✖ refused" in text
        assert "? not known" in text
        assert "other" not in text
        await pilot.press("enter")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, DifferenceDialog))
        assert "+  replicas: 2" in page(pilot.app)
        assert "by olga, context tour" in page(pilot.app)
        await pilot.press("y")
        assert isinstance(pilot.app.screen, DifferenceDialog), "there is nothing to say yes to"
        await pilot.press("escape", "c", "w", "w")
        await wait_until(pilot, lambda: "Deployment team-a/other" in page(pilot.app))


async def test_the_last_write_is_undone_after_its_difference_was_shown(world: FakeServices) -> None:
    async with showing(world, AuditScreen()) as pilot:
        for key in ("n", "escape"):
            await pilot.press("u")
            await wait_until(pilot, lambda: isinstance(pilot.app.screen, DifferenceDialog))
            assert "Undo: apply Deployment team-a/chat as it was before?" in page(pilot.app)
            assert "In tour, of what olga wrote 2m ago." in page(pilot.app)
            await pilot.press(key)
        assert world.audit.undone == []
        await pilot.press("u")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, DifferenceDialog))
        await pilot.press("y")
        await wait_until(pilot, lambda: world.audit.undone)
        assert world.audit.undone == [("a5", {})]


async def test_undoing_asks_about_fields_that_others_hold_too(
    world: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Dispute("Deployment team-a/chat", ".spec.replicas", "kubectl", "5", "1", "engine.replicas")
    done: list[Resolution] = []

    async def undo(undo: Undo, resolution: Resolution) -> None:
        if not resolution:
            raise Disputed((held,))
        done.append(resolution)

    monkeypatch.setattr(world.audit, "undo", undo)
    async with showing(world, AuditScreen()) as pilot:
        await pilot.press("u")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, DifferenceDialog))
        await pilot.press("y")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, DisputesDialog))
        await pilot.press("o", "enter")
        await wait_until(pilot, lambda: done)
    assert done == [{held.key: Stand.OURS}]


async def test_what_cannot_be_undone_or_recorded_or_read_is_told(world: FakeServices) -> None:
    world.audit.plan = Undo("a4", "", "pods that were replaced do not come back", writes=(ROWS[1],))
    world.audit.problem = "apply of Deployment team-a/chat is not in the audit: the disk is full"
    async with showing(world, AuditScreen()) as pilot:
        await wait_until(pilot, lambda: "the disk is full" in page(pilot.app))
        await pilot.press("u")
        await wait_until(pilot, lambda: "pods that were replaced" in page(pilot.app))
        world.audit.failure = GenaiTuiError("the ledger failed", why="the disk is full")
        await pilot.press("r")
        await wait_until(pilot, lambda: "✖ the ledger failed" in page(pilot.app))
        assert "Service team-a/chat" in page(pilot.app), "the last state stays"


async def test_a_read_only_console_shows_and_undoes_nothing(world: FakeServices) -> None:
    world = FakeServices(read_only=True)
    world.audit.rows, world.audit.plan = list(ROWS), PLAN
    async with showing(world, AuditScreen()) as pilot:
        await wait_until(pilot, lambda: "Service team-a/chat" in page(pilot.app))
        await pilot.press("u")
        await pilot.pause()
        assert isinstance(pilot.app.screen, AuditScreen)
        assert "Undo" not in page(pilot.app)


async def test_it_is_a_key_away_from_access(world: FakeServices) -> None:
    async with showing(world, None) as pilot:
        app = pilot.app
        assert isinstance(app, GenaiTui)
        app.open_area("access")
        await wait_until(pilot, lambda: "Audit" in page(app))
        await pilot.press("a")
        await wait_until(pilot, lambda: isinstance(app.screen, AuditScreen))
        await pilot.press("escape")
        await wait_until(pilot, lambda: not isinstance(app.screen, AuditScreen))


class Compare(Protocol):
    """The plugin's fixture."""

    def __call__(
        self, app: Console, *, terminal_size: tuple[int, int], run_before: Callable[[Pilot[Any]], Awaitable[None]]
    ) -> bool: ...


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
@pytest.mark.parametrize("state", ["writes", "none", "undo"])
def test_look(snap_compare: Compare, world: FakeServices, size: tuple[int, int], state: str) -> None:
    if state == "none":
        world.audit.rows = []

    async def before(pilot: Pilot[Any]) -> None:
        await wait_until(pilot, lambda: ("Nothing was" if state == "none" else "refused") in page(pilot.app))
        if state == "undo":
            await pilot.press("u")
            await wait_until(pilot, lambda: isinstance(pilot.app.screen, DifferenceDialog))

    assert snap_compare(Console(world, AuditScreen()), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
@plain_terminals
def test_look_in_plain_terminals(
    snap_compare: Compare,
    world: FakeServices,
    size: tuple[int, int],
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    test_look(snap_compare, world, size, "writes")


async def test_the_mouse_does_what_keys_do(world: FakeServices) -> None:
    async with showing(world, AuditScreen()) as pilot:
        await wait_until(pilot, lambda: "Service team-a/chat" in page(pilot.app))
        await pilot.click("#audit-clusters", offset=(20, 0))
        heads = page(pilot.app).splitlines()
        await pilot.click("#audit-window", offset=(heads[1].index("ever") - heads[1].index("○ 24h"), 0))
        await wait_until(pilot, lambda: "Deployment team-a/other" in page(pilot.app))
        heading = next(line for line in page(pilot.app).splitlines() if "VERB" in line)
        await pilot.click("#audit-table", offset=(heading.index("VERB"), 0))
        await wait_until(pilot, lambda: "VERB↑" in page(pilot.app), "a click on a heading sorts")
        await pilot.click("#audit-table", offset=(20, 1), times=2)
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, DifferenceDialog), "two clicks open a row")


async def test_a_write_that_could_not_be_recorded_is_told_when_it_is_made(world: FakeServices) -> None:
    async with showing(world, DeploymentScreen(CHAT)) as pilot:
        await wait_until(pilot, lambda: "chat" in page(pilot.app))
        world.audit.problem = "patch of Deployment team-a/chat is not in the audit: the disk is full"
        await pilot.press("r")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, ConfirmDialog))
        await pilot.press("y")
        await wait_until(pilot, lambda: "is being restarted" in page(pilot.app))
        assert "disk is full" in page(pilot.app)
