"""Deployments make ReplicaSets, ReplicaSets make pods; what is owned by nothing goes; claims are bound.

Behaviour and texts follow kube-controller-manager's deployment, replicaset, garbage collector and volume controllers.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from genai_tui.sandbox import registry
from genai_tui.sandbox.clock import Timer
from genai_tui.sandbox.objects import Change, Object
from genai_tui.sandbox.registry import Resource
from genai_tui.sandbox.status import ApiError
from genai_tui.sandbox.subresources import is_ready
from genai_tui.sandbox.verbs import ENDED, SUFFIX_ALPHABET, Api

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"
Recorder = Callable[..., None]


class Controllers:
    """Reconciles what changed, at the next step of the clock."""

    def __init__(self, api: Api, record: Recorder) -> None:
        self._api, self._record = api, record
        self._dirty: dict[tuple[Resource, str, str], None] = {}
        self._timer: Timer | None = None
        self._deadlines: dict[str, Timer] = {}
        self._refused: dict[str, str] = {}
        api.objects.subscribe(self._changed)

    def adopt_all(self) -> None:
        """Look at everything once, after a restart."""
        for resource in (registry.DEPLOYMENTS, registry.REPLICASETS, registry.CLAIMS):
            for item in self._api.objects.list(resource):
                self._mark(resource, item["metadata"]["namespace"], item["metadata"]["name"])

    def _changed(self, change: Change) -> None:
        meta = change.object["metadata"]
        namespace, name = meta.get("namespace", ""), meta["name"]
        if change.type == "DELETED":
            self._orphaned(change)
        if change.resource in (registry.DEPLOYMENTS, registry.REPLICASETS, registry.CLAIMS, registry.NAMESPACES):
            self._mark(change.resource, namespace, name)
        for owner in meta.get("ownerReferences") or ():
            resource = registry.by_kind(owner["apiVersion"], owner["kind"])
            if resource is not None and owner.get("controller"):
                self._mark(resource, namespace, owner["name"])

    def _mark(self, resource: Resource, namespace: str, name: str) -> None:
        self._dirty[resource, namespace, name] = None
        if self._timer is None:
            self._timer = self._api.clock.call_later(0, self._work)

    def _work(self) -> None:
        self._timer = None
        dirty, self._dirty = self._dirty, {}
        for resource, namespace, name in dirty:
            item = self._api.objects.get(resource, namespace, name)
            if item is None:
                continue
            if item["metadata"].get("deletionTimestamp"):
                self._finish(resource, item)
            elif resource is registry.DEPLOYMENTS:
                self._deployment(item)
            elif resource is registry.REPLICASETS:
                self._replicaset(item)
            elif resource is registry.CLAIMS:
                self._claim(item)

    # -- garbage ------------------------------------------------------------------------------------------------

    def _orphaned(self, change: Change) -> None:
        """Delete what only the deleted object owned; end a namespace whose last object is gone."""
        uid = change.object["metadata"]["uid"]
        self._deadlines.pop(uid, None)
        for resource, item in self._api.objects.owned_by(uid):
            meta = item["metadata"]
            if meta.get("deletionTimestamp") is None:
                self._api.delete(resource, meta.get("namespace", ""), meta["name"])
        namespace = change.object["metadata"].get("namespace")
        if namespace:
            self._mark(registry.NAMESPACES, "", namespace)

    def _finish(self, resource: Resource, item: Object) -> None:
        meta = item["metadata"]
        if resource is registry.NAMESPACES:
            self._end_namespace(meta["name"])
        elif "foregroundDeletion" in (meta.get("finalizers") or ()):
            children = self._api.objects.owned_by(meta["uid"])
            for child_resource, child in children:
                child_meta = child["metadata"]
                if child_meta.get("deletionTimestamp") is None:
                    self._api.delete(
                        child_resource, child_meta["namespace"], child_meta["name"], propagation="Foreground"
                    )
            if not self._api.objects.owned_by(meta["uid"]):
                self._api.remove_finalizer(resource, item, "foregroundDeletion")

    def _end_namespace(self, name: str) -> None:
        left = False
        for resource in registry.resources():
            if not resource.namespaced or resource in registry.REVIEWS:
                continue
            for item in self._api.objects.list(resource, name):
                left = True
                if item["metadata"].get("deletionTimestamp") is None:
                    self._api.delete(resource, name, item["metadata"]["name"])
        if not left:
            self._api.objects.remove(registry.NAMESPACES, "", name)

    # -- deployments --------------------------------------------------------------------------------------------

    def _children(self, resource: Resource, owner: Object) -> list[Object]:
        return [item for kind, item in self._api.objects.owned_by(owner["metadata"]["uid"]) if kind is resource]

    def _deployment(self, item: Object) -> None:
        sets = self._children(registry.REPLICASETS, item)
        wanted = template_hash(item["spec"]["template"])
        current = next((rs for rs in sets if _hash(rs) == wanted), None)
        if current is None and not item["spec"].get("paused"):
            current = self._new_replicaset(item, sets, wanted)
            sets = [*sets, current]
        elif current is not None:
            current = self._refresh_revision(item, current, sets)
        old = [rs for rs in sets if current is None or _uid(rs) != _uid(current)]
        if current is not None and not item["spec"].get("paused"):
            if item["spec"]["strategy"]["type"] == "Recreate":
                self._recreate(item, current, old)
            else:
                self._roll(item, current, old)
            self._trim(item, old)
        self._deployment_status(item)

    def _new_replicaset(self, item: Object, sets: list[Object], digest: str) -> Object:
        meta, spec = item["metadata"], item["spec"]
        template = copy.deepcopy(spec["template"])
        labels = template.setdefault("metadata", {}).setdefault("labels", {})
        labels[HASH] = digest
        revision = str(max((_revision(rs) for rs in sets), default=0) + 1)
        replicas = 0
        if spec["strategy"]["type"] != "Recreate" or not any(rs["spec"]["replicas"] for rs in sets):
            surge = _share((spec["strategy"].get("rollingUpdate") or {}).get("maxSurge", 0), spec["replicas"], up=True)
            total = sum(rs["spec"]["replicas"] for rs in sets)
            replicas = max(0, min(spec["replicas"], spec["replicas"] + surge - total)) if sets else spec["replicas"]
        made = self._api.create(
            registry.REPLICASETS,
            meta["namespace"],
            {
                "metadata": {
                    "name": f"{meta['name']}-{digest}",
                    "labels": dict(labels),
                    "annotations": {REVISION: revision},
                    "ownerReferences": [_owner(item, "apps/v1", "Deployment")],
                },
                "spec": {
                    "replicas": replicas,
                    "selector": {
                        **spec["selector"],
                        "matchLabels": {**(spec["selector"].get("matchLabels") or {}), HASH: digest},
                    },
                    "template": template,
                },
            },
        )
        self._annotate(item, revision)
        if replicas:
            self._scaled(item, made, 0, replicas)
        self._watch_progress(item)
        return made

    def _refresh_revision(self, item: Object, current: Object, sets: list[Object]) -> Object:
        """A template seen before (rollback) becomes the newest revision again."""
        newest = max(_revision(rs) for rs in sets)
        if _revision(current) < newest:
            changed = copy.deepcopy(current)
            changed["metadata"].setdefault("annotations", {})[REVISION] = str(newest + 1)
            meta = current["metadata"]
            current = self._api.update(registry.REPLICASETS, meta["namespace"], meta["name"], changed)
            self._annotate(item, str(newest + 1))
            self._watch_progress(item)
        return current

    def _annotate(self, item: Object, revision: str) -> None:
        meta = item["metadata"]
        live = self._api.objects.get(registry.DEPLOYMENTS, meta["namespace"], meta["name"])
        if live is not None and (live["metadata"].get("annotations") or {}).get(REVISION) != revision:
            changed = copy.deepcopy(live)
            changed["metadata"].setdefault("annotations", {})[REVISION] = revision
            # Through the status, as the real controller does: an update of annotations would be a new generation.
            self._api.update(registry.DEPLOYMENTS, meta["namespace"], meta["name"], changed, subresource="status")

    def _scaled(self, item: Object, rs: Object, before: int, after: int) -> None:
        way = "up" if after > before else "down"
        text = f"Scaled {way} replica set {rs['metadata']['name']} from {before} to {after}"
        self._record(item, "Normal", "ScalingReplicaSet", text, "deployment-controller")

    def _scale(self, item: Object, rs: Object, replicas: int) -> None:
        before = rs["spec"]["replicas"]
        if before == replicas:
            return
        meta = rs["metadata"]
        live = self._api.get(registry.REPLICASETS, meta["namespace"], meta["name"])
        changed = {**live, "metadata": dict(live["metadata"]), "spec": live["spec"] | {"replicas": replicas}}
        self._api.update(registry.REPLICASETS, meta["namespace"], meta["name"], changed)
        self._scaled(item, rs, before, replicas)

    def _recreate(self, item: Object, current: Object, old: list[Object]) -> None:
        for rs in old:
            self._scale(item, rs, 0)
        if not any(self._pods(rs) for rs in old):
            self._scale(item, current, item["spec"]["replicas"])

    def _roll(self, item: Object, current: Object, old: list[Object]) -> None:
        """Surge up to maxSurge, take down what maxUnavailable allows, unhealthy old pods first."""
        wanted, rolling = item["spec"]["replicas"], item["spec"]["strategy"].get("rollingUpdate") or {}
        surge = _share(rolling.get("maxSurge", "25%"), wanted, up=True)
        unavailable = _share(rolling.get("maxUnavailable", "25%"), wanted, up=False)
        if surge == 0 and unavailable == 0:
            unavailable = 1
        total = sum(rs["spec"]["replicas"] for rs in [current, *old])
        have = current["spec"]["replicas"]
        if have > wanted or not any(rs["spec"]["replicas"] for rs in old):
            self._scale(item, current, wanted)
            return
        if have < wanted and total < wanted + surge:
            self._scale(item, current, min(wanted, have + wanted + surge - total))
        ready = {_uid(rs): sum(is_ready(pod) for pod in self._pods(rs)) for rs in [current, *old]}
        fresh = self._api.get(registry.REPLICASETS, current["metadata"]["namespace"], current["metadata"]["name"])
        not_ready_new = max(0, fresh["spec"]["replicas"] - ready[_uid(current)])
        spare = sum(rs["spec"]["replicas"] for rs in [fresh, *old]) - (wanted - unavailable) - not_ready_new
        for rs in sorted(old, key=_revision):
            unhealthy = min(spare, max(0, rs["spec"]["replicas"] - ready[_uid(rs)]))
            healthy_spare = max(0, sum(ready.values()) - (wanted - unavailable))
            down = min(
                rs["spec"]["replicas"], unhealthy + min(healthy_spare, ready[_uid(rs)], max(0, spare - unhealthy))
            )
            if down > 0:
                self._scale(item, rs, rs["spec"]["replicas"] - down)
                spare -= down

    def _trim(self, item: Object, old: list[Object]) -> None:
        """Forget revisions over the history limit."""
        done = sorted((rs for rs in old if not rs["spec"]["replicas"] and not self._pods(rs)), key=_revision)
        for rs in done[: max(0, len(done) - item["spec"].get("revisionHistoryLimit", 10))]:
            self._api.delete(registry.REPLICASETS, rs["metadata"]["namespace"], rs["metadata"]["name"])

    def _pods(self, rs: Object) -> list[Object]:
        return [p for p in self._children(registry.PODS, rs) if p.get("status", {}).get("phase") not in ENDED]

    def _deployment_status(self, item: Object) -> None:
        meta = item["metadata"]
        item = self._api.get(registry.DEPLOYMENTS, meta["namespace"], meta["name"])
        digest = template_hash(item["spec"]["template"])
        living: list[tuple[bool, Object]] = []
        for rs in self._children(registry.REPLICASETS, item):
            living += [(_hash(rs) == digest, pod) for pod in self._pods(rs)]
        present = [(new, pod) for new, pod in living if not pod["metadata"].get("deletionTimestamp")]
        ready = sum(is_ready(pod) for _, pod in present)
        counts = {
            "replicas": len(present),
            "updatedReplicas": sum(new for new, _ in present),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": max(0, item["spec"]["replicas"] - ready),
            "terminatingReplicas": len(living) - len(present),
        }
        status: Object = {"observedGeneration": item["metadata"].get("generation", 1)}
        status |= {name: n for name, n in counts.items() if n or name == "terminatingReplicas"}
        status["conditions"] = self._conditions(item, counts)
        self._api.update_status(registry.DEPLOYMENTS, meta["namespace"], meta["name"], status)

    def _conditions(self, item: Object, counts: dict[str, int]) -> list[Object]:
        wanted, rolling = item["spec"]["replicas"], item["spec"]["strategy"].get("rollingUpdate") or {}
        unavailable = _share(rolling.get("maxUnavailable", 0), wanted, up=False) if rolling else wanted
        enough = counts["availableReplicas"] >= wanted - unavailable
        enough = enough and (wanted == 0 or counts["availableReplicas"] > 0 or bool(rolling))
        available = (
            ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
            if enough
            else ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        )
        name = f"{item['metadata']['name']}-{template_hash(item['spec']['template'])}"
        complete = counts["updatedReplicas"] == counts["availableReplicas"] == counts["replicas"] == wanted
        known = {c["type"]: c for c in item.get("status", {}).get("conditions") or ()}
        if complete:
            progress = ("True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.')
        elif self._overdue(item, known.get("Progressing")):
            progress = ("False", "ProgressDeadlineExceeded", f'ReplicaSet "{name}" has timed out progressing.')
        else:
            progress = ("True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')
        found = [self._condition(known, "Available", *available), self._condition(known, "Progressing", *progress)]
        failure = self._failure(item)
        return [*found, self._condition(known, "ReplicaFailure", "True", "FailedCreate", failure)] if failure else found

    def _failure(self, item: Object) -> str | None:
        for rs in self._children(registry.REPLICASETS, item):
            for condition in rs.get("status", {}).get("conditions") or ():
                if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
                    return str(condition["message"])
        return None

    def _condition(self, known: dict[str, Object], kind: str, status: str, reason: str, message: str) -> Object:
        old, stamp = known.get(kind), self._api.clock.stamp()
        if old is not None and (old["status"], old["reason"], old["message"]) == (status, reason, message):
            return old
        changed = stamp if old is None or old["status"] != status else old["lastTransitionTime"]
        return {
            "type": kind,
            "status": status,
            "lastUpdateTime": stamp,
            "lastTransitionTime": changed,
            "reason": reason,
            "message": message,
        }

    def _watch_progress(self, item: Object) -> None:
        """Look again when the progress deadline has passed."""
        meta = item["metadata"]
        seconds = item["spec"].get("progressDeadlineSeconds", 600) + 1
        old = self._deadlines.pop(meta["uid"], None)
        if old is not None:
            old.cancel()
        self._deadlines[meta["uid"]] = self._api.clock.call_later(
            seconds, lambda: self._mark(registry.DEPLOYMENTS, meta["namespace"], meta["name"])
        )

    def _overdue(self, item: Object, progressing: Object | None) -> bool:
        if progressing is None:
            return False
        if progressing["reason"] == "ProgressDeadlineExceeded":
            return bool(item.get("status", {}).get("observedGeneration") == item["metadata"].get("generation"))
        since = datetime.fromisoformat(progressing["lastUpdateTime"])
        deadline = timedelta(seconds=item["spec"].get("progressDeadlineSeconds", 600))
        return self._api.clock.now() - since > deadline

    # -- replica sets -------------------------------------------------------------------------------------------

    def _replicaset(self, item: Object) -> None:
        pods = self._pods(item)
        active = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
        wanted = item["spec"]["replicas"]
        failure = self._refused.get(item["metadata"]["uid"])
        for _ in range(0 if failure else wanted - len(active)):
            failure = self._new_pod(item)
            if failure:
                break
        for pod in sorted(active, key=_expendable)[: max(0, len(active) - wanted)]:
            meta = pod["metadata"]
            self._record(item, "Normal", "SuccessfulDelete", f"Deleted pod: {meta['name']}", "replicaset-controller")
            self._api.delete(registry.PODS, meta["namespace"], meta["name"])
        self._replicaset_status(item, failure)

    def _new_pod(self, item: Object) -> str | None:
        meta, template = item["metadata"], item["spec"]["template"]
        pod: Object = {
            "metadata": {
                "generateName": f"{meta['name']}-",
                "labels": dict(template["metadata"].get("labels") or {}),
                "ownerReferences": [_owner(item, "apps/v1", "ReplicaSet")],
            },
            "spec": copy.deepcopy(template["spec"]),
        }
        if template["metadata"].get("annotations"):
            pod["metadata"]["annotations"] = dict(template["metadata"]["annotations"])
        try:
            made = self._api.create(registry.PODS, meta["namespace"], pod)
        except ApiError as error:
            self._record(item, "Warning", "FailedCreate", f"Error creating: {error.message}", "replicaset-controller")
            self._retry(meta["uid"], meta["namespace"], meta["name"], error.message)
            return error.message
        text = f"Created pod: {made['metadata']['name']}"
        self._record(item, "Normal", "SuccessfulCreate", text, "replicaset-controller")
        return None

    def _retry(self, uid: str, namespace: str, name: str, message: str) -> None:
        """Try again in a while, and not before: writing the refusal into the status reconciles the ReplicaSet too."""

        def again() -> None:
            self._refused.pop(uid, None)
            self._mark(registry.REPLICASETS, namespace, name)

        self._refused[uid] = message
        self._api.clock.call_later(10, again)

    def _replicaset_status(self, item: Object, failure: str | None) -> None:
        meta = item["metadata"]
        active = [p for p in self._pods(item) if not p["metadata"].get("deletionTimestamp")]
        ready = sum(is_ready(pod) for pod in active)
        status: Object = {"replicas": len(active), "observedGeneration": meta.get("generation", 1)}
        if active:
            status["fullyLabeledReplicas"] = len(active)
        if ready:
            status |= {"readyReplicas": ready, "availableReplicas": ready}
        if failure:
            condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": failure}
            known = (item.get("status", {}).get("conditions") or [{}])[0]
            stamp = known.get("lastTransitionTime", self._api.clock.stamp())
            status["conditions"] = [condition | {"lastTransitionTime": stamp}]
        self._api.update_status(registry.REPLICASETS, meta["namespace"], meta["name"], status)

    # -- volumes ------------------------------------------------------------------------------------------------

    def _claim(self, item: Object) -> None:
        """Bind a claim whose class exists; say why when it does not."""
        meta, spec = item["metadata"], item["spec"]
        if item.get("status", {}).get("phase") == "Bound":
            return
        name = spec.get("storageClassName") or "standard"
        if self._api.objects.get(registry.STORAGE_CLASSES, "", name) is None:
            text = f'storageclass.storage.k8s.io "{name}" not found'
            self._record(item, "Warning", "ProvisioningFailed", text, "persistentvolume-controller")
            return
        volume = f"pvc-{meta['uid']}"
        bound = copy.deepcopy(item)
        bound["spec"] |= {"volumeName": volume, "storageClassName": name}
        self._api.update(registry.CLAIMS, meta["namespace"], meta["name"], bound)
        capacity = {"storage": (spec.get("resources", {}).get("requests") or {}).get("storage", "1Gi")}
        status = {"phase": "Bound", "accessModes": spec.get("accessModes", []), "capacity": capacity}
        self._api.update_status(registry.CLAIMS, meta["namespace"], meta["name"], status)


def _owner(item: Object, api_version: str, kind: str) -> Object:
    meta = item["metadata"]
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _uid(item: Object) -> str:
    return str(item["metadata"]["uid"])


def _hash(rs: Object) -> str:
    return str((rs["metadata"].get("labels") or {}).get(HASH, ""))


def _revision(rs: Object) -> int:
    return int((rs["metadata"].get("annotations") or {}).get(REVISION, "0"))


def template_hash(template: Object) -> str:
    """A short name for a pod template. The letters are those of the real controller, the function is not."""
    bare = copy.deepcopy(template)
    (bare.get("metadata", {}).get("labels") or {}).pop(HASH, None)
    digest = hashlib.sha256(json.dumps(bare, sort_keys=True).encode()).digest()
    return "".join(SUFFIX_ALPHABET[byte % len(SUFFIX_ALPHABET)] for byte in digest[:10])


def _share(value: Any, replicas: int, *, up: bool) -> int:  # noqa: ANN401
    """An int-or-percent of the replicas."""
    if isinstance(value, str) and value.endswith("%"):
        exact = replicas * int(value[:-1]) / 100
        return math.ceil(exact) if up else math.floor(exact)
    return int(value)


def _expendable(pod: Object) -> tuple[bool, bool, str]:
    """Which pod goes first: one without a node, then one not ready, then the youngest."""
    created = pod["metadata"].get("creationTimestamp", "")
    inverted = "".join(chr(0x10FFFF - ord(c)) for c in created)
    return bool(pod["spec"].get("nodeName")), is_ready(pod), inverted
