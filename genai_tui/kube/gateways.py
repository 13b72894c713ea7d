"""Gateways of a cluster: which are installed and at which version, and what their controllers say of our objects."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from genai_tui.domain.enforcement import (
    AI_ROUTE,
    AUTH_CONFIG,
    AUTH_POLICY,
    GATEWAY,
    HTTP_ROUTE,
    NAMESPACE_LABEL,
    NETWORK_POLICY,
    OURS,
    ROUTES,
    SECURITY_POLICY,
    Condition,
    Installed,
    ServedKind,
    ServiceAddress,
)
from genai_tui.domain.naming import DEPLOYMENT_LABEL, MANAGED_BY_LABEL, MANAGER
from genai_tui.domain.rows import Ref
from genai_tui.errors import GenaiTuiError, NotFound, NotPermitted
from genai_tui.kube.connection import Connection
from genai_tui.kube.ownership import differences, holds

Json = dict[str, Any]
REMEMBERED_S = 60.0
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
AUTHORINO_PORT = 50051
SIMULATED = "Simulated"
_CONTROLLERS = (
    ("envoy-gateway", SECURITY_POLICY, "control-plane=envoy-gateway", "envoyproxy/gateway"),
    ("envoy-ai-gateway", AI_ROUTE, "app.kubernetes.io/name=ai-gateway-helm", "envoyproxy/ai-gateway-controller"),
    ("kuadrant", AUTH_POLICY, "app=kuadrant", "kuadrant/kuadrant-operator"),
)
"""Product, a kind of its own, the label of its controller's Deployment, and how the controller's image is called."""


class Gateways:
    """What the cluster has; asked for once a minute at most."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.installed = Installed()
        self._asked: float | None = None

    async def look(self) -> Installed:
        """Ask discovery, the controllers' images and the operators' resources. Raises as any request."""
        if self._asked is not None and time.monotonic() - self._asked < REMEMBERED_S:
            return self.installed
        kinds = await self._kinds()
        groups = {group for group, _, _ in kinds}
        authorino: ServiceAddress | None = None
        if "operator.authorino.kuadrant.io" in groups:
            authorino = await self._authorino()
        key_namespaces: tuple[str, ...] = ()
        if "kuadrant.io" in groups:
            found = await self._list("/apis/kuadrant.io/v1beta1/kuadrants")
            key_namespaces = tuple(item["metadata"]["namespace"] for item in found)
        versions = await self._versions(kinds)
        self.installed = Installed(True, kinds, versions, authorino, key_namespaces)
        self._asked = time.monotonic()
        return self.installed

    async def _kinds(self) -> frozenset[tuple[str, str, str]]:
        """Every kind of the groups we use, with its version; old servers are asked group by group."""
        response = await self._connection.request("GET", "/apis", accept=AGGREGATED)
        data = response.json()
        if data.get("kind") != "APIGroupDiscoveryList":
            return await self._kinds_by_group(data.get("groups") or ())
        return frozenset(
            (group.get("metadata", {}).get("name", ""), version["version"], resource["responseKind"]["kind"])
            for group in data.get("items") or ()
            for version in group.get("versions") or ()
            for resource in version.get("resources") or ()
        )

    async def _kinds_by_group(self, groups: Iterable[Json]) -> frozenset[tuple[str, str, str]]:
        used = {kind.group for kind in (*OURS, GATEWAY)} | {"operator.authorino.kuadrant.io"}
        found: set[tuple[str, str, str]] = set()
        for group in groups:
            for version in group["versions"] if group["name"] in used else ():
                listed = await self._connection.get_json(f"/apis/{version['groupVersion']}")
                found |= {(group["name"], version["version"], r["kind"]) for r in listed.get("resources") or ()}
        return frozenset(found)

    async def _authorino(self) -> ServiceAddress | None:
        """The authorization service of the first Authorino (the operator names it after the resource)."""
        found = await self._list("/apis/operator.authorino.kuadrant.io/v1beta1/authorinos")
        if not found:
            return None
        meta = found[0]["metadata"]
        return ServiceAddress(meta["namespace"], f"{meta['name']}-authorino-authorization", AUTHORINO_PORT)

    async def _versions(self, kinds: frozenset[tuple[str, str, str]]) -> Mapping[str, str]:
        """By the tags of the controllers' images; what may not be listed is not known."""
        found: dict[str, str] = {}
        for product, own, label, image in _CONTROLLERS:
            if (own.group, own.version, own.kind) not in kinds:
                continue
            for item in await self._list("/apis/apps/v1/deployments", labelSelector=label):
                containers = item["spec"]["template"]["spec"].get("containers") or ()
                for container in containers:
                    name, _, tag = str(container.get("image", "")).partition("@")[0].rpartition(":")
                    if name.endswith(image):
                        found[product] = tag
        return found

    async def _list(self, path: str, **params: str) -> Sequence[Json]:
        """What may be listed; nothing where it may not, or does not exist."""
        try:
            return (await self._connection.get_json(path, **params)).get("items") or ()
        except (NotFound, NotPermitted):
            return ()

    # -- what is there already ----------------------------------------------------------------------------------

    async def ours(
        self, ref: Ref, keys_in: str, kinds: Sequence[ServedKind] = OURS
    ) -> Sequence[tuple[ServedKind, str, str]]:
        """What was written for this deployment's gateway: kind, namespace and name, found by our labels.

        A kind that does not exist, or may not be listed, holds nothing of ours. Neither are routes that a controller
        made of ours, though it gives them our labels: they go with what they were made of, and would be made again.
        """
        installed = await self.look()
        found: list[tuple[ServedKind, str, str]] = []
        for kind in kinds:
            if (kind.group, kind.version, kind.kind) not in installed.kinds:
                continue
            namespace = keys_in if kind is AUTH_CONFIG else ref.namespace
            labels = f"{MANAGED_BY_LABEL}={MANAGER},{DEPLOYMENT_LABEL}={ref.name}"
            if kind is AUTH_CONFIG:
                labels += f",{NAMESPACE_LABEL}={ref.namespace}"
            path = f"/apis/{kind.api_version}/namespaces/{namespace}/{kind.plural}"
            listed = await self._list(path, labelSelector=labels)
            found += [(kind, namespace, item["metadata"]["name"]) for item in listed if not made_of(item)]
        return found

    async def goes_with(self, item: Json, makers: Sequence[str]) -> bool:
        """Whether a live HTTPRoute was made of one of these AIGatewayRoutes, or of one that is gone already."""
        live = await self._get(item["apiVersion"], item["kind"], item["metadata"])
        maker = made_of(live or {})
        if not maker or maker in makers:
            return bool(maker)
        meta = {"namespace": item["metadata"]["namespace"], "name": maker}
        return await self._get(AI_ROUTE.api_version, AI_ROUTE.kind, meta) is None

    async def stranded(self, namespace: str, name: str) -> bool:
        """Whether an AIGatewayRoute has lost its HTTPRoute for good.

        Its controller says it is accepted only after it made one, and makes it again only where it made it itself.
        """
        meta = {"namespace": namespace, "name": name}
        live = await self._get(AI_ROUTE.api_version, AI_ROUTE.kind, meta)
        if live is None or "refused" in live:
            return False
        conditions = (live.get("status") or {}).get("conditions") or ()
        accepted = _first_wrong([conditions], ["Accepted"], live["metadata"].get("generation")) is None
        return accepted and await self._get(HTTP_ROUTE.api_version, HTTP_ROUTE.kind, meta) is None

    async def remaining(self, routes: Sequence[tuple[ServedKind, str, str]]) -> Sequence[str]:
        """Which of these are still there, each with what keeps it from going. Raises as any request."""
        found: list[str] = []
        for kind, namespace, name in routes:
            path = f"/apis/{kind.api_version}/namespaces/{namespace}/{kind.plural}/{name}"
            try:
                meta = (await self._connection.get_json(path))["metadata"]
            except NotFound:
                continue
            kept = ", ".join(meta.get("finalizers") or ())
            found.append(f"{kind.kind} {namespace}/{name}" + (f" (finalizers: {kept})" if kept else ""))
        return found

    async def conditions(
        self, objects: Sequence[Json], gateway: tuple[str, str], tls: str | None
    ) -> Sequence[Condition]:
        """What the controllers say of these objects, of the route they made of them, and of the Gateway.

        An object that differs from what it was written as is not good: somebody changed it.
        """
        found: list[Condition] = []
        for item in objects:
            live = await self._get(item["apiVersion"], item["kind"], item["metadata"])
            found.append(_judge(item, live))
            if item["kind"] == AI_ROUTE.kind:
                made = await self._get(HTTP_ROUTE.api_version, HTTP_ROUTE.kind, item["metadata"])
                route = {"kind": HTTP_ROUTE.kind, "metadata": item["metadata"]}
                found.append(_judge(route, made))
        meta = {"namespace": gateway[0], "name": gateway[1]}
        live = await self._get(GATEWAY.api_version, GATEWAY.kind, meta)
        found.append(_gateway(meta, live, tls))
        return found

    async def _get(self, api_version: str, kind: str, meta: Json) -> Json | None:
        plural = next(k.plural for k in (*OURS, GATEWAY) if k.kind == kind)
        try:
            return await self._connection.get_json(
                f"/apis/{api_version}/namespaces/{meta['namespace']}/{plural}/{meta['name']}"
            )
        except (NotFound, NotPermitted) as error:
            return {"refused": error.problem.line} if isinstance(error, NotPermitted) else None

    async def address(self, gateway: tuple[str, str], tls: str | None, hostname: str) -> tuple[str, str, int] | None:
        """Scheme, host and port where the Gateway itself says it answers; None while it has no address."""
        live = await self._live(gateway)
        addresses = ((live or {}).get("status") or {}).get("addresses") or ()
        found = listener(live or {}, tls, hostname)
        return (found[0], str(addresses[0]["value"]), found[1]) if addresses and found is not None else None

    async def listening(self, gateway: tuple[str, str], tls: str | None, hostname: str) -> tuple[str, int] | None:
        """Scheme and port at which the Gateway takes a hostname; None where it takes none, or may not be read."""
        return listener(await self._live(gateway) or {}, tls, hostname)

    async def _live(self, gateway: tuple[str, str]) -> Json | None:
        return await self._get(GATEWAY.api_version, GATEWAY.kind, {"namespace": gateway[0], "name": gateway[1]})


