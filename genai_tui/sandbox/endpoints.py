"""Which pods stand behind a Service: its EndpointSlice, and the older Endpoints.

https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
"""

from __future__ import annotations

from collections.abc import Sequence

from genai_tui.sandbox import registry
from genai_tui.sandbox.objects import Change, Object
from genai_tui.sandbox.subresources import is_ready
from genai_tui.sandbox.verbs import ENDED, Api
from genai_tui.sandbox.workloads import going, is_static, owner_reference

SERVICE_LABEL = "kubernetes.io/service-name"
MANAGED_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"


class Endpoints:
    """The controller."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def services_of(self, change: Change) -> Sequence[str]:
        """The Services a changed pod stands behind, or stood."""
        if is_static(change.object):
            return ()
        meta = change.object["metadata"]
        labels = [(item["metadata"].get("labels") or {}).items() for item in (change.object, change.previous) if item]
        return [
            service["metadata"]["name"]
            for service in self._api.objects.list(registry.SERVICES, meta["namespace"])
            if (selector := service["spec"].get("selector")) and any(selector.items() <= own for own in labels)
        ]

    def reconcile(self, service: Object) -> None:
        """Write down who is behind the Service."""
        selector = service["spec"].get("selector")
        if not selector:
            return
        meta = service["metadata"]
        pods = [
            pod
            for pod in self._api.objects.list(registry.PODS, meta["namespace"])
            if selector.items() <= (pod["metadata"].get("labels") or {}).items()
            and pod.get("status", {}).get("podIP")
            and pod["status"].get("phase") not in ENDED
        ]
        self._write_slice(service, pods)
        self._write_endpoints(service, pods)

    def _write_slice(self, service: Object, pods: Sequence[Object]) -> None:
        meta = service["metadata"]
        owned = [item for resource, item in self._api.objects.owned_by(meta["uid"]) if resource is registry.SLICES]
        body: Object = {
            "addressType": "IPv4",
            "endpoints": [_endpoint(pod) for pod in pods],
            "ports": [
                {"name": p.get("name", ""), "port": p["port"], "protocol": p["protocol"]} for p in _ports(service, pods)
            ],
        }
        if not owned:
            labels = {SERVICE_LABEL: meta["name"], MANAGED_LABEL: MANAGER}
            head = {
                "generateName": f"{meta['name']}-",
                "labels": labels,
                "ownerReferences": [owner_reference(service, "v1", "Service")],
            }
            self._api.create(registry.SLICES, meta["namespace"], {"metadata": head, **body})
            return
        live = owned[0]
        if any(live.get(name) != value for name, value in body.items()):
            self._api.update(registry.SLICES, meta["namespace"], live["metadata"]["name"], {**live, **body})

    def _write_endpoints(self, service: Object, pods: Sequence[Object]) -> None:
        meta = service["metadata"]
        staying = [pod for pod in pods if not going(pod)]
        ready = [_address(pod) for pod in staying if is_ready(pod)]
        waiting = [_address(pod) for pod in staying if not is_ready(pod)]
        subsets: list[Object] = []
        if staying:
            addresses = ({"addresses": ready} if ready else {}) | ({"notReadyAddresses": waiting} if waiting else {})
            subsets = [{**addresses, "ports": list(_ports(service, staying))}]
        live = self._api.objects.get(registry.ENDPOINTS, meta["namespace"], meta["name"])
        if live is None:
            owner = owner_reference(service, "v1", "Service")
            head = {"name": meta["name"], "ownerReferences": [owner]}
            self._api.create(registry.ENDPOINTS, meta["namespace"], {"metadata": head, "subsets": subsets})
        elif live.get("subsets") != subsets:
            self._api.update(registry.ENDPOINTS, meta["namespace"], meta["name"], {**live, "subsets": subsets})


def _ports(service: Object, pods: Sequence[Object]) -> Sequence[Object]:
    found: list[Object] = []
    for port in service["spec"].get("ports") or ():
        number = _target(port.get("targetPort", port["port"]), pods)
        if number is not None:
            name = {"name": port["name"]} if port.get("name") else {}
            found.append({**name, "port": number, "protocol": port.get("protocol", "TCP")})
    return found


def _target(wanted: int | str, pods: Sequence[Object]) -> int | None:
    if isinstance(wanted, int) or wanted.isdigit():
        return int(wanted)
    for pod in pods:
        for container in pod["spec"]["containers"]:
            for port in container.get("ports") or ():
                if port.get("name") == wanted:
                    return int(port["containerPort"])
    return None


def _reference(pod: Object) -> Object:
    meta = pod["metadata"]
    return {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]}


def _endpoint(pod: Object) -> Object:
    conditions = pod["status"].get("conditions") or ()
    serving = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": is_ready(pod), "serving": serving, "terminating": going(pod)},
        "nodeName": pod["spec"].get("nodeName", ""),
        "targetRef": _reference(pod),
    }


def _address(pod: Object) -> Object:
    return {"ip": pod["status"]["podIP"], "nodeName": pod["spec"].get("nodeName", ""), "targetRef": _reference(pod)}
