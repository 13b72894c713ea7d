"""Fields of objects by path, who holds them (managedFields), and where an object differs from what is wanted of it.

Paths are tuples of the elements of fieldsV1: `f:name`, `k:{"name":"engine"}`.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from genai_tui.domain.disputes import Dispute
from genai_tui.domain.naming import MANAGER, SPEC_ANNOTATION
from genai_tui.domain.quantities import parse_quantity
from genai_tui.domain.redaction import HIDDEN, names_secret, redacted

Json = dict[str, Any]
Path = tuple[str, ...]
_KEYS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "containers": (("name",),),
    "initContainers": (("name",),),
    "env": (("name",),),
    "volumes": (("name",),),
    "volumeMounts": (("mountPath",),),
    "imagePullSecrets": (("name",),),
    "ports": (("containerPort", "protocol"), ("port", "protocol")),
    "ownerReferences": (("uid",),),
}
"""Lists whose items have an identity (x-kubernetes-list-map-keys); every other list is one value."""
_ATOMIC: Final = frozenset(
    {"nodeSelector", "selector", "labelSelector", "secretKeyRef", "configMapKeyRef", "fieldRef", "resourceFieldRef"}
)
_NOT_FIELDS: Final = frozenset({("f:apiVersion",), ("f:kind",), ("f:status",)})
_REVISION: Final = "f:deployment.kubernetes.io/revision"
_META: Final = ("f:labels", "f:annotations")
_AMOUNTS: Final = frozenset({"f:requests", "f:limits", "f:sizeLimit", "f:storage"})


@dataclass(frozen=True, slots=True)
class Owner:
    """A manager of a field; `operation` is Apply or Update."""

    manager: str
    operation: str


def fields(item: Json) -> dict[Path, Any]:
    """The values an object sets, by path; what is empty sets nothing, and of the metadata only labels and annotations.

    The annotation with the spec is not among them: it follows from the others.
    """
    return {path: value for path, value in _walk(item, ()) if _counts(path)}


def _counts(path: Path) -> bool:
    if path[:1] in _NOT_FIELDS or path == ("f:metadata", "f:annotations", f"f:{SPEC_ANNOTATION}"):
        return False
    return path[0] != "f:metadata" or (len(path) > 1 and path[1] in _META)


def _walk(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:  # noqa: ANN401
    name = path[-1].removeprefix("f:") if path else ""
    keys = _keys(name, value)
    if keys is not None:
        for child in value:
            here = (*path, _key(child, keys))
            # The keys are how the item is found, and are no fields of their own.
            inner = [(at, said) for at, said in _walk(child, here) if at[:-1] != here or at[-1][2:] not in keys]
            yield from inner or [(here, True)]
    elif isinstance(value, dict) and value and not (name in _ATOMIC and len(path) > 1):
        for part, child in value.items():
            yield from _walk(child, (*path, f"f:{part}"))
    elif value not in (None, "", {}, []):
        yield path, value


def _keys(name: str, value: Any) -> tuple[str, ...] | None:  # noqa: ANN401
    if not isinstance(value, list) or not value or not all(isinstance(child, dict) for child in value):
        return None
    return next((keys for keys in _KEYS.get(name, ()) if all(keys[0] in child for child in value)), None)


def _key(item: Json, keys: tuple[str, ...]) -> str:
    found = {key: item.get(key, "TCP" if key == "protocol" else None) for key in sorted(keys)}
    return "k:" + json.dumps(found, separators=(",", ":"))


def shown(path: Path) -> str:
    """A path as the API server names it in a conflict."""
    text = ""
    for part in path:
        if part.startswith("f:"):
            text += f".{part[2:]}"
        elif part.startswith("k:"):
            text += "[" + ",".join(f"{k}={json.dumps(v)}" for k, v in json.loads(part[2:]).items()) + "]"
    return text


def owners(live: Json) -> dict[Path, tuple[Owner, ...]]:
    """Who holds which field."""
    found: dict[Path, tuple[Owner, ...]] = {}
    for entry in live.get("metadata", {}).get("managedFields") or ():
        if entry.get("subresource") == "status":
            continue
        owner = Owner(entry.get("manager") or "", entry.get("operation") or "")
        for path in _leaves(entry.get("fieldsV1") or {}, ()):
            found[path] = (*found.get(path, ()), owner)
    return found


def _leaves(given: Json, path: Path) -> Iterator[Path]:
    for name, inner in given.items():
        if name == ".":
            continue
        part = name
        if name.startswith("k:"):
            part = "k:" + json.dumps(json.loads(name[2:]), sort_keys=True, separators=(",", ":"))
        yield from _leaves(inner, (*path, part)) if inner and set(inner) != {"."} else ((*path, part),)


def applied(live: Json, manager: str) -> Json:
    """What `manager` last applied of an object, with the values it has now: to apply this again changes nothing."""
    meta = live["metadata"]
    item: Json = {"apiVersion": live["apiVersion"], "kind": live["kind"]}
    item["metadata"] = {name: meta[name] for name in ("name", "namespace") if name in meta}
    for entry in meta.get("managedFields") or ():
        if (entry.get("manager"), entry.get("operation"), entry.get("subresource")) != (manager, "Apply", None):
            continue
        for path in _leaves(entry.get("fieldsV1") or {}, ()):
            value = _at(live, path)
            if value is not None:
                # Of an item of a list it says that it is there; what is in it has paths of its own.
                put(item, path, value)
    return item


def _held(path: Path, held: Mapping[Path, tuple[Owner, ...]]) -> tuple[Owner, ...]:
    """Who holds a field, itself or with the whole it is part of."""
    for length in range(len(path), 0, -1):
        if path[:length] in held:
            return held[path[:length]]
    return ()


def last_writer(live: Json) -> str:
    """Who but us wrote last, other than what controllers note of their work; empty where nobody did."""
    others = [
        (entry.get("time") or "", entry.get("manager") or "")
        for entry in live.get("metadata", {}).get("managedFields") or ()
        if entry.get("manager") != MANAGER and entry.get("subresource") != "status" and not _only_noted(entry)
    ]
    return max(others, default=("", ""))[1]


def _only_noted(entry: Json) -> bool:
    """Whether it holds a status or a revision alone; before Kubernetes 1.22 no subresource says so."""
    paths = list(_leaves(entry.get("fieldsV1") or {}, ()))
    return bool(paths) and all(path[0] == "f:status" or _REVISION in path for path in paths)


def equal(path: Path, one: Any, other: Any) -> bool:  # noqa: ANN401
    """Whether two values mean the same: `1000m` and `1` CPUs do."""
    if one == other:
        return True
    if one is not None and other is not None and _AMOUNTS & set(path[-2:]):
        try:
            return parse_quantity(str(one)) == parse_quantity(str(other))
        except ValueError:
            return False
    return False


def holds(live: Any, wanted: Any) -> bool:  # noqa: ANN401
    """Whether `live` has all of `wanted`: the server may add fields with defaults, and no items to lists."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(holds(live.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        same_length = isinstance(live, list) and len(live) == len(wanted)
        return same_length and all(holds(a, b) for a, b in zip(live, wanted, strict=True))
    return bool(live == wanted)


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that is not as wanted; `ours` is what is wanted, `manager` who holds it (empty: nobody)."""

    path: Path
    theirs: Any
    ours: Any
    manager: str


def differences(wanted: Json, live: Json, before: Json | None = None) -> tuple[Difference, ...]:
    """The fields of `wanted` that `live` does not have so, with who holds them.

    Args:
        wanted: what is to be applied.
        live: the object in the cluster, with its managedFields.
        before: what was applied last; without it, what nobody holds any more counts as never applied.
    """
    have, held = fields(live), owners(live)
    known = fields(before) if before is not None else {}
    found: list[Difference] = []
    removed: dict[Path, list[Path]] = {}
    for path, ours in fields(wanted).items():
        theirs = have.get(path)
        if equal(path, theirs, ours):
            continue
        names = [owner.manager for owner in _held(path, held)] if theirs is not None else []
        others = [name for name in names if name != MANAGER]
        if others:
            found.append(Difference(path, theirs, ours, others[0]))
        elif isinstance(ours, list) and holds(theirs, ours):
            # A list of one value belongs to whoever wrote any of it: what nobody else did, the server filled in.
            continue
        elif theirs is None and path in known:
            removed.setdefault(_missing(path, live), []).append(path)
        elif names and path in known and equal(path, known[path], ours):
            found.append(Difference(path, theirs, ours, MANAGER))
    for whole, paths in removed.items():
        # A part that was taken out whole, such as a probe, is kept out or put back whole.
        path = whole if len(paths) > 1 else paths[0]
        found.append(Difference(path, None, _at(wanted, path), last_writer(live)))
    return tuple(found)


def _missing(path: Path, live: Json) -> Path:
    """The outermost part of a path that an object does not have."""
    place: Any = live
    for length, part in enumerate(path, 1):
        place = _child(place, part)
        if place is None:
            return path[:length]
    return path


def _at(item: Json, path: Path) -> Any:  # noqa: ANN401
    """The value at a path; of a list item that is nothing but its keys, that it is there."""
    place: Any = item
    for part in path:
        place = _child(place, part)
    return place


def additions(wanted: Json, live: Json) -> tuple[Difference, ...]:
    """The fields others set beside what is wanted: an apply leaves them as they are."""
    asked, held = fields(wanted), owners(live)
    found: list[Difference] = []
    for path, theirs in fields(live).items():
        names = [owner.manager for owner in _held(path, held)]
        if path not in asked and names and MANAGER not in names and path[1:2] != ("f:annotations",):
            found.append(Difference(path, theirs, None, names[0]))
    return tuple(found)


def without(item: Json, paths: frozenset[Path]) -> Json:
    """The object without these fields, so that an apply of it leaves them as they are."""
    left = copy.deepcopy(item)
    for path in paths:
        _drop(left, path)
    return left


def put(item: Json, path: Path, value: Any) -> None:  # noqa: ANN401
    """Set a field, making what holds it where that is missing. Changes `item`."""
    place: Any = item
    for part, after in zip(path, (*path[1:], ""), strict=True):
        if part.startswith("k:"):
            found = _child(place, part)
            if found is None:
                found = json.loads(part[2:])
                place.append(found)
            place = found
        elif not after:
            place[part[2:]] = copy.deepcopy(value)
        else:
            place = place.setdefault(part[2:], [] if after.startswith("k:") else {})


def _drop(item: Any, path: Path) -> None:  # noqa: ANN401
    place, trail = item, []
    for part in path:
        trail.append((place, part))
        place = _child(place, part)
        if place is None:
            return
    gone = place
    while trail:
        parent, part = trail.pop()
        if part.startswith("k:"):
            parent.remove(gone)
        else:
            del parent[part[2:]]
        keys = json.loads(trail[-1][1][2:]).keys() if trail and trail[-1][1].startswith("k:") else ()
        # A map, a list or a list item that says nothing any more would say that it is wanted, empty.
        if not trail or (set(parent) - set(keys) if isinstance(parent, dict) else parent):
            return
        gone = parent


def _child(place: Any, part: str) -> Any:  # noqa: ANN401
    if part.startswith("f:"):
        return place.get(part[2:]) if isinstance(place, dict) else None
    wanted: Json = json.loads(part[2:])
    items = place if isinstance(place, list) else ()
    return next((child for child in items if _key(child, tuple(wanted)) == part), None)


def text_of(path: Path, value: Any) -> str | None:  # noqa: ANN401
    """A value as one line; the value of a variable that is named like a secret is not shown."""
    if value is None:
        return None
    if path[-1:] == ("f:value",) and names_secret(shown(path[:-1])):
        return HIDDEN
    if path and path[-1].startswith("k:"):
        return "there"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    return redacted(text)


def disputes(reference: str, found: tuple[Difference, ...]) -> tuple[Dispute, ...]:
    """Differences as people decide about them."""
    return tuple(
        Dispute(
            reference,
            shown(difference.path),
            difference.manager if difference.theirs is not None else "",
            text_of(difference.path, difference.theirs),
            text_of(difference.path, difference.ours),
            form_field(difference.path),
            difference.manager if difference.theirs is None else "",
        )
        for difference in found
    )


_FORM: Final[tuple[tuple[str, str], ...]] = (
    (".spec.replicas", "engine.replicas"),
    ("].image", "engine.image"),
    ("].args", "advanced.extraArgs"),
    ("].env", "advanced.env"),
    (".requests.cpu", "resources.cpu"),
    (".limits.cpu", "resources.cpu"),
    (".memory", "resources.memory"),
    (".sizeLimit", "advanced.sharedMemory"),
    (".nodeSelector", "advanced.nodeSelector"),
    (".tolerations", "advanced.tolerations"),
    (".runtimeClassName", "advanced.runtimeClass"),
    (".startupProbe.failureThreshold", "engine.startupBudgetSeconds"),
    (".strategy.type", "advanced.strategy"),
    (".genai-tui.dev/description", "description"),
)


def form_field(path: Path) -> str:
    """The field of the deployment form a path shows up in; empty where there is none."""
    text = shown(path)
    for end, field in _FORM:
        if text.endswith(end):
            return field
    for part, field in (
        (".env[", "advanced.env"),
        (".affinity.", "advanced.podAffinity"),
        (".resources.", "resources.gpu"),
        (".metadata.labels.", "advanced.labels"),
        (".metadata.annotations.", "advanced.annotations"),
    ):
        if part in text:
            return field
    return ""
