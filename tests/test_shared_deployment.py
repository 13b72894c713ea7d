"""Two consoles and a `kubectl edit` on one deployment: no field is lost, and each is told what happened."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from genai_tui.domain.rows import Ref
from genai_tui.files import read_documents
from genai_tui.kube.manifests.deployment import read_deployment
from genai_tui.sandbox import registry
from genai_tui.sandbox.scenarios import CATALOGUE
from genai_tui.services import Services
from screens.app import GenaiTui
from screens.deployment.screen import DeploymentScreen
from screens.dialogs.confirm import ConfirmDialog
from screens.dialogs.disputes import DisputesDialog
from screens.wizard.review import ReviewPane
from screens.wizard.screen import WizardScreen
from tests.sandbox.serving import Served
from tests.sandbox.test_kubectl import BINARIES
from tests.screens.console import page, wait_until
from tests.test_operations import connected, document

MINE = Ref("default", "mine")
pytestmark = pytest.mark.skipif(not BINARIES, reason="no kubectl is installed")


async def ready(cluster: Served, role: str, state: Path) -> Services:
    services = await connected(cluster, role, state)
    while not (services.picture.models() and services.picture.endpoints() and services.picture.deployments()):
        await services.settle()
    return services


@pytest.fixture
async def consoles(cluster: Served, tmp_path: Path) -> tuple[GenaiTui, GenaiTui]:
    first = await connected(cluster, "admin", tmp_path / "setting-up")
    await first.apply_documents(read_documents(CATALOGUE), False)
    while not first.picture.models() or not first.picture.endpoints():
        await first.settle()
    await first.operations.apply(document())
    await first.close()
    # Each closes its services when it ends.
    return (
        GenaiTui(await ready(cluster, "admin", tmp_path / "a")),
        GenaiTui(await ready(cluster, "operator", tmp_path / "b")),
    )


def seen(app: GenaiTui) -> str:
    """What the terminal of one of the consoles shows."""
    with app._context():
        return page(app)


def messages(app: GenaiTui) -> list[str]:
    """What the console notified of."""
    return [notice.message for notice in app._notifications]


def kubectl_edit(cluster: Served, editor: Path, old: str, new: str) -> str:
    """`kubectl edit` with an editor that replaces one text, as an operator at another desk does."""
    editor.write_text(f"#!/bin/sh\nsed -i 's#{old}#{new}#' \"$1\"\n", encoding="utf-8")
    editor.chmod(0o700)
    environment = {**os.environ, "KUBE_EDITOR": str(editor)}
    command = [str(BINARIES[0]), "--kubeconfig", str(cluster.kubeconfig("operator")), "edit", "deployment/mine"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def opened(pilot: Pilot[Any], app: GenaiTui) -> WizardScreen:
    app.open_wizard(edit=MINE)
    await wait_until(pilot, lambda: isinstance(app.screen, WizardScreen) and app.screen.is_mounted)
    screen = app.screen
    assert isinstance(screen, WizardScreen)
    await wait_until(pilot, lambda: screen.controls())
    return screen


async def change(pilot: Pilot[Any], form: WizardScreen, field: str, text: str) -> None:
    await form.go_to(field)
    await pilot.pause()
    await pilot.press("end", "ctrl+u", *text)
    await wait_until(pilot, lambda: form.state.draft[field] == text, field)


async def save(pilot: Pilot[Any], form: WizardScreen) -> None:
    if not form.has_class("-review"):
        await pilot.press("ctrl+s")
    pane = form.query_one(ReviewPane)
    await wait_until(pilot, lambda: pane._preview is not None, "the server's answer")
    await pilot.press("ctrl+s")


def engine(cluster: Served) -> tuple[dict[str, Any], dict[str, Any]]:
    live = cluster.call(lambda: cluster.api.get(registry.DEPLOYMENTS, "default", "mine"))
    container: dict[str, Any] = live["spec"]["template"]["spec"]["containers"][0]
    return live, container


@pytest.mark.timeout(90)
async def test_no_field_is_lost_and_each_is_told(
    cluster: Served, consoles: tuple[GenaiTui, GenaiTui], tmp_path: Path
) -> None:
    a, b = consoles
    async with a.run_test(size=(120, 40), notifications=True) as at_a, b.run_test(size=(120, 40)) as at_b:
        form_a, form_b = await opened(at_a, a), await opened(at_b, b)
        await change(at_a, form_a, "engine.replicas", "3")
        await change(at_a, form_a, "engine.contextLength", "1024")

        # The other console saves first: no one is in its way.
        await change(at_b, form_b, "engine.replicas", "2")
        await change(at_b, form_b, "description", "by b")
        await save(at_b, form_b)
        await wait_until(at_b, lambda: isinstance(b.screen, DeploymentScreen), "b has saved")
        await wait_until(
            at_a, lambda: any("Another console saved" in told for told in messages(a)), "a is told at once"
        )

        # Then somebody edits the live object.
        old, new = "image: vllm/vllm-openai:v0.33.0", "image: vllm/vllm-openai:v0.34.0"
        assert "edited" in await asyncio.to_thread(kubectl_edit, cluster, tmp_path / "editor", old, new)
        await at_b.press("1")
        await wait_until(at_b, lambda: "CHANGED ELSEWHERE" in seen(b) and "kubectl-edit" in seen(b), "b is told")

        # Now the first console saves its old form: both edits side by side, then what kubectl holds.
        await save(at_a, form_a)
        await wait_until(at_a, lambda: isinstance(a.screen, DisputesDialog), "the merge")
        for text in ("saved by another console", "Description: (empty) → by b", "Context length stays", "Replicas"):
            assert text in seen(a)
        await at_a.press("t", "enter")
        await wait_until(at_a, lambda: a.screen is form_a)
        assert form_a.state.draft["engine.replicas"] == "2"
        assert form_a.state.draft["description"] == "by b"
        await save(at_a, form_a)
        await wait_until(at_a, lambda: isinstance(a.screen, DisputesDialog), "kubectl's field")
        assert "theirs, kubectl-edit: vllm/vllm-openai:v0.34.0" in seen(a)
        await at_a.press("t", "enter")
        await wait_until(at_a, lambda: isinstance(a.screen, DeploymentScreen), "a has saved")

        live, container = engine(cluster)
        assert (live["spec"]["replicas"], container["image"]) == (2, "vllm/vllm-openai:v0.34.0")
        assert container["args"][container["args"].index("--max-model-len") + 1] == "1024"
        kept = read_deployment("mine", "default", live["metadata"]["annotations"])
        assert kept is not None
        assert (kept.spec.description, kept.spec.engine.replicas) == ("by b", 2)
        assert (kept.spec.engine.context_length, kept.spec.engine.image) == (1024, "vllm/vllm-openai:v0.34.0")
        # Nothing is left to tell: what is live is what the spec says.
        await wait_until(at_b, lambda: "CHANGED ELSEWHERE" not in seen(b), "agreed")


@pytest.mark.timeout(60)
async def test_a_kept_form_that_is_behind_is_merged_too(cluster: Served, consoles: tuple[GenaiTui, GenaiTui]) -> None:
    """A draft from yesterday holds every field as it was: it must not bring them back."""
    a, b = consoles
    async with a.run_test(size=(120, 40)) as at_a:
        form = await opened(at_a, a)
        await change(at_a, form, "engine.contextLength", "1024")
        await form.keeper.write()
        await wait_until(at_a, lambda: form.keeper.kept, "kept on disk")
        (kept,) = a.services.drafts.saved()
        await b.services.operations.scale(MINE, 2)
        await b.services.close()
        a.pop_screen()
        detail = a.services.picture.deployment
        await wait_until(at_a, lambda: (found := detail(MINE)) is not None and found.row.replicas == 2)
        a.resume_draft(kept)
        await wait_until(at_a, lambda: isinstance(a.screen, WizardScreen) and a.screen.is_mounted)
        again = a.screen
        assert isinstance(again, WizardScreen)
        await save(at_a, again)
        await wait_until(at_a, lambda: isinstance(a.screen, ConfirmDialog), "both edits")
        assert "Replicas: 1 → 2" in seen(a)
        await at_a.press("y")
        await wait_until(at_a, lambda: a.screen is again)
        await save(at_a, again)
        await wait_until(at_a, lambda: isinstance(a.screen, DeploymentScreen), "saved")
        live, container = engine(cluster)
        assert live["spec"]["replicas"] == 2
        assert "1024" in container["args"]
