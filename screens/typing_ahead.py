"""Keys in the order they were pressed, also over a slow line.

Textual hands a key to the widget that is focused when the key arrives, before the key ahead of it has moved the focus,
opened a screen or sent a line. Over SSH several keys arrive in one packet: the letters after a tab would land in the
field that is left, and an `enter` on a screen that is about to be covered. Here the next key waits until the one before
has been handled by everything it can reach.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from textual import events
from textual.app import App
from textual.message_pump import MessagePump

_LONGEST = 0.5
"""Seconds a key is waited for; one that opens something slow must not hold up the keys behind it."""

Typed = events.Key | events.Paste


class TypingAhead:
    """Holds back what is typed while the key before is still being handled.

    Args:
        app: whose keys they are.
        hand_over: gives one key to whatever has the focus.
    """

    def __init__(self, app: App[None], hand_over: Callable[[Typed], Awaitable[None]]) -> None:
        self._app = app
        self._hand_over = hand_over
        self._waiting: deque[Typed] = deque()
        self._busy: asyncio.Task[None] | None = None

    async def take(self, event: Typed) -> None:
        """Hand the event over now, or when those before it have been handled."""
        if self._busy is not None:
            self._waiting.append(event)
        else:
            await self._give(event)

    async def _give(self, event: Typed) -> None:
        await self._hand_over(event)
        self._busy = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        await self._handled()
        # In the application's own turn, so that what fails there is told as whatever else fails there.
        self._app.call_later(self._next)

    async def _next(self) -> None:
        self._busy = None
        if self._waiting:
            await self._give(self._waiting.popleft())

    async def _handled(self) -> None:
        try:
            async with asyncio.timeout(_LONGEST):
                # Twice: what the key did may have moved the focus, or have put a screen on top, which does more.
                for _ in range(2):
                    for pump in self._reached():
                        await _drained(pump)
        except TimeoutError:
            return

    def _reached(self) -> list[MessagePump]:
        """Whatever a key goes through: the focused widget, all around it, the screen, the application."""
        start = self._app.focused or self._app.screen
        return list(start.ancestors_with_self)


async def _drained(pump: MessagePump) -> None:
    """Wait until everything posted to a pump so far has been handled."""
    handled = asyncio.Event()
    if pump.is_running and pump.call_later(handled.set):
        await handled.wait()
