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
    Event,
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
NO_PLACE = Condition(
    "PodScheduled", "False", "Unschedulable", "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
)
CONTAINER = ContainerSpec("engine", "vllm/vllm-openai:v0.33.0", gpus={"nvidia.com/gpu": 2})


def picture() -> Picture:
    def identify(containers: tuple[ContainerSpec, ...]) -> Engine | None:
        return Engine("vllm", "m", ("m",)) if containers else None

    return Picture(Deriver(lambda *_: None, identify, diagnose), lambda *_: "no entries here", clock=lambda: NOW)


def workload(name: str, replicas: int = 1, generation: int = 1, life: int = 0) -> Workload:
    meta = Meta(name, "ns", uid=f"d-{name}{life or ''}", generation=generation)
    return Workload(meta, replicas, {}, observed_generation=generation, revision="1", containers=(CONTAINER,))


def replicaset(name: str, life: int = 0, revision: str = "1") -> ReplicaSet:
    meta = Meta(f"{name}-1", "ns", uid=f"r-{name}", owner=f"d-{name}{life or ''}")
    return ReplicaSet(meta, revision=revision, replicas=1)


def pod(name: str, number: int, *, ready: bool, node: str | None = "n0", life: int = 0, phase: str = "") -> Pod:
    meta = Meta(f"{name}-1-{number}", "ns", uid=f"p-{name}-{number}-{life}", owner=f"r-{name}")
    conditions = (READY,) if ready else (NO_PLACE,) if node is None else ()
    phase = phase or ("Running" if ready else "Pending")
    return Pod(meta, phase, node=node, conditions=conditions, containers=(CONTAINER,))


def node(name: str, gpus: int, *, ready: bool = True) -> Node:
    return Node(Meta(name, uid=name), ready, allocatable={"nvidia.com/gpu": str(gpus)})


def told(number: int, kind: str, about: str, reason: str) -> Event:
    meta = Meta(f"e{number}", "ns")
    return Event(meta, "Normal", reason, reason, kind, about, "ns", first_seen=NOW, last_seen=NOW)


# Few objects that belong together, each in several versions: what goes wrong goes wrong between neighbours.
OBJECTS: st.SearchStrategy[Observed] = st.sampled_from(
    [
        workload("a"), workload("a", 2, 2), workload("a", life=1), workload("b"),
        replicaset("a"), replicaset("a", revision="2"), replicaset("a", life=1), replicaset("b"),
        pod("a", 0, ready=False, node=None), pod("a", 0, ready=False), pod("a", 0, ready=True),
        pod("a", 0, ready=True, life=1), pod("a", 0, ready=False, phase="Succeeded"), pod("a", 1, ready=True, node="n1"),
        pod("b", 0, ready=False, node=None), pod("b", 0, ready=True, node="n1"),
        node("n0", 8), node("n0", 1), node("n0", 8, ready=False), node("n1", 2),
        told(0, "Pod", "a-1-0", "Pulling"), told(0, "Pod", "a-1-0", "FailedMount"), told(1, "Pod", "b-1-0", "Pulling"),
        told(2, "Deployment", "a", "ScalingReplicaSet"), told(0, "ReplicaSet", "a-1", "SuccessfulCreate"),
    ]
)  # fmt: skip


def event(item: Observed, *, gone: bool) -> WatchEvent:
    key = key_of(item)
    return Removed(key.kind, key) if gone else Upserted(key.kind, item)


def listed(known: Mapping[Key, Observed]) -> list[Listed]:
    kinds = (Kind.DEPLOYMENT, Kind.REPLICASET, Kind.POD, Kind.NODE, Kind.EVENT)
    return [Listed(kind, tuple(o for k, o in known.items() if k.kind is kind)) for kind in kinds]


@settings(max_examples=300)
@given(st.lists(st.tuples(OBJECTS, *[st.sampled_from([False, False, True])] * 3), min_size=20, max_size=60))
def test_rows_do_not_depend_on_the_way_there(steps: list[tuple[Observed, bool, bool, bool]]) -> None:
    live = picture()
    known: dict[Key, Observed] = {}
    seen: dict[Ref, object] = {}
    drawn = 0
    for item, gone, look, again in steps:
        key = key_of(item)
        if gone:
            known.pop(key, None)
        else:
            known[key] = item
        live.feed([event(item, gone=gone)])
        if again:
            live.feed([listing for listing in listed(known) if listing.kind is key.kind])
        if look:
            changes = live.changes_since(drawn)
            drawn = changes.revision
            seen |= {row.ref: row for row in changes.rows}
            for ref in changes.gone:
                seen.pop(ref, None)
            same(live, known, seen)


def same(live: Picture, known: Mapping[Key, Observed], seen: Mapping[Ref, object]) -> None:
    """The picture, and what a list drew from its changes, are those of a picture made at once."""
    fresh = picture()
    fresh.feed(listed(known))
    assert list(live.deployments()) == list(fresh.deployments())
    assert list(live.nodes()) == list(fresh.nodes())
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
