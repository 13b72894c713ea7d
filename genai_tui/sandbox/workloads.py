"""What the controllers of workloads share: pods made from templates, who is available, who owns whom."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from datetime import datetime, timedelta
from typing import Any

from genai_tui.sandbox import registry
from genai_tui.sandbox.objects import Object, Objects
from genai_tui.sandbox.registry import Resource
from genai_tui.sandbox.subresources import is_ready
from genai_tui.sandbox.verbs import ENDED, SUFFIX_ALPHABET

STATIC_LABEL = "sandbox.genai-tui.dev/static"
"""Marks objects that nothing simulates: they stay as they were put."""
HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"


def is_static(item: Object) -> bool:
    """Whether an object is only there to be looked at."""
    return STATIC_LABEL in (item["metadata"].get("labels") or {})


def owner_reference(item: Object, api_version: str, kind: str) -> Object:
    """The reference a controller puts on what it makes."""
    meta = item["metadata"]
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def children(objects: Objects, resource: Resource, owner: Object) -> list[Object]:
    """What an object owns of a kind."""
    return [item for kind, item in objects.owned_by(owner["metadata"]["uid"]) if kind is resource]


def living_pods(objects: Objects, owner: Object) -> list[Object]:
    """The pods an object owns that have not ended; those going away among them."""
    found = children(objects, registry.PODS, owner)
    return [pod for pod in found if pod.get("status", {}).get("phase") not in ENDED]


def going(pod: Object) -> bool:
    """Whether a pod is being deleted."""
    return pod["metadata"].get("deletionTimestamp") is not None


def available_at(pod: Object, min_ready_seconds: int) -> datetime | None:
    """When a ready pod counts as available; None for one that is not ready."""
    if not is_ready(pod):
        return None
    ready = next(c for c in pod["status"]["conditions"] if c["type"] == "Ready")
    return datetime.fromisoformat(ready["lastTransitionTime"]) + timedelta(seconds=min_ready_seconds)


def pod_from(template: Object, owner: Object, api_version: str, kind: str) -> Object:
    """A pod as a template describes it, owned by `owner`."""
    meta = template.get("metadata") or {}
    pod: Object = {
        "metadata": {
            "generateName": f"{owner['metadata']['name']}-",
            "labels": dict(meta.get("labels") or {}),
            "ownerReferences": [owner_reference(owner, api_version, kind)],
        },
        "spec": copy.deepcopy(template["spec"]),
    }
    if meta.get("annotations"):
        pod["metadata"]["annotations"] = dict(meta["annotations"])
    return pod


def template_hash(template: Object) -> str:
    """A short name for a pod template. The letters are those of the real controller, the function is not."""
    bare = copy.deepcopy(template)
    (bare.get("metadata", {}).get("labels") or {}).pop(HASH, None)
    digest = hashlib.sha256(json.dumps(bare, sort_keys=True).encode()).digest()
    return "".join(SUFFIX_ALPHABET[byte % len(SUFFIX_ALPHABET)] for byte in digest[:10])


def share(value: Any, replicas: int, *, up: bool) -> int:  # noqa: ANN401
    """An int-or-percent of the replicas."""
    if isinstance(value, str) and value.endswith("%"):
        exact = replicas * int(value[:-1]) / 100
        return math.ceil(exact) if up else math.floor(exact)
    return int(value)
