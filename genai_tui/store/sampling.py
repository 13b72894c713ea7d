"""Asking engines: `/v1/models` as the proof that a deployment runs, `/metrics` for the rates in the list.

An answer holds for the pods it was asked of. Rates come from the counters of each pod for itself: a Service would give
now one pod's and now another's, and their difference means nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from genai_tui.domain.counters import Count, PodReading
from genai_tui.domain.rows import DeploymentRow, Phase, Ref, Traffic
from genai_tui.engines.metrics import EngineSample, increase, known_total, parse_sample
from genai_tui.errors import EngineRefused, EngineSilent, GenaiTuiError, NotPermitted
from genai_tui.store.pace import Pace
from genai_tui.store.picture import Picture

log = logging.getLogger(__name__)

AT_ONCE = 8
RATES_EVERY_S = 10.0
PROOF_EVERY_S = 60.0
UNANSWERED_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Pauses between questions to an engine that does not answer yet."""
QUESTIONS_PER_S = 20.0
"""In a large cluster every pod is asked less often, rather than the API server more."""
TICK_S = 1.0
Fetch = Callable[[DeploymentRow, str, str | None], Awaitable[bytes]]
"""GET a path of a deployment's engine, of the named pod or of any; raises GenaiTuiError when there is no answer.

EngineSilent and EngineRefused are of the engine; of every other error it is not known whether the engine lives.
"""
Keep = Callable[[Ref, Sequence[PodReading]], Awaitable[None]]
"""Is given the counters of a deployment's pods each time they were read; it must not raise."""


async def _forget(_ref: Ref, _readings: Sequence[PodReading]) -> None:
    """Keep no counters."""


@dataclass(slots=True)
class _Asked:
    """What is remembered of a deployment between two questions."""

    failures: int = 0
    next: float = 0.0
    next_proof: float = 0.0


