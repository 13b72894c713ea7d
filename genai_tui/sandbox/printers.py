"""The columns kubectl prints for each kind: names, types, what is wide, and the cells.

They are those of kubernetes/pkg/printers/internalversion.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.pod_cells import pod_cells
from genai_tui.sandbox.times import age

Column = tuple[str, str, int]
Cells = Callable[[Object, datetime], list[Any]]
NAME_AGE: list[Column] = [("Name", "string", 0), ("Age", "string", 0)]


def _created(item: Object, now: datetime) -> str:
    return age(item["metadata"].get("creationTimestamp"), now)


def name_age(item: Object, now: datetime) -> list[Any]:
    """The cells of kinds without columns of their own."""
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


def _node(item: Object, now: datetime) -> list[Any]:
    status, labels = item.get("status", {}), item["metadata"].get("labels") or {}
    ready: Object = next((c for c in status.get("conditions") or () if c["type"] == "Ready"), {})
    shown = "Ready" if ready.get("status") == "True" else "NotReady"
    if item.get("spec", {}).get("unschedulable"):
        shown += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    info = status.get("nodeInfo") or {}
    addresses: dict[str, str] = {a["type"]: a["address"] for a in reversed(status.get("addresses") or ())}
    return [
        item["metadata"]["name"],
        shown,
        _join(k.removeprefix(prefix) for k in sorted(labels) if k.startswith(prefix)),
        _created(item, now),
        info.get("kubeletVersion", ""),
        addresses.get("InternalIP", "<none>"),
        addresses.get("ExternalIP", "<none>"),
        info.get("osImage", "<unknown>"),
        info.get("kernelVersion", "<unknown>"),
        info.get("containerRuntimeVersion", "<unknown>"),
    ]


def _service(item: Object, now: datetime) -> list[Any]:
    spec = item.get("spec", {})
    ports = [
        f"{p['port']}{':' + str(p['nodePort']) if p.get('nodePort') else ''}/{p.get('protocol', 'TCP')}"
        for p in spec.get("ports") or ()
    ]
    address = spec.get("clusterIP") or "<none>"
    external = ",".join(
        i.get("ip") or i.get("hostname", "")
        for i in (item.get("status", {}).get("loadBalancer") or {}).get("ingress") or ()
    )
    if not external:
        external = "<pending>" if spec.get("type") == "LoadBalancer" else spec.get("externalName") or "<none>"
    return [
        item["metadata"]["name"],
        spec.get("type", "ClusterIP"),
        address,
        external,
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
    return [
        item["metadata"]["name"],
        status.get("phase", "Pending"),
        spec.get("volumeName", ""),
        (status.get("capacity") or {}).get("storage", ""),
        _modes(status.get("accessModes")),
        spec.get("storageClassName", ""),
        "<unset>",
        _created(item, now),
        spec.get("volumeMode", ""),
    ]


_MODES = {"ReadWriteOnce": "RWO", "ReadWriteMany": "RWX", "ReadOnlyMany": "ROX", "ReadWriteOncePod": "RWOP"}


def _modes(modes: Any) -> str:  # noqa: ANN401
    return ",".join(str(_MODES.get(mode, mode)) for mode in modes or ())


def _template(item: Object) -> list[Any]:
    containers = item.get("spec", {}).get("template", {}).get("spec", {}).get("containers") or []
    return [_join(c["name"] for c in containers), _join(c["image"] for c in containers)]


def _stateful_set(item: Object, now: datetime) -> list[Any]:
    ready = f"{item.get('status', {}).get('readyReplicas', 0)}/{item.get('spec', {}).get('replicas', 0)}"
    return [item["metadata"]["name"], ready, _created(item, now), *_template(item)]


def _daemon_set(item: Object, now: datetime) -> list[Any]:
    spec, status = item.get("spec", {}), item.get("status", {})
    counts = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    return [
        item["metadata"]["name"],
        *(status.get(name, 0) for name in counts),
        _selector(spec.get("template", {}).get("spec", {}).get("nodeSelector")),
        _created(item, now),
        *_template(item),
        _selector((spec.get("selector") or {}).get("matchLabels")),
    ]


def _job(item: Object, now: datetime) -> list[Any]:
    spec, status = item.get("spec", {}), item.get("status", {})
    met = {c["type"] for c in status.get("conditions") or () if c.get("status") == "True"}
    shown = next((name for name in ("Complete", "Failed", "Suspended") if name in met), "Running")
    started = status.get("startTime")
    finished = status.get("completionTime")
    until = datetime.fromisoformat(finished) if finished else now
    return [
        item["metadata"]["name"],
        shown,
        f"{status.get('succeeded', 0)}/{spec.get('completions', 1)}",
        age(started, until) if started else "",
        _created(item, now),
        *_template(item),
        _selector((spec.get("selector") or {}).get("matchLabels")),
    ]


def _volume(item: Object, now: datetime) -> list[Any]:
    spec, claim = item.get("spec", {}), item.get("spec", {}).get("claimRef") or {}
    return [
        item["metadata"]["name"],
        (spec.get("capacity") or {}).get("storage", ""),
        _modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy", ""),
        item.get("status", {}).get("phase", ""),
        f"{claim['namespace']}/{claim['name']}" if claim else "",
        spec.get("storageClassName", ""),
        "<unset>",
        item.get("status", {}).get("reason", ""),
        _created(item, now),
        spec.get("volumeMode", ""),
    ]


def _storage_class(item: Object, now: datetime) -> list[Any]:
    name = item["metadata"]["name"]
    annotations = item["metadata"].get("annotations") or {}
    if annotations.get("storageclass.kubernetes.io/is-default-class") == "true":
        name += " (default)"
    return [
        name,
        item.get("provisioner", ""),
        item.get("reclaimPolicy", "Delete"),
        item.get("volumeBindingMode", "Immediate"),
        bool(item.get("allowVolumeExpansion")),
        _created(item, now),
    ]


def _service_account(item: Object, now: datetime) -> list[Any]:
    return [item["metadata"]["name"], len(item.get("secrets") or ()), _created(item, now)]


def _endpoints(item: Object, now: datetime) -> list[Any]:
    found = [
        f"{address['ip']}:{port['port']}"
        for subset in item.get("subsets") or ()
        for port in subset.get("ports") or ()
        for address in subset.get("addresses") or ()
    ]
    shown = ",".join(found[:3]) + (f" + {len(found) - 3} more..." if len(found) > 3 else "")
    return [item["metadata"]["name"], shown or "<none>", _created(item, now)]


def _slice(item: Object, now: datetime) -> list[Any]:
    addresses = [a for endpoint in item.get("endpoints") or () for a in endpoint.get("addresses") or ()]
    shown = ",".join(addresses[:3]) + (f" + {len(addresses) - 3} more..." if len(addresses) > 3 else "")
    ports = ",".join(str(port.get("port")) for port in item.get("ports") or ())
    return [
        item["metadata"]["name"],
        item.get("addressType"),
        ports or "<unset>",
        shown or "<unset>",
        _created(item, now),
    ]


def _quota(item: Object, now: datetime) -> list[Any]:
    hard = item.get("spec", {}).get("hard") or {}
    used = item.get("status", {}).get("used") or {}
    shown = {name: f"{name}: {used.get(name, '0')}/{hard[name]}" for name in sorted(hard)}
    limits = ", ".join(text for name, text in shown.items() if name.startswith("limits."))
    others = ", ".join(text for name, text in shown.items() if not name.startswith("limits."))
    return [item["metadata"]["name"], others, limits, _created(item, now)]


def _lease(item: Object, now: datetime) -> list[Any]:
    return [item["metadata"]["name"], item.get("spec", {}).get("holderIdentity", ""), _created(item, now)]


def _policy(item: Object, now: datetime) -> list[Any]:
    labels = (item.get("spec", {}).get("podSelector") or {}).get("matchLabels")
    return [item["metadata"]["name"], _selector(labels), _created(item, now)]


def _priority(item: Object, now: datetime) -> list[Any]:
    policy = item.get("preemptionPolicy", "PreemptLowerPriority")
    return [
        item["metadata"]["name"],
        item.get("value", 0),
        bool(item.get("globalDefault")),
        _created(item, now),
        policy,
    ]


def _runtime(item: Object, now: datetime) -> list[Any]:
    return [item["metadata"]["name"], item.get("handler", ""), _created(item, now)]


def _stamped(item: Object, now: datetime) -> list[Any]:
    _ = now
    return [item["metadata"]["name"], item["metadata"].get("creationTimestamp")]


def _binding(item: Object, now: datetime) -> list[Any]:
    role = item.get("roleRef") or {}
    by_kind: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in item.get("subjects") or ():
        name = (
            f"{subject.get('namespace')}/{subject['name']}" if subject["kind"] == "ServiceAccount" else subject["name"]
        )
        by_kind.setdefault(subject["kind"], []).append(name)
    subjects = [", ".join(by_kind[kind]) for kind in ("User", "Group", "ServiceAccount")]
    return [item["metadata"]["name"], f"{role.get('kind')}/{role.get('name')}", _created(item, now), *subjects]


def _plain(*names: str, wide: tuple[str, ...] = ()) -> list[Column]:
    return [(name, "string", 0) for name in names] + [(name, "string", 1) for name in wide]


_TEMPLATE = ("Containers", "Images")

PRINTERS: dict[str, tuple[list[Column], Cells]] = {
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
        pod_cells,
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
    "StatefulSet": (_plain("Name", "Ready", "Age", wide=_TEMPLATE), _stateful_set),
    "DaemonSet": (
        _plain("Name", "Desired", "Current", "Ready", "Up-to-date", "Available", "Node Selector", "Age",
               wide=(*_TEMPLATE, "Selector")),
        _daemon_set,
    ),
    "Job": (_plain("Name", "Status", "Completions", "Duration", "Age", wide=(*_TEMPLATE, "Selector")), _job),
    "PersistentVolume": (
        _plain("Name", "Capacity", "Access Modes", "Reclaim Policy", "Status", "Claim", "StorageClass",
               "VolumeAttributesClass", "Reason", "Age", wide=("VolumeMode",)),
        _volume,
    ),
    "StorageClass": (
        _plain("Name", "Provisioner", "ReclaimPolicy", "VolumeBindingMode", "AllowVolumeExpansion", "Age"),
        _storage_class,
    ),
    "ServiceAccount": (_plain("Name", "Secrets", "Age"), _service_account),
    "Endpoints": (_plain("Name", "Endpoints", "Age"), _endpoints),
    "EndpointSlice": (_plain("Name", "AddressType", "Ports", "Endpoints", "Age"), _slice),
    "ResourceQuota": (_plain("Name", "Request", "Limit", "Age"), _quota),
    "LimitRange": (_plain("Name", "Created At"), _stamped),
    "Lease": (_plain("Name", "Holder", "Age"), _lease),
    "NetworkPolicy": (_plain("Name", "Pod-Selector", "Age"), _policy),
    "PriorityClass": (_plain("Name", "Value", "Global-Default", "Age", "PreemptionPolicy"), _priority),
    "RuntimeClass": (_plain("Name", "Handler", "Age"), _runtime),
    "Role": (_plain("Name", "Created At"), _stamped),
    "ClusterRole": (_plain("Name", "Created At"), _stamped),
    "RoleBinding": (_plain("Name", "Role", "Age", wide=("Users", "Groups", "ServiceAccounts")), _binding),
    "ClusterRoleBinding": (_plain("Name", "Role", "Age", wide=("Users", "Groups", "ServiceAccounts")), _binding),
    "CustomResourceDefinition": (_plain("Name", "Created At"), _stamped),
}  # fmt: skip
