"""Fakes of every port, filled with the tour's world at a fixed time; each remembers what it was asked.

A test changes the world through the fakes (`fakes.picture.put(row)`), which tell the console as the real ones do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Generic, Literal, TypeVar

from genai_tui.access_ports import Permission
from genai_tui.domain.adoption import Adoption
from genai_tui.domain.audit import Undo, Write
from genai_tui.domain.budgets import Budget
from genai_tui.domain.chat import Answered, ChatEvent, ChatRequest, Message, TextDelta
from genai_tui.domain.cluster import Sync
from genai_tui.domain.conversation import SavedConversation, SavedPrompt, SavedQuestion
from genai_tui.domain.counters import Reconciliation
from genai_tui.domain.disputes import UNDECIDED, Drift, Resolution
from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.enforcement import GATEWAY, OURS, Claim, Enforcement, Installed, ServedKind
from genai_tui.domain.gpu_cost import GpuCosts, GpuPrice
from genai_tui.domain.keys import KeyRecord, KeyRequest, NewKey
from genai_tui.domain.limit_use import Counters
from genai_tui.domain.model_secrets import MissingSecret
from genai_tui.domain.money import Cost, Price
from genai_tui.domain.monitoring import EngineReport, GpuReport
from genai_tui.domain.own_credentials import CREDENTIALS, HUB_TOKEN, Credential, Found, Keep, Place
from genai_tui.domain.pace import StartKind, Usual
from genai_tui.domain.places import ContextEntry
from genai_tui.domain.preflight import Check
from genai_tui.domain.problems import Problem
from genai_tui.domain.refusals import Refusal
from genai_tui.domain.revisions import Revision
from genai_tui.domain.rows import (
    DeploymentDetail,
    DeploymentRow,
    EndpointRow,
    Health,
    Link,
    ModelRow,
    NodeDetail,
    NodePod,
    NodeRow,
    OrganizationRow,
    Ref,
)
from genai_tui.domain.trends import UsagePoint
from genai_tui.domain.usage import Dimension, RequestRecord, Source, Timings, TokenUsage, UsageLine
from genai_tui.errors import GenaiTuiError, NotFound, NotPermitted
from genai_tui.services import (
    AnyDocument,
    Applied,
    Changes,
    LogLine,
    Outcome,
    Preview,
    RenderedManifest,
    SavedDraft,
    Services,
    Session,
)
from tests.fakes import tour

NOW = tour.NOW
LIVE = Health(Link.LIVE, 41.0, kinds=(("Deployment", Sync.LIVE), ("Pod", Sync.LIVE)))


class FakePicture:
    """The cluster's picture; `put`, `remove` and `set_health` change it and tell who subscribed."""

    def __init__(self, rows: Sequence[DeploymentRow] = ()) -> None:
        self._revision = 1
        self._rows = {row.ref: row for row in rows}
        self._log: list[tuple[int, Ref]] = []
        self._reset_at = 0
        self._callbacks: list[Callable[[], None]] = []
        self._health = LIVE
        self.model_rows: tuple[ModelRow, ...] = tour.models()
        self.endpoint_rows: tuple[EndpointRow, ...] = tour.endpoints()
        self.organization_rows: tuple[OrganizationRow, ...] = tour.organizations()
        self.node_rows: tuple[NodeRow, ...] = tour.nodes()
        self.usual: dict[Ref, Usual] = {}
        self.usual_starts: dict[StartKind, Usual] = {}
        self.namespace_names: tuple[str, ...] = ("default", "search", "team-a", "team-b")

    # What a test does -------------------------------------------------------------------------------------------------

    def put(self, *rows: DeploymentRow) -> None:
        """Rows appear or change."""
        self._revision += 1
        for row in rows:
            self._rows[row.ref] = row
            self._log.append((self._revision, row.ref))
        self.tell()

    def remove(self, *refs: Ref) -> None:
        """Rows go."""
        self._revision += 1
        for ref in refs:
            self._rows.pop(ref, None)
            self._log.append((self._revision, ref))
        self.tell()

    def replace_all(self, rows: Sequence[DeploymentRow]) -> None:
        """A new list."""
        self._revision += 1
        self._reset_at = self._revision
        self._rows = {row.ref: row for row in rows}
        self.tell()

    def set_health(self, health: Health) -> None:
        """The link changes."""
        self._revision += 1
        self._health = health
        self.tell()

    def tell(self) -> None:
        """Call back everybody."""
        for callback in list(self._callbacks):
            callback()

    @property
    def listeners(self) -> int:
        """How many are subscribed."""
        return len(self._callbacks)

    # The port ---------------------------------------------------------------------------------------------------------

    @property
    def revision(self) -> int:
        return self._revision

    @property
    def health(self) -> Health:
        return self._health

    def deployments(self) -> Sequence[DeploymentRow]:
        return sorted(self._rows.values(), key=lambda row: (row.ref.namespace, row.ref.name))

    def deployment(self, ref: Ref) -> DeploymentDetail | None:
        row = self._rows.get(ref)
        return None if row is None else tour.detail(row)

    def usual_start_of(self, kind: StartKind) -> Usual | None:
        return self.usual_starts.get(kind)

    def usual_start(self, ref: Ref) -> Usual | None:
        return self.usual.get(ref)

    def models(self) -> Sequence[ModelRow]:
        return self.model_rows

    def endpoints(self) -> Sequence[EndpointRow]:
        return self.endpoint_rows

    def organizations(self) -> Sequence[OrganizationRow]:
        return self.organization_rows

    def nodes(self) -> Sequence[NodeRow]:
        return self.node_rows

    def node(self, name: str) -> NodeDetail | None:
        row = next((row for row in self.node_rows if row.node.meta.name == name), None)
        pods = (
            NodePod(replica.pod, ref, (("nvidia.com/gpu", 1),))
            for ref in self._rows
            if (detail := self.deployment(ref)) is not None
            for replica in detail.replicas
            if replica.pod.node == name
        )
        return None if row is None else NodeDetail(row, tuple(pods))

    def namespaces(self) -> Sequence[str]:
        return self.namespace_names

    def changes_since(self, revision: int) -> Changes:
        if revision < self._reset_at:
            return Changes(self._revision, reset=True)
        refs = dict.fromkeys(ref for at, ref in self._log if at > revision)
        rows = tuple(self._rows[ref] for ref in refs if ref in self._rows)
        return Changes(self._revision, False, rows, tuple(ref for ref in refs if ref not in self._rows))

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)


