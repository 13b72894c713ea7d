"""Nodes as `genai-tui get nodes` prints them, with what their GPUs report now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import mean

from genai_tui.commands.output import Row, age, note, timestamp
from genai_tui.domain.monitoring import GpuReading
from genai_tui.domain.rows import NodeRow
from genai_tui.services import Services

COLUMNS = ("name", "status", "gpu", "gpus", "free", "busy", "memory", "temp", "age")
WIDE = ("resources", "used by", "taints", "readings")


@dataclass(frozen=True, slots=True)
class ReadNode:
    """A node with its GPUs as they were read; `about` says what is missing of them and why."""

    row: NodeRow
    gpus: tuple[GpuReading, ...]
    about: str


async def read_nodes(services: Services, rows: Sequence[NodeRow], *, ask_others: bool) -> list[ReadNode]:
    """Ask what the GPUs of these nodes do; with `ask_others` also by a command in pods that were not made here."""
    if ask_others:
        services.monitor.ask_others()
    report = await services.monitor.gpus({row.node.meta.name for row in rows if row.gpu_total})
    if report.unasked:
        note(
            f"genai-tui: GPUs: {report.unasked} pods of others hold some that no exporter tells of; "
            "--ask-others runs nvidia-smi there"
        )
    return [
        ReadNode(
            row,
            tuple(report.nodes.get(row.node.meta.name, ())),
            (report.why_missing(row.node.meta.name) or report.notes.get(row.node.meta.name, ""))
            if row.gpu_total
            else "",
        )
        for row in rows
    ]


def node_item(read: ReadNode) -> Row:
    """A node as `get nodes -o json` promises it (docs/cli.md)."""
    row = read.row
    return {
        "name": row.node.meta.name,
        "ready": row.node.ready,
        "schedulable": not row.node.unschedulable,
        "gpuResource": row.gpu_resource,
        "gpuProduct": row.gpu_product,
        "gpuMemoryMiB": row.gpu_memory_mib,
        "gpus": row.gpu_total,
        "gpusFree": row.gpu_free,
        "gpuResources": [{"name": r.name, "allocatable": r.total, "free": r.free} for r in row.resources],
        "gpuReadings": [_reading(gpu) for gpu in read.gpus],
        "gpuReadingsNote": read.about or None,
        "taints": [{"key": t.key, "value": t.value, "effect": t.effect} for t in row.node.taints],
        "usedBy": [{"deployment": str(ref), "gpus": count} for ref, count in row.holders],
        "created": timestamp(row.node.meta.created),
    }


def _reading(gpu: GpuReading) -> Row:
    return {
        "index": gpu.index,
        "uuid": gpu.uuid or None,
        "product": gpu.product or None,
        "migProfile": gpu.profile or None,
        "busy": gpu.busy,
        "memoryUsedMiB": gpu.memory_used,
        "memoryTotalMiB": gpu.memory_total,
        "celsius": gpu.celsius,
        "watts": gpu.watts,
        "xid": gpu.xid,
        "namespace": gpu.namespace or None,
        "pod": gpu.pod or None,
    }


def node_cells(read: ReadNode, now: datetime) -> Sequence[object]:
    """One line of the table: the mean of how busy its GPUs are, their memory together, the hottest."""
    row = read.row
    status = ("Ready" if row.node.ready else "NotReady") + (",SchedulingDisabled" if row.node.unschedulable else "")
    busy = _of(read.gpus, lambda gpu: gpu.busy)
    used, total = _of(read.gpus, lambda gpu: gpu.memory_used), _of(read.gpus, lambda gpu: gpu.memory_total)
    hottest = max(_of(read.gpus, lambda gpu: gpu.celsius), default=None)
    memory = f"{sum(used) / 1024:.0f}/{sum(total) / 1024:.0f} GiB" if used and total else None
    taints = ", ".join(f"{t.key}={t.value}:{t.effect}" if t.value else f"{t.key}:{t.effect}" for t in row.node.taints)
    return (
        row.node.meta.name,
        status,
        row.gpu_product,
        row.gpu_total,
        row.gpu_free,
        f"{mean(busy):.0%}" if busy else None,
        memory,
        f"{hottest:.0f} °C" if hottest is not None else None,
        age(row.node.meta.created, now),
        ", ".join(f"{r.name} ({r.free} of {r.total} free)" for r in row.resources),
        ", ".join(f"{ref} ({count})" for ref, count in row.holders),
        taints,
        read.about,
    )


def _of(gpus: Sequence[GpuReading], value: Callable[[GpuReading], float | None]) -> list[float]:
    return [found for gpu in gpus if (found := value(gpu)) is not None]
