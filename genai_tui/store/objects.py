"""Observed objects by kind, namespace and name, with the indexes that rows are derived by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from genai_tui.domain.cluster import (
    ConfigMap,
    Event,
    Key,
    Kind,
    Namespace,
    Node,
    Observed,
    Pod,
    ReplicaSet,
    Service,
    Workload,
)
from genai_tui.domain.naming import DEPLOYMENT_LABEL
from genai_tui.domain.rows import Ref

_KINDS: Mapping[type[Observed], Kind] = {
    Workload: Kind.DEPLOYMENT,
    ReplicaSet: Kind.REPLICASET,
    Pod: Kind.POD,
    Node: Kind.NODE,
    Event: Kind.EVENT,
    Service: Kind.SERVICE,
    ConfigMap: Kind.CONFIGMAP,
    Namespace: Kind.NAMESPACE,
}
ENDED = ("Succeeded", "Failed")
DISRUPTIONS = ("Preempted", "Evicted", "TaintManagerEviction")
"""Events of a pod that had to make room, or to leave its node."""
_NEVER = datetime.max.replace(tzinfo=UTC)


def key_of(item: Observed) -> Key:
    """Where the object lives."""
    return Key(_KINDS[type(item)], item.meta.namespace, item.meta.name)


def gpu_requests(pod: Pod) -> dict[str, int]:
    """What a pod holds of extended resources, by name; nothing once it has ended."""
    held: dict[str, int] = {}
    if pod.phase in ENDED:
        return held
    for container in pod.containers:
        for name, count in container.gpus.items():
            held[name] = held.get(name, 0) + count
    return held


def _revision(found: ReplicaSet) -> int:
    return int(found.revision) if found.revision.isdigit() else 0


class Objects:
    """The objects. `put` and `remove` return the deployments whose rows may have changed."""

    def __init__(self) -> None:
        self.workloads: dict[Ref, Workload] = {}
        self.pods: dict[Key, Pod] = {}
        self.replicasets: dict[Key, ReplicaSet] = {}
        self.nodes: dict[str, Node] = {}
        self.services: dict[Ref, Service] = {}
        self.config_maps: dict[Key, ConfigMap] = {}
        self.namespaces: dict[str, Namespace] = {}
        self.events: dict[Key, Event] = {}
        self.events_of: defaultdict[tuple[str, str, str], dict[Key, Event]] = defaultdict(dict)
        self.held_on: defaultdict[str, dict[Key, Pod]] = defaultdict(dict)
        self._pods_of: defaultdict[str, set[Key]] = defaultdict(set)
        self._replicasets_of: defaultdict[str, set[Key]] = defaultdict(set)
        self._deployment_of: dict[str, Ref] = {}
        self._replicaset_owner: dict[str, str] = {}
        self._disruptions: dict[tuple[str, str], Event] = {}
        self._event_clock = 0
        self._events_changed: dict[tuple[str, str, str], int] = {}
        self.changed_nodes: set[str] = set()
        """Nodes that changed, or whose GPUs are held by others than before; whoever reads it empties it."""

    def replace(self, kind: Kind, items: Iterable[Observed]) -> set[Ref]:
        """Make `items` all there is of a kind; what is unchanged costs nothing further."""
        wanted = {key_of(item): item for item in items}
        touched: set[Ref] = set()
        for key in [key for key in self._keys(kind) if key not in wanted]:
            touched |= self.remove(key)
        for item in wanted.values():
            touched |= self.put(item)
        return touched

    def put(self, item: Observed) -> set[Ref]:
        """Take in a new or changed object."""
        match item:
            case Workload():
                return self._put_workload(item)
            case Pod():
                return self._put_pod(item)
            case ReplicaSet():
                return self._put_replicaset(item)
            case Event():
                return self._put_event(item)
            case Node():
                self.nodes[item.meta.name] = item
                self.changed_nodes.add(item.meta.name)
            case Service():
                self.services[Ref(item.meta.namespace, item.meta.name)] = item
            case ConfigMap():
                self.config_maps[key_of(item)] = item
            case Namespace():
                self.namespaces[item.meta.name] = item
        return set()

    def remove(self, key: Key) -> set[Ref]:
        """Forget an object."""
        match key.kind:
            case Kind.DEPLOYMENT:
                return self._remove_workload(Ref(key.namespace, key.name))
            case Kind.POD:
                return self._remove_pod(key)
            case Kind.REPLICASET:
                return self._remove_replicaset(key)
            case Kind.EVENT:
                return self._remove_event(key)
            case Kind.NODE:
                self.nodes.pop(key.name, None)
                self.changed_nodes.add(key.name)
            case Kind.SERVICE:
                self.services.pop(Ref(key.namespace, key.name), None)
            case Kind.CONFIGMAP:
                self.config_maps.pop(key, None)
            case Kind.NAMESPACE:
                self.namespaces.pop(key.name, None)
        return set()

    def pods_of(self, workload: Workload) -> list[Pod]:
        """The pods of a deployment, oldest first."""
        sets = self._replicasets_of.get(workload.meta.uid, ())
        found = [self.pods[key] for rs in sets for key in self._of_replicaset(rs)]
        return sorted(found, key=lambda pod: (pod.meta.created or _NEVER, pod.meta.name))

    def replicasets_of(self, workload: Workload) -> list[ReplicaSet]:
        """The ReplicaSets of a deployment, newest revision first."""
        found = [self.replicasets[key] for key in self._replicasets_of.get(workload.meta.uid, ())]
        return sorted(found, key=lambda rs: (_revision(rs), rs.meta.name), reverse=True)

    def events_about(self, kind: str, namespace: str, name: str) -> list[Event]:
        """The events about one object, oldest first."""
        found = self.events_of.get((kind, namespace, name), {})
        return sorted(found.values(), key=lambda event: (event.last_seen or _NEVER, event.meta.name))

    def events_about_claims(self, pod: Pod) -> list[Event]:
        """The events about the volume claims of a pod without a place, oldest first."""
        claims = pod.wishes.claims if pod.wishes is not None else ()
        found = [e for name in claims for e in self.events_about("PersistentVolumeClaim", pod.meta.namespace, name)]
        return sorted(found, key=lambda event: (event.last_seen or _NEVER, event.meta.name))

    def claims_version(self, pod: Pod) -> int:
        """Another number whenever those changed."""
        claims = pod.wishes.claims if pod.wishes is not None else ()
        return sum(self.events_version("PersistentVolumeClaim", pod.meta.namespace, name) for name in claims)

    def events_version(self, kind: str, namespace: str, name: str) -> int:
        """Another number whenever the events about an object changed."""
        return self._events_changed.get((kind, namespace, name), 0)

    def disruption_of(self, pod: Pod) -> Event | None:
        """The newest event that says why a sibling of the pod, of the same ReplicaSet, had to go."""
        return self._disruptions.get((pod.meta.namespace, pod.meta.name.rpartition("-")[0]))

    def owner_ref(self, pod: Pod) -> Ref | None:
        """The deployment a pod belongs to; its label tells before its ReplicaSet is known."""
        owner = self._replicaset_owner.get(pod.meta.owner or "")
        ref = self._deployment_of.get(owner or "")
        if ref is None:
            label = pod.meta.labels.get(DEPLOYMENT_LABEL)
            ref = Ref(pod.meta.namespace, label) if label else None
        return ref

    def _of_replicaset(self, key: Key) -> set[Key]:
        return self._pods_of.get(self.replicasets[key].meta.uid, set())

    def _keys(self, kind: Kind) -> list[Key]:
        match kind:
            case Kind.DEPLOYMENT:
                return [Key(kind, ref.namespace, ref.name) for ref in self.workloads]
            case Kind.POD:
                return list(self.pods)
            case Kind.REPLICASET:
                return list(self.replicasets)
            case Kind.EVENT:
                return list(self.events)
            case Kind.NODE:
                return [Key(kind, "", name) for name in self.nodes]
            case Kind.SERVICE:
                return [Key(kind, ref.namespace, ref.name) for ref in self.services]
            case Kind.CONFIGMAP:
                return list(self.config_maps)
            case Kind.NAMESPACE:
                return [Key(kind, "", name) for name in self.namespaces]
            case Kind.SECRET:
                return []

    def _put_workload(self, item: Workload) -> set[Ref]:
        ref = Ref(item.meta.namespace, item.meta.name)
        old = self.workloads.get(ref)
        if old is None or old.meta.uid != item.meta.uid:
            self._remove_workload(ref)
            self._deployment_of[item.meta.uid] = ref
            self._other_holders(item.meta.uid)
        self.workloads[ref] = item
        return {ref}

    def _remove_workload(self, ref: Ref) -> set[Ref]:
        old = self.workloads.pop(ref, None)
        if old is not None:
            self._deployment_of.pop(old.meta.uid, None)
            self._other_holders(old.meta.uid)
        return {ref}

    def _other_holders(self, owner: str) -> None:
        """The GPUs of a deployment's pods are held in another name."""
        for replicaset in self._replicasets_of.get(owner, ()):
            self._nodes_of(self._of_replicaset(replicaset))

    def _nodes_of(self, pods: Iterable[Key]) -> None:
        self.changed_nodes.update(node for key in pods if (node := self.pods[key].node) is not None)

    def _put_pod(self, item: Pod) -> set[Ref]:
        key = key_of(item)
        old = self.pods.get(key)
        touched: set[Ref] = set()
        if old is None or old.meta.owner != item.meta.owner or old.node != item.node:
            touched = self._remove_pod(key)
            old = None
        self.pods[key] = item
        self._pods_of[item.meta.owner or ""].add(key)
        if item.node is not None:
            held, before = gpu_requests(item), gpu_requests(old) if old is not None else {}
            if held != before or (held and old is not None and old.meta.labels != item.meta.labels):
                self.changed_nodes.add(item.node)
            if held:
                self.held_on[item.node][key] = item
            else:
                self.held_on[item.node].pop(key, None)
        ref = self.owner_ref(item)
        return touched | ({ref} if ref else set())

    def _remove_pod(self, key: Key) -> set[Ref]:
        old = self.pods.pop(key, None)
        if old is None:
            return set()
        self._pods_of[old.meta.owner or ""].discard(key)
        if old.node is not None and self.held_on[old.node].pop(key, None) is not None:
            self.changed_nodes.add(old.node)
        ref = self.owner_ref(old)
        return {ref} if ref else set()

    def _put_replicaset(self, item: ReplicaSet) -> set[Ref]:
        key = key_of(item)
        old = self.replicasets.get(key)
        owner = item.meta.owner or ""
        if old is not None and (old.meta.uid, old.meta.owner) == (item.meta.uid, item.meta.owner):
            self.replicasets[key] = item
            ref = self._deployment_of.get(owner)
            return {ref} if ref else set()
        touched = self._remove_replicaset(key)
        self.replicasets[key] = item
        self._replicasets_of[owner].add(key)
        self._replicaset_owner[item.meta.uid] = owner
        self._nodes_of(self._of_replicaset(key))
        ref = self._deployment_of.get(owner)
        return touched | ({ref} if ref else set())

    def _remove_replicaset(self, key: Key) -> set[Ref]:
        old = self.replicasets.pop(key, None)
        if old is None:
            return set()
        owner = old.meta.owner or ""
        self._replicasets_of[owner].discard(key)
        self._replicaset_owner.pop(old.meta.uid, None)
        self._nodes_of(self._pods_of.get(old.meta.uid, ()))
        ref = self._deployment_of.get(owner)
        return {ref} if ref else set()

    def _put_event(self, item: Event) -> set[Ref]:
        key = key_of(item)
        touched = self._remove_event(key)
        self.events[key] = item
        about = (item.regarding_kind, item.regarding_namespace, item.regarding_name)
        self.events_of[about][key] = item
        self._note_event(about)
        if item.regarding_kind == "Pod" and item.reason in DISRUPTIONS:
            self._disruptions[(item.regarding_namespace, item.regarding_name.rpartition("-")[0])] = item
        return touched | self._event_refs(item)

    def _remove_event(self, key: Key) -> set[Ref]:
        old = self.events.pop(key, None)
        if old is None:
            return set()
        about = (old.regarding_kind, old.regarding_namespace, old.regarding_name)
        siblings = (old.regarding_namespace, old.regarding_name.rpartition("-")[0])
        if self._disruptions.get(siblings) is old:
            del self._disruptions[siblings]
        self.events_of[about].pop(key, None)
        self._note_event(about)
        if not self.events_of[about]:
            del self.events_of[about], self._events_changed[about]
        return self._event_refs(old)

    def _note_event(self, about: tuple[str, str, str]) -> None:
        self._event_clock += 1
        self._events_changed[about] = self._event_clock

    def _event_refs(self, item: Event) -> set[Ref]:
        if item.regarding_kind == "Pod":
            pod = self.pods.get(Key(Kind.POD, item.regarding_namespace, item.regarding_name))
            ref = self.owner_ref(pod) if pod else None
            return {ref} if ref else set()
        if item.regarding_kind == "PersistentVolumeClaim":
            return {ref for pod in self._waiting_for(item) if (ref := self.owner_ref(pod)) is not None}
        if item.regarding_kind == "Deployment":
            return {Ref(item.regarding_namespace, item.regarding_name)}
        return set()

    def _waiting_for(self, item: Event) -> list[Pod]:
        """The pods without a place that need the claim an event is about."""
        return [
            pod
            for pod in self.pods.values()
            if pod.wishes is not None
            and pod.meta.namespace == item.regarding_namespace
            and item.regarding_name in pod.wishes.claims
        ]