def served(*kinds: ServedKind) -> Installed:
    """A cluster that serves these kinds of the gateways' APIs and no others."""
    return Installed(True, frozenset((kind.group, kind.version, kind.kind) for kind in kinds))


@dataclass
class FakeOperations:
    """Remembers what was done in `calls`, e.g. `("delete", "ModelDeployment", "team-a/chat")`.

    `failure` is raised by the next write.
    """

    calls: list[tuple[str, ...]] = field(default_factory=list)
    applied: list[AnyDocument] = field(default_factory=list)
    resolutions: list[Resolution] = field(default_factory=list)
    failure: Exception | None = None
    enforced: Enforcement = field(
        default_factory=lambda: Enforcement(
            None, Claim.RECORDED, ("its endpoint is bound to no gateway of the cluster",)
        )
    )
    installed: Installed = field(default_factory=lambda: served(*OURS, GATEWAY))
    log: list[str] = field(
        default_factory=lambda: ["INFO starting", "Loading safetensors checkpoint shards: 62% | 3/5"]
    )
    answer: Preview | None = None
    adopted: Adoption | None = None
    drifted: Drift = field(default_factory=Drift)
    kept: tuple[Revision, ...] = ()

    def _do(self, *call: str) -> None:
        self.calls.append(call)
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure

    async def gateways(self) -> Installed:
        return self.installed

    async def enforcement(self, ref: Ref) -> Enforcement:
        return self.enforced

    async def prove(self, ref: Ref) -> Enforcement:
        self._do("prove", str(ref))
        return self.enforced

    async def preview(self, document: AnyDocument) -> Preview:
        self._do("preview", document.kind, document.metadata.name)
        if self.answer is not None:
            return self.answer
        namespace = getattr(document.metadata, "namespace", None) or ""
        manifest = RenderedManifest("Deployment", namespace, document.metadata.name, "kind: Deployment\n")
        return Preview((manifest,), {manifest.reference: "created"}, "+kind: Deployment\n", None, ())

    async def warnings(self, documents: Sequence[AnyDocument]) -> Mapping[str, tuple[str, ...]]:
        return {}

    async def preflight(self, documents: Sequence[AnyDocument]) -> Mapping[Ref, tuple[Check, ...]]:
        return {}

    async def apply(
        self,
        document: AnyDocument,
        *,
        create_only: bool = False,
        base: AnyDocument | None = None,
        resolution: Resolution = UNDECIDED,
    ) -> Applied:
        self._do("apply", document.kind, document.metadata.name)
        self.applied.append(document)
        self.resolutions.append(resolution)
        return Applied({f"{document.kind} {document.metadata.name}": "created"})

    async def delete(
        self, kind: str, name: str, namespace: str = "", *, base: ModelDeployment | None = None
    ) -> tuple[str, ...]:
        self._do("delete", kind, f"{namespace}/{name}" if namespace else name)
        return (f"{kind} {name}",)

    async def scale(
        self, ref: Ref, replicas: int, resolution: Resolution = UNDECIDED, *, base: ModelDeployment | None = None
    ) -> None:
        self._do("scale", str(ref), str(replicas))
        self.resolutions.append(resolution)

    async def drift(self, ref: Ref) -> Drift:
        return self.drifted

    async def adoption(self, ref: Ref) -> Adoption:
        self._do("adoption", str(ref))
        return self.adopted if self.adopted is not None else Adoption(ref, "helm")

    async def compare(self, ref: Ref, document: ModelDeployment) -> str:
        return f"--- live Deployment {ref}\n+++ applied Deployment {ref}\n-  name: {ref.name}\n+  name: {document.metadata.name}\n"

    async def restart(self, ref: Ref) -> None:
        self._do("restart", str(ref))

    async def pause(self, ref: Ref, *, paused: bool) -> None:
        self._do("pause" if paused else "resume", str(ref))

    async def revisions(self, ref: Ref) -> tuple[Revision, ...]:
        self._do("revisions", str(ref))
        return self.kept

    async def live_manifest(self, ref: Ref) -> str:
        self._do("live_manifest", str(ref))
        return f"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {ref.name}\n  namespace: {ref.namespace}\n"

    async def logs(
        self,
        ref: Ref,
        pod: str,
        *,
        container: str = "",
        follow: bool = True,
        previous: bool = False,
        tail: int = 500,
    ) -> AsyncGenerator[LogLine, None]:
        self._do("logs", str(ref), pod)
        for line in self.log:
            yield LogLine(pod, container or "engine", line, NOW)
        if follow:
            await asyncio.Event().wait()


