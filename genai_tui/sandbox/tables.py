"""Lists as kubectl prints them (meta.k8s.io/v1 Table), and metadata alone (PartialObjectMetadata)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.registry import Resource

Column = tuple[str, str, int]
Cells = Callable[[Object, datetime], list[Any]]


def age(stamp: str | None, now: datetime) -> str:
    """Time since, as k8s.io/apimachinery duration.HumanDuration writes it."""
    if not stamp:
        return "<unknown>"
    seconds = int((now - datetime.fromisoformat(stamp)).total_seconds())
    if seconds < 0:
        return "0s"
    for limit, text in _HUMAN:
        if seconds < limit:
            return text(seconds)
    years, days = divmod(seconds // 86_400, 365)
    return f"{years}y{days}d" if years < 8 and days else f"{years}y"


def _pair(big: int, small: int, units: str) -> Callable[[int], str]:
    def write(seconds: int) -> str:
        whole, rest = seconds // big, seconds % big // small
        return f"{whole}{units[0]}{rest}{units[1]}" if rest else f"{whole}{units[0]}"

    return write


_HUMAN: tuple[tuple[int, Callable[[int], str]], ...] = (
    (120, lambda s: f"{s}s"),
    (600, _pair(60, 1, "ms")),
    (10_800, lambda s: f"{s // 60}m"),
    (28_800, _pair(3600, 60, "hm")),
    (172_800, lambda s: f"{s // 3600}h"),
    (691_200, _pair(86_400, 3600, "dh")),
    (2 * 365 * 86_400, lambda s: f"{s // 86_400}d"),
)


def table(resource: Resource, items: Sequence[Object], now: datetime, version: str, include: str) -> Object:
    """A Table of the items; `include` is Metadata, Object or None."""
    columns, cells = _PRINTERS.get(resource.kind, (_NAME_AGE, _name_age))
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": [
            {
                "name": name,
                "type": kind,
                "format": "name" if name == "Name" else "",
                "description": f"{name} of the {resource.kind}.",
                "priority": priority,
            }
            for name, kind, priority in columns
        ],
        "rows": [_row(item, cells(item, now), include) for item in items],
    }


def _row(item: Object, cells: list[Any], include: str) -> Object:
    if include == "None":
        return {"cells": cells, "object": None}
    return {"cells": cells, "object": item if include == "Object" else partial(item)}


def partial(item: Object) -> Object:
    """The object's metadata as an object of its own."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}


_NAME_AGE: list[Column] = [("Name", "string", 0), ("Age", "string", 0)]


def _created(item: Object, now: datetime) -> str:
    return age(item["metadata"].get("creationTimestamp"), now)


def _name_age(item: Object, now: datetime) -> list[Any]:
    return [item["metadata"]["name"], _created(item, now)]


def _join(values: Any) -> str:  # noqa: ANN401
    return ",".join(str(v) for v in values) if values else "<none>"


def _selector(labels: Any) -> str:  # noqa: ANN401
    return ",".join(f"{k}={v}" for k, v in sorted((labels or {}).items())) or "<none>"


def _deployment(item: Object, now: datetime) -> list[Any]:
    spec, status = item.get("spec", {}), item.get("status", {})
    containers = spec.get("template", {}).get("spec", {}).get("containers") or []
    return [
        item["metadata"]["name"],
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        _created(item, now),
        _join(c["name"] for c in containers),
        _join(c["image"] for c in containers),
        _selector((spec.get("selector") or {}).get("matchLabels")),
    ]


