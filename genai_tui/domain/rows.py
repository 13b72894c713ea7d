"""What the lists and screens show: derived, frozen rows. The store makes them; screens only format them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from genai_tui.domain.cluster import Event, Node, Pod, ReplicaSet, Sync, Workload
from genai_tui.domain.problems import FieldChange, Problem

if TYPE_CHECKING:
    from genai_tui.domain.documents import Endpoint, Model, ModelDeployment, Organization


class Phase(StrEnum):
    """The state of a deployment or of one replica, from evidence and never from time alone."""

    PENDING = "Pending"
    PULLING = "Pulling"
    STARTING = "Starting"
    """Its container runs, and has not said yet what it does."""
    DOWNLOADING = "Downloading"
    LOADING = "Loading"
    WARMING_UP = "Warming up"
    RUNNING = "Running"
    DEGRADED = "Degraded"
    ROLLING_OUT = "Rolling out"
    SCALING = "Scaling"
    FAILED = "Failed"
    STOPPED = "Stopped"
    TERMINATING = "Terminating"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Ref:
    """A model deployment by namespace and name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Assessment:
    """Phase, cause in plain words, the evidence it rests on, and what to do; None where there is none.

    `progress` is from 0 to 1 and `seconds_left` an estimate, where the evidence gives them: of the present stage, or
    with `until_ready` of all that are ahead. `changes` is what of the fix the edit form can hold.
    """

    phase: Phase
    cause: str | None = None
    evidence: tuple[str, ...] = ()
    fix: str | None = None
    progress: float | None = None
    seconds_left: float | None = None
    changes: tuple[FieldChange, ...] = ()
    until_ready: bool = False


@dataclass(frozen=True, slots=True)
class Traffic:
    """Rates from the engine's own counters over the last sample interval; None where not known."""

    requests_per_second: float | None = None
    tokens_per_second: float | None = None
    running: int | None = None
    waiting: int | None = None
    sampled: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeploymentRow:
    """One line of the deployments list.

    `managed_by` is `genai-tui`, or what else made it (foreign: read-only). `gpus` is what all wanted replicas
    ask for together; None when the workload names none we know.
    """

    ref: Ref
    model: str | None
    endpoint: str | None
    engine: str | None
    assessment: Assessment
    ready: int
    replicas: int
    gpus: int | None
    served_names: tuple[str, ...]
    managed_by: str
    created: datetime | None
    traffic: Traffic = Traffic()

    @property
    def foreign(self) -> bool:
        """Whether someone else made it, so that nothing here writes to it."""
        return self.managed_by != "genai-tui"


@dataclass(frozen=True, slots=True)
class ReplicaRow:
    """One pod of a deployment with its own phase and when it entered each stage it has reached.

    `stages` holds (phase, since) in order; `current` is whether it belongs to the newest ReplicaSet.
    """

    pod: Pod
    assessment: Assessment
    stages: tuple[tuple[Phase, datetime], ...]
    current: bool


@dataclass(frozen=True, slots=True)
class DeploymentDetail:
    """All that is known of one deployment; `document` is None for foreign ones or an unreadable annotation."""

    row: DeploymentRow
    workload: Workload
    document: ModelDeployment | None
    replicas: tuple[ReplicaRow, ...]
    replicasets: tuple[ReplicaSet, ...]
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class GpuResource:
    """One extended resource of a node: GPUs, MIG instances or time-sliced shares of that name."""

    name: str
    total: int
    free: int


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node with its GPUs: `gpu_total` allocatable of `gpu_resource`, `gpu_free` not requested by any pod.

    `resources` has every GPU resource of the node, the largest first; `gpu_resource` is the first of them.
    """

    node: Node
    gpu_resource: str | None
    gpu_product: str | None
    gpu_memory_mib: int | None
    gpu_total: int
    gpu_free: int
    holders: tuple[tuple[Ref, int], ...] = ()
    resources: tuple[GpuResource, ...] = ()

    def resource(self, name: str) -> GpuResource | None:
        """What it has of one GPU resource; a node may offer whole GPUs and MIG instances beside each other."""
        if not self.resources and name == self.gpu_resource:
            return GpuResource(name, self.gpu_total, self.gpu_free)
        return next((found for found in self.resources if found.name == name), None)


@dataclass(frozen=True, slots=True)
class NodePod:
    """A pod on a node: the deployment it belongs to, if any, and the GPUs it holds by resource."""

    pod: Pod
    owner: Ref | None
    gpus: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class NodeDetail:
    """A node with the pods on it, those that hold GPUs first."""

    row: NodeRow
    pods: tuple[NodePod, ...]


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A catalogue model with how many deployments it has; `problem` when its stored document cannot be read."""

    name: str
    document: Model | None
    deployments: int
    created: datetime | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """An endpoint with how many deployments are bound to it."""

    name: str
    document: Endpoint | None
    deployments: int
    created: datetime | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class OrganizationRow:
    """An organization of the catalogue."""

    name: str
    document: Organization | None
    created: datetime | None
    problem: str | None = None


class Link(StrEnum):
    """How the connection to the cluster is."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALE = "stale"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Health:
    """The state of the picture: link, round trip in milliseconds, since when it is stale, and why.

    `unseen` has, by kind, why these credentials may not see it. `within` is the namespace whose deployments are seen
    where not all are.
    """

    link: Link
    latency_ms: float | None = None
    stale_since: datetime | None = None
    problem: Problem | None = None
    kinds: tuple[tuple[str, Sync], ...] = ()
    unseen: tuple[tuple[str, str], ...] = ()
    within: str | None = None

    def not_visible(self, *kinds: str) -> str:
        """Why one of these kinds is missing, for where it would be; empty when all may be seen."""
        found = next((why for kind, why in self.unseen if kind in kinds), None)
        return f"not visible to you: {found}" if found is not None else ""