Named = TypeVar("Named", SavedConversation, SavedPrompt, SavedQuestion)


class FakeShelf(Generic[Named]):
    """Keeps in memory; `failure` is raised by the next save."""

    def __init__(self) -> None:
        self.items: dict[str, Named] = {}
        self.failure: Exception | None = None

    def save(self, item: Named) -> None:
        if self.failure is not None:
            raise self.failure
        self.items[item.name] = item

    def saved(self) -> tuple[Named, ...]:
        return tuple(sorted(self.items.values(), key=lambda item: item.saved, reverse=True))

    def discard(self, name: str) -> None:
        self.items.pop(name, None)

    def set_aside(self) -> tuple[str, ...]:
        return ()


@dataclass
class FakeAccess:
    """Permits all but `refused`, which holds (verb, resource, namespace); namespace "" is every namespace."""

    refused: set[tuple[str, str, str]] = field(default_factory=set)
    identity: str | None = "operator"
    checked: list[str] = field(default_factory=list)

    def permission(self, verb: str, resource: str, namespace: str) -> Permission:
        if {(verb, resource, namespace), (verb, resource, "")} & self.refused:
            group, _, plural = resource.rpartition("/")
            named = f"{plural}.{group}" if group else plural
            where = f" in namespace {namespace}" if namespace else ""
            return Permission(False, f"operator may not {verb} {named}{where}")
        return Permission(True)

    async def check(self, namespace: str) -> None:
        self.checked.append(namespace)


