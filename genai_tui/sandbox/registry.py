"""The resources the sandbox serves; discovery, routing and OpenAPI are generated from this table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the API."""

    group: str
    version: str
    plural: str
    kind: str
    singular: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    field_labels: tuple[str, ...] = ()
    """Dotted paths field selectors may use beside metadata.name and metadata.namespace."""

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def id(self) -> tuple[str, str]:
        """Group and plural."""
        return self.group, self.plural


def _core(plural: str, kind: str, **more: Any) -> Resource:  # noqa: ANN401
    return Resource("", "v1", plural, kind, kind.lower(), **more)


def _apps(plural: str, kind: str, **more: Any) -> Resource:  # noqa: ANN401
    return Resource("apps", "v1", plural, kind, kind.lower(), **more)


_EVENT_LABELS = (
    "involvedObject.kind", "involvedObject.name", "involvedObject.namespace", "involvedObject.uid",
    "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason", "type",
    "source", "reportingComponent",
)  # fmt: skip
PODS = _core(
    "pods", "Pod", short_names=("po",), categories=("all",),
    subresources=("status", "log", "exec", "attach", "portforward", "proxy", "eviction", "binding"),
    field_labels=(
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
        "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName",
    ),
)  # fmt: skip
SERVICES = _core("services", "Service", short_names=("svc",), categories=("all",), subresources=("status", "proxy"))
NAMESPACES = _core(
    "namespaces", "Namespace", namespaced=False, short_names=("ns",), subresources=("status", "finalize"),
    field_labels=("status.phase",),
)  # fmt: skip
NODES = _core(
    "nodes", "Node", namespaced=False, short_names=("no",), subresources=("status", "proxy"),
    field_labels=("spec.unschedulable",),
)  # fmt: skip
CONFIGMAPS = _core("configmaps", "ConfigMap", short_names=("cm",))
SECRETS = _core("secrets", "Secret", field_labels=("type",))
CLAIMS = _core("persistentvolumeclaims", "PersistentVolumeClaim", short_names=("pvc",), subresources=("status",))
VOLUMES = _core(
    "persistentvolumes", "PersistentVolume", namespaced=False, short_names=("pv",), subresources=("status",)
)
ENDPOINTS = _core("endpoints", "Endpoints", short_names=("ep",))
SERVICE_ACCOUNTS = _core("serviceaccounts", "ServiceAccount", short_names=("sa",))
EVENTS = _core("events", "Event", short_names=("ev",), field_labels=_EVENT_LABELS)
QUOTAS = _core("resourcequotas", "ResourceQuota", short_names=("quota",), subresources=("status",))
LIMIT_RANGES = _core("limitranges", "LimitRange", short_names=("limits",))
DEPLOYMENTS = _apps(
    "deployments", "Deployment", short_names=("deploy",), categories=("all",), subresources=("status", "scale")
)
REPLICASETS = _apps(
    "replicasets", "ReplicaSet", short_names=("rs",), categories=("all",), subresources=("status", "scale"),
    field_labels=("status.replicas",),
)  # fmt: skip
STATEFULSETS = _apps(
    "statefulsets", "StatefulSet", short_names=("sts",), categories=("all",), subresources=("status", "scale")
)
DAEMONSETS = _apps("daemonsets", "DaemonSet", short_names=("ds",), categories=("all",), subresources=("status",))
CONTROLLER_REVISIONS = _apps("controllerrevisions", "ControllerRevision")
JOBS = Resource("batch", "v1", "jobs", "Job", "job", categories=("all",), subresources=("status",))
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease", "lease")
SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", "endpointslice")
NEW_EVENTS = Resource("events.k8s.io", "v1", "events", "Event", "event", short_names=("ev",))
POLICIES = Resource(
    "networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", "networkpolicy", short_names=("netpol",)
)
STORAGE_CLASSES = Resource(
    "storage.k8s.io", "v1", "storageclasses", "StorageClass", "storageclass", False, short_names=("sc",)
)
ROLES = Resource("rbac.authorization.k8s.io", "v1", "roles", "Role", "role")
ROLE_BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", "rolebinding")
CLUSTER_ROLES = Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", "clusterrole", False)
CLUSTER_ROLE_BINDINGS = Resource(
    "rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", "clusterrolebinding", False
)
PRIORITY_CLASSES = Resource(
    "scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", "priorityclass", False, short_names=("pc",)
)
RUNTIME_CLASSES = Resource("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", "runtimeclass", False)
CRDS = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition",
    "customresourcedefinition", False, short_names=("crd", "crds"), subresources=("status",),
)  # fmt: skip
_CREATE = ("create",)
REVIEWS = (
    Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview",
             "selfsubjectaccessreview", False, verbs=_CREATE),
    Resource("authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview",
             "selfsubjectrulesreview", False, verbs=_CREATE),
    Resource("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", "selfsubjectreview", False,
             verbs=_CREATE),
)  # fmt: skip
_BUILT_IN: tuple[Resource, ...] = (
    CONFIGMAPS, ENDPOINTS, EVENTS, LIMIT_RANGES, NAMESPACES, NODES, CLAIMS, VOLUMES, PODS, QUOTAS, SECRETS,
    SERVICE_ACCOUNTS, SERVICES, CONTROLLER_REVISIONS, DAEMONSETS, DEPLOYMENTS, REPLICASETS, STATEFULSETS, JOBS, LEASES,
    SLICES, NEW_EVENTS, POLICIES, STORAGE_CLASSES, ROLES, ROLE_BINDINGS, CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS,
    PRIORITY_CLASSES, RUNTIME_CLASSES, CRDS, *REVIEWS,
)  # fmt: skip
_BY_PATH = {(r.group, r.version, r.plural): r for r in _BUILT_IN}
_BY_KIND = {(r.api_version, r.kind): r for r in _BUILT_IN}


def resources() -> list[Resource]:
    """Every resource served, in the order of the table, then the custom ones."""
    return list(_BY_PATH.values())


def register(resource: Resource) -> None:
    """Serve a custom kind too, from now on and in every world of this process."""
    _BY_PATH[resource.group, resource.version, resource.plural] = resource
    _BY_KIND[resource.api_version, resource.kind] = resource


def unregister(resource: Resource) -> None:
    """Serve it no longer."""
    _BY_PATH.pop((resource.group, resource.version, resource.plural), None)
    _BY_KIND.pop((resource.api_version, resource.kind), None)


def lookup(group: str, version: str, plural: str) -> Resource | None:
    """The resource behind a path."""
    return _BY_PATH.get((group, version, plural))


def by_kind(api_version: str, kind: str) -> Resource | None:
    """The resource of an object."""
    return _BY_KIND.get((api_version, kind))


def groups() -> list[tuple[str, str]]:
    """Every named group with its version, in the order of the table."""
    return list(dict.fromkeys((r.group, r.version) for r in resources() if r.group))
