"""A container's environment: values, Secrets, ConfigMaps, and the variables of the namespace's Services."""

from __future__ import annotations

import base64
import json

from genai_tui.sandbox import registry
from genai_tui.sandbox.objects import Object, Objects


class MissingReference(Exception):
    """A Secret, ConfigMap or key that does not exist, in the kubelet's words."""


def environment_of(objects: Objects, pod: Object, container: Object) -> dict[str, str]:
    """The variables in force. Raises MissingReference."""
    namespace = pod["metadata"]["namespace"]
    found: dict[str, str] = {}
    if pod["spec"].get("enableServiceLinks", True):
        found |= _service_links(objects, namespace)
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        if "secretKeyRef" in source:
            value = _from(objects, registry.SECRETS, namespace, source["secretKeyRef"])
            found[variable["name"]] = base64.b64decode(value).decode("utf-8", "replace")
        elif "configMapKeyRef" in source:
            found[variable["name"]] = _from(objects, registry.CONFIGMAPS, namespace, source["configMapKeyRef"])
        else:
            found[variable["name"]] = variable.get("value", "")
    return found


def _from(objects: Objects, resource: registry.Resource, namespace: str, reference: Object) -> str:
    item = objects.get(resource, namespace, reference["name"])
    if item is None:
        raise MissingReference(f'{resource.singular} "{reference["name"]}" not found')
    value = (item.get("data") or {}).get(reference["key"])
    if value is None:
        raise MissingReference(
            f"couldn't find key {reference['key']} in {resource.kind} {namespace}/{reference['name']}"
        )
    return str(value)


def _service_links(objects: Objects, namespace: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for service in objects.list(registry.SERVICES, namespace):
        address, ports = service["spec"].get("clusterIP"), service["spec"].get("ports") or []
        if not ports or address in (None, "None"):
            continue
        prefix = service["metadata"]["name"].upper().replace("-", "_")
        found[f"{prefix}_SERVICE_HOST"] = str(address)
        found[f"{prefix}_SERVICE_PORT"] = str(ports[0]["port"])
        found[f"{prefix}_PORT"] = f"tcp://{address}:{ports[0]['port']}"
    return found


def pull_secret_for(objects: Objects, pod: Object, registry_host: str) -> bool:
    """Whether one of the pod's pull secrets has a login for the registry."""
    for reference in pod["spec"].get("imagePullSecrets") or ():
        secret = objects.get(registry.SECRETS, pod["metadata"]["namespace"], reference["name"])
        text = ((secret or {}).get("data") or {}).get(".dockerconfigjson")
        if text is None:
            continue
        try:
            logins = json.loads(base64.b64decode(text)).get("auths") or {}
        except ValueError:
            continue
        if registry_host in logins:
            return True
    return False
