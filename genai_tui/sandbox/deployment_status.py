"""What a Deployment reports: counts, and whether it is available and progressing.

As the real controller computes them (pkg/controller/deployment/sync.go and progress.go).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.subresources import is_ready
from genai_tui.sandbox.workloads import HASH, available_at, going, share, template_hash

CREATED, UPDATED, DONE, LATE = (
    "NewReplicaSetCreated",
    "ReplicaSetUpdated",
    "NewReplicaSetAvailable",
    "ProgressDeadlineExceeded",
)


def status_of(
    item: Object, sets: Sequence[Object], pods: Mapping[str, Sequence[Object]], now: datetime, *, created: bool
) -> Object:
    """apps/v1 DeploymentStatus; `pods` by the UID of their ReplicaSet, `created` when a new one was just made."""
    digest = template_hash(item["spec"]["template"])
    minimum = item["spec"].get("minReadySeconds", 0)
    living = [
        ((rs["metadata"].get("labels") or {}).get(HASH) == digest, pod)
        for rs in sets
        for pod in pods[rs["metadata"]["uid"]]
    ]
    present = [(is_new, pod) for is_new, pod in living if not going(pod)]
    moments = [available_at(pod, minimum) for _, pod in present]
    available = sum(moment is not None and moment <= now for moment in moments)
    counts = {
        "replicas": len(present),
        "updatedReplicas": sum(is_new for is_new, _ in present),
        "readyReplicas": sum(is_ready(pod) for _, pod in present),
        "availableReplicas": available,
        "unavailableReplicas": max(0, max(item["spec"]["replicas"], len(present)) - available),
        "terminatingReplicas": len(living) - len(present),
    }
    status: Object = {"observedGeneration": item["metadata"].get("generation", 1)}
    status |= {name: count for name, count in counts.items() if count or name == "terminatingReplicas"}
    name = f"{item['metadata']['name']}-{digest}"
    known = {c["type"]: c for c in item.get("status", {}).get("conditions") or ()}
    conditions = [_available(item, counts, known, now), _progressing(item, counts, known, now, name, created)]
    failure = _failure(sets)
    if failure:
        conditions.append(_condition(known, "ReplicaFailure", "True", "FailedCreate", failure, now))
    return status | {"conditions": conditions}


def _available(item: Object, counts: Mapping[str, int], known: Mapping[str, Object], now: datetime) -> Object:
    wanted, strategy = item["spec"]["replicas"], item["spec"]["strategy"]
    spare = 0
    if strategy["type"] != "Recreate":
        spare = share((strategy.get("rollingUpdate") or {}).get("maxUnavailable", "25%"), wanted, up=False)
    if counts["availableReplicas"] >= wanted - spare:
        text = "Deployment has minimum availability."
        return _condition(known, "Available", "True", "MinimumReplicasAvailable", text, now)
    text = "Deployment does not have minimum availability."
    return _condition(known, "Available", "False", "MinimumReplicasUnavailable", text, now)


def _progressing(
    item: Object, counts: Mapping[str, int], known: Mapping[str, Object], now: datetime, name: str, created: bool
) -> Object:
    """Done once and for all for a revision; else moving, or late since it last moved."""
    wanted, old = item["spec"]["replicas"], known.get("Progressing")
    if created:
        return _condition(known, "Progressing", "True", CREATED, f'Created new replica set "{name}"', now, moved=True)
    settled = old is not None and old["reason"] == DONE and old["message"].startswith(f'ReplicaSet "{name}"')
    if settled and old is not None and counts["replicas"] == counts["updatedReplicas"]:
        return old
    if counts["updatedReplicas"] == counts["availableReplicas"] == counts["replicas"] == wanted:
        text = f'ReplicaSet "{name}" has successfully progressed.'
        return _condition(
            known, "Progressing", "True", DONE, text, now, moved=old is not None and old["reason"] != DONE
        )
    if _has_moved(item.get("status", {}), counts):
        text = f'ReplicaSet "{name}" is progressing.'
        return _condition(known, "Progressing", "True", UPDATED, text, now, moved=True)
    if _is_late(item, old, now):
        return _condition(known, "Progressing", "False", LATE, f'ReplicaSet "{name}" has timed out progressing.', now)
    if old is not None:
        return old
    return _condition(known, "Progressing", "True", UPDATED, f'ReplicaSet "{name}" is progressing.', now)


def _has_moved(before: Object, counts: Mapping[str, int]) -> bool:
    updated, ready = before.get("updatedReplicas", 0), before.get("readyReplicas", 0)
    old = before.get("replicas", 0) - updated
    return bool(
        counts["updatedReplicas"] > updated
        or counts["replicas"] - counts["updatedReplicas"] < old
        or counts["readyReplicas"] > ready
        or counts["availableReplicas"] > before.get("availableReplicas", 0)
    )


def _is_late(item: Object, progressing: Object | None, now: datetime) -> bool:
    if progressing is None or progressing["reason"] == DONE:
        return False
    if progressing["reason"] == LATE:
        return True
    deadline = timedelta(seconds=item["spec"].get("progressDeadlineSeconds", 600))
    return now - datetime.fromisoformat(progressing["lastUpdateTime"]) > deadline


def _failure(sets: Sequence[Object]) -> str | None:
    for rs in sets:
        for condition in rs.get("status", {}).get("conditions") or ():
            if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
                return str(condition["message"])
    return None


def _condition(
    known: Mapping[str, Object],
    kind: str,
    status: str,
    reason: str,
    message: str,
    now: datetime,
    *,
    moved: bool = False,
) -> Object:
    old, stamp = known.get(kind), now.strftime("%Y-%m-%dT%H:%M:%SZ")
    if old is not None and not moved and (old["status"], old["reason"], old["message"]) == (status, reason, message):
        return old
    return {
        "type": kind,
        "status": status,
        "lastUpdateTime": stamp,
        "lastTransitionTime": stamp if old is None or old["status"] != status else old["lastTransitionTime"],
        "reason": reason,
        "message": message,
    }
