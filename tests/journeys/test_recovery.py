"""The console on a cluster that misbehaves: it says so, marks what is stale, recovers by itself, and ends like kubectl."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from genai_tui import wiring
from genai_tui.composition import build_services, render_for_sandbox
from genai_tui.domain.naming import DEPLOYMENT_LABEL
from genai_tui.kube import reads
from genai_tui.sandbox import registry
from genai_tui.sandbox.faults import Fault
from genai_tui.sandbox.kubelet import DOWN_ANNOTATION
from genai_tui.sandbox.scenarios import build
from genai_tui.sandbox.world import World
from genai_tui.settings import Settings
from screens.app import GenaiTui
from tests.sandbox.serving import Served, served
from tests.screens.console import page

KUBECTL = Path(sys.executable).with_name("kubectl")
GONE_S = float(os.environ.get("GENAI_TUI_TEST_GONE_S", "2"))
"""How long the server stays away; try 60."""
ROW = re.compile(r"^ (\S+) +(\S+) .* (\d+/\d+) ", re.MULTILINE)
Deployments = set[tuple[str, str, str]]


@dataclass
class Cluster:
    """The tour behind a real socket, stepped by hand."""

    world: World
    served: Served

    def advance(self, seconds: float) -> None:
        self.served.call(lambda: self.world.clock.advance(seconds))

    def scale(self, name: str, replicas: int) -> None:
        kind, patch = "application/merge-patch+json", {"spec": {"replicas": replicas}}
        self.served.call(lambda: self.world.api.patch(registry.DEPLOYMENTS, "team-a", name, patch, kind))
        self.advance(60)

    def kubectl(self) -> Deployments:
        """What `kubectl get deployments -A` says."""
        argv = [str(KUBECTL), "--kubeconfig", str(self.served.kubeconfig()), "get", "deployments", "-A", "-o", "json"]
        items = json.loads(subprocess.run(argv, check=True, capture_output=True, timeout=30).stdout)["items"]
        return {
            (
                item["metadata"]["name"],
                item["metadata"]["namespace"],
                f"{item['status'].get('readyReplicas', 0)}/{item['spec']['replicas']}",
            )
            for item in items
        }


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    # The same rules on a shorter scale.
    monkeypatch.setattr(reads, "MAX_PAUSE_S", 0.3)
    monkeypatch.setattr(wiring, "PING_EVERY_S", 0.1)
    world = World()
    build(world, "tour", render_for_sandbox)
    world.clock.advance(300)
    with served(tmp_path, world.api) as server:
        yield Cluster(world, server)


@contextlib.asynccontextmanager
async def console(cluster: Cluster, state: Path) -> AsyncIterator[Pilot[Any]]:
    app = GenaiTui(build_services(Settings(kubeconfig=str(cluster.served.kubeconfig()), state=state)))
    async with app.run_test(size=(160, 48), notifications=True) as pilot:
        yield pilot


def listed(pilot: Pilot[Any]) -> Deployments:
    """What the list on the screen says."""
    return {(name, namespace, ready) for name, namespace, ready in ROW.findall(page(pilot.app)) if name != "NAME"}


async def until(pilot: Pilot[Any], true: Callable[[], object], what: str) -> None:
    for _ in range(1500):
        if true():
            return
        await pilot.pause()
        await asyncio.sleep(0.01)
    raise AssertionError(f"never happened: {what}\n{page(pilot.app)}")


async def says(pilot: Pilot[Any], text: str) -> None:
    await until(pilot, lambda: text in page(pilot.app), text)


async def ends_like_kubectl(pilot: Pilot[Any], cluster: Cluster) -> None:
    wanted = await asyncio.to_thread(cluster.kubectl)
    await until(pilot, lambda: listed(pilot) == wanted, f"{wanted}")


async def test_a_stalled_watch_is_noticed_and_nothing_is_missed(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "SILENCE_LIMIT_S", 0.4)
    stall = cluster.served.faults.add(Fault("deployments.*watch=1", stall_after=0, times=2))
    async with console(cluster, tmp_path / "state") as pilot:
        await ends_like_kubectl(pilot, cluster)
        cluster.scale("chat", 2)
        await ends_like_kubectl(pilot, cluster)
        assert stall.times == 0
        assert "stale" not in page(pilot.app)


async def test_watches_that_are_cut_go_on_where_they_were(cluster: Cluster, tmp_path: Path) -> None:
    cut = cluster.served.faults.add(Fault("watch=1", drop_after=400, times=30))
    async with console(cluster, tmp_path / "state") as pilot:
        await ends_like_kubectl(pilot, cluster)
        for replicas in (2, 1, 2):
            cluster.scale("chat", replicas)
            await ends_like_kubectl(pilot, cluster)
        assert cut.times is not None
        assert cut.times < 30


async def test_an_expired_version_is_listed_again(cluster: Cluster, tmp_path: Path) -> None:
    expired = cluster.served.faults.add(Fault("deployments.*watch=1", status=410, times=3))
    async with console(cluster, tmp_path / "state") as pilot:
        cluster.scale("chat", 2)
        await until(pilot, lambda: expired.times == 0, "three lists")
        cluster.scale("assistant", 1)
        await ends_like_kubectl(pilot, cluster)


async def test_a_busy_server_is_waited_for_and_said_so(cluster: Cluster, tmp_path: Path) -> None:
    async with console(cluster, tmp_path / "state") as pilot:
        await ends_like_kubectl(pilot, cluster)
        cluster.served.faults.add(Fault("GET /apis/apps/v1/deployments", status=429, retry_after=1, times=2))
        cluster.served.vanish()
        cluster.served.come_back()
        await says(pilot, "the API server is busy")
        await says(pilot, "stale since")
        cluster.scale("chat", 2)
        await ends_like_kubectl(pilot, cluster)
        await until(pilot, lambda: "stale" not in page(pilot.app), "live again")


async def test_a_server_that_is_gone_leaves_its_last_state_and_is_found_again(cluster: Cluster, tmp_path: Path) -> None:
    async with console(cluster, tmp_path / "state") as pilot:
        await ends_like_kubectl(pilot, cluster)
        before = listed(pilot)
        cluster.served.vanish()
        await says(pilot, "stale since")
        await says(pilot, "cannot reach the cluster at https://127.0.0.1")
        cluster.scale("chat", 2)
        gone_until = asyncio.get_running_loop().time() + GONE_S
        while asyncio.get_running_loop().time() < gone_until:
            await pilot.press("down", "up")
            await asyncio.sleep(0.1)
        assert listed(pilot) == before
        cluster.served.come_back()
        await ends_like_kubectl(pilot, cluster)
        assert listed(pilot) != before
        await until(pilot, lambda: "stale" not in page(pilot.app), "live again")
        assert "cannot reach" not in page(pilot.app)


async def test_a_node_that_goes_away_is_marked_and_its_replica_told_to_be_elsewhere(
    cluster: Cluster, tmp_path: Path
) -> None:
    def switch(down: bool) -> None:
        patch = {"metadata": {"annotations": {DOWN_ANNOTATION: "true" if down else None}}}

        def write() -> None:
            kind = "application/merge-patch+json"
            cluster.world.api.patch(registry.NODES, "", node, patch, kind)

        cluster.served.call(write)

    async with console(cluster, tmp_path / "state") as pilot:
        await ends_like_kubectl(pilot, cluster)
        node = cluster.served.call(lambda: host_of(cluster.world, "chat"))
        switch(True)
        cluster.advance(60)
        await says(pilot, f"node {node} is not ready")
        await ends_like_kubectl(pilot, cluster)
        await pilot.press("5")
        await says(pilot, "NotReady")
        await pilot.press("1")
        # After five minutes its pods are evicted, and the replica starts on another node.
        cluster.advance(600)
        await ends_like_kubectl(pilot, cluster)
        assert cluster.served.call(lambda: host_of(cluster.world, "chat")) != node
        switch(False)
        cluster.advance(120)
        await ends_like_kubectl(pilot, cluster)
        await pilot.press("5")
        await until(pilot, lambda: "NotReady" not in page(pilot.app), "Ready again")


def host_of(world: World, deployment: str) -> str:
    """The node of the newest pod of a deployment."""
    pods = [
        pod
        for pod in world.objects.list(registry.PODS)
        if (pod["metadata"].get("labels") or {}).get(DEPLOYMENT_LABEL) == deployment and pod["spec"].get("nodeName")
    ]
    newest = max(
        pods, key=lambda pod: int(pod["metadata"]["resourceVersion"]) * ("deletionTimestamp" not in pod["metadata"])
    )
    name: str = newest["spec"]["nodeName"]
    return name
