"""The picture of a large cluster: how long it takes to fill, and what a storm of changes costs.

Run it with `python -m benchmarks.picture [--deployments 1000] [--replicas 10] [--updates 500]`. It is read four times a
second, as screens do. The peer in the same run is the picture made anew for every reading.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from genai_tui.domain.cluster import (
    Condition,
    ContainerSpec,
    ContainerState,
    Kind,
    Meta,
    Node,
    Pod,
    ReplicaSet,
    Workload,
)
from genai_tui.domain.watching import Listed, Upserted, WatchEvent
from genai_tui.engines.failures import diagnose
from genai_tui.store.deriving import Deriver, Engine
from genai_tui.store.picture import Picture

BEGAN = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
NODES = 500
READS_PER_S = 4
SECONDS = 5
CONTAINERS = (ContainerSpec("engine", "vllm/vllm-openai:v0.33.0", gpus={"nvidia.com/gpu": 1}),)


def world(deployments: int, replicas: int) -> dict[Kind, list[Workload | ReplicaSet | Pod | Node]]:
    """A cluster in which everything runs."""
    found: dict[Kind, list[Workload | ReplicaSet | Pod | Node]] = {
        Kind.NODE: [Node(Meta(f"n{i}", uid=f"n{i}"), True, allocatable={"nvidia.com/gpu": "64"}) for i in range(NODES)],
        Kind.DEPLOYMENT: [],
        Kind.REPLICASET: [],
        Kind.POD: [],
    }
    for i in range(deployments):
        name, namespace = f"model-{i}", f"team-{i % 50}"
        meta = Meta(name, namespace, uid=f"d{i}", generation=1, created=BEGAN)
        found[Kind.DEPLOYMENT].append(Workload(meta, replicas, {}, 1, revision="1", containers=CONTAINERS))
        owner = Meta(f"{name}-1", namespace, uid=f"r{i}", owner=f"d{i}")
        found[Kind.REPLICASET].append(ReplicaSet(owner, "1", replicas, replicas))
        found[Kind.POD] += [_pod(name, namespace, i, j, replicas) for j in range(replicas)]
    return found


def _pod(name: str, namespace: str, i: int, j: int, replicas: int) -> Pod:
    return Pod(
        Meta(f"{name}-1-{j}", namespace, uid=f"p{i}-{j}", owner=f"r{i}", created=BEGAN),
        "Running",
        node=f"n{(i * replicas + j) % NODES}",
        conditions=(Condition("Ready", "True", changed=BEGAN),),
        containers=CONTAINERS,
        states=(ContainerState("engine", ready=True, started=True, state="running", since=BEGAN),),
    )


def picture() -> Picture:
    """An empty one that takes every Deployment for vLLM."""
    engine = Engine("vllm", "model", ("model",))
    return Picture(Deriver(lambda *_: None, lambda _: engine, diagnose), lambda *_: "")


def fill(objects: dict[Kind, list[Workload | ReplicaSet | Pod | Node]]) -> Picture:
    """A picture of everything, with every row derived."""
    made = picture()
    made.feed([Listed(kind, tuple(items)) for kind, items in objects.items()])
    made.deployments()
    made.nodes()
    return made


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds, which a busy machine disturbs least."""
    began = time.process_time()
    work()
    return time.process_time() - began


def storm(made: Picture, pods: list[Pod], updates: int) -> float:
    """CPU seconds for a second of changes, read as a screen reads them; the changes themselves are made before."""
    choose, drawn, spent = random.Random(1), made.revision, 0.0
    for _ in range(READS_PER_S * SECONDS):
        batch: list[WatchEvent] = []
        for _ in range(updates // READS_PER_S):
            at = choose.randrange(len(pods))
            pods[at] = replace(pods[at], states=(replace(pods[at].states[0], restarts=choose.randrange(9)),))
            batch.append(Upserted(Kind.POD, pods[at]))
        began = time.process_time()
        for event in batch:
            made.feed([event])
        drawn = made.changes_since(drawn).revision
        spent += time.process_time() - began
    return spent / SECONDS


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deployments", type=int, default=1_000)
    parser.add_argument("--replicas", type=int, default=10)
    parser.add_argument("--updates", type=int, default=500)
    options = parser.parse_args()
    objects = world(options.deployments, options.replicas)
    pods = [item for item in objects[Kind.POD] if isinstance(item, Pod)]
    filled = cpu(lambda: fill(objects))
    share = storm(fill(objects), pods, options.updates)
    anew = filled * READS_PER_S
    print(f"{len(pods):,} pods in {options.deployments:,} deployments")
    print(f"  fill and derive everything    {filled:6.2f} s CPU")
    print(f"  {options.updates} changes a second         {share:6.1%} of a core")
    print(f"  the same, made anew each time {anew:6.1%} of a core, {anew / share:.0f} times as much")


if __name__ == "__main__":
    main()