def _replicaset(item: Object, now: datetime) -> list[Any]:
    spec, status = item.get("spec", {}), item.get("status", {})
    containers = spec.get("template", {}).get("spec", {}).get("containers") or []
    return [
        item["metadata"]["name"],
        spec.get("replicas", 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        _created(item, now),
        _join(c["name"] for c in containers),
        _join(c["image"] for c in containers),
        _selector((spec.get("selector") or {}).get("matchLabels")),
    ]


def _pod(item: Object, now: datetime) -> list[Any]:
    spec, status = item.get("spec", {}), item.get("status", {})
    states = status.get("containerStatuses") or []
    restarts: Any = sum(s.get("restartCount", 0) for s in states)
    finished = [
        s["lastState"]["terminated"]["finishedAt"]
        for s in states
        if (s.get("lastState") or {}).get("terminated", {}).get("finishedAt")
    ]
    if restarts and finished:
        restarts = f"{restarts} ({age(max(finished), now)} ago)"
    return [
        item["metadata"]["name"],
        f"{sum(bool(s.get('ready')) for s in states)}/{len(spec.get('containers') or ())}",
        pod_reason(item),
        str(restarts),
        _created(item, now),
        status.get("podIP") or "<none>",
        spec.get("nodeName") or "<none>",
        status.get("nominatedNodeName") or "<none>",
        "<none>",
    ]


def pod_reason(item: Object) -> str:
    """The STATUS column: the most telling reason, as kubectl's printer finds it."""
    status = item.get("status", {})
    reason = status.get("reason") or status.get("phase") or "Unknown"
    for state in status.get("initContainerStatuses") or ():
        terminated = (state.get("state") or {}).get("terminated")
        waiting = (state.get("state") or {}).get("waiting")
        if terminated and terminated.get("exitCode") != 0:
            reason = f"Init:{terminated.get('reason') or 'Error'}"
        elif waiting and waiting.get("reason") not in (None, "PodInitializing"):
            reason = f"Init:{waiting['reason']}"
    for state in reversed(status.get("containerStatuses") or ()):
        now = state.get("state") or {}
        if (now.get("waiting") or {}).get("reason"):
            reason = now["waiting"]["reason"]
        elif now.get("terminated"):
            reason = now["terminated"].get("reason") or f"ExitCode:{now['terminated'].get('exitCode')}"
    return "Terminating" if item["metadata"].get("deletionTimestamp") else str(reason)


def _node(item: Object, now: datetime) -> list[Any]:
    status, labels = item.get("status", {}), item["metadata"].get("labels") or {}
    ready: Object = next((c for c in status.get("conditions") or () if c["type"] == "Ready"), {})
    shown = "Ready" if ready.get("status") == "True" else "NotReady"
    if item.get("spec", {}).get("unschedulable"):
        shown += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    info = status.get("nodeInfo") or {}
    address = next((a["address"] for a in status.get("addresses") or () if a["type"] == "InternalIP"), "<none>")
    return [
        item["metadata"]["name"],
        shown,
        _join(k.removeprefix(prefix) for k in sorted(labels) if k.startswith(prefix)),
        _created(item, now),
        info.get("kubeletVersion", ""),
        address,
        "<none>",
        info.get("osImage", "<unknown>"),
        info.get("kernelVersion", "<unknown>"),
        info.get("containerRuntimeVersion", "<unknown>"),
    ]


def _service(item: Object, now: datetime) -> list[Any]:
    spec = item.get("spec", {})
    ports = [f"{p['port']}/{p.get('protocol', 'TCP')}" for p in spec.get("ports") or ()]
    address = spec.get("clusterIP") or "<none>"
    return [
        item["metadata"]["name"],
        spec.get("type", "ClusterIP"),
        address,
        "<none>",
        _join(ports),
        _created(item, now),
        _selector(spec.get("selector")),
    ]


def _event(item: Object, now: datetime) -> list[Any]:
    about = item.get("involvedObject") or {}
    last = item.get("lastTimestamp") or item.get("eventTime") or item["metadata"].get("creationTimestamp")
    first = item.get("firstTimestamp") or item.get("eventTime") or last
    source = (item.get("source") or {}).get("component") or item.get("reportingComponent") or ""
    return [
        age(last, now),
        item.get("type"),
        item.get("reason"),
        f"{str(about.get('kind', '')).lower()}/{about.get('name')}",
        about.get("fieldPath", ""),
        source,
        (item.get("message") or "").strip(),
        age(first, now),
        item.get("count", 1),
        item["metadata"]["name"],
    ]


def _namespace(item: Object, now: datetime) -> list[Any]:
    return [item["metadata"]["name"], item.get("status", {}).get("phase", "Active"), _created(item, now)]


def _config_map(item: Object, now: datetime) -> list[Any]:
    return [
        item["metadata"]["name"],
        len(item.get("data") or {}) + len(item.get("binaryData") or {}),
        _created(item, now),
    ]


def _secret(item: Object, now: datetime) -> list[Any]:
    return [item["metadata"]["name"], item.get("type", "Opaque"), len(item.get("data") or {}), _created(item, now)]


def _claim(item: Object, now: datetime) -> list[Any]:
    spec, status = item.get("spec", {}), item.get("status", {})
    modes = {"ReadWriteOnce": "RWO", "ReadWriteMany": "RWX", "ReadOnlyMany": "ROX", "ReadWriteOncePod": "RWOP"}
    return [
        item["metadata"]["name"],
        status.get("phase", "Pending"),
        spec.get("volumeName", ""),
        (status.get("capacity") or {}).get("storage", ""),
        ",".join(modes.get(mode, mode) for mode in status.get("accessModes") or ()),
        spec.get("storageClassName", ""),
        "<unset>",
        _created(item, now),
        spec.get("volumeMode", ""),
    ]


_PRINTERS: dict[str, tuple[list[Column], Cells]] = {
    "Deployment": (
        [("Name", "string", 0), ("Ready", "string", 0), ("Up-to-date", "string", 0), ("Available", "string", 0),
         ("Age", "string", 0), ("Containers", "string", 1), ("Images", "string", 1), ("Selector", "string", 1)],
        _deployment,
    ),
    "ReplicaSet": (
        [("Name", "string", 0), ("Desired", "integer", 0), ("Current", "integer", 0), ("Ready", "integer", 0),
         ("Age", "string", 0), ("Containers", "string", 1), ("Images", "string", 1), ("Selector", "string", 1)],
        _replicaset,
    ),
    "Pod": (
        [("Name", "string", 0), ("Ready", "string", 0), ("Status", "string", 0), ("Restarts", "string", 0),
         ("Age", "string", 0), ("IP", "string", 1), ("Node", "string", 1), ("Nominated Node", "string", 1),
         ("Readiness Gates", "string", 1)],
        _pod,
    ),
    "Node": (
        [("Name", "string", 0), ("Status", "string", 0), ("Roles", "string", 0), ("Age", "string", 0),
         ("Version", "string", 0), ("Internal-IP", "string", 1), ("External-IP", "string", 1),
         ("OS-Image", "string", 1), ("Kernel-Version", "string", 1), ("Container-Runtime", "string", 1)],
        _node,
    ),
    "Service": (
        [("Name", "string", 0), ("Type", "string", 0), ("Cluster-IP", "string", 0), ("External-IP", "string", 0),
         ("Port(s)", "string", 0), ("Age", "string", 0), ("Selector", "string", 1)],
        _service,
    ),
    "Event": (
        [("Last Seen", "string", 0), ("Type", "string", 0), ("Reason", "string", 0), ("Object", "string", 0),
         ("Subobject", "string", 1), ("Source", "string", 1), ("Message", "string", 0), ("First Seen", "string", 1),
         ("Count", "integer", 1), ("Name", "string", 1)],
        _event,
    ),
    "Namespace": ([("Name", "string", 0), ("Status", "string", 0), ("Age", "string", 0)], _namespace),
    "ConfigMap": ([("Name", "string", 0), ("Data", "string", 0), ("Age", "string", 0)], _config_map),
    "Secret": ([("Name", "string", 0), ("Type", "string", 0), ("Data", "string", 0), ("Age", "string", 0)], _secret),
    "PersistentVolumeClaim": (
        [("Name", "string", 0), ("Status", "string", 0), ("Volume", "string", 0), ("Capacity", "string", 0),
         ("Access Modes", "string", 0), ("StorageClass", "string", 0), ("VolumeAttributesClass", "string", 0),
         ("Age", "string", 0), ("VolumeMode", "string", 1)],
        _claim,
    ),
}  # fmt: skip
