"""What GPUs and engines report of themselves at a moment. What was not reported is None, and why is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class GpuReading:
    """One GPU, or one MIG instance of it (`profile` such as `1g.10gb`).

    `busy` is from 0 to 1: the share of time in which some kernel ran. Memory is in MiB, temperature in degrees Celsius,
    power in watts; `xid` is the last XID error code, 0 for none. `namespace` and `pod` say who has it where the
    exporter knows, `others` who else where it is shared in time.
    """

    index: str
    uuid: str = ""
    product: str = ""
    profile: str = ""
    instance: str = ""
    busy: float | None = None
    memory_used: float | None = None
    memory_total: float | None = None
    celsius: float | None = None
    watts: float | None = None
    xid: int | None = None
    namespace: str = ""
    pod: str = ""
    others: tuple[tuple[str, str], ...] = ()

    def held_by(self, namespace: str, pod: str) -> bool:
        """Whether it is this pod's, alone or with others."""
        return (namespace, pod) in ((self.namespace, self.pod), *self.others)

    @property
    def name(self) -> str:
        """`3`, or `3 1g.10gb/7` for a MIG instance."""
        return f"{self.index} {self.profile}/{self.instance}" if self.profile else self.index


@dataclass(frozen=True, slots=True)
class GpuReport:
    """The GPUs by node, as read at `read`.

    `problem` says why there is nothing at all, `problems` why a node's are missing, and `notes` what the readings of a
    node leave out. `unasked` counts the pods of others in which a command would have to be run to learn of theirs,
    which nobody asked for. `again_s` is when it is polite to ask the next time.
    """

    read: datetime
    nodes: Mapping[str, Sequence[GpuReading]] = field(default_factory=dict)
    problem: str = ""
    problems: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    again_s: float = 5.0
    unasked: int = 0

    def why_missing(self, node: str) -> str:
        """Why there are no readings of a node; empty when there are."""
        if node in self.nodes:
            return ""
        return self.problems.get(node) or self.problem or "no data: no DCGM exporter on this node"


@dataclass(frozen=True, slots=True)
class Quantiles:
    """What half, 95 % and 99 % of the observations kept to: latencies (seconds) at most this, rates at least this."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class EngineMoment:
    """The engines of a deployment together. `kv_cache` is the fullest, 0 to 1; tokens are a second."""

    at: datetime
    running: float | None = None
    waiting: float | None = None
    kv_cache: float | None = None
    tokens: float | None = None
    first_token: Quantiles | None = None
    inter_token: Quantiles | None = None


@dataclass(frozen=True, slots=True)
class EngineReport:
    """The moments since it is looked at, oldest first. Latencies are over the `window_s` before each.

    `silent` maps pods that gave no metrics to why: what the moments say is of the others alone.
    """

    moments: Sequence[EngineMoment] = ()
    pods: int = 0
    silent: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    window_s: float = 60.0
    again_s: float = 5.0
