"""Controllers of gateways that only pretend: they accept routes and policies, and no traffic ever meets one.

Every condition they set has the reason `Simulated`, so that nobody takes it for a gateway's word. Where the
conditions are follows the Gateway API (parents of a route, ancestors of a policy), Kuadrant and Authorino.
"""

from __future__ import annotations

from typing import Any

from genai_tui.sandbox import registry
from genai_tui.sandbox.registry import Resource
from genai_tui.sandbox.verbs import Api

Json = dict[str, Any]
REASON = "Simulated"
CONTROLLER = "sandbox.genai-tui.dev/gateways"
_GROUPS = (
    "gateway.networking.k8s.io",
    "gateway.envoyproxy.io",
    "aigateway.envoyproxy.io",
    "kuadrant.io",
    "authorino.kuadrant.io",
)


class Policies:
    """Sets what the controllers of Envoy AI Gateway, Kuadrant and Authorino would set, where their kinds exist."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def reconciles(self, resource: Resource) -> bool:
        """Whether one of these controllers would look at it."""
        return resource.group in _GROUPS

    def reconcile(self, item: Json) -> None:
        """Bring the status of one object to its generation."""
        resource = registry.by_kind(item["apiVersion"], item["kind"])
        if resource is None:
            return
        if item["kind"] == "AIGatewayRoute":
            self._make_route(item)
        status = self._status(item)
        if status is not None:
            meta = item["metadata"]
            self._api.update_status(resource, meta.get("namespace", ""), meta["name"], status)

    def _make_route(self, item: Json) -> None:
        """The HTTPRoute of the same name, as Envoy AI Gateway makes one, and again where it is missing.

        Labels are handed on. One that is there already is taken over: its spec is written, and its owners stay.
        """
        meta, routes = item["metadata"], registry.lookup("gateway.networking.k8s.io", "v1", "httproutes")
        if routes is None:
            return
        owner = {"apiVersion": item["apiVersion"], "kind": item["kind"], "name": meta["name"], "uid": meta["uid"]}
        spec = {
            "parentRefs": item["spec"].get("parentRefs") or [],
            "hostnames": item["spec"].get("hostnames") or [],
            "rules": [_rule(rule) for rule in item["spec"].get("rules") or ()],
        }
        live = self._api.objects.get(routes, meta["namespace"], meta["name"])
        labels = meta.get("labels") or {}
        if live is None:
            head = {
                "name": meta["name"],
                "labels": labels,
                "ownerReferences": [owner | {"controller": True, "blockOwnerDeletion": True}],
            }
            self._api.create(routes, meta["namespace"], {"metadata": head, "spec": spec}, manager=CONTROLLER)
        elif live["metadata"].get("deletionTimestamp") is None:
            head = live["metadata"] | {"labels": (live["metadata"].get("labels") or {}) | labels}
            taken = {**live, "metadata": head, "spec": spec}
            self._api.update(routes, meta["namespace"], meta["name"], taken, manager=CONTROLLER)

    def _status(self, item: Json) -> Json | None:
        kind, spec = item["kind"], item.get("spec") or {}
        accepted, resolved = self._condition(item, "Accepted"), self._condition(item, "ResolvedRefs")
        match kind:
            case "HTTPRoute":
                parents = [
                    {"parentRef": parent, "controllerName": CONTROLLER, "conditions": [accepted, resolved]}
                    for parent in spec.get("parentRefs") or ()
                ]
                return {"parents": parents}
            case "Gateway":
                return {"conditions": [accepted, self._condition(item, "Programmed")]}
            case "SecurityPolicy" | "BackendTrafficPolicy":
                ancestors = [
                    {"ancestorRef": target, "controllerName": CONTROLLER, "conditions": [accepted]}
                    for target in spec.get("targetRefs") or ()
                ]
                return {"ancestors": ancestors}
            case "AuthPolicy" | "RateLimitPolicy" | "TokenRateLimitPolicy":
                return {
                    "conditions": [accepted, self._condition(item, "Enforced")],
                    "observedGeneration": item["metadata"]["generation"],
                }
            case "AuthConfig":
                hosts = spec.get("hosts") or []
                ready = {key: value for key, value in accepted.items() if key != "observedGeneration"}
                return {
                    "conditions": [ready | {"type": "Ready"}],
                    "summary": {
                        "ready": True, "hostsReady": hosts, "numHostsReady": f"{len(hosts)}/{len(hosts)}",
                        "numIdentitySources": 1, "numMetadataSources": 0, "numAuthorizationPolicies": 1,
                        "numResponseItems": 1, "festivalWristbandEnabled": False,
                    },
                }  # fmt: skip
            case "AIGatewayRoute" | "AIServiceBackend" | "Backend":
                return {"conditions": [accepted]}
        return None

    def _condition(self, item: Json, kind: str) -> Json:
        """As it was since it last changed; a status that says the same is not written again."""
        generation = item["metadata"].get("generation", 1)
        since = _since(item.get("status"), kind, generation)
        return {
            "type": kind,
            "status": "True",
            "reason": REASON,
            "message": "accepted by the sandbox, which has no gateway",
            "observedGeneration": generation,
            "lastTransitionTime": since or self._api.clock.stamp(),
        }


def _rule(rule: Json) -> Json:
    """A rule of an AIGatewayRoute as one of an HTTPRoute; the backend of a service for AI has its name here."""
    path = {"type": "PathPrefix", "value": "/"}
    matches: list[Json] = rule.get("matches") or [{}]
    return {
        "matches": [{"path": path, "headers": match.get("headers") or []} for match in matches],
        "backendRefs": [
            {"group": "gateway.envoyproxy.io", "kind": "Backend", "name": backend["name"]}
            for backend in rule.get("backendRefs") or ()
        ],
    } | ({"timeouts": rule["timeouts"]} if rule.get("timeouts") else {})


def _since(value: Any, kind: str, generation: int) -> str | None:  # noqa: ANN401
    """When a condition of this type was set for this generation, wherever in the status it is."""
    if isinstance(value, dict):
        if value.get("type") == kind and value.get("observedGeneration", generation) == generation:
            return str(value.get("lastTransitionTime"))
        value = list(value.values())
    if isinstance(value, list):
        return next((found for child in value if (found := _since(child, kind, generation))), None)
    return None
