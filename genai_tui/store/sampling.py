"""Asking engines: `/v1/models` as the proof that a deployment runs, `/metrics` for the rates in the list."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from genai_tui.domain.rows import DeploymentRow, Phase, Ref, Traffic
from genai_tui.engines.metrics import EngineSample, increase, parse_sample
from genai_tui.errors import GenaiTuiError
from genai_tui.store.picture import Picture

log = logging.getLogger(__name__)

AT_ONCE = 8
ANSWERED_PAUSE_S = 10.0
WAITING_PAUSE_S = 2.0
Fetch = Callable[[DeploymentRow, str], Awaitable[bytes]]
"""GET a path of a deployment's engine; raises GenaiTuiError when it does not answer."""


class Sampler:
    """Keeps the picture's answers and rates fresh. `run` until cancelled; `once` for commands."""

    def __init__(self, picture: Picture, fetch: Fetch) -> None:
        self._picture, self._fetch = picture, fetch
        self._before: dict[Ref, tuple[float, EngineSample]] = {}
        self._next: dict[Ref, float] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Ask whoever is due, and everybody new at once."""
        while True:
            await self._round()
            try:
                async with asyncio.timeout(1.0):
                    await self._picture.changed()
            except TimeoutError:
                continue
            # A start writes many changes a second; asking once for all of them is enough.
            await asyncio.sleep(0.2)

    async def once(self) -> None:
        """Ask every deployment whose pods are ready and which has not answered yet."""
        rows = [
            row for row in self._picture.deployments() if _askable(row) and row.assessment.phase is not Phase.RUNNING
        ]
        await asyncio.gather(*(self._ask(row) for row in rows))

    async def _round(self) -> None:
        now = time.monotonic()
        rows = [row for row in self._picture.deployments() if _askable(row)]
        due = [row for row in rows if self._next.get(row.ref, 0.0) <= now or row.assessment.phase is Phase.WARMING_UP]
        due = [row for row in due if row.assessment.phase is not Phase.WARMING_UP or self._waited(row.ref, now)]
        await asyncio.gather(*(self._ask(row) for row in due))

    def _waited(self, ref: Ref, now: float) -> bool:
        """Whether the last question was long enough ago for one that does not answer yet."""
        return self._next.get(ref, 0.0) - now < ANSWERED_PAUSE_S - WAITING_PAUSE_S

    async def _ask(self, row: DeploymentRow) -> None:
        async with self._slots:
            self._next[row.ref] = time.monotonic() + ANSWERED_PAUSE_S
            names = await self._served_names(row)
            self._picture.set_answer(row.ref, names)
            if names is not None:
                await self._sample(row)

    async def _served_names(self, row: DeploymentRow) -> tuple[str, ...] | None:
        try:
            data = json.loads(await self._fetch(row, "/v1/models"))
            return tuple(str(entry["id"]) for entry in data["data"])
        except GenaiTuiError as error:
            log.debug("%s does not answer: %s", row.ref, error)
        except (ValueError, KeyError, TypeError) as error:
            log.info("/v1/models of %s cannot be read: %s", row.ref, error)
        return None

    async def _sample(self, row: DeploymentRow) -> None:
        path = "/v1/metrics" if row.engine == "nim" else "/metrics"
        try:
            text = (await self._fetch(row, path)).decode("utf-8", "replace")
        except GenaiTuiError as error:
            log.debug("no metrics of %s: %s", row.ref, error)
            return
        now, sample = time.monotonic(), parse_sample(text)
        before = self._before.get(row.ref)
        self._before[row.ref] = (now, sample)
        if before is not None and now > before[0]:
            self._picture.set_traffic(row.ref, traffic(before[1], sample, now - before[0]))


def traffic(before: EngineSample, after: EngineSample, seconds: float) -> Traffic:
    """Rates between two samples; a counter the engine does not have gives no rate."""
    requests = increase(before.requests, after.requests)
    tokens = increase(before.generation_tokens, after.generation_tokens)
    return Traffic(
        requests_per_second=None if requests is None else requests / seconds,
        tokens_per_second=None if tokens is None else tokens / seconds,
        running=None if after.running is None else int(after.running),
        waiting=None if after.waiting is None else int(after.waiting),
        sampled=datetime.now(UTC),
    )


def _askable(row: DeploymentRow) -> bool:
    return row.ready > 0 and row.assessment.phase in (
        Phase.RUNNING,
        Phase.WARMING_UP,
        Phase.DEGRADED,
        Phase.ROLLING_OUT,
        Phase.SCALING,
    )
