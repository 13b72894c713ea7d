"""Which kinds are read and where, and their JSON decoded into domain values.

One object that cannot be read is left out with a line in the log; the others stand.
"""

from __future__ import annotations

import contextlib
import gc
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from genai_tui.domain.cluster import Key, Kind, Observed
from genai_tui.domain.naming import KIND_LABEL
from genai_tui.domain.watching import Removed, Upserted, WatchEvent
from genai_tui.kube import convert, wire
from genai_tui.kube.refusals import refusal

log = logging.getLogger(__name__)

SLICE = 100


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
        Resource(Kind.SECRET, "/api/v1", "secrets", wire.Secret, convert.secret, labels=f"{KIND_LABEL}=api-key"),
        Resource(Kind.NAMESPACE, "/api/v1", "namespaces", wire.Namespace, convert.namespace, namespaced=False),
    )
}


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the cyclic garbage collector out of new objects: all are kept, and each look at them costs half the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Codec:
    """Decoders of one kind, made once."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._list = msgspec.json.Decoder(wire.ListOf[resource.wire])  # type: ignore[name-defined]
        self._loose = msgspec.json.Decoder(wire.ListOf[msgspec.Raw])
        self._item = msgspec.json.Decoder(resource.wire)
        self._event = msgspec.json.Decoder(wire.EventOf[resource.wire])  # type: ignore[name-defined]
        self._loose_event = msgspec.json.Decoder(wire.EventOf[msgspec.Raw])
        self._identity = msgspec.json.Decoder(wire.Identified)
        self._status = msgspec.json.Decoder(wire.Status)

    def page(self, body: bytes) -> tuple[Iterator[list[Observed]], wire.ListMeta]:
        """The objects of a page, in slices between which others may run; one that cannot be read is left out.

        Raises:
            msgspec.MsgspecError: it is not a list at all.
        """
        try:
            decoded = self._list.decode(body)
            return self._slices(decoded.items or []), decoded.metadata
        except msgspec.ValidationError:
            loose = self._loose.decode(body)
        found = [self._one(raw) for raw in loose.items or ()]
        return self._slices([item for item in found if item is not None]), loose.metadata

    def _slices(self, items: list[Any]) -> Iterator[list[Observed]]:
        for begin in range(0, len(items), SLICE):
            with _no_collection():
                converted = [self._resource.convert(item) for item in items[begin : begin + SLICE]]
            yield converted

    def _one(self, raw: msgspec.Raw) -> Any:  # noqa: ANN401  # a struct of the resource's kind, or None
        try:
            return self._item.decode(raw)
        except msgspec.ValidationError as error:
            log.warning("a %s cannot be read and is left out: %s", self._resource.kind, error)
            return None

    def line(self, text: bytes) -> tuple[WatchEvent | None, str]:
        """One line of a watch: the event (None for a bookmark or an unreadable object) and its version, if it has one.

        Raises:
            GenaiTuiError: the line is an error, e.g. 410.
            msgspec.MsgspecError: the line is not an event.
        """
        try:
            decoded = self._event.decode(text)
        except msgspec.ValidationError:
            return self._odd_line(text)
        if decoded.type == "ERROR":
            return self._odd_line(text)
        meta = decoded.object.metadata
        if decoded.type in ("ADDED", "MODIFIED"):
            return Upserted(self._resource.kind, self._resource.convert(decoded.object)), meta.resource_version
        return self._removed(decoded.type, meta), meta.resource_version

    def _removed(self, change: str, meta: wire.Meta | wire.Identity) -> Removed | None:
        kind = self._resource.kind
        return Removed(kind, Key(kind, meta.namespace or "", meta.name)) if change == "DELETED" else None

    def _odd_line(self, text: bytes) -> tuple[WatchEvent | None, str]:
        """An error, or a change of an object that cannot be read."""
        decoded = self._loose_event.decode(text)
        if decoded.type == "ERROR":
            raise refusal(self._status.decode(decoded.object).code or 500, bytes(decoded.object))
        try:
            meta = self._identity.decode(decoded.object).metadata
        except msgspec.ValidationError as error:
            log.warning("a change of %s cannot be read and is left out: %s", self._resource.plural, error)
            return None, ""
        if decoded.type in ("ADDED", "MODIFIED"):
            log.warning("the %s %s cannot be read and is left out", self._resource.kind, meta.name)
        return self._removed(decoded.type, meta), meta.resource_version
