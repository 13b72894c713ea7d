"""The controllers of the cluster: what changed is looked at again, at the next step of the clock.

Each kind has its own module (`deployments`, `replicasets`, `daemonsets`, `endpoints`, `claims`, `node_lifecycle`); this
one keeps their queue, collects garbage and ends namespaces. Behaviour follows kube-controller-manager.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable

from genai_tui.sandbox import registry
from genai_tui.sandbox.claims import Claims
from genai_tui.sandbox.clock import Timer
from genai_tui.sandbox.daemonsets import DaemonSets
from genai_tui.sandbox.deployments import Deployments
from genai_tui.sandbox.endpoints import Endpoints
from genai_tui.sandbox.events import Recorder
from genai_tui.sandbox.node_lifecycle import NodeLifecycle
from genai_tui.sandbox.objects import Change, Object
from genai_tui.sandbox.policies import Policies
from genai_tui.sandbox.registry import Resource
from genai_tui.sandbox.replicasets import ReplicaSets
from genai_tui.sandbox.status import ApiError
from genai_tui.sandbox.verbs import Api

Key = tuple[Resource, str, str]
log = logging.getLogger(__name__)
_LONGEST_PAUSE_S = 60.0


class Queue:
    """What is to be looked at, each thing once."""

    def __init__(self, api: Api, work: Callable[[Key], None]) -> None:
        self._clock, self._work = api.clock, work
        self._dirty: dict[Key, None] = {}
        self._failures: dict[Key, int] = {}
        self._timer: Timer | None = None

    def add(self, resource: Resource, namespace: str, name: str, *, after: float = 0.0) -> None:
        """Look at an object at the next step, or `after` seconds."""
        if after:
            self._clock.call_later(after, lambda: self.add(resource, namespace, name))
            return
        self._dirty[resource, namespace, name] = None
        if self._timer is None:
            self._timer = self._clock.call_later(0, self._run)

    def _run(self) -> None:
        self._timer = None
        dirty, self._dirty = self._dirty, {}
        for key in dirty:
            try:
                self._work(key)
            except ApiError as error:
                # As in kube-controller-manager: what the API refuses one object, such as anything new in a namespace
                # that is being deleted, is tried again later and stops no other.
                self._failures[key] = failures = self._failures.get(key, 0) + 1
                log.info("%s %s/%s: %s", key[0].kind, key[1], key[2], error)
                self.add(*key, after=min(_LONGEST_PAUSE_S, 2.0**failures))
            else:
                self._failures.pop(key, None)


class Controllers:
    """All controllers."""

    def __init__(self, api: Api, record: Recorder) -> None:
        self._api = api
        self._queue = Queue(api, self._look)
        self.nodes = NodeLifecycle(api, record)
        replicasets = ReplicaSets(api, record, self._queue)
        self._daemonsets = DaemonSets(api, record)
        self._endpoints = Endpoints(api)
        self._policies = Policies(api)
        self._kinds: dict[Resource, Callable[[Object], None]] = {
            registry.DEPLOYMENTS: Deployments(api, record, self._queue).reconcile,
            registry.REPLICASETS: replicasets.reconcile,
            registry.DAEMONSETS: self._daemonsets.reconcile,
            registry.CLAIMS: Claims(api, record, self._queue).reconcile,
            registry.SERVICES: self._endpoints.reconcile,
            registry.NAMESPACES: self._namespace,
        }
        api.objects.subscribe(self._changed)

    def adopt_all(self) -> None:
        """Look at everything once, after a restart."""
        for resource in self._kinds:
            for item in self._api.objects.list(resource):
                meta = item["metadata"]
                self._queue.add(resource, meta.get("namespace", ""), meta["name"])
        for node in self._api.objects.list(registry.NODES):
            self.nodes.watch(node)

    def _changed(self, change: Change) -> None:
        meta = change.object["metadata"]
        namespace, name = meta.get("namespace", ""), meta["name"]
        if change.type == "DELETED":
            self._collect(change.object)
        elif change.resource in self._kinds or self._policies.reconciles(change.resource):
            self._queue.add(change.resource, namespace, name)
        for owner in meta.get("ownerReferences") or ():
            resource = registry.by_kind(owner["apiVersion"], owner["kind"])
            if resource is not None and (resource in self._kinds or self._policies.reconciles(resource)):
                self._queue.add(resource, namespace if resource.namespaced else "", owner["name"])
        if change.resource is registry.PODS:
            for service in self._endpoints.services_of(change):
                self._queue.add(registry.SERVICES, namespace, service)
        elif change.resource is registry.NODES:
            self.nodes.watch(change.object)
            for item in self._api.objects.list(registry.DAEMONSETS) if change.type != "MODIFIED" else ():
                self._queue.add(registry.DAEMONSETS, item["metadata"]["namespace"], item["metadata"]["name"])

    def _look(self, key: Key) -> None:
        resource, namespace, name = key
        item = self._api.objects.get(resource, namespace, name)
        if item is None:
            return
        if not item["metadata"].get("deletionTimestamp"):
            self._kinds.get(resource, self._policies.reconcile)(item)
        elif resource is registry.NAMESPACES:
            self._end_namespace(name)
        elif "foregroundDeletion" in (item["metadata"].get("finalizers") or ()):
            self._delete_children(resource, item)

    # -- garbage ------------------------------------------------------------------------------------------------

    def _collect(self, gone: Object) -> None:
        """Delete what only the deleted object owned."""
        uid = gone["metadata"]["uid"]
        for resource, item in self._api.objects.owned_by(uid):
            meta = item["metadata"]
            others = [
                o for o in meta["ownerReferences"] if o["uid"] != uid and self._lives(o, meta.get("namespace", ""))
            ]
            if others:
                freed = copy.deepcopy(item)
                freed["metadata"]["ownerReferences"] = others
                self._api.objects.put(resource, freed)
            elif meta.get("deletionTimestamp") is None:
                self._api.delete(resource, meta.get("namespace", ""), meta["name"])
        namespace = gone["metadata"].get("namespace")
        if namespace:
            self._queue.add(registry.NAMESPACES, "", namespace)

    def _lives(self, owner: Object, namespace: str) -> bool:
        resource = registry.by_kind(owner["apiVersion"], owner["kind"])
        if resource is None:
            return False
        found = self._api.objects.get(resource, namespace if resource.namespaced else "", owner["name"])
        return found is not None and bool(found["metadata"]["uid"] == owner["uid"])

    def _delete_children(self, resource: Resource, item: Object) -> None:
        meta = item["metadata"]
        for child_resource, child in self._api.objects.owned_by(meta["uid"]):
            if child["metadata"].get("deletionTimestamp") is None:
                place = (child["metadata"].get("namespace", ""), child["metadata"]["name"])
                self._api.delete(child_resource, *place, propagation="Foreground")
        if not self._api.objects.owned_by(meta["uid"]):
            self._api.remove_finalizer(resource, item, "foregroundDeletion")

    # -- namespaces ---------------------------------------------------------------------------------------------

    def _namespace(self, item: Object) -> None:
        """Every namespace has its default service account."""
        name = item["metadata"]["name"]
        if self._api.objects.get(registry.SERVICE_ACCOUNTS, name, "default") is None:
            self._api.create(registry.SERVICE_ACCOUNTS, name, {"metadata": {"name": "default"}})

    def _end_namespace(self, name: str) -> None:
        left = False
        for resource in registry.resources():
            if not resource.namespaced or resource in registry.REVIEWS:
                continue
            for item in self._api.objects.list(resource, name):
                left = True
                if item["metadata"].get("deletionTimestamp") is None:
                    self._api.delete(resource, name, item["metadata"]["name"])
        if not left or not any(self._api.objects.list(r, name) for r in registry.resources() if r.namespaced):
            self._api.objects.remove(registry.NAMESPACES, "", name)
