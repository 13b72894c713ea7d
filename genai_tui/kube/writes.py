"""Changing the cluster: server-side apply, dry run, delete, restart.

https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

from genai_tui.domain.audit import Verb
from genai_tui.domain.enforcement import OURS
from genai_tui.domain.naming import MANAGER
from genai_tui.errors import Conflict, GenaiTuiError, NotFound, Unreachable
from genai_tui.kube.connection import Connection
from genai_tui.kube.journal import ObjectWrite, current_act
from genai_tui.kube.refusals import Modified

Json = dict[str, Any]
T = TypeVar("T")
Outcome = Literal["created", "changed", "unchanged", "removed"]
_PLURALS = {
    "Deployment": "deployments",
    "Service": "services",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "ConfigMap": "configmaps",
    "Namespace": "namespaces",
    "Secret": "secrets",
} | {kind.kind: kind.plural for kind in OURS}
_VOLATILE = ("managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink")
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


@dataclass(frozen=True, slots=True)
class Written:
    """What one apply did, with the object before (None when it is new) and after."""

    outcome: Outcome
    before: Json | None
    after: Json


def reference(item: Json) -> str:
    """`Kind namespace/name`, or `Kind name`."""
    meta = item["metadata"]
    namespace = meta.get("namespace")
    return f"{item['kind']} {namespace}/{meta['name']}" if namespace else f"{item['kind']} {meta['name']}"


def path_of(kind: str, api_version: str, namespace: str, name: str) -> str:
    """The path of one object."""
    prefix = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    where = f"/namespaces/{namespace}" if namespace else ""
    return f"{prefix}{where}/{_PLURALS[kind]}/{name}"


def _path(item: Json) -> str:
    meta = item["metadata"]
    return path_of(item["kind"], item["apiVersion"], meta.get("namespace", ""), meta["name"])


async def read(connection: Connection, item: Json) -> Json | None:
    """The object as it is live; None when there is none."""
    try:
        return await connection.get_json(_path(item))
    except NotFound:
        return None


async def apply(
    connection: Connection, item: Json, *, dry_run: bool = False, force: bool = False, version: str = ""
) -> Written:
    """Server-side apply of one object, strict about unknown fields.

    Args:
        connection: the cluster.
        item: what is wanted.
        dry_run: only ask what it would do.
        force: take fields that others hold; only for what the operator decided so, field by field.
        version: the resourceVersion it must still have.

    Raises:
        Conflict: another manager owns a field, by name; or it is not at `version` any more. NotPermitted, NotFound
            (no namespace), BadInput, Refused.
    """
    before = await read(connection, item)
    params = {"fieldManager": MANAGER, "fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
    if force:
        params["force"] = "true"
    if version:
        item = {**item, "metadata": {**item["metadata"], "resourceVersion": version}}

    async def send() -> Json:
        data: Json = (
            await connection.request(
                "PATCH", _path(item), params=params, body=item, content_type="application/apply-patch+yaml"
            )
        ).json()
        return data

    after = await (send() if dry_run else _told(connection, Verb.APPLY, _named(item), before, send))
    if before is None:
        return Written("created", None, after)
    return Written("unchanged" if clean(before) == clean(after) else "changed", before, after)


async def create(connection: Connection, item: Json) -> Json:
    """POST a new object. Raises Conflict when it exists."""
    collection = _path(item).rsplit("/", 1)[0]
    params = {"fieldManager": MANAGER, "fieldValidation": "Strict"}

    async def send() -> Json:
        data: Json = (await connection.request("POST", collection, params=params, body=item)).json()
        return data

    return await _told(connection, Verb.CREATE, _named(item), None, send)


async def delete(connection: Connection, kind: str, api_version: str, namespace: str, name: str) -> None:
    """Delete an object; what it owns goes with it, in the background. Raises NotFound, NotPermitted."""
    body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
    path = path_of(kind, api_version, namespace, name)
    before = await _seen(connection, kind, path)

    async def send() -> None:
        await connection.request("DELETE", path, body=body)

    await _told(connection, Verb.DELETE, _Named(kind, api_version, namespace, name), before, send)


async def _seen(connection: Connection, kind: str, path: str) -> Json | None:
    """What is about to be changed, for the record; a Secret is not read for it."""
    if connection.journal is None or kind == "Secret":
        return None
    try:
        return await connection.get_json(path)
    except GenaiTuiError:
        # Who may delete may not always read: the write itself says what is wrong.
        return None


async def annotate(connection: Connection, namespace: str, name: str, annotations: dict[str, str | None]) -> None:
    """Set annotations of a Deployment itself, not of its pods; None removes one."""
    await _merge(connection, namespace, name, {"metadata": {"annotations": annotations}})


async def pause(connection: Connection, namespace: str, name: str, *, paused: bool) -> None:
    """Hold the rollout of a Deployment, or let it go on: the field `kubectl rollout pause` and `resume` set."""
    await _merge(connection, namespace, name, {"spec": {"paused": paused or None}})


async def restart(connection: Connection, namespace: str, name: str, stamp: str) -> None:
    """Replace the pods of a Deployment: the same annotation `kubectl rollout restart` sets."""
    await _merge(
        connection, namespace, name, {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: stamp}}}}}
    )


async def add_to_secret(connection: Connection, item: Json) -> None:
    """Add the keys of `item` to a Secret that has none of them; all else of it stays as it is.

    Raises:
        Conflict: it has one of them, or was changed at the same moment. NotFound, NotPermitted, Refused.
    """
    before = await connection.get_json(_path(item))
    taken = sorted(item["data"].keys() & (before.get("data") or {}).keys())
    if taken:
        raise Conflict(f"{reference(item)} has the key {taken[0]} by now", next_step="look again: it is left as it is")
    version = before["metadata"]["resourceVersion"]
    await _patch(connection, _named(item), before, {"metadata": {"resourceVersion": version}, "data": item["data"]})


async def _merge(connection: Connection, namespace: str, name: str, patch: Json) -> None:
    named = _Named("Deployment", "apps/v1", namespace, name)
    await _patch(connection, named, await _seen(connection, named.kind, path_of(*named)), patch)


async def _patch(connection: Connection, named: _Named, before: Json | None, patch: Json) -> None:
    async def send() -> Json:
        data: Json = (
            await connection.request(
                "PATCH",
                path_of(*named),
                params={"fieldManager": MANAGER},
                body=patch,
                content_type="application/merge-patch+json",
            )
        ).json()
        return data

    await _told(connection, Verb.PATCH, named, before, send)


class _Named(NamedTuple):
    kind: str
    api_version: str
    namespace: str
    name: str


def _named(item: Json) -> _Named:
    meta = item["metadata"]
    return _Named(item["kind"], item["apiVersion"], meta.get("namespace") or "", meta["name"])


async def _told(
    connection: Connection, verb: Verb, named: _Named, before: Json | None, send: Callable[[], Awaitable[T]]
) -> T:
    """Write, and tell the journal how it came out, whatever that is."""
    await connection.gate.passes(f"{verb.value} {named.kind} {named.namespace}/{named.name}")
    journal, act = connection.journal, current_act()
    if journal is None:
        return await send()
    try:
        done = await send()
    except Modified:
        # Nothing was written, and the writer looks again at once.
        raise
    except GenaiTuiError as error:
        if verb is Verb.DELETE and isinstance(error, NotFound):
            raise
        lost = isinstance(error, Unreachable)
        result = "not known" if lost else "refused"
        await journal.wrote(ObjectWrite(verb, *named, act, result, error.problem.line, before))
        raise
    except BaseException:
        interrupted = ObjectWrite(verb, *named, act, "not known", "interrupted before the answer", before)
        await asyncio.shield(journal.wrote(interrupted))
        raise
    after = done if isinstance(done, dict) else None
    if verb is Verb.DELETE:
        result, after = "deleted", None
    else:
        result = "created" if before is None else "changed"
        if before is not None and after is not None and clean(before) == clean(after):
            return done
    await journal.wrote(ObjectWrite(verb, *named, act, result, "", before, after))
    return done


def clean(item: Json) -> Json:
    """The object without what the server alone writes: for showing and comparing."""
    shown = copy.deepcopy(item)
    shown.pop("status", None)
    meta = shown.get("metadata", {})
    for name in _VOLATILE:
        meta.pop(name, None)
    annotations = meta.get("annotations", {})
    annotations.pop("deployment.kubernetes.io/revision", None)
    if "annotations" in meta and not annotations:
        del meta["annotations"]
    return shown
