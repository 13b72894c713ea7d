"""Heartbeats of nodes; nodes that stop to send them are marked, tainted, and emptied.

A node is taken down by the annotation `sandbox.genai-tui.dev/down: "true"`. Times are the real defaults:
https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller
"""

from __future__ import annotations

import copy

from genai_tui.sandbox import registry
from genai_tui.sandbox.clock import Timer
from genai_tui.sandbox.events import Recorder
from genai_tui.sandbox.kubelet import DOWN_ANNOTATION
from genai_tui.sandbox.nodes import healthy_conditions
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.scheduler import tolerates
from genai_tui.sandbox.verbs import Api
from genai_tui.sandbox.workloads import going, is_static

HEARTBEAT_S = 60.0
GRACE_S = 40.0
COMPONENT = "node-controller"
LEASES = "kube-node-lease"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_OURS = (UNREACHABLE, UNSCHEDULABLE)


class NodeLifecycle:
    """The controller, and the part of the kubelets that says they are there."""

    def __init__(self, api: Api, record: Recorder) -> None:
        self._api, self._record = api, record
        self._beats: dict[str, Timer] = {}
        self._missed: dict[str, Timer] = {}

    def watch(self, node: Object) -> None:
        """Take note of a changed node."""
        name = node["metadata"]["name"]
        if is_static(node) or self._api.objects.get(registry.NODES, "", name) is None:
            return
        self._taint(node)
        if _is_down(node):
            self._cancel(self._beats, name)
            if name not in self._missed and _ready(node) == "True":
                self._missed[name] = self._api.clock.call_later(GRACE_S, lambda: self._lose(name))
            return
        self._cancel(self._missed, name)
        if _ready(node) != "True":
            self._recover(name)
        if name not in self._beats:
            self._renew(node)
            self._beats[name] = self._api.clock.call_later(HEARTBEAT_S, lambda: self._beat(name))

    def _cancel(self, timers: dict[str, Timer], name: str) -> None:
        timer = timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _beat(self, name: str) -> None:
        self._beats.pop(name, None)
        node = self._api.objects.get(registry.NODES, "", name)
        if node is None or _is_down(node):
            return
        stamp = self._api.clock.stamp()
        conditions = [condition | {"lastHeartbeatTime": stamp} for condition in node["status"]["conditions"]]
        self._api.update_status(
            registry.NODES, "", name, node["status"] | {"conditions": conditions}, manager="kubelet"
        )

    def _renew(self, node: Object) -> None:
        """The node's lease: what the real node controller looks at."""
        if self._api.objects.get(registry.NAMESPACES, "", LEASES) is None:
            return
        meta = node["metadata"]
        moment = self._api.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": meta["name"], "leaseDurationSeconds": int(GRACE_S), "renewTime": moment}
        live = self._api.objects.get(registry.LEASES, LEASES, meta["name"])
        if live is not None:
            self._api.update(registry.LEASES, LEASES, meta["name"], {**live, "spec": spec}, manager="kubelet")
            return
        owner = {"apiVersion": "v1", "kind": "Node", "name": meta["name"], "uid": meta["uid"]}
        head = {"name": meta["name"], "ownerReferences": [owner]}
        self._api.create(registry.LEASES, LEASES, {"metadata": head, "spec": spec}, manager="kubelet")

    def _recover(self, name: str) -> None:
        node = self._api.objects.get(registry.NODES, "", name)
        if node is None:
            return
        stamp = self._api.clock.stamp()
        status = node["status"] | {"conditions": healthy_conditions(stamp, stamp)}
        self._api.update_status(registry.NODES, "", name, status, manager="kubelet")
        self._record(node, "Normal", "NodeReady", f"Node {name} status is now: NodeReady", "kubelet", host=name)

    def _lose(self, name: str) -> None:
        """No heartbeat for too long: the node's state is unknown, its pods are not ready."""
        self._missed.pop(name, None)
        node = self._api.objects.get(registry.NODES, "", name)
        if node is None or not _is_down(node):
            return
        stamp = self._api.clock.stamp()
        unknown = {"status": "Unknown", "reason": "NodeStatusUnknown", "lastTransitionTime": stamp}
        unknown["message"] = "Kubelet stopped posting node status."
        status = node["status"] | {"conditions": [condition | unknown for condition in node["status"]["conditions"]]}
        self._api.update_status(registry.NODES, "", name, status)
        self._record(node, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady", COMPONENT)
        for pod in self._pods(name):
            self._mark_not_ready(pod)
            seconds = _tolerated_for(pod)
            if seconds is not None:
                uid = pod["metadata"]["uid"]
                place = (pod["metadata"]["namespace"], pod["metadata"]["name"])
                self._api.clock.call_later(seconds, lambda place=place, uid=uid: self._evict(name, place, uid))  # type: ignore[misc]

    def _pods(self, node: str) -> list[Object]:
        return [pod for pod in self._api.objects.list(registry.PODS) if pod["spec"].get("nodeName") == node]

    def _mark_not_ready(self, pod: Object) -> None:
        changed = copy.deepcopy(pod.get("status", {}))
        for condition in changed.get("conditions") or ():
            if condition["type"] == "Ready" and condition["status"] == "True":
                condition |= {"status": "False", "lastTransitionTime": self._api.clock.stamp()}
        meta = pod["metadata"]
        self._api.update_status(registry.PODS, meta["namespace"], meta["name"], changed)
        self._record(pod, "Warning", "NodeNotReady", "Node is not ready", COMPONENT)

    def _evict(self, node: str, place: tuple[str, str], uid: str) -> None:
        """Taint-based eviction; the pod stays Terminating until its kubelet is back."""
        pod, item = self._api.objects.get(registry.PODS, *place), self._api.objects.get(registry.NODES, "", node)
        if pod is None or pod["metadata"]["uid"] != uid or going(pod) or item is None or _ready(item) == "True":
            return
        text = f"Marking for deletion Pod {place[0]}/{place[1]}"
        self._record(pod, "Normal", "TaintManagerEviction", text, "taint-eviction-controller")
        self._api.delete(registry.PODS, *place)

    def _taint(self, node: Object) -> None:
        """The taints that say what is the matter: unreachable, cordoned."""
        known = node["spec"].get("taints") or []
        kept = [taint for taint in known if taint["key"] not in _OURS]
        stamp = self._api.clock.stamp()
        wanted = list(kept)
        if _ready(node) == "Unknown":
            wanted += [
                {"key": UNREACHABLE, "effect": effect, "timeAdded": stamp} for effect in ("NoSchedule", "NoExecute")
            ]
        if node["spec"].get("unschedulable"):
            wanted.append({"key": UNSCHEDULABLE, "effect": "NoSchedule", "timeAdded": stamp})
        if [(t["key"], t["effect"]) for t in known] == [(t["key"], t["effect"]) for t in wanted]:
            return
        changed = copy.deepcopy(node)
        changed["spec"] = {name: value for name, value in changed["spec"].items() if name != "taints"}
        changed["spec"] |= {"taints": wanted} if wanted else {}
        self._api.update(registry.NODES, "", node["metadata"]["name"], changed)


def _is_down(node: Object) -> bool:
    return (node["metadata"].get("annotations") or {}).get(DOWN_ANNOTATION) == "true"


def _ready(node: Object) -> str:
    conditions = node.get("status", {}).get("conditions") or ()
    return next((str(c["status"]) for c in conditions if c["type"] == "Ready"), "Unknown")


def _tolerated_for(pod: Object) -> float | None:
    """Seconds the pod stays on an unreachable node; None for ever."""
    taint = {"key": UNREACHABLE, "effect": "NoExecute"}
    borne = [t for t in pod["spec"].get("tolerations") or () if tolerates(t, taint)]
    if not borne:
        return 0.0
    limits = [float(t["tolerationSeconds"]) for t in borne if t.get("tolerationSeconds") is not None]
    return min(limits) if limits else None
