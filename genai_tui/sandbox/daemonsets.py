"""DaemonSets run a pod on every node they fit.

https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/
"""

from __future__ import annotations

from genai_tui.sandbox import registry
from genai_tui.sandbox.events import Recorder
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.scheduler import repels, selects
from genai_tui.sandbox.subresources import is_ready
from genai_tui.sandbox.verbs import Api
from genai_tui.sandbox.workloads import going, living_pods, pod_from

COMPONENT = "daemonset-controller"
_BORNE = ("not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
NODE_FIELD = "metadata.name"


class DaemonSets:
    """The controller."""

    def __init__(self, api: Api, record: Recorder) -> None:
        self._api, self._record = api, record

    def reconcile(self, item: Object) -> None:
        """One pod to each fitting node, none elsewhere; then say how many."""
        meta = item["metadata"]
        template = item["spec"]["template"]
        pods = {_node_of(pod): pod for pod in living_pods(self._api.objects, item) if not going(pod)}
        wanted = [
            node["metadata"]["name"]
            for node in self._api.objects.list(registry.NODES)
            if selects(template["spec"], node) and not repels(_tolerations(template["spec"]), node, evicting_only=False)
        ]
        for name in wanted:
            if name not in pods:
                made = self._api.create(registry.PODS, meta["namespace"], _pod(item, name))
                pods[name] = made
                text = f"Created pod: {made['metadata']['name']}"
                self._record(item, "Normal", "SuccessfulCreate", text, COMPONENT)
        for name, pod in list(pods.items()):
            if name not in wanted:
                self._api.delete(registry.PODS, meta["namespace"], pod["metadata"]["name"])
                text = f"Deleted pod: {pod['metadata']['name']}"
                self._record(item, "Normal", "SuccessfulDelete", text, COMPONENT)
                del pods[name]
        self._report(item, list(pods.values()), len(wanted))

    def _report(self, item: Object, pods: list[Object], wanted: int) -> None:
        meta = item["metadata"]
        ready = sum(is_ready(pod) for pod in pods)
        status = {
            "currentNumberScheduled": len(pods),
            "numberMisscheduled": 0,
            "desiredNumberScheduled": wanted,
            "numberReady": ready,
            "observedGeneration": meta.get("generation", 1),
            "updatedNumberScheduled": len(pods),
            "numberAvailable": ready,
        }
        if wanted - ready:
            status["numberUnavailable"] = wanted - ready
        self._api.update_status(registry.DAEMONSETS, meta["namespace"], meta["name"], status)


def _tolerations(spec: Object) -> list[Object]:
    """The template's own, and those every daemon has."""
    found: list[Object] = list(spec.get("tolerations") or ())
    for key in _BORNE:
        effect = "NoExecute" if key in ("not-ready", "unreachable") else "NoSchedule"
        found.append({"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": effect})
    return found


def _pod(item: Object, node: str) -> Object:
    pod = pod_from(item["spec"]["template"], item, "apps/v1", "DaemonSet")
    field = {"key": NODE_FIELD, "operator": "In", "values": [node]}
    required = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    pod["spec"] |= {"affinity": affinity, "tolerations": _tolerations(item["spec"]["template"]["spec"])}
    return pod


def _node_of(pod: Object) -> str:
    """The node a daemon's pod is made for, before and after it is bound."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field["key"] == NODE_FIELD:
                return str(field["values"][0])
    return str(pod["spec"].get("nodeName", ""))
