"""The console over the fakes, for tests of single screens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
from textual import events
from textual._context import visible_screen_stack
from textual.app import App
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Static

from genai_tui.domain.rows import Ref
from screens.app import GenaiTui
from tests.fakes.services import FakeServices


class Console(GenaiTui):
    """The console with nothing under the screen in question; remembers which deployments it was sent to."""

    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {**GenaiTui.MODES, "deployments": Screen}

    def __init__(self, world: FakeServices, screen: Screen[Any] | None = None) -> None:
        super().__init__(world.build())
        self.first = screen
        self.sent: list[Ref] = []

    def on_ready(self) -> None:
        """Show the screen in question."""
        if self.first is not None:
            self.push_screen(self.first)

    def open_deployment(self, ref: Ref, tab: str = "overview") -> None:
        self.sent.append(ref)


plain_terminals = pytest.mark.parametrize(
    "environment", [{"TERM": "linux", "COLORTERM": ""}, {"NO_COLOR": "1"}], ids=["16-colours", "no-colour"]
)
"""Runs a test in a terminal with sixteen colours, and in one that wants none."""


@asynccontextmanager
async def showing(
    world: FakeServices, screen: Screen[Any] | None, *, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[Pilot[Any]]:
    """The console with a screen open."""
    app = Console(world, screen)
    async with app.run_test(size=size, notifications=True) as pilot:
        if screen is not None:
            await wait_until(pilot, lambda: app.screen is screen and screen.is_mounted)
        yield pilot


async def wait_until(pilot: Pilot[Any], true: Callable[[], object], what: str = "") -> None:
    """Let the console work until something is so; the deadline only ends a broken test."""
    for _ in range(600):
        if true():
            await pilot.pause()
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"never happened: {what or true}\n{page(pilot.app)}")


async def paste(pilot: Pilot[Any], text: str) -> None:
    """Give the focused widget a text at once."""
    pilot.app.post_message(events.Paste(text))
    await pilot.pause()


def page(app: App[Any]) -> str:
    """What the terminal shows now."""
    # As Textual does before it paints: looked at without it, a dialog keeps nothing behind it as its picture.
    visible_screen_stack.set(app._background_screens)
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


def shown(pilot: Pilot[Any], selector: str) -> str:
    """The text of the static widgets that match, on the screen in front."""
    found = pilot.app.screen.query(selector).results(Static)
    return "\n".join(str(widget.visual) for widget in found)
