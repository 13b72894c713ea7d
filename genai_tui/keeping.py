"""How long this machine keeps what it counted: done in the background by every program that records for long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from genai_tui.domain.durations import parse_duration
from genai_tui.errors import GenaiTuiError
from genai_tui.metering import upkeep
from genai_tui.metering.ledger import Ledger
from genai_tui.settings import Settings

log = logging.getLogger(__name__)
AFTER_S, EVERY_S = 60.0, 6 * 3_600.0


async def keep_tidy(
    ledger: Ledger,
    settings: Settings,
    clock: Callable[[], datetime],
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Take old minutes out again and again, and requests older than `keep-requests`, where that is set.

    A session that is read-only deletes no request. A ledger that cannot be written is tried again the next time.
    """
    await pause(AFTER_S)
    while True:
        try:
            gone = await upkeep.tidy(ledger, clock(), kept(settings))
        except GenaiTuiError as error:
            log.warning("the ledger was not tidied: %s", error.problem.line)
        else:
            if gone:
                log.info("%d requests older than %s were taken out of the ledger", gone, settings.keep_requests)
        await pause(EVERY_S)


def kept(settings: Settings) -> timedelta | None:
    """How long requests are kept; None: for ever."""
    if settings.keep_requests is None or settings.read_only:
        return None
    return parse_duration(settings.keep_requests)
