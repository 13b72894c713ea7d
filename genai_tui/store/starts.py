"""Reading logs of pods that start or crash: how far a start has come, and the cause of a crash its last words hide.

An engine's root cause often stands a hundred lines above its end, and a start tells its stages only in its log.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from genai_tui.domain.cluster import Pod
from genai_tui.domain.phases import Diagnose
from genai_tui.domain.problems import Diagnosis
from genai_tui.domain.rows import Phase
from genai_tui.domain.startup import StartUp
from genai_tui.engines.milestones import milestone
from genai_tui.errors import GenaiTuiError, NotPermitted
from genai_tui.services import LogLine
from genai_tui.store.deriving import LogFindings, runs
from genai_tui.store.pace import Pace
from genai_tui.store.picture import Picture

log = logging.getLogger(__name__)

AT_ONCE = 4
MOST = 16
"""Pods read in one round; in a larger roll-out the others come in the next ones."""
EVERY_S = 2.0
FORBIDDEN_S = 60.0
LEAST_S = 5.0
LEAST_SHARE = 0.05
Tail = Callable[[Pod, str, bool], Awaitable[Sequence[LogLine]]]
"""The newest lines of a pod's container, of the run before when asked; raises GenaiTuiError."""
_ORDER = {phase: number for number, phase in enumerate((Phase.DOWNLOADING, Phase.LOADING, Phase.WARMING_UP))}


def read_start(lines: Iterable[LogLine]) -> StartUp:
    """The stages a log shows, the share of the last one that is done, and how long it takes at that pace.

    Stages only go on: a line of an earlier one, from another worker of the engine, takes nothing back. A bar that is
    full is the end of a step and not of its stage: then no share is known.
    """
    reached: dict[Phase, datetime] = {}
    progress: float | None = None
    last: LogLine | None = None
    for line in lines:
        found = milestone(line.text)
        if found is None or line.at is None:
            continue
        phase = Phase.WARMING_UP if found.phase is Phase.RUNNING else found.phase
        current = next(reversed(reached), None)
        if current is None or _ORDER[phase] > _ORDER[current]:
            reached[phase], progress = line.at, found.progress
        elif phase is current and found.progress is not None:
            progress = max(found.progress, progress or 0.0)
        elif phase is not current:
            continue
        last = line
    if last is None:
        return StartUp()
    progress = None if progress == 1 else progress
    return StartUp(tuple(reached.items()), progress, _left(reached, progress, last.at), " ".join(last.text.split()))


def _left(reached: dict[Phase, datetime], progress: float | None, at: datetime | None) -> float | None:
    began = next(reversed(reached.values()), None)
    if began is None or at is None or progress is None or not LEAST_SHARE <= progress < 1:
        return None
    spent = (at - began).total_seconds()
    return spent * (1 - progress) / progress if spent >= LEAST_S else None


@dataclass(slots=True)
class _Read:
    """What was read of a pod, so that nothing is read twice that does not change."""

    pod: Pod
    crash: Diagnosis | None = None
    crash_read: bool = False
    done: bool = False


class StartWatcher:
    """Keeps what logs tell fresh. `run` until cancelled; `once` for commands.

    Args:
        picture: what is fed.
        tail: the way to a log.
        diagnose: reads the cause of a crash.
        clock: seconds that only grow.
        finished: told of each pod whose start was followed until it was ready.
        pace: when `run` reads the next log; commands read at once.
    """

    def __init__(
        self,
        picture: Picture,
        tail: Tail,
        diagnose: Diagnose,
        clock: Callable[[], float] = time.monotonic,
        *,
        finished: Callable[[Pod], Awaitable[None]] | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._pace = pace or Pace()
        self._picture, self._tail, self._diagnose, self._clock = picture, tail, diagnose, clock
        self._finished = finished
        self._read: dict[str, _Read] = {}
        self._forbidden: dict[str, float] = {}
        self._turn = 0

    async def run(self) -> None:
        """Read the logs of pods that start or crash, every two seconds."""
        while True:
            await self._round(self._in_turn)
            await asyncio.sleep(EVERY_S)

    async def once(self) -> None:
        """One round, now."""
        await self._round(self._tail)

    async def _in_turn(self, pod: Pod, container: str, previous: bool) -> Sequence[LogLine]:
        await self._pace.turn()
        return await self._tail(pod, container, previous)

    async def _round(self, tail: Tail) -> None:
        due = [read for read in self._due() if self._clock() >= self._forbidden.get(read.pod.meta.namespace, 0.0)]
        begin = self._turn % len(due) if due else 0
        chosen = (due[begin:] + due[:begin])[:MOST]
        self._turn = begin + len(chosen) if len(due) > MOST else 0
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(read: _Read) -> None:
            async with slots:
                await self._look(read, tail)

        await asyncio.gather(*(one(read) for read in chosen))

    def _due(self) -> list[_Read]:
        """Those whose log has something to tell: starting, just started, or ended without a cause that is known."""
        seen = {uid: read for uid, read in self._read.items() if self._lives(read)}
        for pod, _ in self._picture.unready_pods():
            read = seen.get(pod.meta.uid)
            if read is None or runs(read.pod) != runs(pod):
                seen[pod.meta.uid] = _Read(pod)
            else:
                read.pod = pod
        self._read = seen
        return [read for read in seen.values() if self._starting(read) or self._hides_its_cause(read)]

    def _lives(self, read: _Read) -> bool:
        """Whether it is still there; brings it up to date."""
        pod = self._picture.pod(read.pod.meta.namespace, read.pod.meta.name)
        if pod is None or pod.meta.uid != read.pod.meta.uid:
            return False
        if runs(pod) == runs(read.pod):
            read.pod = pod
        return True

    def _starting(self, read: _Read) -> bool:
        main = [state for state in read.pod.states if not state.init]
        running = any(state.state == "running" for state in main)
        return running and not read.done and read.pod.meta.deleting is None

    def _hides_its_cause(self, read: _Read) -> bool:
        """Whether it crashed and its last words alone say nothing."""
        if read.crash_read or read.pod.ready:
            return False
        ended = [s for s in read.pod.states if not s.init and (s.restarts or s.state == "terminated")]
        words = next((s.last_message or s.message for s in ended), None)
        return words is not None and self._diagnose(words) is None

    async def _look(self, read: _Read, tail: Tail) -> None:
        pod = read.pod
        container = next((spec.name for spec in pod.containers), "")
        start: StartUp | None = None
        try:
            if self._hides_its_cause(read):
                previous = any(state.restarts for state in pod.states if not state.init)
                lines = await tail(pod, container, previous)
                read.crash_read = True
                read.crash = self._diagnose("\n".join(line.text for line in lines))
            if self._starting(read):
                start = read_start(await tail(pod, container, False))
                # Once it is ready, its log has told all of its start.
                read.done = pod.ready
        except NotPermitted as error:
            log.info("logs in %s: %s", pod.meta.namespace, error)
            self._forbidden[pod.meta.namespace] = self._clock() + FORBIDDEN_S
            return
        except GenaiTuiError as error:
            log.debug("no log of %s: %s", pod.meta.name, error)
            return
        if read.crash is not None or (start is not None and start.reached):
            self._picture.set_findings(pod, LogFindings(runs(pod), start, read.crash))
        # A start after a crash took the crashes too.
        if read.done and start is not None and self._finished is not None and not runs(pod):
            await self._finished(pod)
