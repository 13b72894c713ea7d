"""What the GPUs of a node report: the DCGM exporter's metrics and `nvidia-smi`, both from who really uses them.

Names, units and labels are those of dcgm-exporter's default counters; the columns those of
`nvidia-smi --help-query-gpu`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from genai_tui.sandbox.nodes import CUDA, DRIVER, Gpu, gpu_of, uuid_of
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.prometheus import header, labelled

RESERVED_MIB = 560
IDLE_MIB = 4
_IDLE_POWER, _BUSY_POWER = 0.12, 0.8


@dataclass(frozen=True, slots=True)
class GpuUse:
    """One GPU at one moment: who has it, how busy it is (0 to 1), memory used in MiB. Nobody: empty names."""

    index: int
    namespace: str = ""
    pod: str = ""
    container: str = ""
    busy: float = 0.0
    used: int = IDLE_MIB


def power(gpu: Gpu, use: GpuUse) -> float:
    """Watts drawn."""
    return round(gpu.watts * (_IDLE_POWER + _BUSY_POWER * use.busy), 3)


def temperature(use: GpuUse) -> int:
    """Degrees Celsius."""
    return round(32 + 38 * use.busy)


_Value = Callable[[Gpu, GpuUse], float]
_SERIES: tuple[tuple[str, str, _Value], ...] = (
    ("DCGM_FI_DEV_SM_CLOCK", "SM clock frequency (in MHz).", lambda gpu, use: gpu.sm_clock if use.pod else 345),
    ("DCGM_FI_DEV_MEM_CLOCK", "Memory clock frequency (in MHz).", lambda gpu, _use: gpu.memory_clock),
    ("DCGM_FI_DEV_GPU_TEMP", "GPU temperature (in C).", lambda _gpu, use: temperature(use)),
    ("DCGM_FI_DEV_POWER_USAGE", "Power draw (in W).", power),
    ("DCGM_FI_DEV_GPU_UTIL", "GPU utilization (in %).", lambda _gpu, use: round(100 * use.busy)),
    ("DCGM_FI_DEV_MEM_COPY_UTIL", "Memory utilization (in %).", lambda _gpu, use: round(45 * use.busy)),
    ("DCGM_FI_DEV_XID_ERRORS", "Value of the last XID error encountered.", lambda _gpu, _use: 0),
    (
        "DCGM_FI_DEV_FB_FREE",
        "Framebuffer memory free (in MiB).",
        lambda gpu, use: max(0, gpu.memory - use.used - RESERVED_MIB),
    ),
    ("DCGM_FI_DEV_FB_USED", "Framebuffer memory used (in MiB).", lambda _gpu, use: use.used),
    ("DCGM_FI_DEV_FB_RESERVED", "Framebuffer memory reserved (in MiB).", lambda _gpu, _use: RESERVED_MIB),
    (
        "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
        "Ratio of time the graphics engine is active.",
        lambda _gpu, use: round(use.busy, 6),
    ),
    (
        "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
        "Ratio of cycles the tensor (HMMA) pipe is active.",
        lambda _gpu, use: round(0.35 * use.busy, 6),
    ),
    (
        "DCGM_FI_PROF_DRAM_ACTIVE",
        "Ratio of cycles the device memory interface is active sending or receiving data.",
        lambda _gpu, use: round(0.6 * use.busy, 6),
    ),
)


def dcgm_app(node: Callable[[], Object | None], uses: Callable[[str], Sequence[GpuUse]]) -> Starlette:
    """The DCGM exporter of a node."""

    async def metrics(request: Request) -> Response:
        item = node()
        text = dcgm_text(item, uses(item["metadata"]["name"])) if item is not None else ""
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    async def health(request: Request) -> Response:
        return PlainTextResponse("KO" if node() is None else "OK")

    return Starlette(routes=[Route("/metrics", metrics), Route("/health", health)])


def dcgm_text(item: Object, uses: Sequence[GpuUse]) -> str:
    """What the exporter exposes."""
    gpu, name = gpu_of(item), item["metadata"]["name"]
    lines: list[str] = []
    for metric, text, value in _SERIES if gpu is not None else ():
        lines += header(metric, "gauge", text)
        for use in uses:
            own = {
                "gpu": str(use.index),
                "UUID": uuid_of(name, use.index),
                "pci_bus_id": f"00000000:{use.index + 7:02X}:00.0",
                "device": f"nvidia{use.index}",
                "modelName": gpu.name if gpu else "",
                "hostname": name,
                "DCGM_FI_DRIVER_VERSION": DRIVER,
                "container": use.container,
                "namespace": use.namespace,
                "pod": use.pod,
            }
            lines.append(f"{metric}{labelled(own)} {value(gpu, use) if gpu else 0}")
    return "\n".join(lines) + "\n"


_COLUMNS: dict[str, tuple[str, Callable[[str, Gpu, GpuUse], object]]] = {
    "name": ("", lambda _node, gpu, _use: gpu.name),
    "gpu_name": ("", lambda _node, gpu, _use: gpu.name),
    "uuid": ("", lambda node, _gpu, use: uuid_of(node, use.index)),
    "gpu_uuid": ("", lambda node, _gpu, use: uuid_of(node, use.index)),
    "driver_version": ("", lambda _node, _gpu, _use: DRIVER),
    "count": ("", lambda _node, _gpu, _use: "1"),
    "pci.bus_id": ("", lambda _node, _gpu, use: f"00000000:{use.index + 7:02X}:00.0"),
    "compute_cap": ("", lambda _node, gpu, _use: gpu.compute),
    "utilization.gpu": ("%", lambda _node, _gpu, use: round(100 * use.busy)),
    "utilization.memory": ("%", lambda _node, _gpu, use: round(45 * use.busy)),
    "memory.total": ("MiB", lambda _node, gpu, _use: gpu.memory),
    "memory.used": ("MiB", lambda _node, _gpu, use: use.used),
    "memory.free": ("MiB", lambda _node, gpu, use: max(0, gpu.memory - use.used - RESERVED_MIB)),
    "memory.reserved": ("MiB", lambda _node, _gpu, _use: RESERVED_MIB),
    "temperature.gpu": ("", lambda _node, _gpu, use: temperature(use)),
    "power.draw": ("W", lambda _node, gpu, use: f"{power(gpu, use):.2f}"),
    "power.limit": ("W", lambda _node, gpu, _use: f"{gpu.watts:.2f}"),
    "clocks.sm": ("MHz", lambda _node, gpu, use: gpu.sm_clock if use.pod else 345),
    "clocks.mem": ("MHz", lambda _node, gpu, _use: gpu.memory_clock),
}


def nvidia_smi(item: Object, uses: Sequence[GpuUse], arguments: Sequence[str]) -> tuple[bytes, int]:
    """The output of `nvidia-smi` for these GPUs, numbered from 0 as a container sees its own, and its exit code."""
    gpu, name = gpu_of(item), item["metadata"]["name"]
    if gpu is None or not uses:
        return b"No devices were found\n", 6
    query = next((a.partition("=")[2] for a in arguments if a.startswith("--query-gpu=")), None)
    if query is not None:
        form = next((a.partition("=")[2] for a in arguments if a.startswith("--format=")), "csv")
        return _csv(name, gpu, uses, query.split(","), form.split(","))
    if "-L" in arguments or "--list-gpus" in arguments:
        lines = [f"GPU {at}: {gpu.name} (UUID: {uuid_of(name, use.index)})" for at, use in enumerate(uses)]
        return ("\n".join(lines) + "\n").encode(), 0
    return _table(gpu, uses).encode(), 0


def _csv(node: str, gpu: Gpu, uses: Sequence[GpuUse], columns: Sequence[str], form: Sequence[str]) -> tuple[bytes, int]:
    wanted = [column.strip() for column in columns]
    for column in wanted:
        if column not in ("index", *_COLUMNS):
            return f'Field "{column}" is not a valid field to query.\n\n'.encode(), 2
    bare = "nounits" in form
    rows = []
    if "noheader" not in form:
        units = [_COLUMNS[column][0] if column != "index" else "" for column in wanted]
        rows.append(", ".join(f"{c} [{u}]" if u else c for c, u in zip(wanted, units, strict=True)))
    for at, use in enumerate(uses):
        cells = []
        for column in wanted:
            if column == "index":
                cells.append(str(at))
                continue
            unit, value = _COLUMNS[column]
            cells.append(f"{value(node, gpu, use)}" + (f" {unit}" if unit and not bare else ""))
        rows.append(", ".join(cells))
    return ("\n".join(rows) + "\n").encode(), 0


def _table(gpu: Gpu, uses: Sequence[GpuUse]) -> str:
    bar = "+" + "-" * 41 + "+" + "-" * 24 + "+" + "-" * 22 + "+"
    lines = [
        "+" + "-" * 89 + "+",
        f"| {f'NVIDIA-SMI {DRIVER} (simulated)     Driver Version: {DRIVER}     CUDA Version: {CUDA}':<87} |",
        bar,
        "| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |",
        "| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |",
        bar.replace("-", "="),
    ]
    for at, use in enumerate(uses):
        memory = f"{use.used}MiB / {gpu.memory}MiB"
        draw = f"{power(gpu, use):.0f}W / {gpu.watts}W"
        bus, busy = f"00000000:{use.index + 7:02X}:00.0", f"{round(100 * use.busy)}%"
        lines += [
            f"| {at:>3}  {gpu.name:<24}       On  | {bus:<18} Off | {'0':>20} |",
            f"| N/A  {temperature(use):>3}C    P0     {draw:>18}  | {memory:>22} | {busy:>8} {'Default':>11} |",
            bar,
        ]
    return "\n".join(lines) + "\n"
