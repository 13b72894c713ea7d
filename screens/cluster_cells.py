"""Nodes and their GPUs in words: the cells of the list, the glyphs of the map, the lines above and below."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from genai_tui.domain.monitoring import GpuReading, GpuReport
from genai_tui.domain.rows import NodeRow
from screens.format import MISSING, age, percent, plural
from screens.widgets.heat_map import Spot, shade
from screens.widgets.table_columns import Cell, Cells, Column

HOT_C = 85.0
"""Degrees Celsius from which a GPU is called hot: data centre GPUs slow down a little above it."""
COLUMNS: tuple[Column, ...] = (
    Column("name", "NODE", least=12, most=40),
    Column("status", "STATUS", least=7, most=26),
    Column("gpu", "GPU", least=12, most=30, flexible=True),
    Column("total", "GPUS", least=4, most=5, right=True),
    Column("free", "FREE", least=4, most=5, right=True),
    Column("busy", "BUSY", least=4, most=5, right=True),
    Column("used", "MEM USED", least=10, most=14, right=True, rank=1),
    Column("temperature", "TEMP", least=5, most=6, right=True, rank=2),
    Column("power", "POWER", least=6, most=9, right=True, rank=3),
    Column("xid", "XID", least=3, most=12, rank=2),
    Column("holders", "HELD BY", least=8, most=40, rank=4),
    Column("age", "AGE", least=3, most=4, right=True, rank=5),
)
SORT_KEYS = {
    "N": "name",
    "S": "status",
    "G": "total",
    "F": "free",
    "U": "busy",
    "M": "used",
    "T": "temperature",
    "P": "power",
}
Readings = Sequence[GpuReading]


def status_of(row: NodeRow) -> tuple[str, str]:
    """Ready or not, cordoned, tainted; and the tone."""
    node = row.node
    text, tone = ("● Ready", "good") if node.ready else ("✖ NotReady", "bad")
    if node.unschedulable:
        text, tone = f"{text}, cordoned", "waiting" if node.ready else "bad"
    if any(taint.effect in ("NoSchedule", "NoExecute") for taint in node.taints if not _of_state(taint.key)):
        text += ", tainted"
    return text, tone


def _of_state(key: str) -> bool:
    """Taints Kubernetes itself sets for what the status says already."""
    return key.startswith("node.kubernetes.io/")


def gpu_words(row: NodeRow) -> str:
    """The product and its memory; what is there when it is not whole GPUs."""
    if row.gpu_resource is None:
        return MISSING
    product = (row.gpu_product or row.gpu_resource).removeprefix("NVIDIA-")
    if "mig-" in row.gpu_resource or len(row.resources) > 1:
        parts = ", ".join(f"{_short(resource.name)} ×{resource.total}" for resource in row.resources if resource.total)
        return f"{product} ({parts})" if row.gpu_product else parts
    return f"{product} shared" if row.gpu_resource.endswith(".shared") else product


def _short(resource: str) -> str:
    return resource.partition("/")[2] if resource.startswith("nvidia.com/") else resource


def mean(values: Sequence[float]) -> float | None:
    """The mean; None of none."""
    return sum(values) / len(values) if values else None


def busy_of(gpus: Readings) -> float | None:
    """How busy the node's GPUs are together."""
    return mean([gpu.busy for gpu in gpus if gpu.busy is not None])


def xids_of(gpus: Readings) -> tuple[int, ...]:
    """XID error codes other than 0."""
    return tuple(sorted({gpu.xid for gpu in gpus if gpu.xid}))


def memory_words(used: float | None, total: float | None) -> str:
    """`41 / 80 GiB`."""
    if used is None:
        return MISSING
    return f"{used / 1024:.0f} / {total / 1024:.0f} GiB" if total else f"{used / 1024:.0f} GiB"


