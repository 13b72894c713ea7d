"""Going to another context or namespace inside the console, over real sockets: nothing stays behind, nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from textual.pilot import Pilot

from genai_tui.composition import build_services
from genai_tui.domain.rows import Link
from genai_tui.sandbox import registry
from genai_tui.settings import Settings
from screens.app import GenaiTui
from screens.wizard.screen import WizardScreen
from tests.rbac.test_console import named
from tests.rbac.test_roles import Noted, world
from tests.sandbox.serving import Served
from tests.screens.console import page, paste, wait_until
from tests.screens.home import table

__all__ = ["named", "world"]


def kubeconfig(server: Served, path: Path) -> Path:
    """One file with three contexts."""
    whole: dict[str, Any] = yaml.safe_load(server.kubeconfig("admin").read_text(encoding="utf-8"))
    whole["users"] = [
        {"name": who, "user": {"token": who if who == "admin" else f"token-{who}"}}
        for who in ("admin", "cluster-viewer", "namespace-viewer")
    ]
    whole["contexts"] = [
        {"name": "all", "context": {"cluster": "c", "user": "admin"}},
        {"name": "prod-eu", "context": {"cluster": "c", "user": "cluster-viewer"}},
        {"name": "one", "context": {"cluster": "c", "user": "namespace-viewer", "namespace": "team-a"}},
    ]
    whole["current-context"] = "all"
    path.write_text(yaml.safe_dump(whole), encoding="utf-8")
    return path


async def go(pilot: Pilot[Any], key: str, title: str, words: str) -> None:
    """Press the key, narrow the list, take what is left."""
    before = pilot.app.services  # type: ignore[attr-defined]
    await pilot.press(key)
    await wait_until(pilot, lambda: title in page(pilot.app))
    await paste(pilot, words)
    await pilot.press("enter")
    await wait_until(pilot, lambda: pilot.app.services is not before, f"gone to {words}")  # type: ignore[attr-defined]
    services = pilot.app.services  # type: ignore[attr-defined]
    await wait_until(pilot, lambda: services.picture.health.link is Link.LIVE and "chat" in page(pilot.app))


async def test_contexts_and_namespaces_are_left_clean(named: tuple[Served, Noted], tmp_path: Path) -> None:
    server, _ = named
    path = kubeconfig(server, tmp_path / "three")
    first = build_services(Settings(kubeconfig=str(path), production=("prod-*",), state=tmp_path / "state"))
    app = GenaiTui(first)

    def open_now() -> int:
        return server.call(lambda: len(server._server.server_state.connections))

    async with app.run_test(size=(110, 32), notifications=True) as pilot:
        await wait_until(pilot, lambda: first.picture.health.link is Link.LIVE and "chat" in page(app))
        # A form with something typed into it.
        await pilot.press("n")
        await wait_until(pilot, lambda: isinstance(app.screen, WizardScreen))
        await paste(pilot, "half-typed")
        await go(pilot, "f6", "Go to context", "prod")
        assert "prod-eu" in page(app).splitlines()[0]
        assert first.operations._connection.http.is_closed  # type: ignore[attr-defined]
        assert not first.picture._callbacks  # type: ignore[attr-defined]
        kept = app.services.drafts.saved()
        assert [draft.fields["name"] for draft in kept] == ["half-typed"]
        assert "unfinished" in page(app)

        await go(pilot, "f7", "Work in namespace", "team-a")
        assert "team-a" in page(app).splitlines()[0]
        assert {row.ref.namespace for row in app.services.picture.deployments()} == {"team-a"}
        await go(pilot, "f6", "Go to context", "one")
        once = open_now()
        await go(pilot, "f6", "Go to context", "all")
        assert "search" in page(app)
        await go(pilot, "f6", "Go to context", "one")
        await wait_until(
            pilot, lambda: open_now() <= once + 2, "the connections of the places that were left are closed"
        )
        assert app._exception is None


async def test_what_may_not_be_listed_can_be_typed_and_a_broken_context_changes_nothing(
    named: tuple[Served, Noted], tmp_path: Path
) -> None:
    server, _ = named
    path = kubeconfig(server, tmp_path / "three")
    whole = yaml.safe_load(path.read_text(encoding="utf-8"))
    whole["contexts"].append({"name": "broken", "context": {"cluster": "gone", "user": "admin"}})
    path.write_text(yaml.safe_dump(whole), encoding="utf-8")
    first = build_services(Settings(kubeconfig=str(path), context="one", state=tmp_path / "state"))
    app = GenaiTui(first)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await wait_until(pilot, lambda: first.picture.health.link is Link.LIVE and "chat" in page(app))
        await pilot.press("f6")
        await wait_until(pilot, lambda: "Go to context" in page(app))
        await paste(pilot, "broken")
        await pilot.press("enter")
        await wait_until(pilot, lambda: "which the kubeconfig does" in " ".join(page(app).split()))
        await pilot.press("escape")
        assert app.services is first
        await pilot.press("f7")
        await wait_until(pilot, lambda: "not all may be listed" in page(app))
        await paste(pilot, "search")
        await pilot.press("enter")
        await wait_until(pilot, lambda: app.services is not first)
        await wait_until(pilot, lambda: "Deployments are not listed" in page(app))
        assert "in namespace search" in " ".join(page(app).split())


async def test_a_write_in_production_is_asked_about_once_more_by_the_name_of_the_context(
    named: tuple[Served, Noted], tmp_path: Path
) -> None:
    server, _ = named
    path = server.kubeconfig("admin", "team-a")
    first = build_services(Settings(kubeconfig=str(path), production=("c*",), state=tmp_path / "state"))
    app = GenaiTui(first)

    def wanted() -> int:
        found = server.call(lambda: server.api.get(registry.DEPLOYMENTS, "team-a", "chat"))
        replicas: int = found["spec"]["replicas"]
        return replicas

    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await wait_until(pilot, lambda: first.picture.health.link is Link.LIVE and "chat" in page(app))
        assert "▲ c" in page(app).splitlines()[0]
        while (cursor := table(pilot).cursor) is None or cursor.name != "chat":
            await pilot.press("down")

        async def scale(to: str) -> None:
            await pilot.press("s")
            await wait_until(pilot, lambda: "Scale team-a/chat in c" in page(app))
            await pilot.press("backspace")
            await paste(pilot, to)
            await pilot.press("enter")
            await wait_until(pilot, lambda: "Write to production: c?" in page(app))

        await scale("2")
        assert "apply Deployment team-a/chat" in " ".join(page(app).split())
        await paste(pilot, "chat")
        await pilot.press("enter")
        await wait_until(pilot, lambda: "that is not c" in page(app))
        await pilot.press("escape")
        await wait_until(pilot, lambda: "nothing was written" in page(app))
        await pilot.press("enter")
        assert wanted() == 1

        await scale("2")
        await paste(pilot, "c")
        await pilot.press("enter")
        await wait_until(pilot, lambda: wanted() == 2)
