"""Starts and crashes read from logs: stages, shares, time left, and causes that last words hide."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.cluster import (
    Condition,
    ContainerSpec,
    ContainerState,
    Meta,
    Observed,
    Pod,
    ReplicaSet,
    Workload,
)
from genai_tui.domain.pace import Start, StartKind
from genai_tui.domain.rows import Phase, Ref
from genai_tui.domain.startup import left_of
from genai_tui.domain.watching import Upserted
from genai_tui.engines.failures import diagnose
from genai_tui.errors import NotFound, NotPermitted
from genai_tui.services import LogLine
from genai_tui.store.deriving import Deriver, Engine
from genai_tui.store.objects import key_of
from genai_tui.store.picture import Picture
from genai_tui.store.starts import MOST, StartWatcher, read_start

BEGAN = datetime(2026, 11, 23, 10, 40, tzinfo=UTC)
CRASH = Path(__file__).resolve().parent.parent / "data" / "engines" / "vllm-0.32" / "start-kv-too-small.log"


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def log(*lines: tuple[float, str]) -> list[LogLine]:
    return [LogLine("pod", "engine", text, at(second)) for second, text in lines]


START = log(
    (1, "INFO Starting to load model x..."),
    (2, "Downloading shards:  50%|"),
    (12, "INFO Time spent downloading weights for x: 10.2 seconds"),
    (13, "Loading safetensors checkpoint shards:   0% Completed | 0/4"),
    (33, "Loading safetensors checkpoint shards:  50% Completed | 2/4"),
)
END = log((54, "INFO Available KV cache memory: 36 GiB"), (60, "INFO:     Application startup complete."))


def test_a_start_tells_stages_share_and_time_left() -> None:
    start = read_start(START)
    assert start.reached == ((Phase.DOWNLOADING, at(2)), (Phase.LOADING, at(13)))
    assert (start.phase, start.progress, start.seconds_left) == (Phase.LOADING, 0.5, 20.0)
    assert read_start(START + END).phase is Phase.WARMING_UP
    assert read_start(START + END).progress is None
    assert read_start([]).phase is None


COMPILED = [
    (40.0, "Loading safetensors checkpoint shards: 100% Completed | 4/4"),
    (41.0, "INFO [base_loader.py:82] Loading weights took 27.10 seconds"),
    (42.0, "INFO [gpu_model_runner.py:4135] Model loading took 14.99 GiB memory and 28.2 seconds"),
    (50.0, "INFO [backends.py:870] Using cache directory: /root/.cache/vllm/x for vLLM's torch.compile"),
    (52.0, "INFO [backends.py:930] Dynamo bytecode transform time: 7.32 s"),
    (99.0, "INFO [monitor.py:34] torch.compile takes 54.10 s in total"),
    (101.0, "Capturing CUDA graphs (decode, FULL): 40%|"),
    (110.0, "Capturing CUDA graphs (decode, FULL): 100%|"),
]


@pytest.mark.parametrize(
    ("lines", "phase", "progress"),
    [(1, Phase.LOADING, None), (3, Phase.LOADING, None), (4, Phase.WARMING_UP, None), (5, Phase.WARMING_UP, None),
     (6, Phase.WARMING_UP, None), (7, Phase.WARMING_UP, 0.4), (8, Phase.WARMING_UP, None)],
)  # fmt: skip
def test_a_full_bar_is_not_the_end_of_a_start(lines: int, phase: Phase, progress: float | None) -> None:
    start = read_start(START + log(*COMPILED[:lines]))
    assert (start.phase, start.progress) == (phase, progress)


@given(st.lists(st.sampled_from([*START, *END]), max_size=20))
def test_stages_only_go_on_and_a_share_is_a_share(lines: list[LogLine]) -> None:
    phases = [phase for phase, _ in read_start(lines).reached]
    order = [Phase.DOWNLOADING, Phase.LOADING, Phase.WARMING_UP]
    assert phases == [phase for phase in order if phase in phases]
    start = read_start(lines)
    assert start.progress is None or 0 <= start.progress <= 1
    assert start.seconds_left is None or start.seconds_left >= 0


class Scene:
    """A deployment of some replicas in a picture, with logs by pod."""

    def __init__(self, replicas: int = 1) -> None:
        def identify(containers: tuple[ContainerSpec, ...]) -> Engine | None:
            return Engine("vllm", "m", ("m",)) if containers else None

        self.picture = Picture(Deriver(lambda *_: None, identify, diagnose), lambda *_: "")
        self.logs: dict[tuple[str, bool], list[LogLine] | Exception] = {}
        self.asked: list[tuple[str, bool]] = []
        self.now = 0.0
        self.watcher = StartWatcher(self.picture, self.tail, diagnose, lambda: self.now)
        container = ContainerSpec("engine", "vllm/vllm-openai:v0.33.0", startup_budget_seconds=600)
        self.containers = (container,)
        workload = Workload(
            Meta("a", "ns", uid="d", generation=1), replicas, {}, 1, revision="1", containers=(container,)
        )
        self.put(workload, ReplicaSet(Meta("a-1", "ns", uid="r", owner="d"), "1", replicas))

    def put(self, *items: Observed) -> None:
        self.picture.feed([Upserted(key_of(item).kind, item) for item in items])

    def pod(self, number: int = 0, *, ready: bool = False, **state: object) -> None:
        status = ContainerState("engine", **{"state": "running", "since": BEGAN, **state})  # type: ignore[arg-type]
        condition = Condition("Ready", "True", changed=at(70)) if ready else Condition("Ready", "False")
        meta = Meta(f"a-1-{number}", "ns", uid=f"p{number}", owner="r", created=at(-10))
        self.put(Pod(meta, "Running", node="n", conditions=(condition,), containers=self.containers, states=(status,)))

    async def tail(self, pod: Pod, container: str, previous: bool) -> Sequence[LogLine]:
        assert container == "engine"
        self.asked.append((pod.meta.name, previous))
        found = self.logs.get((pod.meta.name, previous), [])
        if isinstance(found, Exception):
            raise found
        return found

    def phase(self) -> tuple[Phase, float | None, str | None]:
        found = self.picture.deployments()[0].assessment
        return found.phase, found.progress, left_of(found) or found.cause

    def stages(self) -> dict[Phase, datetime]:
        detail = self.picture.deployment(Ref("ns", "a"))
        assert detail is not None
        return dict(detail.replicas[0].stages)


async def test_the_list_shows_how_far_a_start_is_and_the_detail_keeps_its_stages() -> None:
    scene = Scene()
    scene.pod()
    assert scene.phase() == (Phase.STARTING, None, None)
    scene.logs["a-1-0", False] = START
    await scene.watcher.once()
    assert scene.phase() == (Phase.LOADING, 0.5, "this stage about 20s more")
    assert scene.picture.deployments()[0].assessment.evidence == (START[-1].text.replace("  ", " "),)
    scene.pod(ready=True)
    scene.logs["a-1-0", False] = START + END
    await scene.watcher.once()
    assert scene.stages() == {
        Phase.PENDING: at(-10),
        Phase.DOWNLOADING: BEGAN,
        Phase.LOADING: at(13),
        Phase.WARMING_UP: at(54),
        Phase.RUNNING: at(70),
    }
    before = len(scene.asked)
    await scene.watcher.once()
    assert len(scene.asked) == before


async def test_the_time_left_is_until_it_is_ready_where_earlier_starts_tell_what_comes_after() -> None:
    scene = Scene()
    scene.pod()
    scene.logs["a-1-0", False] = START[:2]
    known = {Phase.PULLING: 300.0, Phase.DOWNLOADING: 20.0, Phase.LOADING: 40.0, Phase.WARMING_UP: 15.0}
    scene.picture.remember_starts([Start("p", BEGAN, StartKind("vllm/vllm-openai:v0.33.0", "a", 0), known)])
    later = log((12, "Downloading shards:  50%|"))
    scene.logs["a-1-0", False] = [*START[:2], *later]
    await scene.watcher.once()
    assert scene.phase() == (Phase.DOWNLOADING, 0.5, "ready in about 1m05s")


async def test_the_cause_of_a_crash_is_found_in_the_log_when_its_last_words_hide_it() -> None:
    scene = Scene()
    scene.pod(
        state="waiting", reason="CrashLoopBackOff", restarts=2, last_exit_code=1, last_message="RuntimeError: see above"
    )
    assert "see above" in str(scene.phase()[2])
    text = CRASH.read_text(encoding="utf-8").splitlines()
    scene.logs["a-1-0", True] = [LogLine("a-1-0", "engine", line) for line in text]
    await scene.watcher.once()
    phase, _, cause = scene.phase()
    assert phase is Phase.FAILED
    assert cause is not None
    assert "KV cache" in cause
    await scene.watcher.once()
    assert scene.asked == [("a-1-0", True)]
    scene.pod(
        state="waiting", reason="CrashLoopBackOff", restarts=3, last_exit_code=1, last_message="RuntimeError: see above"
    )
    await scene.watcher.once()
    assert scene.asked == [("a-1-0", True)] * 2


async def test_a_new_run_forgets_what_the_run_before_told() -> None:
    scene = Scene()
    scene.pod()
    scene.logs["a-1-0", False] = START
    await scene.watcher.once()
    scene.pod(restarts=1)
    assert scene.phase() == (Phase.STARTING, None, None)


@pytest.mark.parametrize("error", [NotPermitted("operator may not get pods/log"), NotFound("no such pod")])
async def test_logs_that_cannot_be_read_take_nothing_away(error: Exception) -> None:
    scene = Scene()
    scene.pod()
    scene.logs["a-1-0", False] = error
    for _ in range(3):
        await scene.watcher.once()
    assert scene.phase() == (Phase.STARTING, None, None)
    assert len(scene.asked) == (1 if isinstance(error, NotPermitted) else 3)
    scene.now = 61.0
    scene.logs["a-1-0", False] = START
    await scene.watcher.once()
    assert scene.phase()[1] == 0.5


async def test_in_a_large_rollout_everybody_has_a_turn() -> None:
    scene = Scene(replicas=3 * MOST)
    for number in range(3 * MOST):
        scene.pod(number)
    for _ in range(3):
        await scene.watcher.once()
    assert len(set(scene.asked)) == 3 * MOST
