"""The kubernetes package, typed, and raw HTTP over a real socket: lists, watches, proxies, faults."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import kubernetes.client
import kubernetes.stream
import kubernetes.watch
import pytest

from genai_tui.sandbox import registry
from genai_tui.sandbox.faults import Fault
from genai_tui.sandbox.verbs import Api
from tests.sandbox.serving import Served, served

PODS = "/api/v1/namespaces/default/pods"
MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def server(running: Served) -> Iterator[Served]:
    yield running
    running.faults.clear()

    def empty() -> None:
        for resource in (registry.CONFIGMAPS, registry.PODS, registry.SERVICES, registry.DEPLOYMENTS):
            for item in list(running.api.objects.list(resource, "default")):
                running.api.objects.remove(resource, "default", item["metadata"]["name"])

    running.call(empty)


@pytest.fixture
def typed(server: Served, tmp_path: Path) -> Iterator[kubernetes.client.ApiClient]:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(server.ca)
    settings = kubernetes.client.Configuration(host=server.url, api_key={"authorization": "Bearer admin"})
    settings.ssl_ca_cert = str(ca)
    with kubernetes.client.ApiClient(settings) as client:
        yield client


@pytest.fixture
async def http(server: Served) -> AsyncIterator[httpx.AsyncClient]:
    context = ssl.create_default_context(cadata=server.ca.decode())
    headers = {"Authorization": "Bearer admin"}
    async with httpx.AsyncClient(base_url=server.url, verify=context, headers=headers, timeout=10) as client:
        yield client


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": data}


def ready_pod(name: str, labels: dict[str, str]) -> dict[str, Any]:
    spec = {"containers": [{"name": "c", "image": "i", "ports": [{"name": "web", "containerPort": 8000}]}]}
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": status}


def test_the_typed_client_creates_lists_and_watches(typed: kubernetes.client.ApiClient, server: Served) -> None:
    # The typed methods take plain dicts too, which their annotations do not say.
    core: Any = kubernetes.client.CoreV1Api(typed)
    apps: Any = kubernetes.client.AppsV1Api(typed)
    labels = {"app": "web"}
    template = {
        "metadata": {"labels": labels},
        "spec": {
            "containers": [{"name": "c", "image": "nginx:1.27", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]
        },
    }
    made = apps.create_namespaced_deployment(
        "default", {"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": labels}, "template": template}}
    )
    assert made.spec.replicas == 1
    assert [d.metadata.name for d in apps.list_deployment_for_all_namespaces().items] == ["web"]
    core.create_namespaced_config_map("default", config_map("a", x="1"))
    listed = core.list_namespaced_config_map("default")
    core.patch_namespaced_config_map("a", "default", {"data": {"x": "2"}})
    core.delete_namespaced_config_map("a", "default")
    events = []
    watch: Any = kubernetes.watch.Watch()  # type: ignore[no-untyped-call]
    version = listed.metadata.resource_version
    for event in watch.stream(core.list_namespaced_config_map, "default", resource_version=version, timeout_seconds=5):
        events.append((event["type"], event["object"].data))
        if event["type"] == "DELETED":
            watch.stop()
    assert events == [("MODIFIED", {"x": "2"}), ("DELETED", {"x": "2"})]
    with pytest.raises(kubernetes.client.ApiException) as caught:
        core.read_namespaced_config_map("a", "default")
    assert caught.value.status == 404


def test_exec_and_port_forward_reach_the_pod(typed: kubernetes.client.ApiClient, server: Served) -> None:
    core: Any = kubernetes.client.CoreV1Api(typed)
    streams: Any = kubernetes.stream
    server.call(lambda: server.api.create(registry.PODS, "default", ready_pod("p", {})))
    run = core.connect_get_namespaced_pod_exec
    command = ["nvidia-smi", "-L"]
    told = streams.stream(run, "p", "default", command=command, stdout=True, stderr=True, _preload_content=False)
    told.run_forever(timeout=10)
    assert told.read_stdout() == "ran nvidia-smi -L"
    assert told.returncode == 0
    told.sock.shutdown()
    forward = streams.portforward(core.connect_get_namespaced_pod_portforward, "p", "default", ports="7,8")
    echo = forward.socket(7)
    echo.setblocking(True)
    sent = bytes(range(256)) * 400
    echo.sendall(sent)
    received = b""
    while len(received) < len(sent):
        received += echo.recv(65536)
    assert received == sent
    assert "nothing listens" in forward.error(8)
    forward.close()
    forward.websocket.shutdown()


async def lines(client: httpx.AsyncClient, url: str, count: int) -> list[dict[str, Any]]:
    found = []
    async with client.stream("GET", url) as response:
        async for line in response.aiter_lines():
            found.append(json.loads(line))
            if len(found) == count:
                break
    return found


async def test_initial_events_end_with_a_bookmark_and_the_watch_goes_on(http: httpx.AsyncClient) -> None:
    await http.post(MAPS, json=config_map("a"))
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    events = []
    async with http.stream("GET", f"{MAPS}?{query}") as response:
        async for line in response.aiter_lines():
            events.append(json.loads(line))
            if events[-1]["type"] == "BOOKMARK":
                await http.post(MAPS, json=config_map("b"))
            if len(events) == 3:
                break
    assert [(e["type"], e["object"]["metadata"].get("name")) for e in events] == [
        ("ADDED", "a"),
        ("BOOKMARK", None),
        ("ADDED", "b"),
    ]
    assert events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_version_no_longer_known_is_told_inside_the_watch(http: httpx.AsyncClient, server: Served) -> None:
    await http.post(MAPS, json=config_map("a"))
    server.call(server.api.objects.forget_log)
    found = await lines(http, f"{MAPS}?watch=1&resourceVersion=1", 1)
    assert found[0]["type"] == "ERROR"
    assert (found[0]["object"]["code"], found[0]["object"]["reason"]) == (410, "Expired")


async def test_a_service_leads_to_a_ready_pod(http: httpx.AsyncClient, server: Served) -> None:
    service = {
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "w"}, "ports": [{"port": 80, "targetPort": "web"}]},
    }
    url = "/api/v1/namespaces/default/services/web:80/proxy/health"
    await http.post("/api/v1/namespaces/default/services", json=service)
    refused = await http.get(url)
    assert (refused.status_code, refused.json()["message"]) == (503, 'no endpoints available for service "web"')
    server.call(lambda: server.api.create(registry.PODS, "default", ready_pod("p", {"app": "w"})))
    assert (await http.get(url)).text == "p:8000"


async def test_faults_break_what_they_match_and_no_more(http: httpx.AsyncClient, server: Served) -> None:
    await http.post(MAPS, json=config_map("a", text="x" * 5000))
    await http.post("/_sandbox/faults", json={"pattern": "GET .*configmaps", "status": 429, "retry_after": 7})
    busy = await http.get(MAPS)
    assert (busy.status_code, busy.headers["retry-after"], busy.json()["reason"]) == (429, "7", "TooManyRequests")
    assert (await http.get(MAPS)).status_code == 200
    server.faults.add(Fault("configmaps", status=401))
    assert (await http.get(MAPS)).json()["reason"] == "Unauthorized"
    server.faults.add(Fault("configmaps", status=410))
    assert (await lines(http, f"{MAPS}?watch=1&resourceVersion=1", 1))[0]["object"]["code"] == 410
    server.faults.add(Fault("configmaps", drop_after=1000))
    with pytest.raises(httpx.RemoteProtocolError):
        await http.get(MAPS)
    server.faults.add(Fault("configmaps", stall_after=1000))
    with pytest.raises(httpx.ReadTimeout):
        await http.get(MAPS, timeout=0.3)
    server.faults.add(Fault("configmaps", drop_after=1_000_000))
    assert len((await http.get(MAPS)).json()["items"]) == 1
    lesser = await http.get("/_sandbox/faults", headers={"Authorization": "Bearer viewer"})
    assert lesser.status_code == 403


async def test_a_thousand_large_pods_come_in_pages(http: httpx.AsyncClient, server: Served) -> None:
    def fill(api: Api) -> None:
        for number in range(1000):
            pod = ready_pod(f"p{number:04}", {"n": str(number % 7)})
            pod["metadata"]["annotations"] = {"notes": "x" * 12_000}
            api.create(registry.PODS, "default", pod)

    server.call(lambda: fill(server.api))
    names: list[str] = []
    token = ""
    while True:
        page = (await http.get(PODS, params={"limit": "300"} | ({"continue": token} if token else {}))).json()
        names += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue", "")
        if not token:
            break
    assert names == [f"p{number:04}" for number in range(1000)]
