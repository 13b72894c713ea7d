"""What this identity may do: asked from the cluster's own access reviews, remembered for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from genai_tui.access_ports import Permission
from genai_tui.errors import GenaiTuiError, NotFound, NotPermitted, Refused
from genai_tui.kube.connection import Connection

REMEMBERED_S = 60.0
USED = (
    ("create", "apps/deployments"),
    ("patch", "apps/deployments"),
    ("delete", "apps/deployments"),
    ("list", "apps/deployments"),
    ("list", "pods"),
    ("get", "pods/log"),
    ("create", "pods/portforward"),
    ("get", "services/proxy"),
    ("create", "services/proxy"),
    ("patch", "services"),
    ("create", "configmaps"),
    ("patch", "configmaps"),
    ("delete", "configmaps"),
    ("list", "secrets"),
    ("create", "secrets"),
    ("delete", "secrets"),
    ("create", "pods/proxy"),
    ("create", "pods/exec"),
    ("get", "pods/exec"),
    ("get", "pods/portforward"),
)
"""What the product does, as (verb, resource)."""


@dataclass(frozen=True, slots=True)
class _Rule:
    verbs: frozenset[str]
    groups: frozenset[str]
    resources: frozenset[str]

    def allows(self, verb: str, group: str, resource: str) -> bool:
        return (
            bool(self.verbs & {verb, "*"})
            and bool(self.groups & {group, "*"})
            and bool(self.resources & {resource, "*", f"*/{resource.partition('/')[2]}"})
        )


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of one namespace; `answers` are single reviews, made where the rules do not tell all."""

    at: float
    rules: tuple[_Rule, ...]
    answers: Mapping[tuple[str, str], bool] | None = None

    def permits(self, verb: str, resource: str) -> bool:
        group, plural = _split(resource)
        if any(rule.allows(verb, group, plural) for rule in self.rules):
            return True
        return self.answers is not None and self.answers.get((verb, resource), True)


class Access:
    """Answers from the cluster's reviews, by namespace. Unknown counts as allowed: the server has the last word."""

    def __init__(self, connection: Connection, *, read_only: bool = False) -> None:
        self._connection, self._read_only = connection, read_only
        self._known: dict[str, _Known] = {}
        self.identity: str | None = None

    async def identify(self) -> str | None:
        """The user name the cluster knows us by (SelfSubjectReview); None where the cluster cannot say."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        try:
            response = await self._connection.request(
                "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=body
            )
        except (NotFound, NotPermitted, Refused):
            return None
        info = response.json().get("status", {}).get("userInfo", {})
        self.identity = info.get("username") or None
        return self.identity

    async def check(self, namespace: str) -> None:
        """Ask what may be done in `namespace`, unless it was asked in the last minute. Raises as any request."""
        known = self._known.get(namespace)
        if known is not None and time.monotonic() - known.at < REMEMBERED_S:
            return
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
        status = (await self._connection.request("POST", path, body=body)).json().get("status", {})
        # A rule for named objects counts as well: it may be the one that is meant.
        rules = tuple(
            _Rule(
                frozenset(rule.get("verbs") or ()),
                frozenset(rule.get("apiGroups") or ()),
                frozenset(rule.get("resources") or ()),
            )
            for rule in status.get("resourceRules") or ()
        )
        # Webhook authorizers, as managed clusters have them, cannot list their rules: a missing rule proves nothing.
        answers = await self._ask_each(namespace) if status.get("incomplete") else None
        self._known[namespace] = _Known(time.monotonic(), rules, answers)

    async def _ask_each(self, namespace: str) -> Mapping[tuple[str, str], bool]:
        answers = await asyncio.gather(*(allowed(self._connection, *asked, namespace) for asked in USED))
        return dict(zip(USED, answers, strict=True))

    def permission(self, verb: str, resource: str, namespace: str) -> Permission:
        """What the last review said; `resource` is `group/plural`, `plural`, or `plural/subresource` of core."""
        if self._read_only and verb not in ("get", "list", "watch"):
            return Permission(False, "this is a read-only session")
        known = self._known.get(namespace)
        if known is None or known.permits(verb, resource):
            return Permission(True)
        group, plural = _split(resource)
        shown = plural + (f".{group}" if group else "")
        return Permission(False, f"{self.identity or 'you'} may not {verb} {shown} in namespace {namespace}")


_GROUPS = ("apps", "batch", "networking.k8s.io", "authorization.k8s.io")


def _split(resource: str) -> tuple[str, str]:
    head, slash, rest = resource.partition("/")
    return (head, rest) if slash and (head in _GROUPS or "." in head) else ("", resource)


async def allowed(connection: Connection, verb: str, resource: str, namespace: str, name: str = "") -> bool:
    """One SelfSubjectAccessReview. An error of the review itself counts as allowed: the act will be refused anyway."""
    group, plural = _split(resource)
    plural, _, subresource = plural.partition("/")
    attributes = {"verb": verb, "group": group, "resource": plural, "namespace": namespace}
    attributes |= {"subresource": subresource} if subresource else {}
    attributes |= {"name": name} if name else {}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    try:
        status = (await connection.request("POST", path, body=body)).json().get("status", {})
    except GenaiTuiError:
        return True
    return bool(status.get("allowed"))
