"""The picture screens read: rows derived where something changed, revisions, callbacks four times a second at most."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from genai_tui.domain.cluster import PICTURED, ConfigMap, Key, Kind, Pod, Sync
from genai_tui.domain.naming import KIND_LABEL
from genai_tui.domain.pace import Start, StartKind, Usual, finished, usual
from genai_tui.domain.problems import Problem
from genai_tui.domain.rows import (
    DeploymentDetail,
    DeploymentRow,
    EndpointRow,
    Health,
    Link,
    ModelRow,
    NodeDetail,
    NodeRow,
    OrganizationRow,
    Phase,
    Ref,
    Traffic,
)
from genai_tui.domain.watching import Listed, Removed, SyncChanged, Upserted, WatchEvent
from genai_tui.services import Changes
from genai_tui.store.deriving import Deriver, LogFindings, Signature
from genai_tui.store.objects import Objects

if TYPE_CHECKING:
    from genai_tui.domain.documents import Endpoint, Model, Organization

MIN_INTERVAL_S = 0.25
HISTORY = 20_000
REQUIRED = (Kind.DEPLOYMENT, Kind.REPLICASET, Kind.POD, Kind.CONFIGMAP)
"""Kinds without which the picture says nothing; the others may be missing (a Role cannot list nodes)."""
Entry: TypeAlias = "Model | Endpoint | Organization"
ReadEntry: TypeAlias = "Callable[[Mapping[str, str], Mapping[str, str], str], Entry | str]"


@dataclass(slots=True)
class _KindState:
    sync: Sync = Sync.WAITING
    problem: Problem | None = None
    seen_live: bool = False
    namespace: str | None = None


class Picture:
    """Implements `services.ClusterPicture`. Fed by `feed`; touched on the event loop alone."""

    def __init__(
        self,
        deriver: Deriver,
        read_entry: ReadEntry,
        *,
        kinds: Sequence[Kind] = PICTURED,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.objects = Objects()
        self._deriver = deriver
        deriver.usual_start = self.usual_start_of
        self._read_entry = read_entry
        self._clock = clock
        self._kinds = {kind: _KindState() for kind in kinds}
        self._rows: dict[Ref, DeploymentRow] = {}
        self._dirty: set[Ref] = set()
        self._revision = 0
        self._others_at = 0
        self._log_revisions: list[int] = []
        self._log_refs: list[Ref] = []
        self._forgotten = 0
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._pending: asyncio.TimerHandle | None = None
        self._last_call = 0.0
        self._latency: float | None = None
        self._stale_since: datetime | None = None
        self._link_problem: Problem | None = None
        self._node_rows: dict[str, NodeRow] = {}
        self._changed_nodes: set[str] = set()
        self._nodes: tuple[NodeRow, ...] = ()
        self._documents: dict[tuple[str, str], Entry | str] = {}
        self._changed = asyncio.Event()
        self._started: dict[StartKind, dict[str, Start]] = {}

    # -- feeding ------------------------------------------------------------------------------------------------

    def feed(self, events: Iterable[WatchEvent]) -> None:
        """Take in a batch: one new revision, whatever its size."""
        for event in events:
            match event:
                case Listed():
                    self._dirty |= self.objects.replace(event.kind, event.objects)
                    self._note_other(event.kind)
                case Upserted():
                    self._dirty |= self.objects.put(event.object)
                    self._note_other(event.kind)
                case Removed():
                    self._dirty |= self.objects.remove(event.key)
                    self._note_other(event.kind)
                case SyncChanged():
                    self._sync(event)
        if self.objects.changed_nodes:
            self._changed_nodes |= self.objects.changed_nodes
            self.objects.changed_nodes = set()
            self._others_at = self._revision + 1
            # What a pending deployment waits for may have become free.
            self._dirty |= self._deriver.depend_on_nodes
        self._advance()

    def question(self, ref: Ref) -> Signature | None:
        """What an answer of the engine will hold for that is asked for now; None when the deployment is gone."""
        return self._deriver.signature(ref, self.objects)

    def set_answer(
        self, ref: Ref, served_names: tuple[str, ...] | None, question: Signature | None = None, said: str = ""
    ) -> None:
        """What `/v1/models` said; None: the engine did not answer, and `said` is how that showed.

        Without a question it holds for the pods as they are.
        """
        question = question or self.question(ref)
        if question is not None and self._deriver.set_answer(ref, question, served_names, self._clock(), said):
            self._dirty.add(ref)
            self._advance()

    def set_not_asked(self, ref: Ref, why: str) -> None:
        """Why the engine may not be asked by these credentials; empty when it may."""
        if self._deriver.not_asked.get(ref, "") != why and ref in self.objects.workloads:
            self._deriver.not_asked[ref] = why
            if not why:
                del self._deriver.not_asked[ref]
            self._dirty.add(ref)
            self._advance()

    def set_findings(self, pod: Pod, findings: LogFindings) -> None:
        """What the log of a pod told."""
        ref = self.objects.owner_ref(pod)
        if ref is not None and self._deriver.findings(pod) != findings:
            self._deriver.set_findings(pod, findings)
            self._dirty.add(ref)
            self._advance()

    def finished_start(self, pod: Pod) -> Start | None:
        """How long the start of a pod took that has become ready; None where too little of it was seen."""
        ref = self.objects.owner_ref(pod)
        workload = self.objects.workloads.get(ref) if ref is not None else None
        if workload is None:
            return None
        kind = self._deriver.kind_of_start(workload)
        return finished(pod.meta.uid, kind, self._deriver.stages(pod, self.objects))

    def remember_starts(self, starts: Iterable[Start]) -> None:
        """Starts that ended ready, from this session or from before; each pod counts once."""
        for start in starts:
            self._started.setdefault(start.kind, {})[start.pod] = start

    def usual_start(self, ref: Ref) -> Usual | None:
        """What starts of a deployment's image and model usually take here; None without any."""
        workload = self.objects.workloads.get(ref)
        return self.usual_start_of(self._deriver.kind_of_start(workload)) if workload is not None else None

    def usual_start_of(self, kind: StartKind) -> Usual | None:
        """What such starts usually take here; None without any."""
        known = self._started.get(kind)
        return usual(tuple(known.values())) if known else None

    def ready_pods(self, ref: Ref) -> list[tuple[str, str]]:
        """Name and uid of each ready pod of a deployment."""
        workload = self.objects.workloads.get(ref)
        pods = self.objects.pods_of(workload) if workload is not None else []
        return [(pod.meta.name, pod.meta.uid) for pod in pods if pod.ready]

    def pod(self, namespace: str, name: str) -> Pod | None:
        """A pod; None when there is none of that name."""
        return self.objects.pods.get(Key(Kind.POD, namespace, name))

    @property
    def pod_count(self) -> int:
        """How many pods there are."""
        return len(self.objects.pods)

    def unready_pods(self) -> Iterator[tuple[Pod, LogFindings | None]]:
        """The pods of deployments that lack ready ones, with what their logs told so far."""
        self._derive()
        for ref, row in self._rows.items():
            workload = self.objects.workloads.get(ref)
            if workload is not None and (row.ready < row.replicas or row.assessment.phase is not Phase.RUNNING):
                for pod in self.objects.pods_of(workload):
                    yield pod, self._deriver.findings(pod)

    def set_traffic(self, ref: Ref, traffic: Traffic) -> None:
        """The engine's rates over the last interval."""
        if self._deriver.traffic.get(ref) != traffic and ref in self.objects.workloads:
            self._deriver.traffic[ref] = traffic
            self._dirty.add(ref)
            self._advance()

    def tell(self) -> None:
        """What is read beside the picture, as permissions are, has changed."""
        self._advance()

    def set_link(self, latency_ms: float | None, problem: Problem | None) -> None:
        """What the last ping showed: a round trip, or why there was none."""
        if problem is None:
            self._latency = latency_ms
            if all(state.sync is not Sync.STALE for state in self._kinds.values()):
                self._stale_since = None
            self._link_problem = None
        else:
            self._link_problem = problem
            self._stale_since = self._stale_since or self._clock()
        self._advance()

    def _sync(self, event: SyncChanged) -> None:
        state = self._kinds.setdefault(event.kind, _KindState())
        state.sync, state.problem, state.namespace = event.sync, event.problem, event.namespace
        if event.latency_ms is not None:
            self._latency = event.latency_ms
        if event.sync is Sync.LIVE:
            state.seen_live = True
            if not any(s.sync is Sync.STALE for s in self._kinds.values()) and self._link_problem is None:
                self._stale_since = None
        elif event.sync is Sync.STALE:
            self._stale_since = self._stale_since or self._clock()

    def _note_other(self, kind: Kind) -> None:
        if kind not in (Kind.DEPLOYMENT, Kind.REPLICASET, Kind.POD):
            self._others_at = self._revision + 1

    def _advance(self) -> None:
        self._revision += 1
        self._changed.set()
        self._notify_soon()

    def _notify_soon(self) -> None:
        if not self._callbacks or self._pending is not None:
            return
        loop = asyncio.get_running_loop()
        wait = max(0.0, self._last_call + MIN_INTERVAL_S - loop.time())
        self._pending = loop.call_later(wait, self._notify)

    def _notify(self) -> None:
        self._pending = None
        self._last_call = asyncio.get_running_loop().time()
        for callback in list(self._callbacks.values()):
            callback()

    # -- reading ------------------------------------------------------------------------------------------------

    @property
    def revision(self) -> int:
        """Grows with every batch."""
        return self._revision

    @property
    def health(self) -> Health:
        """The worst of the required kinds, and of the last ping."""
        states = [self._kinds[kind] for kind in REQUIRED if kind in self._kinds]
        problem = self._link_problem or next((s.problem for s in states if s.sync is Sync.STALE), None)
        if problem is not None:
            link = Link.STALE if all(s.seen_live for s in states) else Link.OFFLINE
        elif all(s.sync in (Sync.LIVE, Sync.FORBIDDEN, Sync.ABSENT) for s in states):
            link = Link.LIVE
        else:
            link = Link.STALE if all(s.seen_live for s in states) else Link.CONNECTING
        forbidden = next((s.problem for s in states if s.sync is Sync.FORBIDDEN), None)
        kinds = tuple((kind.value, state.sync) for kind, state in self._kinds.items())
        unseen = tuple(
            (kind.value, state.problem.what if state.problem is not None else f"list {kind.value}")
            for kind, state in self._kinds.items()
            if state.sync is Sync.FORBIDDEN
        )
        deployments = self._kinds.get(Kind.DEPLOYMENT)
        within = deployments.namespace if deployments is not None else None
        return Health(link, self._latency, self._stale_since, problem or forbidden, kinds, unseen, within)

    @property
    def complete(self) -> bool:
        """Whether every kind was listed, or will not be."""
        return all(s.sync in (Sync.LIVE, Sync.FORBIDDEN, Sync.ABSENT) for s in self._kinds.values())

    async def changed(self) -> None:
        """Return after the next batch."""
        self._changed.clear()
        await self._changed.wait()

    def deployments(self) -> Sequence[DeploymentRow]:
        """Every row, by namespace and name."""
        self._derive()
        return sorted(self._rows.values(), key=lambda row: (row.ref.namespace, row.ref.name))

    def deployment(self, ref: Ref) -> DeploymentDetail | None:
        """All that is known of one."""
        self._derive()
        row = self._rows.get(ref)
        return None if row is None else self._deriver.detail(row, self.objects, self.nodes)

    def nodes(self) -> Sequence[NodeRow]:
        """The nodes with who holds their GPUs."""
        changed, self._changed_nodes = self._changed_nodes, set()
        for name in changed:
            node = self.objects.nodes.get(name)
            if node is None:
                self._node_rows.pop(name, None)
            else:
                self._node_rows[name] = self._deriver.node(node, self.objects)
        if changed:
            self._nodes = tuple(self._node_rows[name] for name in sorted(self._node_rows))
        return self._nodes

    def node(self, name: str) -> NodeDetail | None:
        """A node with the pods on it."""
        row = next((row for row in self.nodes() if row.node.meta.name == name), None)
        return None if row is None else self._deriver.node_detail(row, self.objects)

    def namespaces(self) -> Sequence[str]:
        """The namespaces listed, else those in which something was seen."""
        names = {name for name, item in self.objects.namespaces.items() if item.phase == "Active"}
        return sorted(names or {ref.namespace for ref in self.objects.workloads})

    def models(self) -> Sequence[ModelRow]:
        """The catalogue's models."""
        used = self._used("model")
        return [
            ModelRow(
                name,
                entry if not isinstance(entry, str) and entry.kind == "Model" else None,
                used.get(name, 0),
                created,
                _problem(entry),
            )
            for name, entry, created in self._entries("model")
        ]

    def endpoints(self) -> Sequence[EndpointRow]:
        """The catalogue's endpoints."""
        used = self._used("endpoint")
        return [
            EndpointRow(
                name,
                entry if not isinstance(entry, str) and entry.kind == "Endpoint" else None,
                used.get(name, 0),
                created,
                _problem(entry),
            )
            for name, entry, created in self._entries("endpoint")
        ]

    def organizations(self) -> Sequence[OrganizationRow]:
        """The catalogue's organizations."""
        return [
            OrganizationRow(
                name,
                entry if not isinstance(entry, str) and entry.kind == "Organization" else None,
                created,
                _problem(entry),
            )
            for name, entry, created in self._entries("organization")
        ]

    def changes_since(self, revision: int) -> Changes:
        """The rows that changed after `revision`; a reset when that is too long ago."""
        self._derive()
        others = self._others_at > revision
        if revision < self._forgotten:
            return Changes(self._revision, reset=True, others=others)
        start = bisect_right(self._log_revisions, revision)
        refs = dict.fromkeys(self._log_refs[start:])
        rows = tuple(self._rows[ref] for ref in refs if ref in self._rows)
        gone = tuple(ref for ref in refs if ref not in self._rows)
        return Changes(self._revision, False, rows, gone, others)

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back when the revision grew."""
        token = object()
        self._callbacks[id(token)] = callback

        def unsubscribe(kept: object = token) -> None:
            self._callbacks.pop(id(kept), None)

        return unsubscribe

    # -- deriving -----------------------------------------------------------------------------------------------

    def _derive(self) -> None:
        dirty, self._dirty = self._dirty, set()
        self._deriver.tidy(self.objects.pods)
        for ref in dirty:
            old, new = self._rows.get(ref), self._deriver.row(ref, self.objects, self.nodes)
            if new == old:
                continue
            if new is None:
                del self._rows[ref]
                self._deriver.forget(ref)
            else:
                self._rows[ref] = new
            self._log_revisions.append(self._revision)
            self._log_refs.append(ref)
        if len(self._log_refs) > HISTORY:
            cut = len(self._log_refs) - HISTORY // 2
            self._forgotten = self._log_revisions[cut - 1]
            del self._log_revisions[:cut], self._log_refs[:cut]

    def _entries(self, kind: str) -> list[tuple[str, Entry | str, datetime | None]]:
        found = []
        for item in self.objects.config_maps.values():
            if item.meta.labels.get(KIND_LABEL) == kind and item.meta.deleting is None:
                name = item.data.get("name") or item.meta.name.removeprefix(f"{kind}-")
                found.append((name, self._document(item), item.meta.created))
        return sorted(found, key=lambda entry: entry[0])

    def _document(self, item: ConfigMap) -> Entry | str:
        key = (item.meta.uid, item.meta.version)
        if key not in self._documents:
            self._documents = {k: v for k, v in self._documents.items() if k[0] != item.meta.uid}
            self._documents[key] = self._read_entry(item.meta.labels, item.data, item.meta.name)
        return self._documents[key]

    def _used(self, field: str) -> dict[str, int]:
        self._derive()
        counts: dict[str, int] = {}
        for row in self._rows.values():
            name = row.model if field == "model" else row.endpoint
            if name is not None and not row.foreign:
                counts[name] = counts.get(name, 0) + 1
        return counts


def _problem(entry: Entry | str) -> str | None:
    return entry if isinstance(entry, str) else None
