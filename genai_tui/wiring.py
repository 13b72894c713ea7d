"""What feeds the picture of one session, and what stands behind the ports that act: loaded after the first paint."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from genai_tui import shelves
from genai_tui.api_keys import ClusterKeys
from genai_tui.auditing import Recorder
from genai_tui.cluster_secrets import ClusterSecrets
from genai_tui.counting import Counting
from genai_tui.domain.catalogue import UseCase
from genai_tui.domain.cluster import PICTURED, Kind, Pod
from genai_tui.domain.documents import Endpoint, Model, ModelDeployment
from genai_tui.domain.own_credentials import API_KEY, ENGINE_KEY
from genai_tui.domain.rows import Ref
from genai_tui.engines.failures import diagnose
from genai_tui.engines.parts import PORT
from genai_tui.errors import CredentialsRejected, GenaiTuiError, NotPermitted, TimedOut, Unreachable
from genai_tui.gateway.told import ToldCounters
from genai_tui.gpu_accounts import GpuAccounts
from genai_tui.inference.client import Target
from genai_tui.inference.playground import EnginePlayground, Known, Resolve
from genai_tui.keeping import keep_tidy
from genai_tui.known_secrets import remember
from genai_tui.kube import executing, reach
from genai_tui.kube import logs as kube_logs
from genai_tui.kube.access import Access
from genai_tui.kube.connection import Connection
from genai_tui.kube.gateways import Gateways
from genai_tui.kube.limitador import Limitador
from genai_tui.kube.reads import ping, watch
from genai_tui.metering.audit import AuditRows
from genai_tui.metering.budgets import BudgetRows
from genai_tui.metering.counters import CounterRows
from genai_tui.metering.gpu_time import GpuTimeRows
from genai_tui.metering.ledger import Ledger
from genai_tui.metering.refusals import RefusalRows
from genai_tui.metering.starts import StartRows
from genai_tui.operations import ClusterOperations
from genai_tui.own_credentials import own_credentials
from genai_tui.public_ways import PublicWays
from genai_tui.reaching import Ways
from genai_tui.services import LogLine, Session
from genai_tui.settings import Settings
from genai_tui.store.monitoring import ClusterMonitor
from genai_tui.store.pace import Pace
from genai_tui.store.picture import Picture
from genai_tui.store.sampling import Sampler
from genai_tui.store.starts import StartWatcher
from genai_tui.undoing import Trail

log = logging.getLogger(__name__)

SETTLE_LIMIT_S = 30.0
PING_EVERY_S = 5.0
ASK_AGAIN_S = 30.0
LOG_TAIL = 1_000


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


class Wiring:
    """The adapters of one session and the tasks that feed its picture.

    Args:
        settings: of this run.
        session: who works on what.
        connection: to the cluster; closed with the wiring.
        access: what the identity may do there.
        picture: what is fed.
    """

    def __init__(
        self, settings: Settings, session: Session, connection: Connection, access: Access, picture: Picture
    ) -> None:
        self._settings, self._session, self._connection, self._access, self._picture = (
            settings,
            session,
            connection,
            access,
            picture,
        )
        self._scope = settings.namespace
        self._ledger = Ledger(settings.state / "ledger.db")
        self._public = PublicWays(picture, session, access, settings.reach, Gateways(connection).listening)
        self._ways = Ways(connection, picture, settings.reach, self._public)
        self.counters = Counting(CounterRows(self._ledger), session.server, self._read_counters, now)
        pace = Pace()
        self._sampler = Sampler(picture, self._ways.fetch, keep=self.counters.keep, pace=pace)
        self._start_rows = StartRows(self._ledger, session.server)
        self._starts = StartWatcher(picture, self._tail, diagnose, finished=self._remember_start, pace=pace)
        self._tasks: list[asyncio.Task[None]] = []
        self._wanted_now = asyncio.Event()
        self.operations = ClusterOperations(connection, picture, session, self._note_price)
        self.playground = self._playground(self._resolve, self._ways.describe, self._know)
        self.conversations = shelves.conversations(settings.state)
        self.prompts = shelves.prompts(settings.state)
        self.questions = shelves.questions(settings.state)
        self.usage = self._ledger
        self.refusals = RefusalRows(self._ledger)
        self.windows = ToldCounters(settings.state, session.server)
        self.limitador = Limitador(connection, session.system_namespace)
        self.budgets = BudgetRows(self._ledger, session.server, now)
        gpu_time = GpuTimeRows(self._ledger, session.server)
        self.gpu_accounts = GpuAccounts(gpu_time, self._ledger, picture, session.server, now)
        self.credentials = own_credentials(settings, simulated=session.simulated)
        self.secrets = ClusterSecrets(connection, access, session, self.credentials)
        rows = AuditRows(self._ledger)
        recorder = connection.journal = Recorder(rows, session, access, now)
        self.keys = ClusterKeys(connection, picture, session, self.settle, now, recorder.who)
        self.audit = Trail(rows, recorder, self.operations, session)
        self.monitor = ClusterMonitor(picture, self._fetch_pod, self._ways.fetch, now, execute=self._execute)

    # -- feeding the picture ------------------------------------------------------------------------------------

    async def start(self) -> None:
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
        self._tasks.append(asyncio.create_task(keep_tidy(self._ledger, self._settings, now), name="tidy the ledger"))
        self._tasks.append(asyncio.create_task(self.gpu_accounts.run(), name="look who holds GPUs"))

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

    def retry(self) -> None:
        """Try at once what failed and waits to be tried again."""
        self._connection.credentials.try_again()
        wanted, self._wanted_now = self._wanted_now, asyncio.Event()
        wanted.set()

    async def settle(self) -> None:
        """Wait for the whole picture. Raises what keeps it from being whole."""
        await self.start()
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

    async def _execute(self, pod: Pod, container: str, command: Sequence[str]) -> bytes:
        """Run what reads. A read-only session runs nothing in a container, whatever it is."""
        await self._access.check(pod.meta.namespace)
        for verb in ("create", "get"):
            permission = self._access.permission(verb, "pods/exec", pod.meta.namespace)
            if not permission.allowed:
                raise NotPermitted(permission.reason)
        return await executing.run(self._connection, pod.meta.namespace, pod.meta.name, container, command)

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

    def _playground(
        self, resolve: Resolve, way: Callable[[Ref], str], know: Callable[[Ref], Known]
    ) -> EnginePlayground:
        return EnginePlayground(
            resolve,
            know,
            self._ledger.record,
            cluster=self._session.server,
            clock=now,
            way=way,
            learn=self._public.learn,
            developer=self._developer,
        )

    def _developer(self, address: str, key: str | None) -> EnginePlayground:
        remember(key)

        async def resolve(ref: Ref) -> Target:
            return self._public.target(ref, address, key)

        def know(ref: Ref) -> Known:
            # Samples go where the developer goes.
            return replace(self._know(ref), base_url=address, called=self._public.target(ref, address, key).model)

        return self._playground(resolve, lambda _: f"{address}, {'with' if key else 'without'} an API key", know)

    async def _resolve(self, ref: Ref) -> Target:
        if self._public.why(ref):
            await self._public.learn(ref)
            return self._public.target(ref, self._public.address(ref), await self.credentials.value(API_KEY))
        detail = self._picture.deployment(ref)
        route = await self._ways.to(ref)
        names = detail.row.served_names if detail is not None else ()
        model = ref.name if not names or ref.name in names else names[0]
        key = await self.credentials.value(ENGINE_KEY) if self._ways.wants_key(ref) else None
        return Target(route.client, route.base, model, key)

    def _know(self, ref: Ref) -> Known:
        detail = self._picture.deployment(ref)
        document = detail.document if detail is not None else None
        pricing = document.spec.pricing if document is not None else None
        model = detail.row.model if detail is not None else None
        price = pricing.price if pricing is not None else None
        public, embedded = self._public.address(ref), self._public.embedded(ref)
        address, called, doubt = _cluster_address(ref), ref.name, ""
        if embedded and public:
            several = sum(row.ref.name == ref.name for row in self._picture.deployments()) > 1
            address, called = public, str(ref) if several else ref.name
        elif at_gateway := self._public.at_gateway(ref):
            address, doubt = at_gateway, self._public.doubt(ref)
        entry = next((row.document for row in self._picture.models() if row.name == model), None)
        use = entry.spec.use_case if entry is not None else UseCase.CHAT
        return Known(model or ref.name, price, address, called, public, embedded, doubt, use)

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
        await self._ledger.note_price(self._session.server, ref.namespace, ref.name, price, now())

    # -- the rest -----------------------------------------------------------------------------------------------

    async def render_documents(self, documents: Sequence[Any]) -> Sequence[Any]:
        """Manifests; the cluster is asked only when a document refers to something the file does not bring along."""
        models = {d.metadata.name for d in documents if isinstance(d, Model)}
        endpoints = {d.metadata.name for d in documents if isinstance(d, Endpoint)}
        deployments = [d for d in documents if isinstance(d, ModelDeployment)]
        if any(d.spec.model not in models or d.spec.endpoint not in endpoints for d in deployments):
            await self.settle()
        return await self.operations.render_documents(documents)

    async def close(self) -> None:
        """End the watches, close the connection and the ledger."""
        # One cancellation can be lost to a wait that ends at the same moment (python/cpython#81839): insist.
        pending = set(self._tasks)
        while pending:
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=0.5)
        await self._ways.close()
        await self.limitador.close()
        await self._public.close()
        await self._connection.close()
        await self._ledger.close()


def _cluster_address(ref: Ref) -> str:
    """The Service's address inside the cluster."""
    return f"http://{ref.name}.{ref.namespace}.svc.cluster.local:{PORT}"


def _same_kind(what: str) -> type[GenaiTuiError]:
    return CredentialsRejected if "credential" in what else Unreachable
