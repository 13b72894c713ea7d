"""What a container gets from the objects around it: variables, volumes, pull secrets."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator

from genai_tui.sandbox import registry
from genai_tui.sandbox.objects import Object, Objects

_NAME = re.compile(r"[^A-Z0-9_]")


class MissingReference(Exception):
    """A Secret, ConfigMap or key that does not exist, in the kubelet's words."""


def environment_of(objects: Objects, pod: Object, container: Object) -> dict[str, str]:
    """The variables in force. Raises MissingReference."""
    namespace = pod["metadata"]["namespace"]
    found: dict[str, str] = {}
    if pod["spec"].get("enableServiceLinks", True):
        found |= _service_links(objects, namespace)
    for source in container.get("envFrom") or ():
        found |= _all_from(objects, namespace, source)
    for variable in container.get("env") or ():
        value = _value(objects, pod, variable)
        if value is not None:
            found[variable["name"]] = value
    return found


def _value(objects: Objects, pod: Object, variable: Object) -> str | None:
    namespace, source = pod["metadata"]["namespace"], variable.get("valueFrom") or {}
    if "secretKeyRef" in source:
        value = _from(objects, registry.SECRETS, namespace, source["secretKeyRef"])
        return None if value is None else base64.b64decode(value).decode("utf-8", "replace")
    if "configMapKeyRef" in source:
        return _from(objects, registry.CONFIGMAPS, namespace, source["configMapKeyRef"])
    if "fieldRef" in source:
        return _field(pod, source["fieldRef"].get("fieldPath", ""))
    return str(variable.get("value", ""))


def _field(pod: Object, path: str) -> str:
    """The downward API's fields."""
    simple = {
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"]["namespace"],
        "metadata.uid": pod["metadata"]["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", "default"),
        "status.podIP": pod.get("status", {}).get("podIP", ""),
        "status.hostIP": pod.get("status", {}).get("hostIP", ""),
    }
    return str(simple.get(path, ""))


def _from(objects: Objects, resource: registry.Resource, namespace: str, reference: Object) -> str | None:
    item = objects.get(resource, namespace, reference["name"])
    value = ((item or {}).get("data") or {}).get(reference["key"])
    if value is not None:
        return str(value)
    if reference.get("optional"):
        return None
    if item is None:
        raise MissingReference(f'{resource.singular} "{reference["name"]}" not found')
    raise MissingReference(f"couldn't find key {reference['key']} in {resource.kind} {namespace}/{reference['name']}")


def _all_from(objects: Objects, namespace: str, source: Object) -> dict[str, str]:
    is_secret = "secretRef" in source
    reference = source.get("secretRef") or source.get("configMapRef") or {}
    resource = registry.SECRETS if is_secret else registry.CONFIGMAPS
    item = objects.get(resource, namespace, reference.get("name", ""))
    if item is None:
        if reference.get("optional"):
            return {}
        raise MissingReference(f'{resource.singular} "{reference.get("name")}" not found')
    prefix, data = source.get("prefix", ""), item.get("data") or {}
    return {
        prefix + name: base64.b64decode(value).decode("utf-8", "replace") if is_secret else str(value)
        for name, value in data.items()
    }


def _service_links(objects: Objects, namespace: str) -> dict[str, str]:
    """Docker-style variables of the namespace's Services.

    https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
    """
    found: dict[str, str] = {}
    for service in objects.list(registry.SERVICES, namespace):
        address, ports = service["spec"].get("clusterIP"), service["spec"].get("ports") or []
        if not ports or address in (None, "", "None"):
            continue
        prefix = _NAME.sub("_", service["metadata"]["name"].upper())
        first = ports[0]
        protocol = first.get("protocol", "TCP")
        found |= {
            f"{prefix}_SERVICE_HOST": str(address),
            f"{prefix}_SERVICE_PORT": str(first["port"]),
            f"{prefix}_PORT": f"{protocol.lower()}://{address}:{first['port']}",
        }
        for port in ports:
            kind, number = port.get("protocol", "TCP"), port["port"]
            if port.get("name"):
                found[f"{prefix}_SERVICE_PORT_{_NAME.sub('_', port['name'].upper())}"] = str(number)
            head = f"{prefix}_PORT_{number}_{kind}"
            found |= {
                head: f"{kind.lower()}://{address}:{number}",
                f"{head}_PROTO": kind.lower(),
                f"{head}_PORT": str(number),
                f"{head}_ADDR": str(address),
            }
    return found


def mount_problem(objects: Objects, pod: Object) -> str | None:
    """Why a volume cannot be mounted, in the kubelet's words; None when all can."""
    namespace = pod["metadata"]["namespace"]
    for volume, resource, name in _sources(pod):
        if objects.get(resource, namespace, name) is None:
            return f'MountVolume.SetUp failed for volume "{volume}" : {resource.singular} "{name}" not found'
    return None


def _sources(pod: Object) -> Iterator[tuple[str, registry.Resource, str]]:
    """Volumes that are made of another object, with that object."""
    for volume in pod["spec"].get("volumes") or ():
        secret, config = volume.get("secret") or {}, volume.get("configMap") or {}
        if secret and not secret.get("optional"):
            yield volume["name"], registry.SECRETS, secret.get("secretName", "")
        if config and not config.get("optional"):
            yield volume["name"], registry.CONFIGMAPS, config.get("name", "")


def pull_secret_for(objects: Objects, pod: Object, registry_host: str) -> str | None:
    """The password that one of the pod's pull secrets has for the registry; None when none has a login for it."""
    for reference in pod["spec"].get("imagePullSecrets") or ():
        secret = objects.get(registry.SECRETS, pod["metadata"]["namespace"], reference["name"])
        text = ((secret or {}).get("data") or {}).get(".dockerconfigjson")
        if text is None:
            continue
        try:
            logins = json.loads(base64.b64decode(text)).get("auths") or {}
        except (ValueError, AttributeError):
            continue
        for login, held in logins.items():
            if registry_host in login.removeprefix("https://").split("/")[0]:
                return str(held.get("password", "")) if isinstance(held, dict) else ""
    return None
