"""ReplicaSets keep so many pods.

https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from genai_tui.sandbox import registry
from genai_tui.sandbox.events import Recorder
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.status import ApiError
from genai_tui.sandbox.subresources import is_ready
from genai_tui.sandbox.verbs import Api
from genai_tui.sandbox.workloads import available_at, going, is_static, living_pods, pod_from

if TYPE_CHECKING:
    from genai_tui.sandbox.controllers import Queue

COMPONENT = "replicaset-controller"
RETRY_S = 10.0


class ReplicaSets:
    """The controller."""

    def __init__(self, api: Api, record: Recorder, queue: Queue) -> None:
        self._api, self._record, self._queue = api, record, queue
        self._refused: dict[str, str] = {}

    def reconcile(self, item: Object) -> None:
        """Make or delete pods, then say how many there are."""
        if is_static(item):
            return
        active = [pod for pod in living_pods(self._api.objects, item) if not going(pod)]
        wanted = item["spec"]["replicas"]
        failure = self._refused.get(item["metadata"]["uid"])
        for _ in range(0 if failure else wanted - len(active)):
            failure = self._create(item)
            if failure:
                break
        for pod in sorted(active, key=_expendable)[: max(0, len(active) - wanted)]:
            meta = pod["metadata"]
            self._record(item, "Normal", "SuccessfulDelete", f"Deleted pod: {meta['name']}", COMPONENT)
            self._api.delete(registry.PODS, meta["namespace"], meta["name"])
        self._report(item, failure)

    def _create(self, item: Object) -> str | None:
        meta = item["metadata"]
        try:
            pod = pod_from(item["spec"]["template"], item, "apps/v1", "ReplicaSet")
            made = self._api.create(registry.PODS, meta["namespace"], pod)
        except ApiError as error:
            self._record(item, "Warning", "FailedCreate", f"Error creating: {error.message}", COMPONENT)
            self._retry(meta["uid"], meta["namespace"], meta["name"], error.message)
            return error.message
        self._record(item, "Normal", "SuccessfulCreate", f"Created pod: {made['metadata']['name']}", COMPONENT)
        return None

    def _retry(self, uid: str, namespace: str, name: str, message: str) -> None:
        """Try again in a while, and not before: writing the refusal into the status reconciles the ReplicaSet too."""

        def again() -> None:
            self._refused.pop(uid, None)
            self._queue.add(registry.REPLICASETS, namespace, name)

        self._refused[uid] = message
        self._api.clock.call_later(RETRY_S, again)

    def _report(self, item: Object, failure: str | None) -> None:
        meta = item["metadata"]
        pods = living_pods(self._api.objects, item)
        active = [pod for pod in pods if not going(pod)]
        counts = {
            "fullyLabeledReplicas": len(active),
            "readyReplicas": sum(is_ready(pod) for pod in active),
            "availableReplicas": self._available(item, active),
        }
        status: Object = {"replicas": len(active), "observedGeneration": meta.get("generation", 1)}
        status |= {name: count for name, count in counts.items() if count}
        status["terminatingReplicas"] = len(pods) - len(active)
        if failure:
            known = (item.get("status", {}).get("conditions") or [{}])[0]
            stamp = known.get("lastTransitionTime", self._api.clock.stamp())
            condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": failure}
            status["conditions"] = [condition | {"lastTransitionTime": stamp}]
        self._api.update_status(registry.REPLICASETS, meta["namespace"], meta["name"], status)

    def _available(self, item: Object, pods: list[Object]) -> int:
        now, count = self._api.clock.now(), 0
        for pod in pods:
            when = available_at(pod, item["spec"].get("minReadySeconds", 0))
            if when is None:
                continue
            if when <= now:
                count += 1
            else:
                meta = item["metadata"]
                seconds = (when - now).total_seconds() + 0.1
                self._queue.add(registry.REPLICASETS, meta["namespace"], meta["name"], after=seconds)
        return count


def _expendable(pod: Object) -> tuple[bool, bool, str]:
    """Which pod goes first: one without a node, then one not ready, then the youngest."""
    created = pod["metadata"].get("creationTimestamp", "")
    inverted = "".join(chr(0x10FFFF - ord(c)) for c in created)
    return bool(pod["spec"].get("nodeName")), is_ready(pod), inverted
