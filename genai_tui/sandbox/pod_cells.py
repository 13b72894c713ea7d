"""A pod's row, and its STATUS as kubectl finds it (printPod of kubernetes/pkg/printers/internalversion)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.times import age


def pod_cells(item: Object, now: datetime) -> list[Any]:
    """Name, Ready, Status, Restarts, Age, then the wide ones."""
    spec, status = item.get("spec", {}), item.get("status", {})
    states = status.get("containerStatuses") or []
    restarts: Any = sum(s.get("restartCount", 0) for s in states)
    finished = [
        s["lastState"]["terminated"]["finishedAt"]
        for s in states
        if (s.get("lastState") or {}).get("terminated", {}).get("finishedAt")
    ]
    if restarts and finished:
        restarts = f"{restarts} ({age(max(finished), now)} ago)"
    gates = spec.get("readinessGates") or ()
    met = {c["type"] for c in status.get("conditions") or () if c["status"] == "True"}
    return [
        item["metadata"]["name"],
        f"{sum(bool(s.get('ready')) for s in states)}/{len(spec.get('containers') or ())}",
        pod_reason(item),
        str(restarts),
        age(item["metadata"].get("creationTimestamp"), now),
        status.get("podIP") or "<none>",
        spec.get("nodeName") or "<none>",
        status.get("nominatedNodeName") or "<none>",
        f"{sum(gate.get('conditionType') in met for gate in gates)}/{len(gates)}" if gates else "<none>",
    ]


def pod_reason(item: Object) -> str:
    """The STATUS column: the most telling reason."""
    status = item.get("status", {})
    reason = status.get("reason") or status.get("phase") or "Unknown"
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            reason = "SchedulingGated"
    reason = _initializing(item) or _running(status, str(reason))
    if item["metadata"].get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            return "Unknown"
        return reason if status.get("phase") in ("Succeeded", "Failed") else "Terminating"
    return reason


def _initializing(item: Object) -> str | None:
    states = item.get("status", {}).get("initContainerStatuses") or ()
    total = len(item.get("spec", {}).get("initContainers") or ())
    for i, entry in enumerate(states):
        state = entry.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting") or {}
        if (ended and ended.get("exitCode") == 0) or (entry.get("started") and not ended):
            continue
        if ended:
            return f"Init:{_ending(ended)}"
        if waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{i}/{total}"
    return None


def _running(status: Object, reason: str) -> str:
    some_run = False
    for entry in reversed(status.get("containerStatuses") or ()):
        state = entry.get("state") or {}
        if (state.get("waiting") or {}).get("reason"):
            reason = state["waiting"]["reason"]
        elif state.get("terminated"):
            reason = _ending(state["terminated"])
        elif entry.get("ready") and "running" in state:
            some_run = True
    if reason == "Completed" and some_run:
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
        return "Running" if ready else "NotReady"
    return reason


def _ending(terminated: Object) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    return f"Signal:{terminated['signal']}" if terminated.get("signal") else f"ExitCode:{terminated.get('exitCode')}"
