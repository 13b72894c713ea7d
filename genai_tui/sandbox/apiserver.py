"""The HTTP face: paths to verbs, as a Starlette application."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import yaml
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from genai_tui.sandbox import discovery, registry
from genai_tui.sandbox.authz import Attributes, Authz, Identity
from genai_tui.sandbox.clock import Clock
from genai_tui.sandbox.faults import Fault, FaultMiddleware, Faults
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.reading import Watch, form_of, listing
from genai_tui.sandbox.registry import Resource
from genai_tui.sandbox.sockets import exec_socket, forward_socket
from genai_tui.sandbox.status import ApiError, bad_request, not_allowed, not_found
from genai_tui.sandbox.tables import partial, table
from genai_tui.sandbox.validation import check_shape, refuse_kind
from genai_tui.sandbox.verbs import Api

_PATH = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+)/(?P<version>[^/]+))"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/[^/]))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+)(?P<rest>/.*)?)?"
)
_NS_PATH = re.compile(r"/api/v1/namespaces(?:/(?P<name>[^/]+)(?:/(?P<sub>status|finalize))?)?")
_ENCODE = msgspec.json.Encoder().encode
PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
APPLY = ("application/apply-patch+yaml", "application/apply-patch+cbor")
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class NodeAgent(Protocol):
    """The node's side of a pod: what the API server passes on to the kubelet."""

    def log(
        self,
        pod: Object,
        container: str,
        *,
        follow: bool,
        previous: bool,
        tail_lines: int | None,
        since_seconds: float | None,
        timestamps: bool,
        limit_bytes: int | None,
    ) -> AsyncIterator[bytes]:
        """The log's bytes. Raises ApiError."""

    async def exec(self, pod: Object, container: str, command: list[str]) -> tuple[bytes, bytes, int]:
        """Run a command: stdout, stderr, exit code. Raises ApiError."""

    def http_app(self, pod: Object, port: int) -> ASGIApp | None:
        """What listens on a port of the pod."""

    async def connect(self, pod: Object, port: int) -> tuple[str, int]:
        """A loopback address that leads to the port. Raises ApiError."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a path is about."""

    resource: Resource
    namespace: str | None
    name: str | None
    sub: str
    rest: str


def parse_path(path: str) -> Target | None:
    """The target of a path; None when the path is none of a resource."""
    if match := _NS_PATH.fullmatch(path):
        return Target(registry.NAMESPACES, None, match["name"], match["sub"] or "", "")
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    group, version = (match["group"] or "", match["core"] or match["version"])
    resource = registry.lookup(group, version, match["plural"])
    if resource is None or (match["namespace"] and not resource.namespaced):
        return None
    return Target(resource, match["namespace"], match["name"], match["sub"] or "", match["rest"] or "")


