"""How every tab of a deployment looks, at the smallest and at a large size, in the states that matter most."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Protocol

import pytest
from textual.pilot import Pilot

from genai_tui.domain.adoption import Adoption, Leftover
from genai_tui.domain.counters import Count, Reconciliation
from genai_tui.domain.monitoring import EngineMoment, EngineReport, GpuReport, Quantiles
from genai_tui.domain.rows import Ref
from screens.deployment.screen import TABS
from tests.fakes import tour
from tests.fakes.services import stale
from tests.fakes.tour import CHAT, EMBED, FOREIGN, SUMMARIZE
from tests.screens.cluster_world import gpu
from tests.screens.deployment_world import Console, World, detail_of, line, page, says, two_revisions, wait_until
from tests.screens.test_deployment import DRIFT

SAMPLE = """\
# needs: export API_KEY=...
curl -sS https://llm.example.com/v1/chat/completions \\
  -H "Authorization: Bearer $API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "chat", "messages": [{"role": "user", "content": "Name three colours."}]}'
"""
LOG = [
    line("INFO 11-23 10:42:01 [api_server.py:1043] vLLM API server version 0.33.0", 1),
    line("INFO 11-23 10:42:04 [gpu_model_runner.py:1595] Starting to load model org/model...", 4),
    line("Loading safetensors checkpoint shards:  62% Completed | 3/5 [00:21<00:13,  6.9s/it]", 25),
    line("WARNING 11-23 10:42:40 [config.py:12] Casting torch.bfloat16 to torch.float16.", 40),
    line('INFO:     10.244.0.1:41022 - "GET /health HTTP/1.1" 200 OK', 41),
    line("(EngineCore_0 pid=142) ERROR 11-23 10:42:44 [core.py:700] ValueError: not enough KV cache", 44),
]


class Compare(Protocol):
    """The plugin's fixture."""

    def __call__(
        self, app: Console, *, terminal_size: tuple[int, int], run_before: Callable[[Pilot[Any]], Awaitable[None]]
    ) -> bool: ...


@pytest.fixture(params=[(80, 24), (160, 48)], ids=["80x24", "160x48"])
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    chosen: tuple[int, int] = request.param
    return chosen


def open_tab(ref: Ref, tab: str, wait_for: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def before(pilot: Pilot[Any]) -> None:
        console = pilot.app
        assert isinstance(console, Console)
        console.open_deployment(ref, tab)
        await wait_until(pilot, lambda: wait_for in page(pilot), wait_for)

    return before


def world() -> World:
    found = World()
    found.scripted.scripts = [[*LOG]]
    found.scripted.manifest = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: chat\n  namespace: team-a\n"
        "  labels:\n    app.kubernetes.io/managed-by: genai-tui\nspec:\n  replicas: 2\n  strategy:\n"
        "    type: Recreate\n  template:\n    spec:\n      containers:\n      - name: engine\n"
        "        image: vllm/vllm-openai:v0.33.0\n"
    )
    found.samples.sample = SAMPLE
    return found


WAIT = {
    "overview": "TRAFFIC",
    "rollout": "EVENTS",
    "logs": "lines   following",
    "api": "API_KEY",
    "sharing": "may call this",
    "manifest": "as the cluster has it now",
    "gpus": "Engine",
}


@pytest.mark.parametrize("ref", [CHAT, SUMMARIZE, EMBED], ids=["running", "pending", "failed"])
@pytest.mark.parametrize("tab", [name for name, _ in TABS])
def test_tab(snap_compare: Compare, size: tuple[int, int], ref: Ref, tab: str) -> None:
    wait_for = "not started yet" if (tab, ref) == ("logs", SUMMARIZE) else WAIT[tab]
    assert snap_compare(Console(world()), terminal_size=size, run_before=open_tab(ref, tab, wait_for))


