"""GPUs and engines read through a served cluster's own HTTP: found, refused, absent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from genai_tui.composition import build_services
from genai_tui.domain.cluster import ContainerSpec, Meta, Pod
from genai_tui.domain.naming import MANAGED_BY_LABEL, MANAGER
from genai_tui.domain.rows import DeploymentRow, Phase, Ref
from genai_tui.errors import GenaiTuiError, NotPermitted, Unreachable
from genai_tui.kube.connection import Connection
from genai_tui.kube.kubeconfig import resolve
from genai_tui.sandbox.node_agent import DCGM_APP, DCGM_PORT
from genai_tui.sandbox.scenarios import GPU_NAMESPACE
from genai_tui.services import Services
from genai_tui.settings import Settings
from genai_tui.store.deriving import Deriver
from genai_tui.store.monitoring import ClusterMonitor
from genai_tui.store.picture import Picture
from tests.test_cli import sandbox

NOW = datetime(2026, 11, 23, 10, 45, tzinfo=UTC)
OURS = {MANAGED_BY_LABEL: MANAGER}


def exporter(node: str) -> Pod:
    container = ContainerSpec("exporter", "x", ports=(DCGM_PORT,))
    meta = Meta(f"{DCGM_APP}-{node}", "gpu-operator", labels={"app": DCGM_APP})
    return Pod(meta, "Running", node=node, containers=(container,))


async def nothing(row: DeploymentRow, path: str, pod: str | None) -> bytes:
    raise Unreachable("nobody is asked for this")


def monitor(*pods: Pod, answer: bytes | Exception, within: bytes | Exception | None = None) -> ClusterMonitor:
    picture = Picture(Deriver(lambda *_: None, lambda _: None, lambda *_: None), lambda *_: None)  # type: ignore[arg-type]
    for pod in pods:
        picture.objects.put(pod)

    async def fetch(pod: Pod, port: int) -> bytes:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def execute(pod: Pod, container: str, command: Sequence[str]) -> bytes:
        assert (container, command[0]) == ("engine", "nvidia-smi")
        if isinstance(within, Exception):
            raise within
        return within or b""

    return ClusterMonitor(picture, fetch, nothing, lambda: NOW, execute=None if within is None else execute)


async def test_without_an_exporter_that_is_what_is_said() -> None:
    report = await monitor(answer=b"").gpus()
    assert report.problem == "no data: no DCGM exporter found"
    assert not report.nodes


async def test_what_is_not_permitted_names_verb_resource_and_namespace() -> None:
    report = await monitor(exporter("n1"), answer=NotPermitted("forbidden")).gpus()
    assert report.problem == report.why_missing("n1") == "not permitted: get pods/proxy in gpu-operator"


async def test_an_exporter_that_answers_nonsense_gives_no_gpu_and_says_so() -> None:
    report = await monitor(exporter("n1"), answer=b"\xff<html>{{{\n").gpus()
    assert "reports no GPU" in report.why_missing("n1")


async def test_of_500_nodes_each_is_asked_less_often() -> None:
    text = b'DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="a"} 5\n'
    few = await monitor(exporter("n1"), answer=text).gpus()
    many = await monitor(*(exporter(f"n{i}") for i in range(500)), answer=text).gpus()
    assert (few.again_s, many.again_s) == (5.0, 25.0)
    assert len(many.nodes) == 500


async def test_without_an_exporter_nvidia_smi_is_asked_in_the_pods_that_hold_gpus(tmp_path: Path) -> None:
    """Through the served cluster's exec, in a real WebSocket; the exporters are taken away before."""
    with sandbox(tmp_path / "sandbox") as ready:
        settings = Settings(kubeconfig=ready["kubeconfig"], state=tmp_path / "state")
        services = build_services(settings)
        await services.settle()
        target = resolve(ready["kubeconfig"], None)
        async with Connection(target) as connection:
            path = f"/apis/apps/v1/namespaces/{GPU_NAMESPACE}/daemonsets/{DCGM_APP}"
            await connection.request("DELETE", path)
        deadline = time.monotonic() + 30
        while (report := await services.monitor.gpus()).nodes.keys() != report.notes.keys() or not report.nodes:
            assert time.monotonic() < deadline, report
            await asyncio.sleep(0.2)
        chat = next(row for row in services.picture.deployments() if row.assessment.phase is Phase.RUNNING)
        (gpu,) = [g for gpus in report.nodes.values() for g in gpus if g.namespace == chat.ref.namespace
                  and g.pod.startswith(f"{chat.ref.name}-")]  # fmt: skip
        assert gpu.uuid.startswith("GPU-")
        assert gpu.memory_total is not None
        assert "GPUs that no pod holds are not read" in next(iter(report.notes.values()))
        await services.close()
        watching = build_services(replace(settings, read_only=True))
        await watching.settle()
        refused = await watching.monitor.gpus()
        assert not refused.nodes
        assert refused.problem.startswith(
            "no data: no DCGM exporter on this node; nvidia-smi needs create pods/exec in "
        )
        await watching.close()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (NotPermitted("no"), "nvidia-smi needs create pods/exec in team-a"),
        (GenaiTuiError("exec: not found"), "nvidia-smi in team-a/chat-1: exec: not found"),
        (b"No devices were found\n", "nvidia-smi in team-a/chat-1 told of no GPU"),
    ],
)
async def test_what_keeps_nvidia_smi_from_telling_is_said(answer: bytes | Exception, why: str) -> None:
    engine = ContainerSpec("engine", "x", gpus={"nvidia.com/gpu": 1})
    pod = Pod(Meta("chat-1", "team-a", labels=OURS), "Running", node="n1", containers=(engine,))
    report = await monitor(pod, answer=b"", within=answer).gpus()
    assert report.why_missing("n1") == f"no data: no DCGM exporter on this node; {why}"
    assert report.again_s >= 15


