"""From observed objects to rows: what a deployment is, who made it, how it is, who holds which GPUs.

A pod is assessed anew only when it, its events or what its log told changed; one that waits for a place, or whose node
may be lost, also when the nodes changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from genai_tui.domain.cluster import ContainerSpec, Event, Key, Node, Pod, Workload
from genai_tui.domain.naming import MANAGED_BY_LABEL, MANAGER, SPEC_ANNOTATION
from genai_tui.domain.pace import TIMED, StartKind, Usual
from genai_tui.domain.phases import Diagnose, Surroundings, assess_replica
from genai_tui.domain.problems import Diagnosis
from genai_tui.domain.rollouts import Silence, assess
from genai_tui.domain.rows import (
    Assessment,
    DeploymentDetail,
    DeploymentRow,
    GpuResource,
    NodeDetail,
    NodePod,
    NodeRow,
    Phase,
    Ref,
    ReplicaRow,
    Traffic,
)
from genai_tui.domain.startup import StartUp, stages
from genai_tui.store.objects import Objects, gpu_requests

if TYPE_CHECKING:
    from genai_tui.domain.documents import ModelDeployment

GPU_RESOURCES = re.compile(r"nvidia\.com/(gpu|mig-).*|amd\.com/gpu.*|gpu\.intel\.com/(i915|xe)")
"""Whole GPUs, MIG instances (`nvidia.com/mig-1g.10gb`), time-sliced (`nvidia.com/gpu.shared`), partitioned AMD ones."""
PRODUCT_LABELS = ("nvidia.com/gpu.product", "amd.com/gpu.product-name", "gpu.intel.com/product")
MEMORY_LABEL = "nvidia.com/gpu.memory"
SPARE = 200
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Engine:
    """What a foreign workload was recognized as."""

    name: str
    model: str | None
    served_names: tuple[str, ...]


Identify = Callable[[tuple[ContainerSpec, ...]], Engine | None]
ReadDeployment: TypeAlias = "Callable[[str, str, Mapping[str, str]], ModelDeployment | None]"
Nodes = Callable[[], Sequence[NodeRow]]
Signature = tuple[int, tuple[str, ...]]
"""What an answer of an engine holds for: the generation of the deployment, and its ready pods."""


@dataclass(frozen=True, slots=True)
class LogFindings:
    """What the log of a pod told, in one run of its container (`restarts` counts the runs before)."""

    restarts: int
    start: StartUp | None = None
    crash: Diagnosis | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    """What an engine said last: the names it serves, or since when it is silent after it had answered, and how."""

    signature: Signature
    names: tuple[str, ...] | None
    silent_since: datetime | None = None
    said: str = ""


@dataclass(frozen=True, slots=True)
class _Assessed:
    """An assessment with all that it rests on, so that it is known when it must be made anew."""

    pod: Pod
    events: int
    findings: LogFindings | None
    disruption: Event | None
    nodes: Sequence[NodeRow] | None
    assessment: Assessment

    def holds(
        self, pod: Pod, events: int, findings: LogFindings | None, disruption: Event | None, nodes: Nodes
    ) -> bool:
        """Whether nothing changed that it rests on."""
        same = self.pod is pod and self.events == events and self.findings is findings
        same = same and self.disruption is disruption
        return same and (self.nodes is None or self.nodes is nodes())


class Deriver:
    """Derives rows. Everything that knows engines or manifests is handed in."""

    def __init__(self, read_deployment: ReadDeployment, identify: Identify, diagnose: Diagnose) -> None:
        self._read_deployment = read_deployment
        self._identify = identify
        self._diagnose = diagnose
        self.traffic: dict[Ref, Traffic] = {}
        self.depend_on_nodes: set[Ref] = set()
        """Deployments with a pod that waits for a place, or whose node may be the cause of its trouble."""
        self._answers: dict[Ref, _Answer] = {}
        self.not_asked: dict[Ref, str] = {}
        """Why an engine may not be asked from here, where it may not."""
        self.usual_start: Callable[[StartKind], Usual | None] = lambda _: None
        """What starts of a kind take here, where that is known."""
        self._documents: dict[Ref, tuple[str, ModelDeployment | None]] = {}
        # By uid: a pod of the same name is another pod.
        self._assessed: dict[str, _Assessed] = {}
        self._findings: dict[str, LogFindings] = {}

    # -- what is known beside the objects -----------------------------------------------------------------------

    def forget(self, ref: Ref) -> None:
        """Drop what was kept about a deployment that is gone."""
        self.traffic.pop(ref, None)
        self.depend_on_nodes.discard(ref)
        self._answers.pop(ref, None)
        self.not_asked.pop(ref, None)
        self._documents.pop(ref, None)

    def tidy(self, pods: Mapping[Key, Pod]) -> None:
        """Drop what was kept about pods that are gone, when that is worth the walk."""
        if max(len(self._assessed), len(self._findings)) <= len(pods) + SPARE:
            return
        alive = {pod.meta.uid for pod in pods.values()}
        self._assessed = {uid: known for uid, known in self._assessed.items() if uid in alive}
        self._findings = {uid: known for uid, known in self._findings.items() if uid in alive}

    def signature(self, ref: Ref, objects: Objects) -> Signature | None:
        """What an answer would hold for that is asked for now; None when there is no such deployment."""
        workload = objects.workloads.get(ref)
        return None if workload is None else _signature(workload, objects.pods_of(workload))

    def set_answer(
        self, ref: Ref, signature: Signature, served_names: tuple[str, ...] | None, at: datetime, said: str = ""
    ) -> bool:
        """Keep an engine's answer with the pods it was asked of: new pods have to answer anew. Whether it is news."""
        before = self._answers.get(ref)
        since = None
        if not served_names and before is not None and before.signature == signature:
            since = at if before.names else before.silent_since
        answer = _Answer(signature, served_names, since, said)
        self._answers[ref] = answer
        return answer != before

    def set_findings(self, pod: Pod, findings: LogFindings) -> None:
        """Keep what a pod's log told."""
        self._findings[pod.meta.uid] = findings

    def findings(self, pod: Pod) -> LogFindings | None:
        """What its log told, of this very run."""
        found = self._findings.get(pod.meta.uid)
        return found if found is not None and found.restarts == runs(pod) else None

    def _document(self, ref: Ref, workload: Workload) -> ModelDeployment | None:
        text = workload.meta.annotations.get(SPEC_ANNOTATION, "")
        known = self._documents.get(ref)
        if known is None or known[0] != text:
            known = (text, self._read_deployment(ref.name, ref.namespace, workload.meta.annotations))
            self._documents[ref] = known
        return known[1]

    # -- rows ---------------------------------------------------------------------------------------------------

    def row(self, ref: Ref, objects: Objects, nodes: Nodes) -> DeploymentRow | None:
        """The row of a deployment; None when it is gone or runs no engine we know."""
        workload = objects.workloads.get(ref)
        if workload is None:
            return None
        ours = workload.meta.labels.get(MANAGED_BY_LABEL) == MANAGER and SPEC_ANNOTATION in workload.meta.annotations
        document = self._document(ref, workload) if ours else None
        engine = None if document else self._identify(workload.containers)
        if document is None and engine is None and not ours:
            return None
        pods = objects.pods_of(workload)
        replicas = self._replicas(workload, pods, objects, nodes)
        if any(replica.assessment.phase is not Phase.RUNNING for replica in replicas):
            self.depend_on_nodes.add(ref)
        else:
            self.depend_on_nodes.discard(ref)
        known = self._answer(ref, _signature(workload, pods))
        asked, answer = known is not None, known.names if known is not None else None
        silence = None
        if known is not None and ref not in self.not_asked:
            silence = Silence(known.silent_since, known.said, known.names or ())
        answering = _answers_with(answer, ref, document) if asked else None
        assessment = assess(workload, replicas, answering, silence, _scaled(ref, objects))
        if assessment.phase is Phase.WARMING_UP and asked and ref in self.not_asked and not answer:
            # Its pods are ready: what is missing is missing here.
            why = self.not_asked[ref]
            assessment = Assessment(Phase.UNKNOWN, f"ready; whether it answers is not visible to you: {why}")
        assessment = self._until_ready(assessment, workload)
        if ours and document is None:
            evidence = (f"annotation {SPEC_ANNOTATION} of Deployment {ref}",)
            assessment = Assessment(assessment.phase, "its spec annotation cannot be read", evidence, "apply it again")
        per_replica = sum(sum(container.gpus.values()) for container in workload.containers)
        managed_by = MANAGER if ours else workload.meta.labels.get(MANAGED_BY_LABEL, "") or "others"
        return DeploymentRow(
            ref=ref,
            model=document.spec.model if document else engine.model if engine else None,
            endpoint=document.spec.endpoint if document else None,
            engine=document.spec.engine.type.value if document else engine.name if engine else None,
            assessment=assessment,
            ready=sum(row.assessment.phase is Phase.RUNNING for row in replicas),
            replicas=workload.replicas,
            gpus=per_replica * workload.replicas if per_replica or document else None,
            served_names=answer or (),
            managed_by=managed_by if ours or managed_by != MANAGER else "others",
            created=workload.meta.created,
            traffic=self.traffic.get(ref, Traffic()) if asked else Traffic(),
        )

    def _until_ready(self, assessment: Assessment, workload: Workload) -> Assessment:
        """The time left of a stage becomes that until it is ready, where it is known what the later stages take."""
        seconds, phase = assessment.seconds_left, assessment.phase
        if seconds is None or phase not in TIMED:
            return assessment
        known = self.usual_start(self.kind_of_start(workload))
        if known is None:
            return replace(assessment, until_ready=phase is TIMED[-1])
        return replace(assessment, seconds_left=seconds + known.after(phase), until_ready=True)

    def _answer(self, ref: Ref, signature: Signature) -> _Answer | None:
        """What these very pods said; None where they were not asked."""
        known = self._answers.get(ref)
        return known if known is not None and known.signature == signature else None

    def detail(self, row: DeploymentRow, objects: Objects, nodes: Nodes) -> DeploymentDetail:
        """All that is known of the deployment of a row."""
        workload = objects.workloads[row.ref]
        document = None if row.foreign else self._document(row.ref, workload)
        events = _about(workload, objects)
        replicas = tuple(
            replace(replica, stages=self.stages(replica.pod, objects))
            for replica in self._replicas(workload, objects.pods_of(workload), objects, nodes)
        )
        return DeploymentDetail(
            row, workload, document, replicas, tuple(objects.replicasets_of(workload)), tuple(events)
        )

    def kind_of_start(self, workload: Workload) -> StartKind:
        """Of which kind its starts are."""
        ref = Ref(workload.meta.namespace, workload.meta.name)
        document = self._document(ref, workload)
        main = workload.containers[0] if workload.containers else None
        gpus = sum(sum(container.gpus.values()) for container in workload.containers)
        return StartKind(main.image if main else "", document.spec.model if document else ref.name, gpus)

    def stages(self, pod: Pod, objects: Objects) -> tuple[tuple[Phase, datetime], ...]:
        """When the pod entered each stage it has reached."""
        findings = self.findings(pod)
        events = objects.events_about("Pod", pod.meta.namespace, pod.meta.name)
        return stages(pod, events, findings.start if findings is not None else None)

    def _replicas(self, workload: Workload, pods: Sequence[Pod], objects: Objects, nodes: Nodes) -> list[ReplicaRow]:
        """The replicas without their stages, which only the detail shows."""
        sets = objects.replicasets_of(workload)
        newest = next(
            (rs.meta.uid for rs in sets if rs.revision == workload.revision), sets[0].meta.uid if sets else ""
        )
        return [ReplicaRow(pod, self._assess(pod, objects, nodes), (), pod.meta.owner == newest) for pod in pods]

    def _assess(self, pod: Pod, objects: Objects, nodes: Nodes) -> Assessment:
        count = objects.events_version("Pod", pod.meta.namespace, pod.meta.name) + objects.claims_version(pod)
        findings = self.findings(pod)
        disruption = objects.disruption_of(pod) if pod.node is None else None
        known = self._assessed.get(pod.meta.uid)
        if known is not None and known.holds(pod, count, findings, disruption, nodes):
            return known.assessment
        rows = None if pod.ready or pod.meta.deleting is not None else nodes()
        events = objects.events_about("Pod", pod.meta.namespace, pod.meta.name)
        volumes = objects.events_about_claims(pod)
        around = Surroundings(rows or (), self._diagnose, disruption=disruption, volumes=volumes)
        if findings is not None:
            around = replace(around, start=findings.start, from_log=findings.crash)
        assessment = assess_replica(pod, events, around)
        self._assessed[pod.meta.uid] = _Assessed(pod, count, findings, disruption, rows, assessment)
        return assessment

    # -- nodes --------------------------------------------------------------------------------------------------

    def node(self, node: Node, objects: Objects) -> NodeRow:
        """A node with its GPUs and who holds them."""
        counted = {
            name: int(amount)
            for name, amount in node.allocatable.items()
            if GPU_RESOURCES.fullmatch(name) and amount.isdigit()
        }
        names = sorted(counted, key=lambda name: (counted[name], name), reverse=True)
        resource = names[0] if names else None
        holders: dict[Ref, int] = {}
        used = dict.fromkeys(names, 0)
        for pod in objects.held_on.get(node.meta.name, {}).values():
            held = {name: number for name, number in gpu_requests(pod).items() if name in used}
            for name, number in held.items():
                used[name] += number
            count = sum(held.values())
            if count:
                ref = objects.owner_ref(pod) or Ref(pod.meta.namespace, pod.meta.name)
                holders[ref] = holders.get(ref, 0) + count
        memory = node.meta.labels.get(MEMORY_LABEL, "")
        resources = tuple(GpuResource(name, counted[name], max(0, counted[name] - used[name])) for name in names)
        return NodeRow(
            node=node,
            gpu_resource=resource,
            gpu_product=next((node.meta.labels[k] for k in PRODUCT_LABELS if k in node.meta.labels), None),
            gpu_memory_mib=int(memory) if memory.isdigit() else None,
            gpu_total=resources[0].total if resources else 0,
            gpu_free=resources[0].free if resources else 0,
            holders=tuple(sorted(holders.items(), key=lambda item: (item[0].namespace, item[0].name))),
            resources=resources,
        )

    def node_detail(self, row: NodeRow, objects: Objects) -> NodeDetail:
        """The pods on a node, those with most GPUs first."""
        name = row.node.meta.name
        pods = [
            NodePod(pod, objects.owner_ref(pod), tuple(gpu_requests(pod).items()))
            for pod in objects.pods.values()
            if pod.node == name
        ]
        pods.sort(key=lambda on: (-sum(count for _, count in on.gpus), on.pod.meta.namespace, on.pod.meta.name))
        return NodeDetail(row, tuple(pods))


