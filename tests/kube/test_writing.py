"""Applying and permissions, against a real socket."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from genai_tui.errors import BadInput, Conflict, NotFound, Refused
from genai_tui.kube import ownership, writes
from genai_tui.kube.access import Access
from genai_tui.kube.connection import Connection
from genai_tui.kube.kubeconfig import resolve
from genai_tui.sandbox import registry
from genai_tui.sandbox.faults import Fault
from tests.sandbox.serving import Served

Json = dict[str, Any]


def config_map(value: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "thing", "namespace": "default"},
        "data": {"key": value},
    }


async def test_applying_twice_changes_nothing_and_a_dry_run_writes_nothing(connection: Connection) -> None:
    assert (await writes.apply(connection, config_map("1"), dry_run=True)).outcome == "created"
    assert await writes.read(connection, config_map("1")) is None
    assert (await writes.apply(connection, config_map("1"))).outcome == "created"
    assert (await writes.apply(connection, config_map("1"))).outcome == "unchanged"
    changed = await writes.apply(connection, config_map("2"))
    assert changed.outcome == "changed"
    assert changed.before is not None
    assert changed.before["data"]["key"] == "1"


async def test_a_conflict_names_the_other_manager_and_the_field(cluster: Served, connection: Connection) -> None:
    await writes.apply(connection, config_map("1"))
    cluster.call(
        lambda: cluster.api.apply(
            registry.CONFIGMAPS, "default", "thing", config_map("2"), manager="kubectl", force=True
        )
    )
    with pytest.raises(Conflict) as caught:
        await writes.apply(connection, config_map("3"))
    assert caught.value.owners == {".data.key": "kubectl"}
    assert "kubectl owns 1 field this would change" in caught.value.problem.line
    assert (await connection.get_json("/api/v1/namespaces/default/configmaps/thing"))["data"]["key"] == "2"


def test_a_field_that_somebody_took_out_is_not_blamed_on_the_controller_that_noted_a_revision() -> None:
    # As Kubernetes 1.20 answered: an entry of the controller names no subresource.
    revision: Json = {"f:metadata": {"f:annotations": {".": {}, "f:deployment.kubernetes.io/revision": {}}}}
    noted = revision | {"f:status": {"f:observedGeneration": {}, "f:conditions": {".": {}}}}
    wrote: list[Json] = [
        {"manager": "editor", "operation": "Update", "fieldsV1": {"f:spec": {"f:minReadySeconds": {}}}},
        {"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": noted},
    ]
    for second, entry in enumerate(wrote):
        entry["time"] = f"2026-11-24T08:23:3{second}Z"
    wanted = config_map("1") | {"metadata": {"name": "thing", "labels": {"tier": "b"}}}
    live = config_map("1") | {"metadata": {"name": "thing", "managedFields": wrote}}
    (found,) = ownership.differences(wanted, live, wanted)
    assert (ownership.shown(found.path), found.theirs, found.manager) == (".metadata.labels.tier", None, "editor")


async def test_what_the_server_refuses_is_told_by_field(connection: Connection) -> None:
    wrong = config_map("1")
    wrong["metadata"] = {"name": "thing", "namespace": "default", "labels": {"a": "not valid!"}}
    with pytest.raises(BadInput) as caught:
        await writes.apply(connection, wrong)
    assert caught.value.fields[0].field == "metadata.labels"
    unknown = config_map("1") | {"dta": {}}
    with pytest.raises(Refused, match="unknown field"):
        await writes.apply(connection, unknown)
    elsewhere = config_map("1")
    elsewhere["metadata"] = {"name": "thing", "namespace": "nowhere"}
    with pytest.raises(NotFound, match='namespaces "nowhere" not found'):
        await writes.apply(connection, elsewhere)


async def test_permissions_are_known_before_anything_is_tried(cluster: Served) -> None:
    async with Connection(resolve(str(cluster.kubeconfig("viewer")), None)) as connection:
        access = Access(connection)
        assert access.permission("patch", "apps/deployments", "default").allowed
        await access.identify()
        await access.check("default")
        refused = access.permission("patch", "apps/deployments", "default")
        assert not refused.allowed
        assert refused.reason == "vera may not patch deployments.apps in namespace default"
        assert access.permission("list", "apps/deployments", "default").allowed
        assert access.permission("get", "pods/log", "default").allowed
        assert not access.permission("create", "pods/portforward", "default").allowed


async def test_a_busy_server_is_asked_again_when_it_says_it_can(
    cluster: Served, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.faults.add(Fault("PATCH", status=429, retry_after=1))
    assert (await writes.apply(connection, config_map("1"))).outcome == "created"
    cluster.faults.add(Fault("PATCH", status=429, retry_after=3600))
    with pytest.raises(Refused, match="busy") as caught:
        await writes.apply(connection, config_map("2"))
    assert "try again in 3600 s" in caught.value.problem.line


async def test_where_rules_cannot_be_listed_each_act_is_asked_for(connection: Connection) -> None:
    def webhook(request: httpx.Request) -> httpx.Response:
        """As the authorizers of managed clusters: no list of rules, but an answer to each question."""
        if request.url.path.endswith("selfsubjectrulesreviews"):
            return httpx.Response(201, json={"status": {"incomplete": True, "resourceRules": []}})
        asked = json.loads(request.content)["spec"]["resourceAttributes"]
        return httpx.Response(201, json={"status": {"allowed": asked["verb"] in ("get", "list")}})

    await connection.http.aclose()
    connection.http = httpx.AsyncClient(transport=httpx.MockTransport(webhook), base_url="https://cluster.example")
    access = Access(connection)
    await access.check("default")
    assert not access.permission("patch", "apps/deployments", "default").allowed
    assert access.permission("list", "apps/deployments", "default").allowed
    assert access.permission("get", "pods/log", "default").allowed
    assert access.permission("dance", "apps/deployments", "default").allowed
