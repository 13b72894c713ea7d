"""The tour's world for the forms, with drafts on a real disk, and the console without its other screens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from textual import events
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Static

from genai_tui.domain.disputes import UNDECIDED, Dispute, Resolution
from genai_tui.domain.rows import Ref
from genai_tui.draft_files import DraftFiles
from genai_tui.errors import Disputed
from genai_tui.services import AnyDocument, Applied, Preview, Services
from screens.app import GenaiTui
from screens.forms.controls import LineControl, LinesControl
from screens.forms.field_row import FieldRow
from screens.forms.form_screen import FormScreen
from tests.fakes import tour
from tests.fakes.services import FakeOperations, FakeServices


@dataclass
class FormOperations(FakeOperations):
    """Also remembers `create_only` and `base`, keeps failing until told otherwise, and asks about `disputed`.

    Previews wait for `answering`, where there is one.
    """

    created_only: list[bool] = field(default_factory=list)
    apply_failure: Exception | None = None
    preview_failure: Exception | None = None
    bases: list[AnyDocument | None] = field(default_factory=list)
    disputed: tuple[Dispute, ...] = ()
    answering: asyncio.Event | None = None

    async def preview(self, document: AnyDocument) -> Preview:
        if self.answering is not None:
            await self.answering.wait()
        self.failure = self.preview_failure
        return await super().preview(document)

    async def apply(
        self,
        document: AnyDocument,
        *,
        create_only: bool = False,
        base: AnyDocument | None = None,
        resolution: Resolution = UNDECIDED,
    ) -> Applied:
        self.failure = self.apply_failure
        open_ = tuple(dispute for dispute in self.disputed if dispute.key not in resolution)
        if open_:
            raise Disputed(open_)
        self.bases.append(base)
        applied = await super().apply(document, create_only=create_only, base=base, resolution=resolution)
        self.created_only.append(create_only)
        return applied


class FormWorld(FakeServices):
    """The tour, in namespace team-a."""

    def __init__(self, directory: Path, *, read_only: bool = False) -> None:
        super().__init__(read_only=read_only, namespace="team-a")
        self.files = DraftFiles(directory, lambda: tour.NOW)
        self.form_operations = self.operations = FormOperations()

    def build(self) -> Services:
        return replace(super().build(), drafts=self.files)

    @property
    def kept(self) -> list[Mapping[str, str]]:
        return [draft.fields for draft in self.files.saved()]

    @property
    def previewed(self) -> int:
        return sum(call[0] == "preview" for call in self.operations.calls)


class Console(GenaiTui):
    """The console with nothing under the screen in question; remembers where it was sent."""

    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {"deployments": Screen}

    def __init__(self, world: FormWorld) -> None:
        super().__init__(world.build())
        self.sent: list[tuple[Ref | str | None, str]] = []

    def open_deployment(self, ref: Ref, tab: str = "overview") -> None:
        self.sent.append((ref, tab))

    def open_wizard(self, model: str | None = None, edit: Ref | None = None) -> None:
        self.sent.append((model, "wizard"))


@asynccontextmanager
async def showing(world: FormWorld, screen: Screen[Any], ready: str) -> AsyncIterator[Pilot[Any]]:
    """The console with a screen open, once something it shows is there."""
    app = Console(world)
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(screen)
        await wait_until(pilot, lambda: screen.is_mounted and screen.query(ready), ready)
        yield pilot


async def wait_until(pilot: Pilot[Any], true: Callable[[], object], what: str = "") -> None:
    """Let the app work until something is so; the deadline only ends a broken test."""
    for _ in range(1500):
        assert pilot.app.is_running, "the console is gone"
        if true():
            await pilot.pause()
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"never happened: {what or true}")


def console_of(pilot: Pilot[Any]) -> Console:
    assert isinstance(pilot.app, Console)
    return pilot.app


def form_of(pilot: Pilot[Any]) -> FormScreen:
    return next(screen for screen in pilot.app.screen_stack if isinstance(screen, FormScreen))


def shown(pilot: Pilot[Any], selector: str) -> str:
    """The text of every static widget that matches, on the screen in front."""
    return "\n".join(str(widget.visual) for widget in pilot.app.screen.query(selector).results(Static))


def row(pilot: Pilot[Any], field_id: str) -> FieldRow:
    return next(row for row in form_of(pilot).query(FieldRow) if row.field.id == field_id)


def notice(pilot: Pilot[Any], field_id: str) -> str:
    """What stands below a field."""
    return str(row(pilot, field_id).query_one(".field--notice", Static).visual)


def typed(pilot: Pilot[Any], field_id: str) -> str:
    """What a field holds."""
    control = row(pilot, field_id).control
    assert control is not None
    return control.text


async def type_in(pilot: Pilot[Any], field_id: str, text: str) -> None:
    """Go to a field and paste over what it holds."""
    screen = form_of(pilot)
    await screen.go_to(field_id)
    control = row(pilot, field_id).control
    assert isinstance(control, LineControl | LinesControl)
    await wait_until(pilot, lambda: control is screen.focused, field_id)
    control.select_all()
    if text:
        pilot.app.post_message(events.Paste(text))
    else:
        await pilot.press("delete")
    await wait_until(pilot, lambda: screen.state.draft[field_id] == text, field_id)
