"""Programs that print a secret for us: run without the terminal, for a limited time, and all they started ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from genai_tui.domain.text import printable

_KILL_LIMIT_S = 2.0


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended: its exit code, what it printed, and what it said on standard error."""

    code: int | None
    output: bytes
    said: bytes

    @property
    def lines(self) -> list[str]:
        """What it said, as lines that can be shown; its exit code where it said nothing."""
        lines = [printable(line).strip() for line in self.said.decode("utf-8", "replace").splitlines()]
        return [line for line in lines if line] or [f"exit code {self.code}"]


async def run(words: Sequence[str], limit: float, environment: Mapping[str, str] | None = None) -> Done:
    """Run a program to its end.

    Its standard input is empty and it is in a session of its own, so that it can neither read from nor write to the
    terminal, which belongs to the console.

    Args:
        words: the program and its arguments; no shell reads them.
        limit: seconds it may take.
        environment: its own; None for this process's.

    Raises:
        OSError, ValueError: it cannot be run. TimeoutError: it did not end in time.
    """
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(limit):
            output, said = await process.communicate()
    finally:
        await _end(process)
    return Done(process.returncode, output, said)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill what still runs, children included: such a program is often a script around another."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_KILL_LIMIT_S):
            await process.communicate()
