"""Lists and watches: pages of 500, then a stream that resumes where it broke, as domain events in batches.

The protocol: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import msgspec

from genai_tui.domain.cluster import Kind, Observed, Sync
from genai_tui.domain.problems import Problem
from genai_tui.domain.watching import Listed, SyncChanged, WatchEvent
from genai_tui.errors import GenaiTuiError, NotFound, NotPermitted, Unreachable
from genai_tui.kube.codec import RESOURCES, Codec, Resource
from genai_tui.kube.connection import Connection
from genai_tui.kube.refusals import Busy, Gone

log = logging.getLogger(__name__)

PAGE = 500
WATCH_S = 290
SILENCE_LIMIT_S = 90.0
"""A watch without a byte for this long is asked for anew: most kinds get a bookmark about every minute."""
PING_LIMIT_S = 5.0
SHORTEST_WATCH_S = 1.0
SHORT_WATCHES = 3
"""A watch that ends sooner than that without an event, so often in a row, is a failure and no accident."""
FORBIDDEN_PAUSE_S = 60.0
MAX_PAUSE_S = 30.0


async def watch(
    connection: Connection,
    kind: Kind,
    namespace: str | None = None,
    *,
    fallback: str | None = None,
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> AsyncGenerator[list[WatchEvent], None]:
    """Batches of events of one kind, for ever: a list first, then what changes; ends only for an absent kind.

    A stream that breaks or falls silent is resumed at its last version, without a word if that succeeds at once (load
    balancers cut quiet connections every minute); an expired version lists again; a refusal or an outage is told as
    SyncChanged and retried with growing, jittered pauses (Retry-After is honoured). Where the whole cluster may not
    be read but one namespace may (a Role), `fallback` names the namespace that is read then.
    """
    follower = _Follower(connection, RESOURCES[kind], namespace)
    while True:
        try:
            async with aclosing(follower.follow()) as batches:
                async for batch in batches:
                    yield batch
        except NotFound:
            yield [SyncChanged(kind, Sync.ABSENT)]
            return
        except NotPermitted as error:
            if follower.namespace is None and fallback is not None and follower.resource.namespaced:
                follower = _Follower(connection, RESOURCES[kind], fallback)
                continue
            follower.version = None
            yield [follower.turn(Sync.FORBIDDEN, error.problem)]
            await pause(FORBIDDEN_PAUSE_S)
        except (GenaiTuiError, msgspec.MsgspecError) as error:
            follower.failures += 1
            yield [follower.turn(Sync.STALE, _problem(error))]
            await pause(_back_off(error, follower.failures))
        else:
            if follower.failures > SHORT_WATCHES:
                yield [follower.turn(Sync.STALE, _ENDS_AT_ONCE)]
            if follower.failures:
                await pause(_back_off(None, follower.failures))


class _Follower:
    """Where one watch is: its version, and how often it failed since it last moved on."""

    def __init__(self, connection: Connection, resource: Resource, namespace: str | None) -> None:
        self._connection, self.resource, self.namespace = connection, resource, namespace
        self._codec = Codec(resource)
        self.version: str | None = None
        self.failures = 0
        self._sync: Sync | None = None

    def turn(self, sync: Sync, problem: Problem | None = None, latency: float | None = None) -> SyncChanged:
        """Note and tell how good the picture is now."""
        self._sync = sync
        return SyncChanged(self.resource.kind, sync, problem, latency, self.namespace)

    async def follow(self) -> AsyncGenerator[list[WatchEvent], None]:
        """List if need be, then one watch request to its end.

        Raises:
            GenaiTuiError: the list or the watch was refused or not answered; a watch that had begun just ends.
        """
        if self.version is None:
            if self._sync is not Sync.FORBIDDEN:
                yield [self.turn(Sync.LISTING)]
            objects, self.version, latency = await self._list()
            yield [Listed(self.resource.kind, tuple(objects)), self.turn(Sync.LIVE, latency=latency)]
        began = time.monotonic()
        moved = False
        try:
            async with aclosing(self._stream(self.version)) as batches:
                async for batch, self.version in batches:
                    moved = moved or bool(batch)
                    back = [self.turn(Sync.LIVE)] if self._sync is not Sync.LIVE else []
                    if back or batch:
                        yield [*back, *batch]
        except Gone:
            self.version = None
        except _Broken as error:
            log.info("the watch of %s broke and is resumed: %s", self.resource.plural, error)
        # A server that closes each watch at once, or calls each version expired, must not be asked without a pause.
        self.failures = 0 if moved or time.monotonic() - began > SHORTEST_WATCH_S else self.failures + 1

    async def _list(self) -> tuple[list[Observed], str, float]:
        """Every object, the list's version, and the round trip of the first page in milliseconds."""
        found: list[Observed] = []
        params: dict[str, str | int] = self._selection() | {"limit": PAGE}
        path = self.resource.path(self.namespace)
        latency = 0.0
        while True:
            began = time.perf_counter()
            try:
                response = await self._connection.request("GET", path, params=params, patience=0)
            except Gone:
                # The pages' snapshot expired between two of them: all at once, as client-go does.
                found, params = [], self._selection()
                continue
            latency = latency or (time.perf_counter() - began) * 1000
            try:
                slices, meta = self._codec.page(response.content)
            except msgspec.MsgspecError as error:
                raise Unreachable("the cluster's list cannot be read", why=str(error)) from error
            for objects in slices:
                found += objects
                await asyncio.sleep(0)
            if not meta.continue_:
                return found, meta.resource_version, latency
            params["continue"] = meta.continue_

    def _selection(self) -> dict[str, str | int]:
        return {"labelSelector": self.resource.labels} if self.resource.labels else {}

    async def _stream(self, version: str) -> AsyncGenerator[tuple[list[WatchEvent], str], None]:
        """One watch request: batches with the version they lead to, an empty one first when it is accepted.

        Raises:
            _Broken: it was accepted, and ended otherwise than the server said it would.
        """
        params = self._selection() | {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": WATCH_S + random.randrange(20),
        }
        path = self.resource.path(self.namespace)
        accepted = False
        try:
            async with self._connection.stream(path, params=params, silence_limit=SILENCE_LIMIT_S) as response:
                accepted = True
                yield [], version
                rest = b""
                async for chunk in response.aiter_bytes():
                    *lines, rest = (rest + chunk).split(b"\n")
                    batch: list[WatchEvent] = []
                    for line in lines:
                        if line.strip():
                            event, reached = self._codec.line(line)
                            version = reached or version
                            batch += [event] if event is not None else []
                    yield batch, version
        except (Unreachable, msgspec.MsgspecError) as error:
            if not accepted:
                raise
            raise _Broken(str(error)) from error


class _Broken(Exception):
    """A watch that had begun ended before its time."""


_ENDS_AT_ONCE = Problem("the API server ends each watch at once", next_step="it is asked again, less and less often")


def _problem(error: Exception) -> Problem:
    if isinstance(error, GenaiTuiError):
        return error.problem
    return Problem("the cluster's answer was cut short or is not JSON", why=str(error), next_step="it is asked again")


def _back_off(error: Exception | None, failures: int) -> float:
    if isinstance(error, Busy) and error.retry_after is not None:
        return error.retry_after + random.uniform(0, 0.5)
    return min(MAX_PAUSE_S, 0.5 * float(2 ** min(failures - 1, 10))) * random.uniform(0.5, 1.0)


async def ping(connection: Connection) -> float:
    """The round trip of a cheap request, in milliseconds.

    Raises:
        GenaiTuiError: as `Connection.request`, and after PING_LIMIT_S without an answer: what is on the screen must not
            look live meanwhile.
    """
    began = time.perf_counter()
    await connection.request("GET", "/version", patience=0, within=PING_LIMIT_S)
    return (time.perf_counter() - began) * 1000
