"""Every recorded request of a real API server gets the same answer: status, reason, message and shape."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from genai_tui.sandbox import registry
from genai_tui.sandbox.apiserver import create_app
from genai_tui.sandbox.authz import Authz, Identity
from genai_tui.sandbox.clock import Clock
from genai_tui.sandbox.default_rbac import default_rbac
from genai_tui.sandbox.faults import Faults
from genai_tui.sandbox.objects import Object, Objects
from genai_tui.sandbox.verbs import Api
from tests.sandbox.agents import SilentAgent

RECORDED = Path(__file__).parent.parent / "data" / "kubernetes-1.36"
NAMES = sorted(path.stem for path in RECORDED.glob("*.http"))
# What was asked with other credentials than the rest.
LESSER = {
    "40-ssar": "limited",
    "41-ssrr": "limited",
    "42-forbidden-403": "limited",
    "43-forbidden-cluster-403": "limited",
}
LESSER["44-unauthorized-401"] = "wrong"


@dataclass
class Exchange:
    method: str
    url: str
    headers: dict[str, str]
    body: str
    status: int
    answer_headers: dict[str, str]
    answer: str


def read(name: str) -> Exchange:
    text = (RECORDED / f"{name}.http").read_text(encoding="utf-8")
    asked, rest = [], text.split("\n")
    while rest and rest[0].startswith(">"):
        asked.append(rest.pop(0)[2:])
    method, url = asked[0].split(" ", 1)
    blank = asked.index("") if "" in asked else len(asked)
    headers = dict(line.split(": ", 1) for line in asked[1:blank])
    head, _, answer = "\n".join(rest).lstrip("\n").partition("\n\n")
    lines = head.split("\n")
    answered = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:] if ": " in line)}
    return Exchange(method, url, headers, "\n".join(asked[blank + 1 :]), int(lines[0].split()[1]), answered, answer)


def recorded(name: str) -> Object:
    found: Object = json.loads(read(name).answer)
    return found


@pytest.fixture
def api() -> Api:
    """The server as it was when the recording began, but for what its controllers did."""
    objects = Objects(first_version=31_000)
    api = Api(objects, Clock(datetime(2026, 11, 23, 9, 18, 19, tzinfo=UTC)))
    for resource, item in default_rbac():
        api.create(resource, "", item)
    return api


def server(api: Api) -> httpx.AsyncClient:
    tokens = {"admin": Identity("admin", ("system:masters",)), "limited": Identity("alice")}
    app = create_app(api, SilentAgent(), Authz(api.objects, tokens), Faults(), api.clock)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sandbox")


async def ask(client: httpx.AsyncClient, exchange: Exchange, token: str) -> httpx.Response:
    headers = {"Accept": "application/json", "User-Agent": "curl/8", "Authorization": f"Bearer {token}"}
    return await client.request(
        exchange.method, exchange.url, headers=headers | exchange.headers, content=exchange.body or None
    )


def shape(value: Any, path: str = "") -> dict[str, str]:
    """Every path with the type of its value; list items share one path."""
    found = {path: type(value).__name__}
    if isinstance(value, dict):
        for name, child in value.items():
            found |= shape(child, f"{path}.{name}")
    elif isinstance(value, list):
        for child in value:
            found |= shape(child, f"{path}[]")
    return found


def put(api: Api, resource: registry.Resource, item: Object) -> None:
    """Seed an object that a controller, scheduler or kubelet made."""
    kept = json.loads(json.dumps(item))
    kept |= {"kind": resource.kind, "apiVersion": resource.api_version}
    api.objects.put(resource, kept)


def as_controlled(api: Api, now: Object) -> None:
    """What the deployment controller wrote to an object since: its annotation, status and managed fields."""
    meta = now["metadata"]
    live = json.loads(json.dumps(api.get(registry.DEPLOYMENTS, meta["namespace"], meta["name"])))
    mine = [e for e in meta["managedFields"] if e["manager"] == "kube-controller-manager"]
    others = [e for e in live["metadata"]["managedFields"] if e["manager"] != "kube-controller-manager"]
    live["metadata"] |= {"annotations": meta["annotations"], "managedFields": others + mine}
    put(api, registry.DEPLOYMENTS, live | {"status": now["status"]})


def prepare(api: Api, name: str) -> None:
    """Bring the store to where the real one was at a request, for what other components did meanwhile."""
    if name in ("14-get-deployment", "27-patch-merge"):
        put(api, registry.DEPLOYMENTS, recorded("14-get-deployment"))
    if name == "18-list-partial-metadata":
        for pod in recorded("19-list-pods")["items"]:
            put(api, registry.PODS, pod)
    if name == "36-scale-get":
        put(api, registry.DEPLOYMENTS, recorded("38-get-before-put") | {"spec": recorded("29-patch-strategic")["spec"]})
    if name == "38-get-before-put":
        put(api, registry.DEPLOYMENTS, recorded("38-get-before-put"))
    if name == "48-pods-failing":
        for pod in recorded(name)["items"]:
            put(api, registry.PODS, pod)
    if name == "49-events":
        for event in recorded(name)["items"]:
            put(api, registry.EVENTS, event)
        for event in recorded(name)["items"][:3]:
            again = json.loads(json.dumps(event))
            again["metadata"]["name"] += "-later"
            put(api, registry.EVENTS, again)
    if name == "50-pod-log":
        pod = json.loads(json.dumps(recorded("19-list-pods")["items"][0]))
        pod["metadata"]["name"] = "web-7d68655b78-mbc7t"
        put(api, registry.PODS, pod)
    if name == "32-apply-force":
        as_controlled(api, recorded(name))
    if name == "54-delete-foreground":
        as_controlled(api, recorded(name))
    if name == "56-nodes":
        for number in range(2):
            node = json.loads(json.dumps(recorded(name)["items"][0]))
            node["metadata"]["name"] = f"bulk-node-00{number}"
            put(api, registry.NODES, node)


DETERMINISTIC = ("kind", "apiVersion", "reason", "code", "status", "message", "details", "spec")


async def test_every_recorded_request_is_answered_as_the_real_server_did(api: Api) -> None:
    wrong: list[str] = []
    async with server(api) as client:
        for name in NAMES:
            prepare(api, name)
            exchange = read(name)
            if name == "21-list-continue":
                first = json.loads((await ask(client, read("20-list-paged"), "admin")).content)
                exchange.url = re.sub(r"continue=\S+", f"continue={first['metadata']['continue']}", exchange.url)
            response = await ask(client, exchange, LESSER.get(name, "admin"))
            wrong += [f"{name}: {text}" for text in differences(name, exchange, response)]
    assert not wrong, "\n".join(wrong)


def differences(name: str, exchange: Exchange, response: httpx.Response) -> list[str]:
    found = []
    if response.status_code != exchange.status:
        found.append(f"status {response.status_code} instead of {exchange.status}: {response.text[:300]}")
    kind = exchange.answer_headers.get("content-type", "").split(";")[0]
    if response.headers.get("content-type", "").split(";")[0] != kind:
        found.append(f"content type {response.headers.get('content-type')} instead of {kind}")
    if exchange.answer_headers.get("warning") != response.headers.get("warning"):
        found.append(f"warning {response.headers.get('warning')} instead of {exchange.answer_headers.get('warning')}")
    if found or kind != "application/json":
        return found
    if "watch=1" in exchange.url:
        return watch_differences(exchange, response)
    mine, theirs = response.json(), json.loads(exchange.answer)
    missing = sorted(set(shape(theirs).items()) - set(shape(mine).items()))
    extra = sorted(set(shape(mine).items()) - set(shape(theirs).items()))
    if name in OTHER_KINDS:
        # Fewer groups and kinds are served than by the real server, none of another shape.
        missing = []
    if missing or extra:
        found.append(f"shape: missing {missing[:6]}, extra {extra[:6]}")
    return found + value_differences(name, mine, theirs) + metadata_differences(mine, theirs)


OTHER_KINDS = {"03-apis-aggregated", "04-apis-apps-v1"}
BY_THE_REQUEST = (
    "name",
    "namespace",
    "labels",
    "annotations",
    "generation",
    "finalizers",
    "deletionGracePeriodSeconds",
)


def metadata_differences(mine: Object, theirs: Object) -> list[str]:
    """Everything in an object's metadata but times, versions and ids."""
    ours, real = mine.get("metadata") or {}, theirs.get("metadata") or {}
    if real.get("generateName"):
        ours, real = {**ours, "name": None}, {**real, "name": None}
    found = [
        f"metadata.{n}: {ours.get(n)} instead of {real.get(n)}" for n in BY_THE_REQUEST if ours.get(n) != real.get(n)
    ]
    if owners(ours) != owners(real):
        found.append(f"managedFields: {json.dumps(owners(ours))[:1500]} instead of {json.dumps(owners(real))[:1500]}")
    if mine.get("columnDefinitions") != theirs.get("columnDefinitions"):
        found.append(f"columns: {mine.get('columnDefinitions')}")
    return found


