"""What the gateway refused, gathered for a moment and kept by minute; nothing waits for it.

A refusal is no finished request: what was gathered in the second before a kill is lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime

from genai_tui.domain.keys import KeyRecord
from genai_tui.domain.refusals import Refusal
from genai_tui.domain.rows import Ref
from genai_tui.domain.text import printable
from genai_tui.errors import GenaiTuiError
from genai_tui.known_secrets import hide

log = logging.getLogger(__name__)
KEEP_EVERY_S = 1.0
LONGEST_REASON = 300
MOST = 2_000
"""Kinds of refusals gathered at once; there are as many as keys, deployments and reasons together make."""
Keep = Callable[[Sequence[Refusal]], Awaitable[None]]
_Kind = tuple[str, str, str, int, str]


class Refusals:
    """Gathers refusals of one gateway.

    Args:
        cluster: the API server's address.
        clock: the time.
        keep: puts them into the ledger.
    """

    def __init__(self, cluster: str, clock: Callable[[], datetime], keep: Keep) -> None:
        self._cluster, self._clock, self._keep = cluster, clock, keep
        self._gathered: dict[_Kind, Refusal] = {}

    def note(self, status: int, code: str, reason: str, key: KeyRecord | None, ref: Ref | None) -> None:
        """One request was refused: with what, who asked, for which deployment, as far as it is known."""
        at = self._clock()
        kind = (str(ref or ""), key.id if key else "", code, status, at.isoformat()[:16])
        known = self._gathered.get(kind)
        reason = reason[:LONGEST_REASON]
        if known is not None:
            self._gathered[kind] = replace(known, last=at, count=known.count + 1, reason=reason)
        elif len(self._gathered) < MOST:
            self._gathered[kind] = Refusal(
                at,
                at,
                1,
                self._cluster,
                ref.namespace if ref else "",
                ref.name if ref else "",
                key.organization if key else "",
                key.user if key else "",
                key.id if key else "",
                status,
                code,
                reason,
            )

    async def run(self) -> None:
        """Keep what was gathered, every second, for ever."""
        while True:
            await asyncio.sleep(KEEP_EVERY_S)
            await self.flush()

    async def flush(self) -> None:
        """Keep what was gathered. What the ledger does not take is tried again with the next."""
        if not self._gathered:
            return
        gathered, self._gathered = self._gathered, {}
        try:
            await self._keep(tuple(map(_speakable, gathered.values())))
        except (GenaiTuiError, OSError) as error:
            log.error("refusals wait for the ledger: %s", error)
            for kind, earlier in gathered.items():
                later = self._gathered.get(kind, earlier)
                count = earlier.count + (later.count if later is not earlier else 0)
                self._gathered[kind] = replace(later, first=earlier.first, count=count)


def _speakable(refusal: Refusal) -> Refusal:
    """With a reason that can be kept: the caller's own words may be in it, and a key among them."""
    return replace(refusal, reason=hide(printable(refusal.reason)))
