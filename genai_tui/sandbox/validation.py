"""What the API server refuses: names, required fields, quantities, selectors, what may not change."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from genai_tui.domain.naming import check_label_key, check_label_value
from genai_tui.domain.quantities import parse_quantity
from genai_tui.sandbox.registry import Resource
from genai_tui.sandbox.schema import Wrong, check, prune, schema_of
from genai_tui.sandbox.selectors import matches
from genai_tui.sandbox.status import ApiError, bad_request, invalid

Json = dict[str, Any]
Cause = tuple[str, str, str]
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_FREE_NAMES = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


def check_shape(resource: Resource, item: Json, mode: str) -> list[str]:
    """Types and unknown fields, as the server's decoder sees them; unknown fields are taken out of `item`.

    `mode` is fieldValidation: Strict refuses unknown fields, Warn returns a warning for each, Ignore is silent.

    Raises:
        ApiError: 400.
    """
    wrong = list(check(item, schema_of(resource.kind)))
    bad = next((w for w in wrong if not w.unknown), None)
    head = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
    if bad is not None:
        raise bad_request(f"{head}: json: cannot unmarshal {bad.found} into Go struct field {_go(resource, bad)}")
    unknown = [f'unknown field "{w.path}"' for w in wrong if w.unknown]
    if unknown and mode == "Strict":
        raise bad_request(f"{head}: strict decoding error: {', '.join(unknown)}")
    if unknown:
        prune(item, schema_of(resource.kind))
    return unknown if mode == "Warn" else []


def _go(resource: Resource, wrong: Wrong) -> str:
    parts = wrong.path.split(".")
    struct = f"{resource.kind}Spec" if len(parts) == 2 and parts[0] == "spec" else resource.kind
    return f"{struct}.{wrong.path} of type {wrong.expected}"


def check_object(resource: Resource, item: Json, previous: Json | None) -> None:
    """Everything that is wrong with an object, at once.

    Raises:
        ApiError: 422.
    """
    causes = [*_metadata(resource, item), *_by_kind(item)]
    if previous is not None:
        causes += _immutable(item, previous)
    if causes:
        raise invalid(resource.group, resource.kind, item["metadata"].get("name", ""), causes)


def _metadata(resource: Resource, item: Json) -> Iterator[Cause]:
    meta = item["metadata"]
    name = meta.get("name", "")
    if not name:
        yield "FieldValueRequired", "metadata.name", "Required value: name or generateName is required"
    elif resource.kind in ("Service", "Namespace"):
        if len(name) > 63 or not _LABEL.fullmatch(name):
            yield "FieldValueInvalid", "metadata.name", f"Invalid value: {json.dumps(name)}: {_LABEL_RULE}"
    elif resource.kind not in _FREE_NAMES and (len(name) > 253 or not _SUBDOMAIN.fullmatch(name)):
        yield "FieldValueInvalid", "metadata.name", f"Invalid value: {json.dumps(name)}: {_SUBDOMAIN_RULE}"
    yield from _labels(meta.get("labels") or {}, "metadata.labels")
    for key in meta.get("annotations") or {}:
        try:
            check_label_key(key)
        except ValueError as error:
            yield "FieldValueInvalid", "metadata.annotations", f"Invalid value: {json.dumps(key)}: {error}"


def _labels(labels: Json, field: str) -> Iterator[Cause]:
    for key, value in labels.items():
        try:
            check_label_key(key)
            check_label_value(value)
        except ValueError as error:
            yield "FieldValueInvalid", field, f"Invalid value: {json.dumps(value)}: {error}"


def _by_kind(item: Json) -> Iterator[Cause]:
    spec = item.get("spec") or {}
    if item.get("kind") in ("Deployment", "ReplicaSet"):
        yield from _workload(spec)
    elif item.get("kind") == "Pod":
        yield from _pod_spec(spec, "spec")
    elif item.get("kind") == "Service":
        for i, port in enumerate(spec.get("ports") or ()):
            yield from _port(port.get("port"), f"spec.ports[{i}].port")


def _workload(spec: Json) -> Iterator[Cause]:
    replicas = spec.get("replicas")
    if isinstance(replicas, int) and replicas < 0:
        message = f"Invalid value: {replicas}: must be greater than or equal to 0"
        yield "FieldValueInvalid", "spec.replicas", message
    selector, template = spec.get("selector"), spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    if selector is None:
        yield "FieldValueRequired", "spec.selector", "Required value"
    elif not matches(selector, labels):
        shown = json.dumps(labels, separators=(",", ":"))
        text = f"Invalid value: {shown}: `selector` does not match template `labels`"
        yield "FieldValueInvalid", "spec.template.metadata.labels", text
    yield from _labels(labels, "spec.template.labels")
    yield from _pod_spec(template.get("spec") or {}, "spec.template.spec")


def _pod_spec(spec: Json, path: str) -> Iterator[Cause]:
    containers = spec.get("containers") or []
    if not containers:
        yield "FieldValueRequired", f"{path}.containers", "Required value"
    volumes = {volume.get("name") for volume in spec.get("volumes") or ()}
    seen: set[str] = set()
    for i, container in enumerate(containers):
        where = f"{path}.containers[{i}]"
        name = container.get("name", "")
        if name in seen:
            yield "FieldValueDuplicate", f"{where}.name", f"Duplicate value: {json.dumps(name)}"
        seen.add(name)
        yield from _container(container, where, volumes)


def _container(container: Json, where: str, volumes: set[str | None]) -> Iterator[Cause]:
    if not container.get("name"):
        yield "FieldValueRequired", f"{where}.name", "Required value"
    if not container.get("image"):
        yield "FieldValueRequired", f"{where}.image", "Required value"
    for i, port in enumerate(container.get("ports") or ()):
        yield from _port(port.get("containerPort"), f"{where}.ports[{i}].containerPort")
    for i, mount in enumerate(container.get("volumeMounts") or ()):
        if mount.get("name") not in volumes:
            message = f"Not found: {json.dumps(mount.get('name'))}"
            yield "FieldValueNotFound", f"{where}.volumeMounts[{i}].name", message
    resources = container.get("resources") or {}
    for side in ("limits", "requests"):
        for name, amount in (resources.get(side) or {}).items():
            yield from _amount(str(amount), name, f"{where}.resources.{side}[{name}]")
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    for name, amount in requests.items():
        if name in limits and _value(amount) > _value(limits[name]):
            message = f"Invalid value: {json.dumps(str(amount))}: must be less than or equal to {name} limit of {limits[name]}"
            yield "FieldValueInvalid", f"{where}.resources.requests", message


def _value(amount: Any) -> Any:  # noqa: ANN401
    try:
        return parse_quantity(str(amount))
    except ValueError:
        return 0


def _amount(text: str, name: str, where: str) -> Iterator[Cause]:
    try:
        value = parse_quantity(text)
    except ValueError:
        rule = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        yield "FieldValueInvalid", where, f"Invalid value: {json.dumps(text)}: {rule}"
        return
    if "/" in name and value != value.to_integral_value():
        yield "FieldValueInvalid", where, f"Invalid value: {json.dumps(text)}: must be an integer"


def _port(number: Any, where: str) -> Iterator[Cause]:  # noqa: ANN401
    if not isinstance(number, int) or not 1 <= number <= 65535:
        yield "FieldValueInvalid", where, f"Invalid value: {json.dumps(number)}: must be between 1 and 65535, inclusive"


def _immutable(item: Json, previous: Json) -> Iterator[Cause]:
    if item.get("kind") in ("Deployment", "ReplicaSet"):
        now, before = item["spec"].get("selector"), previous["spec"].get("selector")
        if now != before:
            shown = json.dumps(now, separators=(",", ":"))
            yield "FieldValueInvalid", "spec.selector", f"Invalid value: {shown}: field is immutable"


def refuse_kind(resource: Resource, item: Json) -> None:
    """The body's kind and version must be those of the path.

    Raises:
        ApiError: 400.
    """
    kind, version = item.get("kind"), item.get("apiVersion")
    if kind is None or version is None:
        raise bad_request("Object 'Kind' is missing" if kind is None else "Object 'apiVersion' is missing")
    if (version, kind) != (resource.api_version, resource.kind):
        raise ApiError(
            400,
            "BadRequest",
            f"{kind} in version {json.dumps(version)} cannot be handled as a {resource.kind}: "
            f'no kind "{kind}" is registered for version "{version}"',
        )
