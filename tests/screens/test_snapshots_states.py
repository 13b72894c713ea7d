"""How a rollout looks in each phase, and each diagnosis: states lived through in the simulated cluster, not made up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Protocol

import pytest
from textual.pilot import Pilot

from genai_tui.domain.rows import DeploymentDetail, Phase, Ref
from genai_tui.sandbox import registry
from genai_tui.sandbox.kubelet import DOWN_ANNOTATION
from genai_tui.sandbox.scenario_failures import FAILURES
from tests.screens.deployment_world import Console, World, says
from tests.test_failures_staged import EXPECTED, Watched
from tests.test_rollouts import HUB, REF, setting

TWO = setting(engine__replicas=2)
SMALL, LARGE = (80, 24), (160, 48)


@dataclass(frozen=True)
class Moment:
    """A deployment at one time of its cluster."""

    detail: DeploymentDetail
    now: datetime


class Compare(Protocol):
    """The plugin's fixture."""

    def __call__(
        self, app: Console, *, terminal_size: tuple[int, int], run_before: Callable[[Pilot[Any]], Awaitable[None]]
    ) -> bool: ...


class Lived(Watched):
    """A cluster in which a story is lived, and the first moment of each phase kept."""

    def __init__(self) -> None:
        super().__init__("empty")
        self.moments: dict[Phase, Moment] = {}

    def live(self, seconds: float, step: float = 0.5) -> None:
        for _ in range(int(seconds / step)):
            self.world.clock.advance(step)
            self.look()
            asyncio.run(self.watcher.once())
            detail = self.picture.deployment(REF)
            if detail is None:
                return
            self.moments.setdefault(detail.row.assessment.phase, Moment(detail, self.world.clock.now()))


@cache
def phases() -> dict[Phase, Moment]:
    """A life: started, scaled, rolled out, half of it lost, stopped, deleted; and a start that fails."""
    life = Lived()
    life.apply(TWO)
    life.live(40)
    life.picture.set_answer(REF, ("mine", "smollm2-135m"))
    life.live(2)
    life.apply(setting(engine__replicas=3))
    life.live(30)
    life.apply(setting(engine__replicas=3, engine__image="vllm/vllm-openai:v0.33.1"))
    life.live(10, 2)
    # The one to be shown is an update, with a replica of each revision; a first start is one too.
    life.moments.pop(Phase.ROLLING_OUT)
    life.live(110, 2)
    detail = life.detail(REF)
    patch = {"metadata": {"annotations": {DOWN_ANNOTATION: "true"}}}
    node = detail.replicas[0].pod.node or ""
    life.world.api.patch(registry.NODES, "", node, patch, "application/merge-patch+json")
    life.live(90, 2)
    life.world.api.patch(
        registry.NODES, "", node, {"metadata": {"annotations": {DOWN_ANNOTATION: None}}}, "application/merge-patch+json"
    )
    life.live(30, 2)
    life.apply(setting(engine__replicas=0))
    life.live(60)
    life.apply(TWO)
    life.live(60)
    life.world.api.delete(registry.DEPLOYMENTS, REF.namespace, REF.name, propagation="Foreground")
    life.live(5)
    large = Lived()
    large.apply(setting(advanced__env=HUB, resources__gpu=4), "llama-3.3-70b")
    large.live(120, 1)
    failing = Lived()
    failing.apply(setting(engine__contextLength=100_000))
    failing.live(60, 1)
    return {**failing.moments, **large.moments, **life.moments}


def showing(moment: Moment, tab: str, ref: Ref) -> tuple[Console, Callable[[Pilot[Any]], Awaitable[None]]]:
    world = World()
    world.now = moment.now
    world.details.put_detail(moment.detail)
    console = Console(world)

    async def before(pilot: Pilot[Any]) -> None:
        console.open_deployment(ref, tab)
        await says(pilot, moment.detail.row.assessment.phase.value)
        await says(pilot, "REVISION" if tab == "rollout" else "TRAFFIC")

    return console, before


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "160x48"])
@pytest.mark.parametrize(
    "phase",
    [phase for phase in Phase if phase is not Phase.UNKNOWN],
    ids=lambda phase: phase.value.lower().replace(" ", "-"),
)
def test_phase(snap_compare: Compare, phase: Phase, size: tuple[int, int]) -> None:
    console, before = showing(phases()[phase], "rollout", REF)
    assert snap_compare(console, terminal_size=size, run_before=before)


def diagnosed(name: str) -> Moment:
    """The first moment at which the staged failure shows its cause."""
    cluster, ref, cause = Watched(f"failure:{name}"), Ref(FAILURES, name), EXPECTED[name][1]
    for row in _until_told(cluster, ref):
        if cause in (row.detail.row.assessment.cause or ""):
            return row
    raise AssertionError(f"{name} never showed {cause}")


def _until_told(cluster: Watched, ref: Ref) -> Iterator[Moment]:
    for _ in cluster.rows(ref):
        yield Moment(cluster.detail(ref), cluster.world.clock.now())


@pytest.mark.parametrize("name", list(EXPECTED))
def test_diagnosis(snap_compare: Compare, name: str) -> None:
    console, before = showing(diagnosed(name), "overview", Ref(FAILURES, name))
    assert snap_compare(console, terminal_size=SMALL, run_before=before)
