"""The scheduler at work: pods that wait are placed, oldest first, whenever something changed that may help them."""

from __future__ import annotations

import copy

from genai_tui.sandbox import registry
from genai_tui.sandbox.clock import Timer
from genai_tui.sandbox.events import SCHEDULER, Recorder
from genai_tui.sandbox.objects import Change, Object
from genai_tui.sandbox.scheduler import schedule, state_of, take
from genai_tui.sandbox.verbs import ENDED, Api

DELAY_S = 0.3


class SchedulerLoop:
    """Watches pods, nodes and claims."""

    def __init__(self, api: Api, record: Recorder) -> None:
        self._api, self._record = api, record
        self._waiting: dict[str, tuple[str, str]] = {}
        self._timer: Timer | None = None
        api.objects.subscribe(self._changed)

    def adopt_all(self) -> None:
        """Look at everything once, after a restart."""
        for pod in self._api.objects.list(registry.PODS):
            self._note(pod)
        self._soon()

    def _changed(self, change: Change) -> None:
        if change.resource is registry.PODS:
            if change.type == "DELETED":
                self._waiting.pop(change.object["metadata"]["uid"], None)
                self._soon()
            elif (self._note(change.object) and change.type == "ADDED") or change.object.get("status", {}).get(
                "phase"
            ) in ENDED:
                self._soon()
        elif change.resource is registry.CLAIMS or (change.resource is registry.NODES and _matters(change)):
            self._soon()

    def _note(self, pod: Object) -> bool:
        """Whether the pod waits to be placed by this scheduler."""
        meta, spec = pod["metadata"], pod["spec"]
        waits = not spec.get("nodeName") and not meta.get("deletionTimestamp") and not spec.get("schedulingGates")
        waits = waits and spec.get("schedulerName", SCHEDULER) == SCHEDULER
        if waits:
            self._waiting[meta["uid"]] = (meta["namespace"], meta["name"])
        else:
            self._waiting.pop(meta["uid"], None)
        return bool(waits)

    def _soon(self) -> None:
        if self._waiting and self._timer is None:
            self._timer = self._api.clock.call_later(DELAY_S, self._run)

    def _run(self) -> None:
        self._timer = None
        found = [self._api.objects.get(registry.PODS, *place) for place in self._waiting.values()]
        waiting = [pod for pod in found if pod is not None]
        bound: dict[str, list[Object]] = {}
        for pod in self._api.objects.list(registry.PODS):
            if pod["spec"].get("nodeName") and pod.get("status", {}).get("phase") not in ENDED:
                bound.setdefault(pod["spec"]["nodeName"], []).append(pod)
        nodes = self._api.objects.list(registry.NODES)
        states = [state_of(node, bound.get(node["metadata"]["name"], ())) for node in nodes]
        for pod in sorted(waiting, key=_order):
            problem = self._claim_problem(pod, len(nodes))
            name, message = (None, problem) if problem else schedule(pod, states)
            if name is None:
                self._refuse(pod, message)
            else:
                self._bind(pod, name)
                take(next(state for state in states if state.name == name), pod)

    def _claim_problem(self, pod: Object, nodes: int) -> str:
        for volume in pod["spec"].get("volumes") or ():
            claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            if claim is None:
                continue
            found = self._api.objects.get(registry.CLAIMS, pod["metadata"]["namespace"], claim)
            if found is None:
                return f'0/{nodes} nodes are available: persistentvolumeclaim "{claim}" not found. not found.'
            if found.get("status", {}).get("phase") != "Bound":
                return f"0/{nodes} nodes are available: pod has unbound immediate PersistentVolumeClaims. not found."
        return ""

    def _bind(self, pod: Object, node: str) -> None:
        meta = pod["metadata"]
        changed = copy.deepcopy(pod)
        changed["spec"]["nodeName"] = node
        condition = {
            "type": "PodScheduled",
            **({"observedGeneration": meta["generation"]} if "generation" in meta else {}),
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": self._api.clock.stamp(),
        }
        changed["status"] = changed.get("status", {}) | {"conditions": [condition]}
        text = f"Successfully assigned {meta['namespace']}/{meta['name']} to {node}"
        self._record(pod, "Normal", "Scheduled", text, SCHEDULER)
        self._api.objects.put(registry.PODS, changed)

    def _refuse(self, pod: Object, message: str) -> None:
        meta, conditions = pod["metadata"], pod.get("status", {}).get("conditions") or ()
        known = next((c for c in conditions if c["type"] == "PodScheduled"), None)
        self._record(pod, "Warning", "FailedScheduling", message, SCHEDULER)
        condition = {
            "type": "PodScheduled",
            **({"observedGeneration": meta["generation"]} if "generation" in meta else {}),
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastProbeTime": None,
            "lastTransitionTime": (known or {}).get("lastTransitionTime", self._api.clock.stamp()),
        }
        status = pod.get("status", {}) | {"phase": "Pending", "conditions": [condition]}
        self._api.update_status(registry.PODS, meta["namespace"], meta["name"], status, manager="kube-scheduler")


def _matters(change: Change) -> bool:
    """Whether a node's change may let a pod in: not every heartbeat does."""
    before, now = change.previous, change.object
    if before is None or change.type != "MODIFIED":
        return True
    return bool(
        before["spec"] != now["spec"]
        or before["metadata"].get("labels") != now["metadata"].get("labels")
        or before["status"].get("allocatable") != now["status"].get("allocatable")
    )


def _order(pod: Object) -> tuple[int, str, str]:
    return -int(pod["spec"].get("priority") or 0), pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]
