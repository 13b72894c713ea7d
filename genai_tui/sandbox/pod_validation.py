"""What the API server refuses in a pod's spec: containers, ports, resources, probes, volumes, tolerations."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from genai_tui.domain.naming import check_label_value
from genai_tui.domain.quantities import parse_quantity

Json = dict[str, Any]
Cause = tuple[str, str, str]
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_QUANTITY_RULE = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_PLAIN_RESOURCES = ("cpu", "memory", "ephemeral-storage")


def check_pod_spec(spec: Json, path: str, restart_policies: tuple[str, ...]) -> Iterator[Cause]:
    """Everything wrong with a pod's spec."""
    containers = spec.get("containers") or []
    if not containers:
        yield "FieldValueRequired", f"{path}.containers", "Required value"
    volumes = {volume.get("name") for volume in spec.get("volumes") or ()}
    yield from _names(spec.get("volumes") or [], f"{path}.volumes")
    yield from _names([*containers, *(spec.get("initContainers") or ())], f"{path}.containers")
    for field in ("containers", "initContainers"):
        for i, container in enumerate(spec.get(field) or ()):
            yield from _container(container, f"{path}.{field}[{i}]", volumes)
    yield from _one_of(spec.get("restartPolicy", "Always"), restart_policies, f"{path}.restartPolicy")
    policies = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
    yield from _one_of(spec.get("dnsPolicy", "ClusterFirst"), policies, f"{path}.dnsPolicy")
    for key, value in (spec.get("nodeSelector") or {}).items():
        try:
            check_label_value(value)
        except ValueError as error:
            yield "FieldValueInvalid", f"{path}.nodeSelector[{key}]", f"Invalid value: {json.dumps(value)}: {error}"
    for i, toleration in enumerate(spec.get("tolerations") or ()):
        yield from _toleration(toleration, f"{path}.tolerations[{i}]")