def listener(gateway: Json, tls: str | None, hostname: str) -> tuple[str, int] | None:
    """Scheme and port at which a Gateway takes a hostname: by TLS where it can, and always where `tls` is wanted."""
    ports: dict[str, int] = {
        str(one.get("protocol")): int(one["port"])
        for one in reversed((gateway.get("spec") or {}).get("listeners") or ())
        if listens(one.get("hostname"), hostname)
    }
    scheme = "https" if tls or "HTTPS" in ports else "http"
    port = ports.get(scheme.upper())
    return (scheme, port) if port is not None else None


def listens(hostname: str | None, host: str) -> bool:
    """Whether a listener takes a host; a wildcard there stands for any number of labels.

    https://gateway-api.sigs.k8s.io/reference/api-spec/main/spec/#listener
    """
    if not hostname:
        return True
    return host.endswith(hostname[1:]) if hostname.startswith("*.") else host == hostname


def made_of(route: Json) -> str:
    """The AIGatewayRoute that a controller made an HTTPRoute of; empty for any other."""
    for owner in route.get("metadata", {}).get("ownerReferences") or ():
        if owner["kind"] == AI_ROUTE.kind and owner["apiVersion"].partition("/")[0] == AI_ROUTE.group:
            return str(owner["name"])
    return ""


