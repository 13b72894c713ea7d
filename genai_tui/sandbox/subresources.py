"""Subresources: status, scale, log, proxy and eviction of an object."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp

from genai_tui.sandbox import patch as patches
from genai_tui.sandbox import registry
from genai_tui.sandbox.agent import NodeAgent
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.requests import TRUE, Target, body_of, is_dry_run, json_of, manager_of, number
from genai_tui.sandbox.schema import ANY
from genai_tui.sandbox.status import ApiError, bad_request, invalid, not_allowed
from genai_tui.sandbox.verbs import Api

FIRST_BYTES_S = 0.25
SUCCESS: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


async def scale(api: Api, request: Request, target: Target) -> Response:
    """GET, PUT and PATCH of autoscaling/v1 Scale."""
    item = api.get(*target.place)
    if request.method in ("PUT", "PATCH"):
        wanted = await _wanted_scale(request, scale_of(item))
        replicas = (wanted.get("spec") or {}).get("replicas", 0)
        if not isinstance(replicas, int) or replicas < 0:
            text = f"Invalid value: {replicas}: must be greater than or equal to 0"
            raise invalid("autoscaling", "Scale", target.name or "", [("FieldValueInvalid", "spec.replicas", text)])
        meta = dict(item["metadata"])
        given = (wanted.get("metadata") or {}).get("resourceVersion")
        if request.method == "PUT" and given:
            meta["resourceVersion"] = given
        changed = {**item, "metadata": meta, "spec": item["spec"] | {"replicas": replicas}}
        dry_run, manager = is_dry_run(request), manager_of(request)
        item = api.update(*target.place, changed, manager=manager, subresource="scale", dry_run=dry_run)
    elif request.method != "GET":
        raise not_allowed()
    return JSONResponse(scale_of(item))


async def _wanted_scale(request: Request, current: Object) -> Object:
    if request.method == "PUT":
        return await body_of(request)
    kind = request.headers.get("content-type", "").split(";")[0].strip()
    if kind == "application/json-patch+json":
        return dict(patches.json_patch(current, await json_of(request)))
    if kind == "application/strategic-merge-patch+json":
        return dict(patches.strategic(current, await body_of(request), ANY))
    return dict(patches.merge(current, await body_of(request)))


def scale_of(item: Object) -> Object:
    """The Scale of a workload."""
    meta = item["metadata"]
    labels = (item["spec"].get("selector") or {}).get("matchLabels") or {}
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in kept},
        "spec": {"replicas": item["spec"].get("replicas", 0)},
        "status": {
            "replicas": item.get("status", {}).get("replicas", 0),
            "selector": ",".join(f"{k}={v}" for k, v in sorted(labels.items())),
        },
    }


async def log(api: Api, agent: NodeAgent, request: Request, target: Target) -> Response:
    """A container's log, as it is or as it grows."""
    if request.method != "GET":
        raise not_allowed()
    pod = api.get(*target.place)
    query = request.query_params
    stream = agent.log(
        pod,
        container_of(pod, query.get("container") or ""),
        follow=query.get("follow") in TRUE,
        previous=query.get("previous") in TRUE,
        tail_lines=number(query.get("tailLines")),
        since_seconds=number(query.get("sinceSeconds")),
        timestamps=query.get("timestamps") in TRUE,
        limit_bytes=number(query.get("limitBytes")),
    )
    return StreamingResponse(await _begun(stream), media_type="text/plain")


def container_of(pod: Object, asked: str) -> str:
    """The container named, or the only one. Raises ApiError 400."""
    name, spec = pod["metadata"]["name"], pod["spec"]
    mains = [c["name"] for c in spec.get("containers") or ()]
    if asked:
        if asked not in [*mains, *(c["name"] for c in spec.get("initContainers") or ())]:
            raise bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    if len(mains) > 1:
        listed = " ".join(mains)
        raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{listed}]")
    return str(mains[0])


async def _begun(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The stream, begun: what the agent refuses becomes a Status while headers can still say so."""
    first = asyncio.ensure_future(anext(stream, b""))
    await asyncio.wait({first}, timeout=FIRST_BYTES_S)
    if first.done():
        first.result()

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield await first
            async for chunk in stream:
                yield chunk
        finally:
            first.cancel()

    return chunks()


def evict(api: Api, target: Target) -> Response:
    """POST of policy/v1 Eviction: a deletion, as no disruption budgets are kept."""
    api.delete(*target.place)
    return JSONResponse(SUCCESS | {"code": 201}, 201)


def proxy(api: Api, agent: NodeAgent, target: Target) -> Response:
    """Pass a request on to a pod, or to a ready pod of a service; the Authorization header stays here."""
    scheme, _, bare = (target.name or "").partition(":")
    name, _, port_text = (bare if scheme in ("http", "https") else target.name or "").partition(":")
    if target.resource.kind == "Node":
        raise ApiError(503, "ServiceUnavailable", "the simulated nodes serve nothing")
    if target.resource.kind == "Pod":
        pod = api.get(target.resource, target.namespace or "", name)
        port = int(port_text) if port_text.isdigit() else _first_port(pod)
    else:
        pod, port = _behind(api, target.namespace or "", name, port_text)
    app = agent.http_app(pod, port)
    if app is None:
        address = f"{pod.get('status', {}).get('podIP', name)}:{port}"
        message = f"error trying to reach service: dial tcp {address}: connect: connection refused"
        raise ApiError(503, "ServiceUnavailable", message)
    return _Forward(app, target.rest or "/")


def _behind(api: Api, namespace: str, name: str, port_text: str) -> tuple[Object, int]:
    service = api.get(registry.SERVICES, namespace, name)
    ports = service["spec"].get("ports") or []
    chosen = next((p for p in ports if port_text in ("", str(p["port"]), p.get("name"))), None)
    if chosen is None:
        raise ApiError(503, "ServiceUnavailable", f'no service port "{port_text}" found for service "{name}"')
    selector = (service["spec"].get("selector") or {}).items()
    ready = [
        pod
        for pod in api.objects.list(registry.PODS, namespace)
        if selector and selector <= (pod["metadata"].get("labels") or {}).items() and is_ready(pod)
    ]
    if not ready:
        raise ApiError(503, "ServiceUnavailable", f'no endpoints available for service "{name}"')
    pod = ready[api.random.randrange(len(ready))]
    return pod, _target_port(pod, chosen.get("targetPort", chosen["port"]))


def is_ready(pod: Object) -> bool:
    """Whether the Ready condition is True and the pod is not going."""
    conditions = pod.get("status", {}).get("conditions") or ()
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def _first_port(pod: Object) -> int:
    ports = (pod.get("spec", {}).get("containers") or [{}])[0].get("ports") or [{}]
    return int(ports[0].get("containerPort", 80))


def _target_port(pod: Object, wanted: int | str) -> int:
    if isinstance(wanted, int):
        return wanted
    for container in pod["spec"].get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("name") == wanted:
                return int(port["containerPort"])
    return int(wanted) if wanted.isdigit() else 0


class _Forward(Response):
    """Hands the request to another ASGI application under another path."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        super().__init__()
        self._app, self._path = app, path

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
        headers = [h for h in scope["headers"] if h[0] not in (b"authorization", b"host")]
        inner = {**scope, "path": self._path, "raw_path": self._path.encode(), "root_path": "", "headers": headers}
        await self._app(inner, receive, send)
