"""The reviews: may I, what may I, who am I."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from genai_tui.sandbox.authz import Authz, Identity
from genai_tui.sandbox.clock import Clock
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.registry import Resource
from genai_tui.sandbox.requests import body_of, manager_of
from genai_tui.sandbox.status import not_allowed


async def review(authz: Authz, identity: Identity, request: Request, resource: Resource, clock: Clock) -> Response:
    """POST of a review; it is answered and not stored. Raises ApiError 400, 405."""
    if request.method != "POST":
        raise not_allowed()
    item = await body_of(request)
    answer: Object
    spec = {} if resource.kind == "SelfSubjectReview" else {"spec": item.get("spec") or {}}
    if resource.kind == "SelfSubjectAccessReview":
        answer = authz.review_access(identity, item)
    elif resource.kind == "SelfSubjectRulesReview":
        answer = authz.review_rules(identity, spec["spec"].get("namespace", ""))
        spec = {"spec": {}}
    else:
        answer = {"userInfo": {"username": identity.name, "groups": list(identity.groups)}}
    meta = _reviewed(item, manager_of(request), clock)
    head = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}
    return JSONResponse(head | spec | {"status": answer}, 201)


def _reviewed(item: Object, manager: str, clock: Clock) -> Object:
    """The managed fields a review carries when its spec has attributes."""
    wanted = (item.get("spec") or {}).get("resourceAttributes")
    if not wanted:
        return {}
    fields: Object = {".": {}} | {f"f:{name}": {} for name in sorted(wanted)}
    entry = {
        "manager": manager,
        "operation": "Update",
        "apiVersion": item.get("apiVersion"),
        "time": clock.stamp(),
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:resourceAttributes": fields}},
    }
    return {"managedFields": [entry]}