class ApiServer:
    """Answers requests. Holds no state of its own."""

    def __init__(self, api: Api, agent: NodeAgent, authz: Authz, faults: Faults, clock: Clock) -> None:
        self._api, self._agent, self._authz, self._faults, self._clock = api, agent, authz, faults, clock

    async def handle(self, request: Request) -> Response:
        """One request; every ApiError becomes its Status."""
        try:
            return await self._route(request)
        except ApiError as error:
            headers = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else {}
            return JSONResponse(error.body(), error.code, headers)

    async def _route(self, request: Request) -> Response:
        identity = self._identify(request)
        path = request.url.path
        fixed = await self._fixed(request, path)
        if fixed is not None:
            return fixed
        target = parse_path(path.rstrip("/"))
        if target is None:
            return PlainTextResponse("404 page not found\n", 404, {"X-Content-Type-Options": "nosniff"})
        self._authz.authorize(identity, _attributes(request, target))
        if target.resource in registry.REVIEWS:
            return await self._review(request, identity, target.resource)
        if target.sub:
            return await self._subresource(request, target, identity)
        if target.name is None:
            return await self._collection(request, target)
        return await self._object(request, target)

    def _identify(self, request: Request) -> Identity:
        identity = self._authz.authenticate(request.headers.get("authorization"))
        groups = request.headers.getlist("impersonate-group")
        return self._authz.impersonate(identity, request.headers.get("impersonate-user"), groups)

    async def _fixed(self, request: Request, path: str) -> Response | None:
        """Paths that are not resources: health, version, discovery, OpenAPI, faults."""
        if path in ("/healthz", "/livez", "/readyz"):
            return PlainTextResponse("ok")
        if path in ("/version", "/version/"):
            if request.method != "GET":
                raise not_allowed()
            return JSONResponse(discovery.VERSION)
        accept = request.headers.get("accept", "")
        wants_aggregated = "APIGroupDiscoveryList" in accept
        if path == "/api":
            if wants_aggregated:
                return JSONResponse(discovery.aggregated([("", "v1")]), headers={"Content-Type": AGGREGATED})
            return JSONResponse(discovery.api_versions(request.url.netloc))
        if path == "/apis":
            if wants_aggregated:
                return JSONResponse(discovery.aggregated(registry.groups()), headers={"Content-Type": AGGREGATED})
            return JSONResponse(discovery.api_groups())
        return await self._versions(request, path)

    async def _versions(self, request: Request, path: str) -> Response | None:
        if path == "/api/v1":
            return JSONResponse(discovery.resource_list("", "v1"))
        if path == "/openapi/v3":
            return JSONResponse(discovery.openapi_index())
        known = {f"/apis/{g}/{v}": (g, v) for g, v in registry.groups()}
        if path in known:
            return JSONResponse(discovery.resource_list(*known[path]))
        if path.startswith("/openapi/v3/"):
            pair = {"/api/v1": ("", "v1"), **known}.get(path.removeprefix("/openapi/v3"))
            return JSONResponse(discovery.openapi(*pair)) if pair else None
        if path == "/_sandbox/faults":
            return await self._set_faults(request)
        return None

    async def _set_faults(self, request: Request) -> Response:
        """Faults from outside: POST adds one, DELETE clears all."""
        if request.method == "POST":
            self._faults.add(Fault(**(await request.json())))
        elif request.method == "DELETE":
            self._faults.clear()
        return JSONResponse({"faults": len(self._faults.active)})

    # -- collections and objects --------------------------------------------------------------------------------

    async def _collection(self, request: Request, target: Target) -> Response:
        resource, query = target.resource, request.query_params
        if request.method == "GET":
            form = form_of(request.headers.get("accept", ""))
            if query.get("watch") in ("1", "true"):
                return self._watch(target, query, form)
            now = self._clock.now()
            body = listing(self._api.objects, resource, target.namespace, query, form, now)
            return Response(body, media_type="application/json")
        if request.method == "POST":
            return await self._create(request, target)
        if request.method == "DELETE":
            return self._delete_many(target, query)
        raise not_allowed()

    def _watch(self, target: Target, query: Mapping[str, str], form: str) -> Response:
        if target.name is not None:
            query = {**query, "fieldSelector": f"metadata.name={target.name}"}
        watch = Watch(self._api.objects, target.resource, target.namespace, query, form, self._clock.now)
        return StreamingResponse(watch.lines(), media_type="application/json")

    async def _create(self, request: Request, target: Target) -> Response:
        query = request.query_params
        item = await _body(request)
        item.setdefault("kind", target.resource.kind)
        item.setdefault("apiVersion", target.resource.api_version)
        refuse_kind(target.resource, item)
        warnings = check_shape(target.resource, item, query.get("fieldValidation", "Warn"))
        created = self._api.create(
            target.resource,
            target.namespace or "",
            item,
            manager=_manager(request),
            dry_run=query.get("dryRun") == "All",
        )
        return self._answer(request, target.resource, created, 201, warnings)

    def _delete_many(self, target: Target, query: Mapping[str, str]) -> Response:
        from genai_tui.sandbox.reading import selection

        chosen = selection(target.resource, target.namespace, query)
        items = [i for i in self._api.objects.list(target.resource, target.namespace) if chosen(i)]
        for item in items:
            meta = item["metadata"]
            self._api.delete(target.resource, meta.get("namespace", ""), meta["name"])
        kind = f"{target.resource.kind}List"
        head = {"kind": kind, "apiVersion": target.resource.api_version, "metadata": {}}
        return JSONResponse(head | {"items": items})

    async def _object(self, request: Request, target: Target) -> Response:
        namespace, name, query = target.namespace or "", target.name or "", request.query_params
        dry_run = query.get("dryRun") == "All"
        if request.method == "GET":
            if query.get("watch") in ("1", "true"):
                return self._watch(target, query, form_of(request.headers.get("accept", "")))
            return self._answer(request, target.resource, self._api.get(target.resource, namespace, name))
        if request.method == "PUT":
            item = await _body(request)
            refuse_kind(target.resource, item)
            warnings = check_shape(target.resource, item, query.get("fieldValidation", "Warn"))
            done = self._api.update(target.resource, namespace, name, item, manager=_manager(request), dry_run=dry_run)
            return self._answer(request, target.resource, done, 200, warnings)
        if request.method == "PATCH":
            return await self._patch(request, target, "")
        if request.method == "DELETE":
            return await self._delete(request, target, dry_run=dry_run)
        raise not_allowed()

    async def _patch(self, request: Request, target: Target, subresource: str) -> Response:
        query, kind = request.query_params, request.headers.get("content-type", "").split(";")[0].strip()
        namespace, name = target.namespace or "", target.name or ""
        dry_run = query.get("dryRun") == "All"
        if kind in APPLY:
            config = _yaml(await request.body())
            manager = query.get("fieldManager")
            if not manager:
                problem = "fieldManager: Required value: is required for apply patch"
                raise bad_request(f'PatchOptions.meta.k8s.io "" is invalid: {problem}')
            item, new, warnings = self._api.apply(
                target.resource,
                namespace,
                name,
                config,
                manager=manager,
                force=query.get("force") == "true",
                dry_run=dry_run,
                mode=query.get("fieldValidation", "Warn"),
            )
            return self._answer(request, target.resource, item, 201 if new else 200, warnings)
        if kind not in PATCHES:
            accepted = ", ".join((*PATCHES, APPLY[0]))
            message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
            raise ApiError(415, "UnsupportedMediaType", message)
        item, warnings = self._api.patch(
            target.resource,
            namespace,
            name,
            await _json(request),
            kind,
            manager=_manager(request),
            subresource=subresource,
            dry_run=dry_run,
            mode=query.get("fieldValidation", "Warn"),
        )
        return self._answer(request, target.resource, item, 200, warnings)

    async def _delete(self, request: Request, target: Target, *, dry_run: bool) -> Response:
        raw = await request.body()
        options: Object = _yaml(raw) if raw.strip() else {}
        query = request.query_params
        grace = options.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
        namespace, name = target.namespace or "", target.name or ""
        uid = self._api.get(target.resource, namespace, name)["metadata"]["uid"]
        left = self._api.delete(
            target.resource,
            namespace,
            name,
            propagation=options.get("propagationPolicy") or query.get("propagationPolicy"),
            grace_seconds=int(grace) if grace is not None else None,
            preconditions=options.get("preconditions"),
            dry_run=dry_run,
        )
        if left is not None:
            return self._answer(request, target.resource, left)
        details = {"name": name} | ({"group": target.resource.group} if target.resource.group else {})
        details |= {"kind": target.resource.plural, "uid": uid}
        head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return JSONResponse(head | {"details": details})

    def _answer(
        self, request: Request, resource: Resource, item: Object, code: int = 200, warnings: list[str] | None = None
    ) -> Response:
        headers = [(b"warning", f'299 - "{text}"'.encode()) for text in _quoted(warnings or [])]
        form = form_of(request.headers.get("accept", ""))
        if form == "table":
            include = request.query_params.get("includeObject", "Metadata")
            version = item["metadata"].get("resourceVersion", "")
            body = _ENCODE(table(resource, [item], self._clock.now(), version, include))
        elif form == "partial":
            body = _ENCODE(partial(item))
        else:
            body = self._api.objects.whole(resource, item)
        response = Response(body, code, media_type="application/json")
        response.raw_headers.extend(headers)
        return response

    # -- subresources -------------------------------------------------------------------------------------------

    async def _subresource(self, request: Request, target: Target, identity: Identity) -> Response:
        _ = identity
        if target.sub not in target.resource.subresources:
            return PlainTextResponse("404 page not found\n", 404)
        match target.sub:
            case "status":
                return await self._status(request, target)
            case "scale":
                return await self._scale(request, target)
            case "log":
                return await self._log(request, target)
            case "proxy":
                return await self._proxy(request, target)
            case "eviction" if request.method == "POST":
                self._api.delete(target.resource, target.namespace or "", target.name or "")
                head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
                return JSONResponse(head | {"code": 201}, 201)
            case "exec" | "attach" | "portforward":
                raise bad_request("Upgrade request required: this server speaks the WebSocket protocols alone")
        raise not_allowed()

    async def _status(self, request: Request, target: Target) -> Response:
        if request.method == "GET":
            found = self._api.get(target.resource, target.namespace or "", target.name or "")
            return self._answer(request, target.resource, found)
        if request.method == "PATCH":
            return await self._patch(request, target, "status")
        if request.method == "PUT":
            item = await _body(request)
            done = self._api.update(
                target.resource,
                target.namespace or "",
                target.name or "",
                item,
                manager=_manager(request),
                subresource="status",
            )
            return self._answer(request, target.resource, done)
        raise not_allowed()

    async def _scale(self, request: Request, target: Target) -> Response:
        namespace, name = target.namespace or "", target.name or ""
        item = self._api.get(target.resource, namespace, name)
        if request.method in ("PUT", "PATCH"):
            body = await _body(request)
            replicas = (body.get("spec") or {}).get("replicas", item["spec"].get("replicas"))
            if not isinstance(replicas, int) or replicas < 0:
                raise bad_request("spec.replicas must be a number that is not negative")
            changed = {**item, "metadata": dict(item["metadata"]), "spec": item["spec"] | {"replicas": replicas}}
            item = self._api.update(
                target.resource, namespace, name, changed, manager=_manager(request), subresource="scale"
            )
        elif request.method != "GET":
            raise not_allowed()
        meta = item["metadata"]
        labels = (item["spec"].get("selector") or {}).get("matchLabels") or {}
        return JSONResponse(
            {
                "kind": "Scale",
                "apiVersion": "autoscaling/v1",
                "metadata": {
                    key: meta[key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
                },
                "spec": {"replicas": item["spec"].get("replicas", 0)},
                "status": {
                    "replicas": item.get("status", {}).get("replicas", 0),
                    "selector": ",".join(f"{k}={v}" for k, v in sorted(labels.items())),
                },
            }
        )

    async def _log(self, request: Request, target: Target) -> Response:
        pod = self._api.get(target.resource, target.namespace or "", target.name or "")
        query = request.query_params
        names = [
            c["name"] for c in [*(pod["spec"].get("containers") or ()), *(pod["spec"].get("initContainers") or ())]
        ]
        container = query.get("container") or ""
        if not container:
            mains = [c["name"] for c in pod["spec"]["containers"]]
            if len(mains) > 1:
                listed = " ".join(mains)
                message = f"a container name must be specified for pod {target.name}, choose one of: [{listed}]"
                raise bad_request(message)
            container = mains[0]
        elif container not in names:
            raise bad_request(f"container {container} is not valid for pod {target.name}")
        stream = self._agent.log(
            pod,
            container,
            follow=query.get("follow") in ("true", "1"),
            previous=query.get("previous") in ("true", "1"),
            tail_lines=_number(query.get("tailLines")),
            since_seconds=_number(query.get("sinceSeconds")),
            timestamps=query.get("timestamps") in ("true", "1"),
            limit_bytes=_number(query.get("limitBytes")),
        )
        return StreamingResponse(stream, media_type="text/plain")

    async def _proxy(self, request: Request, target: Target) -> Response:
        """Pass a request on to a pod, or to a ready pod of a service; the Authorization header stays here."""
        name, _, port_text = (target.name or "").removeprefix("http:").partition(":")
        if target.resource.kind == "Pod":
            pod: Object | None = self._api.get(target.resource, target.namespace or "", name)
            port = int(port_text) if port_text.isdigit() else _first_port(pod or {})
        else:
            pod, port = self._behind(target.namespace or "", name, port_text)
        app = self._agent.http_app(pod, port) if pod is not None else None
        if app is None:
            message = f"error trying to reach service: dial tcp: connect: connection refused (port {port})"
            raise ApiError(503, "ServiceUnavailable", message)
        return _Forward(app, target.rest or "/")

    def _behind(self, namespace: str, name: str, port_text: str) -> tuple[Object | None, int]:
        service = self._api.get(registry.SERVICES, namespace, name)
        ports = service["spec"].get("ports") or []
        chosen = next((p for p in ports if port_text in ("", str(p["port"]), p.get("name"))), None)
        selector = service["spec"].get("selector") or {}
        ready = [
            pod
            for pod in self._api.objects.list(registry.PODS, namespace)
            if selector
            and all((pod["metadata"].get("labels") or {}).get(k) == v for k, v in selector.items())
            and is_ready(pod)
        ]
        if chosen is None or not ready:
            what = f'no endpoints available for service "{name}"' if chosen else f'no service port "{port_text}"'
            raise ApiError(503, "ServiceUnavailable", what)
        pod = ready[self._api.random.randrange(len(ready))]
        return pod, _target_port(pod, chosen.get("targetPort", chosen["port"]))

    async def _review(self, request: Request, identity: Identity, resource: Resource) -> Response:
        if request.method != "POST":
            raise not_allowed()
        item = await _body(request)
        answer: Object
        if resource.kind == "SelfSubjectAccessReview":
            answer = self._authz.review_access(identity, item)
        elif resource.kind == "SelfSubjectRulesReview":
            namespace = item.get("spec", {}).get("namespace", "")
            answer = self._authz.review_rules(identity, namespace)
            item["spec"] = {}
        else:
            answer = {"userInfo": {"username": identity.name, "groups": list(identity.groups)}}
        head = {
            "kind": resource.kind,
            "apiVersion": resource.api_version,
            "metadata": _reviewed(item, request, self._clock),
        }
        spec = {} if resource.kind == "SelfSubjectReview" else {"spec": item.get("spec", {})}
        return JSONResponse(head | spec | {"status": answer}, 201)

    # -- sockets ------------------------------------------------------------------------------------------------

    async def socket(self, socket: WebSocket) -> None:
        """Exec and port-forward."""
        target = parse_path(socket.url.path)
        try:
            identity = self._authz.authenticate(socket.headers.get("authorization"))
            if target is None or target.name is None:
                raise not_found("", "pods", "")
            wanted = Attributes(
                "create", "", f"{target.resource.plural}/{target.sub}", target.namespace or "", target.name
            )
            self._authz.authorize(identity, wanted)
            pod = self._api.get(target.resource, target.namespace or "", target.name)
        except ApiError as error:
            await socket.send_denial_response(JSONResponse(error.body(), error.code))
            return
        if target.sub == "portforward":
            await forward_socket(socket, pod, self._agent)
        else:
            await exec_socket(socket, pod, self._agent)


def _quoted(warnings: list[str]) -> list[str]:
    return [text.replace("\\", "\\\\").replace('"', '\\"') for text in warnings]


def _reviewed(item: Object, request: Request, clock: Clock) -> Object:
    """The managed fields a review carries when its spec has attributes."""
    attributes = (item.get("spec") or {}).get("resourceAttributes")
    if not attributes:
        return {}
    fields: Object = {".": {}} | {f"f:{name}": {} for name in sorted(attributes)}
    entry = {
        "manager": _manager(request),
        "operation": "Update",
        "apiVersion": item.get("apiVersion"),
        "time": clock.stamp(),
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:resourceAttributes": fields}},
    }
    return {"managedFields": [entry]}


class _Forward(Response):
    """Hands the request to another ASGI application under another path."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        super().__init__()
        self._app, self._path = app, path

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
        headers = [h for h in scope["headers"] if h[0] not in (b"authorization", b"host")]
        inner = {**scope, "path": self._path, "raw_path": self._path.encode(), "root_path": "", "headers": headers}
        await self._app(inner, receive, send)


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


def _attributes(request: Request, target: Target) -> Attributes:
    verb = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(request.method, "get")
    if target.name is None and request.method == "DELETE":
        verb = "deletecollection"
    if request.method == "GET" and target.name is None:
        verb = "watch" if request.query_params.get("watch") in ("1", "true") else "list"
    resource = f"{target.resource.plural}/{target.sub}" if target.sub else target.resource.plural
    namespace = target.namespace or ""
    if target.resource.kind == "Namespace" and target.name:
        namespace = target.name
    return Attributes(verb, target.resource.group, resource, namespace, target.name or "")


def _manager(request: Request) -> str:
    named = request.query_params.get("fieldManager")
    return named or request.headers.get("user-agent", "unknown").split("/")[0] or "unknown"


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


async def _json(request: Request) -> Any:  # noqa: ANN401
    try:
        return json.loads(await request.body())
    except ValueError as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from error


async def _body(request: Request) -> Object:
    raw = await request.body()
    if request.headers.get("content-type", "").startswith("application/vnd.kubernetes.protobuf"):
        raise ApiError(415, "UnsupportedMediaType", "this server speaks JSON and YAML, not protobuf")
    return _yaml(raw)


def _yaml(raw: bytes) -> Object:
    """JSON, or YAML where it is not JSON."""
    try:
        data = json.loads(raw)
    except ValueError:
        try:
            data = yaml.safe_load(raw)
        except yaml.YAMLError as error:
            raise bad_request(f"error converting YAML to JSON: {str(error).splitlines()[0]}") from error
    if not isinstance(data, dict):
        raise bad_request("the body of the request is not an object")
    return data


def create_app(api: Api, agent: NodeAgent, authz: Authz, faults: Faults, clock: Clock) -> Starlette:
    """The API server as an ASGI application."""
    server = ApiServer(api, agent, authz, faults, clock)
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
    return Starlette(
        routes=[WebSocketRoute("/{path:path}", server.socket), Route("/{path:path}", server.handle, methods=methods)],
        middleware=[Middleware(FaultMiddleware, faults=faults)],
    )