def _names(items: list[Json], path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for i, item in enumerate(items):
        name, where = item.get("name") or "", f"{path}[{i}].name"
        if not name:
            yield "FieldValueRequired", where, "Required value"
        elif len(name) > 63 or not _LABEL.fullmatch(name):
            yield "FieldValueInvalid", where, f"Invalid value: {json.dumps(name)}: {_LABEL_RULE}"
        elif name in seen:
            yield "FieldValueDuplicate", where, f"Duplicate value: {json.dumps(name)}"
        seen.add(name)


def _one_of(value: str, allowed: tuple[str, ...], where: str) -> Iterator[Cause]:
    if value not in allowed:
        listed = ", ".join(json.dumps(name) for name in allowed)
        text = f"Unsupported value: {json.dumps(value)}: supported values: {listed}"
        yield "FieldValueNotSupported", where, text


def _toleration(toleration: Json, where: str) -> Iterator[Cause]:
    key, operator = toleration.get("key"), toleration.get("operator") or "Equal"
    yield from _one_of(operator, ("Equal", "Exists"), f"{where}.operator")
    if not key and operator != "Exists":
        rule = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        text = f"Invalid value: {json.dumps(operator)}: {rule}"
        yield "FieldValueInvalid", f"{where}.operator", text
    if operator == "Exists" and toleration.get("value"):
        text = f"Invalid value: {json.dumps(toleration['value'])}: value must be empty when `operator` is 'Exists'"
        yield "FieldValueInvalid", f"{where}.operator", text
    effect = toleration.get("effect")
    if effect:
        yield from _one_of(effect, ("NoSchedule", "PreferNoSchedule", "NoExecute"), f"{where}.effect")


def _container(container: Json, where: str, volumes: set[str | None]) -> Iterator[Cause]:
    image = container.get("image") or ""
    if not image:
        yield "FieldValueRequired", f"{where}.image", "Required value"
    elif image != image.strip():
        text = f"Invalid value: {json.dumps(image)}: must not have leading or trailing whitespace"
        yield "FieldValueInvalid", f"{where}.image", text
    yield from _one_of(
        container.get("imagePullPolicy", "Always"), ("Always", "IfNotPresent", "Never"), f"{where}.imagePullPolicy"
    )
    for i, port in enumerate(container.get("ports") or ()):
        yield from check_port(port.get("containerPort"), f"{where}.ports[{i}].containerPort")
        yield from _one_of(port.get("protocol", "TCP"), ("SCTP", "TCP", "UDP"), f"{where}.ports[{i}].protocol")
    yield from _environment(container.get("env") or [], f"{where}.env")
    yield from _mounts(container.get("volumeMounts") or [], f"{where}.volumeMounts", volumes)
    yield from _resources(container.get("resources") or {}, f"{where}.resources")
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        if container.get(name):
            yield from _probe(container[name], f"{where}.{name}", only_one=name != "readinessProbe")


def _environment(variables: list[Json], where: str) -> Iterator[Cause]:
    for i, variable in enumerate(variables):
        if not variable.get("name"):
            yield "FieldValueRequired", f"{where}[{i}].name", "Required value"
        elif "=" in variable["name"]:
            text = (
                f"Invalid value: {json.dumps(variable['name'])}: a valid environment variable name must not contain '='"
            )
            yield "FieldValueInvalid", f"{where}[{i}].name", text
        if variable.get("value") and variable.get("valueFrom"):
            text = 'Invalid value: "": may not be specified when `value` is not empty'
            yield "FieldValueInvalid", f"{where}[{i}].valueFrom", text


def _mounts(mounts: list[Json], where: str, volumes: set[str | None]) -> Iterator[Cause]:
    seen: set[str] = set()
    for i, mount in enumerate(mounts):
        if mount.get("name") not in volumes:
            yield "FieldValueNotFound", f"{where}[{i}].name", f"Not found: {json.dumps(mount.get('name'))}"
        path = mount.get("mountPath") or ""
        if not path:
            yield "FieldValueRequired", f"{where}[{i}].mountPath", "Required value"
        elif path in seen:
            text = f"Invalid value: {json.dumps(path)}: must be unique"
            yield "FieldValueInvalid", f"{where}[{i}].mountPath", text
        seen.add(path)


def _probe(probe: Json, where: str, *, only_one: bool) -> Iterator[Cause]:
    handlers = [name for name in ("exec", "httpGet", "tcpSocket", "grpc") if probe.get(name) is not None]
    if not handlers:
        yield "FieldValueRequired", where, "Required value: must specify a handler type"
    for name in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        value = probe.get(name)
        if isinstance(value, int) and value < 0:
            yield "FieldValueInvalid", f"{where}.{name}", f"Invalid value: {value}: must be greater than or equal to 0"
    if only_one and probe.get("successThreshold", 1) != 1:
        text = f"Invalid value: {probe['successThreshold']}: must be 1"
        yield "FieldValueInvalid", f"{where}.successThreshold", text
    port = (probe.get("httpGet") or probe.get("tcpSocket") or {}).get("port")
    if isinstance(port, int):
        yield from check_port(port, f"{where}.{handlers[0]}.port")


def _resources(resources: Json, where: str) -> Iterator[Cause]:
    for side in ("limits", "requests"):
        for name, amount in (resources.get(side) or {}).items():
            yield from _amount(str(amount), name, f"{where}.{side}[{name}]")
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    for name, amount in requests.items():
        if name not in limits:
            if "/" in name:
                yield (
                    "FieldValueRequired",
                    f"{where}.limits",
                    "Required value: Limit must be set for non overcommitable resources",
                )
            continue
        asked, most = _value(amount), _value(limits[name])
        shown = json.dumps(str(amount))
        if "/" in name and asked != most:
            text = f"Invalid value: {shown}: must be equal to {name} limit of {limits[name]}"
            yield "FieldValueInvalid", f"{where}.requests", text
        elif asked > most:
            text = f"Invalid value: {shown}: must be less than or equal to {name} limit of {limits[name]}"
            yield "FieldValueInvalid", f"{where}.requests", text


def _value(amount: Any) -> Any:  # noqa: ANN401
    try:
        return parse_quantity(str(amount))
    except ValueError:
        return 0


def _amount(text: str, name: str, where: str) -> Iterator[Cause]:
    try:
        value = parse_quantity(text)
    except ValueError:
        yield "FieldValueInvalid", where, f"Invalid value: {json.dumps(text)}: {_QUANTITY_RULE}"
        return
    if value < 0:
        yield "FieldValueInvalid", where, f"Invalid value: {json.dumps(text)}: must be greater than or equal to 0"
    elif "/" in name and value != value.to_integral_value():
        yield "FieldValueInvalid", where, f"Invalid value: {json.dumps(text)}: must be an integer"
    elif "/" not in name and name not in _PLAIN_RESOURCES and not name.startswith("hugepages-"):
        text = f"Invalid value: {json.dumps(name)}: must be a standard resource for containers"
        yield "FieldValueInvalid", where, text


def check_port(number: Any, where: str) -> Iterator[Cause]:  # noqa: ANN401
    """A port is a number between 1 and 65535."""
    if not isinstance(number, int) or not 1 <= number <= 65535:
        yield "FieldValueInvalid", where, f"Invalid value: {json.dumps(number)}: must be between 1 and 65535, inclusive"
