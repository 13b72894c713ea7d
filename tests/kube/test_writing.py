"""Applying, deleting, logs, permissions and port-forward, against a real socket."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.text import printable
from genai_tui.errors import BadInput, Conflict, NotFound, Refused, Unreachable
from genai_tui.kube import logs, reach, writes
from genai_tui.kube.access import Access
from genai_tui.kube.connection import Connection
from genai_tui.kube.kubeconfig import resolve
from genai_tui.sandbox import registry
from genai_tui.sandbox.faults import Fault
from genai_tui.services import LogLine
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


def pod(cluster: Served) -> None:
    item = {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "main", "image": "nginx:1"}], "nodeName": "n"},
    }
    cluster.call(lambda: cluster.api.create(registry.PODS, "default", item))


async def read(connection: Connection, name: str) -> list[LogLine]:
    async with aclosing(logs.lines(connection, "default", name, follow=False, tail=3)) as found:
        return [line async for line in found]


async def test_logs_come_line_by_line_with_their_time(cluster: Served, connection: Connection) -> None:
    pod(cluster)
    lines = await read(connection, "p")
    assert [line.text for line in lines] == ["line 0", "line 1", "line 2"]
    assert lines[0].at is not None
    assert lines[0].at.isoformat() == "2026-11-23T09:18:54+00:00"
    with pytest.raises(NotFound):
        await read(connection, "none")


async def test_a_dropped_log_is_an_error_in_words(cluster: Served, connection: Connection) -> None:
    pod(cluster)
    cluster.faults.add(Fault("/log", drop_after=30))
    with pytest.raises(Unreachable, match="cannot reach the cluster"):
        await read(connection, "p")


@given(st.text())
def test_nothing_in_a_log_reaches_the_terminal_as_an_escape(text: str) -> None:
    shown = printable(text)
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in shown)
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    "hostile", ["\x1b]0;title\x07x", "\x1b[2Jx", "\x9b31mx", "a\rb", "\u202eevil", "\x1bPq\x1b\\x"]
)
def test_known_escapes_are_taken_out(hostile: str) -> None:
    assert printable(hostile).isprintable()


@given(st.binary(max_size=300))
def test_any_bytes_make_a_line(raw: bytes) -> None:
    line = logs.parse_line(raw.replace(b"\n", b""), "p", "c")
    assert line.text.isprintable()


async def test_the_service_proxy_leads_to_a_ready_pod(cluster: Served, connection: Connection) -> None:
    pod(cluster)

    def expose() -> None:
        service = {"metadata": {"name": "s"}, "spec": {"selector": {"app": "x"}, "ports": [{"port": 8000}]}}
        cluster.api.create(registry.SERVICES, "default", service)
        live = dict(cluster.api.get(registry.PODS, "default", "p"))
        live["metadata"] = live["metadata"] | {"labels": {"app": "x"}}
        live["status"] = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running"}
        cluster.api.objects.put(registry.PODS, live)

    cluster.call(expose)
    route = reach.by_service(connection, "default", "s", 8000)
    response = await route.client.get(f"{route.base}/v1/models")
    assert response.status_code == 200
    assert "p:8000" in response.text


async def test_a_port_forward_carries_bytes_both_ways(cluster: Served, connection: Connection) -> None:
    pod(cluster)
    async with reach.by_port_forward(connection, "default", "p", 7) as route:
        reader, writer = await asyncio.open_connection("127.0.0.1", route.client.base_url.port)
        sent = bytes(range(256)) * 400
        writer.write(sent)
        assert await asyncio.wait_for(reader.readexactly(len(sent)), 10) == sent
        writer.close()
        await writer.wait_closed()