def runs(pod: Pod) -> int:
    """How often the pod's containers were started again."""
    return sum(state.restarts for state in pod.states)


def _signature(workload: Workload, pods: Sequence[Pod]) -> Signature:
    return workload.meta.generation, tuple(pod.meta.uid for pod in pods if pod.ready)


def _answers_with(answer: tuple[str, ...] | None, ref: Ref, document: ModelDeployment | None) -> bool:
    """Whether the engine answers, and with the name it was told to serve where that is known."""
    return bool(answer) and (document is None or ref.name in (answer or ()))


def _scaled(ref: Ref, objects: Objects) -> datetime | None:
    """When the number of its pods was changed last, as far as the cluster keeps the events."""
    events = objects.events_about("Deployment", ref.namespace, ref.name)
    return next((event.last_seen for event in reversed(events) if event.reason == "ScalingReplicaSet"), None)


def _about(workload: Workload, objects: Objects) -> list[Event]:
    """Events about the deployment, its ReplicaSets and its pods, oldest first."""
    found = objects.events_about("Deployment", workload.meta.namespace, workload.meta.name)
    for replicaset in objects.replicasets_of(workload):
        found += objects.events_about("ReplicaSet", replicaset.meta.namespace, replicaset.meta.name)
    for pod in objects.pods_of(workload):
        found += objects.events_about("Pod", pod.meta.namespace, pod.meta.name)
    return sorted(found, key=lambda event: (event.last_seen or _NEVER, event.meta.name))
