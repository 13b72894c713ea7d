"""A model deployment as people write it: the `spec` of kind ModelDeployment (docs/file-format.md)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_serializer, field_validator, model_validator

from genai_tui.domain.currencies import currencies
from genai_tui.domain.money import Price, plain
from genai_tui.domain.naming import check_free_key, did_you_mean
from genai_tui.domain.strict import (
    CatalogueName,
    Count,
    EnvName,
    Image,
    LabelKey,
    LabelValue,
    Name,
    ObjectName,
    Quantity,
    Text,
    Written,
)


class EngineType(StrEnum):
    """The inference engines that can be deployed."""

    VLLM = "vllm"
    NIM = "nim"


class CacheVolume(Written):
    """Where downloaded model files are kept between starts.

    Either an existing `claim`, or `size` (and a `storage_class`) for a claim made with the deployment.
    """

    claim: ObjectName | None = None
    size: Quantity | None = None
    storage_class: ObjectName | None = None

    @model_validator(mode="after")
    def _one_of(self) -> CacheVolume:
        if (self.claim is None) == (self.size is None):
            raise ValueError("needs either claim (an existing volume claim) or size (a new one), not both")
        if self.claim and self.storage_class:
            raise ValueError("storageClass belongs to size; an existing claim has its own")
        return self


class SecretKey(Written):
    """One key of a Secret in the deployment's namespace; the value itself is never written here."""

    name: ObjectName
    key: Annotated[Text, Field(min_length=1, pattern=r"^[-._a-zA-Z0-9]+$")]


class NgcAccess(Written):
    """The two Secrets NIM needs: one to pull from nvcr.io, one whose key holds the NGC API key."""

    pull_secret: ObjectName = "ngc-secret"
    api_key: SecretKey = SecretKey(name="ngc-api-secret", key="NGC_API_KEY")


class EngineSpec(Written):
    """How the model is run.

    `context_length` is in tokens, or `auto` for what fits (vLLM). `startup_budget_seconds` bounds how long one
    replica may take from container start to ready; None means sized to the model. `nim_generation` overrides
    what the image tag says (1 for 1.x, 2 for 2.x and later).
    """

    type: EngineType
    image: Image
    replicas: Annotated[Count, Field(ge=0, le=1000)] = 1
    context_length: Annotated[Count, Field(gt=0)] | Literal["auto"] = "auto"
    prompt_caching: bool = True
    startup_budget_seconds: Annotated[Count, Field(ge=60, le=86_400)] | None = None
    nim_generation: Literal[1, 2] | None = None
    ngc: NgcAccess | None = None

    @model_validator(mode="after")
    def _nim_fields_belong_to_nim(self) -> EngineSpec:
        if self.type is EngineType.VLLM and (self.nim_generation or self.ngc):
            raise ValueError("nimGeneration and ngc belong to engine type nim")
        return self


def _extended_resource(name: str) -> str:
    domain = name.rpartition("/")[0]
    if not domain or domain.endswith("kubernetes.io"):
        raise ValueError(f"'{name}' is not a resource of a device plugin such as nvidia.com/gpu or amd.com/gpu")
    return name


class Resources(Written):
    """What each replica gets: CPU cores, memory, and GPUs of the named extended resource."""

    cpu: Quantity
    memory: Quantity
    gpu: Annotated[Count, Field(ge=0, le=64)] = 1
    gpu_resource: Annotated[LabelKey, AfterValidator(_extended_resource)] = "nvidia.com/gpu"


_SECRET_NAME = re.compile(r"(?:^|_)(?:TOKEN|API_?KEY|SECRET|SECRET_(?:ACCESS_)?KEY|PASSWORD|PASSWD)$", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"(?:hf_|nvapi-|sk-|ghp_)[A-Za-z0-9_-]{16,}")


class EnvVar(Written):
    """An environment variable: a plain value, or a key of a Secret.

    Values are written into manifests and annotations, so what is known to be a secret is refused as a value.
    """

    name: EnvName
    value: Text | None = None
    secret: SecretKey | None = None

    @model_validator(mode="after")
    def _one_of(self) -> EnvVar:
        if (self.value is None) == (self.secret is None):
            raise ValueError("needs either value or secret: {name, key}, not both")
        if self.value and (_SECRET_NAME.search(self.name) or _SECRET_VALUE.match(self.value)):
            raise ValueError(f"{self.name} holds a secret; name where it is kept, secret: {{name, key}}, not its value")
        return self


