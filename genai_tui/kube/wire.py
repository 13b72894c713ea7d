"""The API server's JSON, decoded: only the fields the product uses; unknown fields are skipped, null is accepted.

Field names and shapes are those of the Kubernetes API (core/v1, apps/v1, meta/v1). Structs are never kept: `convert`
turns them into domain values at once. `gc=False` keeps the garbage collector from walking them.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec import Struct, field

StrMap = dict[str, str] | None


class Wire(Struct, rename="camel", gc=False):
    """Base of all: camelCase names."""


class Owner(Wire):
    """meta/v1 OwnerReference."""

    uid: str = ""
    kind: str = ""
    controller: bool | None = None


class Meta(Wire):
    """meta/v1 ObjectMeta."""

    name: str = ""
    namespace: str | None = None
    uid: str = ""
    resource_version: str = ""
    generation: int | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: StrMap = None
    annotations: StrMap = None
    owner_references: list[Owner] | None = None


class Identity(Wire):
    """meta/v1 ObjectMeta, as much as says which object it is."""

    name: str = ""
    namespace: str | None = None
    resource_version: str = ""


class Identified(Wire):
    """Anything, for its identity alone."""

    metadata: Identity


class Condition(Wire):
    """A status condition."""

    type: str = ""
    status: str = ""
    reason: str | None = None
    message: str | None = None
    last_transition_time: str | None = None


class EnvVar(Wire):
    """core/v1 EnvVar; values from references are not resolved."""

    name: str = ""
    value: str | None = None


class Port(Wire):
    """A container port."""

    container_port: int = 0


class Resources(Wire):
    """core/v1 ResourceRequirements."""

    requests: dict[str, str | int] | None = None
    limits: dict[str, str | int] | None = None


class Probe(Wire):
    """core/v1 Probe, for its budget."""

    initial_delay_seconds: int | None = None
    period_seconds: int | None = None
    failure_threshold: int | None = None


class Container(Wire):
    """core/v1 Container."""

    name: str = ""
    image: str | None = None
    command: list[str] | None = None
    args: list[str] | None = None
    env: list[EnvVar] | None = None
    ports: list[Port] | None = None
    resources: Resources | None = None
    startup_probe: Probe | None = None


class Waiting(Wire):
    """core/v1 ContainerStateWaiting."""

    reason: str | None = None
    message: str | None = None


class RunningState(Wire):
    """core/v1 ContainerStateRunning."""

    started_at: str | None = None


class Terminated(Wire):
    """core/v1 ContainerStateTerminated."""

    reason: str | None = None
    message: str | None = None
    exit_code: int | None = None
    finished_at: str | None = None


class State(Wire):
    """core/v1 ContainerState."""

    waiting: Waiting | None = None
    running: RunningState | None = None
    terminated: Terminated | None = None


class ContainerStatus(Wire):
    """core/v1 ContainerStatus."""

    name: str = ""
    ready: bool | None = None
    started: bool | None = None
    restart_count: int | None = None
    state: State | None = None
    last_state: State | None = None


class Toleration(Wire):
    """core/v1 Toleration."""

    key: str | None = None
    operator: str | None = None
    value: str | None = None
    effect: str | None = None


class ClaimSource(Wire):
    """core/v1 PersistentVolumeClaimVolumeSource."""

    claim_name: str = ""


class Volume(Wire):
    """core/v1 Volume, where it is a claim."""

    persistent_volume_claim: ClaimSource | None = None


class PodSpec(Wire):
    """core/v1 PodSpec."""

    node_name: str | None = None
    node_selector: StrMap = None
    tolerations: list[Toleration] | None = None
    volumes: list[Volume] | None = None
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None


class PodStatus(Wire):
    """core/v1 PodStatus."""

    phase: str | None = None
    reason: str | None = None
    message: str | None = None
    pod_ip: str | None = field(default=None, name="podIP")
    start_time: str | None = None
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None


class Pod(Wire):
    """core/v1 Pod."""

    metadata: Meta
    spec: PodSpec | None = None
    status: PodStatus | None = None


class Selector(Wire):
    """meta/v1 LabelSelector, its labels alone."""

    match_labels: StrMap = None


class RollingUpdate(Wire):
    """apps/v1 RollingUpdateDeployment."""

    max_surge: int | str | None = None


class Strategy(Wire):
    """apps/v1 DeploymentStrategy."""

    type: str | None = None
    rolling_update: RollingUpdate | None = None


class Template(Wire):
    """core/v1 PodTemplateSpec."""

    spec: PodSpec | None = None


class WorkloadSpec(Wire):
    """apps/v1 DeploymentSpec and ReplicaSetSpec."""

    replicas: int | None = None
    selector: Selector | None = None
    strategy: Strategy | None = None
    paused: bool | None = None
    template: Template | None = None


class WorkloadStatus(Wire):
    """apps/v1 DeploymentStatus and ReplicaSetStatus."""

    observed_generation: int | None = None
    replicas: int | None = None
    updated_replicas: int | None = None
    ready_replicas: int | None = None
    available_replicas: int | None = None
    conditions: list[Condition] | None = None


class Workload(Wire):
    """apps/v1 Deployment or ReplicaSet."""

    metadata: Meta
    spec: WorkloadSpec | None = None
    status: WorkloadStatus | None = None


class Taint(Wire):
    """core/v1 Taint."""

    key: str = ""
    value: str | None = None
    effect: str = ""


class NodeSpec(Wire):
    """core/v1 NodeSpec."""

    unschedulable: bool | None = None
    taints: list[Taint] | None = None


class NodeInfo(Wire):
    """core/v1 NodeSystemInfo."""

    kubelet_version: str | None = None


class NodeStatus(Wire):
    """core/v1 NodeStatus."""

    allocatable: dict[str, str | int] | None = None
    conditions: list[Condition] | None = None
    node_info: NodeInfo | None = None


class Node(Wire):
    """core/v1 Node."""

    metadata: Meta
    spec: NodeSpec | None = None
    status: NodeStatus | None = None


class Reference(Wire):
    """core/v1 ObjectReference."""

    kind: str | None = None
    name: str | None = None
    namespace: str | None = None


class Source(Wire):
    """core/v1 EventSource."""

    component: str | None = None


class Series(Wire):
    """core/v1 EventSeries."""

    count: int | None = None
    last_observed_time: str | None = None


class Event(Wire):
    """core/v1 Event."""

    metadata: Meta
    type: str | None = None
    reason: str | None = None
    message: str | None = None
    involved_object: Reference | None = None
    source: Source | None = None
    reporting_component: str | None = None
    count: int | None = None
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    event_time: str | None = None
    series: Series | None = None


class ServicePort(Wire):
    """core/v1 ServicePort."""

    port: int = 0


class ServiceSpec(Wire):
    """core/v1 ServiceSpec."""

    selector: StrMap = None
    ports: list[ServicePort] | None = None


class Service(Wire):
    """core/v1 Service."""

    metadata: Meta
    spec: ServiceSpec | None = None


class ConfigMap(Wire):
    """core/v1 ConfigMap."""

    metadata: Meta
    data: StrMap = None


class Secret(Wire):
    """core/v1 Secret."""

    metadata: Meta
    data: StrMap = None


class NamespaceStatus(Wire):
    """core/v1 NamespaceStatus."""

    phase: str | None = None


class Namespace(Wire):
    """core/v1 Namespace."""

    metadata: Meta
    status: NamespaceStatus | None = None


class ListMeta(Wire):
    """meta/v1 ListMeta."""

    resource_version: str = ""
    continue_: str | None = field(default=None, name="continue")


T = TypeVar("T")


class ListOf(Wire, Generic[T]):
    """A list of one kind."""

    metadata: ListMeta
    items: list[T] | None = None


class EventOf(Wire, Generic[T]):
    """One line of a watch."""

    type: str
    object: T


class Cause(Wire):
    """meta/v1 StatusCause."""

    reason: str | None = None
    message: str | None = None
    field: str | None = None


class StatusDetails(Wire):
    """meta/v1 StatusDetails."""

    name: str | None = None
    kind: str | None = None
    group: str | None = None
    causes: list[Cause] | None = None
    retry_after_seconds: int | None = None


class Status(Wire):
    """meta/v1 Status: how the API server says no."""

    status: str | None = None
    message: str | None = None
    reason: str | None = None
    code: int | None = None
    details: StatusDetails | None = None
