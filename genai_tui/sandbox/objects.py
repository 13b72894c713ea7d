"""Every object with one resource version counter, encoded once, and a log from which watches resume."""

from __future__ import annotations

import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import msgspec

from genai_tui.sandbox.registry import Resource

Object = dict[str, Any]
LOG_LENGTH = 20_000
_ENCODER = msgspec.json.Encoder()
Id = tuple[str, str]


def _encode_bare(item: Object) -> bytes:
    return _ENCODER.encode({name: value for name, value in item.items() if name not in ("kind", "apiVersion")})


@dataclass(frozen=True, slots=True)
class Change:
    """One write: `previous` is None for ADDED."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    resource: Resource
    object: Object
    previous: Object | None
    version: int


class Objects:
    """The store. Objects taken in and given out are not to be changed afterwards: copy first."""

    def __init__(self, *, first_version: int = 1000, new_uid: Callable[[], str] = lambda: str(uuid.uuid4())) -> None:
        self.version = first_version
        self._by_resource: defaultdict[Id, dict[tuple[str, str], Object]] = defaultdict(dict)
        self._encoded: dict[Id, dict[tuple[str, str], bytes]] = defaultdict(dict)
        self._by_owner: defaultdict[str, set[tuple[Id, str, str]]] = defaultdict(set)
        self._resources: dict[Id, Resource] = {}
        self._log: deque[Change] = deque(maxlen=LOG_LENGTH)
        self._subscribers: list[Callable[[Change], None]] = []
        self._new_uid = new_uid
        self.oldest = 0

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """One object."""
        return self._by_resource[resource.id].get((namespace, name))

    def list(self, resource: Resource, namespace: str | None = None) -> Sequence[Object]:
        """The objects of one namespace, or of all, in the order of namespace and name."""
        found = self._by_resource[resource.id]
        return [found[key] for key in sorted(found) if namespace is None or key[0] == namespace]

    def whole(self, resource: Resource, item: Object) -> bytes:
        """The object as JSON with its kind, as GET and watches give it."""
        head = _ENCODER.encode({"kind": item.get("kind", resource.kind), "apiVersion": item.get("apiVersion")})
        return head[:-1] + b"," + self.encoded(resource, item)[1:]

    def encoded(self, resource: Resource, item: Object) -> bytes:
        """The object as JSON without its kind, as lists hold it; encoded once for each version."""
        meta = item["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        if self._by_resource[resource.id].get(key) is not item:
            return _encode_bare(item)
        cache = self._encoded[resource.id]
        data = cache.get(key)
        if data is None:
            data = cache[key] = _encode_bare(item)
        return data

    def put(self, resource: Resource, item: Object) -> Object:
        """Create or replace; gives uid, resource version and, when new, nothing else."""
        meta = item["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        previous = self._by_resource[resource.id].get(key)
        self.version += 1
        meta.setdefault("uid", self._new_uid())
        meta["resourceVersion"] = str(self.version)
        self._store(resource, key, item, previous)
        self._record(Change("MODIFIED" if previous is not None else "ADDED", resource, item, previous, self.version))
        return item

    def remove(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Take an object out; the change carries it at its last version."""
        key = (namespace, name)
        previous = self._by_resource[resource.id].pop(key, None)
        if previous is None:
            return None
        self._encoded[resource.id].pop(key, None)
        self._unown(resource, previous)
        self.version += 1
        last = previous | {"metadata": previous["metadata"] | {"resourceVersion": str(self.version)}}
        self._record(Change("DELETED", resource, last, previous, self.version))
        return previous

    def owned_by(self, uid: str) -> Sequence[tuple[Resource, Object]]:
        """What names `uid` among its owners."""
        found = []
        for identifier, namespace, name in sorted(self._by_owner.get(uid, ())):
            resource = self._resources[identifier]
            item = self.get(resource, namespace, name)
            if item is not None:
                found.append((resource, item))
        return found

    def subscribe(self, callback: Callable[[Change], None]) -> Callable[[], None]:
        """Call back after each write, in order; returns unsubscribe."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback) if callback in self._subscribers else None

    def since(self, version: int) -> Iterator[Change] | None:
        """The changes after `version`; None when they are no longer known."""
        if version < self.oldest:
            return None
        log = self._log
        count = sum(1 for _ in self._newer(version))
        return islice(log, len(log) - count, None)

    def _newer(self, version: int) -> Iterator[Change]:
        for change in reversed(self._log):
            if change.version <= version:
                return
            yield change

    def forget_log(self) -> None:
        """Make every earlier version expired (410), as compaction does."""
        self._log.clear()
        self.oldest = self.version

    def everything(self) -> Sequence[tuple[Resource, Object]]:
        """Every object, for saving."""
        return [(self._resources[i], item) for i, found in self._by_resource.items() for item in found.values()]

    def restore(self, resource: Resource, item: Object) -> None:
        """Put back a saved object as it was; nobody is told."""
        meta = item["metadata"]
        self._store(resource, (meta.get("namespace", ""), meta["name"]), item, None)
        self.version = max(self.version, int(meta["resourceVersion"]))
        self.oldest = self.version

    def _store(self, resource: Resource, key: tuple[str, str], item: Object, previous: Object | None) -> None:
        if previous is not None:
            self._unown(resource, previous)
        self._resources[resource.id] = resource
        self._by_resource[resource.id][key] = item
        self._encoded[resource.id].pop(key, None)
        for owner in item["metadata"].get("ownerReferences") or ():
            self._by_owner[owner["uid"]].add((resource.id, *key))

    def _unown(self, resource: Resource, item: Object) -> None:
        meta = item["metadata"]
        for owner in meta.get("ownerReferences") or ():
            self._by_owner[owner["uid"]].discard((resource.id, meta.get("namespace", ""), meta["name"]))

    def _record(self, change: Change) -> None:
        if len(self._log) == LOG_LENGTH:
            self.oldest = self._log[0].version
        self._log.append(change)
        for callback in list(self._subscribers):
            callback(change)
