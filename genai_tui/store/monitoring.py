"""What GPUs and engines report, read when a screen asks for it. Implements `services.Monitor`.

Data path: the picture's pods -> the exporter of each node, the engine of each replica -> their Prometheus text through
the API server's proxy -> readings. Nothing is read in the background.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from genai_tui.domain.cluster import Pod
from genai_tui.domain.monitoring import EngineMoment, EngineReport, GpuReading, GpuReport, Quantiles
from genai_tui.domain.naming import MANAGED_BY_LABEL, MANAGER
from genai_tui.domain.rows import DeploymentRow, Ref
from genai_tui.engines import smi
from genai_tui.engines.dcgm import exporters, parse_gpus
from genai_tui.engines.metrics import (
    Buckets,
    EngineSample,
    Latencies,
    buckets_increase,
    increase,
    known_total,
    parse_latencies,
    parse_sample,
    quantile,
)
from genai_tui.errors import GenaiTuiError, NotPermitted
from genai_tui.store.picture import Picture

log = logging.getLogger(__name__)

AT_ONCE = 8
EVERY_S = 5.0
QUESTIONS_PER_S = 20.0
"""Of a large cluster every node is asked less often, rather than the API server more."""
WINDOW_S = 60.0
MOMENTS = 120
_MOST_WATCHED = 16
_MOST_ASKED = 64
"""Pods in which nvidia-smi is asked at a time: each is a process in a container that has other work."""
_SMI_EVERY_S = 15.0
_NO_EXPORTER = "no data: no DCGM exporter"
_BY_SMI = "by nvidia-smi in its pods, numbered as each sees its own; GPUs that no pod holds are not read"
FetchPod = Callable[[Pod, int], Awaitable[bytes]]
"""GET /metrics of a pod's port; raises GenaiTuiError when it does not answer."""
Execute = Callable[[Pod, str, Sequence[str]], Awaitable[bytes]]
"""What a command prints in a container of a pod; raises GenaiTuiError."""
FetchEngine = Callable[[DeploymentRow, str, str | None], Awaitable[bytes]]


@dataclass(slots=True)
class _Watched:
    """What is remembered of a deployment that is looked at."""

    before: dict[str, tuple[float, EngineSample, Latencies]] = field(default_factory=dict)
    moments: deque[EngineMoment] = field(default_factory=lambda: deque(maxlen=MOMENTS))
    steps: deque[tuple[float, list[Latencies]]] = field(default_factory=deque)