@dataclass
class FakeSecrets:
    """Remembers which were made, by name, with the length of what was typed."""

    made: list[tuple[str, int, str]] = field(default_factory=list)
    refused: str = ""
    environment: str = ""
    failure: Exception | None = None

    def refusal(self, missing: MissingSecret) -> str:
        return self.refused

    async def at_hand(self, missing: MissingSecret) -> str:
        return self.environment

    async def make(self, missing: MissingSecret, value: str, user: str = "") -> None:
        if self.failure is not None:
            raise self.failure
        self.made.append((missing.name, len(value), user))


@dataclass
class FakeCredentials:
    """One Hub token in the environment; keeps what it is given, by its length."""

    found: dict[str, Found] = field(default_factory=lambda: {"hub-token": Found(HUB_TOKEN, "$HF_TOKEN", fixed=True)})
    kept: list[tuple[str, int, Keep]] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    keyring: str = "no desktop keyring answers here"
    failure: Exception | None = None

    async def listed(self) -> Sequence[Found]:
        return tuple([await self.find(known) for known in CREDENTIALS])

    async def find(self, wanted: Credential) -> Found:
        return self.found.get(wanted.name, Found(wanted))

    async def value(self, wanted: Credential) -> str | None:
        return "hf_of-this-machine" if wanted.name in self.found else None

    async def places(self) -> Sequence[Place]:
        return (
            Place(Keep.KEYRING, "keyring", self.keyring),
            Place(Keep.FILE, "/state/credentials.json: not encrypted, readable by this user alone"),
            Place(Keep.MEMORY, "this session alone: it is asked for again next time"),
        )

    async def keep(self, wanted: Credential, value: str, place: Keep) -> None:
        if self.failure is not None:
            raise self.failure
        self.kept.append((wanted.name, len(value), place))
        self.found[wanted.name] = Found(wanted, place.value)

    async def forget(self, wanted: Credential) -> Sequence[str]:
        self.forgotten.append(wanted.name)
        found = self.found.get(wanted.name)
        if found is None or found.source.startswith("$"):
            return ()
        del self.found[wanted.name]
        return (found.source,)


