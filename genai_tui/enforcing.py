"""Gateways of a cluster for one deployment: its objects rendered, pruned, read back, and proven by a probe."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from genai_tui.domain.catalogue import EndpointSpec
from genai_tui.domain.deployment import SharingMode
from genai_tui.domain.documents import Endpoint, ModelDeployment
from genai_tui.domain.enforcement import (
    AI_ROUTE,
    AUTH_CONFIG,
    AUTHORINO,
    HTTP_ROUTE,
    ORGANIZATION_LABEL,
    ROUTES,
    Backend,
    Claim,
    Condition,
    Enforcement,
    Installed,
    Probe,
    ServedKind,
    holes,
    hostname_of,
    judge,
)
from genai_tui.domain.keys import KeyRecord, NewKey, to_secret
from genai_tui.domain.naming import MANAGED_BY_LABEL, MANAGER
from genai_tui.domain.problems import FieldProblem
from genai_tui.domain.rows import Ref
from genai_tui.errors import BadInput, GenaiTuiError, NotFound, NotPermitted, TimedOut
from genai_tui.kube import writes
from genai_tui.kube.connection import Connection
from genai_tui.kube.gateways import Gateways, is_route, unreadable
from genai_tui.kube.manifests.gateways import render_gateway
from genai_tui.kube.probing import Prober
from genai_tui.services import ClusterPicture, Session

Json = dict[str, Any]
Unwanted = tuple[str, tuple[ServedKind, str, str]]
KEY_KNOWN_WITHIN_S = 15.0
"""How long a gateway may take to notice a new key."""
GONE_WITHIN_S = 30.0
"""How long a route that is removed may take to go: its controller and the garbage collector have to act."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """Routes of the gateway a deployment was at, which must be gone before those of another are written.

    Attributes:
        ours: what is deleted, in this order.
        made: what controllers made of it under the names that are to be written: it goes by itself.
    """

    ours: tuple[tuple[ServedKind, str, str], ...] = ()
    made: tuple[tuple[ServedKind, str, str], ...] = ()

    @property
    def references(self) -> frozenset[str]:
        """All of it, `Kind namespace/name`: none of it is there when the new ones are written."""
        return frozenset(f"{kind.kind} {namespace}/{name}" for kind, namespace, name in (*self.ours, *self.made))


class GatewayObjects:
    """What an endpoint's gateway needs for a deployment, and what may be said of it."""

    def __init__(self, connection: Connection, picture: ClusterPicture, session: Session) -> None:
        self._connection, self._picture, self._session = connection, picture, session
        self._gateways = Gateways(connection)
        self._proven: dict[Ref, tuple[str, tuple[Probe, ...]]] = {}

    # -- writing ------------------------------------------------------------------------------------------------

    async def look(self) -> Installed:
        """Ask the cluster what it has. Raises as any request."""
        return await self._gateways.look()

    def render(self, document: ModelDeployment, endpoint: EndpointSpec, namespace: str) -> tuple[Json, ...]:
        """The objects for the endpoint's gateway; none without one. Raises BadInput."""
        authorino = self._gateways.installed.authorino or AUTHORINO
        return render_gateway(document, endpoint, namespace, self._session.system_namespace, authorino)

    def problems(self, document: ModelDeployment, endpoint: EndpointSpec, namespace: str) -> Sequence[FieldProblem]:
        """A gateway that is not installed, or a hostname that another deployment has."""
        if endpoint.exposure != "gateway":
            return ()
        lacking = self._gateways.installed.lacking(Backend(endpoint.enforcement) if endpoint.enforcement else None)
        if lacking:
            return (FieldProblem("spec.endpoint", f"endpoint '{document.spec.endpoint}' {lacking}"),)
        return self._taken(document, endpoint, namespace)

    def _taken(self, document: ModelDeployment, endpoint: EndpointSpec, namespace: str) -> Sequence[FieldProblem]:
        name = document.metadata.name
        hostname = hostname_of(name, endpoint.hostname)
        same_host = {
            row.name
            for row in self._picture.endpoints()
            if row.document is not None and row.document.spec.hostname == endpoint.hostname
        } | {document.spec.endpoint}
        for row in self._picture.deployments():
            if row.ref.name == name and row.ref.namespace != namespace and row.endpoint in same_host:
                return (FieldProblem("metadata.name", f"{hostname} is the hostname of {row.ref} already"),)
        return ()

    def doubts(self, document: ModelDeployment, endpoint: EndpointSpec) -> tuple[str, ...]:
        """What the gateway at this endpoint will not keep."""
        if endpoint.exposure != "gateway":
            return ()
        if endpoint.enforcement is None:
            return (f"endpoint {document.spec.endpoint} names no enforcement: anyone who reaches it may call",)
        backend = Backend(endpoint.enforcement)
        known = holes(backend, document.spec, self._gateways.installed, self._session.system_namespace)
        return tuple(f"{backend.label}, partly enforced: {hole}" for hole in known)

    def followers(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Deployments whose objects were rendered from the endpoint as it was."""
        live = next((row.document for row in self._picture.endpoints() if row.name == endpoint.metadata.name), None)
        bound = [str(row.ref) for row in self._picture.deployments() if row.endpoint == endpoint.metadata.name]
        if live is None or live.spec == endpoint.spec or not bound:
            return ()
        return (f"apply again, so that their routes and policies follow: {', '.join(sorted(bound))}",)

    async def unwanted(self, ref: Ref, objects: Sequence[Json]) -> Sequence[Unwanted]:
        """What an earlier apply wrote for a gateway and `objects` no longer hold, by reference."""
        wanted = {(item["kind"], item["metadata"]["namespace"], item["metadata"]["name"]) for item in objects}
        found = await self._gateways.ours(ref, self._session.system_namespace)
        return [
            (f"{kind.kind} {namespace}/{name}", (kind, namespace, name))
            for kind, namespace, name in found
            if (kind.kind, namespace, name) not in wanted
        ]

    async def leaving(self, ref: Ref, objects: Sequence[Json]) -> Leaving:
        """What of the other kind of gateway stands in the way of the routes in `objects`.

        The controller of Envoy AI Gateway keeps an HTTPRoute of the same name for every AIGatewayRoute. One of ours
        that is there before would be taken over and never be made again; one that it made would be disputed with it.
        Where one kind takes the other's place, what is ours of both goes, so that whatever follows begins anew; so
        does an AIGatewayRoute that lost its HTTPRoute.
        """
        routes = [item for item in objects if is_route(item)]
        if not routes:
            return Leaving()
        found = await self._gateways.ours(ref, self._session.system_namespace, ROUTES)
        wanted = {(item["kind"], item["metadata"]["namespace"], item["metadata"]["name"]) for item in routes}
        if all((kind.kind, namespace, name) in wanted for kind, namespace, name in found):
            found = [one for one in found if one[0] is AI_ROUTE and await self._gateways.stranded(one[1], one[2])]
        makers = [name for kind, _, name in found if kind is AI_ROUTE]
        made = [
            (HTTP_ROUTE, item["metadata"]["namespace"], item["metadata"]["name"])
            for item in routes
            if item["kind"] == HTTP_ROUTE.kind and await self._gateways.goes_with(item, makers)
        ]
        return Leaving(tuple(found), tuple(made))

    async def remove(self, leaving: Leaving) -> Sequence[str]:
        """Delete what is ours of it."""
        return await self._delete([(f"{kind.kind} {ns}/{name}", (kind, ns, name)) for kind, ns, name in leaving.ours])

    async def until_gone(self, leaving: Leaving) -> None:
        """Wait until nothing of it is there. Raises TimedOut with what is left, after `GONE_WITHIN_S`."""
        deadline = time.monotonic() + GONE_WITHIN_S
        while left := await self._gateways.remaining((*leaving.ours, *leaving.made)):
            if time.monotonic() > deadline:
                raise TimedOut(
                    f"{', '.join(left)} still there {GONE_WITHIN_S:.0f} s after its removal",
                    why="the route of the other gateway is written only when this one is gone",
                    next_step="see that the controller of the gateway it is of runs, then apply again",
                )
            await asyncio.sleep(0.2)

    async def prune(self, ref: Ref, objects: Sequence[Json]) -> Sequence[str]:
        """Delete them; only what carries our labels for this deployment."""
        return await self._delete(await self.unwanted(ref, objects))

    async def remove_unowned(self, ref: Ref) -> Sequence[str]:
        """Delete what is not deleted with the Deployment, because it is in another namespace."""
        found = await self.unwanted(ref, ())
        return await self._delete([item for item in found if item[1][0] is AUTH_CONFIG])

    async def _delete(self, found: Sequence[Unwanted]) -> Sequence[str]:
        for _, (kind, namespace, name) in found:
            try:
                await writes.delete(self._connection, kind.kind, kind.api_version, namespace, name)
            except NotFound:
                continue
        return [reference for reference, _ in found]

    # -- reading back -------------------------------------------------------------------------------------------

    def _bound(self, ref: Ref) -> tuple[ModelDeployment | None, EndpointSpec | None]:
        detail = self._picture.deployment(ref)
        if detail is None:
            raise NotFound(f"no deployment is called '{ref.name}' in namespace {ref.namespace}")
        document = detail.document
        name = document.spec.endpoint if document is not None else None
        row = next((row for row in self._picture.endpoints() if row.name == name), None)
        return document, row.document.spec if row is not None and row.document is not None else None

    async def enforcement(self, ref: Ref) -> Enforcement:
        """What the controllers say now, with the last probe of the same spec. Raises NotFound."""
        document, endpoint = self._bound(ref)
        if document is None or endpoint is None or endpoint.gateway is None:
            return Enforcement(None, Claim.RECORDED, ("its endpoint is bound to no gateway of the cluster",))
        hostname = hostname_of(ref.name, endpoint.hostname)
        if endpoint.enforcement is None:
            why = "its endpoint names no enforcement: anyone who reaches it may call"
            return Enforcement(None, Claim.RECORDED, (why,), hostname=hostname)
        backend = Backend(endpoint.enforcement)
        conditions: Sequence[Condition]
        try:
            await self.look()
            objects = self.render(document, endpoint, ref.namespace)
            gateway = (endpoint.gateway.namespace, endpoint.gateway.name)
            conditions = await self._gateways.conditions(objects, gateway, endpoint.tls_secret)
        except GenaiTuiError as error:
            conditions = (unreadable(error),)
        spec, probes = self._proven.get(ref, ("", ()))
        known = holes(backend, document.spec, self._gateways.installed, self._session.system_namespace)
        current = probes if spec == document.spec.canonical_json() else ()
        return judge(backend, conditions, current, known, hostname)

    async def prove(self, ref: Ref) -> Enforcement:
        """Send the requests that must be refused; what came is kept for `enforcement`.

        Raises:
            BadInput: there is nothing to probe. NotFound, NotPermitted: as any request.
        """
        document, endpoint = self._bound(ref)
        if document is None or endpoint is None or endpoint.gateway is None or endpoint.enforcement is None:
            raise BadInput(f"{ref} is at no gateway that keeps its limits", next_step="bind it to such an endpoint")
        gateway = (endpoint.gateway.namespace, endpoint.gateway.name)
        hostname = hostname_of(ref.name, endpoint.hostname)
        address = await self._gateways.address(gateway, endpoint.tls_secret, hostname)
        if address is None:
            why = f"Gateway {gateway[0]}/{gateway[1]} has no address yet"
            self._proven[ref] = (document.spec.canonical_json(), (Probe("no key", 401, None, why),))
            return await self.enforcement(ref)
        probes: list[Probe] = []
        async with Prober(address, hostname, ref.name) as prober:
            probes.append(await prober.ask("no key", 401, None))
            probes.append(await prober.ask("an unknown key", 401, f"sk-genai-{secrets.token_urlsafe(24)}"))
            for what, secret, key in _refused_keys(document, ref, self._session.system_namespace):
                if all(probe.good for probe in probes):
                    probes.append(await self._with_key(prober, what, secret, key))
        self._proven[ref] = (document.spec.canonical_json(), tuple(probes))
        return await self.enforcement(ref)

    async def _with_key(self, prober: Prober, what: str, secret: Json, key: str) -> Probe:
        """With a key that is there for as long as the gateway needs to refuse it."""
        meta = secret["metadata"]
        try:
            await writes.create(self._connection, secret)
        except NotPermitted as error:
            return Probe(what, 403, None, error.problem.line)
        try:
            deadline = time.monotonic() + KEY_KNOWN_WITHIN_S
            while True:
                probe = await prober.ask(what, 403, key)
                if probe.status != 401 or time.monotonic() > deadline:
                    return probe
                await asyncio.sleep(0.5)
        finally:
            await asyncio.shield(writes.delete(self._connection, "Secret", "v1", meta["namespace"], meta["name"]))


def _refused_keys(document: ModelDeployment, ref: Ref, namespace: str) -> Iterator[tuple[str, Json, str]]:
    """Keys nobody is given, each with one reason to be refused: what it is, its Secret in `namespace`, and its text."""
    sharing, now = document.spec.sharing, datetime.now(UTC)
    name = f"probe-{secrets.token_hex(4)}"
    shared = sharing.organizations[0] if sharing.organizations else name
    what, secret, text = _probe_key("a key of an unshared organization", KeyRecord(f"{name}-o", name, name), namespace)
    if sharing.mode is SharingMode.ALL:
        # Every organization may call: what is left to refuse is a key of none.
        what = "a key of no organization"
        del secret["metadata"]["labels"][ORGANIZATION_LABEL]
    yield what, secret, text
    confined = KeyRecord(f"{name}-c", shared, name, deployments=(f"{ref}-{name}",))
    yield _probe_key("a key confined to another deployment", confined, namespace)
    expired = KeyRecord(f"{name}-e", shared, name, expires=now - timedelta(days=1))
    yield _probe_key("an expired key", expired, namespace)


def _probe_key(what: str, record: KeyRecord, namespace: str) -> tuple[str, Json, str]:
    text = f"sk-genai-{secrets.token_urlsafe(32)}"
    secret = to_secret(NewKey(replace(record, name="probe: may call nothing"), text), namespace)
    secret["metadata"]["labels"][MANAGED_BY_LABEL] = MANAGER
    return what, secret, text
