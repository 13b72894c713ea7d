"""From the journal into the ledger: in batches, behind the answers, again and again until the ledger takes them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from genai_tui.domain.usage import RequestRecord
from genai_tui.errors import GenaiTuiError
from genai_tui.gateway.journal import Journal

log = logging.getLogger(__name__)

BATCH_S = 0.1
LARGEST_BATCH = 500
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
Keep = Callable[[Sequence[RequestRecord]], Awaitable[None]]


class Recorder:
    """Notes when requests begin and end, and keeps them."""

    def __init__(self, journal: Journal, keep: Keep) -> None:
        self._journal, self._keep = journal, keep
        self._ended: list[RequestRecord] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.problem: str | None = None
        """Why the ledger takes nothing now."""

    @property
    def waiting(self) -> int:
        """Requests that have ended and are not in the ledger yet."""
        return len(self._ended)

    def begin(self, record: RequestRecord) -> None:
        """A request begins.

        Raises:
            OSError: it cannot be noted, and must not be let in.
        """
        self._journal.write(record)

    def end(self, record: RequestRecord) -> None:
        """A request has ended: returns when it will be in the ledger even if this process is killed at once."""
        try:
            self._journal.write(record)
        except OSError as error:
            log.error("the journal cannot be written; request %s is in memory alone: %s", record.id, error)
        self._ended.append(record)
        self._idle.clear()
        self._wake.set()

    def recover(self) -> int:
        """Take over what an earlier process left; returns how many."""
        left = self._journal.unfinished()
        self._ended += left
        if left:
            self._idle.clear()
            self._wake.set()
        return len(left)

    async def run(self) -> None:
        """Keep what has ended, for ever."""
        pause = FIRST_PAUSE_S
        while True:
            await self._wake.wait()
            # The requests that end in the next moment share a transaction.
            await asyncio.sleep(BATCH_S)
            try:
                await self._drain()
                pause, self.problem = FIRST_PAUSE_S, None
            except (GenaiTuiError, OSError) as error:
                self.problem = str(error)
                log.error("%d requests wait for the ledger: %s", len(self._ended), error)
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE_S, 2 * pause)

    async def settle(self, limit: float) -> None:
        """Wait until the ledger has everything, at most `limit` seconds; what is left is in the journal."""
        try:
            async with asyncio.timeout(limit):
                await self._idle.wait()
        except TimeoutError:
            log.error("%d requests are left in the journal for the next start", len(self._ended))

    async def _drain(self) -> None:
        while self._ended:
            batch = self._ended[:LARGEST_BATCH]
            try:
                await self._keep(batch)
            except ValueError:
                await self._one_by_one(batch)
            del self._ended[: len(batch)]
            self._journal.committed(record.id for record in batch)
        self._wake.clear()
        self._idle.set()

    async def _one_by_one(self, batch: Sequence[RequestRecord]) -> None:
        """One of them is not a row (its price has more digits than there are): the others are kept."""
        for record in batch:
            try:
                await self._keep((record,))
            except ValueError as error:
                log.error("the ledger cannot hold request %s: %s; %r", record.id, error, record)
