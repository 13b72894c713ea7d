"""Who is asking, and may they: bearer tokens, impersonation, and RBAC objects evaluated as they stand."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from genai_tui.sandbox import registry
from genai_tui.sandbox.objects import Object, Objects
from genai_tui.sandbox.status import ApiError, qualified

READ = ("get", "list", "watch")
EVERYONE_MAY_CREATE = (
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
)
NON_RESOURCE = [
    "/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version",
    "/version/",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Identity:
    """A user and its groups."""

    name: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is asked for: resource may carry a subresource, `pods/log`."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


class Authz:
    """Authenticates by token and authorizes by the RBAC objects of the store."""

    def __init__(self, objects: Objects, tokens: Mapping[str, Identity]) -> None:
        self._objects = objects
        self.tokens = dict(tokens)

    def authenticate(self, authorization: str | None) -> Identity:
        """Raises ApiError 401."""
        kind, _, token = (authorization or "").partition(" ")
        if kind.lower() == "bearer":
            for known, identity in self.tokens.items():
                if hmac.compare_digest(known.encode(), token.strip().encode()):
                    return Identity(identity.name, (*identity.groups, "system:authenticated"))
        raise ApiError(401, "Unauthorized", "Unauthorized")

    def impersonate(self, identity: Identity, user: str | None, groups: list[str]) -> Identity:
        """The identity acted as, when the real one may. Raises ApiError 403."""
        if not user:
            return identity
        self.authorize(identity, Attributes("impersonate", "", "users", name=user))
        return Identity(user, (*groups, "system:authenticated"))

    def authorize(self, identity: Identity, wanted: Attributes) -> None:
        """Raises ApiError 403 with the API server's own words."""
        if not self.allowed(identity, wanted):
            raise forbidden(identity, wanted)

    def allowed(self, identity: Identity, wanted: Attributes) -> bool:
        """Whether any rule of any binding allows it."""
        if wanted.verb == "create" and (wanted.group, wanted.resource) in EVERYONE_MAY_CREATE:
            return True
        return any(_permits(rule, wanted) for rule in self.rules(identity, wanted.namespace))

    def rules(self, identity: Identity, namespace: str) -> Iterator[Object]:
        """The rules that hold for the identity in a namespace, or cluster-wide for none."""
        bindings = list(self._objects.list(registry.CLUSTER_ROLE_BINDINGS))
        if namespace:
            bindings += self._objects.list(registry.ROLE_BINDINGS, namespace)
        for binding in bindings:
            if any(_is(subject, identity) for subject in binding.get("subjects") or ()):
                reference = binding["roleRef"]
                if reference["kind"] == "ClusterRole":
                    role = self._objects.get(registry.CLUSTER_ROLES, "", reference["name"])
                else:
                    role = self._objects.get(registry.ROLES, namespace, reference["name"])
                yield from (role or {}).get("rules") or ()

    def review_access(self, identity: Identity, item: Object) -> Object:
        """SelfSubjectAccessReview, answered."""
        asked = item.get("spec", {}).get("resourceAttributes")
        if asked is None:
            return {"allowed": True}
        resource = asked.get("resource", "")
        if asked.get("subresource"):
            resource += f"/{asked['subresource']}"
        wanted = Attributes(
            asked.get("verb", ""), asked.get("group", ""), resource, asked.get("namespace", ""), asked.get("name", "")
        )
        return {"allowed": self.allowed(identity, wanted)}

    def review_rules(self, identity: Identity, namespace: str) -> Object:
        """SelfSubjectRulesReview, answered."""
        own = [
            {"verbs": ["create"], "apiGroups": [group], "resources": [r for g, r in EVERYONE_MAY_CREATE if g == group]}
            for group in ("authorization.k8s.io", "authentication.k8s.io")
        ]
        found: list[Object] = []
        for rule in self.rules(identity, namespace):
            if rule.get("resources"):
                wanted = {"verbs": rule["verbs"], "apiGroups": rule["apiGroups"], "resources": rule["resources"]}
                found.append(wanted | ({"resourceNames": rule["resourceNames"]} if rule.get("resourceNames") else {}))
        non_resource = [{"verbs": ["get"], "nonResourceURLs": NON_RESOURCE}]
        return {"resourceRules": own + found, "nonResourceRules": non_resource, "incomplete": False}


def _is(subject: Object, identity: Identity) -> bool:
    if subject["kind"] == "User":
        return bool(subject["name"] == identity.name)
    if subject["kind"] == "Group":
        return subject["name"] in identity.groups
    return bool(identity.name == f"system:serviceaccount:{subject.get('namespace')}:{subject['name']}")


def _permits(rule: Object, wanted: Attributes) -> bool:
    def has(field: str, value: str) -> bool:
        found: list[Any] = rule.get(field) or []
        return "*" in found or value in found

    if not (has("verbs", wanted.verb) and has("apiGroups", wanted.group) and has("resources", wanted.resource)):
        return False
    names = rule.get("resourceNames")
    return not names or wanted.name in names


def forbidden(identity: Identity, wanted: Attributes) -> ApiError:
    """403 as the API server writes it."""
    plural = wanted.resource.partition("/")[0]
    where = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    head = f"{qualified(wanted.group, plural)} {json_name(wanted.name)}is forbidden: "
    what = f'resource "{wanted.resource}" in API group "{wanted.group}" {where}'
    text = f'User "{identity.name}" cannot {wanted.verb} {what}'
    details = ({"name": wanted.name} if wanted.name else {}) | ({"group": wanted.group} if wanted.group else {})
    return ApiError(403, "Forbidden", head + text, details | {"kind": plural})


def json_name(name: str) -> str:
    """A quoted name and a blank, or nothing."""
    return f'"{name}" ' if name else ""


def default_rbac() -> list[tuple[registry.Resource, Object]]:
    """Roles and bindings a new sandbox begins with: admin, operator, viewer."""
    everything = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    readable = [
        "pods", "pods/log", "services", "configmaps", "persistentvolumeclaims", "events", "endpoints", "namespaces",
        "nodes", "resourcequotas", "limitranges", "serviceaccounts",
    ]  # fmt: skip
    groups = ["apps", "batch", "discovery.k8s.io", "events.k8s.io", "networking.k8s.io", "storage.k8s.io"]
    view = [
        {"apiGroups": [""], "resources": readable, "verbs": list(READ)},
        {"apiGroups": groups, "resources": ["*"], "verbs": list(READ)},
    ]
    work = ["configmaps", "services", "persistentvolumeclaims", "pods", "secrets", "pods/portforward", "pods/exec",
            "services/proxy", "pods/proxy", "namespaces"]  # fmt: skip
    operate = [
        *view,
        {"apiGroups": [""], "resources": work, "verbs": ["*"]},
        {"apiGroups": ["apps", "networking.k8s.io"], "resources": ["*"], "verbs": ["*"]},
    ]
    found: list[tuple[registry.Resource, Object]] = []
    for name, rules in (("cluster-admin", everything), ("operator", operate), ("view", view)):
        found.append((registry.CLUSTER_ROLES, {"metadata": {"name": name}, "rules": rules}))
    for name, group in (("cluster-admin", "system:masters"), ("operator", "operators"), ("view", "viewers")):
        found.append(
            (
                registry.CLUSTER_ROLE_BINDINGS,
                {
                    "metadata": {"name": name},
                    "subjects": [{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": group}],
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
                },
            )
        )
    return found
