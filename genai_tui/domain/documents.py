"""The four kinds of document of the file format, and how a wrong one is explained field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from genai_tui.domain.catalogue import EndpointSpec, ModelSpec, OrganizationSpec
from genai_tui.domain.deployment import DeploymentSpec
from genai_tui.domain.naming import API_VERSION, did_you_mean
from genai_tui.domain.problems import FieldProblem
from genai_tui.domain.strict import CatalogueName, Name, Written


class Metadata(Written):
    """Name of an organization; like models and endpoints it lives in the system namespace."""

    name: Name


class CatalogueMetadata(Written):
    """Name of a model or an endpoint."""

    name: CatalogueName


class NamespacedMetadata(Written):
    """Name and namespace of a model deployment; no namespace means the current one."""

    name: Name
    namespace: Name | None = None


class Model(Written):
    """A catalogue entry."""

    api_version: Literal["genai-tui.dev/v1alpha1"] = API_VERSION
    kind: Literal["Model"] = "Model"
    metadata: CatalogueMetadata
    spec: ModelSpec


class Endpoint(Written):
    """Where models are exposed."""

    api_version: Literal["genai-tui.dev/v1alpha1"] = API_VERSION
    kind: Literal["Endpoint"] = "Endpoint"
    metadata: CatalogueMetadata
    spec: EndpointSpec


class Organization(Written):
    """Who may be given access."""

    api_version: Literal["genai-tui.dev/v1alpha1"] = API_VERSION
    kind: Literal["Organization"] = "Organization"
    metadata: Metadata
    spec: OrganizationSpec


class ModelDeployment(Written):
    """One model, exposed at one endpoint, run by one engine."""

    api_version: Literal["genai-tui.dev/v1alpha1"] = API_VERSION
    kind: Literal["ModelDeployment"] = "ModelDeployment"
    metadata: NamespacedMetadata
    spec: DeploymentSpec


CatalogueEntry = Model | Endpoint | Organization
Document = Annotated[Model | Endpoint | Organization | ModelDeployment, Field(discriminator="kind")]
KINDS: tuple[str, ...] = ("Model", "Endpoint", "Organization", "ModelDeployment")
_ADAPTER: TypeAdapter[Model | Endpoint | Organization | ModelDeployment] = TypeAdapter(Document)


def parse_document(data: Mapping[str, Any]) -> Model | Endpoint | Organization | ModelDeployment:
    """Check one document as read from YAML or JSON, by the names files use.

    Raises:
        ValidationError: use `field_problems` to explain it.
    """
    return _ADAPTER.validate_python(data, by_alias=True, by_name=False)


def field_problems(error: ValidationError) -> tuple[FieldProblem, ...]:
    """One problem per wrong field, in words, in the order of the document.

    Discriminator values pydantic puts into a location (the kind, the source's type) are taken out again, so that
    `field` is a path of the file. An alternative of a union is reported once, under the field itself.
    """
    found: dict[str, str] = {}
    for detail in error.errors(include_url=False):
        path = _path(detail["loc"])
        found.setdefault(path, _message(detail, path))
    return tuple(FieldProblem(path, message) for path, message in found.items())


_NOISE = {*KINDS, "huggingface", "ngc", "storage", "constrained-int", "int", "str"}


def _path(location: tuple[int | str, ...]) -> str:
    parts = [str(part) for i, part in enumerate(location) if not _is_noise(location, i)]
    return ".".join(parts)


def _is_noise(location: tuple[int | str, ...], index: int) -> bool:
    part = location[index]
    if part == "ngc" and index > 0 and location[index - 1] == "engine":
        return False
    return isinstance(part, str) and (part in _NOISE or "[" in part)


def _message(detail: ErrorDetails, path: str) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    field = path.rsplit(".", 1)[-1]
    if kind == "missing":
        return f"{field} is required"
    if kind == "extra_forbidden":
        return f"unknown field '{field}'{did_you_mean(field, _ALL_FIELDS - {field})}"
    if kind in ("union_tag_invalid", "literal_error", "enum"):
        expected = str(context.get("expected_tags") or context.get("expected")).replace("'", "")
        return f"'{context.get('tag', detail['input'])}' is not one of {expected}"
    if kind == "union_tag_not_found":
        return f"needs {context.get('discriminator')}"
    if kind == "value_error":
        return str(context.get("error", detail["msg"]))
    return _bounds(kind, context, detail)


def _bounds(kind: str, context: Mapping[str, Any], detail: ErrorDetails) -> str:
    shown = detail["input"] if isinstance(detail["input"], int | str | float) else type(detail["input"]).__name__
    sentences = {
        "greater_than": f"must be more than {context.get('gt')}, not {shown}",
        "greater_than_equal": f"must be at least {context.get('ge')}, not {shown}",
        "less_than_equal": f"must be at most {context.get('le')}, not {shown}",
        "int_type": f"must be a whole number, not '{shown}'",
        "string_type": f"must be text, not {shown}",
        "bool_parsing": f"must be true or false, not '{shown}'",
        "bool_type": f"must be true or false, not '{shown}'",
        "decimal_parsing": f"must be an amount such as 0.20, not '{shown}'",
        "decimal_type": f"must be an amount such as 0.20, not '{shown}'",
        "decimal_max_places": "has more than nine digits after the point",
        "model_type": "must be a mapping",
        "dict_type": "must be a mapping",
        "tuple_type": "must be a list",
        "string_too_short": "may not be empty",
        "string_pattern_mismatch": f"'{shown}' has characters that are not allowed here",
    }
    return sentences.get(kind, str(detail["msg"]))


def _collect(model: type[Written], into: dict[str, None], seen: set[type[Written]]) -> None:
    if model in seen:
        return
    seen.add(model)
    for field in model.model_fields.values():
        into[field.alias or ""] = None
    for child in Written.__subclasses__():
        _collect(child, into, seen)


def _every_field() -> frozenset[str]:
    names: dict[str, None] = {}
    _collect(ModelDeployment, names, set())
    return frozenset(names)


_ALL_FIELDS = _every_field()
