"""How long starts took, kept: once for each pod, by cluster; and told of the next one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from genai_tui.domain.cluster import Pod
from genai_tui.domain.pace import Start, StartKind
from genai_tui.domain.rows import Phase
from genai_tui.metering.ledger import Ledger
from genai_tui.metering.starts import StartRows
from genai_tui.store.starts import StartWatcher
from tests.test_failures_staged import Watched
from tests.test_rollouts import REF, setting

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
KIND = StartKind("vllm/vllm-openai:v0.33.0", "llama", 2)


async def test_starts_come_back_as_they_were_each_pod_once_and_newest_first(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    rows, other = StartRows(ledger, "https://one"), StartRows(ledger, "https://other")
    first = Start("uid-1", NOW, KIND, {Phase.PULLING: 12.5, Phase.LOADING: 60.0})
    second = Start("uid-2", NOW + timedelta(minutes=1), KIND, {Phase.WARMING_UP: 0.0})
    for start in (first, second, first):
        await rows.add(start)
    assert await rows.newest() == (second, first)
    assert await rows.newest(1) == (second,)
    assert await other.newest() == ()
    await ledger.close()


def test_a_start_that_was_watched_is_told_of_the_next_one_of_its_kind() -> None:
    cluster = Watched("empty")
    seen: list[Start] = []

    async def finished(pod: Pod) -> None:
        start = cluster.picture.finished_start(pod)
        assert start is not None
        seen.append(start)
        cluster.picture.remember_starts(seen)

    clock = lambda: cluster.world.clock.now().timestamp()  # noqa: E731
    watcher = StartWatcher(cluster.picture, cluster._tail, cluster.watcher._diagnose, clock, finished=finished)

    def live(steps: int) -> None:
        for _ in range(steps):
            cluster.world.clock.advance(1)
            cluster.look()
            asyncio.run(watcher.once())

    cluster.apply(setting())
    assert cluster.picture.usual_start(REF) is None
    live(60)
    (start,) = seen
    assert start.kind == StartKind("vllm/vllm-openai:v0.33.0", "smollm2-135m", 1)
    assert {Phase.PULLING, Phase.LOADING} <= set(start.seconds)
    assert all(seconds >= 0 for seconds in start.seconds.values())
    known = cluster.picture.usual_start(REF)
    assert known is not None
    assert (known.starts, known.whole) == (1, sum(start.seconds.values()))
    cluster.apply(setting(engine__image="vllm/vllm-openai:v0.33.1"))
    cluster.look()
    assert cluster.picture.usual_start(REF) is None
    live(90)
    assert [one.kind.image for one in seen] == ["vllm/vllm-openai:v0.33.0", "vllm/vllm-openai:v0.33.1"]