class Sampler:
    """Keeps the picture's answers and rates fresh. `run` until cancelled; `once` for commands.

    Args:
        picture: what is fed.
        fetch: the way to an engine.
        clock: seconds that only grow.
        keep: what is done with the counters that were read.
        pace: when `run` asks the next question; commands ask at once.
    """

    def __init__(
        self,
        picture: Picture,
        fetch: Fetch,
        clock: Callable[[], float] = time.monotonic,
        keep: Keep = _forget,
        pace: Pace | None = None,
    ) -> None:
        self._picture, self._fetch, self._clock, self._keep = picture, fetch, clock, keep
        self._pace = pace or Pace()
        self._pods = 0
        self._asked: dict[Ref, _Asked] = {}
        self._before: dict[str, tuple[float, EngineSample]] = {}
        self._asking: set[Ref] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Ask whoever is due. One that hangs holds up nobody else."""
        async with asyncio.TaskGroup() as group:
            while True:
                for row in self._due():
                    self._asking.add(row.ref)
                    group.create_task(self._ask(row))
                try:
                    async with asyncio.timeout(TICK_S):
                        await self._picture.changed()
                except TimeoutError:
                    continue
                # A start writes many changes a second; looking once for all of them is enough.
                await asyncio.sleep(TICK_S / 5)

    async def once(self) -> None:
        """Ask every deployment whose pods are ready and which has not answered yet."""
        rows = [row for row in self._picture.deployments() if _askable(row)]
        proofs = (self._prove(row, self._fetch) for row in rows if row.assessment.phase is not Phase.RUNNING)
        await asyncio.gather(*proofs)

    async def read_counters(self) -> None:
        """Read the counters of every deployment that has ready pods, now."""

        async def read(row: DeploymentRow) -> None:
            async with self._slots:
                await self._sample(row, self._fetch)

        await asyncio.gather(*(read(row) for row in self._picture.deployments() if _askable(row)))

    def _due(self) -> list[DeploymentRow]:
        now = self._clock()
        rows = [row for row in self._picture.deployments() if _askable(row)]
        self._pods = sum(row.ready for row in rows)
        if len(self._asked) > 2 * len(rows) + AT_ONCE:
            known = {row.ref for row in rows}
            self._asked = {ref: asked for ref, asked in self._asked.items() if ref in known}
        return [row for row in rows if row.ref not in self._asking and self._is_due(row, now)]

    def _is_due(self, row: DeploymentRow, now: float) -> bool:
        asked = self._asked.get(row.ref)
        if asked is None or asked.next <= now:
            return True
        # New pods have not been asked, whenever the old ones were.
        return not row.served_names and asked.failures == 0

    async def _ask(self, row: DeploymentRow) -> None:
        try:
            async with self._slots:
                asked = self._asked.setdefault(row.ref, _Asked())
                answered = bool(row.served_names) and self._clock() < asked.next_proof
                if not answered:
                    answered = await self._prove(row, self._in_turn)
                    asked.next_proof = self._clock() + PROOF_EVERY_S if answered else 0.0
                if answered:
                    await self._sample(row, self._in_turn)
                    asked.failures, pause = 0, max(RATES_EVERY_S, self._pods / QUESTIONS_PER_S)
                else:
                    pause = UNANSWERED_S[min(asked.failures, len(UNANSWERED_S) - 1)]
                    asked.failures += 1
                asked.next = self._clock() + pause
        finally:
            self._asking.discard(row.ref)

    async def _in_turn(self, row: DeploymentRow, path: str, pod: str | None) -> bytes:
        await self._pace.turn()
        return await self._fetch(row, path, pod)

    # -- the proof ----------------------------------------------------------------------------------------------

    async def _prove(self, row: DeploymentRow, fetch: Fetch) -> bool:
        """Ask for the served names; an answer counts for the pods that were ready when it was asked for.

        What fails on the way to the engine says nothing of it: then the answer before holds on.
        """
        question = self._picture.question(row.ref)
        names, why, said = None, "", ""
        try:
            names = _names(await fetch(row, "/v1/models", None))
        except NotPermitted as error:
            why = error.problem.what
        except EngineRefused as error:
            why = "it wants an API key" if error.status in (401, 403) else ""
            said = error.problem.line
        except EngineSilent as error:
            said = error.problem.line
        except GenaiTuiError as error:
            log.debug("%s cannot be asked: %s", row.ref, error)
            return False
        except (ValueError, KeyError, TypeError) as error:
            said = f"its /v1/models cannot be read: {error}"
        self._picture.set_not_asked(row.ref, why)
        if question is not None:
            self._picture.set_answer(row.ref, names, question, said)
        return bool(names)

    # -- the rates ----------------------------------------------------------------------------------------------

    async def _sample(self, row: DeploymentRow, fetch: Fetch) -> None:
        """The sum over the ready pods; nothing where one of them does not tell, because a part is not the whole."""
        path = "/v1/metrics" if row.engine == "nim" else "/metrics"
        found: list[tuple[float, EngineSample | None, EngineSample]] = []
        counted: list[PodReading] = []
        for pod, uid in self._picture.ready_pods(row.ref):
            asked = datetime.now(UTC)
            try:
                text = (await fetch(row, path, pod)).decode("utf-8", "replace")
            except GenaiTuiError as error:
                log.debug("no metrics of %s in %s: %s", pod, row.ref, error)
                self._picture.set_traffic(row.ref, Traffic())
                break
            now, sample = self._clock(), parse_sample(text)
            then, before = self._before.get(uid, (now, None))
            self._before[uid] = (now, sample)
            found.append((now - then, before, sample))
            counted += self._reading(row.ref, pod, uid, asked, sample)
        else:
            if found:
                self._picture.set_traffic(row.ref, traffic(found))
        await self._keep(row.ref, counted)
        self._tidy()

    def _reading(self, ref: Ref, pod: str, uid: str, asked: datetime, sample: EngineSample) -> tuple[PodReading, ...]:
        """The counters of a pod; nothing where the engine has not both of them (yet)."""
        if sample.prompt_tokens is None or sample.generation_tokens is None:
            return ()
        known = self._picture.pod(ref.namespace, pod)
        created = known.meta.created if known is not None else None
        count = Count(int(sample.prompt_tokens), int(sample.generation_tokens))
        return (PodReading(uid, asked, datetime.now(UTC), count, created, sample.began),)

    def _tidy(self) -> None:
        if len(self._before) > 2 * self._picture.pod_count + AT_ONCE:
            latest = max(at for at, _ in self._before.values())
            self._before = {uid: kept for uid, kept in self._before.items() if kept[0] > latest - 10 * PROOF_EVERY_S}


def traffic(samples: Sequence[tuple[float, EngineSample | None, EngineSample]]) -> Traffic:
    """Rates of several pods together, from (seconds, sample before, sample now) of each.

    A counter that one of them does not have (yet) gives no rate.
    """
    return Traffic(
        requests_per_second=known_total(_rate(s, b.requests if b else None, a.requests) for s, b, a in samples),
        tokens_per_second=known_total(
            _rate(s, b.generation_tokens if b else None, a.generation_tokens) for s, b, a in samples
        ),
        running=_whole(known_total(a.running for _, _, a in samples)),
        waiting=_whole(known_total(a.waiting for _, _, a in samples)),
        sampled=datetime.now(UTC),
    )


def _names(answer: bytes) -> tuple[str, ...]:
    return tuple(str(entry["id"]) for entry in json.loads(answer)["data"])


def _rate(seconds: float, before: float | None, after: float | None) -> float | None:
    grown = increase(before, after)
    return None if grown is None or seconds <= 0 else grown / seconds


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _askable(row: DeploymentRow) -> bool:
    return row.ready > 0 and row.assessment.phase not in (Phase.TERMINATING, Phase.STOPPED)