def holder(node: str, number: int = 1, labels: Mapping[str, str] = OURS) -> Pod:
    engine = ContainerSpec("engine", "x", gpus={"nvidia.com/gpu": 1})
    return Pod(Meta(f"chat-{number}", "team-a", labels=labels), "Running", node=node, containers=(engine,))


SMI = b"0, GPU-5a3f, NVIDIA L4, 71, 3000, 23034, 64, 51.3\n"


async def test_an_exporter_that_does_not_answer_is_made_up_for_and_both_reasons_are_told() -> None:
    report = await monitor(exporter("n1"), holder("n1"), answer=NotPermitted("no"), within=SMI).gpus()
    assert [gpu.busy for gpu in report.nodes["n1"]] == [0.71]
    assert report.notes.keys() == {"n1"}
    report = await monitor(exporter("n1"), holder("n1"), answer=NotPermitted("no"), within=NotPermitted("no")).gpus()
    assert report.why_missing("n1") == (
        "not permitted: get pods/proxy in gpu-operator; nvidia-smi needs create pods/exec in team-a"
    )


async def test_nothing_is_run_in_pods_of_others_until_somebody_says_so() -> None:
    asked = monitor(holder("n1", labels={}), holder("n2", 2), answer=b"", within=SMI)
    report = await asked.gpus()
    assert (set(report.nodes), report.unasked) == ({"n2"}, 1)
    assert report.why_missing("n1") == "no data: no DCGM exporter on this node"
    asked.ask_others()
    report = await asked.gpus()
    assert (set(report.nodes), report.unasked) == ({"n1", "n2"}, 0)
    unable = await monitor(holder("n1", labels={}), answer=b"").gpus()
    assert unable.unasked == 0, "where nothing may be run, nothing is offered"


async def test_a_gpu_that_pods_share_is_counted_once() -> None:
    report = await monitor(holder("n1"), holder("n1", 2), answer=b"", within=SMI).gpus()
    assert len(report.nodes["n1"]) == 1


async def test_an_exporter_that_answers_needs_no_command() -> None:
    text = b'DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="a"} 5\n'
    report = await monitor(exporter("n1"), holder("n1"), answer=text, within=AssertionError("it was run")).gpus()
    assert [gpu.busy for gpu in report.nodes["n1"]] == [0.05]


async def test_a_deployment_nobody_knows_has_no_engine() -> None:
    report = await monitor(answer=b"").engine(Ref("a", "b"))
    assert report.problem == "no data: no replica is ready"


@pytest.fixture
async def tour(tmp_path: Path) -> AsyncIterator[Services]:
    with sandbox(tmp_path / "sandbox") as ready:
        services = build_services(Settings(kubeconfig=ready["kubeconfig"], state=tmp_path / "state"))
        await services.settle()
        yield services
        await services.close()


async def test_exporters_and_engines_of_a_cluster_are_read_through_its_proxy(tour: Services) -> None:
    report = await tour.monitor.gpus()
    totals = {row.node.meta.name: row.gpu_total for row in tour.picture.nodes()}
    assert {name: len(gpus) for name, gpus in report.nodes.items()} == totals
    assert not report.problems
    named = {(gpu.namespace, gpu.pod) for gpus in report.nodes.values() for gpu in gpus if gpu.pod}
    detail = tour.picture.node("gpu-h100-1")
    assert detail is not None
    held = {(on.pod.meta.namespace, on.pod.meta.name) for on in detail.pods if on.gpus}
    assert held
    assert held <= named
    assert list((await tour.monitor.gpus({"gpu-l4-1"})).nodes) == ["gpu-l4-1"]

    running = next(row for row in tour.picture.deployments() if row.assessment.phase is Phase.RUNNING)
    first = await tour.monitor.engine(running.ref)
    second = await tour.monitor.engine(running.ref)
    assert (first.problem, len(first.moments), len(second.moments)) == ("", 1, 2)
    assert first.moments[0].running is not None
    # A rate takes two readings: before that it is not known.
    assert (first.moments[0].tokens, second.moments[1].tokens) == (None, 0.0)
