"""Background questions one after the other, so that keys are answered between them."""

from __future__ import annotations

import asyncio

GAP_S = 0.04
"""Of 25 questions a second each takes some milliseconds of the one thread that also paints."""


class Pace:
    """Lets its callers go on one by one, each no sooner than `gap_s` seconds after the one before.

    A burst of questions would be answered together, and a key that is pressed meanwhile would wait for all of them.
    """

    def __init__(self, gap_s: float = GAP_S) -> None:
        self._gap_s, self._next = gap_s, 0.0

    async def turn(self) -> None:
        """Wait for one's turn."""
        now = asyncio.get_running_loop().time()
        at = max(now, self._next)
        self._next = at + self._gap_s
        if at > now:
            await asyncio.sleep(at - now)
