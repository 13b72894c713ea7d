"""The three patches that are not apply: merge (RFC 7396), JSON (RFC 6902), strategic merge.

Strategic: https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
"""

from __future__ import annotations

import copy
from typing import Any

from genai_tui.sandbox.schema import ANY, Node
from genai_tui.sandbox.status import ApiError, bad_request

Json = Any


def merge(target: Json, patch: Json) -> Json:
    """RFC 7396: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def json_patch(target: Json, operations: Json) -> Json:
    """RFC 6902.

    Raises:
        ApiError: 400 for a malformed patch, 422 for one that cannot be applied.
    """
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    document = copy.deepcopy(target)
    for operation in operations:
        if not isinstance(operation, dict) or "op" not in operation or "path" not in operation:
            raise bad_request("error decoding patch: an operation needs op and path")
        document = _operate(document, operation)
    return document


def _operate(document: Json, operation: dict[str, Json]) -> Json:
    op, path = operation["op"], _pointer(operation["path"])
    if op in ("add", "replace"):
        return _set(document, path, copy.deepcopy(operation.get("value")), insert=op == "add")
    if op == "remove":
        return _remove(document, path)
    if op == "test":
        if _get(document, path) != operation.get("value"):
            raise _unprocessable(f"testing value {operation['path']} failed")
        return document
    if op in ("move", "copy"):
        source = _pointer(str(operation.get("from", "")))
        value = copy.deepcopy(_get(document, source))
        if op == "move":
            document = _remove(document, source)
        return _set(document, path, value, insert=True)
    raise _unprocessable(f"unexpected kind: {op}")


def _unprocessable(message: str) -> ApiError:
    return ApiError(422, "Invalid", f"the server rejected our request due to an error in our request: {message}")


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise _unprocessable(f"the path {text} is not a JSON pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _get(document: Json, path: list[str]) -> Json:
    for part in path:
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        else:
            raise _unprocessable(f"the path /{'/'.join(path)} does not exist")
    return document


def _set(document: Json, path: list[str], value: Json, *, insert: bool) -> Json:
    if not path:
        return value
    parent, last = _get(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        if not insert and last not in parent:
            raise _unprocessable(f"replace operation does not apply: doc is missing key: /{'/'.join(path)}")
        parent[last] = value
    elif isinstance(parent, list):
        index = len(parent) if last == "-" else int(last) if last.isdigit() else -1
        if not 0 <= index <= len(parent) - (not insert):
            raise _unprocessable(f"the index {last} is out of bounds")
        if insert:
            parent.insert(index, value)
        else:
            parent[index] = value
    else:
        raise _unprocessable(f"the path /{'/'.join(path)} leads into a scalar")
    return document


def _remove(document: Json, path: list[str]) -> Json:
    _get(document, path)
    parent, last = _get(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        del parent[last]
    else:
        del parent[int(last)]
    return document


def strategic(target: Json, patch: Json, node: Node) -> Json:
    """Merge with lists by key; directives `$patch`, `$setElementOrder`, `$deleteFromPrimitiveList`, `$retainKeys`."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    if patch.get("$patch") == "replace":
        return {k: copy.deepcopy(v) for k, v in patch.items() if k != "$patch"}
    if patch.get("$patch") == "delete":
        return None
    result = dict(target) if isinstance(target, dict) else {}
    kept = patch.get("$retainKeys")
    if kept is not None:
        result = {k: v for k, v in result.items() if k in kept}
    for name, value in patch.items():
        if name.startswith("$deleteFromPrimitiveList/"):
            field = name.split("/", 1)[1]
            result[field] = [v for v in result.get(field) or [] if v not in value]
        elif name.startswith("$"):
            continue
        elif value is None:
            result.pop(name, None)
        else:
            inner = node.fields.get(name) or (node.item if node.type == "map" else None) or ANY
            merged = _strategic_value(result.get(name), value, inner)
            if merged is None:
                result.pop(name, None)
            else:
                result[name] = merged
    _reorder(result, patch, node)
    return result


def _strategic_value(target: Json, value: Json, node: Node) -> Json:
    if isinstance(value, list) and node.type == "list" and node.merge_key:
        return _merge_list(target if isinstance(target, list) else [], value, node)
    if isinstance(value, list) and node.type == "set":
        known = list(target) if isinstance(target, list) else []
        return known + [v for v in value if v not in known]
    if isinstance(value, dict):
        return strategic(target, value, node)
    return copy.deepcopy(value)


def _merge_list(target: list[Json], patch: list[Json], node: Node) -> list[Json]:
    key = node.merge_key
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [copy.deepcopy(item) for item in patch if not (isinstance(item, dict) and "$patch" in item)]
    result = [copy.deepcopy(item) for item in target]
    for item in patch:
        index = next((i for i, known in enumerate(result) if known.get(key) == item.get(key)), None)
        if item.get("$patch") == "delete":
            if index is not None:
                del result[index]
        elif index is None:
            result.append(strategic({}, item, node.item or ANY))
        else:
            result[index] = strategic(result[index], item, node.item or ANY)
    return result


def _reorder(result: dict[str, Json], patch: dict[str, Json], node: Node) -> None:
    for name, order in patch.items():
        if not name.startswith("$setElementOrder/"):
            continue
        field = name.split("/", 1)[1]
        inner, items = node.fields.get(field), result.get(field)
        if inner is None or not isinstance(items, list) or not inner.merge_key:
            continue
        ranks = {entry.get(inner.merge_key): i for i, entry in enumerate(order) if isinstance(entry, dict)}
        key = inner.merge_key
        items.sort(key=lambda item: ranks.get(item.get(key), len(ranks)))
