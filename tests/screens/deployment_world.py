"""The tour for the deployment screen: details a test can put together, logs that are scripted, a console that notes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, ClassVar, Literal

from textual.pilot import Pilot
from textual.screen import Screen

from genai_tui.domain.chat import ChatRequest
from genai_tui.domain.revisions import Revision
from genai_tui.domain.rows import Assessment, DeploymentDetail, DeploymentRow, Phase, Ref, ReplicaRow
from genai_tui.services import LogLine
from screens.app import GenaiTui
from screens.deployment.screen import DeploymentScreen
from tests.fakes import tour
from tests.fakes.services import FakeOperations, FakePicture, FakePlayground, FakeServices
from tests.fakes.tour import CHAT, NOW
from tests.screens.console import page as page_of

Script = list[LogLine | Exception]


class DetailPicture(FakePicture):
    """Details can be put in whole."""

    def __init__(self, rows: tuple[DeploymentRow, ...]) -> None:
        super().__init__(rows)
        self.details: dict[Ref, DeploymentDetail] = {}

    def put_detail(self, detail: DeploymentDetail) -> None:
        self.details[detail.row.ref] = detail
        self.put(detail.row)

    def remove(self, *refs: Ref) -> None:
        for ref in refs:
            self.details.pop(ref, None)
        super().remove(*refs)

    def deployment(self, ref: Ref) -> DeploymentDetail | None:
        return self.details.get(ref) or super().deployment(ref)


@dataclass
class ScriptedLogs(FakeOperations):
    """Each reading of a log takes the next script: lines, and an error to end with. The last one is repeated.

    Pods in `of_pods` have a script of their own.
    """

    scripts: list[Script] = field(default_factory=list)
    of_pods: dict[str, Script] = field(default_factory=dict)
    asked: list[tuple[str, str, bool]] = field(default_factory=list)
    manifest: str = "kind: Deployment\nmetadata:\n  name: chat\n"

    async def live_manifest(self, ref: Ref) -> str:
        self._do("live_manifest", str(ref))
        return self.manifest

    async def logs(
        self,
        ref: Ref,
        pod: str,
        *,
        container: str = "",
        follow: bool = True,
        previous: bool = False,
        tail: int = 500,
    ) -> AsyncGenerator[LogLine, None]:
        self.asked.append((pod, container, previous))
        last = len(self.scripts) <= 1 or pod in self.of_pods
        script = self.of_pods[pod] if pod in self.of_pods else self.scripts[0] if self.scripts else []
        self.scripts = self.scripts if last else self.scripts[1:]
        for said in script:
            if isinstance(said, Exception):
                raise said
            yield replace(said, pod=pod, container=container)
        if follow and not previous and last:
            await asyncio.Event().wait()


@dataclass
class SamplePlayground(FakePlayground):
    """Its samples can be set."""

    sample: str = ""

    async def sample_code(
        self, ref: Ref, language: Literal["curl", "python", "node"], request: ChatRequest | None = None
    ) -> str:
        return self.sample or await super().sample_code(ref, language)


class World(FakeServices):
    """The tour with one deployment of others."""

    def __init__(self, *, read_only: bool = False) -> None:
        super().__init__(read_only=read_only)
        self.details = self.picture = DetailPicture((*tour.rows(), tour.foreign_row()))
        self.scripted = self.operations = ScriptedLogs()
        self.samples = self.playground = SamplePlayground()


class Console(GenaiTui):
    """The console with nothing under the screen in question; remembers where it was sent."""

    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {"deployments": Screen}

    def __init__(self, world: FakeServices) -> None:
        super().__init__(world.build())
        self.sent: list[tuple[str, Ref | None]] = []

    def open_playground(self, ref: Ref | None = None) -> None:
        self.sent.append(("playground", ref))

    def open_wizard(self, model: str | None = None, edit: Ref | None = None, draft: object = None) -> None:
        self.sent.append(("wizard", edit))


@asynccontextmanager
async def showing(
    world: FakeServices, ref: Ref, tab: str = "overview", *, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[Pilot[Any]]:
    """The console with the deployment open."""
    app = Console(world)
    screen = DeploymentScreen(ref, tab)
    async with app.run_test(size=size, notifications=True) as pilot:
        app.push_screen(screen)
        await wait_until(pilot, lambda: app.screen is screen and ref.name in page(pilot))
        yield pilot


async def wait_until(pilot: Pilot[Any], true: Callable[[], object], what: str = "") -> None:
    """Let the console work until something is so; the deadline only ends a broken test."""
    for _ in range(600):
        if true():
            await pilot.pause()
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"never happened: {what or true}\n{page(pilot)}")


async def says(pilot: Pilot[Any], text: str) -> None:
    """Wait until the terminal shows a text."""
    await wait_until(pilot, lambda: text in page(pilot), text)


def page(pilot: Pilot[Any]) -> str:
    """What the terminal shows now."""
    return page_of(pilot.app)


def console_of(pilot: Pilot[Any]) -> Console:
    assert isinstance(pilot.app, Console)
    return pilot.app


def line(text: str, second: int = 0) -> LogLine:
    """A line written some seconds after half past ten."""
    return LogLine("pod", "engine", text, tour.ago(minutes=15) + timedelta(seconds=second))


def detail_of(ref: Ref) -> DeploymentDetail:
    """The tour's own detail, to change."""
    row = next(row for row in (*tour.rows(), tour.foreign_row()) if row.ref == ref)
    return tour.detail(row)


def replica(base: ReplicaRow, name: str, phase: Phase, *, current: bool = True, **how: Any) -> ReplicaRow:
    """A replica like another one, with a name and a phase of its own."""
    meta = replace(base.pod.meta, name=name, uid=f"uid-{name}", owner="new" if current else "old")
    stages = how.pop("stages", base.stages)
    return ReplicaRow(replace(base.pod, meta=meta), Assessment(phase, **how), stages, current)


def two_revisions() -> tuple[Revision, Revision]:
    """What CHAT is made from now, and what it was made from two days before."""
    document = detail_of(CHAT).document
    assert document is not None
    engine = document.spec.engine.model_copy(update={"image": "vllm/vllm-openai:v0.9.1", "replicas": 7})
    then = document.model_copy(update={"spec": document.spec.model_copy(update={"engine": engine})})
    return (
        Revision(4, NOW - timedelta(hours=5), document.spec.engine.image, 2, 2, True, document),
        Revision(3, NOW - timedelta(days=2), engine.image, 0, 0, False, then),
    )