class Toleration(Written):
    """A toleration of the pod (Kubernetes core/v1 Toleration)."""

    key: LabelKey | None = None
    operator: Literal["Exists", "Equal"] = "Equal"
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: Annotated[Count, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Toleration:
        if self.key is None and self.operator != "Exists":
            raise ValueError("without a key the operator must be Exists")
        if self.operator == "Exists" and self.value:
            raise ValueError("operator Exists takes no value")
        if self.toleration_seconds is not None and self.effect != "NoExecute":
            raise ValueError("tolerationSeconds needs effect NoExecute")
        return self


class Requirement(Written):
    """One expression of a label selector."""

    key: LabelKey
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[LabelValue, ...] = ()

    @model_validator(mode="after")
    def _values_fit(self) -> Requirement:
        if (self.operator in ("In", "NotIn")) != bool(self.values):
            raise ValueError("In and NotIn need values; Exists and DoesNotExist take none")
        return self


class LabelSelector(Written):
    """Which pods are meant (Kubernetes meta/v1 LabelSelector)."""

    match_labels: dict[LabelKey, LabelValue] = Field(default={})
    match_expressions: tuple[Requirement, ...] = ()


class AffinityTerm(Written):
    """A required pod affinity term: near pods that match, as far as `topology_key` tells near."""

    label_selector: LabelSelector
    topology_key: LabelKey
    namespaces: tuple[Name, ...] = ()


class WeightedAffinityTerm(Written):
    """A preferred pod affinity term; `weight` from 1 to 100."""

    weight: Annotated[Count, Field(ge=1, le=100)]
    pod_affinity_term: AffinityTerm


class AffinityTerms(Written):
    """The required and preferred terms of one direction."""

    required_during_scheduling_ignored_during_execution: tuple[AffinityTerm, ...] = ()
    preferred_during_scheduling_ignored_during_execution: tuple[WeightedAffinityTerm, ...] = ()


class PodAffinity(Written):
    """Near (`podAffinity`) and away from (`podAntiAffinity`) other pods."""

    pod_affinity: AffinityTerms | None = None
    pod_anti_affinity: AffinityTerms | None = None


class Advanced(Written):
    """Kubernetes-level settings. `extra_args` are appended last to the engine's arguments."""

    env: tuple[EnvVar, ...] = ()
    labels: dict[LabelKey, LabelValue] = Field(default={})
    annotations: dict[LabelKey, Text] = Field(default={})
    tolerations: tuple[Toleration, ...] = ()
    node_selector: dict[LabelKey, LabelValue] = Field(default={})
    pod_affinity: PodAffinity = PodAffinity()
    extra_args: tuple[Text, ...] = ()
    runtime_class: ObjectName | None = None
    shared_memory: Quantity = "2Gi"
    cache: CacheVolume | None = None
    strategy: Literal["auto", "Recreate", "RollingUpdate", "Surge"] = "auto"

    @field_validator("env")
    @classmethod
    def _unique(cls, env: tuple[EnvVar, ...]) -> tuple[EnvVar, ...]:
        seen: set[str] = set()
        for variable in env:
            if variable.name in seen:
                raise ValueError(f"the variable {variable.name} is set twice")
            seen.add(variable.name)
        return env

    @field_validator("labels", "annotations")
    @classmethod
    def _free(cls, pairs: Mapping[str, str]) -> Mapping[str, str]:
        for key in pairs:
            check_free_key(key)
        return pairs


class Limits(Written):
    """Limits of one level, per minute window; None means not limited at this level."""

    tokens_per_minute: Annotated[Count, Field(gt=0)] | None = None
    requests_per_minute: Annotated[Count, Field(gt=0)] | None = None


class RateLimits(Written):
    """Three levels; each applies in addition to the ones above it."""

    organization: Limits = Limits()
    user: Limits = Limits()
    api_key: Limits = Limits()


def _currency(code: str) -> str:
    if code not in currencies():
        hint = did_you_mean(code.upper(), currencies())
        raise ValueError(f"'{code}' is not an ISO 4217 currency code such as USD or EUR{hint}")
    return code


def _exact(value: object) -> object:
    """A binary float is not the number that was written; money is text or a whole number."""
    if isinstance(value, float):
        raise ValueError(f'write money as text, "{value}", so that it stays exact')
    return value


Amount = Annotated[Decimal, BeforeValidator(_exact), Field(ge=0, max_digits=18, decimal_places=9, allow_inf_nan=False)]


class Pricing(Written):
    """Price of one million input and of one million output tokens, and of input from the prefix cache if it differs."""

    currency: Annotated[Text, AfterValidator(_currency)] = "USD"
    input_per_million: Amount
    output_per_million: Amount
    cached_input_per_million: Amount | None = None

    @field_serializer("input_per_million", "output_per_million", "cached_input_per_million")
    def _as_text(self, amount: Decimal | None) -> str | None:
        return None if amount is None else plain(amount)

    @property
    def price(self) -> Price:
        """The same as a value to compute with."""
        return Price(self.currency, self.input_per_million, self.output_per_million, self.cached_input_per_million)


class SharingMode(StrEnum):
    """Who may call a deployment."""

    NONE = "none"
    ALL = "all"
    ORGANIZATIONS = "organizations"


class Sharing(Written):
    """With whom the deployment is shared."""

    mode: SharingMode = SharingMode.NONE
    organizations: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _list_belongs_to_mode(self) -> Sharing:
        if (self.mode is SharingMode.ORGANIZATIONS) != bool(self.organizations):
            raise ValueError("mode 'organizations' needs a list of organizations; the other modes take none")
        return self


class DeploymentSpec(Written):
    """Everything the operator decides about one model deployment."""

    description: Text = ""
    model: CatalogueName
    endpoint: CatalogueName
    engine: EngineSpec
    resources: Resources
    advanced: Advanced = Advanced()
    rate_limits: RateLimits = RateLimits()
    pricing: Pricing | None = None
    sharing: Sharing = Sharing()

    def canonical_json(self) -> str:
        """The spec whole, as one line of JSON with sorted keys, so that equal specs are equal text."""
        return json.dumps(
            self.model_dump(mode="json", exclude_none=True),
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
        )
