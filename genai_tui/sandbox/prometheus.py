"""Metrics in the Prometheus text format, as Python's client library writes them: with `_created` gauges.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

Labels = Mapping[str, str]
Sample = tuple[Labels, float]


def labelled(labels: Labels) -> str:
    """`{a="b"}` in the order of the names, values escaped; nothing for no labels."""
    if not labels:
        return ""
    escaped = {k: v.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for k, v in sorted(labels.items())}
    return "{" + ",".join(f'{k}="{v}"' for k, v in escaped.items()) + "}"


def header(name: str, kind: str, text: str) -> list[str]:
    """HELP and TYPE."""
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def gauge(name: str, text: str, samples: Iterable[Sample]) -> list[str]:
    """A gauge with its samples."""
    return [*header(name, "gauge", text), *(f"{name}{labelled(labels)} {float(value)}" for labels, value in samples)]


def counter(name: str, text: str, samples: Iterable[Sample], created: float) -> list[str]:
    """`name` without `_total`; `created` is when counting began, seconds since 1970."""
    found = list(samples)
    lines = [*header(f"{name}_total", "counter", text)]
    lines += [f"{name}_total{labelled(labels)} {float(value)}" for labels, value in found]
    return [*lines, *gauge(f"{name}_created", text, ((labels, created) for labels, _ in found))]


class Histogram:
    """Counts by upper bound."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(float(bound) for bound in bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self.total = 0.0
        self.count = 0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value, or so many equal ones."""
        self._counts[bisect_left(self._bounds, value)] += times
        self.total += value * times
        self.count += times

    def lines(self, name: str, text: str, labels: Labels, created: float) -> list[str]:
        """The whole histogram; all zero before the first value, as engines show it."""
        rows, below = header(name, "histogram", text), 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            below += count
            rows.append(f"{name}_bucket{labelled({**labels, 'le': bound})} {float(below)}")
        rows.append(f"{name}_count{labelled(labels)} {float(self.count)}")
        rows.append(f"{name}_sum{labelled(labels)} {float(self.total)}")
        return [*rows, *gauge(f"{name}_created", text, [(labels, created)])]
