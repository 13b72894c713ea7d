"""Whatever a container, or anybody who may write an event, says: a terminal shows it, and never acts on it."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from genai_tui.composition import render_for_sandbox
from genai_tui.domain.naming import DEPLOYMENT_LABEL
from genai_tui.sandbox import registry
from genai_tui.sandbox.scenarios import build
from genai_tui.sandbox.world import World
from tests.journeys.test_recovery import Cluster, console, says
from tests.sandbox.serving import served
from tests.screens.console import page

HOSTILE = "fatal: \x1b]0;PWNED\x07\x1b[2J\x1b[31mred\x1b[0m \u202ereversed\x9b5n"
SHOWN = "fatal: ␛]0;PWNED␇␛[2Jred"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """The tour, with a container that ended in those words, and an event that says them."""
    world = World()
    build(world, "tour", render_for_sandbox)
    world.clock.advance(300)
    say(world)
    with served(tmp_path, world.api) as server:
        yield Cluster(world, server)


def say(world: World) -> None:
    pod = next(
        pod
        for pod in world.objects.list(registry.PODS)
        if (pod["metadata"].get("labels") or {}).get(DEPLOYMENT_LABEL) == "extract"
    )
    status = copy.deepcopy(pod["status"])
    ended = {"exitCode": 1, "reason": "Error", "message": HOSTILE}
    status["containerStatuses"][0] |= {
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": HOSTILE}},
        "lastState": {"terminated": ended},
    }
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    world.api.update_status(registry.PODS, namespace, name, status)
    event: dict[str, Any] = {
        "metadata": {"generateName": "hostile-", "namespace": namespace},
        "involvedObject": {"kind": "Pod", "namespace": namespace, "name": name},
        "type": "Warning",
        "reason": "\x1b[2JBad",
        "message": HOSTILE,
        "lastTimestamp": world.clock.stamp(),
    }
    world.api.create(registry.EVENTS, namespace, event)


async def test_no_screen_gives_the_terminal_an_escape(cluster: Cluster, tmp_path: Path) -> None:
    async with console(cluster, tmp_path / "state") as pilot:
        await says(pilot, "extract")
        await says(pilot, "fatal:")
        seen = [page(pilot.app)]
        for keys in (["d"], ["escape", "enter"], ["2"], ["3"], ["6"], ["7"]):
            await pilot.press(*keys)
            await pilot.pause()
            seen.append(page(pilot.app))
        await pilot.press("2")
        await says(pilot, SHOWN)
        for text in (*seen, page(pilot.app)):
            assert all(character.isprintable() for character in text.replace("\n", "")), text


@pytest.mark.parametrize("command", [["explain", "extract", "-n", "search"], ["get", "deployments", "-A"]])
def test_no_command_prints_an_escape(cluster: Cluster, command: list[str]) -> None:
    def printed(*more: str) -> str:
        argv = [sys.executable, "-m", "genai_tui", *command, "--kubeconfig", str(cluster.served.kubeconfig()), *more]
        return subprocess.run(argv, check=True, capture_output=True, timeout=60, encoding="utf-8").stdout

    table = printed()
    assert SHOWN in table
    assert all(character.isprintable() for character in table.replace("\n", "")), table
    assert SHOWN in json.dumps(json.loads(printed("-o", "json")), ensure_ascii=False)
