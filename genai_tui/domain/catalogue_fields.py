"""The fields of the model, the endpoint and the organization form (see `form_fields`)."""

from __future__ import annotations

from genai_tui.domain.form_field import Choices, FieldKind, FormField

_MODEL, _ENDPOINT = "Model", "Endpoint"
_HUB = ("source.type", ("huggingface",))
_NGC = ("source.type", ("ngc",))
_STORAGE = ("source.type", ("storage",))
_GATEWAY = ("exposure", ("gateway",))

MODEL_FIELDS: tuple[FormField, ...] = (
    FormField(
        "name",
        _MODEL,
        "Name",
        "The name deployments refer to. Lower-case letters, digits, '-' and '.'; it cannot be changed later.",
        placeholder="e.g. llama-3-8b",
        required=True,
    ),
    FormField(
        "description",
        _MODEL,
        "Description",
        "One sentence for the people who choose a model.",
        placeholder="e.g. small chat model",
    ),
    FormField(
        "useCase",
        _MODEL,
        "Use case",
        "What it is for; decides which requests it answers.",
        FieldKind.CHOICE,
        initial="chat",
        options=("chat", "completion", "embedding", "rerank", "vision"),
    ),
    FormField("provider", _MODEL, "Provider", "Who made the model.", placeholder="e.g. HuggingFaceTB"),
    FormField(
        "source.type",
        _MODEL,
        "Source",
        "Where its files are: a repository of the public hub, an image of NVIDIA NGC, or a volume of the cluster.",
        FieldKind.CHOICE,
        initial="huggingface",
        required=True,
        options=("huggingface", "ngc", "storage"),
    ),
    FormField(
        "source.repository",
        _MODEL,
        "Repository",
        "Owner and name on the public hub.",
        placeholder="e.g. HuggingFaceTB/SmolLM2-135M-Instruct",
        required=True,
        when=_HUB,
    ),
    FormField(
        "source.revision",
        _MODEL,
        "Revision",
        "Branch, tag or commit. A commit keeps the files as they are today.",
        initial="main",
        placeholder="main",
        when=_HUB,
    ),
    FormField(
        "source.image",
        _MODEL,
        "NGC image",
        "The NIM image that holds the model, with or without a tag.",
        placeholder="e.g. nvcr.io/nim/meta/llama-3.1-8b-instruct",
        required=True,
        when=_NGC,
    ),
    FormField(
        "source.claim",
        _MODEL,
        "Volume claim",
        "PersistentVolumeClaim, in the namespace of each deployment, that holds the files.",
        placeholder="e.g. models",
        required=True,
        when=_STORAGE,
    ),
    FormField(
        "source.path",
        _MODEL,
        "Path",
        "Folder of the model inside the claim. Empty: its root.",
        placeholder="e.g. llama",
        when=_STORAGE,
    ),
    FormField(
        "contextLength",
        _MODEL,
        "Context length",
        "The longest context the model was made for. Empty: not known.",
        FieldKind.NUMBER,
        placeholder="not known",
        unit="tokens",
    ),
    FormField(
        "parameters",
        _MODEL,
        "Parameters",
        "Its size, such as 135M or 8B: GPUs, memory and the start-up budget are sized from it. Empty: not known.",
        placeholder="not known",
    ),
)

ENDPOINT_FIELDS: tuple[FormField, ...] = (
    FormField(
        "name",
        _ENDPOINT,
        "Name",
        "The name deployments refer to. Lower-case letters, digits, '-' and '.'; it cannot be changed later.",
        placeholder="e.g. internal",
        required=True,
    ),
    FormField(
        "description",
        _ENDPOINT,
        "Description",
        "One sentence for the people who choose an endpoint.",
        placeholder="e.g. inside the cluster",
    ),
    FormField(
        "hostname",
        _ENDPOINT,
        "Hostname",
        "The DNS name that callers use.",
        placeholder="e.g. llm.example.internal",
        required=True,
    ),
    FormField(
        "exposure",
        _ENDPOINT,
        "Exposure",
        "cluster: reached by Service inside the cluster. gateway: through a Gateway that checks keys and limits.",
        FieldKind.CHOICE,
        initial="cluster",
        options=("cluster", "gateway"),
    ),
    FormField(
        "gateway.namespace",
        _ENDPOINT,
        "Gateway namespace",
        "Namespace of the Gateway (Gateway API).",
        FieldKind.CHOICE,
        placeholder="e.g. gateway-system",
        required=True,
        choices=Choices.NAMESPACES,
        when=_GATEWAY,
    ),
    FormField(
        "gateway.name",
        _ENDPOINT,
        "Gateway name",
        "Name of the Gateway (Gateway API).",
        placeholder="e.g. public",
        required=True,
        when=_GATEWAY,
    ),
    FormField(
        "enforcement",
        _ENDPOINT,
        "Limits kept by",
        "What checks keys and rate limits at this gateway.",
        FieldKind.CHOICE,
        initial="none",
        options=("none", "envoy-ai-gateway", "kuadrant"),
        when=_GATEWAY,
    ),
    FormField(
        "tlsSecret",
        _ENDPOINT,
        "TLS certificate",
        "Secret of type kubernetes.io/tls with the certificate of the hostname. Empty: as the Gateway has it.",
        placeholder="as the Gateway has it",
        when=_GATEWAY,
    ),
)

_ORGANIZATION = "Organization"
ORGANIZATION_FIELDS: tuple[FormField, ...] = (
    FormField(
        "name",
        _ORGANIZATION,
        "Name",
        "What deployments are shared with and usage is counted for. Lower-case letters, digits and '-'; it cannot be "
        "changed later.",
        placeholder="e.g. org-a",
        required=True,
    ),
    FormField(
        "displayName",
        _ORGANIZATION,
        "Display name",
        "What people call it.",
        placeholder="e.g. Organization A",
    ),
    FormField(
        "users",
        _ORGANIZATION,
        "Users",
        "Who may be given API keys, one a line: lower-case letters, digits and '-'. Limits are counted by the name, so "
        "one organization alone may have it. Taking somebody out revokes no key.",
        FieldKind.LINES,
        placeholder="e.g. alice",
    ),
)
