"""Wire structs become domain values: flattened, with times parsed and repeated strings shared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from sys import intern

from genai_tui.domain import cluster
from genai_tui.domain.naming import BEFORE_STOP_ANNOTATION, SPEC_ANNOTATION
from genai_tui.domain.text import printable_lines
from genai_tui.kube import wire

REVISION_ANNOTATION = "deployment.kubernetes.io/revision"
# Nothing else of the annotations is used, and some of them (last-applied) are as large as the object.
_KEPT_ANNOTATIONS = (SPEC_ANNOTATION, REVISION_ANNOTATION)
_BASE_RESOURCES = ("cpu", "memory", "ephemeral-storage", "pods", "storage")
_EMPTY: Mapping[str, str] = {}


@lru_cache(maxsize=8192)
def moment(text: str | None) -> datetime | None:
    """An RFC 3339 time; None for none, and for what cannot be read. Remembered: most times come many times over."""
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def meta(given: wire.Meta) -> cluster.Meta:
    """ObjectMeta, with the annotations that are used."""
    owner = next((o.uid for o in given.owner_references or () if o.controller), None)
    annotations = given.annotations
    kept = {k: annotations[k] for k in _KEPT_ANNOTATIONS if k in annotations} if annotations else _EMPTY
    labels = given.labels
    return cluster.Meta(
        name=given.name,
        namespace=intern(given.namespace or ""),
        uid=given.uid,
        version=given.resource_version,
        generation=given.generation or 0,
        created=moment(given.creation_timestamp),
        deleting=moment(given.deletion_timestamp),
        owner=owner,
        labels={intern(k): intern(v) for k, v in labels.items()} if labels else _EMPTY,
        annotations=kept,
    )


def _conditions(given: Iterable[wire.Condition] | None) -> tuple[cluster.Condition, ...]:
    found = [
        cluster.Condition(
            intern(c.type), intern(c.status), intern(c.reason or ""), _said(c.message), moment(c.last_transition_time)
        )
        for c in given or ()
    ]
    return tuple(found)


def _amounts(resources: wire.Resources | None) -> dict[str, str]:
    """Requests, with limits where there is no request (which is what the API server defaults them to)."""
    if resources is None:
        return {}
    merged = {**(resources.limits or {}), **(resources.requests or {})}
    return {intern(name): str(amount) for name, amount in merged.items()}


def _said(text: str | None) -> str:
    """Words of a machine: the last ones of a container are whatever it wrote, escapes for the terminal among them."""
    return printable_lines(text) if text else ""


def _whole(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _budget(probe: wire.Probe | None) -> int | None:
    if probe is None:
        return None
    return (probe.initial_delay_seconds or 0) + (probe.period_seconds or 10) * (probe.failure_threshold or 3)


def _container(given: wire.Container) -> cluster.ContainerSpec:
    amounts = _amounts(given.resources)
    counted = {name: _whole(text) for name, text in amounts.items() if name not in _BASE_RESOURCES and "/" in name}
    return cluster.ContainerSpec(
        name=intern(given.name),
        image=intern(given.image or ""),
        command=tuple(given.command or ()),
        args=tuple(given.args or ()),
        env={e.name: e.value for e in given.env or () if e.value is not None} if given.env else _EMPTY,
        ports=tuple(p.container_port for p in given.ports or ()),
        cpu=amounts.get("cpu"),
        memory=amounts.get("memory"),
        gpus={name: count for name, count in counted.items() if count is not None},
        startup_budget_seconds=_budget(given.startup_probe),
    )


_replicas: dict[str, tuple[list[wire.Container], tuple[cluster.ContainerSpec, ...]]] = {}
_MOST_OWNERS = 4096


def _containers(owner: str | None, given: list[wire.Container] | None) -> tuple[cluster.ContainerSpec, ...]:
    """The containers of a pod; replicas of one owner that are equal share them, and so do changes of one pod."""
    if not given:
        return ()
    known = _replicas.get(owner) if owner else None
    if known is not None and known[0] == given:
        return known[1]
    made = tuple([_container(c) for c in given])
    if owner:
        if len(_replicas) >= _MOST_OWNERS:
            _replicas.clear()
        _replicas[owner] = (given, made)
    return made


def _state(given: wire.ContainerStatus, *, init: bool) -> cluster.ContainerState:
    now = given.state or wire.State()
    last = (given.last_state or wire.State()).terminated
    name, reason, message, code, since = "", "", "", None, None
    if now.waiting is not None:
        name, reason, message = "waiting", now.waiting.reason or "", _said(now.waiting.message)
    elif now.running is not None:
        name, since = "running", moment(now.running.started_at)
    elif now.terminated is not None:
        ended = now.terminated
        name, reason, message = "terminated", ended.reason or "", _said(ended.message)
        code, since = ended.exit_code, moment(ended.finished_at)
    return cluster.ContainerState(
        name=intern(given.name),
        init=init,
        ready=bool(given.ready),
        started=bool(given.started),
        restarts=given.restart_count or 0,
        state=name,
        reason=intern(reason),
        message=message,
        exit_code=code,
        since=since,
        last_reason=intern(last.reason or "") if last else "",
        last_message=_said(last.message) if last else "",
        last_exit_code=last.exit_code if last else None,
        last_finished=moment(last.finished_at) if last else None,
    )


def pod(given: wire.Pod) -> cluster.Pod:
    """A pod; init containers come first in `states`."""
    spec, status = given.spec or wire.PodSpec(), given.status or wire.PodStatus()
    states = [_state(s, init=True) for s in status.init_container_statuses or ()]
    states += [_state(s, init=False) for s in status.container_statuses or ()]
    about = meta(given.metadata)
    return cluster.Pod(
        meta=about,
        phase=intern(status.phase or "Unknown"),
        reason=status.reason or "",
        message=_said(status.message),
        node=intern(spec.node_name) if spec.node_name else None,
        ip=status.pod_ip,
        started=moment(status.start_time),
        conditions=_conditions(status.conditions),
        containers=_containers(about.owner, spec.containers),
        states=tuple(states),
        wishes=_wishes(spec) if not spec.node_name else None,
    )


def _wishes(given: wire.PodSpec) -> cluster.Wishes:
    tolerations = [cluster.Toleration(t.key, t.operator or "Equal", t.value, t.effect) for t in given.tolerations or ()]
    claims = [v.persistent_volume_claim.claim_name for v in given.volumes or () if v.persistent_volume_claim]
    return cluster.Wishes(given.node_selector or _EMPTY, tuple(tolerations), tuple(claims))


def workload(given: wire.Workload) -> cluster.Workload:
    """A Deployment."""
    spec, status = given.spec or wire.WorkloadSpec(), given.status or wire.WorkloadStatus()
    template = (spec.template.spec if spec.template else None) or wire.PodSpec()
    return cluster.Workload(
        meta=meta(given.metadata),
        replicas=1 if spec.replicas is None else spec.replicas,
        selector=(spec.selector.match_labels if spec.selector else None) or _EMPTY,
        observed_generation=status.observed_generation or 0,
        updated=status.updated_replicas or 0,
        ready=status.ready_replicas or 0,
        available=status.available_replicas or 0,
        total=status.replicas or 0,
        paused=bool(spec.paused),
        strategy=(spec.strategy.type if spec.strategy else None) or "RollingUpdate",
        surges=_surges(spec.strategy),
        revision=(given.metadata.annotations or {}).get(REVISION_ANNOTATION, ""),
        conditions=_conditions(status.conditions),
        containers=tuple(_container(c) for c in template.containers or ()),
        before_stop=_whole((given.metadata.annotations or {}).get(BEFORE_STOP_ANNOTATION, "")),
    )


def _surges(strategy: wire.Strategy | None) -> bool:
    """Whether new pods may come before old ones go; a server that is told nothing sets a quarter."""
    if strategy is None or strategy.type == "Recreate":
        return False
    most = strategy.rolling_update.max_surge if strategy.rolling_update is not None else None
    return most not in (0, "0", "0%")


def replicaset(given: wire.Workload) -> cluster.ReplicaSet:
    """A ReplicaSet."""
    spec, status = given.spec or wire.WorkloadSpec(), given.status or wire.WorkloadStatus()
    return cluster.ReplicaSet(
        meta=meta(given.metadata),
        revision=(given.metadata.annotations or {}).get(REVISION_ANNOTATION, ""),
        replicas=spec.replicas or 0,
        ready=status.ready_replicas or 0,
    )


def node(given: wire.Node) -> cluster.Node:
    """A node."""
    spec, status = given.spec or wire.NodeSpec(), given.status or wire.NodeStatus()
    conditions = _conditions(status.conditions)
    return cluster.Node(
        meta=meta(given.metadata),
        ready=any(c.type == "Ready" and c.status == "True" for c in conditions),
        unschedulable=bool(spec.unschedulable),
        taints=tuple(cluster.Taint(t.key, t.value or "", t.effect) for t in spec.taints or ()),
        allocatable={name: str(amount) for name, amount in (status.allocatable or {}).items()},
        conditions=conditions,
        kubelet=(status.node_info.kubelet_version if status.node_info else None) or "",
    )


def event(given: wire.Event) -> cluster.Event:
    """An event of the old or the new form; a series carries its own count and time."""
    about = given.involved_object or wire.Reference()
    series = given.series or wire.Series()
    first = moment(given.first_timestamp) or moment(given.event_time) or moment(given.metadata.creation_timestamp)
    last = moment(series.last_observed_time) or moment(given.last_timestamp) or first
    return cluster.Event(
        meta=meta(given.metadata),
        type=intern(given.type or "Normal"),
        reason=intern(_said(given.reason)),
        message=_said(given.message),
        regarding_kind=intern(about.kind or ""),
        regarding_name=about.name or "",
        regarding_namespace=intern(about.namespace or ""),
        source=intern((given.source.component if given.source else None) or given.reporting_component or ""),
        count=series.count or given.count or 1,
        first_seen=first,
        last_seen=last,
    )


def service(given: wire.Service) -> cluster.Service:
    """A Service."""
    spec = given.spec or wire.ServiceSpec()
    return cluster.Service(meta(given.metadata), spec.selector or _EMPTY, tuple(p.port for p in spec.ports or ()))


def config_map(given: wire.ConfigMap) -> cluster.ConfigMap:
    """A ConfigMap."""
    return cluster.ConfigMap(meta(given.metadata), given.data or _EMPTY)


def secret(given: wire.Secret) -> cluster.Secret:
    """A Secret, with all of its annotations: they say when a key expires."""
    kept = replace(meta(given.metadata), annotations=given.metadata.annotations or _EMPTY)
    return cluster.Secret(kept, given.data or _EMPTY)


def namespace(given: wire.Namespace) -> cluster.Namespace:
    """A namespace."""
    return cluster.Namespace(meta(given.metadata), (given.status.phase if given.status else None) or "Active")


Converter = Callable[..., cluster.Observed]
