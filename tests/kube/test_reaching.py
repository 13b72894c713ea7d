"""Logs, the service proxy and port-forward, against a real socket: what a pod says arrives whole and harmless."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import StreamingResponse

from genai_tui.domain.text import printable
from genai_tui.errors import CredentialsRejected, NotFound, NotPermitted, Unreachable
from genai_tui.kube import forwarding, logs, reach
from genai_tui.kube.connection import Connection
from genai_tui.kube.kubeconfig import resolve
from genai_tui.sandbox import registry
from genai_tui.sandbox.faults import Fault
from genai_tui.services import LogLine
from tests.kube.doubles import http_proxy, listening
from tests.kube.test_credentials import for_server
from tests.sandbox.serving import Served

Json = dict[str, Any]


def pod(cluster: Served) -> None:
    item = {
        "metadata": {"name": "p", "labels": {"app": "x"}},
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


class Held:
    """Chunks that a server sends one at a time, each when it is told to."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks, self._go = chunks, threading.Semaphore(0)

    def send_next(self) -> None:
        self._go.release()

    async def __call__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            while not self._go.acquire(blocking=False):
                await asyncio.sleep(0.005)
            yield chunk


async def test_a_followed_log_arrives_as_it_is_written_wherever_it_is_split(
    cluster: Served, connection: Connection
) -> None:
    pod(cluster)
    held = Held([b"2026-11-23T09:18:54Z fir", b"st\n\xc3", b"\xa4 \xff\n", b"10%\r20%\r30%\n", b"end"])
    cluster.agent.said = held
    async with aclosing(logs.lines(connection, "default", "p")) as lines:
        held.send_next()
        held.send_next()
        first = await anext(lines)
        assert (first.text, first.at is not None) == ("first", True)
        for _ in held.chunks[2:]:
            held.send_next()
        assert [line.text async for line in lines] == ["\u00e4 \ufffd", "30%", "end"]


async def test_a_line_without_end_is_shown_in_pieces(cluster: Served, connection: Connection) -> None:
    pod(cluster)
    held = Held([b"x" * 200_000, b"\nshort\n"])
    held.send_next()
    held.send_next()
    cluster.agent.said = held
    lines = await read(connection, "p")
    assert all(len(line.text) <= logs.MAX_LINE + 1 for line in lines)
    assert lines[0].text.startswith("xxx")
    assert lines[0].text.endswith("…")
    assert lines[-1].text == "short"


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
def test_known_escapes_become_what_a_terminal_only_shows(hostile: str) -> None:
    assert printable(hostile).isprintable()


@given(st.binary(max_size=300))
def test_any_bytes_make_a_line(raw: bytes) -> None:
    line = logs.parse_line(raw.replace(b"\n", b""), "p", "c")
    assert line.text.isprintable()


def expose(cluster: Served) -> None:
    """A Service in front of the pod, and the pod ready."""
    service = {"metadata": {"name": "s"}, "spec": {"selector": {"app": "x"}, "ports": [{"port": 8000}]}}
    cluster.api.create(registry.SERVICES, "default", service)
    live = dict(cluster.api.get(registry.PODS, "default", "p"))
    live["status"] = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running"}
    cluster.api.objects.put(registry.PODS, live)


