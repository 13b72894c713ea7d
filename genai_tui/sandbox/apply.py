"""Server-side apply: merge what is applied, own its fields, drop what is no longer applied, refuse what others own.

https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

import copy
import json
from typing import Any

from genai_tui.sandbox.fields import BRANCHES, Path, decode, encode, key_of, paths_of, shown
from genai_tui.sandbox.kinds import schema_of
from genai_tui.sandbox.schema import ANY, Node
from genai_tui.sandbox.status import ApiError

Object = dict[str, Any]
Entry = dict[str, Any]


def apply(live: Object | None, config: Object, manager: str, *, force: bool, stamp: str, api_version: str) -> Object:
    """The object after the apply, with its managedFields.

    Raises:
        ApiError: 409, other managers own fields that would change.
    """
    wanted = paths_of(config, applied=True)
    base = copy.deepcopy(live) if live is not None else {}
    entries: list[Entry] = base.get("metadata", {}).get("managedFields") or []
    mine = next((e for e in entries if e["manager"] == manager and e["operation"] == "Apply"), None)
    others = [entry for entry in entries if entry is not mine]
    current = paths_of(base, applied=False) if live is not None else {}
    disputed = {path for path, value in wanted.items() if path in current and current[path] != value}
    conflicts = [(entry, sorted(decode(entry["fieldsV1"]) & disputed)) for entry in others]
    conflicts = [(entry, paths) for entry, paths in conflicts if paths]
    if conflicts and not force:
        raise _conflict(conflicts)
    if conflicts:
        others = [_without(entry, disputed) for entry in others]
        others = [entry for entry in others if entry["fieldsV1"]]
    result: Object = _merge(base, config, schema_of(config.get("kind", ""), config.get("apiVersion", "")))
    if mine is not None:
        owned_elsewhere = {path for entry in others for path in decode(entry["fieldsV1"])}
        # In order, so that the mark of a list item ends it while its keys can still be read.
        for path in sorted(decode(mine["fieldsV1"]) - set(wanted) - owned_elsewhere):
            _drop(result, path, owned_elsewhere | set(wanted))
    entry = {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": api_version,
        "time": stamp,
        "fieldsType": "FieldsV1",
        "fieldsV1": encode(wanted),
    }
    if mine is not None and mine["fieldsV1"] == entry["fieldsV1"]:
        entry["time"] = mine["time"]
    applies = [e for e in others if e["operation"] == "Apply"] + ([entry] if wanted else [])
    updates = [e for e in others if e["operation"] != "Apply"]
    result["metadata"]["managedFields"] = sorted(applies, key=lambda e: e["manager"]) + updates
    return result


def _without(entry: Entry, paths: set[Path]) -> Entry:
    return entry | {"fieldsV1": encode(decode(entry["fieldsV1"]) - paths)}


def _conflict(conflicts: list[tuple[Entry, list[Path]]]) -> ApiError:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {_who(entry)}", "field": shown(path)}
        for entry, paths in conflicts
        for path in paths
    ]
    if len(causes) == 1:
        text = f"{causes[0]['message']}: {causes[0]['field']}"
    else:
        text = "\n".join(
            f"conflicts with {_who(entry)}:\n" + "\n".join(f"- {shown(path)}" for path in paths)
            for entry, paths in conflicts
        )
    count = f"{len(causes)} conflict{'s' if len(causes) > 1 else ''}"
    return ApiError(409, "Conflict", f"Apply failed with {count}: {text}", {"causes": causes})


def _who(entry: Entry) -> str:
    text = json.dumps(entry["manager"])
    if entry["operation"] == "Update":
        text += f" using {entry['apiVersion']}"
        if entry.get("subresource"):
            text = (
                f'{json.dumps(entry["manager"])} with subresource "{entry["subresource"]}" using {entry["apiVersion"]}'
            )
    return text


def _merge(target: Any, config: Any, node: Node) -> Any:  # noqa: ANN401
    if isinstance(config, dict) and not node.atomic and node.type in BRANCHES:
        result = dict(target) if isinstance(target, dict) else {}
        for name, value in config.items():
            inner = node.fields.get(name) or (node.item if node.type == "map" else None) or ANY
            if value is not None:
                result[name] = _merge(result.get(name), value, inner)
        return result
    if isinstance(config, list) and node.keys and not node.atomic:
        result_list = list(target) if isinstance(target, list) else []
        index = {key_of(item, node.keys): i for i, item in enumerate(result_list)}
        for value in config:
            place = index.get(key_of(value, node.keys))
            if place is None:
                result_list.append(_merge({}, value, node.item or ANY))
            else:
                result_list[place] = _merge(result_list[place], value, node.item or ANY)
        return result_list
    if isinstance(config, list) and node.type == "set":
        known = list(target) if isinstance(target, list) else []
        return known + [value for value in config if value not in known]
    return copy.deepcopy(config)


def _drop(item: Any, path: Path, kept: set[Path]) -> None:  # noqa: ANN401
    """Take a disowned field out, and the containers it leaves empty."""
    place, trail = item, []
    for part in path:
        if part == ".":
            break
        trail.append((place, part))
        place = _child(place, part)
        if place is None:
            return
    prefix = path[:-1] if path[-1] == "." else path
    if any(other[: len(prefix)] == prefix for other in kept):
        return
    for parent, part in reversed(trail):
        _delete(parent, part)
        if parent or parent is item:
            return


def _child(place: Any, part: str) -> Any:  # noqa: ANN401
    if part.startswith("f:"):
        return place.get(part[2:]) if isinstance(place, dict) else None
    if isinstance(place, list):
        return next((item for item in place if _is(item, part)), None)
    return None


def _is(item: Any, part: str) -> bool:  # noqa: ANN401
    if part.startswith("v:"):
        return bool(item == json.loads(part[2:]))
    return isinstance(item, dict) and key_of(item, tuple(json.loads(part[2:]))) == part


def _delete(parent: Any, part: str) -> None:  # noqa: ANN401
    if part.startswith("f:"):
        parent.pop(part[2:], None)
    else:
        parent[:] = [item for item in parent if not _is(item, part)]
