"""Events as kubelet, scheduler and controllers write them: repeated ones are counted, not written again."""

from __future__ import annotations

import copy

from genai_tui.sandbox import registry
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.verbs import Api

KEPT_PER_NAMESPACE = 2_000


class Recorder:
    """Writes core/v1 Events."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[tuple[str, str, str], tuple[str, str]] = {}

    def __call__(self, item: Object, kind: str, reason: str, message: str, component: str) -> None:
        """Record that something happened to `item`; `kind` is Normal or Warning."""
        meta = item["metadata"]
        namespace = meta.get("namespace") or "default"
        if self._api.objects.get(registry.NAMESPACES, "", namespace) is None:
            return
        key = (meta["uid"], reason, message)
        known = self._known.get(key)
        live = self._api.objects.get(registry.EVENTS, *known) if known else None
        stamp = self._api.clock.stamp()
        if live is not None:
            again = copy.deepcopy(live)
            again["count"] = again.get("count", 1) + 1
            again["lastTimestamp"] = stamp
            self._api.objects.put(registry.EVENTS, again)
            return
        name = f"{meta['name']}.{self._api.random.getrandbits(60):015x}"
        self._known[key] = (namespace, name)
        self._api.objects.put(
            registry.EVENTS,
            {
                "kind": "Event",
                "apiVersion": "v1",
                "metadata": {"name": name, "namespace": namespace, "creationTimestamp": stamp},
                "involvedObject": {
                    "kind": item["kind"],
                    "namespace": meta.get("namespace", ""),
                    "name": meta["name"],
                    "uid": meta["uid"],
                    "apiVersion": item["apiVersion"],
                    "resourceVersion": meta.get("resourceVersion", ""),
                },
                "reason": reason,
                "message": message,
                "source": {"component": component},
                "firstTimestamp": stamp,
                "lastTimestamp": stamp,
                "count": 1,
                "type": kind,
                "eventTime": None,
                "reportingComponent": component,
                "reportingInstance": "",
            },
        )
