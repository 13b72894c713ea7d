"""What the API server refuses, at which field; and custom kinds, served when registered."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from genai_tui.sandbox import registry
from genai_tui.sandbox.apiserver import create_app
from genai_tui.sandbox.authz import Authz
from genai_tui.sandbox.faults import Faults
from genai_tui.sandbox.status import ApiError
from genai_tui.sandbox.verbs import Api
from tests.sandbox.agents import SilentAgent
from tests.sandbox.serving import TOKENS, new_api

Item = dict[str, Any]
CONTAINER: Item = {"name": "c", "image": "i:1"}
LABELS = {"app": "x"}


def deployment(container: Item | None = None, pod: Item | None = None, spec: Item | None = None) -> Item:
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [CONTAINER | (container or {})]} | (pod or {})}
    whole = {"selector": {"matchLabels": LABELS}, "template": template} | (spec or {})
    return {"metadata": {"name": "d"}, "spec": whole}


C = "spec.template.spec.containers[0]"
GPU = "nvidia.com/gpu"


@pytest.mark.parametrize(
    ("item", "field"),
    [
        (deployment({"image": ""}), f"{C}.image"),
        (deployment({"name": "Bad_Name"}), "spec.template.spec.containers[0].name"),
        (deployment({"ports": [{"containerPort": 70000}]}), f"{C}.ports[0].containerPort"),
        (deployment({"resources": {"limits": {"memory": "lots"}}}), f"{C}.resources.limits[memory]"),
        (deployment({"resources": {"limits": {"cpu": "-1"}}}), f"{C}.resources.limits[cpu]"),
        (deployment({"resources": {"limits": {GPU: "0.5"}}}), f"{C}.resources.limits[{GPU}]"),
        (deployment({"resources": {"limits": {GPU: "2"}, "requests": {GPU: "1"}}}), f"{C}.resources.requests"),
        (deployment({"resources": {"requests": {GPU: "1"}}}), f"{C}.resources.limits"),
        (deployment({"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}}), f"{C}.resources.requests"),
        (deployment({"env": [{"name": "A=B", "value": "1"}]}), f"{C}.env[0].name"),
        (deployment({"volumeMounts": [{"name": "v", "mountPath": "/v"}]}), f"{C}.volumeMounts[0].name"),
        (deployment({"startupProbe": {"periodSeconds": 1}}), f"{C}.startupProbe"),
        (deployment({"imagePullPolicy": "Sometimes"}), f"{C}.imagePullPolicy"),
        (deployment(pod={"restartPolicy": "Never"}), "spec.template.spec.restartPolicy"),
        (deployment(pod={"tolerations": [{"operator": "Equal"}]}), "spec.template.spec.tolerations[0].operator"),
        (
            deployment(pod={"tolerations": [{"operator": "Exists", "effect": "Never"}]}),
            "spec.template.spec.tolerations[0].effect",
        ),
        (deployment(pod={"nodeSelector": {"a": "not ok"}}), "spec.template.spec.nodeSelector[a]"),
        (deployment(spec={"replicas": -1}), "spec.replicas"),
        (deployment(spec={"selector": {"matchLabels": {"a": "b"}}}), "spec.template.metadata.labels"),
        (deployment(spec={"strategy": {"type": "Sideways"}}), "spec.strategy.type"),
        (
            deployment(spec={"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}}),
            "spec.strategy.rollingUpdate.maxUnavailable",
        ),
    ],
)
def test_a_bad_workload_is_refused_at_its_field(item: Item, field: str) -> None:
    api = new_api()
    with pytest.raises(ApiError) as caught:
        api.create(registry.DEPLOYMENTS, "default", item)
    details = caught.value.details or {}
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    assert [cause["field"] for cause in details["causes"]] == [field]
    assert caught.value.message.startswith('Deployment.apps "d" is invalid: ' + field + ": ")
    assert api.objects.list(registry.DEPLOYMENTS) == []


def changed(item: Item, path: str, value: object) -> Item:
    found = copy.deepcopy(item)
    place = found
    *parents, last = path.split(".")
    for name in parents:
        place = place[name]
    place[last] = value
    return found


@pytest.mark.parametrize(
    ("resource", "item", "path", "value"),
    [
        (registry.DEPLOYMENTS, deployment(), "spec.selector.matchLabels", {"app": "y"}),
        (
            registry.CLAIMS,
            {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
                      "storageClassName": "standard"}},
            "spec.storageClassName", "other",
        ),
        (registry.SECRETS, {"data": {}}, "type", "kubernetes.io/tls"),
        (registry.CONFIGMAPS, {"data": {"a": "1"}, "immutable": True}, "data", {"a": "2"}),
        (registry.PODS, {"spec": {"containers": [CONTAINER]}}, "spec.hostNetwork", True),
    ],
)  # fmt: skip
def test_what_may_not_change_does_not(resource: registry.Resource, item: Item, path: str, value: object) -> None:
    api = new_api()
    made = api.create(resource, "default", {**item, "metadata": {"name": "d"}})
    with pytest.raises(ApiError) as caught:
        api.update(resource, "default", "d", changed(made, path, value))
    assert caught.value.code == 422
    assert api.get(resource, "default", "d") == made


def test_a_quota_refuses_the_pod_that_would_exceed_it() -> None:
    api = new_api()
    quota = {"metadata": {"name": "small"}, "spec": {"hard": {"requests.nvidia.com/gpu": "1"}}}
    api.create(registry.QUOTAS, "default", quota)
    pod = {"spec": {"containers": [CONTAINER | {"resources": {"limits": {GPU: "1"}}}]}}
    api.create(registry.PODS, "default", {**pod, "metadata": {"name": "first"}})
    with pytest.raises(ApiError) as caught:
        api.create(registry.PODS, "default", {**pod, "metadata": {"name": "second"}})
    assert caught.value.code == 403
    assert (
        'pods "second" is forbidden: exceeded quota: small, requested: requests.nvidia.com/gpu=1'
        in caught.value.message
    )


@pytest.fixture
def widgets() -> Iterator[registry.Resource]:
    resource = registry.Resource("example.dev", "v1", "widgets", "Widget", "widget", short_names=("wd",))
    registry.register(resource)
    yield resource
    registry.unregister(resource)


async def test_a_custom_kind_is_discovered_stored_and_selected(widgets: registry.Resource) -> None:
    api = new_api()
    async with client(api) as http:
        url = "/apis/example.dev/v1/namespaces/default/widgets"
        body = {
            "apiVersion": "example.dev/v1",
            "kind": "Widget",
            "metadata": {"name": "w"},
            "spec": {"any": [1, {"a": 2}]},
        }
        assert (await http.post(url, json=body)).status_code == 201
        assert (await http.get(f"{url}/w")).json()["spec"] == body["spec"]
        assert (await http.get("/apis/example.dev/v1")).json()["resources"][0]["kind"] == widgets.kind
        assert "example.dev" in [group["name"] for group in (await http.get("/apis")).json()["groups"]]


def client(api: Api, role: str = "admin") -> httpx.AsyncClient:
    app = create_app(api, SilentAgent(), Authz(api.objects, TOKENS), Faults(), api.clock)
    headers = {"Authorization": f"Bearer {role}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sandbox", headers=headers)


def put(body: Item) -> Callable[[httpx.AsyncClient], Any]:
    return lambda http: http.put("/api/v1/namespaces/default/configmaps/a", json=body)


META = {"apiVersion": "v1", "kind": "ConfigMap"}


@pytest.mark.parametrize(
    ("ask", "code", "text"),
    [
        (put({**META, "metadata": {"name": "b"}}), 400, "does not match the name on the URL (a)"),
        (put({**META, "kind": "Secret", "metadata": {"name": "a"}}), 400, "cannot be handled as a ConfigMap"),
        (put({**META, "metadata": {"name": "a", "resourceVersion": "1"}}), 409, "the object has been modified"),
        (lambda h: h.post("/api/v1/namespaces/default/pods/a/eviction", json={}), 404, 'pods "a" not found'),
        (lambda h: h.post("/api/v1/namespaces/none/configmaps", json={"metadata": {"name": "x"}}), 404, "none"),
        (lambda h: h.post("/api/v1/namespaces/default/configmaps", content=b"{"), 400, "error converting YAML"),
        (lambda h: h.get("/api/v1/pods?labelSelector=a%20in"), 400, "unable to parse requirement"),
        (lambda h: h.get("/api/v1/pods?watch=1&resourceVersion=x"), 400, 'invalid resource version "x"'),
        (lambda h: h.get("/api/v1/pods", headers={"Authorization": "Bearer no"}), 401, "Unauthorized"),
        (
            lambda h: h.get("/api/v1/secrets", headers={"Impersonate-User": "vera", "Impersonate-Group": "viewers"}),
            403,
            'User "vera" cannot list resource "secrets" in API group "" at the cluster scope',
        ),
        (
            lambda h: h.get("/api/v1/pods", headers={"Authorization": "Bearer viewer", "Impersonate-User": "root"}),
            403,
            'User "vera" cannot impersonate resource "users"',
        ),
    ],
)
async def test_a_bad_request_gets_its_status(ask: Callable[[httpx.AsyncClient], Any], code: int, text: str) -> None:
    api = new_api()
    api.create(registry.CONFIGMAPS, "default", {"metadata": {"name": "a"}})
    async with client(api) as http:
        response = await ask(http)
    assert response.status_code == code
    assert text in response.json()["message"]
