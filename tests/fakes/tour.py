"""The tour as values: four model deployments, what they consist of, and the catalogue they were made from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from genai_tui.domain.cluster import (
    Condition,
    ContainerSpec,
    ContainerState,
    Event,
    Meta,
    Node,
    Pod,
    ReplicaSet,
    Taint,
    Workload,
)
from genai_tui.domain.documents import Endpoint, Model, ModelDeployment, Organization, parse_document
from genai_tui.domain.keys import KeyRecord
from genai_tui.domain.rows import (
    Assessment,
    DeploymentDetail,
    DeploymentRow,
    EndpointRow,
    GpuResource,
    ModelRow,
    NodeRow,
    OrganizationRow,
    Phase,
    Ref,
    ReplicaRow,
    Traffic,
)

NOW = datetime(2026, 11, 23, 10, 45, tzinfo=UTC)
CHAT, CHAT_LONG = Ref("team-a", "chat"), Ref("team-a", "chat-long")
SUMMARIZE, EMBED = Ref("team-b", "summarize"), Ref("search", "embed")
FOREIGN = Ref("search", "reranker")


def ago(**how: float) -> datetime:
    """A time before the tour's clock: `ago(minutes=6)`."""
    return NOW - timedelta(**how)


def chat_row() -> DeploymentRow:
    """Two ready replicas that answer."""
    traffic = Traffic(3.2, 412.0, 4, 0, ago(seconds=5))
    return DeploymentRow(
        CHAT, "smollm2-135m", "internal", "vllm", Assessment(Phase.RUNNING, evidence=("2 of 2 replicas are ready",)),
        2, 2, 2, ("chat", "smollm2-135m"), "genai-tui", ago(days=3), traffic,
    )  # fmt: skip


def chat_long_row() -> DeploymentRow:
    """Loads its weights."""
    assessment = Assessment(
        Phase.LOADING,
        "3 of 5 shards, about 1m40s left",
        ("Loading safetensors checkpoint shards: 62% | 3/5",),
        None,
        0.62,
    )
    return DeploymentRow(
        CHAT_LONG, "llama-3.3-70b", "internal", "vllm", assessment, 0, 1, 4, ("chat-long",), "genai-tui", ago(minutes=6)
    )


def summarize_row() -> DeploymentRow:
    """Waits for GPUs that no node has free."""
    assessment = Assessment(
        Phase.PENDING,
        "no node has 4 free nvidia.com/gpu (largest block 2 on gpu-3)",
        ("0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",),
        "ask for at most 2 GPUs, or free 2 more on gpu-3",
    )
    return DeploymentRow(
        SUMMARIZE, "llama-nim", "internal", "nim", assessment, 0, 1, 4, ("summarize",), "genai-tui", ago(minutes=12)
    )


def embed_row() -> DeploymentRow:
    """Crashes while it starts."""
    assessment = Assessment(
        Phase.FAILED,
        "context 131072 exceeds the KV cache of 61440 tokens",
        ("ValueError: The model's max seq len (131072) is larger than the maximum number of tokens (61440)",),
        "set the context length to 61440 or less, or use more GPUs",
    )
    return DeploymentRow(
        EMBED, "bge-m3", "internal", "vllm", assessment, 0, 1, 1, ("embed",), "genai-tui", ago(minutes=9)
    )


def foreign_row() -> DeploymentRow:
    """Something another tool made: shown, and not touched."""
    return DeploymentRow(
        FOREIGN, "bge-reranker", None, "vllm", Assessment(Phase.RUNNING), 1, 1, 1, ("bge-reranker",), "kserve",
        ago(days=40),
    )  # fmt: skip


def rows() -> tuple[DeploymentRow, ...]:
    """The tour's list, by namespace and name."""
    return (embed_row(), chat_row(), chat_long_row(), summarize_row())


