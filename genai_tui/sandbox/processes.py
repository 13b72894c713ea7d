"""Ending the programs a sandbox runs beside itself."""

from __future__ import annotations

import asyncio
import contextlib


async def ended(process: asyncio.subprocess.Process, seconds: float) -> None:
    """Wait until a process that was asked to end has ended; after `seconds` it is killed."""
    try:
        await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
