"""What stands behind each port: the only module that knows every adapter."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from genai_tui.api_keys import ClusterKeys
from genai_tui.auditing import Recorder
from genai_tui.counting import Counting
from genai_tui.domain.cluster import PICTURED, ContainerSpec, Kind, Pod
from genai_tui.domain.documents import Endpoint, Model, ModelDeployment
from genai_tui.domain.enforcement import hostname_of
from genai_tui.domain.places import ContextEntry, is_production
from genai_tui.domain.rows import Ref
from genai_tui.draft_files import DraftFiles
from genai_tui.engines.failures import diagnose
from genai_tui.engines.parts import PORT
from genai_tui.errors import GenaiTuiError, TimedOut
from genai_tui.inference.client import Target
from genai_tui.inference.playground import EnginePlayground, Known
from genai_tui.known_secrets import remember
from genai_tui.kube import logs as kube_logs
from genai_tui.kube import reach
from genai_tui.kube.access import Access
from genai_tui.kube.connection import Connection
from genai_tui.kube.kubeconfig import contexts, resolve
from genai_tui.kube.manifests.catalogue import read_entry, render_entry
from genai_tui.kube.manifests.deployment import read_deployment, render_deployment
from genai_tui.kube.manifests.foreign import identify
from genai_tui.kube.reads import ping, watch
from genai_tui.metering.audit import AuditRows
from genai_tui.metering.budgets import BudgetRows
from genai_tui.metering.counters import CounterRows
from genai_tui.metering.ledger import Ledger
from genai_tui.metering.starts import StartRows
from genai_tui.operations import ClusterOperations
from genai_tui.preferences import FilePreferences
from genai_tui.reaching import Ways, parse_way
from genai_tui.services import LogLine, Services, Session
from genai_tui.settings import Settings
from genai_tui.store.deriving import Deriver, Engine
from genai_tui.store.monitoring import ClusterMonitor
from genai_tui.store.picture import Picture
from genai_tui.store.sampling import Sampler
from genai_tui.store.starts import StartWatcher
from genai_tui.undoing import Trail

log = logging.getLogger(__name__)

SETTLE_LIMIT_S = 30.0
PING_EVERY_S = 5.0
ASK_AGAIN_S = 30.0
LOG_TAIL = 1_000
ENGINE_KEY = "GENAI_TUI_ENGINE_KEY"
"""Holds the key of engines that ask for one; it is sent to no other."""


def build_services(settings: Settings) -> Services:
    """Wire everything; nothing is sent before `start` or the first use.

    Raises:
        CredentialsRejected, BadInput: there is no usable kubeconfig.
    """
    target = resolve(settings.kubeconfig, settings.context)
    session = Session(
        context=target.context,
        server=target.server,
        namespace=settings.namespace or target.namespace,
        system_namespace=settings.system_namespace,
        read_only=settings.read_only,
        simulated=target.simulated,
        insecure=target.insecure,
        production=is_production(target.context, settings.production),
    )
    return _Wiring(settings, session, Connection(target)).services()


class _Places:
    """Implements `services.Places` for the settings of this run."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def contexts(self) -> tuple[ContextEntry, ...]:
        return tuple(
            ContextEntry(name, cluster, namespace, is_production(name, self._settings.production))
            for name, cluster, namespace in contexts(self._settings.kubeconfig)
        )

    def open(self, context: str, namespace: str | None) -> Services:
        # In a pod there is no kubeconfig, and its one context has no name there.
        named = context if any(entry.name == context for entry in self.contexts()) else None
        return build_services(replace(self._settings, context=named, namespace=namespace))


