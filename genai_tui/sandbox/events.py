"""Events as kubelet, scheduler and controllers write them: repeated ones are counted, not written again.

Most components write core/v1 events with a count; the scheduler writes the new form with `eventTime` and a series.
Like the real API server's, they are forgotten after an hour.
"""

from __future__ import annotations

import copy
from collections import deque
from datetime import datetime, timedelta

from genai_tui.sandbox import registry
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.verbs import Api

KEPT = timedelta(hours=1)
SCHEDULER = "default-scheduler"
_ACTIONS = {"Scheduled": "Binding", "FailedScheduling": "Scheduling"}


class Recorder:
    """Writes Events."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[tuple[str, str, str, str], tuple[str, str]] = {}
        self._written: deque[tuple[datetime, tuple[str, str, str, str]]] = deque()

    def __call__(
        self, item: Object, kind: str, reason: str, message: str, component: str, *, path: str = "", host: str = ""
    ) -> None:
        """Record that something happened to `item`; `kind` is Normal or Warning, `path` the field concerned."""
        meta = item["metadata"]
        namespace = meta.get("namespace") or "default"
        home = self._api.objects.get(registry.NAMESPACES, "", namespace)
        if home is None or home["metadata"].get("deletionTimestamp"):
            return
        self._forget()
        key = (meta["uid"], reason, path, message)
        known = self._known.get(key)
        live = self._api.objects.get(registry.EVENTS, *known) if known else None
        now = self._api.clock.now()
        if live is not None:
            self._api.objects.put(registry.EVENTS, _again(live, self._api.clock.stamp(), _precise(now)))
            return
        name = f"{meta['name']}.{self._api.random.getrandbits(60):015x}"
        self._known[key] = (namespace, name)
        self._written.append((now, key))
        event: Object = {
            "kind": "Event",
            "apiVersion": "v1",
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": self._api.clock.stamp()},
            "involvedObject": _reference(item, path),
            "reason": reason,
            "message": message,
            "type": kind,
            "reportingComponent": component,
        }
        if component == SCHEDULER:
            event |= _new_form(reason, component, _precise(now))
        else:
            event |= _old_form(component, host, self._api.clock.stamp())
        self._api.objects.put(registry.EVENTS, event)

    def _forget(self) -> None:
        oldest = self._api.clock.now() - KEPT
        while self._written and self._written[0][0] < oldest:
            _, key = self._written.popleft()
            known = self._known.get(key)
            live = self._api.objects.get(registry.EVENTS, *known) if known else None
            if live is None or known is None:
                self._known.pop(key, None)
                continue
            seen = last_seen(live)
            if seen >= oldest:
                self._written.append((seen, key))
            else:
                del self._known[key]
                self._api.objects.remove(registry.EVENTS, *known)


def last_seen(event: Object) -> datetime:
    """When it happened last."""
    series = event.get("series") or {}
    text = series.get("lastObservedTime") or event.get("lastTimestamp") or event["metadata"]["creationTimestamp"]
    return datetime.fromisoformat(text)


def _precise(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _reference(item: Object, path: str) -> Object:
    meta = item["metadata"]
    found = {
        "kind": item["kind"],
        "namespace": meta.get("namespace", ""),
        "name": meta["name"],
        "uid": meta["uid"],
        "apiVersion": item["apiVersion"],
        "resourceVersion": meta.get("resourceVersion", ""),
    }
    return found | ({"fieldPath": path} if path else {})


def _old_form(component: str, host: str, stamp: str) -> Object:
    return {
        "source": {"component": component} | ({"host": host} if host else {}),
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
        "eventTime": None,
        "reportingInstance": host,
    }


def _new_form(reason: str, component: str, now: str) -> Object:
    return {
        "source": {},
        "firstTimestamp": None,
        "lastTimestamp": None,
        "eventTime": now,
        "action": _ACTIONS.get(reason, reason),
        "reportingInstance": f"{component}-sandbox",
    }


def _again(live: Object, stamp: str, now: str) -> Object:
    again = copy.deepcopy(live)
    if again.get("eventTime"):
        count = (again.get("series") or {}).get("count", 1)
        again["series"] = {"count": count + 1, "lastObservedTime": now}
    else:
        again["count"] = again.get("count", 1) + 1
        again["lastTimestamp"] = stamp
    return again
