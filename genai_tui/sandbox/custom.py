"""Kinds of CustomResourceDefinitions, served at their storage version with their structural schema.

Types, unknown fields, defaults and the value rules of the schema hold; rules in CEL (x-kubernetes-validations) are not
evaluated. https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

from genai_tui.sandbox import kinds, registry
from genai_tui.sandbox.registry import Resource
from genai_tui.sandbox.schema import ANY, BOOL, INT, INT_OR_STR, NUMBER, STR, Node

Json = dict[str, Any]
Cause = tuple[str, str, str]
_SCALARS = {"string": STR, "integer": INT, "number": NUMBER, "boolean": BOOL}
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "object": (dict,), "array": (list,)
}  # fmt: skip
_SCHEMAS: dict[tuple[str, str], Json] = {}


def serve(definition: Json) -> Resource | None:
    """Serve what a CustomResourceDefinition defines, from now on and in every world of this process."""
    spec = definition.get("spec") or {}
    version = _version(spec)
    names = spec.get("names") or {}
    if version is None or not names.get("kind") or not names.get("plural") or not spec.get("group"):
        return None
    subresources = tuple(name for name in ("status", "scale") if name in (version.get("subresources") or {}))
    resource = Resource(
        spec["group"],
        version["name"],
        names["plural"],
        names["kind"],
        names.get("singular") or names["kind"].lower(),
        spec.get("scope") != "Cluster",
        tuple(names.get("shortNames") or ()),
        subresources=tuple(name for name in subresources if name == "status"),
        categories=tuple(names.get("categories") or ()),
    )
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    withdraw(definition)
    registry.register(resource)
    identity = (resource.api_version, resource.kind)
    _SCHEMAS[identity] = schema
    root = _node(schema)
    known = {"apiVersion": STR, "kind": STR, "metadata": kinds.META}
    kinds.CUSTOM[identity] = Node(root.type if root.type == "openobj" else "obj", dict(root.fields) | known)
    return resource


def withdraw(definition: Json) -> Resource | None:
    """Serve it no longer; returns what was served."""
    spec = definition.get("spec") or {}
    group, plural = spec.get("group"), (spec.get("names") or {}).get("plural")
    found = next((r for r in registry.resources() if r.id == (group, plural)), None)
    if found is not None:
        registry.unregister(found)
        _SCHEMAS.pop((found.api_version, found.kind), None)
        kinds.CUSTOM.pop((found.api_version, found.kind), None)
    return found


def established(definition: Json, stamp: str) -> Json:
    """The status the API server gives a definition it serves."""
    spec = definition.get("spec") or {}
    version = _version(spec) or {}
    condition = {"status": "True", "lastTransitionTime": stamp}
    return {
        "acceptedNames": copy.deepcopy(spec.get("names") or {}),
        "storedVersions": [version.get("name", "")],
        "conditions": [
            condition | {"type": "NamesAccepted", "reason": "NoConflicts", "message": "no conflicts found"},
            condition
            | {
                "type": "Established",
                "reason": "InitialNamesAccepted",
                "message": "the initial names have been accepted",
            },
        ],
    }


def is_custom(item: Json) -> bool:
    """Whether a definition brought this kind."""
    return (item.get("apiVersion", ""), item.get("kind", "")) in _SCHEMAS


def fill_defaults(item: Json) -> None:
    """Fill what the schema gives a default for. Changes `item`."""
    schema = _SCHEMAS.get((item.get("apiVersion", ""), item.get("kind", "")))
    if schema is not None:
        _fill(item, schema)


def _fill(value: Any, schema: Json) -> None:  # noqa: ANN401
    if isinstance(value, dict):
        for name, child in (schema.get("properties") or {}).items():
            if name not in value and "default" in child:
                value[name] = copy.deepcopy(child["default"])
            if name in value:
                _fill(value[name], child)
        rest = schema.get("additionalProperties")
        if isinstance(rest, dict):
            for name in value:
                _fill(value[name], rest)
    elif isinstance(value, list):
        for child in value:
            _fill(child, schema.get("items") or {})


def value_problems(item: Json) -> Iterator[Cause]:
    """What the schema refuses in an object, as (reason, field, message)."""
    schema = _SCHEMAS.get((item.get("apiVersion", ""), item.get("kind", "")))
    if schema is not None:
        body = {name: value for name, value in item.items() if name not in ("apiVersion", "kind", "metadata")}
        root = {k: v for k, v in schema.items() if k != "required"}
        yield from _problems(body, root, "")
        for name in schema.get("required") or ():
            if name not in item:
                yield "FieldValueRequired", name, "Required value"


def _version(spec: Json) -> Json | None:
    versions: list[Json] = spec.get("versions") or []
    return next((v for v in versions if v.get("storage") and v.get("served", True)), None)


def _node(schema: Json) -> Node:
    open_ = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    if schema.get("x-kubernetes-int-or-string"):
        return INT_OR_STR
    kind = schema.get("type")
    if kind == "object":
        atomic = schema.get("x-kubernetes-map-type") == "atomic"
        rest = schema.get("additionalProperties")
        if isinstance(rest, dict):
            return Node("map", item=_node(rest), atomic=atomic)
        fields = {name: _node(child) for name, child in (schema.get("properties") or {}).items()}
        if open_ and not fields:
            return ANY
        return Node("openobj" if open_ else "obj", fields, atomic=atomic)
    if kind == "array":
        item = _node(schema.get("items") or {})
        form = schema.get("x-kubernetes-list-type")
        keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
        if form == "map" and keys:
            return Node("list", item=item, keys=keys, merge_key=keys[0])
        return Node("set", item=item) if form == "set" else Node("list", item=item, atomic=True)
    return _SCALARS.get(str(kind), ANY)


def _shown(value: Any) -> str:  # noqa: ANN401
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _of_type(value: Any, kind: str) -> bool:  # noqa: ANN401
    fits = isinstance(value, _TYPES.get(kind, (object,)))
    return fits and (kind == "boolean" or not isinstance(value, bool))


def _json_type(value: Any) -> str:  # noqa: ANN401
    return next((kind for kind in ("boolean", *_TYPES) if _of_type(value, kind)), "null")


def _problems(value: Any, schema: Json, where: str) -> Iterator[Cause]:  # noqa: ANN401
    kind = schema.get("type")
    if value is None:
        return
    if kind and not schema.get("x-kubernetes-int-or-string") and not _of_type(value, kind):
        found = _json_type(value)
        text = f'Invalid value: "{found}": {where} in body must be of type {kind}: "{found}"'
        yield "FieldValueTypeInvalid", where, text
        return
    yield from _scalar_problems(value, schema, where)
    if isinstance(value, list):
        yield from _list_problems(value, schema, where)
    if isinstance(value, dict):
        yield from _object_problems(value, schema, where)
    yield from _combined(value, schema, where)


def _scalar_problems(value: Any, schema: Json, where: str) -> Iterator[Cause]:  # noqa: ANN401
    allowed = schema.get("enum")
    if allowed is not None and value not in allowed:
        listed = ", ".join(_shown(each) for each in allowed)
        yield "FieldValueNotSupported", where, f"Unsupported value: {_shown(value)}: supported values: {listed}"
    if isinstance(value, str):
        pattern = schema.get("pattern")
        if pattern and not _matches(pattern, value):
            text = f"Invalid value: {_shown(value)}: {where} in body should match '{pattern}'"
            yield "FieldValueInvalid", where, text
        yield from _bounds(len(value), schema, where, ("minLength", "maxLength"), value, "chars long")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _bounds(value, schema, where, ("minimum", "maximum"), value, "")


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:
        # Written for another engine (RE2); what cannot be asked is not refused.
        return True


def _bounds(
    size: float,
    schema: Json,
    where: str,
    names: tuple[str, str],
    value: object,
    unit: str,
) -> Iterator[Cause]:
    low, high = (schema.get(name) for name in names)
    tail = f" {unit}" if unit else ""
    if low is not None and size < low:
        text = f"Invalid value: {_shown(value)}: {where} in body should be at least {low}{tail}"
        yield "FieldValueInvalid", where, text
    if high is not None and size > high:
        yield "FieldValueTooLong", where, f"Too long: may not be more than {high}{tail}"


def _list_problems(value: list[Any], schema: Json, where: str) -> Iterator[Cause]:
    most, least = schema.get("maxItems"), schema.get("minItems")
    if most is not None and len(value) > most:
        yield "FieldValueTooMany", where, f"Too many: {len(value)}: must have at most {most} items"
    if least is not None and len(value) < least:
        text = f"Invalid value: {len(value)}: {where} in body should have at least {least} items"
        yield "FieldValueInvalid", where, text
    for i, child in enumerate(value):
        yield from _problems(child, schema.get("items") or {}, f"{where}[{i}]")


def _object_problems(value: Json, schema: Json, where: str) -> Iterator[Cause]:
    for name in schema.get("required") or ():
        if name not in value:
            field = f"{where}.{name}" if where else name
            yield "FieldValueRequired", field, "Required value"
    properties = schema.get("properties") or {}
    rest = schema.get("additionalProperties")
    most = schema.get("maxProperties")
    if most is not None and len(value) > most:
        yield "FieldValueTooMany", where, f"Too many: {len(value)}: must have at most {most} items"
    for name, child in value.items():
        inner = properties.get(name) or (rest if isinstance(rest, dict) else None)
        if inner is not None:
            yield from _problems(child, inner, f"{where}.{name}" if where else name)


def _combined(value: Any, schema: Json, where: str) -> Iterator[Cause]:  # noqa: ANN401
    for part in schema.get("allOf") or ():
        yield from _problems(value, part, where)
    if schema.get("x-kubernetes-int-or-string"):
        return
    for name, most in (("anyOf", None), ("oneOf", 1)):
        parts = schema.get(name)
        if not parts:
            continue
        fitting = sum(not any(_problems(value, part, where)) for part in parts)
        if not fitting or (most is not None and fitting > most):
            rule = "at least one schema (anyOf)" if name == "anyOf" else "one and only one schema (oneOf)"
            yield "FieldValueInvalid", where, f"Invalid value: {_shown(value)}: {where} in body must validate {rule}"
    if "not" in schema and not any(_problems(value, schema["not"], where)):
        text = f"Invalid value: {_shown(value)}: {where} in body must not validate the schema (not)"
        yield "FieldValueInvalid", where, text
