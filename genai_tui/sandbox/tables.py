"""Lists as kubectl prints them (meta.k8s.io/v1 Table), and metadata alone (PartialObjectMetadata)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.printers import NAME_AGE, PRINTERS, name_age
from genai_tui.sandbox.registry import Resource

_NAME = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a "
    "client to request the generation of an appropriate name automatically. Name is primarily intended for creation "
    "idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
_AGE = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed "
    "to be set in happens-before order across separate operations. Clients may not set this value. It is represented "
    "in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)
_DESCRIPTIONS = {
    ("Deployment", "Ready"): "Number of the pod with ready state",
    ("Deployment", "Up-to-date"): "Total number of non-terminating pods targeted by this deployment that have the "
    "desired template spec.",
    ("Deployment", "Available"): "Total number of available non-terminating pods (ready for at least minReadySeconds) "
    "targeted by this deployment.",
    ("Deployment", "Selector"): "Label selector for pods. Existing ReplicaSets whose pods are selected by this will be "
    "the ones affected by this deployment. It must match the pod template's labels.",
    ("Pod", "Ready"): "The aggregate readiness state of this pod for accepting traffic.",
    ("Pod", "Status"): "The aggregate status of the containers in this pod.",
    ("Pod", "Restarts"): "The number of times the containers in this pod have been restarted and when the last "
    "container in this pod has restarted.",
}
_COMMON = {
    "Name": _NAME,
    "Age": _AGE,
    "Containers": "Names of each container in the template.",
    "Images": "Images referenced by each container in the template.",
}


def table(resource: Resource, items: Sequence[Object], now: datetime, version: str, include: str) -> Object:
    """A Table of the items; `include` is Metadata, Object or None."""
    columns, cells = PRINTERS.get(resource.kind, (NAME_AGE, name_age))
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": [
            {
                "name": name,
                "type": kind,
                "format": "name" if name == "Name" else "",
                "description": describe(resource.kind, name),
                "priority": priority,
            }
            for name, kind, priority in columns
        ],
        "rows": [_row(item, cells(item, now), include) for item in items],
    }


def describe(kind: str, column: str) -> str:
    """What a column says."""
    return _DESCRIPTIONS.get((kind, column)) or _COMMON.get(column) or f"{column} of the {kind}."


def _row(item: Object, cells: list[Any], include: str) -> Object:
    if include == "None":
        return {"cells": cells, "object": None}
    return {"cells": cells, "object": item if include == "Object" else partial(item)}


def partial(item: Object) -> Object:
    """The object's metadata as an object of its own."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}
