"""Lists and watches: pages of 500, then a stream that resumes where it broke, as domain events in batches.

The protocol: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from genai_tui.domain.cluster import Key, Kind, Observed, Sync
from genai_tui.domain.naming import KIND_LABEL
from genai_tui.domain.problems import Problem
from genai_tui.domain.watching import Listed, Removed, SyncChanged, Upserted, WatchEvent
from genai_tui.errors import GenaiTuiError, NotFound, NotPermitted, Unreachable
from genai_tui.kube import convert, wire
from genai_tui.kube.connection import Connection
from genai_tui.kube.refusals import Busy, Gone, refusal

log = logging.getLogger(__name__)

PAGE = 500
WATCH_S = 290
SILENCE_LIMIT_S = 90.0
"""A watch without a byte for this long is taken for dead: the server sends a bookmark about every minute."""
FORBIDDEN_PAUSE_S = 60.0
MAX_PAUSE_S = 30.0


@dataclass(frozen=True, slots=True)
class Resource:
    """How one kind is read: where it is, how it is decoded, which objects are wanted."""

    kind: Kind
    prefix: str
    plural: str
    wire: type[Any]
    convert: Callable[[Any], Observed]
    namespaced: bool = True
    labels: str = ""

    def path(self, namespace: str | None) -> str:
        """The collection's path, in one namespace or in all."""
        where = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"{self.prefix}{where}/{self.plural}"


RESOURCES: dict[Kind, Resource] = {
    resource.kind: resource
    for resource in (
        Resource(Kind.DEPLOYMENT, "/apis/apps/v1", "deployments", wire.Workload, convert.workload),
        Resource(Kind.REPLICASET, "/apis/apps/v1", "replicasets", wire.Workload, convert.replicaset),
        Resource(Kind.POD, "/api/v1", "pods", wire.Pod, convert.pod),
        Resource(Kind.NODE, "/api/v1", "nodes", wire.Node, convert.node, namespaced=False),
        Resource(Kind.EVENT, "/api/v1", "events", wire.Event, convert.event),
        Resource(Kind.SERVICE, "/api/v1", "services", wire.Service, convert.service),
        Resource(Kind.CONFIGMAP, "/api/v1", "configmaps", wire.ConfigMap, convert.config_map, labels=KIND_LABEL),
        Resource(Kind.NAMESPACE, "/api/v1", "namespaces", wire.Namespace, convert.namespace, namespaced=False),
    )
}


