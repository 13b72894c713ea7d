"""Lists, pages and watches: what GET on a collection means."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from genai_tui.sandbox.objects import Change, Object, Objects
from genai_tui.sandbox.registry import Resource
from genai_tui.sandbox.selectors import Match, field_selector, label_selector
from genai_tui.sandbox.status import ApiError, bad_request, expired
from genai_tui.sandbox.tables import partial, table

MAX_QUEUE = 20_000
BOOKMARK_S = 30.0
_ENCODE = msgspec.json.Encoder().encode


def selection(resource: Resource, namespace: str | None, query: Mapping[str, str]) -> Match:
    """A test for the objects a request is about. Raises ApiError 400."""
    labels = label_selector(query["labelSelector"]) if query.get("labelSelector") else None
    fields = field_selector(query["fieldSelector"], resource) if query.get("fieldSelector") else None

    def chosen(item: Object) -> bool:
        meta = item["metadata"]
        if namespace is not None and meta.get("namespace") != namespace:
            return False
        if labels is not None and not labels(meta.get("labels") or {}):
            return False
        return fields is None or fields(item)

    return chosen


def form_of(accept: str) -> str:
    """How objects are wanted: table, partial, or whole."""
    for offered in accept.split(","):
        if "as=Table" in offered and "v=v1" in offered:
            return "table"
        if "as=PartialObjectMetadata" in offered:
            return "partial"
        if offered.split(";")[0].strip() in ("application/json", "*/*"):
            return "whole"
    return "whole"


def listing(
    objects: Objects, resource: Resource, namespace: str | None, query: Mapping[str, str], form: str, now: datetime
) -> bytes:
    """The list, or one page of it, as JSON. Raises ApiError 400, 410."""
    chosen = selection(resource, namespace, query)
    items: Sequence[Object] = objects.list(resource, namespace)
    if query.get("labelSelector") or query.get("fieldSelector"):
        items = [item for item in items if chosen(item)]
    version = objects.version
    token = query.get("continue")
    if token:
        version, start = _read_token(token)
        if version < objects.oldest:
            raise expired()
        items = [item for item in items if _place(item) > start]
    elif query.get("resourceVersionMatch") == "Exact" and query.get("resourceVersion", "") != str(version):
        # Only the present state is kept; an API server keeps some minutes of it, then answers the same.
        raise expired("The resourceVersion for the provided list is too old.")
    limit = int(query.get("limit") or 0)
    meta: Object = {"resourceVersion": str(version)}
    if limit and len(items) > limit:
        meta["continue"] = _token(version, _place(items[limit - 1]))
        meta["remainingItemCount"] = len(items) - limit
        if query.get("labelSelector") or query.get("fieldSelector"):
            del meta["remainingItemCount"]
        items = items[:limit]
    if form == "table":
        include = query.get("includeObject", "Metadata")
        found = table(resource, items, now, str(version), include)
        found["metadata"] = meta
        return _ENCODE(found)
    if form == "partial":
        head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
        return _ENCODE(head | {"items": [partial(item) for item in items]})
    start_of = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": meta}
    body = b",".join(objects.encoded(resource, item) for item in items)
    return _ENCODE(start_of)[:-1] + b',"items":[' + body + b"]}"


def _place(item: Object) -> tuple[str, str]:
    meta = item["metadata"]
    return meta.get("namespace", ""), meta["name"]


def _token(version: int, place: tuple[str, str]) -> str:
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": "/".join(place) + "\0"}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        data = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, _, name = str(data["start"]).rstrip("\0").rpartition("/")
        return int(data["rv"]), (namespace, name)
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise bad_request(f"invalid continue token: continue key is not valid: {error}") from error


class Watch:
    """One watch: the events so far, then what happens, as lines of JSON."""

    def __init__(
        self,
        objects: Objects,
        resource: Resource,
        namespace: str | None,
        query: Mapping[str, str],
        form: str,
        now: Callable[[], datetime],
    ) -> None:
        self._objects, self._resource, self._form, self._now = objects, resource, form, now
        self._chosen = selection(resource, namespace, query)
        self._namespace = namespace
        self._bookmarks = query.get("allowWatchBookmarks") in ("true", "1")
        self._include = query.get("includeObject", "Metadata")
        self._columns_sent = False
        self._cut = False
        self._timeout = float(query.get("timeoutSeconds") or 1800)
        self._queue: asyncio.Queue[Change | None] = asyncio.Queue(MAX_QUEUE)
        self._initial = self._begin(query)
        self._unsubscribe = objects.subscribe(self._take)

    def _begin(self, query: Mapping[str, str]) -> list[tuple[str, Object]]:
        """What happened since the version asked for; the present state when none was. Raises ApiError 410, 400."""
        text = query.get("resourceVersion", "")
        if text and not text.isdigit():
            raise bad_request(f'invalid resource version "{text}"')
        initial = query.get("sendInitialEvents") in ("true", "1")
        if initial or text in ("", "0"):
            state = [item for item in self._objects.list(self._resource, self._namespace) if self._chosen(item)]
            found = [("ADDED", item) for item in state]
            if initial:
                found.append(("INITIAL-END", {}))
            return found
        changes = self._objects.since(int(text))
        if changes is None:
            raise expired(f"too old resource version: {text} ({self._objects.oldest})")
        return [pair for change in changes for pair in self._select(change)]

    def _select(self, change: Change) -> list[tuple[str, Object]]:
        """A change as this watch sees it: leaving the selection is a deletion, entering it an addition."""
        if change.resource.id != self._resource.id:
            return []
        now = change.type != "DELETED" and self._chosen(change.object)
        before = change.previous is not None and self._chosen(change.previous)
        if now:
            return [("MODIFIED" if before else "ADDED", change.object)]
        if not before:
            return []
        if change.type == "DELETED":
            return [("DELETED", change.object)]
        last = change.previous or {}
        version = {"resourceVersion": change.object["metadata"]["resourceVersion"]}
        return [("DELETED", {**last, "metadata": last["metadata"] | version})]

    def _take(self, change: Change) -> None:
        if change.resource.id != self._resource.id:
            return
        try:
            self._queue.put_nowait(change)
        except asyncio.QueueFull:
            # A reader this slow is cut off, as the real server does; it resumes from its last version.
            self.close()
            self._cut = True

    def close(self) -> None:
        """Stop listening."""
        self._unsubscribe()

    async def lines(self) -> AsyncIterator[bytes]:
        """The events; ends after the time asked for."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._timeout
        try:
            for kind, item in self._initial:
                yield self._bookmark(initial_end=True) if kind == "INITIAL-END" else self._line(kind, item)
            self._initial = []
            while True:
                left = end - loop.time()
                if left <= 0 or self._cut:
                    if self._bookmarks and not self._cut:
                        yield self._bookmark()
                    return
                try:
                    change = await asyncio.wait_for(self._queue.get(), min(left, BOOKMARK_S))
                except TimeoutError:
                    if self._bookmarks and end - loop.time() > 0:
                        yield self._bookmark()
                    continue
                batch = b"".join(self._line(*pair) for pair in self._drain(change))
                if batch:
                    yield batch
        finally:
            self.close()

    def _drain(self, first: Change | None) -> list[tuple[str, Object]]:
        found = self._select(first) if first is not None else []
        while not self._queue.empty():
            change = self._queue.get_nowait()
            found += self._select(change) if change is not None else []
        return found

    def _line(self, kind: str, item: Object) -> bytes:
        head = b'{"type":"' + kind.encode() + b'","object":'
        if self._form == "table":
            shown = table(self._resource, [item], self._now(), item["metadata"]["resourceVersion"], self._include)
            if self._columns_sent:
                shown["columnDefinitions"] = []
            self._columns_sent = True
            return head + _ENCODE(shown) + b"}\n"
        body = _ENCODE(partial(item)) if self._form == "partial" else self._objects.whole(self._resource, item)
        return head + body + b"}\n"

    def _bookmark(self, *, initial_end: bool = False) -> bytes:
        meta: dict[str, Any] = {"resourceVersion": str(self._objects.version), "creationTimestamp": None}
        if initial_end:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        kind, version = self._resource.kind, self._resource.api_version
        if self._form != "whole":
            kind, version = ("Table" if self._form == "table" else "PartialObjectMetadata"), "meta.k8s.io/v1"
        return _ENCODE({"type": "BOOKMARK", "object": {"kind": kind, "apiVersion": version, "metadata": meta}}) + b"\n"


def error_line(error: ApiError) -> bytes:
    """An error inside a watch."""
    return _ENCODE({"type": "ERROR", "object": error.body()}) + b"\n"
