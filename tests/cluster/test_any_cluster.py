"""What we ask of a Kubernetes API, asked of the sandbox, and of a real cluster where KUBECONFIG_REAL names one.

`make test-cluster` runs it against the real one alone: in a namespace of its own, which is deleted at the end. It needs the
right to create namespaces, and to impersonate a service account there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from genai_tui.domain.cluster import Kind
from genai_tui.domain.watching import Listed, Removed, Upserted, WatchEvent
from genai_tui.errors import Conflict, NotFound, NotPermitted, Refused
from genai_tui.kube import logs, ownership, reach, writes
from genai_tui.kube.access import Access, allowed
from genai_tui.kube.connection import Connection
from genai_tui.kube.kubeconfig import Target, resolve
from genai_tui.kube.reads import watch
from genai_tui.kube.refusals import Gone, Modified
from tests.test_cli import sandbox

Json = dict[str, Any]
pytestmark = pytest.mark.timeout(300)
REAL = os.environ.get("KUBECONFIG_REAL")


@dataclass(frozen=True)
class Speaker:
    """A container that says a line and answers HTTP: on a real cluster a small one, in the sandbox the engine itself."""

    container: Json
    says: str
    path: str

    def answer(self, response: httpx.Response) -> str:
        """What stays the same from one request to the next."""
        return response.json()["data"][0]["id"] if self.path == "/v1/models" else response.text


REAL_SPEAKER = Speaker(
    {
        "name": "main",
        "image": "busybox:1.37",
        "command": [
            "sh",
            "-c",
            "mkdir /www && echo hello > /www/index.html && echo listening && httpd -f -p 8000 -h /www",
        ],
        "ports": [{"containerPort": 8000}],
        "readinessProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 1},
    },
    "listening",
    "/index.html",
)
SANDBOX_SPEAKER = Speaker(
    {
        "name": "vllm",
        "image": "vllm/vllm-openai:v0.32.0",
        "args": ["--model", "HuggingFaceTB/SmolLM2-135M-Instruct", "--max-model-len=2048"],
        "ports": [{"containerPort": 8000}],
        "resources": {"limits": {"nvidia.com/gpu": "1", "cpu": "2", "memory": "4Gi"}},
        "readinessProbe": {"httpGet": {"path": "/health", "port": 8000}, "periodSeconds": 1},
    },
    "Application startup complete",
    "/v1/models",
)


@dataclass(frozen=True)
class Cluster:
    """A cluster to try, a namespace of our own in it, and a container that runs there."""

    target: Target
    connection: Connection
    namespace: str
    speaker: Speaker

    def item(self, kind: str, name: str, version: str = "v1", **more: Any) -> Json:
        return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": self.namespace}, **more}

    def deployment(self, name: str, replicas: int = 1) -> Json:
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [self.speaker.container]}}
        template["spec"]["tolerations"] = [{"operator": "Exists"}]  # type: ignore[index]
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        return self.item("Deployment", name, "apps/v1", spec=spec)

    def config(self, value: str, name: str = "thing") -> Json:
        return self.item("ConfigMap", name, data={"key": value})

    async def pods(self, app: str) -> list[Json]:
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        found: list[Json] = (await self.connection.get_json(path, labelSelector=f"app={app}"))["items"]
        return found


@pytest.fixture(
    scope="module", params=["sandbox", *([pytest.param("real", marks=pytest.mark.cluster)] if REAL else [])]
)
def kubeconfig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "real":
        assert REAL is not None
        yield REAL
    else:
        with sandbox(tmp_path_factory.mktemp("any") / "sandbox") as ready:
            yield ready["kubeconfig"]


@pytest.fixture
async def cluster(kubeconfig: str) -> AsyncIterator[Cluster]:
    target = resolve(kubeconfig, None)
    async with Connection(target) as connection:
        name = f"genai-tui-test-{uuid.uuid4().hex[:8]}"
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await writes.create(connection, space)
        try:
            yield Cluster(target, connection, name, SANDBOX_SPEAKER if target.simulated else REAL_SPEAKER)
        finally:
            await writes.delete(connection, "Namespace", "v1", "", name)


async def until(true: Callable[[], Awaitable[bool]], what: str, seconds: float = 120) -> None:
    async with asyncio.timeout(seconds):
        while not await true():
            await asyncio.sleep(0.2)
    assert what


async def test_a_list_then_what_changes(cluster: Cluster) -> None:
    await writes.apply(cluster.connection, cluster.deployment("one", replicas=0))
    seen: list[WatchEvent] = []

    async def follow() -> None:
        async with aclosing(watch(cluster.connection, Kind.DEPLOYMENT, cluster.namespace)) as batches:
            async for batch in batches:
                seen.extend(batch)

    def upserted(name: str) -> bool:
        return any(isinstance(event, Upserted) and event.object.meta.name == name for event in seen)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        task = group.create_task(follow())

        async def wait(true: Callable[[], bool]) -> None:
            while not true():
                await asyncio.sleep(0.05)

        await wait(lambda: any(isinstance(event, Listed) for event in seen))
        await writes.apply(cluster.connection, cluster.deployment("two", replicas=0))
        await wait(lambda: upserted("two"))
        await writes.delete(cluster.connection, "Deployment", "apps/v1", cluster.namespace, "one")
        await wait(lambda: any(isinstance(event, Removed) and event.key.name == "one" for event in seen))
        task.cancel()
    (listed,) = (event for event in seen if isinstance(event, Listed))
    assert [item.meta.name for item in listed.objects] == ["one"]


async def test_a_version_that_is_too_old_is_gone(cluster: Cluster) -> None:
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps"
    try:
        await cluster.connection.get_json(path, limit=1, resourceVersion="1", resourceVersionMatch="Exact")
    except Gone:
        return
    assert not cluster.target.simulated
    pytest.skip("this API server still has its first version: it compacts five minutes after its start")


async def test_apply_twice_dry_run_and_conflict(cluster: Cluster) -> None:
    connection = cluster.connection
    assert (await writes.apply(connection, cluster.config("1"), dry_run=True)).outcome == "created"
    assert await writes.read(connection, cluster.config("1")) is None
    assert (await writes.apply(connection, cluster.config("1"))).outcome == "created"
    assert (await writes.apply(connection, cluster.config("1"))).outcome == "unchanged"
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps/thing"
    await connection.request(
        "PATCH", path, params={"fieldManager": "someone", "force": "true"}, body=cluster.config("2"),
        content_type="application/apply-patch+yaml",
    )  # fmt: skip
    with pytest.raises(Conflict) as caught:
        await writes.apply(connection, cluster.config("3"))
    assert caught.value.owners == {".data.key": "someone"}
    with pytest.raises(Refused, match="keyy"):
        await writes.apply(connection, cluster.config("1", "other") | {"keyy": "x"})


async def test_what_others_changed_is_seen_locked_and_taken_field_by_field(cluster: Cluster) -> None:
    """How an API server keeps who holds a field, that a force is bound to a version, and what is left alone."""
    connection = cluster.connection
    wanted = cluster.deployment("shared", 0)
    wanted["metadata"]["labels"] = {"team": "a", "tier": "b"}
    wanted["spec"]["template"]["spec"]["containers"] = [
        {"name": "main", "image": "busybox:1.37", "env": [{"name": "LEVEL", "value": "info"}]}
    ]
    before = await writes.apply(connection, wanted)
    assert ownership.differences(wanted, before.after, wanted) == (), "nothing but what was applied"
    path = f"/apis/apps/v1/namespaces/{cluster.namespace}/deployments/shared"
    container = {"name": "main", "env": [{"name": "LEVEL", "value": "debug"}, {"name": "MORE", "value": "1"}]}
    edit = {
        "metadata": {"labels": {"tier": None}},
        "spec": {"minReadySeconds": 5, "template": {"spec": {"containers": [container]}}},
    }
    await connection.request(
        "PATCH", path, params={"fieldManager": "editor"}, body=edit,
        content_type="application/strategic-merge-patch+json",
    )  # fmt: skip
    live = await connection.get_json(path)
    found = {ownership.shown(d.path).rsplit(".", 1)[1]: d for d in ownership.differences(wanted, live, wanted)}
    assert {name: (d.theirs, d.ours, d.manager) for name, d in found.items()} == {
        "tier": (None, "b", "editor"),
        "value": ("debug", "info", "editor"),
    }
    added = {ownership.shown(d.path).rsplit(".", 1)[1] for d in ownership.additions(wanted, live)}
    assert added == {"value", "minReadySeconds"}
    with pytest.raises(Conflict) as caught:
        await writes.apply(connection, wanted)
    assert list(caught.value.owners) == [ownership.shown(found["value"].path)], "a removed field is no conflict there"
    stale = before.after["metadata"]["resourceVersion"]
    with pytest.raises(Modified):
        await writes.apply(connection, wanted, force=True, version=stale)
    left = ownership.without(wanted, frozenset({found["tier"].path}))

    async def taken() -> bool:
        """Forced onto the version just read: the controllers write the status in between, as they do to the console."""
        current = (await connection.get_json(path))["metadata"]["resourceVersion"]
        with contextlib.suppress(Modified):
            await writes.apply(connection, left, force=True, version=current)
            return True
        return False

    await until(taken, "no try met the version that it had read")
    now = await connection.get_json(path)
    values = {e["name"]: e["value"] for e in now["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert (values, now["metadata"]["labels"]) == ({"LEVEL": "info", "MORE": "1"}, {"team": "a"})


async def test_a_viewer_sees_and_may_not_write(cluster: Cluster) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}]
    version = "rbac.authorization.k8s.io/v1"
    base = f"/apis/{version}/namespaces/{cluster.namespace}"
    await cluster.connection.request("POST", f"{base}/roles", body=cluster.item("Role", "see", version, rules=rules))
    binding = cluster.item(
        "RoleBinding", "see", version,
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "see"},
        subjects=[{"kind": "User", "name": "genai-tui-viewer", "apiGroup": "rbac.authorization.k8s.io"}],
    )  # fmt: skip
    await cluster.connection.request("POST", f"{base}/rolebindings", body=binding)
    await writes.apply(cluster.connection, cluster.config("1"))
    viewer = replace(cluster.target, user=replace(cluster.target.user, act_as="genai-tui-viewer"))
    async with Connection(viewer) as connection:
        offered = (await connection.get_json("/apis/authentication.k8s.io/v1"))["resources"]
        says_who = any(one["name"] == "selfsubjectreviews" for one in offered)  # since Kubernetes 1.28
        assert await Access(connection).identify() == ("genai-tui-viewer" if says_who else None)

        async def reads() -> bool:
            # A real API server takes a moment to learn of a new binding.
            return await allowed(connection, "list", "configmaps", cluster.namespace)

        await until(reads, "the binding holds", 30)
        assert (await connection.get_json(f"/api/v1/namespaces/{cluster.namespace}/configmaps/thing"))["data"]
        assert not await allowed(connection, "patch", "configmaps", cluster.namespace)
        with pytest.raises(NotPermitted, match="configmaps"):
            await writes.apply(connection, cluster.config("2"))


async def test_logs_the_proxy_and_a_port_forward(cluster: Cluster) -> None:
    connection, speaker = cluster.connection, cluster.speaker
    await writes.apply(connection, cluster.deployment("speaker"))

    async def ready() -> bool:
        pods = await cluster.pods("speaker")
        conditions = [c for pod in pods for c in pod["status"].get("conditions", ())]
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    await until(ready, "the pod is ready")
    name = (await cluster.pods("speaker"))[0]["metadata"]["name"]
    async with aclosing(logs.lines(connection, cluster.namespace, name, follow=False)) as found:
        lines = [line async for line in found]
    assert any(speaker.says in line.text for line in lines)
    assert all(line.at is not None for line in lines)
    route = reach.by_pod(connection, cluster.namespace, name, 8000)
    by_proxy = await route.client.get(route.base + speaker.path)
    assert by_proxy.status_code == 200
    async with reach.by_port_forward(connection, cluster.namespace, name, 8000) as forward:
        by_forward = await forward.client.get(forward.base + speaker.path)
    assert by_forward.status_code == 200
    assert speaker.answer(by_forward) == speaker.answer(by_proxy) != ""


async def test_what_a_deployment_owns_goes_with_it(cluster: Cluster) -> None:
    connection = cluster.connection
    made = (await writes.apply(connection, cluster.deployment("owner"))).after
    owned = cluster.config("1", "owned")
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "owner", "uid": made["metadata"]["uid"]}
    owned["metadata"]["ownerReferences"] = [owner]
    await writes.apply(connection, owned)

    async def has_pods() -> bool:
        return bool(await cluster.pods("owner"))

    await until(has_pods, "its pod is there")
    await writes.delete(connection, "Deployment", "apps/v1", cluster.namespace, "owner")

    async def gone() -> bool:
        return not await cluster.pods("owner") and await writes.read(connection, owned) is None

    await until(gone, "pod and config map are gone")
    with pytest.raises(NotFound):
        await writes.delete(connection, "Deployment", "apps/v1", cluster.namespace, "owner")


def test_the_namespace_goes_too(kubeconfig: str, tmp_path: Path) -> None:
    async def left() -> list[str]:
        async with Connection(resolve(kubeconfig, None)) as connection:
            items = (await connection.get_json("/api/v1/namespaces"))["items"]
            return [
                item["metadata"]["name"]
                for item in items
                if item["metadata"]["name"].startswith("genai-tui-test-")
                and not item["metadata"].get("deletionTimestamp")
            ]

    assert asyncio.run(left()) == []
