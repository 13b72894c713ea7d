"""Writing metrics in the Prometheus text format, with vLLM's names and bucket bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Labels = Mapping[str, str]


def labelled(labels: Labels) -> str:
    """`{a="b"}`, values escaped; nothing for no labels."""
    if not labels:
        return ""
    escaped = {k: v.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for k, v in labels.items()}
    return "{" + ",".join(f'{k}="{v}"' for k, v in escaped.items()) + "}"


@dataclass(slots=True)
class Histogram:
    """Counts by upper bound."""

    bounds: Sequence[float]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0
    count: int = 0

    def observe(self, value: float) -> None:
        """Count a value."""
        if not self.counts:
            self.counts = [0] * len(self.bounds)
        self.total += value
        self.count += 1
        for i, bound in enumerate(self.bounds):
            if value <= bound:
                self.counts[i] += 1

    def lines(self, name: str, labels: Labels) -> list[str]:
        """The series; nothing before the first value, as the engine does it."""
        if not self.count:
            return []
        rows = [
            f"{name}_bucket{labelled({**labels, 'le': str(float(bound))})} {float(n)}"
            for bound, n in zip(self.bounds, self.counts, strict=True)
        ]
        rows.append(f"{name}_bucket{labelled({**labels, 'le': '+Inf'})} {float(self.count)}")
        rows.append(f"{name}_count{labelled(labels)} {float(self.count)}")
        rows.append(f"{name}_sum{labelled(labels)} {self.total}")
        return rows


def header(name: str, kind: str, text: str) -> list[str]:
    """HELP and TYPE."""
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
