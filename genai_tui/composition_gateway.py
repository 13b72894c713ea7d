"""What stands behind the embedded gateway: keys, sharing and limits from watches of the cluster, rows to the ledger."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

from starlette.types import ASGIApp

from genai_tui.domain.cluster import ConfigMap, Kind, Observed, Secret, Sync, Workload
from genai_tui.domain.documents import Endpoint
from genai_tui.domain.keys import KeyRecord, from_secret
from genai_tui.domain.problems import Problem
from genai_tui.domain.rows import Ref
from genai_tui.domain.watching import Listed, Removed, SyncChanged, Upserted, WatchEvent
from genai_tui.engines.parts import PORT
from genai_tui.errors import GenaiTuiError, NotPermitted, TimedOut
from genai_tui.gateway.app import Gateway
from genai_tui.gateway.journal import Journal
from genai_tui.gateway.operators import Operators
from genai_tui.gateway.recorder import Recorder
from genai_tui.gateway.refused import Refusals
from genai_tui.gateway.server import base_url, listen, serve
from genai_tui.gateway.told import own_directory
from genai_tui.keeping import keep_tidy
from genai_tui.kube import reach
from genai_tui.kube.connection import Connection
from genai_tui.kube.kubeconfig import resolve
from genai_tui.kube.manifests.catalogue import read_entry
from genai_tui.kube.manifests.deployment import read_deployment
from genai_tui.kube.reads import watch
from genai_tui.logs import Redacting
from genai_tui.metering.ledger import Ledger
from genai_tui.metering.refusals import RefusalRows
from genai_tui.settings import Settings

log = logging.getLogger(__name__)

CONNECTIONS = 2_000
START_LIMIT_S = 60.0
SETTLE_LIMIT_S = 5.0
_WATCHED = (Kind.DEPLOYMENT, Kind.CONFIGMAP, Kind.SECRET)


@dataclass(frozen=True, slots=True)
class Running:
    """How to run: where to listen, how long streams may take to finish at the end, and what to do when it answers.

    `metrics` is where metrics alone are served; None: on the callers' port, to this machine.
    """

    listener: socket.socket
    grace_s: float
    announce: Callable[[], None]
    metrics: socket.socket | None = None


async def run_gateway(settings: Settings, running: Running) -> None:
    """Serve until SIGTERM or SIGINT; a second one does not wait for streams.

    Raises:
        BadInput: a gateway for this cluster runs already.
        NotPermitted: the keys, the deployments or the catalogue may not be read.
        TimedOut: the cluster did not list them.
    """
    target = resolve(settings.kubeconfig, settings.context)
    stop = asyncio.Event()
    loop, this = asyncio.get_running_loop(), asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: this.cancel() if stop.is_set() and this else stop.set())
    _log_access(settings.state)
    ledger = Ledger(settings.state / "ledger.db")
    own = own_directory(settings.state, target.server)
    async with Connection(target, connections=CONNECTIONS) as connection:
        with Journal(own) as journal:
            recorder = Recorder(journal, ledger.record_many)
            refusals = Refusals(target.server, _now, RefusalRows(ledger).add)
            gateway = Gateway(
                cluster=target.server, reach=_ways(connection), recorder=recorder, clock=_now, refusals=refusals
            )
            feeder = Feeder(gateway, settings.system_namespace)
            await _adopt([found for found in own.parent.iterdir() if found != own], ledger)
            recovered = recorder.recover()
            if recovered:
                log.info("%d requests of a gateway that was stopped are taken over", recovered)
            tasks = [asyncio.create_task(recorder.run(), name="recorder")]
            tasks.append(asyncio.create_task(refusals.run(), name="refusals"))
            tasks.append(asyncio.create_task(keep_tidy(ledger, settings, _now), name="tidy the ledger"))
            for kind in _WATCHED:
                tasks.append(asyncio.create_task(_feed(connection, feeder, kind, settings), name=f"watch {kind}"))
            try:
                await feeder.listed(START_LIMIT_S)
                with _telling(gateway, own) as operators:
                    running.announce()
                    beside = [operators]
                    if running.metrics is not None:
                        beside.append((gateway.metrics_app(), running.metrics))
                    await serve(
                        gateway.app(), running.listener, stop, running.grace_s, beside, malformed=gateway.malformed
                    )
                await recorder.settle(SETTLE_LIMIT_S)
                await refusals.flush()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await ledger.close()


@contextlib.contextmanager
def _telling(gateway: Gateway, directory: Path) -> Iterator[tuple[ASGIApp, socket.socket]]:
    """The operator's side, and where it listens, while it can be found."""
    operators, listener = Operators(gateway, _now()), listen("127.0.0.1", 0)
    published = operators.publish(directory, base_url(listener))
    try:
        yield operators.app(), listener
    finally:
        published.unlink(missing_ok=True)
        listener.close()


def _now() -> datetime:
    return datetime.now(UTC)


async def _adopt(journals: Sequence[Path], ledger: Ledger) -> None:
    """Keep what gateways of other addresses left when they were killed: theirs may never run again."""
    for directory in journals:
        try:
            with Journal(directory) as journal:
                left = journal.unfinished()
                if left:
                    await ledger.record_many(left)
                    journal.committed(record.id for record in left)
        except (GenaiTuiError, OSError, ValueError) as error:
            # It runs, or the ledger takes nothing now: the lines stay where they are.
            log.info("the journal %s is left alone: %s", directory, error)


def _ways(connection: Connection) -> Callable[[Ref], reach.Route]:
    """The API server's service proxy, which keeps the Authorization header to itself."""
    return lambda ref: reach.by_service(connection, ref.namespace, ref.name, PORT)


