"""One node: how it is, each of its GPUs, the pods on it.

Data path: the picture's `NodeDetail` and what the node's exporter reports -> blocks -> a sheet.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.timer import Timer

from genai_tui.domain.monitoring import GpuReading, GpuReport
from genai_tui.domain.rows import NodeDetail, NodePod
from screens.base import ConsoleScreen
from screens.cluster_cells import HOT_C, gpu_words, memory_words, others_left_alone, status_of
from screens.deployment.sheet import Bit, Block, Fact, Grid, Heading, Line, Sheet, Space, Text
from screens.format import MISSING, age, percent

_MOST_PODS = 200


class NodeScreen(ConsoleScreen):
    """Opened from the list of nodes.

    Args:
        name: the node.
    """

    HELP = """\
# One node

Its state, taints and GPU resources; each GPU with what NVIDIA's DCGM exporter reports of it, and the pod that has it
where the exporter says so (else only what is allocated is known, below); and the pods on the node.

Where no exporter tells, `nvidia-smi` is asked in the pods that hold GPUs; in pods that were not made here only after
`x`.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "read", "Read again", id="node.read", tooltip="Ask the DCGM exporter now"),
        Binding(
            "x",
            "ask_others",
            "Ask others' pods",
            id="node.ask_others",
            tooltip="Run nvidia-smi also in pods that were not made here",
        ),
        Binding("escape", "leave", "Back", key_display="esc", id="node.back", tooltip="Back to the nodes"),
    ]

    def __init__(self, name: str) -> None:
        super().__init__()
        self._node = name
        self._last: NodeDetail | None = None
        self._report: GpuReport | None = None
        self._next: Timer | None = None

    def compose_body(self) -> ComposeResult:
        """One sheet."""
        with VerticalScroll(id="node-body", classes="sheet--scroll"):
            yield Sheet(id="node-sheet")

    def on_mount(self) -> None:
        """Draw what is known."""
        self.query_one("#node-body").focus()
        self.refresh_from_picture()

    def on_screen_resume(self) -> None:
        """Read while it is seen."""
        super().on_screen_resume()
        self.action_read()

    def on_screen_suspend(self) -> None:
        """Nobody looks."""
        if self._next is not None:
            self._next.stop()
        self.workers.cancel_group(self, "readings")

    @work(exclusive=True, group="readings", exit_on_error=False)
    async def action_read(self) -> None:
        """Ask the node's exporter, and again when it is polite to."""
        if self._next is not None:
            self._next.stop()
        self._report = await self.services.monitor.gpus({self._node})
        self.refresh_from_picture()
        self.refresh_bindings()
        if self.is_current:
            self._next = self.set_timer(self._report.again_s, self.action_read)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys exist only where they do something."""
        if action == "ask_others" and (self._report is None or not self._report.unasked):
            return False
        return super().check_action(action, parameters)

    def action_ask_others(self) -> None:
        """Run nvidia-smi also in pods that were not made here."""
        self.services.monitor.ask_others()
        self.action_read()

    def refresh_from_picture(self) -> None:
        """Follow the node; keep its last state when it is gone."""
        detail = self.services.picture.node(self._node)
        gone = detail is None
        self._last = detail or self._last
        if self._last is None:
            self.query_one("#node-sheet", Sheet).show([Text(f"✖ There is no node {self._node}.", "bad")])
            return
        self.query_one("#node-sheet", Sheet).show(blocks(self._last, self._report, self.services.clock(), gone=gone))

    def action_leave(self) -> None:
        """Back to the nodes."""
        self.dismiss()


def blocks(detail: NodeDetail, report: GpuReport | None, now: datetime, *, gone: bool = False) -> list[Block]:
    """What is shown of a node."""
    row = detail.row
    node = row.node
    status, tone = status_of(row)
    shown: list[Block] = [Heading(node.meta.name, "  ".join(part for part in (gpu_words(row), node.kubelet) if part))]
    if gone:
        shown.append(Text("✖ It does not exist any more. Below is its last state.", "bad"))
    shown.append(Fact("Status", status, tone))
    if not node.ready:
        because = next((c for c in node.conditions if c.type == "Ready"), None)
        if because is not None and (because.message or because.reason):
            shown.append(Fact("", f"{because.reason}: {because.message}".strip(": "), "bad"))
    if node.unschedulable:
        shown.append(Fact("", "cordoned: no new pod is placed here until it is uncordoned", "waiting"))
    pressures = [c for c in node.conditions if c.type != "Ready" and c.status == "True"]
    shown += [Fact("", f"{c.type}: {c.message or c.reason}", "waiting") for c in pressures]
    taints = [f"{taint.key}{f'={taint.value}' if taint.value else ''}:{taint.effect}" for taint in node.taints]
    shown.append(Fact("Taints", ", ".join(taints) + "  (only pods that tolerate them come here)" if taints else "none"))
    for resource in row.resources:
        shown.append(Fact("Allocatable", f"{resource.name}: {resource.total}, {resource.free} free"))
    shown += [Space(), *_gpus(detail, report), Space(), *_pods(detail.pods, now)]
    return shown


def _gpus(detail: NodeDetail, report: GpuReport | None) -> list[Block]:
    name = detail.row.node.meta.name
    gpus = report.nodes.get(name, ()) if report is not None else ()
    if not detail.row.resources and not gpus:
        return [Heading("GPUs"), Text("This node offers no GPU.", "quiet")]
    if not gpus:
        why = report.why_missing(name) + others_left_alone(report) if report is not None else "reading the GPUs ..."
        return [Heading("GPUs"), Text(why, "waiting" if report is not None else "quiet")]
    lines: list[Line] = [tuple(Bit(text, "label") for text in ("GPU", "BUSY", "MEMORY", "TEMP", "POWER", "XID", "POD"))]
    lines += [_gpu(gpu, detail.pods) for gpu in gpus]
    product = next((gpu.product for gpu in gpus if gpu.product), "")
    found: list[Block] = [Heading("GPUs", product), Grid(tuple(lines), frozenset({1, 2, 3, 4}), cut=True)]
    if not any(gpu.pod for gpu in gpus) and any(pod.gpus for pod in detail.pods):
        found.append(
            Text("The exporter does not say which pod has which GPU; below is what each was allocated.", "quiet")
        )
    if report is not None and name in report.notes:
        found.append(Text(report.notes[name] + others_left_alone(report), "quiet"))
    xids = sorted({gpu.xid for gpu in gpus if gpu.xid})
    if xids:
        codes = ", ".join(map(str, xids))
        found.append(
            Text(f"XID {codes}: the driver's last error. NVIDIA's list of XID errors says what it means.", "bad")
        )
    return found


def _gpu(gpu: GpuReading, pods: Sequence[NodePod]) -> Line:
    owner = next(
        (on.owner for on in pods if (on.pod.meta.namespace, on.pod.meta.name) == (gpu.namespace, gpu.pod)), None
    )
    whose = f"{gpu.namespace}/{gpu.pod}" + (f"  of {owner}" if owner is not None else "") if gpu.pod else MISSING
    hot = gpu.celsius is not None and gpu.celsius >= HOT_C
    return (
        Bit(gpu.name),
        Bit(percent(gpu.busy)),
        Bit(memory_words(gpu.memory_used, gpu.memory_total)),
        Bit(f"{gpu.celsius:.0f} °C" if gpu.celsius is not None else MISSING, "bad" if hot else ""),
        Bit(f"{gpu.watts:.0f} W" if gpu.watts is not None else MISSING),
        Bit(str(gpu.xid) if gpu.xid is not None else MISSING, "bad" if gpu.xid else "quiet"),
        Bit(whose, "" if gpu.pod else "quiet"),
    )


def _pods(pods: Sequence[NodePod], now: datetime) -> list[Block]:
    if not pods:
        return [Heading("Pods"), Text("No pod is here.", "quiet")]
    lines: list[Line] = [tuple(Bit(text, "label") for text in ("POD", "PHASE", "RESTARTS", "AGE", "GPUS"))]
    for on in pods[:_MOST_PODS]:
        pod = on.pod
        held = ", ".join(f"{count} {name}" for name, count in on.gpus)
        lines.append(
            (
                Bit(f"{pod.meta.namespace}/{pod.meta.name}"),
                Bit("Terminating" if pod.meta.deleting else pod.phase, "good" if pod.ready else "waiting"),
                Bit(str(sum(state.restarts for state in pod.states))),
                Bit(age(pod.meta.created, now), "quiet"),
                Bit(held or MISSING, "" if held else "quiet"),
            )
        )
    found: list[Block] = [Heading("Pods", str(len(pods))), Grid(tuple(lines), frozenset({2, 3}), cut=True)]
    if len(pods) > _MOST_PODS:
        found.append(Text(f"and {len(pods) - _MOST_PODS} more", "quiet"))
    return found
