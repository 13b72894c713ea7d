"""Asking engines: who is asked, how often, what an answer holds for, and rates that are sums and never guesses."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.cluster import Condition, ContainerSpec, Meta, Pod, ReplicaSet, Workload
from genai_tui.domain.counters import Count, PodReading
from genai_tui.domain.rows import Assessment, DeploymentRow, Phase, Ref
from genai_tui.domain.watching import Removed, Upserted
from genai_tui.engines.failures import diagnose
from genai_tui.engines.metrics import EngineSample
from genai_tui.errors import (
    CredentialsRejected,
    EngineRefused,
    EngineSilent,
    GenaiTuiError,
    NotPermitted,
    Refused,
    TimedOut,
    Unreachable,
)
from genai_tui.kube.refusals import Busy
from genai_tui.store import sampling
from genai_tui.store.deriving import Deriver, Engine
from genai_tui.store.objects import key_of
from genai_tui.store.picture import Picture
from genai_tui.store.sampling import Sampler, traffic

CONTAINERS = (ContainerSpec("engine", "vllm/vllm-openai:v0.33.0"),)


class Scene:
    """Deployments with ready pods, and engines that count."""

    def __init__(self, names: tuple[str, ...] = ("a",), replicas: int = 1) -> None:
        identify = Engine("vllm", "m", ("m",))
        self.picture = Picture(Deriver(lambda *_: None, lambda _: identify, diagnose), lambda *_: "")
        self.now = 0.0
        self.kept: list[tuple[Ref, tuple[PodReading, ...]]] = []
        self.sampler = Sampler(self.picture, self.fetch, lambda: self.now, self.keep)
        self.asked: Counter[tuple[str, str, str | None]] = Counter()
        self.silent: set[str] = set()
        self.outage: GenaiTuiError | None = None
        self.hanging: set[str] = set()
        self.tokens: dict[str, float] = {}
        self.replicas = replicas
        for name in names:
            meta = Meta(name, "ns", uid=f"d-{name}", generation=1)
            put(self.picture, Workload(meta, replicas, {}, 1, revision="1", containers=CONTAINERS))
            put(self.picture, ReplicaSet(Meta(f"{name}-1", "ns", uid=f"r-{name}", owner=f"d-{name}"), "1", replicas))
            self.pods(name, 0)

    def pods(self, name: str, generation: int) -> None:
        """The pods of a deployment, other ones with every generation."""
        for number in range(self.replicas):
            for old in range(generation):
                gone = self.picture.pod("ns", f"{name}-{old}-{number}")
                if gone is not None:
                    self.picture.feed([Removed(key_of(gone).kind, key_of(gone))])
            label = f"{name}-{generation}-{number}"
            meta = Meta(label, "ns", uid=label, owner=f"r-{name}")
            put(
                self.picture,
                Pod(meta, "Running", node="n", conditions=(Condition("Ready", "True"),), containers=CONTAINERS),
            )

    async def fetch(self, row: DeploymentRow, path: str, pod: str | None) -> bytes:
        self.asked[row.ref.name, path, pod] += 1
        if row.ref.name in self.hanging:
            await asyncio.Event().wait()
        if self.outage is not None:
            raise self.outage
        if row.ref.name in self.silent or pod in self.silent:
            raise EngineSilent("a does not answer", why="connection refused")
        if path == "/v1/models":
            return json.dumps({"data": [{"id": row.ref.name}]}).encode()
        count = self.tokens.get(pod or "", 0.0)
        prompts = f"vllm:prompt_tokens_total {2 * count}\n" if count else ""
        return f"{prompts}vllm:generation_tokens_total {count}\nvllm:num_requests_running 2\n".encode()

    async def keep(self, ref: Ref, readings: Sequence[PodReading]) -> None:
        self.kept.append((ref, tuple(readings)))

    def row(self, name: str = "a") -> DeploymentRow:
        return next(row for row in self.picture.deployments() if row.ref.name == name)


def put(picture: Picture, item: Workload | ReplicaSet | Pod) -> None:
    picture.feed([Upserted(key_of(item).kind, item)])


@asynccontextmanager
async def running(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setattr(sampling, "TICK_S", 0.02)
    task = asyncio.create_task(scene.sampler.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(true: object) -> None:
    assert callable(true)
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.01)


async def test_an_engine_that_hangs_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(("a", "b", "c"))
    scene.hanging = {"a"}
    async with running(scene, monkeypatch):
        await until(lambda: scene.row("b").assessment.phase is Phase.RUNNING)
        await until(lambda: scene.row("c").assessment.phase is Phase.RUNNING)
        assert scene.row("a").assessment.phase is Phase.WARMING_UP


async def test_an_answer_that_was_asked_of_other_pods_proves_nothing() -> None:
    scene = Scene()
    question = scene.picture.question(Ref("ns", "a"))
    assert question is not None
    scene.pods("a", 1)
    scene.picture.set_answer(Ref("ns", "a"), ("a",), question)
    assert scene.row().assessment.phase is Phase.WARMING_UP
    await scene.sampler.once()
    assert scene.row().assessment.phase is Phase.RUNNING


async def test_new_pods_are_asked_at_once_and_old_answers_are_not_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()
    async with running(scene, monkeypatch):
        await until(lambda: scene.row().assessment.phase is Phase.RUNNING)
        await until(lambda: scene.asked["a", "/metrics", "a-0-0"])
        for wanted in (2, 3, 4):
            scene.now += 10.1
            await until(lambda wanted=wanted: scene.asked["a", "/metrics", "a-0-0"] == wanted)
        assert scene.asked["a", "/v1/models", None] == 1
        scene.pods("a", 1)
        await until(lambda: scene.asked["a", "/v1/models", None] == 2)
        await until(lambda: scene.row().assessment.phase is Phase.RUNNING)


async def test_an_engine_that_does_not_answer_is_asked_less_and_less(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    scene.silent = {"a"}
    async with running(scene, monkeypatch):
        await until(lambda: scene.asked["a", "/v1/models", None] == 1)
        for step in range(1, 600):
            scene.now = step / 10
            await asyncio.sleep(0)
        asked = scene.asked["a", "/v1/models", None]
        assert scene.row().assessment.cause == "the engine does not answer yet"
    assert asked <= 8


@pytest.mark.parametrize(
    "outage",
    [
        Unreachable("cannot reach the cluster"),
        TimedOut("no answer in time"),
        CredentialsRejected("expired"),
        Busy("too many requests", status=429, retry_after=1.0),
        Refused("the API server cannot do this now", status=503, reason="ServiceUnavailable"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_api_server_that_is_gone_says_nothing_of_the_engine(
    outage: GenaiTuiError, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene()
    async with running(scene, monkeypatch):
        await until(lambda: scene.row().assessment.phase is Phase.RUNNING and scene.kept)
        scene.outage = outage
        for minute in range(1, 4):
            scene.now = 61.0 * minute
            await until(lambda minute=minute: scene.asked["a", "/v1/models", None] > minute)
            assert scene.row().assessment == Assessment(Phase.RUNNING)
            assert scene.row().served_names == ("a",)
        # Back again, and now it is the engine that is gone.
        scene.outage, scene.silent = None, {"a"}
        scene.now += 61.0
        await until(lambda: scene.row().assessment.phase is Phase.DEGRADED)
    told = scene.row().assessment
    assert "the engine has not answered since " in str(told.cause)
    assert told.evidence == ("a does not answer: connection refused",)


async def test_since_when_an_engine_is_silent_stays_as_it_was_first_seen() -> None:
    scene = Scene()
    await scene.sampler.once()
    scene.silent = {"a"}
    causes = set()
    for _ in range(3):
        scene.picture.set_answer(Ref("ns", "a"), None)
        causes.add(scene.row().assessment.cause)
    assert len(causes) == 1
    scene.silent = set()
    await scene.sampler.once()
    assert scene.row().assessment == Assessment(Phase.RUNNING)


@pytest.mark.parametrize(
    "error", [NotPermitted("operator may not get services/proxy"), EngineRefused("HTTP 401", status=401)]
)
async def test_an_engine_that_may_not_be_asked_is_unknown_and_not_silent(error: GenaiTuiError) -> None:
    scene = Scene()
    scene.outage = error
    await scene.sampler.once()
    assert scene.row().assessment.phase is Phase.UNKNOWN
    scene.outage = None
    await scene.sampler.once()
    assert scene.row().assessment.phase is Phase.RUNNING
    scene.outage = error
    scene.picture.set_not_asked(Ref("ns", "a"), "no")
    scene.picture.set_answer(Ref("ns", "a"), None)
    assert scene.row().assessment.phase is Phase.UNKNOWN


async def test_rates_are_those_of_every_pod_together() -> None:
    scene = Scene(replicas=2)
    scene.tokens = {"a-0-0": 1_000_000.0, "a-0-1": 10.0}
    await scene.sampler.read_counters()
    assert scene.row().traffic.tokens_per_second is None
    await scene.sampler.once()
    scene.now = 10.0
    scene.tokens = {"a-0-0": 1_000_100.0, "a-0-1": 60.0}
    await scene.sampler.read_counters()
    found = scene.row().traffic
    assert (found.tokens_per_second, found.running, found.requests_per_second) == (15.0, 4, None)
    scene.silent = {"a-0-1"}
    await scene.sampler.read_counters()
    assert scene.row().traffic.tokens_per_second is None


COUNTS = st.integers(0, 10**9).map(float)


@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=5), st.integers(1, 100))
def test_a_rate_is_the_sum_of_what_each_counter_grew(pods: list[tuple[float, float]], seconds: int) -> None:
    samples = [
        (float(seconds), EngineSample(generation_tokens=before), EngineSample(generation_tokens=after))
        for before, after in pods
    ]
    grown = sum(after - before if after >= before else after for before, after in pods)
    found = traffic(samples).tokens_per_second
    assert found is not None
    assert found == pytest.approx(grown / seconds)
    unknown = [*samples, (float(seconds), None, EngineSample(generation_tokens=1.0))]
    assert traffic(unknown).tokens_per_second is None


async def test_the_counters_of_every_pod_that_tells_are_kept_and_a_missing_one_is_no_0() -> None:
    scene = Scene(replicas=3)
    scene.tokens = {"a-0-0": 5.0, "a-0-1": 7.0}
    await scene.sampler.read_counters()
    ((ref, readings),) = scene.kept
    assert ref == Ref("ns", "a")
    assert [(reading.pod, reading.count) for reading in readings] == [("a-0-0", Count(10, 5)), ("a-0-1", Count(14, 7))]
    assert all(reading.asked <= reading.answered for reading in readings)
    scene.silent = {"a-0-1"}
    await scene.sampler.read_counters()
    assert [reading.pod for reading in scene.kept[-1][1]] == ["a-0-0"]
