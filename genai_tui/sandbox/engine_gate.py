"""Who may use the shared engine now: requests beyond its slots and its context memory wait, first come first served."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gate:
    """So many requests at a time, holding so many tokens together."""

    def __init__(self, slots: int, tokens: int) -> None:
        self._slots, self._tokens = slots, tokens
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def pass_through(self, tokens: int) -> AsyncIterator[None]:
        """Wait until a slot and `tokens` of context are free, and hold them for the length of the block."""
        entry = (tokens, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        self._admit()
        try:
            await entry[1]
        except asyncio.CancelledError:
            if entry in self._waiting:
                self._waiting.remove(entry)
            elif entry[1].done() and not entry[1].cancelled():
                self._leave(tokens)
            self._admit()
            raise
        try:
            yield
        finally:
            self._leave(tokens)

    def _admit(self) -> None:
        while self._waiting and self._slots and self._waiting[0][0] <= self._tokens:
            tokens, admitted = self._waiting.popleft()
            if admitted.done():  # given up, and not yet told
                continue
            self._slots -= 1
            self._tokens -= tokens
            admitted.set_result(None)

    def _leave(self, tokens: int) -> None:
        self._slots += 1
        self._tokens += tokens
        self._admit()