class _Wiring:
    """Holds the adapters of one session and the tasks that feed the picture."""

    def __init__(self, settings: Settings, session: Session, connection: Connection) -> None:
        self._session, self._connection, self._places = session, connection, _Places(settings)
        if sys.stdin.isatty() and sys.stderr.isatty():
            self._lend_terminal(contextlib.nullcontext)
        self._scope = settings.namespace
        self._ledger = Ledger(settings.state / "ledger.db")
        self._access = Access(connection)
        self._picture = Picture(Deriver(read_deployment, _identify, diagnose), read_entry)
        self._ways = Ways(connection, self._picture, parse_way(settings.reach))
        self._counting = Counting(CounterRows(self._ledger), session.server, self._read_counters, _now)
        self._sampler = Sampler(self._picture, self._ways.fetch, keep=self._counting.keep)
        self._monitor = ClusterMonitor(self._picture, self._fetch_pod, self._ways.fetch, _now)
        self._start_rows = StartRows(self._ledger, session.server)
        self._starts = StartWatcher(self._picture, self._tail, diagnose, finished=self._remember_start)
        self._operations = ClusterOperations(connection, self._access, self._picture, session, self._note_price)
        rows = AuditRows(self._ledger)
        recorder = connection.journal = Recorder(rows, session, self._access, _now)
        self._audit = Trail(rows, recorder, self._operations, session)
        self._drafts = DraftFiles(settings.state / "drafts")
        self._preferences = FilePreferences(settings.state)
        self._tasks: list[asyncio.Task[None]] = []
        self._wanted_now = asyncio.Event()

    def services(self) -> Services:
        return Services(
            session=self._session,
            picture=self._picture,
            operations=self._operations,
            playground=EnginePlayground(
                self._resolve,
                self._know,
                self._ledger.record,
                cluster=self._session.server,
                clock=_now,
                way=self._ways.describe,
            ),
            usage=self._ledger,
            budgets=BudgetRows(self._ledger, self._session.server, _now),
            drafts=self._drafts,
            preferences=self._preferences,
            places=self._places,
            clock=_now,
            start=self._start,
            settle=self._settle,
            keys=ClusterKeys(self._connection, self._picture, self._session, self._settle, _now),
            audit=self._audit,
            counters=self._counting,
            monitor=self._monitor,
            render_documents=self._render,
            apply_documents=self._operations.apply_documents,
            diff_documents=self._operations.diff_documents,
            retry=self._retry,
            lend_terminal=self._lend_terminal,
            identity=lambda: self._access.identity,
            confirm_writes=self._confirm_writes,
            close=self._close,
        )

    def _confirm_writes(self, ask: Callable[[str], Awaitable[bool]]) -> None:
        if self._session.production:
            self._connection.gate.ask = ask

    def _lend_terminal(self, lend: Callable[[], AbstractContextManager[None]]) -> None:
        self._connection.credentials.lend_terminal = lend

    # -- feeding the picture ------------------------------------------------------------------------------------

    async def _start(self) -> None:
        """Begin to watch."""
        if self._tasks:
            return
        for kind in PICTURED:
            self._tasks.append(asyncio.create_task(self._feed(kind), name=f"watch {kind}"))
        self._tasks.append(asyncio.create_task(self._pulse(), name="ping"))
        self._tasks.append(asyncio.create_task(self._sampler.run(), name="sample engines"))
        self._tasks.append(asyncio.create_task(self._starts.run(), name="read logs of starts"))
        self._tasks.append(asyncio.create_task(self._learn_access(), name="ask for permissions"))
        self._tasks.append(asyncio.create_task(self._recall_starts(), name="recall starts"))

    async def _feed(self, kind: Kind) -> None:
        fallback = self._session.namespace or "default"
        watching = watch(self._connection, kind, self._namespace_of(kind), fallback=fallback, pause=self._pause)
        async for batch in watching:
            self._picture.feed(batch)

    def _namespace_of(self, kind: Kind) -> str | None:
        """Catalogue entries are in the system namespace; pods everywhere, since they hold GPUs others wait for."""
        if kind is Kind.CONFIGMAP:
            return self._session.system_namespace
        return None if kind is Kind.POD else self._scope

    async def _pulse(self) -> None:
        while True:
            try:
                self._picture.set_link(await ping(self._connection), None)
            except GenaiTuiError as error:
                self._picture.set_link(None, error.problem)
            await self._pause(PING_EVERY_S)

    async def _learn_access(self) -> None:
        while True:
            try:
                await self._access.identify()
                for namespace in (self._session.namespace or "default", self._session.system_namespace):
                    await self._access.check(namespace)
                self._picture.tell()
                return
            except GenaiTuiError as error:
                log.info("permissions are not known: %s", error.problem.line)
                await self._pause(ASK_AGAIN_S)

    async def _pause(self, seconds: float) -> None:
        """Wait, or until the operator wants it tried now."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wanted_now.wait(), seconds)

    def _retry(self) -> None:
        self._connection.credentials.try_again()
        wanted, self._wanted_now = self._wanted_now, asyncio.Event()
        wanted.set()

    async def _settle(self) -> None:
        """Wait for the whole picture. Raises what keeps it from being whole."""
        await self._start()
        try:
            async with asyncio.timeout(SETTLE_LIMIT_S):
                while not self._picture.complete:
                    self._raise_failure()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(1.0):
                            await self._picture.changed()
                await asyncio.gather(self._sampler.once(), self._starts.once())
        except TimeoutError as error:
            raise TimedOut(f"{self._session.server} did not list everything in {SETTLE_LIMIT_S:.0f} s") from error

    def _raise_failure(self) -> None:
        """A command does not wait for an outage to end: it says what is wrong."""
        health = self._picture.health
        if health.problem is not None and any(sync.value == "stale" for _, sync in health.kinds):
            problem = health.problem
            failed = next(
                (t.exception() for t in self._tasks if t.done() and not t.cancelled() and t.exception()), None
            )
            if failed is not None:
                raise failed
            raise _same_kind(problem.what)(
                problem.what, why=problem.why, next_step=problem.next_step, detail=problem.detail
            )

    async def _read_counters(self) -> None:
        await self._sampler.read_counters()

    # -- reaching engines ---------------------------------------------------------------------------------------

    async def _fetch_pod(self, pod: Pod, port: int) -> bytes:
        route = reach.by_pod(self._connection, pod.meta.namespace, pod.meta.name, port)
        return (await self._connection.request("GET", f"{route.base}/metrics", accept="*/*", patience=0)).content

    async def _tail(self, pod: Pod, container: str, previous: bool) -> Sequence[LogLine]:
        lines = kube_logs.lines(
            self._connection,
            pod.meta.namespace,
            pod.meta.name,
            container=container,
            follow=False,
            previous=previous,
            tail=LOG_TAIL,
        )
        async with contextlib.aclosing(lines) as found:
            return [line async for line in found]

    async def _resolve(self, ref: Ref) -> Target:
        detail = self._picture.deployment(ref)
        route = await self._ways.to(ref)
        names = detail.row.served_names if detail is not None else ()
        model = ref.name if not names or ref.name in names else names[0]
        key = os.environ.get(ENGINE_KEY) if self._ways.wants_key(ref) else None
        remember(key)
        return Target(route.client, route.base, model, key or None)

    def _know(self, ref: Ref) -> Known:
        detail = self._picture.deployment(ref)
        document = detail.document if detail is not None else None
        pricing = document.spec.pricing if document is not None else None
        endpoint = next(
            (e.document for e in self._picture.endpoints() if document and e.name == document.spec.endpoint), None
        )
        public = endpoint is not None and endpoint.spec.exposure == "gateway"
        address = _cluster_address(ref)
        if endpoint is not None and public:
            address = f"https://{hostname_of(ref.name, endpoint.spec.hostname)}"
        model = detail.row.model if detail is not None else None
        return Known(model or ref.name, pricing.price if pricing is not None else None, address)

    async def _recall_starts(self) -> None:
        try:
            self._picture.remember_starts(await self._start_rows.newest())
        except GenaiTuiError as error:
            log.warning("how long starts take is not known: %s", error.problem.line)

    async def _remember_start(self, pod: Pod) -> None:
        start = self._picture.finished_start(pod)
        if start is None:
            return
        self._picture.remember_starts([start])
        try:
            await self._start_rows.add(start)
        except GenaiTuiError as error:
            log.warning("a start is not in the ledger: %s", error.problem.line)

    async def _note_price(self, ref: Ref, document: ModelDeployment) -> None:
        price = document.spec.pricing.price if document.spec.pricing is not None else None
        await self._ledger.note_price(self._session.server, ref.namespace, ref.name, price, _now())

    # -- the rest -----------------------------------------------------------------------------------------------

    async def _render(self, documents: Sequence[Any]) -> Sequence[Any]:
        """Ask the cluster only when a document refers to something the file does not bring along."""
        models = {d.metadata.name for d in documents if isinstance(d, Model)}
        endpoints = {d.metadata.name for d in documents if isinstance(d, Endpoint)}
        deployments = [d for d in documents if isinstance(d, ModelDeployment)]
        if any(d.spec.model not in models or d.spec.endpoint not in endpoints for d in deployments):
            await self._settle()
        return await self._operations.render_documents(documents)

    async def _close(self) -> None:
        # One cancellation can be lost to a wait that ends at the same moment (python/cpython#81839): insist.
        pending = set(self._tasks)
        while pending:
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=0.5)
        await self._ways.close()
        await self._connection.close()
        await self._ledger.close()


def _now() -> datetime:
    return datetime.now(UTC)


def _cluster_address(ref: Ref) -> str:
    """The Service's address inside the cluster."""
    return f"http://{ref.name}.{ref.namespace}.svc.cluster.local:{PORT}"


def _identify(containers: tuple[ContainerSpec, ...]) -> Engine | None:
    found = identify(containers)
    return Engine(found.engine, found.model, found.served_names) if found is not None else None


def _same_kind(what: str) -> type[GenaiTuiError]:
    from genai_tui.errors import CredentialsRejected, Unreachable

    return CredentialsRejected if "credential" in what else Unreachable


def render_for_sandbox(text: str) -> list[dict[str, Any]]:
    """Documents as the objects an apply would write, for filling a new sandbox."""
    from genai_tui.domain.naming import SYSTEM_NAMESPACE
    from genai_tui.files import read_documents

    documents = read_documents(text)
    models = {d.metadata.name: d.spec for d in documents if isinstance(d, Model)}
    found: list[dict[str, Any]] = []
    for document in documents:
        if isinstance(document, ModelDeployment):
            namespace = document.metadata.namespace or "default"
            found += render_deployment(document, models[document.spec.model], namespace)
        else:
            found.append(render_entry(document, SYSTEM_NAMESPACE))
    return found
