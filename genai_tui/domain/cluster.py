"""What was observed in the cluster: only the fields the product uses, frozen, replaced and never edited.

`genai_tui.kube` makes these from the API server's answers; the store keeps them by kind, namespace and name.
Times are timezone-aware UTC. A value the cluster did not give is None, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """The kinds the store keeps."""

    DEPLOYMENT = "Deployment"
    REPLICASET = "ReplicaSet"
    POD = "Pod"
    NODE = "Node"
    EVENT = "Event"
    SERVICE = "Service"
    CONFIGMAP = "ConfigMap"
    NAMESPACE = "Namespace"
    SECRET = "Secret"


PICTURED = tuple(kind for kind in Kind if kind is not Kind.SECRET)
"""The kinds the console watches: what is in Secrets is no part of its picture."""


@dataclass(frozen=True, slots=True)
class Key:
    """Where an object lives; `namespace` is empty for cluster-scoped kinds."""

    kind: Kind
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Meta:
    """The metadata every object has. `owner` is the uid of the controlling owner; `deleting` since when it is going."""

    name: str
    namespace: str = ""
    uid: str = ""
    version: str = ""
    generation: int = 0
    created: datetime | None = None
    deleting: datetime | None = None
    owner: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Condition:
    """One entry of status.conditions; `status` is True, False or Unknown as text."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    changed: datetime | None = None


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A container as specified; `gpus` maps extended resource names to counts."""

    name: str
    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    cpu: str | None = None
    memory: str | None = None
    gpus: Mapping[str, int] = field(default_factory=dict)
    startup_budget_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class ContainerState:
    """A container as observed: `state` is waiting, running or terminated; the `last_*` fields are the run before."""

    name: str
    init: bool = False
    ready: bool = False
    started: bool = False
    restarts: int = 0
    state: str = ""
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    since: datetime | None = None
    last_reason: str = ""
    last_message: str = ""
    last_exit_code: int | None = None
    last_finished: datetime | None = None


@dataclass(frozen=True, slots=True)
class Toleration:
    """A toleration as a pod has it; without a key it is for every taint, without an effect for every effect."""

    key: str | None = None
    operator: str = "Equal"
    value: str | None = None
    effect: str | None = None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a pod asks of its node beside resources: labels, taints it bears, and the volume claims it needs there."""

    selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    claims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod: where it is, what it runs, how each container is; `wishes` while it has no node."""

    meta: Meta
    phase: str
    reason: str = ""
    message: str = ""
    node: str | None = None
    ip: str | None = None
    started: datetime | None = None
    conditions: tuple[Condition, ...] = ()
    containers: tuple[ContainerSpec, ...] = ()
    states: tuple[ContainerState, ...] = ()
    wishes: Wishes | None = None

    @property
    def ready(self) -> bool:
        """Whether the Ready condition is True and the pod is not going away."""
        return self.meta.deleting is None and any(c.type == "Ready" and c.status == "True" for c in self.conditions)


@dataclass(frozen=True, slots=True)
class Workload:
    """An apps/v1 Deployment. `replicas` is what is wanted; the others are what status says.

    `surges` is whether a rollout may make new pods before old ones go. `before_stop` is how many replicas it had before
    it was stopped from here; None when nobody noted it.
    """

    meta: Meta
    replicas: int
    selector: Mapping[str, str]
    observed_generation: int = 0
    updated: int = 0
    ready: int = 0
    available: int = 0
    total: int = 0
    paused: bool = False
    strategy: str = "RollingUpdate"
    surges: bool = False
    revision: str = ""
    conditions: tuple[Condition, ...] = ()
    containers: tuple[ContainerSpec, ...] = ()
    before_stop: int | None = None


@dataclass(frozen=True, slots=True)
class ReplicaSet:
    """An apps/v1 ReplicaSet: one revision of a Deployment."""

    meta: Meta
    revision: str = ""
    replicas: int = 0
    ready: int = 0


@dataclass(frozen=True, slots=True)
class Taint:
    """A taint of a node."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True, slots=True)
class Node:
    """A node; `allocatable` has every resource as its quantity text, GPUs among them."""

    meta: Meta
    ready: bool
    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()
    allocatable: Mapping[str, str] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    kubelet: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """A core/v1 Event: what happened to the object it regards."""

    meta: Meta
    type: str
    reason: str
    message: str
    regarding_kind: str
    regarding_name: str
    regarding_namespace: str = ""
    source: str = ""
    count: int = 1
    first_seen: datetime | None = None
    last_seen: datetime | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """A core/v1 Service: `ports` are service ports in order."""

    meta: Meta
    selector: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfigMap:
    """A catalogue entry as stored: labelled `genai-tui.dev/kind`, its document in `data`."""

    meta: Meta
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace; `phase` is Active or Terminating."""

    meta: Meta
    phase: str = "Active"


@dataclass(frozen=True, slots=True)
class Secret:
    """An API key as stored: a labelled Secret, its `data` in base64. Read by the gateway alone, and never printed."""

    meta: Meta
    data: Mapping[str, str] = field(default_factory=dict, repr=False)


Observed = Workload | ReplicaSet | Pod | Node | Event | Service | ConfigMap | Namespace | Secret
"""Anything the store keeps."""


class Sync(StrEnum):
    """How good the picture of one kind is."""

    WAITING = "waiting"
    LISTING = "listing"
    LIVE = "live"
    STALE = "stale"
    FORBIDDEN = "forbidden"
    ABSENT = "absent"
