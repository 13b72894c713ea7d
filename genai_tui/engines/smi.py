"""GPUs as `nvidia-smi` reports them, asked inside a pod that holds some.

Fields and their units: `nvidia-smi --help-query-gpu`, https://docs.nvidia.com/deploy/nvidia-smi/ .
"""

from __future__ import annotations

import csv
from collections.abc import Sequence

from genai_tui.domain.monitoring import GpuReading

_FIELDS = ("index", "uuid", "name", "utilization.gpu", "memory.used", "memory.total", "temperature.gpu", "power.draw")
COMMAND = ("nvidia-smi", f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits")


def parse_smi(text: str, namespace: str, pod: str) -> tuple[GpuReading, ...]:
    """The GPUs of one pod, numbered as the pod sees them. What is `[N/A]` or no number is missing. Never raises.

    A last line without its end may be cut within a number, and is left out.
    """
    found: list[GpuReading] = []
    for line in text.split("\n")[:-1]:
        cells = _cells(line)
        if len(cells) != len(_FIELDS) or not cells[0].isdecimal():
            continue
        busy = _number(cells[3])
        found.append(
            GpuReading(
                index=cells[0],
                uuid=cells[1],
                product=cells[2],
                busy=min(1.0, busy / 100) if busy is not None else None,
                memory_used=_number(cells[4]),
                memory_total=_number(cells[5]),
                celsius=_number(cells[6]),
                watts=_number(cells[7]),
                namespace=namespace,
                pod=pod,
            )
        )
    return tuple(found)


def _cells(line: str) -> Sequence[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line]), [])]
    except csv.Error:
        return []


def _number(text: str) -> float | None:
    """A plain decimal number; None for `[N/A]`, `[Not Supported]`, `[Unknown Error]` and whatever else."""
    whole, _, rest = text.partition(".")
    plain = whole.isascii() and whole.isdecimal() and len(whole) < 12 and (not rest or rest.isdecimal())
    return float(text) if plain and text.isascii() else None