def is_route(item: Json) -> bool:
    """Whether requests come to a deployment by this object."""
    return (item["apiVersion"], item["kind"]) in {(kind.api_version, kind.kind) for kind in ROUTES}


def _judge(item: Json, live: Json | None) -> Condition:
    meta = item["metadata"]
    reference = f"{item['kind']} {meta['namespace']}/{meta['name']}"
    if live is None:
        return Condition(reference, False, "it does not exist")
    if "refused" in live:
        return Condition(reference, False, str(live["refused"]))
    if "spec" in item and not (holds(live.get("spec"), item["spec"]) and _untouched(item, live)):
        return Condition(reference, False, "it differs from the deployment's spec; apply the deployment again")
    if item["kind"] == NETWORK_POLICY.kind:
        return Condition(reference, True)
    status = live.get("status") or {}
    if item["kind"] == AUTH_CONFIG.kind:
        ready = bool((status.get("summary") or {}).get("ready"))
        return Condition(reference, ready, "" if ready else "Authorino does not say it is ready", _simulated(status))
    wanted = ["Accepted"]
    groups = [status.get("conditions") or ()]
    if item["kind"] == HTTP_ROUTE.kind:
        wanted, groups = ["Accepted", "ResolvedRefs"], [p.get("conditions") or () for p in status.get("parents") or ()]
    elif "ancestors" in status or item["kind"] in ("SecurityPolicy", "BackendTrafficPolicy"):
        groups = [a.get("conditions") or () for a in status.get("ancestors") or ()]
    elif item["kind"] in ("AuthPolicy", "RateLimitPolicy", "TokenRateLimitPolicy"):
        wanted = ["Accepted", "Enforced"]
    why = _first_wrong(groups, wanted, live["metadata"].get("generation"))
    return Condition(reference, why is None, why or "", _simulated(status))