@dataclass
class FakePlayground:
    """Answers every question with `words`; `usage` None is an engine that does not count."""

    words: Sequence[str] = ("Red, ", "green ", "and ", "blue.")
    usage: TokenUsage | None = field(default_factory=lambda: TokenUsage(34, 7, 41))
    failure: Exception | None = None
    asked: list[ChatRequest] = field(default_factory=list)
    hold: asyncio.Event | None = None
    """When set, the answer waits for it after the first word."""
    tokens: int | None = None
    """What the engine counts for every text; None is one that cannot."""
    counted: list[tuple[Message, ...]] = field(default_factory=list)
    counted_tools: list[tuple[Mapping[str, Any], ...]] = field(default_factory=list)

    async def ask(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        self.asked.append(request)
        if self.failure is not None:
            raise self.failure
        for number, word in enumerate(self.words):
            if number == 1 and self.hold is not None:
                await self.hold.wait()
            yield TextDelta(word)
        cost = Cost(Decimal("0.0000110"), "USD") if self.usage is not None else None
        yield Answered("".join(self.words), "stop", self.usage, Timings(82.0, 197.0, 61.0), cost)

    async def context_length(self, ref: Ref) -> int | None:
        return 4096

    async def count_tokens(
        self, ref: Ref, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()
    ) -> int | None:
        self.counted_tools.append(tuple(tools))
        self.counted.append(tuple(messages))
        return self.tokens

    address: str = "http://127.0.0.1:8090"
    developers: list[tuple[str, bool]] = field(default_factory=list)
    """The addresses asked at, and whether with a key."""
    asked_at: str = ""
    """Where the developer asks whose playground this is."""
    as_theirs: Exception | None = None
    """What the gateway refuses a developer with."""

    async def public_address(self, ref: Ref) -> str:
        return self.address

    def as_developer(self, address: str, key: str | None) -> FakePlayground:
        self.developers.append((address, key is not None))
        return FakePlayground(words=("As ", "a developer."), failure=self.as_theirs, asked_at=address)

    def way(self, ref: Ref) -> str:
        return ""

    async def sample_code(
        self, ref: Ref, language: Literal["curl", "python", "node"], request: ChatRequest | None = None
    ) -> str:
        return f"# {language} for {ref}{f' at {self.asked_at}' if self.asked_at else ''}\n"


@dataclass
class FakeUsage:
    """A ledger with two lines."""

    lines: tuple[UsageLine, ...] = (
        UsageLine(
            "team-a/chat", Source.PLAYGROUND, 12, 1, 0, 4_210, 1_873, 6_083, Cost(Decimal("0.0019658"), "USD"), NOW
        ),
        UsageLine("search/embed", Source.CLI, 3, 0, 2, 96, 0, 96, None, NOW),
    )
    asked: list[Dimension] = field(default_factory=list)

    points: tuple[UsagePoint, ...] = ()
    rows: tuple[RequestRecord, ...] = ()
    failure: Exception | None = None
    prices: tuple[tuple[datetime, Price | None], ...] = ()

    async def deployments(self, cluster: str | None = None) -> tuple[Ref, ...]:
        names = [line.group.partition("/") for line in self.lines]
        return tuple(Ref(namespace, name) for namespace, _, name in names)

    async def price_history(
        self, cluster: str, namespace: str, deployment: str
    ) -> tuple[tuple[datetime, Price | None], ...]:
        return self.prices

    async def usage(
        self,
        by: Dimension,
        since: datetime,
        until: datetime | None = None,
        *,
        cluster: str | None = None,
        only: Mapping[Dimension, str] = MappingProxyType({}),
        waits: bool = False,
    ) -> tuple[UsageLine, ...]:
        self.asked.append(by)
        return self.lines

    async def trend(
        self,
        every: timedelta,
        since: datetime,
        until: datetime | None = None,
        *,
        cluster: str | None = None,
        only: Mapping[Dimension, str] = MappingProxyType({}),
        waits: bool = False,
    ) -> tuple[UsagePoint, ...]:
        return self.points

    async def requests(
        self, since: datetime, until: datetime | None = None, *, limit: int = 10_000
    ) -> tuple[RequestRecord, ...]:
        if self.failure is not None:
            raise self.failure
        return self.rows


@dataclass
class FakeRefusals:
    """Refusals in memory."""

    rows: Sequence[Refusal] = ()
    failure: GenaiTuiError | None = None

    async def recent(
        self, since: datetime, *, cluster: str | None = None, ref: Ref | None = None, limit: int = 100
    ) -> tuple[Refusal, ...]:
        if self.failure is not None:
            raise self.failure
        of = [row for row in self.rows if ref is None or (row.namespace, row.deployment) == (ref.namespace, ref.name)]
        return tuple(row for row in of if row.last >= since)[:limit]


@dataclass
class FakeWindows:
    """A gateway that has counted nothing, or what a test put there; `failure`: why it is not known."""

    counters: Counters = field(default_factory=lambda: Counters(NOW - timedelta(hours=1)))
    failure: GenaiTuiError | None = None

    async def of(self, ref: Ref) -> Counters:
        if self.failure is not None:
            raise self.failure
        return self.counters


@dataclass
class FakeBudgets:
    """Budgets in memory."""

    held: tuple[Budget, ...] = ()

    async def all(self) -> tuple[Budget, ...]:
        return self.held

    async def set(self, budget: Budget) -> None:
        self.held = (*self.held, budget)

    async def remove(self, budget: Budget) -> None:
        self.held = tuple(one for one in self.held if one != budget)


@dataclass
class FakeGpuAccounts:
    """What GPUs cost, in memory."""

    found: GpuCosts = field(default_factory=lambda: GpuCosts(timedelta(), (), ()))
    held: tuple[GpuPrice, ...] = ()
    types: tuple[str, ...] = ("p5.48xlarge",)
    asked: list[tuple[datetime, datetime]] = field(default_factory=list)

    async def costs(self, since: datetime, until: datetime) -> GpuCosts:
        self.asked.append((since, until))
        return self.found

    async def prices(self) -> tuple[GpuPrice, ...]:
        return self.held

    async def set_price(self, price: GpuPrice) -> None:
        self.held = (*self.held, price)

    async def take_back(self, price: GpuPrice) -> None:
        self.held = tuple(held for held in self.held if held != price)

    async def known_types(self) -> tuple[str, ...]:
        return self.types

    def node_types(self) -> tuple[str, ...]:
        return self.types


class FakeDrafts:
    """Drafts in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, SavedDraft] = {}

    def save(self, key: str, title: str, fields: Mapping[str, str]) -> None:
        self.kept[key] = SavedDraft(key, title, dict(fields), NOW)

    def saved(self) -> tuple[SavedDraft, ...]:
        return tuple(self.kept.values())

    def discard(self, key: str) -> None:
        self.kept.pop(key, None)

    def set_aside(self) -> tuple[str, ...]:
        return ()


@dataclass
class FakePreferences:
    """Preferences in memory."""

    values: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str | None:
        return self.values.get(name)

    def set(self, name: str, value: str) -> None:
        self.values[name] = value


@dataclass
class FakeKeys:
    """Keys in memory; a new one is always the same, so that it may be in pictures."""

    keys: list[KeyRecord] = field(default_factory=tour.keys)
    failure: Exception | None = None
    made: list[KeyRequest] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)

    async def listed(self) -> Sequence[KeyRecord]:
        if self.failure is not None:
            raise self.failure
        return tuple(self.keys)

    async def create(self, request: KeyRequest) -> NewKey:
        if self.failure is not None:
            raise self.failure
        self.made.append(request)
        record = KeyRecord(
            "k-0badc0de", request.organization, request.user, "", request.name, request.description, NOW,
            request.expires, request.deployments,
        )  # fmt: skip
        self.keys.append(record)
        return NewKey(record, "sk-genai-shown-once-in-a-test")

    async def revoke(self, keys: Sequence[KeyRecord]) -> None:
        if self.failure is not None:
            raise self.failure
        self.revoked += [key.id for key in keys]
        self.keys = [key for key in self.keys if key not in keys]


@dataclass
class FakeAudit:
    """Writes in memory; `undone` is what was undone."""

    rows: list[Write] = field(default_factory=list)
    plan: Undo | None = None
    problem: str = ""
    undone: list[tuple[str, Resolution]] = field(default_factory=list)
    failure: Exception | None = None

    async def writes(
        self, since: datetime, until: datetime | None = None, *, cluster: str | None = None, limit: int = 1_000
    ) -> Sequence[Write]:
        if self.failure is not None:
            raise self.failure
        return [row for row in self.rows if row.at >= since and cluster in (None, row.cluster)][:limit]

    async def last(self) -> Undo:
        if self.plan is None:
            raise NotFound("nothing was written to this cluster from here")
        return self.plan

    async def undo(self, undo: Undo, resolution: Resolution = UNDECIDED) -> None:
        self.undone.append((undo.act, resolution))


class FakeCounters:
    """What engines counted; a test puts it there."""

    def __init__(self) -> None:
        self.problem: Problem | None = None
        self.lines: tuple[Reconciliation, ...] = ()
        self.asked: list[datetime] = []

    async def read_now(self) -> None:
        return

    async def reconcile(
        self, since: datetime, until: datetime | None = None, *, only: Ref | None = None
    ) -> Sequence[Reconciliation]:
        self.asked.append(since)
        return [line for line in self.lines if only is None or line.ref == only]


@dataclass
class FakePlaces:
    """Two contexts; `opened` is where somebody went."""

    entries: tuple[ContextEntry, ...] = (ContextEntry("tour", "sandbox"), ContextEntry("prod-eu", "eu-1", "llm", True))
    worlds: dict[tuple[str, str | None], FakeServices] = field(default_factory=dict)
    opened: list[tuple[str, str | None]] = field(default_factory=list)

    def contexts(self) -> Sequence[ContextEntry]:
        return self.entries

    def open(self, context: str, namespace: str | None) -> Services:
        self.opened.append((context, namespace))
        return self.worlds[context, namespace].build()


class FakeMonitor:
    """Answers with what a test put there, and counts how often it was asked."""

    def __init__(self) -> None:
        self.gpu_report = GpuReport(NOW, problem="no data: no DCGM exporter found")
        self.engine_report = EngineReport(problem="no data: no replica is ready")
        self.asked = 0
        self.others_asked = False

    async def gpus(self, nodes: Collection[str] | None = None) -> GpuReport:
        self.asked += 1
        return replace(self.gpu_report, unasked=0) if self.others_asked else self.gpu_report

    def ask_others(self) -> None:
        self.others_asked = True

    async def engine(self, ref: Ref) -> EngineReport:
        self.asked += 1
        return self.engine_report


class FakeServices:
    """The ports of one session; `build()` makes the value the console takes."""

    def __init__(
        self,
        rows: Sequence[DeploymentRow] | None = None,
        *,
        read_only: bool = False,
        simulated: bool = True,
        namespace: str | None = None,
        context: str = "tour",
    ) -> None:
        self.picture = FakePicture(tour.rows() if rows is None else rows)
        self.access = FakeAccess()
        self.operations = FakeOperations()
        self.playground = FakePlayground()
        self.usage = FakeUsage()
        self.budgets = FakeBudgets()
        self.gpu_accounts = FakeGpuAccounts()
        self.refusals = FakeRefusals()
        self.windows = FakeWindows()
        self.limitador = FakeWindows()
        self.drafts = FakeDrafts()
        self.conversations: FakeShelf[SavedConversation] = FakeShelf()
        self.prompts: FakeShelf[SavedPrompt] = FakeShelf()
        self.questions: FakeShelf[SavedQuestion] = FakeShelf()
        self.preferences = FakePreferences()
        self.places = FakePlaces()
        self.keys = FakeKeys()
        self.secrets = FakeSecrets()
        self.credentials = FakeCredentials()
        self.audit = FakeAudit()
        self.counters = FakeCounters()
        self.monitor = FakeMonitor()
        self.session = Session(context, "https://127.0.0.1:6443", namespace, "genai-tui", read_only, simulated)
        self.now = NOW
        self.started = self.closed = self.retried = 0
        self.start_failure: Exception | None = None

    def build(self) -> Services:
        """The services as the console gets them."""
        return Services(
            session=self.session,
            picture=self.picture,
            access=self.access,
            operations=self.operations,
            playground=self.playground,
            usage=self.usage,
            budgets=self.budgets,
            gpu_accounts=self.gpu_accounts,
            refusals=self.refusals,
            windows=self.windows,
            limitador=self.limitador,
            drafts=self.drafts,
            conversations=self.conversations,
            prompts=self.prompts,
            questions=self.questions,
            preferences=self.preferences,
            places=self.places,
            clock=lambda: self.now,
            start=self._start,
            settle=self._nothing,
            keys=self.keys,
            secrets=self.secrets,
            credentials=self.credentials,
            audit=self.audit,
            counters=self.counters,
            monitor=self.monitor,
            render_documents=self._render,
            apply_documents=self._apply,
            diff_documents=self._diff,
            retry=self._retry,
            lend_terminal=lambda lend: None,
            confirm_writes=lambda ask: None,
            close=self._close,
        )

    def _retry(self) -> None:
        self.retried += 1

    async def _start(self) -> None:
        self.started += 1
        if self.start_failure is not None:
            raise self.start_failure

    async def _close(self) -> None:
        self.closed += 1

    async def _nothing(self) -> None:
        return None

    async def _render(self, documents: Sequence[AnyDocument]) -> Sequence[RenderedManifest]:
        return ()

    async def _diff(self, documents: Sequence[AnyDocument]) -> str:
        return ""

    async def _apply(
        self, documents: Sequence[AnyDocument], dry_run: bool, resolution: Resolution = UNDECIDED
    ) -> Mapping[str, Outcome]:
        return {}


def stale(minutes: int = 2) -> Health:
    """The link broke some minutes ago."""
    problem = Problem("tour does not answer", "connection refused", "check that the API server runs")
    return Health(Link.STALE, None, tour.ago(minutes=minutes), problem)


def offline() -> Health:
    """There never was a link."""
    problem = Problem(
        "the cluster refused the credentials of context tour",
        "the token has expired",
        "log in again, e.g. `aws sso login`",
    )
    return Health(Link.OFFLINE, None, tour.ago(seconds=20), problem)


CONNECTING = Health(Link.CONNECTING)


def denied(verb: str, resource: str, namespace: str) -> NotPermitted:
    """The cluster's refusal."""
    return NotPermitted(f"operator may not {verb} {resource} in namespace {namespace}")
