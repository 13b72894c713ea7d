"""Events are stored once, as core/v1, and shown as events.k8s.io/v1 too.

The fields: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from genai_tui.sandbox.objects import Object

_NAMES = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_BACK = {new: old for old, new in _NAMES.items()}
VERSION = "events.k8s.io/v1"


def to_new(item: Object) -> Object:
    """A core event as events.k8s.io/v1 shows it."""
    return {_NAMES.get(name, name): VERSION if name == "apiVersion" else value for name, value in item.items()}


def to_core(item: Object) -> Object:
    """The other way round."""
    return {_BACK.get(name, name): "v1" if name == "apiVersion" else value for name, value in item.items()}


def list_to_new(body: bytes) -> bytes:
    """A whole EventList."""
    found = msgspec.json.decode(body)
    return msgspec.json.encode(found | {"apiVersion": VERSION, "items": [to_new(item) for item in found["items"]]})


async def lines_to_new(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The lines of a watch."""
    async for chunk in lines:
        for line in chunk.splitlines():
            event = msgspec.json.decode(line)
            if event["type"] != "ERROR":
                event["object"] = to_new(event["object"])
            yield msgspec.json.encode(event) + b"\n"
