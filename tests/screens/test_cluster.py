"""The Cluster screen: what the keys do, what is read when, what is drawn again."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

from genai_tui.domain.monitoring import GpuReport
from screens.node import NodeScreen
from screens.widgets.heat_map import HeatMap
from tests.fakes.services import NOW, FakeServices
from tests.screens.cluster_world import commanded, gpu, mixed, scale
from tests.screens.console import Console, page, wait_until


async def test_every_state_is_said_in_words() -> None:
    world = mixed()
    async with Console(world).run_test(size=(200, 40)) as pilot:
        await pilot.app.switch_mode("cluster")
        await wait_until(pilot, lambda: "GPUs of 2 nodes" in page(pilot.app))
        lines = {line.split()[0]: line for line in page(pilot.app).splitlines() if line.strip()}
        assert "NotReady" in lines["gpu-4"]
        assert "cordoned" in lines["gpu-3"]
        assert "tainted" in lines["gpu-2"]
        assert "mig-1g.10gb ×7, mig-3g.40gb ×2" in lines["mig-1"]
        assert "shared" in lines["shared-1"]
        assert "67%" in lines["gpu-1"]
        assert "91 °C" in lines["gpu-2"]
        assert " 79 " in lines["gpu-2"]
        # What was not reported is not shown as a number.
        assert "%" not in lines["amd-1"]
        # What is free on a cordoned node or one that is not ready is no free block.
        assert "largest free block: 8 on amd-1" in page(pilot.app)
        assert "not permitted: get pods/proxy in gpu-operator" in page(pilot.app)


async def test_enter_opens_the_node_under_the_cursor_and_escape_comes_back() -> None:
    world = mixed()
    async with Console(world).run_test(size=(120, 40)) as pilot:
        await pilot.app.switch_mode("cluster")
        await wait_until(pilot, lambda: "GPUs of 2 nodes" in page(pilot.app))
        await pilot.press("down", "down", "down", "enter")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, NodeScreen) and "XID 79" in page(pilot.app))
        assert "dedicated=research:NoSchedule" in page(pilot.app)
        assert "team-a/chat-0" in page(pilot.app)
        await pilot.press("escape")
        await wait_until(pilot, lambda: not isinstance(pilot.app.screen, NodeScreen))


async def test_the_map_keeps_the_node_the_filter_and_the_order() -> None:
    world = scale(120)
    async with Console(world).run_test(size=(80, 24)) as pilot:
        await pilot.app.switch_mode("cluster")
        await wait_until(pilot, lambda: "largest free" in page(pilot.app))
        await pilot.press("down", "down", "m")
        spots = pilot.app.screen.query_one(HeatMap)
        assert spots.cursor == "gpu-002"
        await pilot.press("right", "down")
        assert spots.cursor == f"gpu-{3 + spots.content_size.width // 2:03d}"
        await wait_until(pilot, lambda: f"{spots.cursor}   " in page(pilot.app))
        await pilot.press("slash", *"gpu-01", "enter")
        await wait_until(pilot, lambda: spots.content_size.height == 1)
        await pilot.press("home", "enter")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, NodeScreen))
        assert "gpu-010" in page(pilot.app)


async def test_exporters_are_asked_only_while_the_screen_is_seen() -> None:
    world = mixed()
    world.monitor.gpu_report = replace(world.monitor.gpu_report, again_s=0.02)
    async with Console(world).run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert world.monitor.asked == 0
        await pilot.app.switch_mode("cluster")
        await wait_until(pilot, lambda: world.monitor.asked > 3)
        await pilot.app.switch_mode("deployments")
        await pilot.pause()
        asked = world.monitor.asked
        await pilot.pause(0.2)
        assert world.monitor.asked == asked


async def test_pods_of_others_are_asked_when_somebody_presses_the_key() -> None:
    world = commanded()
    async with Console(world).run_test(size=(120, 40)) as pilot:
        await pilot.app.switch_mode("cluster")
        await wait_until(pilot, lambda: "GPUs of 1 node from nvidia-smi" in page(pilot.app))
        await pilot.press("x")
        assert not world.monitor.others_asked, "there is nobody to ask"
        world.monitor.gpu_report = replace(world.monitor.gpu_report, unasked=3)
        await pilot.press("r")
        await wait_until(pilot, lambda: "3 pods of others not asked (x asks them)" in page(pilot.app))
        await pilot.press("enter")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, NodeScreen))
        await wait_until(pilot, lambda: "3 pods of others not" in page(pilot.app))
        await pilot.press("x")
        await wait_until(pilot, lambda: "pods of others not" not in page(pilot.app))
        assert world.monitor.others_asked


async def test_500_nodes_that_stay_as_they_are_are_drawn_once() -> None:
    world = scale()
    async with Console(world).run_test(size=(160, 48)) as pilot:
        await pilot.app.switch_mode("cluster")
        await wait_until(pilot, lambda: "GPUs of" in page(pilot.app))
        await pilot.press("m", "m")
        await wait_until(pilot, lambda: "GPUs busy" in page(pilot.app))
        spots = pilot.app.screen.query_one(HeatMap)
        with patch.object(spots, "refresh", wraps=spots.refresh) as refresh:
            await pilot.press("r")
            await wait_until(pilot, lambda: world.monitor.asked > 1)
            await pilot.pause()
            refresh.assert_not_called()
            nodes = dict(world.monitor.gpu_report.nodes)
            world.monitor.gpu_report = GpuReport(NOW, {**nodes, "gpu-001": (gpu(0, 1.0),)}, again_s=25.0)
            await pilot.press("r")
            await wait_until(pilot, lambda: refresh.call_count == 1)


async def test_a_node_that_goes_while_it_is_looked_at_keeps_its_last_state() -> None:
    world = FakeServices()
    async with Console(world).run_test(size=(120, 40)) as pilot:
        await pilot.app.switch_mode("cluster")
        await wait_until(pilot, lambda: "largest free" in page(pilot.app))
        await pilot.press("enter")
        await wait_until(pilot, lambda: "no DCGM exporter found" in page(pilot.app))
        world.picture.node_rows = world.picture.node_rows[1:]
        await pilot.press("r")
        await wait_until(pilot, lambda: "does not exist any more" in page(pilot.app))
        assert "gpu-1" in page(pilot.app)