def test_engine_and_gpus(snap_compare: Compare, size: tuple[int, int]) -> None:
    here = world()
    detail = here.picture.deployment(CHAT)
    assert detail is not None
    pod = detail.replicas[0].pod
    own = gpu(0, 0.62, namespace=pod.meta.namespace, pod=pod.meta.name)
    here.monitor.gpu_report = GpuReport(here.now, {pod.node or "": (own, gpu(1))})
    here.monitor.engine_report = EngineReport(
        [
            EngineMoment(
                here.now,
                running=float(i % 5),
                waiting=0.0,
                kv_cache=i / 20,
                tokens=None if i == 0 else 40.0 * i,
                first_token=Quantiles(0.041, 0.2, 1.4) if i > 6 else None,
            )
            for i in range(12)
        ],
        pods=2,
        silent={"chat-1": "not permitted: get pods/proxy in team-a"},
    )
    assert snap_compare(Console(here), terminal_size=size, run_before=open_tab(CHAT, "gpus", "p95"))


def test_unattributed_tokens(snap_compare: Compare, size: tuple[int, int]) -> None:
    here = world()
    since = here.now - timedelta(hours=24)
    counted, attributed = Count(812_044, 190_112), Count(801_000, 188_000)
    here.counters.lines = (Reconciliation(CHAT, since, here.now, counted, attributed, restarts=1),)
    assert snap_compare(Console(here), terminal_size=size, run_before=open_tab(CHAT, "overview", "unattributed"))


def test_deleted(snap_compare: Compare, size: tuple[int, int]) -> None:
    here = world()

    async def before(pilot: Pilot[Any]) -> None:
        await open_tab(CHAT, "overview", "TRAFFIC")(pilot)
        here.picture.remove(CHAT)
        await says(pilot, "does not exist any more")

    assert snap_compare(Console(here), terminal_size=size, run_before=before)


def test_stale(snap_compare: Compare, size: tuple[int, int]) -> None:
    here = world()
    here.picture.set_health(stale())
    before = open_tab(tour.CHAT_LONG, "rollout", "Last known state")
    assert snap_compare(Console(here), terminal_size=size, run_before=before)


@pytest.mark.parametrize("view", ["overview", "manifest"])
def test_drift(snap_compare: Compare, size: tuple[int, int], view: str) -> None:
    here = world()
    here.operations.drifted = DRIFT

    async def before(pilot: Pilot[Any]) -> None:
        await open_tab(CHAT, "overview", "CHANGED ELSEWHERE")(pilot)
        if view == "manifest":
            await pilot.press("6", "m", "m")
            await says(pilot, "2 fields changed elsewhere")

    assert snap_compare(Console(here), terminal_size=size, run_before=before)


def test_history(snap_compare: Compare, size: tuple[int, int]) -> None:
    here = world()
    here.operations.kept = two_revisions()

    async def before(pilot: Pilot[Any]) -> None:
        await open_tab(CHAT, "rollout", "EVENTS")(pilot)
        await pilot.press("u")
        await says(pilot, "stay as they are now")

    assert snap_compare(Console(here), terminal_size=size, run_before=before)


def test_logs_of_all_replicas(snap_compare: Compare, size: tuple[int, int]) -> None:
    here = world()
    first, second = (row.pod.meta.name for row in detail_of(CHAT).replicas)
    here.scripted.of_pods = {first: [*LOG[:4]], second: [line(item.text, 2 + i * 9) for i, item in enumerate(LOG[:5])]}

    async def before(pilot: Pilot[Any]) -> None:
        await open_tab(CHAT, "logs", "following")(pilot)
        await pilot.press("a")
        await says(pilot, "9 lines   following")

    assert snap_compare(Console(here), terminal_size=size, run_before=before)


ADOPTION = Adoption(
    FOREIGN,
    "Helm",
    {"name": "legacy-adopted"},
    (
        Leftover("containers", "proxy: envoyproxy/envoy:v1.30", "a second container beside the engine"),
        Leftover("served names", "legacy", "the new one answers to its own name and its model's"),
        Leftover(
            "the old one", str(FOREIGN), "goes on running, with its Service and its GPUs; take it away with what made it "
            "once the new one runs",
        ),
    ),
)  # fmt: skip


@pytest.mark.parametrize("asked", [False, True], ids=["shown", "asked"])
def test_foreign(snap_compare: Compare, size: tuple[int, int], asked: bool) -> None:
    here = world()
    here.operations.adopted = ADOPTION

    async def before(pilot: Pilot[Any]) -> None:
        await open_tab(FOREIGN, "overview", "WHAT RUNS")(pilot)
        if asked:
            await pilot.press("A")
            await says(pilot, "Not taken over")

    assert snap_compare(Console(here), terminal_size=size, run_before=before)
