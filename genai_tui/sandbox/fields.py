"""Who set which field: sets of paths, and their fieldsV1 form in managedFields.

The form: https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management and
sigs.k8s.io/structured-merge-diff (`f:name`, `k:{keys}`, `v:value`, `.`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from genai_tui.sandbox.kinds import schema_of
from genai_tui.sandbox.schema import ANY, Node

Path = tuple[str, ...]
SELF = "."
# Maps of a type that is not known are owned field by field, as the real server's deduced types are.
BRANCHES = ("obj", "openobj", "map", "any")
_META_FIELDS = ("labels", "annotations", "ownerReferences", "finalizers", "generateName")
# Objects that are there, empty, before anything is set: they are owned by nobody.
_SKELETON: frozenset[Path] = frozenset(
    {
        ("f:metadata",), ("f:spec",), ("f:status",), ("f:spec", "f:strategy"), ("f:spec", "f:template"),
        ("f:spec", "f:template", "f:metadata"), ("f:spec", "f:template", "f:spec"), ("f:spec", "f:containers"),
        ("f:spec", "f:template", "f:spec", "f:containers"),
    }
)  # fmt: skip


def key_of(item: Any, keys: tuple[str, ...]) -> str:  # noqa: ANN401
    """The path element of a list item: its keys and their values."""
    defaults = {"protocol": "TCP"}
    found = {k: item.get(k, defaults.get(k)) for k in keys if isinstance(item, dict)}
    return "k:" + json.dumps({k: v for k, v in sorted(found.items()) if v is not None}, separators=(",", ":"))


def paths_of(item: dict[str, Any], *, applied: bool, status: bool = False) -> dict[Path, Any]:
    """The fields an object sets, with their values.

    `applied` leaves out the containers themselves, as an apply owns leaves and list items alone. With `status` only
    the status is looked at, else everything but it.
    """
    node = schema_of(item.get("kind", ""), item.get("apiVersion", ""))
    found: dict[Path, Any] = {}
    for name, value in item.items():
        if name in ("apiVersion", "kind") or (name == "status") != status or value is None:
            continue
        if name == "spec" and item.get("kind") == "Namespace":
            continue
        if name == "metadata":
            value = {k: v for k, v in value.items() if k in _META_FIELDS and not (applied and k == "generateName")}
            if not value:
                continue
        _walk(value, node.fields.get(name, ANY), (f"f:{name}",), found, applied=applied)
    return found


def _walk(value: Any, node: Node, path: Path, found: dict[Path, Any], *, applied: bool) -> None:  # noqa: ANN401
    if _is_branch(value, node):
        _walk_map(value, node, path, found, applied=applied)
    elif isinstance(value, list) and node.keys and not node.atomic:
        if not applied and path not in _SKELETON:
            found[*path, SELF] = None
        for child in value:
            _walk_item(child, node.item or ANY, (*path, key_of(child, node.keys)), found, applied=applied)
    elif isinstance(value, list) and node.type == "set":
        if not applied:
            found[*path, SELF] = None
        for child in value:
            found[*path, "v:" + json.dumps(child)] = None
    else:
        found[path] = value


def _walk_map(value: dict[str, Any], node: Node, path: Path, found: dict[Path, Any], *, applied: bool) -> None:
    if not value:
        found[path] = value
        return
    if not applied and path not in _SKELETON:
        found[*path, SELF] = None
    for name, child in value.items():
        if child is not None:
            inner = node.fields.get(name) or (node.item if node.type == "map" else None) or ANY
            _walk(child, inner, (*path, f"f:{name}"), found, applied=applied)


def _walk_item(value: Any, node: Node, path: Path, found: dict[Path, Any], *, applied: bool) -> None:  # noqa: ANN401
    if node.atomic:
        found[path] = value
        return
    found[*path, SELF] = None
    for name, child in value.items() if isinstance(value, dict) else ():
        if child is not None:
            _walk(child, node.fields.get(name, ANY), (*path, f"f:{name}"), found, applied=applied)


def _is_branch(value: Any, node: Node) -> bool:  # noqa: ANN401
    return isinstance(value, dict) and not node.atomic and node.type in BRANCHES


def encode(paths: Iterable[Path]) -> dict[str, Any]:
    """Paths as fieldsV1."""
    root: dict[str, Any] = {}
    for path in sorted(paths):
        place = root
        for part in path:
            place = place.setdefault(part, {})
    return root


def decode(fields: dict[str, Any], prefix: Path = ()) -> set[Path]:
    """fieldsV1 as paths: leaves and `.` marks."""
    found: set[Path] = set()
    for name, inner in fields.items():
        if name == SELF or not inner:
            found.add((*prefix, name))
        else:
            found |= decode(inner, (*prefix, name))
    return found


def shown(path: Path) -> str:
    """A path as conflicts name it: `.spec.template.spec.containers[name="c"].image`."""
    text = ""
    for part in path:
        if part.startswith("f:"):
            text += "." + part[2:]
        elif part.startswith("k:"):
            keys = json.loads(part[2:])
            text += "[" + ",".join(f"{k}={json.dumps(v)}" for k, v in keys.items()) + "]"
        elif part.startswith("v:"):
            text += f"[={part[2:]}]"
    return text


def record_update(
    item: dict[str, Any],
    previous: dict[str, Any] | None,
    manager: str,
    stamp: str,
    api_version: str,
    *,
    subresource: str = "",
) -> None:
    """Give the fields an update changed to its manager, and take them from the others. Changes `item`."""
    status = subresource == "status"
    before = paths_of(previous, applied=False, status=status) if previous is not None else {}
    after = paths_of(item, applied=False, status=status)
    if status or subresource:
        before |= paths_of(previous, applied=False) if previous is not None else {}
        after |= paths_of(item, applied=False)
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    gone = set(before) - set(after)
    entries: list[dict[str, Any]] = []
    mine: set[Path] = set()
    for entry in (item["metadata"].get("managedFields") or []) if previous is not None else []:
        owned = decode(entry.get("fieldsV1") or {})
        same = entry["manager"] == manager and entry["operation"] == "Update"
        if same and entry.get("subresource", "") == subresource:
            mine = owned
            continue
        left = owned - changed - gone if not same else owned - gone
        if left:
            entries.append(entry if left == owned else entry | {"fieldsV1": encode(left)})
    mine = (mine | changed) - gone
    if mine:
        entry = {
            "manager": manager,
            "operation": "Update",
            "apiVersion": api_version,
            "time": stamp,
            "fieldsType": "FieldsV1",
            "fieldsV1": encode(mine),
        }
        entries.append(entry | ({"subresource": subresource} if subresource else {}))
    if entries:
        item["metadata"]["managedFields"] = entries
    else:
        item["metadata"].pop("managedFields", None)