async def test_the_service_proxy_passes_each_event_on_at_once(cluster: Served, connection: Connection) -> None:
    pod(cluster)
    cluster.call(lambda: expose(cluster))
    held = Held([b"data: one\n\n", b"data: two\n\n"])
    seen: list[tuple[str, str]] = []

    async def engine(scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        seen.append((request.method, (await request.body()).decode()))
        await StreamingResponse(held(), media_type="text/event-stream")(scope, receive, send)

    cluster.agent.apps[8000] = engine
    route = reach.by_service(connection, "default", "s", 8000)
    async with route.client.stream("POST", f"{route.base}/v1/chat/completions", content=b"{}") as response:
        chunks = response.aiter_bytes()
        held.send_next()
        assert await anext(chunks) == b"data: one\n\n"
        held.send_next()
        assert await anext(chunks) == b"data: two\n\n"
    assert seen == [("POST", "{}")]


async def test_a_port_forward_carries_bytes_both_ways(cluster: Served, connection: Connection) -> None:
    pod(cluster)
    forward = await forwarding.open_forward(connection, "default", "p", 7)
    reader, writer = await asyncio.open_connection(sock=forward.local)
    sent = bytes(range(256)) * 4000
    writer.write(sent)
    assert await asyncio.wait_for(reader.readexactly(len(sent)), 10) == sent
    writer.close()
    await writer.wait_closed()


@contextlib.asynccontextmanager
async def http_engine(cluster: Served, go_on: asyncio.Event) -> AsyncIterator[list[str]]:
    """An engine behind port 8000 of the pod that streams two events; yields the Authorization headers it got."""
    keys: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := (await reader.readuntil(b"\r\n\r\n")).decode():
            keys.extend(line.partition(": ")[2] for line in head.split("\r\n") if line.startswith("Authorization"))
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\ndata: one\n\n\r\n")
            await go_on.wait()
            writer.write(b"b\r\ndata: two\n\n\r\n0\r\n\r\n")

    async with listening(answer) as address:
        cluster.agent.listening[8000] = address
        yield keys


async def test_a_client_streams_through_a_port_forward_with_a_key_of_its_own(
    cluster: Served, connection: Connection
) -> None:
    pod(cluster)
    go_on = asyncio.Event()
    async with (
        http_engine(cluster, go_on) as keys,
        reach.by_port_forward(connection, "default", "p", 8000) as route,
        route.client.stream("GET", "/v1/models", headers={"Authorization": "Bearer engine-key"}) as response,
    ):
        chunks = response.aiter_bytes()
        assert await anext(chunks) == b"data: one\n\n"
        go_on.set()
        assert await anext(chunks) == b"data: two\n\n"
        assert keys == ["Bearer engine-key"]
        assert "port-forward" in route.how


async def test_a_port_forward_takes_the_kubeconfigs_proxy_and_server_name(cluster: Served, tmp_path: Any) -> None:
    pod(cluster)
    async with http_proxy() as proxy:
        url = cluster.url.replace("127.0.0.1", "cluster.example")
        more: Json = {"proxy-url": proxy.url, "tls-server-name": "127.0.0.1"}
        path = for_server(url, cluster.ca, {"token": "operator"}, tmp_path, **more)
        async with Connection(resolve(path, None)) as connection:
            forward = await forwarding.open_forward(connection, "default", "p", 7)
            reader, writer = await asyncio.open_connection(sock=forward.local)
            writer.write(b"hello")
            assert await asyncio.wait_for(reader.readexactly(5), 10) == b"hello"
            writer.close()
            await writer.wait_closed()
        assert proxy.targets == [url.removeprefix("https://")]


async def test_what_keeps_a_port_forward_from_opening_is_said(cluster: Served, tmp_path: Any) -> None:
    pod(cluster)
    users: list[tuple[Json, type[Exception], str]] = [
        ({"token": "viewer"}, NotPermitted, "vera may not get pods/portforward in namespace default"),
        ({"token": "admin", "as": "someone"}, NotPermitted, "someone may not get pods/portforward"),
        ({"token": "wrong"}, CredentialsRejected, "did not accept the credentials"),
    ]
    for user, kind, text in users:
        path = for_server(cluster.url, cluster.ca, user, tmp_path)
        async with Connection(resolve(path, None)) as connection:
            with pytest.raises(kind, match=text):
                async with reach.by_port_forward(connection, "default", "p", 8000):
                    raise AssertionError("it must not open")
    path = for_server(cluster.url, cluster.ca, {"token": "admin"}, tmp_path)
    async with Connection(resolve(path, None)) as connection:
        with pytest.raises(NotFound):
            await forwarding.open_forward(connection, "default", "none", 8000)
        async with reach.by_port_forward(connection, "default", "p", 9) as route:
            with pytest.raises(httpx.ConnectError, match="nothing listens"):
                await route.client.get("/")