class ClusterMonitor:
    """Reads on demand.

    Args:
        picture: which pods there are.
        fetch_pod: the way to an exporter.
        execute: the way into a container, where a node has no exporter; None where nothing is run.
        fetch_engine: the way to an engine.
        now: the time, for what is shown.
        clock: seconds that only grow, for rates.
    """

    def __init__(
        self,
        picture: Picture,
        fetch_pod: FetchPod,
        fetch_engine: FetchEngine,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        *,
        execute: Execute | None = None,
    ) -> None:
        self._execute = execute
        self._picture, self._fetch_pod, self._fetch_engine = picture, fetch_pod, fetch_engine
        self._now, self._clock = now, clock
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._watched: dict[Ref, _Watched] = {}
        self._others = False

    # -- GPUs ---------------------------------------------------------------------------------------------------

    async def gpus(self, nodes: Collection[str] | None = None) -> GpuReport:
        """Ask the exporters of these nodes, or of all; where none tells, nvidia-smi in the pods that hold GPUs.

        A command in a pod that was not made here is run only after `ask_others`.
        """
        objects = self._picture.objects
        known = exporters(objects.pods.values(), objects.services.values())
        asked = [node for node in known if nodes is None or node in nodes]
        answers = await asyncio.gather(*(self._gpus_of(*known[node]) for node in asked))
        found: dict[str, Sequence[GpuReading]] = {}
        problems: dict[str, str] = {}
        notes: dict[str, str] = {}
        for node, answer in zip(asked, answers, strict=True):
            if isinstance(answer, str):
                problems[node] = answer
            else:
                found[node] = answer
        holders, unasked = self._holders(found, nodes)
        if not asked and not holders:
            none = "on this node" if known else "found"
            return GpuReport(self._now(), problem=f"{_NO_EXPORTER} {none}", again_s=6 * EVERY_S, unasked=unasked)
        within = await asyncio.gather(*(self._smi_of(pods) for pods in holders.values()))
        for node, (gpus, why) in zip(holders, within, strict=True):
            without = problems.pop(node, f"{_NO_EXPORTER} on this node")
            if gpus:
                found[node], notes[node] = gpus, "; ".join(part for part in (_BY_SMI, why) if part)
            else:
                problems[node] = f"{without}; {why}"
        first = next(iter(problems.values()), "")
        again = max(EVERY_S, len(asked) / QUESTIONS_PER_S, _SMI_EVERY_S if holders else 0.0)
        return GpuReport(self._now(), found, "" if found else first, problems, notes, again, unasked)

    def ask_others(self) -> None:
        """Run nvidia-smi in the pods of others too."""
        self._others = True

    def _holders(
        self, read: Collection[str], nodes: Collection[str] | None
    ) -> tuple[dict[str, list[tuple[Pod, str]]], int]:
        """Pods with NVIDIA's GPUs, and the container that has them, by node of which no exporter told.

        With how many there are beside that were not made here and are left alone.
        """
        found: dict[str, list[tuple[Pod, str]]] = {}
        unasked, room = 0, _MOST_ASKED if self._execute is not None else 0
        for pod in self._picture.objects.pods.values():
            wanted = pod.node is not None and pod.node not in read and (nodes is None or pod.node in nodes)
            if not wanted or pod.phase != "Running" or not room:
                continue
            holder = next((c.name for c in pod.containers if any(g.startswith("nvidia.com/") for g in c.gpus)), None)
            if holder is None:
                continue
            if not self._others and pod.meta.labels.get(MANAGED_BY_LABEL) != MANAGER:
                unasked += 1
                continue
            found.setdefault(pod.node or "", []).append((pod, holder))
            room -= 1
        return found, unasked

    async def _smi_of(self, pods: Sequence[tuple[Pod, str]]) -> tuple[tuple[GpuReading, ...], str]:
        """The GPUs of these pods together, and why those of one are missing."""
        found: dict[str, GpuReading] = {}
        why = ""
        for pod, container in pods:
            where = f"{pod.meta.namespace}/{pod.meta.name}"
            try:
                async with self._slots:
                    assert self._execute is not None
                    text = (await self._execute(pod, container, smi.COMMAND)).decode("utf-8", "replace")
                read = smi.parse_smi(text, pod.meta.namespace, pod.meta.name)
                for gpu in read:
                    # A GPU shared in time is seen from each of its pods; it is one.
                    known = found.setdefault(gpu.uuid, gpu)
                    if known is not gpu:
                        found[gpu.uuid] = replace(known, others=(*known.others, (gpu.namespace, gpu.pod)))
                why = why or ("" if read else f"nvidia-smi in {where} told of no GPU")
            except NotPermitted:
                why = f"nvidia-smi needs create pods/exec in {pod.meta.namespace}"
            except GenaiTuiError as error:
                why = f"nvidia-smi in {where}: {error.problem.line}"
        return tuple(found.values()), why

    async def _gpus_of(self, pod: Pod, port: int) -> tuple[GpuReading, ...] | str:
        """The GPUs, or why there are none."""
        try:
            async with self._slots:
                text = (await self._fetch_pod(pod, port)).decode("utf-8", "replace")
        except NotPermitted:
            return f"not permitted: get pods/proxy in {pod.meta.namespace}"
        except GenaiTuiError as error:
            return f"no data: {pod.meta.namespace}/{pod.meta.name} does not answer: {error.problem.line}"
        gpus = parse_gpus(text)
        return gpus or f"no data: {pod.meta.namespace}/{pod.meta.name} reports no GPU"

    # -- engines ------------------------------------------------------------------------------------------------

    async def engine(self, ref: Ref) -> EngineReport:
        """Ask the engine of every ready replica; rates and latencies come with the second reading."""
        detail = self._picture.deployment(ref)
        pods = self._picture.ready_pods(ref)
        if detail is None or not pods:
            return EngineReport(problem="no data: no replica is ready")
        watched = self._watch(ref)
        answers = await asyncio.gather(*(self._engine_of(detail.row, name) for name, _ in pods))
        silent = {name: text for (name, _), text in zip(pods, answers, strict=True) if isinstance(text, Problemed)}
        read = {
            uid: (self._clock(), parse_sample(text), parse_latencies(text))
            for (_, uid), text in zip(pods, answers, strict=True)
            if not isinstance(text, Problemed)
        }
        again = max(EVERY_S, len(pods) / QUESTIONS_PER_S)
        if read:
            watched.moments.append(self._moment(watched, read))
        problem = "" if read else next(iter(silent.values()))
        return EngineReport(tuple(watched.moments), len(pods), silent, problem, WINDOW_S, again)

    def _watch(self, ref: Ref) -> _Watched:
        watched = self._watched.pop(ref, None) or _Watched()
        self._watched[ref] = watched
        while len(self._watched) > _MOST_WATCHED:
            del self._watched[next(iter(self._watched))]
        return watched

    async def _engine_of(self, row: DeploymentRow, pod: str) -> str:
        path = "/v1/metrics" if row.engine == "nim" else "/metrics"
        try:
            async with self._slots:
                return (await self._fetch_engine(row, path, pod)).decode("utf-8", "replace")
        except NotPermitted:
            return Problemed(f"not permitted: get pods/proxy in {row.ref.namespace}")
        except GenaiTuiError as error:
            return Problemed(f"no data: {error.problem.line}")

    def _moment(self, watched: _Watched, read: dict[str, tuple[float, EngineSample, Latencies]]) -> EngineMoment:
        """Gauges as they are; the rate since the reading before, the latencies over the window."""
        rates: list[float | None] = []
        grown: list[Latencies] = []
        for uid, (at, sample, latencies) in read.items():
            before = watched.before.get(uid)
            more = increase(before[1].generation_tokens, sample.generation_tokens) if before is not None else None
            seconds = at - before[0] if before is not None else 0.0
            rates.append(more / seconds if more is not None and seconds > 0 else None)
            if before is not None:
                grown.append(
                    Latencies(
                        buckets_increase(before[2].first_token, latencies.first_token),
                        buckets_increase(before[2].inter_token, latencies.inter_token),
                    )
                )
        now = self._clock()
        watched.before = dict(read)
        watched.steps.append((now, grown))
        while watched.steps and watched.steps[0][0] <= now - WINDOW_S:
            watched.steps.popleft()
        samples = [sample for _, sample, _ in read.values()]
        full = [sample.kv_cache for sample in samples if sample.kv_cache is not None]
        steps = [step for _, each in watched.steps for step in each]
        return EngineMoment(
            at=self._now(),
            running=known_total(sample.running for sample in samples),
            waiting=known_total(sample.waiting for sample in samples),
            kv_cache=max(full) if full else None,
            tokens=known_total(rates),
            first_token=_quantiles(step.first_token for step in steps),
            inter_token=_quantiles(step.inter_token for step in steps),
        )


class Problemed(str):
    """A text that is not metrics but why there are none."""

    __slots__ = ()


def _quantiles(several: Iterable[Buckets]) -> Quantiles | None:
    together: dict[float, float] = {}
    for buckets in several:
        for bound, count in buckets.items():
            together[bound] = together.get(bound, 0.0) + count
    p50, p95, p99 = (quantile(share, together) for share in (0.5, 0.95, 0.99))
    return None if p50 is None or p95 is None or p99 is None else Quantiles(p50, p95, p99)
