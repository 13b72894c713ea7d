"""What the objects of both gateways share: metadata, the route's rule, and the rules that find an API key's owner."""

from __future__ import annotations

from typing import Any

from genai_tui.domain.deployment import DeploymentSpec
from genai_tui.domain.enforcement import ServedKind, key_predicates, sharing_predicates
from genai_tui.domain.naming import DEPLOYMENT_LABEL, KIND_LABEL, MANAGED_BY_LABEL, MANAGER
from genai_tui.engines.parts import PORT

Json = dict[str, Any]
LONGEST_STREAM = "600s"
"""Both gateways cut streams after a minute or less by default."""


def item(kind: ServedKind, name: str, namespace: str, deployment: str, spec: Json) -> Json:
    """An object of a gateway that belongs to `deployment`."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {MANAGED_BY_LABEL: MANAGER, DEPLOYMENT_LABEL: deployment},
        },
        "spec": spec,
    }


def route_rule(service: str, *, keep_key: bool = False) -> Json:
    """The rule of an HTTPRoute: only `/v1`, so that metrics and management stay unreachable.

    The key is taken off unless nothing at the gateway checks it: the engine has no use for its users' keys.
    """
    rule: Json = {"matches": [{"path": {"type": "PathPrefix", "value": "/v1"}}]}
    if not keep_key:
        rule["filters"] = [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["authorization"]}}]
    rule["timeouts"] = {"request": LONGEST_STREAM, "backendRequest": LONGEST_STREAM}
    rule["backendRefs"] = [{"name": service, "port": PORT}]
    return rule


def authentication() -> Json:
    """API keys are Secrets with our label (Authorino's schema, which Kuadrant's AuthPolicy shares)."""
    return {
        "api-key": {
            "apiKey": {"selector": {"matchLabels": {KIND_LABEL: "api-key"}}},
            "credentials": {"authorizationHeader": {"prefix": "Bearer"}},
        }
    }


def authorization(name: str, namespace: str, spec: DeploymentSpec) -> Json:
    """Who may call, and with which of their keys: rules that must all hold."""
    return {"sharing": must_hold(*sharing_predicates(spec)), "key": must_hold(*key_predicates(name, namespace))}


def must_hold(*predicates: str) -> Json:
    """One rule of `authorization`."""
    return {"patternMatching": {"patterns": [{"predicate": text} for text in predicates]}}
