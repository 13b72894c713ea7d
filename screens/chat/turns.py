"""The conversation as it is seen: a view for each turn, the newest at the end and in sight."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from genai_tui.domain.conversation import Turn
from screens.chat.turn_view import TurnView

_NEAR_THE_END = 2


class Turns(VerticalScroll):
    """Turns below each other."""

    def __init__(self) -> None:
        super().__init__(id="chat-turns", can_focus=False)
        self._newest: TurnView | None = None
        self._drawing, self._over = asyncio.Lock(), False
        # A long question takes a moment to be laid out: until its end was in sight, it is on its way there.
        self._on_the_way = self._at_end = False

    def compose(self) -> ComposeResult:
        """What is said while there is none."""
        yield Static("", id="chat-empty", markup=False)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Whether one looks at the end."""
        super().watch_scroll_y(old_value, new_value)
        self._at_end = new_value >= self.max_scroll_y - _NEAR_THE_END

    def on_resize(self) -> None:
        """The prompt grows with what is in it, as when a refused question is given back: the end stays in sight."""
        if self._at_end:
            self.scroll_end(animate=False)

    def show(self, turns: Iterable[Turn]) -> None:
        """Other turns."""
        self.query(TurnView).remove()
        self.mount(*(TurnView(turn) for turn in turns))
        self.scroll_end(animate=False)

    async def begin(self, turn: Turn) -> None:
        """A new turn at the end."""
        self._newest, self._over, self._on_the_way = TurnView(turn), False, True
        await self.mount(self._newest)
        self.scroll_end(animate=False)

    async def draw(self, turn: Turn, *, running: bool) -> None:
        """Draw the new turn as it is now; the end stays in sight for those who look at the end."""
        async with self._drawing:
            # A drawing of what was on its way must not come after the one of its end.
            if self._newest is None or not self._newest.is_mounted or (running and self._over):
                return
            self._over = not running
            near = self.scroll_y >= self.max_scroll_y - _NEAR_THE_END
            follow, self._on_the_way = near or self._on_the_way, self._on_the_way and not near
            await self._newest.draw(turn, running=running)
            if follow:
                self.scroll_end(animate=False)

    def take_last(self) -> None:
        """Remove the last turn from sight."""
        self.query(TurnView).last().remove()

    def page(self, by: int) -> None:
        """Scroll by pages."""
        self.scroll_page_up(animate=False) if by < 0 else self.scroll_page_down(animate=False)
