"""Two consoles and a gateway that record into one ledger at once, killed again and again, and a disk that fills up."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from genai_tui.domain.usage import Source
from genai_tui.metering import upkeep
from genai_tui.metering.ledger import Ledger
from tests.gateway.test_process import gateway, make_key, server
from tests.sandbox.serving import Served

__all__ = ["server"]
SOAK_S = float(os.environ.get("GENAI_TUI_SOAK_S", "4"))
EVER = datetime(2020, 1, 1, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


async def console(*words: object) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "tests.gateway.console", *map(str, words)]
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=pipe, stderr=pipe)


async def told(process: asyncio.subprocess.Process, least: int) -> list[int]:
    """What it acknowledged until it was killed, once it acknowledged so many."""
    assert process.stdout is not None
    found: list[int] = []
    async with asyncio.timeout(60):
        while len(found) < least:
            line = await process.stdout.readline()
            assert line, "it ended by itself"
            found.append(int(line))
    process.kill()
    rest = (await process.stdout.read()).split(b"\n")[:-1]
    await process.wait()
    return [*found, *map(int, rest)]


async def out_of_disk(kubeconfig: object, state: Path) -> list[int]:
    """A console that may make no file much larger than the ledger is now; what it acknowledged before it says so."""
    ledger = state / "ledger.db"
    full = await console(kubeconfig, state, 1, ledger.stat().st_size + 20_000)
    out, err = await asyncio.wait_for(full.communicate(), 60)
    assert full.returncode == 1
    assert f"the ledger {ledger} failed" in err.decode()
    assert "disk" in err.decode()
    return [int(number) for number in out.split()]


@pytest.mark.timeout(60 + 3 * SOAK_S)
async def test_nothing_acknowledged_is_lost_and_a_full_disk_is_said(server: Served, tmp_path: Path) -> None:
    """GENAI_TUI_SOAK_S=60 does it for a minute."""
    text, _ = make_key(server)
    kubeconfig, state = server.kubeconfig(), tmp_path / "genai-tui"
    asked: Counter[int] = Counter()
    answered: set[str] = set()
    deadline, turns = time.monotonic() + SOAK_S, 0
    headers = {"Authorization": f"Bearer {text}"}
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=20) as client:

        async def call(url: str) -> None:
            body = {"model": "chat", "messages": [], "max_tokens": 3}
            with contextlib.suppress(httpx.TransportError):
                while True:
                    answer = await client.post(f"{url}/v1/chat/completions", json=body)
                    assert answer.status_code == 200
                    answered.add(answer.headers["x-request-id"])

        while time.monotonic() < deadline or turns < 2:
            async with gateway(kubeconfig, tmp_path) as process:
                callers = [asyncio.create_task(call(process.url)) for _ in range(4)]
                consoles = [await console(kubeconfig, state, first) for first in (1, 2)]
                if turns:
                    # In the middle of the load: the others go on.
                    asked.update(await out_of_disk(kubeconfig, state))
                for acknowledged in await asyncio.gather(*(told(one, 12) for one in consoles)):
                    asked.update(acknowledged)
                await process.end(signal.SIGKILL)
                await asyncio.gather(*callers)
            turns += 1
    ledger = Ledger(state / "ledger.db")
    asked.update(await out_of_disk(kubeconfig, state))

    # The next gateway takes over what was finished and not yet in the ledger.
    async with gateway(kubeconfig, tmp_path) as process:

        async def kept() -> bool:
            return answered <= {row.id for row in await ledger.requests(EVER, limit=10**6)}

        async with asyncio.timeout(30):
            while not await kept():
                await asyncio.sleep(0.05)
        await process.end(signal.SIGTERM)
    rows = await ledger.requests(EVER, limit=10**6)
    mine = Counter(row.usage.completion for row in rows if row.source is Source.PLAYGROUND and row.usage)
    assert not asked - mine, "an acknowledged answer is missing"
    assert max(Counter(row.id for row in rows).values()) == 1
    assert (await upkeep.check(ledger)).problems == ()
    await ledger.close()
