"""The console in the hands of people who may do little: it opens everywhere, and says what is missing before it is tried."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets._toast import Toast

from genai_tui.composition import build_services
from genai_tui.domain.rows import Link
from genai_tui.sandbox import registry
from genai_tui.sandbox.authz import Identity
from genai_tui.settings import Settings
from screens.app import GenaiTui
from screens.deployment.screen import TABS
from screens.widgets.header import AREAS
from tests.rbac.test_roles import Noted, bind, settings, world
from tests.sandbox.serving import Served
from tests.screens.console import page, wait_until

__all__ = ["world"]
WRITING = {"create", "patch", "update", "delete", "deletecollection"}


@asynccontextmanager
async def console(given: Settings, *, size: tuple[int, int] = (110, 32)) -> AsyncIterator[Pilot[Any]]:
    """The program on a cluster, when its picture is complete."""
    services = build_services(given)
    app = GenaiTui(services)
    async with app.run_test(size=size, notifications=True) as pilot:
        await wait_until(pilot, lambda: services.picture.health.link is Link.LIVE)
        # The permissions are known: until then everything is offered.
        refused = services.access.permission
        await wait_until(pilot, lambda: not refused("create", "configmaps", "genai-tui").allowed)
        yield pilot


def toasts(pilot: Pilot[Any]) -> str:
    return " ".join(str(toast._notification.message) for toast in pilot.app.screen.query(Toast))


async def said(pilot: Pilot[Any], key: str) -> str:
    """What a key that may not act says."""
    pilot.app.clear_notifications()
    await pilot.press(key)
    await wait_until(pilot, lambda: toasts(pilot), f"a word about {key}")
    return toasts(pilot)


@pytest.fixture
def named(world: tuple[Served, Noted]) -> tuple[Served, Noted]:
    """With the roles bound."""
    for scope in ("namespace", "cluster"):
        bind(world[0], scope)
    return world


@pytest.mark.parametrize(("scope", "role"), [("namespace", "viewer"), ("cluster", "viewer")])
async def test_a_viewer_goes_everywhere_and_is_told_before_what_is_missing(
    scope: str, role: str, named: tuple[Served, Noted], tmp_path: Path
) -> None:
    server, noted = named
    who = f"{scope}-{role}"
    async with console(settings(server, scope, role, tmp_path / "state")) as pilot:
        app = pilot.app
        await wait_until(pilot, lambda: "chat" in page(app) and "Running" in page(app))
        assert ("search" in page(app)) == (scope == "cluster")
        noted.granted, noted.refused = set(), set()

        where = "in namespace team-a" if scope == "namespace" else "in namespace search"
        assert f"{who} may not create deployments.apps {where}" in await said(pilot, "n") or scope == "cluster"
        assert f"{who} may not patch deployments.apps {where}" in await said(pilot, "s")
        assert f"{who} may not patch deployments.apps {where}" in await said(pilot, "e")
        assert f"{who} may not delete deployments.apps {where}" in await said(pilot, "ctrl+d")
        assert f"{who} may not create services/proxy {where}" in await said(pilot, "c")

        for number, (area, title) in enumerate(AREAS, 1):
            await pilot.press(str(number))
            await wait_until(pilot, lambda area=area: app.current_mode == area)  # type: ignore[misc]
            assert title in page(app)
        await pilot.press("2")
        await wait_until(pilot, lambda: "smollm2-135m" in page(app))
        assert f"{who} may not create configmaps in namespace genai-tui" in await said(pilot, "n")
        await pilot.press("4")
        await wait_until(pilot, lambda: "org-a" in page(app))
        assert f"{who} may not create configmaps in namespace genai-tui" in await said(pilot, "n")
        await pilot.press("v", "v")
        await wait_until(pilot, lambda: f"keys cannot be listed: {who} may not list secrets" in page(app))
        await pilot.press("5")
        unseen = f"not visible to you: {who} may not list nodes in the whole cluster"
        await wait_until(pilot, lambda: ((unseen in page(app)) == (scope == "namespace")) and "nodes" in page(app))
        assert "0 node" not in page(app)

        await pilot.press("1", "enter")
        await wait_until(pilot, lambda: "Overview" in page(app))
        for number, (name, _) in enumerate(TABS, 1):
            await pilot.press(str(number))
            await wait_until(pilot, lambda name=name: getattr(app.screen, "_tab", "") == name)  # type: ignore[misc]
        for key, verb in (("s", "patch"), ("e", "patch"), ("r", "patch"), ("ctrl+d", "delete"), ("P", "patch")):
            assert f"{who} may not {verb} deployments.apps {where}" in await said(pilot, key)
        assert f"{who} may not create services/proxy {where}" in await said(pilot, "c")
        assert app._exception is None
    assert {
        w for w in noted.refused | noted.granted if w.verb in WRITING and not w.resource.startswith("self")
    } == set()


async def test_who_sees_nothing_is_told_so_and_by_whom(named: tuple[Served, Noted], tmp_path: Path) -> None:
    server, _ = named
    server.authz.tokens["token-nobody"] = Identity("nora", ())
    given = Settings(kubeconfig=str(server.kubeconfig("token-nobody", "team-a")), state=tmp_path / "state")
    async with console(given, size=(80, 24)) as pilot:
        app = pilot.app
        await wait_until(pilot, lambda: "Deployments are not listed" in page(app))
        assert "nora may not list deployments.apps in namespace team-a" in " ".join(page(app).split())
        for number, words in ((2, "configmaps"), (3, "configmaps"), (4, "configmaps"), (5, "nodes")):
            await pilot.press(str(number))
            await wait_until(pilot, lambda words=words: f"may not list {words}" in " ".join(page(app).split()))  # type: ignore[misc]
            assert "No model yet" not in page(app)
        await pilot.press("6")
        await wait_until(pilot, lambda: app.current_mode == "usage")
        assert app._exception is None


async def test_a_role_without_logs_or_events_says_so_where_they_would_be(
    named: tuple[Served, Noted], tmp_path: Path
) -> None:
    server, _ = named
    kept = [
        {"apiGroups": ["apps"], "resources": ["deployments", "replicasets"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
    ]

    def less() -> None:
        role = server.api.get(registry.ROLES, "team-a", "genai-tui-viewer")
        server.api.update(registry.ROLES, "team-a", "genai-tui-viewer", {**role, "rules": kept})

    server.call(less)
    async with console(settings(server, "namespace", "viewer", tmp_path / "state")) as pilot:
        app = pilot.app
        await wait_until(pilot, lambda: "chat" in page(app))
        assert "may not get pods/log in namespace team-a" in await said(pilot, "l")
        found = app.services.picture.deployments  # type: ignore[attr-defined]
        await wait_until(
            pilot, lambda: any("may not get services/proxy" in str(row.assessment.cause) for row in found())
        )
        await pilot.press("enter", "2")
        words = "not visible to you: namespace-viewer may not list events in namespace team-a"
        await wait_until(pilot, lambda: words in " ".join(page(app).split()))
