"""The roles and bindings a new sandbox begins with: those every API server makes itself, and three for people.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
"""

from __future__ import annotations

from typing import Any

from genai_tui.sandbox import registry
from genai_tui.sandbox.objects import Object

READ = ("get", "list", "watch")
DISCOVERY = (
    "/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version",
    "/version/",
)  # fmt: skip
_REVIEWS: tuple[Object, ...] = (
    {
        "apiGroups": ["authorization.k8s.io"],
        "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        "verbs": ["create"],
    },
    {"apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"]},
)
Kept = tuple[registry.Resource, Object]


def default_rbac() -> list[Kept]:
    """Everything a new sandbox begins with: admin, operator and viewer beside what everyone may."""
    everything: list[Object] = [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ]
    readable = [
        "pods", "pods/log", "services", "configmaps", "persistentvolumeclaims", "events", "endpoints", "namespaces",
        "nodes", "resourcequotas", "limitranges", "serviceaccounts",
    ]  # fmt: skip
    groups = ["apps", "batch", "discovery.k8s.io", "events.k8s.io", "networking.k8s.io", "storage.k8s.io"]
    view: list[Object] = [
        {"apiGroups": [""], "resources": readable, "verbs": list(READ)},
        # As the roles of docs/rbac: without it nobody can say whether an engine answers.
        {"apiGroups": [""], "resources": ["services/proxy", "pods/proxy"], "verbs": ["get"]},
        {"apiGroups": groups, "resources": ["*"], "verbs": list(READ)},
    ]
    work = ["configmaps", "services", "persistentvolumeclaims", "pods", "secrets", "pods/portforward", "pods/exec",
            "services/proxy", "pods/proxy", "namespaces"]  # fmt: skip
    operate: list[Object] = [
        *view,
        {"apiGroups": [""], "resources": work, "verbs": ["*"]},
        {"apiGroups": ["apps", "networking.k8s.io"], "resources": ["*"], "verbs": ["*"]},
    ]
    return [
        *everyone(),
        *_granted("cluster-admin", "system:masters", everything),
        *_granted("operator", "operators", operate),
        *_granted("view", "viewers", view),
    ]


def everyone() -> list[Kept]:
    """What every authenticated user may: discovery, and asking about oneself; made anew at each start."""
    paths: list[Object] = [{"nonResourceURLs": list(DISCOVERY), "verbs": ["get"]}]
    return [
        *_granted("system:basic-user", "system:authenticated", list(_REVIEWS)),
        *_granted("system:discovery", "system:authenticated", paths),
    ]


def _granted(name: str, group: str, rules: list[Any]) -> list[Kept]:
    """A ClusterRole and its binding to a group, under one name."""
    api = "rbac.authorization.k8s.io"
    binding: Object = {
        "metadata": {"name": name},
        "subjects": [{"kind": "Group", "apiGroup": api, "name": group}],
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": name},
    }
    return [
        (registry.CLUSTER_ROLES, {"metadata": {"name": name}, "rules": rules}),
        (registry.CLUSTER_ROLE_BINDINGS, binding),
    ]
