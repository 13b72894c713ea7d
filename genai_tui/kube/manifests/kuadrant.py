"""Kuadrant: keys by AuthPolicy (Authorino), requests by RateLimitPolicy, tokens by TokenRateLimitPolicy (Limitador).

Sources: https://docs.kuadrant.io/latest/kuadrant-operator/doc/reference/authpolicy/ , .../ratelimitpolicy/ ,
.../tokenratelimitpolicy/
"""

from __future__ import annotations

from collections.abc import Mapping

from genai_tui.domain.deployment import DeploymentSpec
from genai_tui.domain.enforcement import (
    AUTH_POLICY,
    HTTP_ROUTE,
    LEVELS,
    RATE_LIMIT_POLICY,
    TOKEN_POLICY,
    label_claim,
    limits_by_level,
)
from genai_tui.kube.manifests.parts import Json, authentication, authorization, item, route_rule

_SHORTS = tuple(short for _, short, _ in LEVELS)
REQUEST_LIMITS: Mapping[str, str] = {short: f"{short}-rpm" for short in _SHORTS}
"""How a level's limit is called in the RateLimitPolicy, by the short name of the level."""
TOKEN_LIMITS: Mapping[str, str] = {short: f"{letter}-{short}-tpm" for letter, short in zip("abc", _SHORTS, strict=True)}
"""The same in the TokenRateLimitPolicy. The widest is the first by name: up to 1.5.2 only that is checked in time."""


def claim(short: str) -> str:
    """The expression whose value is the subject of a level, as counters are kept by it."""
    return f"auth.identity.{short}"


def render(name: str, namespace: str, spec: DeploymentSpec, parent: Json, hostname: str) -> tuple[Json, ...]:
    """Every object of one deployment."""
    route = {"parentRefs": [parent], "hostnames": [hostname], "rules": [route_rule(name)]}
    target = {"group": HTTP_ROUTE.group, "kind": HTTP_ROUTE.kind, "name": name}
    identity = {short: {"expression": label_claim(label)} for _, short, label in LEVELS}
    rules = {
        "authentication": authentication(),
        "authorization": authorization(name, namespace, spec),
        "response": {"success": {"filters": {"identity": {"json": {"properties": identity}}}}},
    }
    objects = [
        item(HTTP_ROUTE, name, namespace, name, route),
        item(AUTH_POLICY, name, namespace, name, {"targetRef": target, "rules": rules}),
    ]
    for kind, limits in ((RATE_LIMIT_POLICY, _request_limits(spec)), (TOKEN_POLICY, _token_limits(spec))):
        if limits:
            objects.append(item(kind, name, namespace, name, {"targetRef": target, "limits": limits}))
    return tuple(objects)


def _request_limits(spec: DeploymentSpec) -> Json:
    return {
        REQUEST_LIMITS[short]: _limit(short, requests)
        for short, requests, _ in limits_by_level(spec.rate_limits)
        if requests is not None
    }


def _token_limits(spec: DeploymentSpec) -> Json:
    posts = [{"predicate": 'request.method == "POST"'}]
    return {
        TOKEN_LIMITS[short]: _limit(short, tokens) | {"when": posts}
        for short, _, tokens in limits_by_level(spec.rate_limits)
        if tokens is not None
    }


def _limit(short: str, limit: int) -> Json:
    return {"rates": [{"limit": limit, "window": "1m"}], "counters": [{"expression": claim(short)}]}