class _Codec:
    """Decoders of one kind, made once."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._list = msgspec.json.Decoder(wire.ListOf[resource.wire])  # type: ignore[name-defined]
        self._loose = msgspec.json.Decoder(wire.ListOf[msgspec.Raw])
        self._item = msgspec.json.Decoder(resource.wire)
        self._event = msgspec.json.Decoder(wire.EventOf[msgspec.Raw])
        self._meta = msgspec.json.Decoder(wire.WithMeta)
        self._status = msgspec.json.Decoder(wire.Status)

    def page(self, body: bytes) -> tuple[list[Observed], wire.ListMeta]:
        """The objects of a page; one that cannot be read is left out and logged, the others stand."""
        try:
            decoded = self._list.decode(body)
            return [self._resource.convert(item) for item in decoded.items or ()], decoded.metadata
        except msgspec.ValidationError:
            loose = self._loose.decode(body)
        found = [self._one(bytes(raw)) for raw in loose.items or ()]
        return [item for item in found if item is not None], loose.metadata

    def _one(self, raw: bytes) -> Observed | None:
        try:
            return self._resource.convert(self._item.decode(raw))
        except msgspec.MsgspecError as error:
            log.warning("a %s cannot be read and is left out: %s", self._resource.kind, error)
            return None

    def line(self, text: bytes) -> tuple[WatchEvent | None, str]:
        """One line of a watch: the event (None for a bookmark or an unreadable object) and its version.

        Raises:
            GenaiTuiError: the line is an error, e.g. 410.
        """
        decoded = self._event.decode(text)
        raw = bytes(decoded.object)
        if decoded.type == "ERROR":
            raise refusal(self._status.decode(raw).code or 500, raw)
        meta = self._meta.decode(raw).metadata
        kind = self._resource.kind
        if decoded.type == "DELETED":
            return Removed(kind, Key(kind, meta.namespace or "", meta.name)), meta.resource_version
        if decoded.type in ("ADDED", "MODIFIED"):
            item = self._one(raw)
            return (Upserted(kind, item) if item is not None else None), meta.resource_version
        return None, meta.resource_version


async def watch(
    connection: Connection,
    kind: Kind,
    namespace: str | None = None,
    *,
    fallback: str | None = None,
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> AsyncIterator[list[WatchEvent]]:
    """Batches of events of one kind, for ever: a list first, then what changes; ends only for an absent kind.

    Broken streams resume at the last version; an expired version lists again; a refusal or an outage is told as
    SyncChanged and retried with growing, jittered pauses (Retry-After is honoured). Where the whole cluster may not
    be read but one namespace may (a Role), `fallback` names the namespace that is read then.
    """
    resource = RESOURCES[kind]
    codec = _Codec(resource)
    version: str | None = None
    failures = 0
    while True:
        try:
            if version is None:
                yield [SyncChanged(kind, Sync.LISTING)]
                objects, version, latency = await _list(connection, resource, codec, namespace)
                yield [Listed(kind, tuple(objects)), SyncChanged(kind, Sync.LIVE, latency_ms=latency)]
            elif failures:
                yield [SyncChanged(kind, Sync.LIVE)]
            async for batch, reached in _stream(connection, resource, codec, namespace, version):
                version = reached
                if failures:
                    failures = 0
                if batch:
                    yield batch
            failures = 0
        except Gone:
            version = None
        except NotFound:
            yield [SyncChanged(kind, Sync.ABSENT)]
            return
        except NotPermitted as error:
            if namespace is None and fallback is not None and resource.namespaced:
                namespace, version = fallback, None
                continue
            yield [SyncChanged(kind, Sync.FORBIDDEN, error.problem)]
            await pause(FORBIDDEN_PAUSE_S)
        except (GenaiTuiError, msgspec.MsgspecError) as error:
            failures += 1
            yield [SyncChanged(kind, Sync.STALE, _problem(error))]
            await pause(_back_off(error, failures))


def _problem(error: Exception) -> Problem:
    if isinstance(error, GenaiTuiError):
        return error.problem
    return Problem("the cluster's answer was cut short or is not JSON", why=str(error), next_step="it is asked again")


def _back_off(error: Exception, failures: int) -> float:
    if isinstance(error, Busy) and error.retry_after is not None:
        return error.retry_after + random.uniform(0, 0.5)
    return min(MAX_PAUSE_S, 0.5 * float(2 ** min(failures - 1, 10))) * random.uniform(0.5, 1.0)


async def _list(
    connection: Connection, resource: Resource, codec: _Codec, namespace: str | None
) -> tuple[list[Observed], str, float]:
    """Every object, the list's version, and the round trip of the first page in milliseconds."""
    found: list[Observed] = []
    latency = 0.0
    token = ""
    while True:
        params: dict[str, str | int] = {"limit": PAGE}
        if resource.labels:
            params["labelSelector"] = resource.labels
        if token:
            params["continue"] = token
        began = time.perf_counter()
        try:
            response = await connection.request("GET", resource.path(namespace), params=params)
        except Gone:
            # The pages' snapshot expired between two of them: begin again.
            found, token = [], ""
            continue
        latency = latency or (time.perf_counter() - began) * 1000
        try:
            objects, meta = codec.page(response.content)
        except msgspec.MsgspecError as error:
            raise Unreachable("the cluster's list cannot be read", why=str(error)) from error
        found += objects
        token = meta.continue_ or ""
        if not token:
            return found, meta.resource_version, latency
        await asyncio.sleep(0)


async def _stream(
    connection: Connection, resource: Resource, codec: _Codec, namespace: str | None, version: str
) -> AsyncIterator[tuple[list[WatchEvent], str]]:
    """One watch request: batches with the version they lead to."""
    params: dict[str, str | int] = {
        "watch": "1",
        "resourceVersion": version,
        "allowWatchBookmarks": "true",
        "timeoutSeconds": WATCH_S + random.randrange(20),
    }
    if resource.labels:
        params["labelSelector"] = resource.labels
    path = resource.path(namespace)
    async with connection.stream(path, params=params, silence_limit=SILENCE_LIMIT_S) as response:
        rest = b""
        yield [], version
        async for chunk in response.aiter_bytes():
            lines = (rest + chunk).split(b"\n")
            rest = lines.pop()
            batch: list[WatchEvent] = []
            for line in lines:
                if line.strip():
                    event, version = codec.line(line)
                    if event is not None:
                        batch.append(event)
            yield batch, version


async def ping(connection: Connection) -> float:
    """The round trip of a cheap request, in milliseconds. Raises as `Connection.request`."""
    began = time.perf_counter()
    await connection.request("GET", "/version")
    return (time.perf_counter() - began) * 1000
