"""What a watch of the cluster says, as values: the seam between reading the cluster and keeping its picture."""

from __future__ import annotations

from dataclasses import dataclass

from genai_tui.domain.cluster import Key, Kind, Observed, Sync
from genai_tui.domain.problems import Problem


@dataclass(frozen=True, slots=True)
class Listed:
    """A complete list of one kind (in the watched scope): it replaces all that was known of the kind."""

    kind: Kind
    objects: tuple[Observed, ...]


@dataclass(frozen=True, slots=True)
class Upserted:
    """An object appeared or changed."""

    kind: Kind
    object: Observed


@dataclass(frozen=True, slots=True)
class Removed:
    """An object is gone."""

    kind: Kind
    key: Key


@dataclass(frozen=True, slots=True)
class SyncChanged:
    """How good the picture of a kind is now; `problem` says why it is not live.

    `latency_ms` is the round trip of the request that showed it, where one was made. `namespace` is the one that is
    read, None where all are.
    """

    kind: Kind
    sync: Sync
    problem: Problem | None = None
    latency_ms: float | None = None
    namespace: str | None = None


WatchEvent = Listed | Upserted | Removed | SyncChanged
