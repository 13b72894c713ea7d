"""The HTTP face: paths to verbs, as a Starlette application."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from genai_tui.sandbox import discovery, event_forms, registry, subresources
from genai_tui.sandbox.agent import NodeAgent
from genai_tui.sandbox.authz import Attributes, Authz, Identity
from genai_tui.sandbox.clock import Clock
from genai_tui.sandbox.faults import Fault, FaultMiddleware, Faults
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.reading import Watch, error_line, form_of, listing, selection
from genai_tui.sandbox.registry import Resource
from genai_tui.sandbox.requests import (
    Target,
    attributes,
    body_of,
    is_dry_run,
    is_watch,
    json_of,
    manager_of,
    parse_path,
    validation_mode,
    yaml_of,
)
from genai_tui.sandbox.reviews import review
from genai_tui.sandbox.sockets import exec_socket, forward_socket
from genai_tui.sandbox.status import ApiError, bad_request, not_allowed
from genai_tui.sandbox.subresources import SUCCESS
from genai_tui.sandbox.tables import partial, table
from genai_tui.sandbox.validation import check_shape, refuse_kind
from genai_tui.sandbox.verbs import Api

_ENCODE = msgspec.json.Encoder().encode
APPLY = "application/apply-patch+yaml"
PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
FAULTS_PATH = "/_sandbox/faults"
NOT_FOUND = "404 page not found\n"


class ApiServer:
    """Answers requests. Holds no state of its own."""

    def __init__(self, api: Api, agent: NodeAgent, authz: Authz, faults: Faults, clock: Clock) -> None:
        self._api, self._agent, self._authz, self._faults, self._clock = api, agent, authz, faults, clock

    async def handle(self, request: Request) -> Response:
        """One request; every ApiError becomes its Status."""
        try:
            response = await self._route(request)
        except ApiError as error:
            headers = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else {}
            response = JSONResponse(error.body(), error.code, headers)
        response.headers["Audit-Id"] = str(uuid.uuid4())
        response.headers["Cache-Control"] = "no-cache, private"
        return response

    async def _route(self, request: Request) -> Response:
        identity = self._identify(request)
        path = request.url.path
        if path == FAULTS_PATH:
            return await self._set_faults(request, identity)
        if parse_path(path.rstrip("/")) is None:
            self._authz.authorize_path(identity, request.method.lower(), path)
        fixed = self._fixed(request, path)
        if fixed is not None:
            return fixed
        target = parse_path(path.rstrip("/"))
        if target is None:
            return PlainTextResponse(NOT_FOUND, 404, {"X-Content-Type-Options": "nosniff"})
        self._authz.authorize(identity, attributes(request, target, request.method))
        if target.resource in registry.REVIEWS:
            return await review(self._authz, identity, request, target.resource, self._clock)
        if target.resource is registry.NEW_EVENTS:
            return await self._event(request, target)
        if target.sub:
            return await self._subresource(request, target)
        return await (self._collection if target.name is None else self._object)(request, target)

    def _identify(self, request: Request | WebSocket) -> Identity:
        identity = self._authz.authenticate(request.headers.get("authorization"))
        groups = request.headers.getlist("impersonate-group")
        return self._authz.impersonate(identity, request.headers.get("impersonate-user"), groups)

    # -- paths that are not resources ---------------------------------------------------------------------------

    def _fixed(self, request: Request, path: str) -> Response | None:
        """Health, version, discovery and OpenAPI."""
        if path in ("/healthz", "/livez", "/readyz"):
            return PlainTextResponse("ok")
        answer = self._discovered(request, path.rstrip("/"))
        if answer is not None and request.method not in ("GET", "HEAD"):
            raise not_allowed()
        return answer

    def _discovered(self, request: Request, path: str) -> Response | None:
        pairs = {"/api/v1": ("", "v1")} | {f"/apis/{g}/{v}": (g, v) for g, v in registry.groups()}
        known = {f"/apis/{group}": group for group, _ in registry.groups()}
        if path in ("/api", "/apis"):
            if "APIGroupDiscoveryList" in request.headers.get("accept", ""):
                wanted = [("", "v1")] if path == "/api" else registry.groups()
                return JSONResponse(discovery.aggregated(wanted), headers={"Content-Type": AGGREGATED})
            versions = discovery.api_versions(request.url.netloc)
            return JSONResponse(versions if path == "/api" else discovery.api_groups())
        if path == "/version":
            return JSONResponse(discovery.VERSION)
        if path in pairs:
            return JSONResponse(discovery.resource_list(*pairs[path]))
        if path in known:
            found = discovery.api_groups()["groups"]
            group = next(g for g in found if g["name"] == known[path])
            return JSONResponse({"kind": "APIGroup", "apiVersion": "v1"} | group)
        if path == "/openapi/v3":
            return JSONResponse(discovery.openapi_index())
        pair = pairs.get(path.removeprefix("/openapi/v3")) if path.startswith("/openapi/v3/") else None
        return JSONResponse(discovery.openapi(*pair)) if pair else None

    async def _set_faults(self, request: Request, identity: Identity) -> Response:
        """Faults from outside, for who may do all: POST adds one, DELETE clears all."""
        self._authz.authorize(identity, Attributes("*", "*", "*"))
        if request.method == "POST":
            try:
                self._faults.add(Fault(**await body_of(request)))
            except TypeError as error:
                raise bad_request(str(error)) from error
        elif request.method == "DELETE":
            self._faults.clear()
        return JSONResponse({"faults": len(self._faults.active)})

    # -- collections and objects --------------------------------------------------------------------------------

    async def _collection(self, request: Request, target: Target) -> Response:
        if request.method in ("GET", "HEAD"):
            form = form_of(request.headers.get("accept", ""))
            if is_watch(request):
                return self._watch(target, request.query_params, form)
            now = self._clock.now()
            body = listing(self._api.objects, target.resource, target.namespace, request.query_params, form, now)
            return Response(body, media_type="application/json")
        if request.method == "POST":
            return await self._create(request, target, await body_of(request))
        if request.method == "DELETE":
            return await self._delete_many(request, target)
        raise not_allowed()

    def _watch(self, target: Target, query: Mapping[str, str], form: str) -> Response:
        if target.name is not None:
            query = {**query, "fieldSelector": f"metadata.name={target.name}"}
        try:
            watch = Watch(self._api.objects, target.resource, target.namespace, query, form, self._clock.now)
        except ApiError as error:
            if error.code != 410:
                raise
            return Response(error_line(error), media_type="application/json")
        return StreamingResponse(watch.lines(), media_type="application/json")

    async def _create(self, request: Request, target: Target, item: Object) -> Response:
        item.setdefault("kind", target.resource.kind)
        item.setdefault("apiVersion", target.resource.api_version)
        refuse_kind(target.resource, item)
        warnings = check_shape(target.resource, item, validation_mode(request))
        namespace, manager = target.namespace or "", manager_of(request)
        created = self._api.create(target.resource, namespace, item, manager=manager, dry_run=is_dry_run(request))
        return self._answer(request, target.resource, created, 201, warnings)

    async def _delete_many(self, request: Request, target: Target) -> Response:
        options = await _delete_options(request)
        chosen = selection(target.resource, target.namespace, request.query_params)
        items = [i for i in self._api.objects.list(target.resource, target.namespace) if chosen(i)]
        for item in items:
            meta = item["metadata"]
            self._api.delete(
                target.resource,
                meta.get("namespace", ""),
                meta["name"],
                propagation=options.get("propagationPolicy"),
                grace_seconds=options.get("gracePeriodSeconds"),
                dry_run=is_dry_run(request),
            )
        meta = {"resourceVersion": str(self._api.objects.version)}
        head = {"kind": f"{target.resource.kind}List", "apiVersion": target.resource.api_version, "metadata": meta}
        return JSONResponse(head | {"items": items})

    async def _object(self, request: Request, target: Target, subresource: str = "") -> Response:
        if request.method in ("GET", "HEAD"):
            if is_watch(request):
                return self._watch(target, request.query_params, form_of(request.headers.get("accept", "")))
            return self._answer(request, target.resource, self._api.get(*target.place))
        if request.method == "PUT":
            item = await body_of(request)
            refuse_kind(target.resource, item)
            warnings = check_shape(target.resource, item, validation_mode(request))
            dry_run, manager = is_dry_run(request), manager_of(request)
            _same_name(item, target)
            done = self._api.update(*target.place, item, manager=manager, subresource=subresource, dry_run=dry_run)
            return self._answer(request, target.resource, done, 200, warnings)
        if request.method == "PATCH":
            return await self._patch(request, target, subresource)
        if request.method == "DELETE" and not subresource:
            return await self._delete(request, target)
        raise not_allowed()

    async def _patch(self, request: Request, target: Target, subresource: str) -> Response:
        kind = request.headers.get("content-type", "").split(";")[0].strip()
        query, mode, dry_run = request.query_params, validation_mode(request), is_dry_run(request)
        if kind == APPLY:
            config = yaml_of(await request.body())
            manager = query.get("fieldManager")
            if not manager:
                problem = "fieldManager: Required value: is required for apply patch"
                raise bad_request(f'PatchOptions.meta.k8s.io "" is invalid: {problem}')
            force = query.get("force") in ("true", "1")
            if self._api.objects.get(*target.place) is None:
                # What an apply makes must be allowed to be made, under that name.
                self._authz.authorize(self._identify(request), attributes(request, target, "POST"))
            applied = self._api.apply(*target.place, config, manager=manager, force=force, dry_run=dry_run, mode=mode)
            item, new, warnings = applied
            return self._answer(request, target.resource, item, 201 if new else 200, warnings)
        if kind not in PATCHES:
            accepted = ", ".join((*PATCHES, APPLY))
            message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
            raise ApiError(415, "UnsupportedMediaType", message)
        item, warnings = self._api.patch(
            *target.place,
            await json_of(request),
            kind,
            manager=manager_of(request),
            subresource=subresource,
            dry_run=dry_run,
            mode=mode,
        )
        return self._answer(request, target.resource, item, 200, warnings)

    async def _delete(self, request: Request, target: Target) -> Response:
        options = await _delete_options(request)
        uid = self._api.get(*target.place)["metadata"]["uid"]
        left = self._api.delete(
            *target.place,
            propagation=options.get("propagationPolicy"),
            grace_seconds=options.get("gracePeriodSeconds"),
            preconditions=options.get("preconditions"),
            dry_run=is_dry_run(request) or options.get("dryRun") == ["All"],
        )
        if left is not None:
            return self._answer(request, target.resource, left)
        details = {"name": target.name} | ({"group": target.resource.group} if target.resource.group else {})
        return JSONResponse(SUCCESS | {"details": details | {"kind": target.resource.plural, "uid": uid}})

    def _answer(
        self, request: Request, resource: Resource, item: Object, code: int = 200, warnings: list[str] | None = None
    ) -> Response:
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
        for text in warnings or ():
            quoted = text.replace("\\", "\\\\").replace('"', '\\"')
            response.raw_headers.append((b"warning", f'299 - "{quoted}"'.encode()))
        return response

    async def _event(self, request: Request, target: Target) -> Response:
        """events.k8s.io: core events under other names."""
        core = Target(registry.EVENTS, target.namespace, target.name, "", "")
        whole = form_of(request.headers.get("accept", "")) == "whole"
        if request.method == "POST" and target.name is None:
            item = await body_of(request)
            refuse_kind(target.resource, item)
            made = self._api.create(
                registry.EVENTS, target.namespace or "", event_forms.to_core(item), manager=manager_of(request)
            )
            return JSONResponse(event_forms.to_new(made), 201)
        if request.method not in ("GET", "HEAD", "DELETE"):
            raise not_allowed()
        response = await (self._collection if target.name is None else self._object)(request, core)
        if not whole or request.method == "DELETE":
            return response
        if isinstance(response, StreamingResponse):
            response.body_iterator = event_forms.lines_to_new(response.body_iterator)  # type: ignore[arg-type]
            return response
        if target.name is None and not is_watch(request):
            return Response(event_forms.list_to_new(bytes(response.body)), media_type="application/json")
        return JSONResponse(event_forms.to_new(msgspec.json.decode(response.body)))

    # -- subresources and sockets -------------------------------------------------------------------------------

    async def _subresource(self, request: Request, target: Target) -> Response:
        if target.sub not in target.resource.subresources:
            return PlainTextResponse(NOT_FOUND, 404)
        match target.sub:
            case "status":
                return await self._object(request, target, "status")
            case "scale":
                return await subresources.scale(self._api, request, target)
            case "log":
                return await subresources.log(self._api, self._agent, request, target)
            case "proxy":
                return subresources.proxy(self._api, self._agent, target)
            case "eviction" if request.method == "POST":
                return subresources.evict(self._api, target)
            case "exec" | "attach" | "portforward":
                raise bad_request("Upgrade request required: this server speaks the WebSocket protocols alone")
        raise not_allowed()

    async def socket(self, socket: WebSocket) -> None:
        """Exec and port-forward."""
        target = parse_path(socket.url.path)
        try:
            identity = self._identify(socket)
            if target is None or target.name is None or target.sub not in ("exec", "attach", "portforward"):
                raise ApiError(404, "NotFound", "the server could not find the requested resource")
            # A WebSocket begins with a GET; since 1.35 `create` is asked for as well, as for the older protocols.
            # https://kubernetes.io/docs/reference/command-line-tools-reference/feature-gates/ , under
            # AuthorizePodWebsocketUpgradeCreatePermission.
            for method in ("GET", "POST"):
                self._authz.authorize(identity, attributes(socket, target, method))
            pod = self._api.get(*target.place)
        except ApiError as error:
            await socket.send_denial_response(JSONResponse(error.body(), error.code))
            return
        await (forward_socket if target.sub == "portforward" else exec_socket)(socket, pod, self._agent)


def _same_name(item: Object, target: Target) -> None:
    name = (item.get("metadata") or {}).get("name", "")
    if name != target.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({target.name})")


async def _delete_options(request: Request) -> Object:
    """DeleteOptions of the body, then of the query."""
    options: Object = await body_of(request) if (await request.body()).strip() else {}
    query = request.query_params
    if "propagationPolicy" in query:
        options.setdefault("propagationPolicy", query["propagationPolicy"])
    if query.get("gracePeriodSeconds", "").isdigit():
        options.setdefault("gracePeriodSeconds", int(query["gracePeriodSeconds"]))
    return options


def create_app(api: Api, agent: NodeAgent, authz: Authz, faults: Faults, clock: Clock) -> Starlette:
    """The API server as an ASGI application."""
    server = ApiServer(api, agent, authz, faults, clock)
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
    return Starlette(
        routes=[WebSocketRoute("/{path:path}", server.socket), Route("/{path:path}", server.handle, methods=methods)],
        middleware=[Middleware(FaultMiddleware, faults=faults)],
    )