async def _feed(connection: Connection, feeder: Feeder, kind: Kind, settings: Settings) -> None:
    namespace = settings.namespace if kind is Kind.DEPLOYMENT else settings.system_namespace
    fallback = connection.target.namespace or "default"
    async for batch in watch(connection, kind, namespace, fallback=fallback):
        for event in batch:
            feeder.take(event)


class Feeder:
    """Turns what the watches say into what the gateway works with; each event takes effect at once."""

    def __init__(self, gateway: Gateway, system_namespace: str) -> None:
        self._gateway, self._system_namespace = gateway, system_namespace
        self._annotations: dict[Ref, Mapping[str, str]] = {}
        self._endpoints: dict[str, Endpoint] = {}
        self._live: set[Kind] = set()
        self._problems: dict[Kind, Problem] = {}
        self._forbidden: Kind | None = None
        self._changed = asyncio.Event()

    def take(self, event: WatchEvent) -> None:
        """One event of a watch."""
        match event:
            case Listed(kind=kind, objects=objects):
                self._forget(kind, {item.meta.name if kind is not Kind.DEPLOYMENT else _ref(item) for item in objects})
                for item in objects:
                    self._put(item)
            case Upserted(object=item):
                self._put(item)
            case Removed(kind=kind, key=key):
                self._remove(kind, Ref(key.namespace, key.name))
            case SyncChanged(kind=kind, sync=sync, problem=problem):
                self._note(kind, sync, problem)

    async def listed(self, limit: float) -> None:
        """Wait until everything was read once.

        Raises:
            NotPermitted: something may not be read.
            TimedOut: it was not read in `limit` seconds.
        """
        try:
            async with asyncio.timeout(limit):
                while self._live != set(_WATCHED):
                    if self._forbidden is not None:
                        problem = self._problems[self._forbidden]
                        raise NotPermitted(problem.what, why=problem.why, next_step=problem.next_step)
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            why = next((problem.line for problem in self._problems.values()), "")
            raise TimedOut("the cluster's keys and deployments could not be read", why=why) from error

    def _note(self, kind: Kind, sync: Sync, problem: Problem | None) -> None:
        if sync is Sync.LIVE:
            self._live.add(kind)
            self._problems.pop(kind, None)
        elif problem is not None:
            # What was read last holds on: an outage of the API server is none of the engines'.
            log.warning("the watch of %s: %s", kind, problem.line)
            self._problems[kind] = problem
        self._forbidden = kind if sync is Sync.FORBIDDEN else self._forbidden
        self._changed.set()

    def _put(self, item: Observed) -> None:
        match item:
            case Workload():
                self._put_workload(item)
            case ConfigMap():
                entry = read_entry(item.meta.labels, item.data, item.meta.name)
                self._endpoints.pop(item.meta.name, None)
                if isinstance(entry, Endpoint):
                    self._endpoints[item.meta.name] = entry
                self._gateway.directory.put_endpoints(self._endpoints.values())
            case Secret():
                self._gateway.keyring.put(item.meta.name, _key(item))
            case _:
                raise AssertionError(f"{type(item).__name__} is not watched")

    def _put_workload(self, item: Workload) -> None:
        ref = _ref(item)
        if self._annotations.get(ref) == item.meta.annotations:
            return
        self._annotations[ref] = item.meta.annotations
        document = read_deployment(ref.name, ref.namespace, item.meta.annotations)
        self._gateway.directory.put_deployment(ref, document, item.meta.created)

    def _remove(self, kind: Kind, ref: Ref) -> None:
        match kind:
            case Kind.DEPLOYMENT:
                self._annotations.pop(ref, None)
                self._gateway.directory.put_deployment(ref, None)
            case Kind.CONFIGMAP:
                self._endpoints.pop(ref.name, None)
                self._gateway.directory.put_endpoints(self._endpoints.values())
            case _:
                self._gateway.keyring.put(ref.name, None)

    def _forget(self, kind: Kind, kept: set[object]) -> None:
        """A list is complete: what is not in it is gone."""
        match kind:
            case Kind.DEPLOYMENT:
                for ref in self._annotations.keys() - kept:
                    self._remove(kind, ref)
            case Kind.CONFIGMAP:
                for name in self._endpoints.keys() - kept:
                    self._remove(kind, Ref(self._system_namespace, name))
            case _:
                for name in self._gateway.keyring.secrets - kept:
                    self._remove(kind, Ref(self._system_namespace, name))


def _ref(item: Observed) -> Ref:
    return Ref(item.meta.namespace, item.meta.name)


def _key(item: Secret) -> KeyRecord | None:
    """The key in a Secret; None when it is none, or being deleted."""
    if item.meta.deleting is not None:
        return None
    meta = {"name": item.meta.name, "labels": item.meta.labels, "annotations": item.meta.annotations}
    try:
        return from_secret({"metadata": meta, "data": item.data})
    except ValueError as error:
        log.warning("the Secret %s holds no usable API key: %s", item.meta.name, error)
        return None


def _log_access(directory: Path) -> None:
    """One line a request in a file of its own (0600, five old ones kept), which would drown the program's own log."""
    path = directory / "gateway-access.log"
    path.touch(mode=0o600)
    handler = RotatingFileHandler(path, maxBytes=10_000_000, backupCount=5, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    handler.addFilter(Redacting())
    access = logging.getLogger("genai_tui.gateway.access")
    access.handlers[:] = [handler]
    access.propagate = False
