"""What the scenarios begin with, and that the GPUs report what is really scheduled on them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from genai_tui.composition import render_for_sandbox
from genai_tui.errors import BadInput
from genai_tui.sandbox import registry
from genai_tui.sandbox.gpus import dcgm_text, nvidia_smi
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.scenario_scale import Churn
from genai_tui.sandbox.scenarios import build
from genai_tui.sandbox.world import World
from tests.sandbox.cluster import H100, NAMESPACE, START, Cluster, engine, is_ready


def world(scenario: str, seed: int = 0) -> World:
    made = World(start=START, seed=seed)
    build(made, scenario, render_for_sandbox)
    return made


def test_a_seed_makes_the_same_world_twice() -> None:
    def picture(made: World) -> list[tuple[Any, ...]]:
        return [(resource.id, json.dumps(item, sort_keys=True)) for resource, item in made.objects.everything()]

    assert picture(world("tour", 3)) == picture(world("tour", 3))
    assert picture(world("tour", 3)) != picture(world("tour", 4))


def test_the_tour_has_six_gpu_nodes_each_with_its_exporter_and_says_that_it_is_simulated() -> None:
    made = world("tour")
    nodes = made.objects.list(registry.NODES)
    assert len(nodes) == 6
    assert {n["metadata"]["labels"]["genai-tui.dev/simulated"] for n in nodes} == {"true"}
    assert {n["metadata"]["labels"]["nvidia.com/gpu.product"] for n in nodes} == {
        "NVIDIA-H100-80GB-HBM3", "NVIDIA-A100-SXM4-80GB", "NVIDIA-L4",
    }  # fmt: skip
    assert sum(bool(n["spec"].get("taints")) for n in nodes) == 1
    exporters = [p for p in made.objects.list(registry.PODS, "gpu-operator") if is_ready(p)]
    assert {p["spec"]["nodeName"] for p in exporters} == {n["metadata"]["name"] for n in nodes}
    assert all(item["metadata"]["creationTimestamp"] for _, item in made.objects.everything())


def test_an_unknown_scenario_is_refused() -> None:
    with pytest.raises(BadInput, match="there is no scenario tuor"):
        world("tuor")


def test_scale_is_there_at_once_and_stands_still_unless_churned() -> None:
    made = world("scale")
    assert len(made.objects.list(registry.NODES)) == 500
    assert len(made.objects.list(registry.DEPLOYMENTS)) == 1000
    pods = made.objects.list(registry.PODS)
    assert len(pods) == 10_000
    assert all(is_ready(pod) for pod in pods)
    made.clock.advance(1)
    before = made.objects.version
    made.clock.advance(600)
    assert made.objects.version == before
    churn = Churn(made, 200)
    made.clock.advance(10)
    assert churn.changes == pytest.approx(2000, abs=11)
    assert made.objects.version - before == churn.changes


def test_a_deployment_of_scale_can_be_deleted() -> None:
    made = world("scale")
    made.api.delete(registry.DEPLOYMENTS, "team-00", "model-0000")
    made.clock.advance(60)
    assert len(made.objects.list(registry.PODS)) == 9_990
    assert len(made.objects.list(registry.REPLICASETS)) == 999


def gauges(text: str, name: str) -> dict[str, tuple[str, float]]:
    """GPU index -> pod and value of a metric."""
    return {
        sample.labels["gpu"]: (sample.labels["pod"], sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def test_gpu_metrics_follow_what_is_scheduled_loaded_and_running() -> None:
    cluster = Cluster(("gpu-1", H100, 2))
    item = cluster.get(registry.NODES, "gpu-1")

    def used() -> list[tuple[str, float]]:
        return list(gauges(dcgm_text(item, cluster.world.gpu_uses("gpu-1")), "DCGM_FI_DEV_FB_USED").values())

    assert used() == [("", 4.0), ("", 4.0)]
    cluster.create(registry.DEPLOYMENTS, engine())
    cluster.step(60)
    name = cluster.pod("chat")["metadata"]["name"]
    assert used() == [(name, float(int(81_559 * 0.9))), ("", 4.0)]
    run = cluster.world.kubelet.run_of(cluster.pod("chat"))
    assert run is not None
    shim = run.main["engine"].shim
    assert shim is not None
    shim.metrics.running = 1
    busy = gauges(dcgm_text(item, cluster.world.gpu_uses("gpu-1")), "DCGM_FI_DEV_GPU_UTIL")
    assert [value for _, value in busy.values()] == [87.0, 0.0]
    cluster.delete(registry.DEPLOYMENTS, "chat")
    cluster.step(30)
    assert used() == [("", 4.0), ("", 4.0)]


async def test_nvidia_smi_in_a_pod_shows_its_own_gpus() -> None:
    cluster = Cluster(("gpu-1", H100, 4))
    cluster.create(registry.DEPLOYMENTS, engine("other"))
    cluster.create(registry.DEPLOYMENTS, engine("chat", gpus=2, args=("Qwen/Qwen2.5-7B", "-tp", "2")))
    cluster.step(90)
    query = ["nvidia-smi", "--query-gpu=index,name,memory.used,memory.total", "--format=csv,noheader,nounits"]
    agent = cluster.world.agent
    out, _, code = await agent.exec(cluster.pod("chat"), "engine", query)
    assert code == 0
    assert out.decode().splitlines() == [f"{i}, NVIDIA H100 80GB HBM3, {int(81_559 * 0.9)}, 81559" for i in range(2)]
    headed, _, _ = await agent.exec(
        cluster.pod("chat"), "engine", ["nvidia-smi", "--query-gpu=memory.total", "--format=csv"]
    )
    assert headed.decode().splitlines()[0] == "memory.total [MiB]"
    listed = {
        line.split("UUID: ")[1]
        for name in ("chat", "other")
        for line in (await agent.exec(cluster.pod(name), "engine", ["nvidia-smi", "-L"]))[0].decode().splitlines()
    }
    assert len(listed) == 3, "each pod sees GPUs of its own, of which the names are the node's"
    table, _, _ = await agent.exec(cluster.pod("chat"), "engine", ["nvidia-smi"])
    rows = table.decode().splitlines()
    assert len({len(row) for row in rows}) == 1
    assert "(simulated)" in rows[1]
    wrong, code = nvidia_smi(
        cluster.get(registry.NODES, "gpu-1"), cluster.world.gpu_uses("gpu-1"), ["--query-gpu=nope"]
    )
    assert (code, wrong) == (2, b'Field "nope" is not a valid field to query.\n\n')
    _, said, code = await agent.exec(cluster.pod("chat"), "engine", ["top"])
    assert (code, b"executable file not found" in said) == (127, True)


async def collect(cluster: Cluster, pod: Object, **options: Any) -> str:
    given: dict[str, Any] = {
        "follow": False, "previous": False, "tail_lines": None, "since_seconds": None, "timestamps": False, "limit_bytes": None,
    }  # fmt: skip
    return b"".join([chunk async for chunk in cluster.world.agent.log(pod, "engine", **given | options)]).decode()


async def test_logs_now_before_and_while_they_grow() -> None:
    import asyncio

    cluster = Cluster()
    cluster.create(registry.DEPLOYMENTS, engine(annotations={"sandbox.genai-tui.dev/stage": "crash"}))
    cluster.step(45)
    pod = cluster.pod("chat")
    assert "fatal: staged crash" in await collect(cluster, pod, previous=True)
    cluster.delete(registry.DEPLOYMENTS, "chat")
    cluster.step(30)
    cluster.create(registry.DEPLOYMENTS, engine())
    cluster.step(2)
    pod = cluster.pod("chat")
    so_far = await collect(cluster, pod)
    following = asyncio.create_task(collect(cluster, pod, follow=True))
    await asyncio.sleep(0)
    cluster.step(30)
    cluster.delete(registry.PODS, pod["metadata"]["name"])
    cluster.step(30)
    whole = await asyncio.wait_for(following, 10)
    assert whole.startswith(so_far)
    assert "Application startup complete." in whole
    assert "Application startup complete." not in so_far
    again = cluster.pod("chat")
    last = await collect(cluster, again, tail_lines=1, timestamps=True)
    assert last.startswith("2026-11-23T09:")
    assert len(await collect(cluster, again, limit_bytes=10)) == 10
    assert await collect(cluster, again, since_seconds=0.001) == ""


def test_events_are_forgotten_after_an_hour() -> None:
    cluster = Cluster()
    cluster.create(registry.DEPLOYMENTS, engine())
    cluster.step(60)
    assert cluster.events("chat")
    cluster.step(3700)
    cluster.create(registry.DEPLOYMENTS, engine("other"))
    cluster.step(10)
    assert {e["involvedObject"]["name"][:5] for e in cluster.world.objects.list(registry.EVENTS, NAMESPACE)} == {
        "other"
    }