def owners(meta: Object) -> list[Object]:
    entries = [{k: v for k, v in entry.items() if k != "time"} for entry in meta.get("managedFields") or ()]
    return sorted(entries, key=lambda entry: (entry["operation"], entry["manager"], entry.get("subresource", "")))


def value_differences(name: str, mine: Object, theirs: Object) -> list[str]:
    found = []
    for field in DETERMINISTIC:
        if field == "status" and isinstance(theirs.get(field), dict):
            continue
        if name == "22-list-bad-continue" and field == "message":
            expected = str(theirs[field]).split(":")[0]
            if not str(mine.get(field)).startswith(expected):
                found.append(f"message {mine.get(field)}")
            continue
        if mine.get(field) != theirs.get(field) and not (
            name == "52-delete-deployment-background" and field == "details"
        ):
            found.append(
                f"{field}: {json.dumps(mine.get(field))[:400]} instead of {json.dumps(theirs.get(field))[:400]}"
            )
    return found


def watch_differences(exchange: Exchange, response: httpx.Response) -> list[str]:
    mine = [json.loads(line) for line in response.text.splitlines() if line]
    theirs = [json.loads(line) for line in exchange.answer.splitlines() if line]
    found = []
    if theirs[-1]["type"] == "BOOKMARK" and mine[-1]["type"] != "BOOKMARK":
        found.append(f"ends with {mine[-1]['type']}")
    if {e["type"] for e in theirs} - {e["type"] for e in mine} - {"MODIFIED"}:
        found.append(f"event types {[e['type'] for e in mine]}")
    if any(e["object"]["kind"] != "Deployment" for e in mine if e["type"] != "ERROR"):
        found.append("another kind")
    return found
