"""How the Cluster screen looks: every state and vendor, one node, 500 of them."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from tests.fakes.services import FakeServices
from tests.screens.cluster_world import commanded, mixed, scale
from tests.screens.console import Console, page, wait_until
from tests.screens.test_snapshots_usage import Compare


@pytest.fixture(params=[(80, 24), (160, 48)], ids=["80x24", "160x48"])
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    chosen: tuple[int, int] = request.param
    return chosen


def look(compare: Compare, size: tuple[int, int], world: FakeServices, *keys: str, until: str) -> bool:
    async def before(pilot: Pilot[Any]) -> None:
        await pilot.app.switch_mode("cluster")
        await wait_until(pilot, lambda: world.monitor.asked > 0 and "largest free" in page(pilot.app))
        await pilot.press(*keys)
        await wait_until(pilot, lambda: until in page(pilot.app))

    return compare(Console(world), terminal_size=size, run_before=before)


def test_list(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, mixed(), until="GPUs of 2 nodes")


def test_no_exporter(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, FakeServices(), until="no DCGM exporter found")


def test_by_command(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, commanded(), until="from nvidia-smi")


def test_node_by_command(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, commanded(), "enter", until="by nvidia-smi")


def test_node(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, mixed(), "down", "down", "down", "enter", until="XID 79")


def test_node_without_readings(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, mixed(), *["down"] * 5, "enter", until="no data")


def test_map_of_500_allocated(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, scale(), "m", until="GPUs allocated:")


def test_map_of_500_busy(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert look(snap_compare, size, scale(), "m", "m", until="GPUs busy:")
