"""What exists before a deployment: models, endpoints and organizations (the file format, docs/file-format.md)."""

from __future__ import annotations

import re
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from genai_tui.domain.strict import Count, Hostname, Image, Name, ObjectName, Text, Written


class UseCase(StrEnum):
    """What a model is for; decides which requests it answers."""

    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDING = "embedding"
    RERANK = "rerank"
    VISION = "vision"

    @property
    def paths(self) -> tuple[str, ...]:
        """Where such a model is asked, in the OpenAI protocol; the first is what it is for."""
        asked = {
            UseCase.CHAT: ("/v1/chat/completions", "/v1/completions"),
            UseCase.COMPLETION: ("/v1/completions",),
            UseCase.EMBEDDING: ("/v1/embeddings",),
            UseCase.RERANK: ("/v1/rerank",),
            UseCase.VISION: ("/v1/chat/completions",),
        }
        return (*asked[self], "/v1/models")


_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_REVISION = re.compile(r"[\w.][\w./-]*", re.ASCII)
_PARAMETERS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?[KMBT]")
_SCALE = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


def _repository(text: str) -> str:
    if not _REPOSITORY.fullmatch(text):
        raise ValueError(f"'{text}' is not a repository such as HuggingFaceTB/SmolLM2-135M-Instruct")
    return text


def _revision(text: str) -> str:
    if not _REVISION.fullmatch(text):
        raise ValueError(f"'{text}' is not a branch, tag or commit such as main")
    return text


def _parameters(text: str) -> str:
    if not _PARAMETERS.fullmatch(text):
        raise ValueError(f"'{text}' is not a parameter count such as 135M, 8B or 70.6B")
    return text


def parameter_count(text: str) -> int:
    """`135M` as a number of parameters."""
    return int(Decimal(text[:-1]) * _SCALE[text[-1]])


class HubSource(Written):
    """A repository of the public model hub."""

    type: Literal["huggingface"]
    repository: Annotated[Text, AfterValidator(_repository)]
    revision: Annotated[Text, AfterValidator(_revision)] = "main"


class NgcSource(Written):
    """An image of NVIDIA NGC that holds its model."""

    type: Literal["ngc"]
    image: Image


class StorageSource(Written):
    """Files on a PersistentVolumeClaim of the deployment's namespace; `path` is relative to its root."""

    type: Literal["storage"]
    claim: ObjectName
    path: Text = ""

    @model_validator(mode="after")
    def _inside(self) -> StorageSource:
        if self.path.startswith("/") or ".." in self.path.split("/"):
            raise ValueError("path must be relative to the claim and may not contain '..'")
        if not self.path.isprintable():
            raise ValueError("path may hold only printable characters")
        return self


Source = Annotated[HubSource | NgcSource | StorageSource, Field(discriminator="type")]


class ModelSpec(Written):
    """A catalogue entry: what can be deployed, and where its files are.

    `context_length` is the longest context the model was made for, in tokens; `parameters` its size.
    """

    description: Text = ""
    use_case: UseCase = UseCase.CHAT
    provider: Text = ""
    source: Source
    context_length: Annotated[Count, Field(gt=0)] | None = None
    parameters: Annotated[Text, AfterValidator(_parameters)] | None = None


class GatewayReference(Written):
    """A Gateway of the Gateway API."""

    namespace: Name
    name: ObjectName


class EndpointSpec(Written):
    """Where models are exposed: inside the cluster, or through a gateway that checks keys and limits."""

    description: Text = ""
    hostname: Hostname
    exposure: Literal["cluster", "gateway"] = "cluster"
    gateway: GatewayReference | None = None
    enforcement: Literal["envoy-ai-gateway", "kuadrant"] | None = None
    tls_secret: ObjectName | None = None

    @model_validator(mode="after")
    def _gateway_belongs_to_exposure(self) -> EndpointSpec:
        if self.exposure == "gateway" and self.gateway is None:
            raise ValueError("exposure 'gateway' needs gateway: {namespace, name}")
        if self.exposure == "cluster" and (self.gateway or self.enforcement or self.tls_secret):
            raise ValueError("gateway, enforcement and tlsSecret belong to exposure 'gateway'")
        return self


class OrganizationSpec(Written):
    """Who may be given access: an organization and its users."""

    display_name: Text = ""
    users: tuple[Name, ...] = ()
