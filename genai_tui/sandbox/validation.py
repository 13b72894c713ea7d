"""What the API server refuses: names, required fields, quantities, selectors, what may not change."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

from genai_tui.domain.naming import check_label_key, check_label_value
from genai_tui.sandbox import custom
from genai_tui.sandbox.kinds import schema_of
from genai_tui.sandbox.pod_validation import check_pod_spec, check_port
from genai_tui.sandbox.registry import Resource
from genai_tui.sandbox.schema import Wrong, check, prune
from genai_tui.sandbox.selectors import matches
from genai_tui.sandbox.status import ApiError, bad_request, invalid

Json = dict[str, Any]
Cause = tuple[str, str, str]
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_POD_RULE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
WORKLOADS = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet")
_FROZEN = {
    **dict.fromkeys(WORKLOADS, ("spec.selector",)),
    "StatefulSet": ("spec.selector", "spec.serviceName", "spec.podManagementPolicy"),
    "Job": ("spec.selector", "spec.template", "spec.completionMode"),
    "Service": ("spec.clusterIP",),
    "PersistentVolumeClaim": ("spec.accessModes", "spec.storageClassName", "spec.volumeMode", "spec.volumeName"),
    "Secret": ("type",),
    "StorageClass": ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"),
    "RoleBinding": ("roleRef",),
    "ClusterRoleBinding": ("roleRef",),
}
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
    wrong = list(check(item, schema_of(resource.kind, resource.api_version)))
    # The types of custom kinds are part of their schema, which answers 422 (`custom.value_problems`).
    bad = None if custom.is_custom(item) else next((w for w in wrong if not w.unknown), None)
    head = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
    if bad is not None:
        raise bad_request(f"{head}: json: cannot unmarshal {bad.found} into Go struct field {_go(resource, bad)}")
    unknown = [f'unknown field "{w.path}"' for w in wrong if w.unknown]
    if unknown and mode == "Strict":
        raise bad_request(f"{head}: strict decoding error: {', '.join(unknown)}")
    if unknown:
        prune(item, schema_of(resource.kind, resource.api_version))
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
    causes = [*_metadata(resource, item), *_by_kind(item), *custom.value_problems(item)]
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
    spec, kind = item.get("spec") or {}, item.get("kind")
    if kind in WORKLOADS:
        yield from _workload(kind, spec)
    elif kind == "Job":
        yield from check_pod_spec(
            (spec.get("template") or {}).get("spec") or {}, "spec.template.spec", ("OnFailure", "Never")
        )
    elif kind == "Pod":
        yield from check_pod_spec(spec, "spec", ("Always", "OnFailure", "Never"))
    elif kind == "Service":
        yield from _service(spec)
    elif kind == "PersistentVolumeClaim":
        yield from _claim(spec)
    elif kind in ("ConfigMap", "Secret"):
        yield from _keys(item)
    elif kind in ("RoleBinding", "ClusterRoleBinding") and not (item.get("roleRef") or {}).get("name"):
        yield "FieldValueRequired", "roleRef.name", "Required value"


def _workload(kind: str, spec: Json) -> Iterator[Cause]:
    for name in ("replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        value = spec.get(name)
        if isinstance(value, int) and value < 0:
            yield "FieldValueInvalid", f"spec.{name}", f"Invalid value: {value}: must be greater than or equal to 0"
    selector, template = spec.get("selector"), spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    if selector is None:
        yield "FieldValueRequired", "spec.selector", "Required value"
    elif not (selector.get("matchLabels") or selector.get("matchExpressions")):
        yield "FieldValueInvalid", "spec.selector", f"Invalid value: {{}}: empty selector is invalid for {kind.lower()}"
    elif not matches(selector, labels):
        shown = json.dumps(labels, separators=(",", ":"))
        text = f"Invalid value: {shown}: `selector` does not match template `labels`"
        yield "FieldValueInvalid", "spec.template.metadata.labels", text
    if kind == "Deployment":
        yield from _strategy(spec.get("strategy") or {})
    yield from _labels(labels, "spec.template.labels")
    yield from check_pod_spec(template.get("spec") or {}, "spec.template.spec", ("Always",))


def _strategy(strategy: Json) -> Iterator[Cause]:
    chosen, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if chosen not in ("Recreate", "RollingUpdate"):
        text = f'Unsupported value: {json.dumps(chosen)}: supported values: "Recreate", "RollingUpdate"'
        yield "FieldValueNotSupported", "spec.strategy.type", text
    elif chosen == "Recreate" and rolling:
        text = "Forbidden: may not be specified when strategy `type` is 'Recreate'"
        yield "FieldValueForbidden", "spec.strategy.rollingUpdate", text
    elif rolling and all(str(rolling.get(name)) in ("0", "0%") for name in ("maxSurge", "maxUnavailable")):
        text = "Invalid value: 0: may not be 0 when `maxSurge` is 0"
        yield "FieldValueInvalid", "spec.strategy.rollingUpdate.maxUnavailable", text


def _service(spec: Json) -> Iterator[Cause]:
    ports = spec.get("ports") or []
    if not ports and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
        yield "FieldValueRequired", "spec.ports", "Required value"
    seen: set[str] = set()
    for i, port in enumerate(ports):
        where = f"spec.ports[{i}]"
        yield from check_port(port.get("port"), f"{where}.port")
        if isinstance(port.get("targetPort"), int):
            yield from check_port(port["targetPort"], f"{where}.targetPort")
        name = port.get("name") or ""
        if len(ports) > 1 and not name:
            yield "FieldValueRequired", f"{where}.name", "Required value"
        elif name and name in seen:
            yield "FieldValueDuplicate", f"{where}.name", f"Duplicate value: {json.dumps(name)}"
        seen.add(name)
    kinds = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
    if spec.get("type") not in kinds:
        listed = ", ".join(json.dumps(kind) for kind in kinds)
        text = f"Unsupported value: {json.dumps(spec.get('type'))}: supported values: {listed}"
        yield "FieldValueNotSupported", "spec.type", text


def _claim(spec: Json) -> Iterator[Cause]:
    if not spec.get("accessModes"):
        yield "FieldValueRequired", "spec.accessModes", "Required value: at least 1 access mode is required"
    if not ((spec.get("resources") or {}).get("requests") or {}).get("storage"):
        yield "FieldValueRequired", "spec.resources[storage]", "Required value"


def _keys(item: Json) -> Iterator[Cause]:
    for field in ("data", "binaryData"):
        for key in item.get(field) or {}:
            if len(key) > 253 or not _KEY.fullmatch(key) or key in (".", ".."):
                yield "FieldValueInvalid", f"{field}[{key}]", f"Invalid value: {json.dumps(key)}: {_KEY_RULE}"
    if item.get("kind") != "Secret":
        return
    for key, value in (item.get("data") or {}).items():
        try:
            base64.b64decode(value, validate=True)
        except (ValueError, TypeError):
            yield "FieldValueInvalid", f"data[{key}]", "Invalid value: <secret contents redacted>: must be base64"


def _immutable(item: Json, previous: Json) -> Iterator[Cause]:
    kind = item.get("kind", "")
    for path in _FROZEN.get(kind, ()):
        now, before = _at(item, path), _at(previous, path)
        if now != before and before not in (None, ""):
            shown = json.dumps(now, separators=(",", ":"))
            yield "FieldValueInvalid", path, f"Invalid value: {shown}: field is immutable"
    if kind == "Pod" and _but_changeable(item) != _but_changeable(previous):
        yield "FieldValueForbidden", "spec", f"Forbidden: {_POD_RULE}"
    if kind in ("ConfigMap", "Secret") and previous.get("immutable"):
        for name in ("data", "binaryData", "immutable"):
            if item.get(name) != previous.get(name):
                yield "FieldValueForbidden", name, "Forbidden: field is immutable when `immutable` is set"


def _at(item: Json, path: str) -> Any:  # noqa: ANN401
    value: Any = item
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _but_changeable(pod: Json) -> Json:
    spec = pod.get("spec") or {}
    changeable = ("tolerations", "activeDeadlineSeconds", "terminationGracePeriodSeconds", "schedulingGates")
    kept = {name: value for name, value in spec.items() if name not in changeable}
    if not kept.get("nodeName"):
        kept.pop("nodeName", None)
    for name in ("containers", "initContainers"):
        kept[name] = [{k: v for k, v in c.items() if k not in ("image", "resources")} for c in spec.get(name) or ()]
    return kept


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
