"""Deployments replace one ReplicaSet by another, and say how far that is.

Rolling update, recreation, revisions, progress deadline and conditions follow the real deployment controller:
https://kubernetes.io/docs/concepts/workloads/controllers/deployment/
"""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from genai_tui.sandbox import registry
from genai_tui.sandbox.deployment_status import status_of
from genai_tui.sandbox.events import Recorder
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.verbs import Api
from genai_tui.sandbox.workloads import (
    HASH,
    REVISION,
    children,
    is_static,
    living_pods,
    owner_reference,
    share,
    template_hash,
)

if TYPE_CHECKING:
    from genai_tui.sandbox.controllers import Queue

COMPONENT = "deployment-controller"
DESIRED, MAXIMUM = "deployment.kubernetes.io/desired-replicas", "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = frozenset({"kubectl.kubernetes.io/last-applied-configuration", REVISION, DESIRED, MAXIMUM})


class Deployments:
    """The controller."""

    def __init__(self, api: Api, record: Recorder, queue: Queue) -> None:
        self._api, self._record, self._queue = api, record, queue
        self._deadlines: set[tuple[str, str]] = set()

    def reconcile(self, item: Object) -> None:
        """Move towards the template and the number of replicas asked for, then say how far it is."""
        if is_static(item):
            return
        sets = children(self._api.objects, registry.REPLICASETS, item)
        current = next((rs for rs in sets if _hash(rs) == template_hash(item["spec"]["template"])), None)
        created = False
        if item["spec"].get("paused"):
            self._scale_paused(item, sets)
        else:
            if current is None:
                current, created = self._new_replicaset(item, sets), True
            else:
                current = self._annotate_set(item, current, sets)
            old = [rs for rs in sets if rs["metadata"]["uid"] != current["metadata"]["uid"]]
            if item["spec"]["strategy"]["type"] == "Recreate":
                self._recreate(item, current, old)
            else:
                self._roll(item, current, old)
            self._trim(item, old)
        self._report(item, created=created)

    # -- replica sets -------------------------------------------------------------------------------------------

    def _new_replicaset(self, item: Object, sets: list[Object]) -> Object:
        meta, spec = item["metadata"], item["spec"]
        digest = template_hash(spec["template"])
        template = copy.deepcopy(spec["template"])
        labels = template.setdefault("metadata", {}).setdefault("labels", {})
        labels[HASH] = digest
        revision = str(max((_revision(rs) for rs in sets), default=0) + 1)
        replicas = self._first_replicas(item, sets)
        made = self._api.create(
            registry.REPLICASETS,
            meta["namespace"],
            {
                "metadata": {
                    "name": f"{meta['name']}-{digest}",
                    "labels": dict(labels),
                    "annotations": self._annotations(item) | {REVISION: revision},
                    "ownerReferences": [owner_reference(item, "apps/v1", "Deployment")],
                },
                "spec": {
                    "replicas": replicas,
                    "minReadySeconds": spec.get("minReadySeconds", 0),
                    "selector": {
                        **spec["selector"],
                        "matchLabels": {**(spec["selector"].get("matchLabels") or {}), HASH: digest},
                    },
                    "template": template,
                },
            },
        )
        self._note_revision(item, revision)
        if replicas:
            self._say_scaled(item, made, 0, replicas)
        return made

    def _first_replicas(self, item: Object, sets: list[Object]) -> int:
        spec = item["spec"]
        total = sum(rs["spec"]["replicas"] for rs in sets)
        if not total:
            pods = any(living_pods(self._api.objects, rs) for rs in sets)
            return 0 if pods and spec["strategy"]["type"] == "Recreate" else int(spec["replicas"])
        if spec["strategy"]["type"] == "Recreate":
            return 0
        wanted = int(spec["replicas"])
        return max(0, min(wanted, wanted + _surge(item) - int(total)))

    def _annotations(self, item: Object) -> dict[str, str]:
        """What a ReplicaSet takes over from its Deployment, with the sizes `kubectl` scales by."""
        own = item["metadata"].get("annotations") or {}
        kept = {name: value for name, value in own.items() if name not in _NOT_COPIED}
        wanted = item["spec"]["replicas"]
        return kept | {DESIRED: str(wanted), MAXIMUM: str(wanted + _surge(item))}

    def _annotate_set(self, item: Object, current: Object, sets: list[Object]) -> Object:
        """A template seen before (rollback) becomes the newest revision again."""
        newest = max(_revision(rs) for rs in sets)
        revision = _revision(current) if _revision(current) == newest else newest + 1
        known = current["metadata"].get("annotations") or {}
        wanted = known | self._annotations(item) | {REVISION: str(revision)}
        if wanted != known:
            changed = copy.deepcopy(current)
            changed["metadata"]["annotations"] = wanted
            meta = current["metadata"]
            current = self._api.update(registry.REPLICASETS, meta["namespace"], meta["name"], changed)
        self._note_revision(item, str(revision))
        return current

    def _note_revision(self, item: Object, revision: str) -> None:
        meta = item["metadata"]
        live = self._api.objects.get(registry.DEPLOYMENTS, meta["namespace"], meta["name"])
        if live is not None and (live["metadata"].get("annotations") or {}).get(REVISION) != revision:
            changed = copy.deepcopy(live)
            changed["metadata"].setdefault("annotations", {})[REVISION] = revision
            # Through the status, as the real controller does: an update of annotations would be a new generation.
            self._api.update(registry.DEPLOYMENTS, meta["namespace"], meta["name"], changed, subresource="status")

    def _say_scaled(self, item: Object, rs: Object, before: int, after: int) -> None:
        way = "up" if after > before else "down"
        text = f"Scaled {way} replica set {rs['metadata']['name']} from {before} to {after}"
        self._record(item, "Normal", "ScalingReplicaSet", text, COMPONENT)

    def _scale(self, item: Object, rs: Object, replicas: int) -> bool:
        before = rs["spec"]["replicas"]
        if before == replicas:
            return False
        meta = rs["metadata"]
        live = self._api.get(registry.REPLICASETS, meta["namespace"], meta["name"])
        changed = {**live, "metadata": dict(live["metadata"]), "spec": live["spec"] | {"replicas": replicas}}
        self._api.update(registry.REPLICASETS, meta["namespace"], meta["name"], changed)
        self._say_scaled(item, rs, before, replicas)
        return True

    def _scale_paused(self, item: Object, sets: list[Object]) -> None:
        active = [rs for rs in sets if rs["spec"]["replicas"]] or sorted(sets, key=_revision)[-1:]
        if len(active) == 1:
            self._scale(item, active[0], item["spec"]["replicas"])

    # -- strategies ---------------------------------------------------------------------------------------------

    def _recreate(self, item: Object, current: Object, old: list[Object]) -> None:
        for rs in old:
            self._scale(item, rs, 0)
        if not any(living_pods(self._api.objects, rs) for rs in old):
            self._scale(item, current, item["spec"]["replicas"])

    def _roll(self, item: Object, current: Object, old: list[Object]) -> None:
        """First as many new ones as may be added; when none may, as many old ones away as can be spared."""
        wanted, have = item["spec"]["replicas"], current["spec"]["replicas"]
        total = have + sum(rs["spec"]["replicas"] for rs in old)
        if have > wanted:
            self._scale(item, current, wanted)
            return
        room = min(wanted - have, wanted + _surge(item) - total)
        if room > 0 and self._scale(item, current, have + room):
            return
        unavailable = share(_rolling(item).get("maxUnavailable", "25%"), wanted, up=False)
        if not _surge(item) and not unavailable:
            unavailable = 1
        minimum = wanted - unavailable
        spare = total - minimum - (have - _available(current))
        if spare <= 0:
            return
        left = {rs["metadata"]["uid"]: rs["spec"]["replicas"] for rs in old}
        oldest_first = sorted(old, key=_revision)
        for rs in oldest_first:
            sick = min(spare, rs["spec"]["replicas"] - min(rs["spec"]["replicas"], _available(rs)))
            left[rs["metadata"]["uid"]] -= sick
            spare -= sick
        healthy = min(spare, _available(current) + sum(_available(rs) for rs in old) - minimum)
        for rs in oldest_first:
            down = max(0, min(healthy, left[rs["metadata"]["uid"]]))
            left[rs["metadata"]["uid"]] -= down
            healthy -= down
        for rs in oldest_first:
            self._scale(item, rs, left[rs["metadata"]["uid"]])

    def _trim(self, item: Object, old: list[Object]) -> None:
        """Forget revisions over the history limit."""
        done = [rs for rs in old if not rs["spec"]["replicas"] and not living_pods(self._api.objects, rs)]
        for rs in sorted(done, key=_revision)[: max(0, len(done) - item["spec"].get("revisionHistoryLimit", 10))]:
            self._api.delete(registry.REPLICASETS, rs["metadata"]["namespace"], rs["metadata"]["name"])

    # -- status -------------------------------------------------------------------------------------------------

    def _report(self, item: Object, *, created: bool) -> None:
        meta = item["metadata"]
        item = self._api.get(registry.DEPLOYMENTS, meta["namespace"], meta["name"])
        sets = children(self._api.objects, registry.REPLICASETS, item)
        pods = {rs["metadata"]["uid"]: living_pods(self._api.objects, rs) for rs in sets}
        status = status_of(item, sets, pods, self._api.clock.now(), created=created)
        self._api.update_status(registry.DEPLOYMENTS, meta["namespace"], meta["name"], status)
        self._watch_deadline(item, status)

    def _watch_deadline(self, item: Object, status: Object) -> None:
        """Look again when the progress deadline has passed."""
        progress = next((c for c in status["conditions"] if c["type"] == "Progressing"), None)
        if progress is None or progress["reason"] in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded"):
            return
        deadline = timedelta(seconds=item["spec"].get("progressDeadlineSeconds", 600) + 1)
        when = datetime.fromisoformat(progress["lastUpdateTime"]) + deadline
        seconds = max(1.0, (when - self._api.clock.now()).total_seconds())
        meta = item["metadata"]
        key = (meta["uid"], progress["lastUpdateTime"])
        if key not in self._deadlines:
            self._deadlines = {k for k in self._deadlines if k[0] != meta["uid"]} | {key}
            self._queue.add(registry.DEPLOYMENTS, meta["namespace"], meta["name"], after=seconds)


def _rolling(item: Object) -> Object:
    found: Object = item["spec"]["strategy"].get("rollingUpdate") or {}
    return found


def _surge(item: Object) -> int:
    if item["spec"]["strategy"]["type"] == "Recreate":
        return 0
    return share(_rolling(item).get("maxSurge", "25%"), item["spec"]["replicas"], up=True)


def _available(rs: Object) -> int:
    return int(rs.get("status", {}).get("availableReplicas", 0))


def _hash(rs: Object) -> str:
    return str((rs["metadata"].get("labels") or {}).get(HASH, ""))


def _revision(rs: Object) -> int:
    return int((rs["metadata"].get("annotations") or {}).get(REVISION, "0"))
