"""The console opened on its home list, which remembers where it was sent instead of going there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from textual.pilot import Pilot

from genai_tui.domain.rows import Ref
from genai_tui.services import SavedDraft
from screens.app import GenaiTui
from screens.deployments import DeploymentsScreen
from screens.widgets.virtual_table import VirtualTable
from tests.fakes.services import FakeServices
from tests.screens.console import wait_until


class Home(GenaiTui):
    """The console; `sent` holds where it would have gone."""

    def __init__(self, world: FakeServices) -> None:
        super().__init__(world.build())
        self.sent: list[tuple[str, object]] = []

    def open_deployment(self, ref: Ref, tab: str = "overview") -> None:
        self.sent.append((tab, ref))

    def open_playground(self, ref: Ref | None = None) -> None:
        self.sent.append(("playground", ref))

    def open_wizard(self, model: str | None = None, edit: Ref | None = None) -> None:
        self.sent.append(("wizard", edit))

    def open_filled(self, edit: Ref, fields: Mapping[str, str], *, review: bool = False) -> None:
        self.sent.append((" ".join(f"{field}={text}" for field, text in fields.items()), edit))

    def resume_draft(self, draft: SavedDraft) -> None:
        self.sent.append(("resume", draft.key))


@asynccontextmanager
async def home(world: FakeServices, *, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Pilot[Any]]:
    """The console on its home list."""
    app = Home(world)
    async with app.run_test(size=size, notifications=True) as pilot:
        await wait_until(pilot, lambda: isinstance(app.screen, DeploymentsScreen) and world.started)
        yield pilot


def sent(pilot: Pilot[Any]) -> list[tuple[str, object]]:
    """Where the console would have gone."""
    assert isinstance(pilot.app, Home)
    return pilot.app.sent


def table(pilot: Pilot[Any]) -> VirtualTable[Ref]:
    """The list."""
    screen = next(screen for screen in pilot.app.screen_stack if isinstance(screen, DeploymentsScreen))
    return screen.table


def names(pilot: Pilot[Any]) -> Sequence[str]:
    """The shown rows, in order."""
    return [ref.name for ref in table(pilot).shown]


def toasts(pilot: Pilot[Any]) -> str:
    """What was told in passing."""
    return "\n".join(note.message for note in pilot.app._notifications)
