"""Types of objects: what strict decoding, merging by key, managed fields and OpenAPI need to know of a field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Node:
    """A type: `obj` with fields, `map` or `list` of items, or a scalar.

    `keys` makes a list associative (server-side apply); `merge_key` is the strategic merge patch's key; `atomic`
    objects, maps and lists are owned and replaced as one.
    """

    type: str
    fields: Mapping[str, Node] = field(default_factory=dict)
    item: Node | None = None
    keys: tuple[str, ...] = ()
    merge_key: str = ""
    atomic: bool = False


STR, INT, BOOL, ANY, QUANTITY, INT_OR_STR = (Node(t) for t in ("str", "int", "bool", "any", "quantity", "intorstr"))
NUMBER = Node("number")


def obj(**fields: Node) -> Node:
    """An object; a trailing underscore keeps a Python keyword apart."""
    return Node("obj", {name.rstrip("_"): node for name, node in fields.items()})


def one(**fields: Node) -> Node:
    """An atomic object."""
    return Node("obj", {name.rstrip("_"): node for name, node in fields.items()}, atomic=True)


def map_of(item: Node, *, atomic: bool = False) -> Node:
    """A map from text."""
    return Node("map", item=item, atomic=atomic)


def list_of(item: Node) -> Node:
    """An atomic list."""
    return Node("list", item=item, atomic=True)


def by(item: Node, *keys: str, merge: str = "") -> Node:
    """An associative list."""
    return Node("list", item=item, keys=keys, merge_key=merge or keys[0])


SET = Node("set", item=STR)
STRINGS = list_of(STR)
LABELS = map_of(STR)


@dataclass(frozen=True, slots=True)
class Wrong:
    """A value that does not fit: where, what was found and what was expected; `unknown` for an unknown field."""

    path: str
    found: str
    expected: str
    unknown: bool = False


def prune(value: Any, node: Node) -> None:  # noqa: ANN401
    """Take unknown fields out. Changes `value`."""
    if isinstance(value, dict) and node.type in ("obj", "openobj", "map"):
        for name in list(value):
            inner = node.fields.get(name) or (node.item if node.type == "map" else None)
            if inner is not None:
                prune(value[name], inner)
            elif node.type == "obj":
                del value[name]
    elif isinstance(value, list):
        for child in value:
            prune(child, node.item or ANY)


_JSON = {"str": "string", "int": "number", "bool": "bool", "dict": "object", "list": "array", "float": "number"}
_GO = {"str": "string", "int": "int32", "bool": "bool", "number": "float64"}


def check(value: Any, node: Node, path: str = "") -> Iterator[Wrong]:  # noqa: ANN401
    """Everything in `value` that does not fit the type. A null always fits."""
    if value is None or node.type == "any":
        return
    expected, go_type = _CONTAINERS.get(node.type, (None, ""))
    if expected is None:
        if not _scalar_fits(value, node.type):
            yield Wrong(path, _json(value), _GO.get(node.type, node.type))
    elif not isinstance(value, expected):
        yield Wrong(path, _json(value), go_type)
    elif isinstance(value, list):
        for i, child in enumerate(value):
            yield from check(child, node.item or ANY, f"{path}[{i}]")
    elif isinstance(value, dict):
        for name, child in value.items():
            where = f"{path}.{name}" if path else name
            inner = node.fields.get(name) or (node.item if node.type == "map" else None)
            if inner is not None:
                yield from check(child, inner, where)
            elif node.type == "obj":
                yield Wrong(where, "", "", unknown=True)


_CONTAINERS: dict[str, tuple[type, str]] = {
    "obj": (dict, "object"),
    "openobj": (dict, "object"),
    "map": (dict, "map"),
    "list": (list, "list"),
    "set": (list, "list"),
}


def _json(value: object) -> str:
    return _JSON.get(type(value).__name__, type(value).__name__)


def _scalar_fits(value: object, kind_name: str) -> bool:
    if kind_name == "str":
        return isinstance(value, str)
    if kind_name == "bool":
        return isinstance(value, bool)
    if kind_name == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str | int | float) and not isinstance(value, bool)