def _untouched(item: Json, live: Json) -> bool:
    """Whether nobody else wrote what looks like a default, such as a header's match that is turned round."""
    return all(found.path[0] != "f:spec" for found in differences(item, live, item))


def _first_wrong(groups: Sequence[Sequence[Json]], wanted: Sequence[str], generation: int | None) -> str | None:
    """The first thing that keeps this from being good; None for nothing."""
    if not groups:
        return "no controller has looked at it yet"
    for conditions in groups:
        by_type = {c.get("type"): c for c in conditions}
        overridden = by_type.get("Overridden")
        if overridden is not None and overridden.get("status") == "True":
            return overridden.get("message") or "another policy overrides it"
        for name in wanted:
            condition = by_type.get(name)
            if condition is None:
                return f"no controller says {name} yet"
            if condition.get("status") != "True":
                return f"not {name}: {condition.get('message') or condition.get('reason') or 'no reason given'}"
            if condition.get("observedGeneration", generation) != generation:
                return f"{name} is of an earlier generation"
    return None


def _simulated(status: Any) -> bool:  # noqa: ANN401
    if isinstance(status, dict):
        return status.get("reason") == SIMULATED or any(_simulated(value) for value in status.values())
    return isinstance(status, list) and any(_simulated(value) for value in status)


def _gateway(meta: Json, live: Json | None, tls: str | None) -> Condition:
    reference = f"Gateway {meta['namespace']}/{meta['name']}"
    if live is None or "refused" in live:
        return Condition(reference, False, "it does not exist" if live is None else str(live["refused"]))
    status = live.get("status") or {}
    why = _first_wrong([status.get("conditions") or ()], ["Programmed"], live["metadata"].get("generation"))
    if why is None and tls is not None and not _serves(live, tls):
        why = f"no HTTPS listener has the certificate {tls}"
    return Condition(reference, why is None, why or "", _simulated(status))


def _serves(gateway: Json, secret: str) -> bool:
    return any(
        listener.get("protocol") == "HTTPS" and reference.get("name") == secret
        for listener in (gateway.get("spec") or {}).get("listeners") or ()
        for reference in (listener.get("tls") or {}).get("certificateRefs") or ()
    )


def unreadable(error: GenaiTuiError) -> Condition:
    """A cluster that does not answer is no proof of anything."""
    return Condition("the cluster", False, error.problem.line)
