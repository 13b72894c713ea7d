"""Virtual time: tests step it, people watch it at the speed they choose."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

TICK_S = 0.05


class Timer:
    """A call in the future that can be cancelled."""

    __slots__ = ("cancelled", "fn", "when")

    def __init__(self, when: datetime, fn: Callable[[], None]) -> None:
        self.when, self.fn, self.cancelled = when, fn, False

    def cancel(self) -> None:
        """Never call it."""
        self.cancelled = True


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime.now(UTC)
        self._heap: list[tuple[datetime, int, Timer]] = []
        self._count = itertools.count()

    def now(self) -> datetime:
        """The virtual time, UTC."""
        return self._now

    def stamp(self) -> str:
        """RFC 3339, whole seconds, as objects carry it."""
        return self._now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def call_at(self, when: datetime, fn: Callable[[], None]) -> Timer:
        """Call `fn` at a time; a time in the past means at the next step."""
        timer = Timer(when, fn)
        heapq.heappush(self._heap, (when, next(self._count), timer))
        return timer

    def call_later(self, seconds: float, fn: Callable[[], None]) -> Timer:
        """Call `fn` after a while."""
        return self.call_at(self._now + timedelta(seconds=seconds), fn)

    def advance(self, seconds: float) -> None:
        """Move on and run everything that falls due, in order, at its own time."""
        end = self._now + timedelta(seconds=seconds)
        while self._heap and self._heap[0][0] <= end:
            when, _, timer = heapq.heappop(self._heap)
            self._now = max(self._now, when)
            if not timer.cancelled:
                timer.fn()
        self._now = end

    async def run(self, speed: float = 1.0) -> None:
        """Follow the wall clock, `speed` times as fast, until cancelled."""
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(TICK_S)
            now = loop.time()
            self.advance((now - last) * speed)
            last = now
