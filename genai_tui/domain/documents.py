"""The four kinds of document of the file format, and how a wrong one is explained field by field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from genai_tui.domain.catalogue import EndpointSpec, ModelSpec, OrganizationSpec
from genai_tui.domain.deployment import DeploymentSpec
from genai_tui.domain.naming import API_VERSION, did_you_mean
from genai_tui.domain.problems import FieldProblem
from genai_tui.domain.strict import CatalogueName, Name, ServiceName, Written
from genai_tui.domain.text import printable


class Metadata(Written):
    """Name of an organization; like models and endpoints it lives in the system namespace."""

    name: Name


class CatalogueMetadata(Written):
    """Name of a model or an endpoint."""

    name: CatalogueName


class NamespacedMetadata(Written):
    """Name and namespace of a model deployment; no namespace means the current one."""

    name: ServiceName
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
_ADAPTER: TypeAdapter[Model | Endpoint | Organization | ModelDeployment] = TypeAdapter(
    Document, config=ConfigDict(hide_input_in_errors=True)
)


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
        path = _path(detail)
        if path in found and detail["type"] == "literal_error":
            found[path] += f" (or {_listed(detail)})"
        else:
            found.setdefault(path, _message(detail, path))
    return tuple(FieldProblem(printable(path[:200]), printable(message)) for path, message in found.items())


_SOURCE_TYPES = ("huggingface", "ngc", "storage")


def _path(detail: ErrorDetails) -> str:
    location = detail["loc"]
    parts = [str(part) for i, part in enumerate(location) if not _is_noise(location, i)]
    if detail["type"].startswith("union_tag"):
        parts.append(str(detail.get("ctx", {}).get("discriminator")).strip("'"))
    return ".".join(parts)


def _is_noise(location: tuple[int | str, ...], index: int) -> bool:
    """Whether a part of a location names an alternative of a union, or a key's own check, and no field."""
    part = location[index]
    if not isinstance(part, str):
        return False
    if index == 0:
        return part in KINDS
    if part in _SOURCE_TYPES and location[index - 1] == "source":
        return True
    return index == len(location) - 1 and (part in ("constrained-int", "[key]") or part.startswith("literal["))


def _message(detail: ErrorDetails, path: str) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    field = path.rsplit(".", 1)[-1]
    if kind == "missing":
        return f"{field} is required"
    if kind == "extra_forbidden":
        return _unknown(detail["loc"], str(detail["loc"][-1]))
    if kind in ("union_tag_invalid", "literal_error", "enum"):
        given = str(context.get("tag", detail["input"]))
        hint = did_you_mean(given, re.findall(r"'([^']*)'", str(context.get("expected_tags") or "")))
        return f"'{_short(given)}' is not one of {_listed(detail)}{hint}"
    if kind == "union_tag_not_found":
        return f"{field} is required"
    if kind == "value_error":
        return _short(str(context.get("error", detail["msg"])), 400)
    return _bounds(kind, context, detail)


def _listed(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    return str(context.get("expected_tags") or context.get("expected")).replace("'", "")


def _short(text: str, at_most: int = 60) -> str:
    return text if len(text) <= at_most else f"{text[:at_most]}..."


def _bounds(kind: str, context: Mapping[str, Any], detail: ErrorDetails) -> str:
    given = detail["input"]
    shown = _short(str(given)) if isinstance(given, int | str | float) else _NAMES.get(type(given), "nothing")
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
        "finite_number": f"must be an amount such as 0.20, not '{shown}'",
        "decimal_max_places": "has more than nine digits after the point",
        "decimal_max_digits": "has too many digits",
        "decimal_whole_digits": "has more than nine digits before the point",
        "string_too_short": "may not be empty",
        "string_pattern_mismatch": f"'{shown}' has characters that are not allowed here",
        "tuple_type": "must be a list",
    }
    if kind == "string_type" and isinstance(given, bool | int | float):
        # YAML reads yes, no, on, off and bare digits as something else than text.
        return "must be text; put it between quotes"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return "must be a mapping"
    return sentences.get(kind, str(detail["msg"]))


_NAMES: Mapping[type, str] = {dict: "a mapping", list: "a list"}


def _unknown(location: tuple[int | str, ...], field: str) -> str:
    """The nearest field of the same part; else where in the document a field of that name belongs."""
    places = _PLACES.get(str(location[0]) if location else "", {})
    here = tuple(str(part) for i, part in enumerate(location) if isinstance(part, str) and not _is_noise(location, i))
    siblings = places.get(here[:-1], _EVERY_FIELD)
    hint = did_you_mean(field, siblings - {field})
    if not hint:
        elsewhere = next((path for path, fields in places.items() if field in fields and path != here[:-1]), None)
        hint = f"; it belongs to {'.'.join(elsewhere)}" if elsewhere else ""
    return f"unknown field '{_short(field)}'{hint}"


def _inside(annotation: object) -> Iterator[type[Written]]:
    """The models an annotation is made of: `tuple[EnvVar, ...]`, `CacheVolume | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Written):
        yield annotation
    for argument in get_args(annotation):
        yield from _inside(argument)


_Places = dict[tuple[str, ...], frozenset[str]]


def _places(model: type[Written], path: tuple[str, ...], found: _Places) -> _Places:
    """The field names of every part of a document, by the path of the part (without positions in lists)."""
    names = [field.alias or name for name, field in model.model_fields.items()]
    found[path] = found.get(path, frozenset()) | frozenset(names)
    for alias, field in zip(names, model.model_fields.values(), strict=True):
        for child in _inside(field.annotation):
            _places(child, (*path, alias), found)
    return found


_PLACES = {model.__name__: _places(model, (), {}) for model in (Model, Endpoint, Organization, ModelDeployment)}
_EVERY_FIELD = frozenset(name for places in _PLACES.values() for fields in places.values() for name in fields)
