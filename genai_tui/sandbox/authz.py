"""Who is asking, and may they: bearer tokens, impersonation, and RBAC objects evaluated as they stand.

The rules are those of https://kubernetes.io/docs/reference/access-authn-authz/rbac/ : nothing is allowed that no rule
of a bound role allows; there is no rule that takes away.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from genai_tui.sandbox import registry
from genai_tui.sandbox.objects import Object, Objects
from genai_tui.sandbox.selectors import matches
from genai_tui.sandbox.status import ApiError, qualified


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
        kind, _, account = user.partition("system:serviceaccount:")
        namespace, _, name = account.partition(":")
        wanted = Attributes("impersonate", "", "users", name=user)
        if account and not kind:
            wanted = Attributes("impersonate", "", "serviceaccounts", namespace, name)
        self.authorize(identity, wanted)
        for group in groups:
            self.authorize(identity, Attributes("impersonate", "", "groups", name=group))
        return Identity(user, (*groups, "system:authenticated"))

    def authorize(self, identity: Identity, wanted: Attributes) -> None:
        """Raises ApiError 403 with the API server's own words."""
        if not self.allowed(identity, wanted):
            raise forbidden(identity, wanted)

    def allowed(self, identity: Identity, wanted: Attributes) -> bool:
        """Whether any rule of any binding allows it."""
        return any(permits(rule, wanted) for rule in self.rules(identity, wanted.namespace))

    def authorize_path(self, identity: Identity, verb: str, path: str) -> None:
        """For paths that are no resources. Raises ApiError 403."""
        if not self.path_allowed(identity, verb, path):
            text = f'forbidden: User "{identity.name}" cannot {verb} path "{path}"'
            raise ApiError(403, "Forbidden", text, {})

    def path_allowed(self, identity: Identity, verb: str, path: str) -> bool:
        """Whether a rule of a cluster-wide binding allows a path; a trailing `*` stands for whatever follows."""
        return any(
            _has(rule, "verbs", verb) and any(_covers(known, path) for known in rule.get("nonResourceURLs") or ())
            for rule in self.rules(identity, "")
        )

    def rules(self, identity: Identity, namespace: str) -> Iterator[Object]:
        """The rules that hold for the identity in a namespace, or cluster-wide for none."""
        bindings = list(self._objects.list(registry.CLUSTER_ROLE_BINDINGS))
        if namespace:
            bindings += self._objects.list(registry.ROLE_BINDINGS, namespace)
        for binding in bindings:
            if any(_is(subject, identity) for subject in binding.get("subjects") or ()):
                yield from self._role_rules(binding["roleRef"], namespace)

    def _role_rules(self, reference: Object, namespace: str) -> Iterator[Object]:
        """The rules of a role; those of an aggregated one are the rules of the roles its selectors choose."""
        if reference["kind"] == "Role":
            yield from (self._objects.get(registry.ROLES, namespace, reference["name"]) or {}).get("rules") or ()
            return
        role = self._objects.get(registry.CLUSTER_ROLES, "", reference["name"]) or {}
        selectors = (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ()
        if not selectors:
            yield from role.get("rules") or ()
        for other in self._objects.list(registry.CLUSTER_ROLES) if selectors else ():
            labels = other["metadata"].get("labels") or {}
            if any(matches(selector, labels) for selector in selectors):
                yield from other.get("rules") or ()

    def review_access(self, identity: Identity, item: Object) -> Object:
        """SelfSubjectAccessReview, answered."""
        spec = item.get("spec", {})
        asked, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
        if asked is None:
            path = path or {}
            return {"allowed": self.path_allowed(identity, path.get("verb", ""), path.get("path", ""))}
        resource = asked.get("resource", "")
        if asked.get("subresource"):
            resource += f"/{asked['subresource']}"
        wanted = Attributes(
            asked.get("verb", ""), asked.get("group", ""), resource, asked.get("namespace", ""), asked.get("name", "")
        )
        return {"allowed": self.allowed(identity, wanted)}

    def review_rules(self, identity: Identity, namespace: str) -> Object:
        """SelfSubjectRulesReview, answered."""
        resources: list[Object] = []
        paths: list[Object] = []
        for rule in self.rules(identity, namespace):
            wanted, fields = (
                (resources, ("verbs", "apiGroups", "resources", "resourceNames"))
                if rule.get("resources")
                else (paths, ("verbs", "nonResourceURLs"))
            )
            wanted.append({name: rule[name] for name in fields if rule.get(name)})
        return {"resourceRules": resources, "nonResourceRules": paths, "incomplete": False}


def _is(subject: Object, identity: Identity) -> bool:
    if subject["kind"] == "User":
        return bool(subject["name"] == identity.name)
    if subject["kind"] == "Group":
        return subject["name"] in identity.groups
    return bool(identity.name == f"system:serviceaccount:{subject.get('namespace')}:{subject['name']}")


def _has(rule: Object, field: str, value: str) -> bool:
    found = rule.get(field) or ()
    return "*" in found or value in found


def _covers(known: str, path: str) -> bool:
    return known == path or (known.endswith("*") and path.startswith(known[:-1]))


def permits(rule: Object, wanted: Attributes) -> bool:
    """Whether one rule of a role allows it."""
    if not (_has(rule, "verbs", wanted.verb) and _has(rule, "apiGroups", wanted.group)):
        return False
    plural, slash, subresource = wanted.resource.partition("/")
    everywhere = bool(slash) and f"*/{subresource}" in (rule.get("resources") or ())
    if not plural or not (everywhere or _has(rule, "resources", wanted.resource)):
        return False
    # A request that names no object, as a list or a POST, is not covered by a rule for named ones.
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
