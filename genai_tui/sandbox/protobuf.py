"""Requests in protobuf, which kubectl's typed commands (`create deployment`, `auth can-i`) send, as JSON.

Envelope: https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding. Field numbers of
`protobuf_fields.txt`: the generated.proto files of k8s.io/api. Answers are JSON, which every client accepts.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from genai_tui.sandbox.status import ApiError, bad_request

Json = dict[str, Any]
MAGIC = b"k8s\x00"
MEDIA = "application/vnd.kubernetes.protobuf"
_TABLE = Path(__file__).with_name("protobuf_fields.txt")
# Fields whose messages have no name of their own in JSON.
_INLINE = frozenset({"localObjectReference", "volumeSource", "handler"})
# Pointers in the Go types: a zero was written by the client. Every other zero stands for "not set".
_ZERO_COUNTS = frozenset(
    "replicas revisionHistoryLimit completions parallelism backoffLimit terminationGracePeriodSeconds runAsUser "
    "runAsGroup fsGroup tolerationSeconds ttlSecondsAfterFinished gracePeriodSeconds automountServiceAccountToken "
    "enableServiceLinks immutable optional suspend allowPrivilegeEscalation".split()
)
_EMPTY_MEANS_ABSENT = frozenset({"strategy", "resources", "spec", "creationTimestamp", "status"})


@cache
def _messages() -> dict[str, dict[int, tuple[str, str]]]:
    """Field number -> (name, type) for each message."""
    found = {}
    for line in _TABLE.read_text(encoding="utf-8").splitlines():
        name, _, fields = line.partition(": ")
        parts = [field.split(" ") for field in fields.split("; ") if field]
        found[name] = {int(number): (field, kind) for number, field, kind in parts}
    return found


def decode(data: bytes) -> Json:
    """The object in a protobuf body.

    Raises:
        ApiError: 400 for bytes that are no envelope, 415 for kinds and fields that are not in the table.
    """
    if not data.startswith(MAGIC):
        raise bad_request("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    try:
        envelope = dict(_fields(data[len(MAGIC) :]))
        about = {number: value.decode() for number, value in _fields(envelope[1])}
        kind = about[2]
        if kind not in _messages():
            raise ApiError(415, "UnsupportedMediaType", f"{kind} is not read in protobuf here: send it as JSON")
        return {"apiVersion": about[1], "kind": kind} | _message(envelope.get(2, b""), kind, kind)
    except (IndexError, KeyError, ValueError, UnicodeDecodeError, AttributeError, TypeError) as error:
        raise bad_request("couldn't read the protobuf message") from error


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Field number and value: an int for varints, bytes for the rest."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        else:
            size = {1: 8, 5: 4}[wire]
        if at + size > len(data):
            raise ValueError("cut short")
        yield key >> 3, data[at : at + size]
        at += size


def _message(data: bytes, name: str, path: str) -> Json:
    known = _messages()[name]
    found: Json = {}
    for number, raw in _fields(data):
        if number not in known:
            # A status a client sends along is not looked at, as with JSON.
            if raw and path != name:
                raise ApiError(415, "UnsupportedMediaType", f"field {number} of {path} is not read here: send JSON")
            continue
        field, kind = known[number]
        if kind.startswith("{"):
            key, value = _entry(raw, kind[1:-1])
            found.setdefault(field, {})[key] = value
        elif kind.endswith("*"):
            found.setdefault(field, []).append(_value(raw, kind[:-1], f"{path}.{field}"))
        else:
            value = _value(raw, kind, f"{path}.{field}")
            if field in _INLINE:
                found |= value
            elif not _absent(field, value):
                found[field] = value
    return found


def _absent(field: str, value: Any) -> bool:  # noqa: ANN401
    if isinstance(value, dict):
        return not value and field in _EMPTY_MEANS_ABSENT
    return value is None or (not value and field not in _ZERO_COUNTS)


def _entry(raw: bytes, kind: str) -> tuple[str, Any]:
    parts = dict(_fields(raw))
    empty: int | bytes = 0 if kind in ("i", "b") else b""
    return parts.get(1, b"").decode(), _value(parts.get(2, empty), kind, "")


def _value(raw: Any, kind: str, path: str) -> Any:  # noqa: ANN401
    match kind:
        case "s":
            return raw.decode()
        case "y":
            return base64.b64encode(raw).decode()
        case "i":
            return raw - (1 << 64) if raw >= 1 << 63 else raw
        case "b":
            return bool(raw)
        case "Time":
            return None
        case "Quantity":
            return dict(_fields(raw)).get(1, b"0").decode()
        case "IntOrString":
            parts = dict(_fields(raw))
            return parts.get(3, b"").decode() if parts.get(1) else parts.get(2, 0)
    return _message(raw, kind, path)