def cells_of(row: NodeRow, gpus: Readings, now: datetime) -> Cells:
    """One line of the list."""
    node, created = row.node, row.node.meta.created
    status, tone = status_of(row)
    busy, xids, told = busy_of(gpus), xids_of(gpus), any(gpu.xid is not None for gpu in gpus)
    used = [gpu.memory_used for gpu in gpus if gpu.memory_used is not None]
    totals = [gpu.memory_total for gpu in gpus if gpu.memory_total is not None]
    hottest = max((gpu.celsius for gpu in gpus if gpu.celsius is not None), default=None)
    watts = [gpu.watts for gpu in gpus if gpu.watts is not None]
    holders = ", ".join(f"{ref} ×{count}" for ref, count in row.holders)
    memory = memory_words(sum(used) if used else None, sum(totals) if totals else None)
    hot = hottest is not None and hottest >= HOT_C
    words = gpu_words(row)
    return (
        Cell(node.meta.name, order=node.meta.name),
        Cell(status, tone),
        Cell(words, "" if row.gpu_resource else "quiet"),
        Cell(str(row.gpu_total) if row.gpu_resource else MISSING, "", row.gpu_total),
        Cell(str(row.gpu_free) if row.gpu_resource else MISSING, "good" if row.gpu_free else "quiet", row.gpu_free),
        Cell(percent(busy), "" if gpus else "quiet", busy),
        Cell(memory, "", sum(used) if used else None),
        Cell(f"{hottest:.0f} °C" if hottest is not None else MISSING, "bad" if hot else "", hottest),
        Cell(f"{sum(watts):,.0f} W" if watts else MISSING, "", sum(watts) if watts else None),
        Cell(", ".join(map(str, xids)) if told else MISSING, "bad" if xids else "quiet"),
        Cell(holders or MISSING, "" if holders else "quiet"),
        Cell(age(created, now), "quiet", -created.timestamp() if created else 0),
    )  # fmt: skip


def allocated_of(row: NodeRow) -> float | None:
    """The share of the GPUs somebody asked for; None without GPUs."""
    return (row.gpu_total - row.gpu_free) / row.gpu_total if row.gpu_total else None


def spot_of(row: NodeRow, gpus: Readings, *, measured: bool) -> Spot:
    """A node on the map: by use where `measured`, else by what is allocated."""
    name = row.node.meta.name
    if not row.node.ready:
        return Spot(name, "✖", "bad")
    if measured and xids_of(gpus):
        return Spot(name, "!", "bad")
    if row.node.unschedulable:
        return Spot(name, "⊘", "waiting")
    fraction = busy_of(gpus) if measured else allocated_of(row)
    if not row.gpu_total:
        return Spot(name, "-", "quiet")
    tone = "quiet" if fraction is None else "good" if fraction <= 0 else "waiting" if fraction >= 1 else "busy"
    return Spot(name, shade(fraction), tone)


def legend(*, measured: bool) -> str:
    """What the glyphs mean."""
    what = "GPUs busy" if measured else "GPUs allocated"
    tail = "  ! XID" if measured else ""
    return f"{what}: · none  ░▒▓ part  █ all  ? no data  ⊘ cordoned  ✖ NotReady{tail}"


def summary(rows: Sequence[NodeRow]) -> str:
    """How many nodes and GPUs there are, what is free, and the largest number free on one node.

    A larger number on a node that is kept for some pods by a taint is told beside it, with the taint.
    """
    open_to_all = [row for row in rows if row.node.ready and not row.node.unschedulable]
    resources: dict[str, tuple[int, int]] = {}
    for row in rows:
        for resource in row.resources:
            total, free = resources.get(resource.name, (0, 0))
            resources[resource.name] = total + resource.total, free + (resource.free if row in open_to_all else 0)
    parts = [plural(len(rows), "node")]
    best = max((row for row in open_to_all if not _kept_for(row)), key=lambda row: row.gpu_free, default=None)
    kept = max((row for row in open_to_all if _kept_for(row)), key=lambda row: row.gpu_free, default=None)
    most = best.gpu_free if best is not None else 0
    if best is not None and most:
        parts.append(f"largest free block: {most} on {best.node.meta.name}")
    elif resources:
        parts.append(
            "no node has a free GPU" if kept is None or not kept.gpu_free else "no free GPU on a node without taints"
        )
    if kept is not None and kept.gpu_free > most:
        parts.append(f"{kept.gpu_free} on {kept.node.meta.name}, kept for {_kept_for(kept)}")
    parts += [f"{total} {name}, {free} free" for name, (total, free) in sorted(resources.items())]
    return "   ".join(parts)


def _kept_for(row: NodeRow) -> str:
    """The taint that keeps other pods away; that of the GPUs themselves keeps away only pods that ask for none."""
    keeping = (t for t in row.node.taints if t.effect != "PreferNoSchedule" and t.key != row.gpu_resource)
    return next((f"{t.key}={t.value}" if t.value else t.key for t in keeping), "")


def others_left_alone(report: GpuReport) -> str:
    """What to press to learn of GPUs that pods of others hold; empty where there are none."""
    if not report.unasked:
        return ""
    return f"; {plural(report.unasked, 'pod')} of others not asked (x asks them)"
