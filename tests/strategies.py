"""Whole documents for property tests: everything the file format accepts, and with `renderable` what an engine runs."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from genai_tui.domain.catalogue import ModelSpec
from genai_tui.domain.currencies import currencies
from genai_tui.domain.documents import Endpoint, Model, ModelDeployment, Organization

Data = dict[str, Any]
Fields = st.SearchStrategy[Data]

LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
SERVICE_NAME = st.one_of(LABEL.map("d{}".format), st.just("d" * 63))
CATALOGUE_NAME = st.one_of(LABEL, st.just("llama-3.1-8b"), st.just("m" * 56))
QUALIFIED = st.from_regex(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,10}[A-Za-z0-9])?", fullmatch=True)
LABEL_KEY = st.one_of(
    QUALIFIED, QUALIFIED.map("example.com/{}".format), QUALIFIED.map("topology.kubernetes.io/{}".format)
)
LABEL_VALUE = st.one_of(st.just(""), QUALIFIED)
TEXT = st.one_of(
    st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20),
    st.sampled_from(
        ["yes", "null", "1:30", "010", "2026-01-01", "=", "<<", "a: b", "- x", "#", "\n\n", "\ufeff", "'\""]
    ),
)
QUANTITY = st.sampled_from(["1", "2", "500m", "0.5", "4Gi", "1.5Gi", "16G", "1e3", "2E", "100Mi"])
COUNT = st.integers(1, 10**12)
GPU_RESOURCE = st.sampled_from(["nvidia.com/gpu", "nvidia.com/mig-1g.10gb", "amd.com/gpu", "nvidia.com/gpu.shared"])
ENV_NAME = st.from_regex(r"[-._a-zA-Z][-._a-zA-Z0-9]{0,10}", fullmatch=True).filter(
    lambda name: name != "." and not name.startswith("..")
)
MONEY = st.decimals(0, 10**8, places=9).map(lambda amount: format(amount, "f"))


def record(required: Data, optional: Data | None = None) -> Fields:
    """A mapping with all of `required` and any of `optional`."""
    return st.fixed_dictionaries(required, optional=optional or {})


def pairs(keys: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(keys, values, max_size=3)


SECRET_KEY = record({"name": LABEL, "key": st.from_regex(r"[-._a-zA-Z0-9]{1,8}", fullmatch=True)})
ENV = st.one_of(record({"name": ENV_NAME, "value": TEXT}), record({"name": ENV_NAME, "secret": SECRET_KEY})).filter(
    lambda data: (
        not data.get("value") or not str(data["name"]).upper().endswith(("TOKEN", "KEY", "SECRET", "WORD", "PASSWD"))
    )
)
EFFECT = st.sampled_from(["NoSchedule", "PreferNoSchedule", "NoExecute"])
TOLERATION = st.one_of(
    record({"operator": st.just("Exists")}, {"key": LABEL_KEY, "effect": EFFECT}),
    record({"key": LABEL_KEY, "operator": st.just("Equal")}, {"value": LABEL_VALUE, "effect": EFFECT}),
    record({"key": LABEL_KEY, "value": LABEL_VALUE}),
    record(
        {"key": LABEL_KEY, "operator": st.just("Exists"), "effect": st.just("NoExecute")},
        {"tolerationSeconds": st.integers(0, 10**6)},
    ),
)
REQUIREMENT = st.one_of(
    record({
        "key": LABEL_KEY,
        "operator": st.sampled_from(["In", "NotIn"]),
        "values": st.lists(LABEL_VALUE, min_size=1, max_size=2),
    }),
    record({"key": LABEL_KEY, "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
)  # fmt: skip
SELECTOR = record(
    {}, {"matchLabels": pairs(LABEL_KEY, LABEL_VALUE), "matchExpressions": st.lists(REQUIREMENT, max_size=2)}
)
TERM = record({"labelSelector": SELECTOR, "topologyKey": LABEL_KEY}, {"namespaces": st.lists(LABEL, max_size=2)})
TERMS = record(
    {},
    {
        "requiredDuringSchedulingIgnoredDuringExecution": st.lists(TERM, max_size=2),
        "preferredDuringSchedulingIgnoredDuringExecution": st.lists(
            record({"weight": st.integers(1, 100), "podAffinityTerm": TERM}), max_size=2
        ),
    },
)
CACHE = st.one_of(record({"claim": LABEL}), record({"size": QUANTITY}, {"storageClass": LABEL}))
LIMITS = record({}, {"tokensPerMinute": COUNT, "requestsPerMinute": COUNT})
EXTRA_ARGUMENTS = st.lists(
    st.sampled_from(["--gpu-memory-utilization=0.9", "--seed=7", "--enforce-eager", "-pp=2", "--hf-overrides={}"]),
    max_size=3,
)


def advanced(extra: st.SearchStrategy[list[str]]) -> Fields:
    return record(
        {},
        {
            "env": st.lists(ENV, max_size=3, unique_by=lambda variable: variable["name"]),
            "labels": pairs(LABEL_KEY, LABEL_VALUE),
            "annotations": pairs(LABEL_KEY, TEXT),
            "tolerations": st.lists(TOLERATION, max_size=3),
            "nodeSelector": pairs(LABEL_KEY, LABEL_VALUE),
            "podAffinity": record({}, {"podAffinity": TERMS, "podAntiAffinity": TERMS}),
            "extraArgs": extra,
            "runtimeClass": LABEL,
            "sharedMemory": QUANTITY,
            "cache": CACHE,
            "strategy": st.sampled_from(["auto", "Recreate", "RollingUpdate", "Surge"]),
        },
    )


VLLM = record(
    {
        "type": st.just("vllm"),
        "image": st.sampled_from(["vllm/vllm-openai:v0.33.0", "mirror:5000/vllm:v0.11.2", "vllm"]),
    },
    {
        "replicas": st.integers(0, 1000),
        "contextLength": st.just("auto") | COUNT,
        "promptCaching": st.booleans(),
        "startupBudgetSeconds": st.integers(60, 86_400),
    },
)


def nim(generation: int) -> Fields:
    return record(
        {"type": st.just("nim"), "image": st.just(f"nvcr.io/nim/meta/llama-3.1-8b-instruct:{generation}.3.0")},
        {
            "replicas": st.integers(0, 1000),
            "contextLength": st.just("auto") | COUNT,
            "promptCaching": st.booleans(),
            "startupBudgetSeconds": st.integers(60, 86_400),
            "nimGeneration": st.just(generation),
            "ngc": record({}, {"pullSecret": LABEL, "apiKey": SECRET_KEY}),
        },
    )


def specs(engine: Fields, extra: st.SearchStrategy[list[str]] = EXTRA_ARGUMENTS) -> Fields:
    """The `spec` of a deployment with this engine."""
    return record(
        {
            "model": CATALOGUE_NAME,
            "endpoint": CATALOGUE_NAME,
            "engine": engine,
            "resources": record(
                {"cpu": QUANTITY, "memory": QUANTITY}, {"gpu": st.integers(0, 64), "gpuResource": GPU_RESOURCE}
            ),
        },
        {
            "description": TEXT,
            "advanced": advanced(extra),
            "rateLimits": record({}, {"organization": LIMITS, "user": LIMITS, "apiKey": LIMITS}),
            "pricing": record(
                {"inputPerMillion": MONEY, "outputPerMillion": MONEY},
                {"currency": st.sampled_from(sorted(currencies())), "cachedInputPerMillion": MONEY},
            ),
            "sharing": st.one_of(
                record({"mode": st.sampled_from(["none", "all"])}),
                record({"mode": st.just("organizations"), "organizations": st.lists(LABEL, min_size=1, max_size=3)}),
            ),
        },
    )


def _document(metadata: Data, spec: Data) -> ModelDeployment:
    return ModelDeployment.model_validate({"metadata": metadata, "spec": spec})


METADATA = record({"name": SERVICE_NAME}, {"namespace": LABEL})
HUB = record(
    {"type": st.just("huggingface"), "repository": st.just("meta-llama/Llama-3.1-8B-Instruct")},
    {"revision": st.sampled_from(["main", "v1.0", "refs/pr/7"])},
)
NGC = record({"type": st.just("ngc"), "image": st.just("nvcr.io/nim/meta/llama-3.1-8b-instruct:2.3.0")})
STORAGE = record({"type": st.just("storage"), "claim": LABEL}, {"path": st.sampled_from(["", "llama", "a/b/"])})


def model_data(source: Fields) -> Fields:
    return record(
        {"source": source},
        {
            "description": TEXT,
            "useCase": st.sampled_from(["chat", "completion", "embedding", "rerank", "vision"]),
            "provider": TEXT,
            "contextLength": COUNT,
            "parameters": st.sampled_from(["135M", "8B", "70.6B", "999999T"]),
        },
    )


DEPLOYMENTS = st.builds(_document, METADATA, specs(st.one_of(VLLM, nim(1), nim(2)), st.lists(TEXT, max_size=3)))
MODELS = st.builds(
    lambda name, spec: Model.model_validate({"metadata": {"name": name}, "spec": spec}),
    CATALOGUE_NAME,
    model_data(st.one_of(HUB, NGC, STORAGE)),
)
ENDPOINTS = st.builds(
    lambda name, spec: Endpoint.model_validate({"metadata": {"name": name}, "spec": spec}),
    CATALOGUE_NAME,
    st.one_of(
        record({"hostname": st.just("llm.example.com")}, {"description": TEXT}),
        record(
            {
                "hostname": st.just("llm.example.com"),
                "exposure": st.just("gateway"),
                "gateway": record({"namespace": LABEL, "name": LABEL}),
            },
            {
                "description": TEXT,
                "enforcement": st.sampled_from(["kuadrant", "envoy-ai-gateway"]),
                "tlsSecret": LABEL,
            },
        ),
    ),
)
ORGANIZATIONS = st.builds(
    lambda name, spec: Organization.model_validate({"metadata": {"name": name}, "spec": spec}),
    LABEL,
    record({}, {"displayName": TEXT, "users": st.lists(LABEL, max_size=3)}),
)
DOCUMENTS: st.SearchStrategy[Model | Endpoint | Organization | ModelDeployment] = st.one_of(
    DEPLOYMENTS, MODELS, ENDPOINTS, ORGANIZATIONS
)


@st.composite
def renderable(draw: st.DrawFn) -> tuple[ModelDeployment, ModelSpec]:
    """A deployment and its model that an engine accepts together."""
    engine, source, extra = draw(
        st.sampled_from(
            [
                (VLLM, st.one_of(HUB, STORAGE), EXTRA_ARGUMENTS),
                (nim(1), NGC, st.just([])),
                (nim(2), st.one_of(HUB, NGC, STORAGE), EXTRA_ARGUMENTS),
            ]
        )
    )
    document = _document(draw(METADATA), draw(specs(engine, extra)))
    model = ModelSpec.model_validate(draw(model_data(source)))
    return document, model
