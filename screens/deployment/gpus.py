"""The tab on pods and GPUs: where each replica runs, what its GPUs do, and what the engines say of their work.

Pure: a `DeploymentDetail` and two reports become blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from operator import attrgetter

from genai_tui.domain.monitoring import EngineMoment, EngineReport, GpuReading, GpuReport, Quantiles
from genai_tui.domain.rows import DeploymentDetail, ReplicaRow
from screens.cluster_cells import HOT_C, memory_words
from screens.deployment.sheet import Bit, Block, Grid, Heading, Line, Space, Text
from screens.format import MISSING, age, percent, phase_look, plural, rate, short_seconds

_BARS = "▁▂▃▄▅▆▇█"
_PERCENTILES: dict[str, Callable[[Quantiles], float]] = {name: attrgetter(name) for name in ("p50", "p95", "p99")}
_GAP = "·"


def sparkline(values: Sequence[float | None], width: int, top: float | None = None) -> str:
    """The last `width` values as bars up to `top`, else up to the largest; `·` where there is none."""
    kept = values[-width:]
    most = top if top is not None else max((value for value in kept if value is not None), default=0.0)
    return "".join(
        _GAP
        if value is None
        else _BARS[min(len(_BARS) - 1, int(value / most * (len(_BARS) - 1) + 0.5))]
        if most > 0
        else _BARS[0]
        for value in kept
    )


def gpus_blocks(
    detail: DeploymentDetail, gpus: GpuReport | None, engine: EngineReport | None, now: datetime, width: int
) -> list[Block]:
    """What is shown of a deployment."""
    return [*_engine(engine, width), Space(), *_pods(detail.replicas, gpus, now)]


def _engine(report: EngineReport | None, width: int) -> Iterator[Block]:
    if report is None:
        yield Heading("Engine")
        yield Text("asking the engines for their metrics ...", "quiet")
        return
    asked = f"{report.pods - len(report.silent)} of {report.pods} ready replicas, each asked for its /metrics"
    yield Heading("Engine", asked if report.pods else "")
    if report.problem:
        yield Text(report.problem, "waiting")
    else:
        for name, why in report.silent.items():
            yield Text(f"▲ without {name}: {why}", "waiting")
    if report.moments:
        yield _moments(report.moments, max(8, min(60, width - 54)))
        yield Text(f"Latencies are of the last {report.window_s:.0f} s, from the engines' histograms.", "quiet")


def _moments(moments: Sequence[EngineMoment], width: int) -> Grid:
    last = moments[-1]

    def line(label: str, text: str, value: Callable[[EngineMoment], float | None], top: float | None = None) -> Line:
        spark = sparkline([value(moment) for moment in moments], width, top)
        return Bit(label, "label"), Bit(text, "" if value(last) is not None else "quiet"), Bit(spark, "accent")

    return Grid(
        (
            line("Running", _count(last.running, "request"), lambda m: m.running),
            line("Waiting", _count(last.waiting, "request"), lambda m: m.waiting),
            line("KV cache", _or_missing(last.kv_cache, percent), lambda m: m.kv_cache, 1.0),
            line("Generation", _or_missing(last.tokens, lambda v: f"{rate(v)} tokens/s"), lambda m: m.tokens),
            *_latencies("First token", [moment.first_token for moment in moments], width),
            *_latencies("Inter-token", [moment.inter_token for moment in moments], width),
        ),
        cut=True,
    )


def _latencies(label: str, found: Sequence[Quantiles | None], width: int) -> Iterator[Line]:
    """A line for each percentile, all drawn to the same height."""
    last = found[-1]
    top = max((one.p99 for one in found if one is not None), default=None)
    for name, value in _PERCENTILES.items():
        text = f"{name} {MISSING if last is None else short_seconds(value(last))}"
        if last is None and label:
            text += "  no request in the window"
        spark = sparkline([None if one is None else value(one) for one in found], width, top)
        yield Bit(label, "label"), Bit(text, "quiet" if last is None else ""), Bit(spark, "accent")
        label = ""


def _or_missing(value: float | None, text: Callable[[float], str]) -> str:
    return MISSING if value is None else text(value)


def _count(value: float | None, what: str) -> str:
    return MISSING if value is None else plural(round(value), what)


def _pods(replicas: Sequence[ReplicaRow], report: GpuReport | None, now: datetime) -> Iterator[Block]:
    yield Heading("Pods", str(len(replicas)))
    if not replicas:
        yield Text("There is no pod.", "quiet")
        return
    lines: list[Line] = [tuple(Bit(t, "label") for t in ("POD", "PHASE", "RESTARTS", "AGE", "GPUS", "NODE"))]
    for replica in replicas:
        pod = replica.pod
        look = phase_look(replica.assessment.phase)
        asked = sum(sum(container.gpus.values()) for container in pod.containers)
        lines.append(
            (
                Bit(pod.meta.name),
                Bit(f"{look.glyph} {replica.assessment.phase.value}", look.tone),
                Bit(str(sum(state.restarts for state in pod.states))),
                Bit(age(pod.meta.created, now), "quiet"),
                Bit(str(asked) if asked else MISSING),
                Bit(pod.node or MISSING, "" if pod.node else "quiet"),
            )
        )
    yield Grid(tuple(lines), frozenset({2, 3, 4}), cut=True)
    yield Space()
    yield from _gpus(replicas, report)


def _gpus(replicas: Sequence[ReplicaRow], report: GpuReport | None) -> Iterator[Block]:
    placed = [replica.pod for replica in replicas if replica.pod.node]
    if not placed:
        return
    yield Heading("GPUs")
    if report is None:
        yield Text("reading the GPUs ...", "quiet")
        return
    titles = ("NODE", "GPU", "BUSY", "MEMORY", "TEMP", "POWER", "XID", "POD")
    lines: list[Line] = [tuple(Bit(title, "label") for title in titles)]
    unread: dict[str, None] = {}
    unsaid: dict[str, None] = {}
    for pod in placed:
        node = pod.node or ""
        found = report.nodes.get(node, ())
        own = [gpu for gpu in found if gpu.held_by(pod.meta.namespace, pod.meta.name)]
        lines += [_gpu(node, gpu) for gpu in own]
        if not found:
            unread[f"{node}: {report.why_missing(node)}"] = None
        elif not own and any(container.gpus for container in pod.containers):
            unsaid[node] = None
    if len(lines) > 1:
        yield Grid(tuple(lines), frozenset({2, 3, 4, 5}), cut=True)
    notes = (report.notes.get(pod.node or "", "") for pod in placed)
    for note in dict.fromkeys(note for note in notes if note):
        yield Text(note, "quiet")
    for why in unread:
        yield Text(why, "waiting")
    for node in unsaid:
        yield Text(f"{node}: the exporter does not say which GPU a pod has; area 5 shows the node's", "quiet")


def _gpu(node: str, gpu: GpuReading) -> Line:
    hot = gpu.celsius is not None and gpu.celsius >= HOT_C
    return (
        Bit(node),
        Bit(gpu.name),
        Bit(percent(gpu.busy)),
        Bit(memory_words(gpu.memory_used, gpu.memory_total)),
        Bit(f"{gpu.celsius:.0f} °C" if gpu.celsius is not None else MISSING, "bad" if hot else ""),
        Bit(f"{gpu.watts:.0f} W" if gpu.watts is not None else MISSING),
        Bit(str(gpu.xid) if gpu.xid is not None else MISSING, "bad" if gpu.xid else "quiet"),
        Bit(gpu.pod),
    )