def _spec(row: DeploymentRow) -> dict[str, Any]:
    nim = row.engine == "nim"
    image = "nvcr.io/nim/meta/llama-3.1-8b-instruct:2.0.3" if nim else "vllm/vllm-openai:v0.33.0"
    context = {"chat": 4096, "chat-long": 65_536, "embed": 131_072}.get(row.ref.name, "auto")
    spec: dict[str, Any] = {
        "description": {"chat": "team chat", "embed": "vectors for search"}.get(row.ref.name, ""),
        "model": row.model,
        "endpoint": row.endpoint,
        "engine": {"type": row.engine, "image": image, "replicas": row.replicas, "contextLength": context},
        "resources": {"cpu": "4", "memory": "32Gi", "gpu": (row.gpus or 0) // max(1, row.replicas)},
    }
    if row.ref == CHAT:
        spec["pricing"] = {"currency": "USD", "inputPerMillion": "0.20", "outputPerMillion": "0.60"}
        spec["rateLimits"] = {"user": {"tokensPerMinute": 60_000, "requestsPerMinute": 120}}
        spec["sharing"] = {"mode": "organizations", "organizations": ["org-a", "org-b"]}
    return spec


def document(row: DeploymentRow) -> ModelDeployment | None:
    """What the deployment was made from; None for foreign ones."""
    if row.foreign:
        return None
    metadata = {"name": row.ref.name, "namespace": row.ref.namespace}
    parsed = parse_document({"kind": "ModelDeployment", "metadata": metadata, "spec": _spec(row)})
    assert isinstance(parsed, ModelDeployment)
    return parsed


def _stages(row: DeploymentRow, created: datetime) -> tuple[tuple[Phase, datetime], ...]:
    if row.assessment.phase is Phase.PENDING:
        return ((Phase.PENDING, created),)
    steps = [
        (Phase.PENDING, created),
        (Phase.PULLING, created + timedelta(seconds=2)),
        (Phase.DOWNLOADING, created + timedelta(seconds=43)),
        (Phase.LOADING, created + timedelta(seconds=115)),
    ]
    if row.ready:
        steps += [
            (Phase.WARMING_UP, created + timedelta(seconds=160)),
            (Phase.RUNNING, created + timedelta(seconds=172)),
        ]
    return tuple(steps)


def _state(row: DeploymentRow, created: datetime) -> tuple[ContainerState, ...]:
    since = created + timedelta(seconds=43)
    if row.assessment.phase is Phase.PENDING:
        return ()
    if row.assessment.phase is Phase.FAILED:
        return (
            ContainerState(
                "engine", restarts=4, state="waiting", reason="CrashLoopBackOff", last_reason="Error",
                last_message=row.assessment.evidence[0], last_exit_code=1, last_finished=ago(minutes=1),
            ),
        )  # fmt: skip
    return (ContainerState("engine", ready=bool(row.ready), started=True, state="running", since=since),)


def _replica(row: DeploymentRow, number: int) -> ReplicaRow:
    created = row.created or NOW
    name = f"{row.ref.name}-7c9d8f6b5-{'x7k2p' if number == 0 else 'q4m8z'}"
    ready = number < row.ready
    placed = row.assessment.phase is not Phase.PENDING
    spec = ContainerSpec(
        "engine", "vllm/vllm-openai:v0.33.0", ("vllm", "serve"),
        (f"org/{row.model}", "--served-model-name", row.ref.name),
        {}, (8000,), "4", "32Gi", {"nvidia.com/gpu": (row.gpus or 0) // max(1, row.replicas)}, 1800,
    )  # fmt: skip
    pod = Pod(
        Meta(name, row.ref.namespace, uid=f"uid-{name}", created=created, owner=f"rs-{row.ref.name}"),
        "Running" if placed else "Pending",
        node=f"gpu-{number + 1}" if placed else None,
        ip="10.244.0.7" if placed else None,
        started=created if placed else None,
        conditions=(Condition("Ready", "True" if ready else "False", changed=created + timedelta(seconds=172)),),
        containers=(spec,),
        states=_state(row, created),
    )
    return ReplicaRow(pod, row.assessment, _stages(row, created), True)


def _events(row: DeploymentRow, pod: str) -> tuple[Event, ...]:
    created = row.created or NOW
    told = [("Normal", "Scheduled", f"Successfully assigned {row.ref.namespace}/{pod} to gpu-1", 0)]
    told += [
        ("Normal", "Pulling", 'Pulling image "vllm/vllm-openai:v0.33.0"', 2),
        ("Normal", "Pulled", "Successfully pulled image in 41.2s. Image size: 10522669875 bytes.", 43),
        ("Normal", "Started", "Started container engine", 43),
    ]
    if row.assessment.phase is Phase.PENDING:
        told = [("Warning", "FailedScheduling", row.assessment.evidence[0], 0)]
    elif row.assessment.phase is Phase.FAILED:
        told.append(("Warning", "BackOff", f"Back-off restarting failed container engine in pod {pod}", 90))
    return tuple(
        Event(
            Meta(f"{pod}.{number}", row.ref.namespace, created=created),
            kind, reason, message, "Pod", pod, row.ref.namespace, "kubelet",
            first_seen=created + timedelta(seconds=after),
            last_seen=created + timedelta(seconds=after),
        )
        for number, (kind, reason, message, after) in enumerate(told)
    )  # fmt: skip


def detail(row: DeploymentRow) -> DeploymentDetail:
    """All that is known of one deployment, made up from its row."""
    replicas = tuple(_replica(row, number) for number in range(row.replicas))
    meta = Meta(row.ref.name, row.ref.namespace, uid=f"uid-{row.ref}", generation=1, created=row.created)
    workload = Workload(
        meta,
        row.replicas,
        {"genai-tui.dev/deployment": row.ref.name},
        1,
        row.replicas,
        row.ready,
        row.ready,
        row.replicas,
        revision="1",
        containers=replicas[0].pod.containers if replicas else (),
    )
    replicaset = ReplicaSet(
        Meta(f"{row.ref.name}-7c9d8f6b5", row.ref.namespace, created=row.created), "1", row.replicas, row.ready
    )
    events = _events(row, replicas[0].pod.meta.name) if replicas else ()
    return DeploymentDetail(row, workload, document(row), replicas, (replicaset,), events)


def models() -> tuple[ModelRow, ...]:
    """The catalogue's models, by name."""
    plan = (
        ("bge-m3", "vectors for search", "BAAI/bge-m3", 8192, "568M", 1, "embedding"),
        ("llama-3.3-70b", "large chat model", "meta-llama/Llama-3.3-70B-Instruct", 131_072, "70.6B", 1, "chat"),
        ("llama-nim", "Llama 3.1 8B as an NVIDIA NIM", "", 131_072, "8B", 1, "chat"),
        ("mistral-7b", "general chat model", "mistralai/Mistral-7B-Instruct-v0.3", 32_768, "7.25B", 0, "chat"),
        ("smollm2-135m", "small chat model", "HuggingFaceTB/SmolLM2-135M-Instruct", 8192, "135M", 1, "chat"),
    )
    return tuple(_model(*entry) for entry in plan)


def _model(name: str, about: str, repository: str, context: int, size: str, uses: int, use: str) -> ModelRow:
    source = {"type": "huggingface", "repository": repository}
    if not repository:
        source = {"type": "ngc", "image": "nvcr.io/nim/meta/llama-3.1-8b-instruct:2.0.3"}
    spec = {"description": about, "source": source, "contextLength": context, "parameters": size, "useCase": use}
    parsed = parse_document({"kind": "Model", "metadata": {"name": name}, "spec": spec})
    assert isinstance(parsed, Model)
    return ModelRow(name, parsed, uses, ago(days=7))


def endpoints() -> tuple[EndpointRow, ...]:
    """The endpoints, by name."""
    found = []
    for name, spec, uses in (
        ("internal", {"description": "inside the cluster", "hostname": "llm.example.internal"}, 4),
        ("public", {
            "description": "for partners", "hostname": "llm.example.com", "exposure": "gateway",
            "gateway": {"namespace": "edge", "name": "public"}, "enforcement": "envoy-ai-gateway",
        }, 0),
    ):  # fmt: skip
        parsed = parse_document({"kind": "Endpoint", "metadata": {"name": name}, "spec": spec})
        assert isinstance(parsed, Endpoint)
        found.append(EndpointRow(name, parsed, uses, ago(days=7)))
    return tuple(found)


def organizations() -> tuple[OrganizationRow, ...]:
    """The organizations, by name."""
    found = []
    for name, title, users in (("org-a", "Organization A", ["alice", "bob"]), ("org-b", "Organization B", ["carol"])):
        data = {"kind": "Organization", "metadata": {"name": name}, "spec": {"displayName": title, "users": users}}
        parsed = parse_document(data)
        assert isinstance(parsed, Organization)
        found.append(OrganizationRow(name, parsed, ago(days=7)))
    return tuple(found)


def nodes() -> tuple[NodeRow, ...]:
    """Three GPU nodes, the largest free block being two GPUs."""
    found = []
    for name, total, free, taints in (("gpu-1", 4, 1, ()), ("gpu-2", 4, 0, ()), ("gpu-3", 8, 2, ("dedicated",))):
        labels = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
        node = Node(
            Meta(name, labels=labels, created=ago(days=90)),
            True,
            taints=tuple(Taint(key, "research", "NoSchedule") for key in taints),
            allocatable={"cpu": "128", "memory": "1056Gi", "nvidia.com/gpu": str(total)},
            kubelet="v1.36.0",
        )
        holders = ((CHAT, 2),) if name == "gpu-1" else ((CHAT_LONG, 4),) if name == "gpu-2" else ()
        found.append(
            NodeRow(
                node,
                "nvidia.com/gpu",
                labels["nvidia.com/gpu.product"],
                81_559,
                total,
                free,
                holders,
                (GpuResource("nvidia.com/gpu", total, free),),
            )
        )
    return tuple(found)


def with_phase(row: DeploymentRow, phase: Phase, cause: str | None = None, **fields: Any) -> DeploymentRow:
    """The row in another phase."""
    return replace(row, assessment=Assessment(phase, cause), **fields)


def keys() -> list[KeyRecord]:
    """One that is used, one that is confined, one that has expired."""
    return [
        KeyRecord("k-11111111", "org-a", "alice", "", "alice laptop", "", ago(minutes=60 * 24 * 20)),
        KeyRecord(
            "k-22222222",
            "org-a",
            "bob",
            "",
            "nightly job",
            "evaluation",
            ago(minutes=60 * 30),
            ago(minutes=-60 * 24 * 9),
            ("team-a/chat",),
        ),
        KeyRecord("k-33333333", "org-b", "carol", "", "trial", "", ago(minutes=60 * 24 * 40), ago(minutes=60 * 5)),
    ]
