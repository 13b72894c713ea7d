"""From observed objects to rows: what a deployment is, who made it, how it is, who holds which GPUs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from genai_tui.domain.cluster import ContainerSpec, Event, Node, Pod, Workload
from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.naming import MANAGED_BY_LABEL, MANAGER, SPEC_ANNOTATION
from genai_tui.domain.phases import Diagnose, Surroundings, assess, assess_replica, stages
from genai_tui.domain.rows import (
    Assessment,
    DeploymentDetail,
    DeploymentRow,
    NodeRow,
    Phase,
    Ref,
    ReplicaRow,
    Traffic,
)
from genai_tui.store.objects import Objects, gpu_requests

GPU_RESOURCES = ("nvidia.com/", "amd.com/gpu", "gpu.intel.com/")
PRODUCT_LABELS = ("nvidia.com/gpu.product", "amd.com/gpu.product-name", "gpu.intel.com/product")
MEMORY_LABEL = "nvidia.com/gpu.memory"


@dataclass(frozen=True, slots=True)
class Engine:
    """What a foreign workload was recognized as."""

    name: str
    model: str | None
    served_names: tuple[str, ...]


Identify = Callable[[tuple[ContainerSpec, ...]], Engine | None]
ReadDeployment = Callable[[str, str, Mapping[str, str]], ModelDeployment | None]
_Signature = tuple[int, tuple[str, ...]]


class Deriver:
    """Derives rows. Everything that knows engines or manifests is handed in."""

    def __init__(self, read_deployment: ReadDeployment, identify: Identify, diagnose: Diagnose) -> None:
        self._read_deployment = read_deployment
        self._identify = identify
        self._diagnose = diagnose
        self.traffic: dict[Ref, Traffic] = {}
        self._answers: dict[Ref, tuple[_Signature, tuple[str, ...] | None]] = {}
        self._documents: dict[Ref, tuple[str, ModelDeployment | None]] = {}

    def forget(self, ref: Ref) -> None:
        """Drop what was kept about a deployment that is gone."""
        self.traffic.pop(ref, None)
        self._answers.pop(ref, None)
        self._documents.pop(ref, None)

    def set_answer(self, ref: Ref, objects: Objects, served_names: tuple[str, ...] | None) -> None:
        """Keep the engine's answer with the pods it came from: new pods have to answer anew."""
        workload = objects.workloads.get(ref)
        if workload is not None:
            self._answers[ref] = (self._signature(workload, objects), served_names)

    def unanswered(self, ref: Ref, objects: Objects) -> bool:
        """Whether the deployment as it is now has not answered yet."""
        workload = objects.workloads.get(ref)
        return workload is not None and not self._answer(ref, workload, objects)

    def _signature(self, workload: Workload, objects: Objects) -> _Signature:
        return workload.meta.generation, tuple(pod.meta.uid for pod in objects.pods_of(workload) if pod.ready)

    def _answer(self, ref: Ref, workload: Workload, objects: Objects) -> tuple[str, ...] | None:
        known = self._answers.get(ref)
        return known[1] if known is not None and known[0] == self._signature(workload, objects) else None

    def _document(self, ref: Ref, workload: Workload) -> ModelDeployment | None:
        text = workload.meta.annotations.get(SPEC_ANNOTATION, "")
        known = self._documents.get(ref)
        if known is None or known[0] != text:
            known = (text, self._read_deployment(ref.name, ref.namespace, workload.meta.annotations))
            self._documents[ref] = known
        return known[1]

    def row(self, ref: Ref, objects: Objects, nodes: Sequence[NodeRow]) -> DeploymentRow | None:
        """The row of a deployment; None when it is gone or runs no engine we know."""
        workload = objects.workloads.get(ref)
        if workload is None:
            return None
        ours = workload.meta.labels.get(MANAGED_BY_LABEL) == MANAGER and SPEC_ANNOTATION in workload.meta.annotations
        document = self._document(ref, workload) if ours else None
        engine = None if document else self._identify(workload.containers)
        if document is None and engine is None and not ours:
            return None
        replicas = self._replicas(workload, objects, nodes)
        answer = self._answer(ref, workload, objects)
        known = self._answers.get(ref)
        asked = known is not None and known[0] == self._signature(workload, objects)
        assessment = assess(workload, replicas, None if not asked else _answers_with(answer, ref, document))
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

    def detail(self, row: DeploymentRow, objects: Objects, nodes: Sequence[NodeRow]) -> DeploymentDetail:
        """All that is known of the deployment of a row."""
        workload = objects.workloads[row.ref]
        document = None if row.foreign else self._document(row.ref, workload)
        replicasets = objects.replicasets_of(workload)
        events = _about(workload, objects)
        replicas = tuple(self._replicas(workload, objects, nodes))
        return DeploymentDetail(row, workload, document, replicas, tuple(replicasets), tuple(events))

    def _replicas(self, workload: Workload, objects: Objects, nodes: Sequence[NodeRow]) -> list[ReplicaRow]:
        sets = objects.replicasets_of(workload)
        newest = next(
            (rs.meta.uid for rs in sets if rs.revision == workload.revision), sets[0].meta.uid if sets else ""
        )
        around = Surroundings(nodes, self._diagnose)
        return [self._replica(pod, pod.meta.owner == newest, objects, around) for pod in objects.pods_of(workload)]

    def _replica(self, pod: Pod, current: bool, objects: Objects, around: Surroundings) -> ReplicaRow:
        events = objects.events_about("Pod", pod.meta.namespace, pod.meta.name)
        return ReplicaRow(pod, assess_replica(pod, events, around), stages(pod, events), current)

    def nodes(self, objects: Objects) -> tuple[NodeRow, ...]:
        """Every node with its GPUs and who holds them."""
        return tuple(self._node(objects.nodes[name], objects) for name in sorted(objects.nodes))

    def _node(self, node: Node, objects: Objects) -> NodeRow:
        counted = {
            name: int(amount)
            for name, amount in node.allocatable.items()
            if name.startswith(GPU_RESOURCES) and amount.isdigit()
        }
        resource = max(counted, key=lambda name: (counted[name], name), default=None)
        holders: dict[Ref, int] = {}
        used = 0
        for pod in objects.held_on.get(node.meta.name, {}).values():
            count = gpu_requests(pod).get(resource or "", 0)
            if count:
                used += count
                ref = objects.owner_ref(pod) or Ref(pod.meta.namespace, pod.meta.name)
                holders[ref] = holders.get(ref, 0) + count
        memory = node.meta.labels.get(MEMORY_LABEL, "")
        total = counted.get(resource or "", 0)
        return NodeRow(
            node=node,
            gpu_resource=resource,
            gpu_product=next((node.meta.labels[k] for k in PRODUCT_LABELS if k in node.meta.labels), None),
            gpu_memory_mib=int(memory) if memory.isdigit() else None,
            gpu_total=total,
            gpu_free=max(0, total - used),
            holders=tuple(sorted(holders.items(), key=lambda item: str(item[0]))),
        )


def _answers_with(answer: tuple[str, ...] | None, ref: Ref, document: ModelDeployment | None) -> bool:
    """Whether the engine answers, and with the name it was told to serve where that is known."""
    return bool(answer) and (document is None or ref.name in (answer or ()))


def _about(workload: Workload, objects: Objects) -> list[Event]:
    """Events about the deployment, its ReplicaSets and its pods, oldest first."""
    found = objects.events_about("Deployment", workload.meta.namespace, workload.meta.name)
    for replicaset in objects.replicasets_of(workload):
        found += objects.events_about("ReplicaSet", replicaset.meta.namespace, replicaset.meta.name)
    for pod in objects.pods_of(workload):
        found += objects.events_about("Pod", pod.meta.namespace, pod.meta.name)
    return sorted(found, key=lambda e: (e.last_seen is None, e.last_seen, e.meta.name))
