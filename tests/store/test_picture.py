"""The picture: whatever order things come in, rows are those of a picture made at once; callbacks come in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from genai_tui.domain.cluster import (
    Condition,
    ContainerSpec,
    Key,
    Kind,
    Meta,
    Node,
    Observed,
    Pod,
    ReplicaSet,
    Sync,
    Workload,
)
from genai_tui.domain.problems import Problem
from genai_tui.domain.rows import Link, Phase, Ref
from genai_tui.domain.watching import Listed, Removed, SyncChanged, Upserted, WatchEvent
from genai_tui.engines.failures import diagnose
from genai_tui.store.deriving import Deriver, Engine
from genai_tui.store.objects import key_of
from genai_tui.store.picture import Picture

NOW = datetime(2026, 11, 23, 10, 45, tzinfo=UTC)
READY = Condition("Ready", "True")
CONTAINER = ContainerSpec("engine", "vllm/vllm-openai:v0.33.0", gpus={"nvidia.com/gpu": 2})


def picture() -> Picture:
    def identify(containers: tuple[ContainerSpec, ...]) -> Engine | None:
        return Engine("vllm", "m", ("m",)) if containers else None

    return Picture(Deriver(lambda *_: None, identify, diagnose), lambda *_: "no entries here", clock=lambda: NOW)


def workload(name: str, replicas: int = 1, generation: int = 1) -> Workload:
    meta = Meta(name, "ns", uid=f"d-{name}", generation=generation)
    return Workload(meta, replicas, {}, observed_generation=generation, revision="1", containers=(CONTAINER,))


def replicaset(name: str) -> ReplicaSet:
    return ReplicaSet(Meta(f"{name}-1", "ns", uid=f"r-{name}", owner=f"d-{name}"), revision="1", replicas=1)


def pod(name: str, number: int, *, ready: bool, node: str | None = "n0") -> Pod:
    meta = Meta(f"{name}-1-{number}", "ns", uid=f"p-{name}-{number}", owner=f"r-{name}")
    conditions = (READY,) if ready else ()
    return Pod(meta, "Running" if ready else "Pending", node=node, conditions=conditions, containers=(CONTAINER,))


NAMES = st.sampled_from(["a", "b", "c"])
OBJECTS: st.SearchStrategy[Observed] = st.one_of(
    st.builds(workload, NAMES, st.integers(0, 3), st.integers(1, 3)),
    st.builds(replicaset, NAMES),
    st.builds(pod, NAMES, st.integers(0, 2), ready=st.booleans(), node=st.sampled_from([None, "n0", "n1"])),
    st.builds(
        lambda name, gpus: Node(Meta(name, uid=name), True, allocatable={"nvidia.com/gpu": str(gpus)}),
        st.sampled_from(["n0", "n1"]),
        st.integers(0, 8),
    ),
)


def event(item: Observed, *, gone: bool) -> WatchEvent:
    key = key_of(item)
    return Removed(key.kind, key) if gone else Upserted(key.kind, item)


def listed(known: Mapping[Key, Observed]) -> list[WatchEvent]:
    kinds = (Kind.DEPLOYMENT, Kind.REPLICASET, Kind.POD, Kind.NODE)
    return [Listed(kind, tuple(o for k, o in known.items() if k.kind is kind)) for kind in kinds]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(OBJECTS, st.booleans(), st.booleans()), max_size=40))
def test_rows_do_not_depend_on_the_way_there(steps: list[tuple[Observed, bool, bool]]) -> None:
    live = picture()
    known: dict[Key, Observed] = {}
    seen: dict[Ref, object] = {}
    drawn = 0
    for item, gone, look in steps:
        key = key_of(item)
        if gone:
            known.pop(key, None)
        else:
            known[key] = item
        live.feed([event(item, gone=gone)])
        if look:
            changes = live.changes_since(drawn)
            drawn = changes.revision
            seen |= {row.ref: row for row in changes.rows}
            for ref in changes.gone:
                seen.pop(ref, None)
    fresh = picture()
    fresh.feed(listed(known))
    assert list(live.deployments()) == list(fresh.deployments())
    assert list(live.nodes()) == list(fresh.nodes())
    changes = live.changes_since(drawn)
    seen |= {row.ref: row for row in changes.rows}
    for ref in changes.gone:
        seen.pop(ref, None)
    assert seen == {row.ref: row for row in fresh.deployments()}
    for row in fresh.deployments():
        assert live.deployment(row.ref) == fresh.deployment(row.ref)


def test_a_list_replaces_what_was_known() -> None:
    it = picture()
    it.feed([Upserted(Kind.DEPLOYMENT, workload("a")), Upserted(Kind.DEPLOYMENT, workload("b"))])
    it.feed([Listed(Kind.DEPLOYMENT, (workload("b"),))])
    assert [row.ref.name for row in it.deployments()] == ["b"]


def test_running_needs_the_engines_own_answer_and_again_from_new_pods() -> None:
    it, ref = picture(), Ref("ns", "a")
    it.feed([Upserted(Kind.DEPLOYMENT, workload("a")), Upserted(Kind.REPLICASET, replicaset("a"))])
    it.feed([Upserted(Kind.POD, pod("a", 0, ready=True))])
    assert it.deployments()[0].assessment.phase is Phase.WARMING_UP
    it.set_answer(ref, ("m",))
    row = it.deployments()[0]
    assert row.assessment.phase is Phase.RUNNING
    assert row.assessment.cause is None
    assert row.served_names == ("m",)
    it.feed([Removed(Kind.POD, key_of(pod("a", 0, ready=True))), Upserted(Kind.POD, pod("a", 1, ready=True))])
    assert it.deployments()[0].assessment.phase is Phase.WARMING_UP


def test_gpus_are_free_when_no_pod_that_lives_asks_for_them() -> None:
    it = picture()
    it.feed([Upserted(Kind.NODE, Node(Meta("n0", uid="n0"), True, allocatable={"nvidia.com/gpu": "8"}))])
    it.feed([Upserted(Kind.POD, pod("a", 0, ready=True)), Upserted(Kind.POD, pod("a", 1, ready=False))])
    assert it.nodes()[0].gpu_free == 4
    it.feed([Upserted(Kind.POD, replace(pod("a", 1, ready=False), phase="Succeeded"))])
    assert it.nodes()[0].gpu_free == 6


def link_of(it: Picture) -> Link:
    return it.health.link


def test_health_tells_connecting_live_stale_and_offline() -> None:
    it = picture()
    assert link_of(it) is Link.CONNECTING
    trouble = Problem("cannot reach the cluster")
    it.feed([SyncChanged(Kind.POD, Sync.STALE, trouble)])
    assert link_of(it) is Link.OFFLINE
    it.feed([SyncChanged(kind, Sync.LIVE, latency_ms=12.0) for kind in Kind])
    assert link_of(it) is Link.LIVE
    assert it.health.stale_since is None
    assert it.complete
    it.feed([SyncChanged(Kind.POD, Sync.STALE, trouble)])
    health = it.health
    assert (health.link, health.problem, health.stale_since) == (Link.STALE, trouble, NOW)
    it.feed([SyncChanged(Kind.POD, Sync.LIVE)])
    assert link_of(it) is Link.LIVE


def test_far_behind_means_all_again() -> None:
    it = picture()
    it.feed([Upserted(Kind.DEPLOYMENT, workload("a"))])
    it.deployments()
    for number in range(21_000):
        it.feed([Upserted(Kind.DEPLOYMENT, workload("a", generation=2 + number))])
        it.feed([Upserted(Kind.DEPLOYMENT, workload("a", replicas=number % 2))])
        it.changes_since(it.revision - 1)
    assert it.changes_since(1).reset
    assert not it.changes_since(it.revision).reset


async def test_callbacks_come_in_batches_and_stop_when_nobody_listens() -> None:
    it, calls = picture(), 0

    def called() -> None:
        nonlocal calls
        calls += 1

    stop = it.subscribe(called)
    for number in range(500):
        it.feed([Upserted(Kind.DEPLOYMENT, workload("a", replicas=number % 4))])
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        while not calls:
            await asyncio.sleep(0.01)
    assert calls == 1
    stop()
    it.feed([Upserted(Kind.DEPLOYMENT, workload("b"))])
    await asyncio.sleep(0.3)
    assert calls == 1
