"""What a request is about: its path, the rights it needs, its body."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml
from starlette.requests import HTTPConnection, Request

from genai_tui.sandbox import protobuf, registry
from genai_tui.sandbox.authz import Attributes
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.registry import Resource
from genai_tui.sandbox.status import ApiError, bad_request

_PATH = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+)/(?P<version>[^/]+))"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/[^/]))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+)(?P<rest>/.*)?)?"
)
_NS_PATH = re.compile(r"/api/v1/namespaces(?:/(?P<name>[^/]+)(?:/(?P<sub>status|finalize))?)?")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_MEDIA = f"application/json, application/yaml, {protobuf.MEDIA}"
TRUE = ("true", "1")


@dataclass(frozen=True, slots=True)
class Target:
    """What a path is about; `rest` is what follows a subresource."""

    resource: Resource
    namespace: str | None
    name: str | None
    sub: str
    rest: str

    @property
    def place(self) -> tuple[Resource, str, str]:
        """Resource, namespace and name, as the verbs take them."""
        return self.resource, self.namespace or "", self.name or ""


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
    if resource.namespaced and match["name"] and not match["namespace"]:
        return None
    return Target(resource, match["namespace"], match["name"], match["sub"] or "", match["rest"] or "")


def attributes(request: HTTPConnection, target: Target, method: str) -> Attributes:
    """What must be allowed for the request."""
    verb = _VERBS.get(method, "get")
    if target.name is None and method == "DELETE":
        verb = "deletecollection"
    if method in ("GET", "HEAD") and not target.sub:
        if is_watch(request):
            verb = "watch"
        elif target.name is None:
            verb = "list"
    resource = f"{target.resource.plural}/{target.sub}" if target.sub else target.resource.plural
    namespace = target.namespace or ""
    if target.resource.kind == "Namespace" and target.name:
        namespace = target.name
    return Attributes(verb, target.resource.group, resource, namespace, target.name or "")


def is_watch(request: HTTPConnection) -> bool:
    """Whether a watch is asked for."""
    return request.query_params.get("watch") in TRUE


def is_dry_run(request: Request) -> bool:
    """Whether nothing is to be stored. Raises ApiError 422 for a value that does not exist."""
    asked = request.query_params.get("dryRun")
    if asked not in (None, "All"):
        cause = {"reason": "FieldValueNotSupported", "field": "dryRun"}
        text = f'Unsupported value: "{asked}": supported values: "All"'
        details = {"group": "meta.k8s.io", "kind": "CreateOptions", "causes": [cause | {"message": text}]}
        raise ApiError(422, "Invalid", f'CreateOptions.meta.k8s.io "" is invalid: dryRun: {text}', details)
    return asked == "All"


def validation_mode(request: Request) -> str:
    """Strict, Warn (as when nothing is said) or Ignore."""
    return request.query_params.get("fieldValidation") or "Warn"


def manager_of(request: Request) -> str:
    """The field manager: the one named, else the client's name."""
    named = request.query_params.get("fieldManager")
    return named or request.headers.get("user-agent", "unknown").split("/")[0] or "unknown"


def number(text: str | None) -> int | None:
    """A count from a query, None when there is none."""
    return int(text) if text and text.isdigit() else None


async def json_of(request: Request) -> Any:  # noqa: ANN401
    """The body as JSON. Raises ApiError 400."""
    try:
        return json.loads(await request.body())
    except ValueError as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from error


async def body_of(request: Request) -> Object:
    """The body as an object. Raises ApiError 400, 415."""
    kind = request.headers.get("content-type", "")
    if kind.startswith(protobuf.MEDIA):
        return protobuf.decode(await request.body())
    if kind.startswith("application/cbor"):
        text = f"the body of the request was in an unknown format - accepted media types include: {_MEDIA}"
        raise ApiError(415, "UnsupportedMediaType", text)
    return yaml_of(await request.body())


def yaml_of(raw: bytes) -> Object:
    """JSON, or YAML where it is not JSON. Raises ApiError 400."""
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
