"""Clients that leave, half leave, trickle, do not read, or write a path otherwise; and what is noted of each."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from genai_tui.gateway import asking, protocol
from genai_tui.gateway.server import base_url, listen, serve
from tests.gateway.test_gateway import ASKED, _raw
from tests.gateway.world import CHAT, KEY, Engine, World, deployment, world


def port(it: World) -> int:
    return int(it.url.rsplit(":", 1)[1])


def request(body: bytes, *, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {size}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_closes_its_own_side_gets_its_answer(tmp_path: Path, stream: bool) -> None:
    engine = Engine(hold=asyncio.Event(), stop_after=1)
    async with world(tmp_path, engine) as it:
        asked = asyncio.create_task(_raw(port(it), request(json.dumps(ASKED | {"stream": stream}).encode())))
        async with asyncio.timeout(10):
            while not engine.seen:
                await asyncio.sleep(0.01)
        # Longer than it takes to find out that a client has gone.
        await asyncio.sleep(5 * protocol.LOOK_FIRST_S)
        assert engine.hold is not None
        engine.hold.set()
        answer = await asked
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert (b"data: [DONE]" in answer) == stream
        assert (await it.rows(1))[0].status == "ok"


async def test_a_request_that_breaks_off_is_told_so(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        for broken in (request(b"{", length=9), b"GET /v1/models HTTP/1.1\r\nHost: x\r\n"):
            answer = await _raw(port(it), broken)
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert b"was closed in the middle of" in answer
        assert not it.engine.seen


async def test_a_body_that_trickles_is_not_awaited_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "BODY_TOTAL_S", 0.3)
    monkeypatch.setattr(protocol, "REST_WAIT_S", 0.3)
    async with world(tmp_path) as it:
        reader, writer = await asyncio.open_connection("127.0.0.1", port(it))
        writer.write(request(b"", length=100_000))

        async def trickle() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.02)

        trickling = asyncio.create_task(trickle())
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(20):
                assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
                await reader.read()
        trickling.cancel()
        writer.close()


async def test_a_client_that_reads_nothing_is_let_go_and_charged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "WRITE_WAIT_S", 0.2)
    async with world(tmp_path, Engine(word="a" * 200_000)) as it:
        _, writer = await asyncio.open_connection("127.0.0.1", port(it), limit=1)
        writer.write(request(json.dumps(ASKED | {"stream": True, "max_tokens": 500}).encode()))
        (row,) = await it.rows(1)
        assert row.status == "cancelled"
        assert 0 < row.usage.completion < 500
        writer.close()


async def test_every_request_has_one_line_and_an_id_and_every_refusal_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "genai_tui.gateway.access")
    async with world(tmp_path) as it, it.client() as client:
        lines = []
        for method, path, status in (
            ("GET", "/v1/models", 200), ("GET", "/v1/models/chat", 200), ("GET", "/v1/models/none", 404),
            ("GET", "/nowhere", 404), ("GET", "/v1/chat/completions", 405), ("GET", "/healthz", 200),
        ):  # fmt: skip
            answer = await client.request(method, path)
            assert answer.status_code == status
            lines.append(f"{answer.headers['x-request-id']} 127.0.0.1 {method} {path} {status}")
        assert (await _raw(port(it), b"no HTTP\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        assert (await _raw(port(it), b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n")).startswith(
            b"HTTP/1.1 431 "
        )
        said = [record.getMessage() for record in caplog.records if record.name == "genai_tui.gateway.access"]
        assert [line[: len(start)] for line, start in zip(said, lines, strict=False)] == lines
        assert [line.split()[2:5] for line in said[len(lines) :]] == [["-", "-", "400"], ["-", "-", "431"]]
        assert KEY not in caplog.text
        page = (await client.get("/metrics")).text
        for code, count in (("400", 1), ("404", 2), ("405", 1), ("431", 1)):
            assert f'genai_gateway_refused_total{{code="{code}"}} {count}.0' in page


async def test_a_slash_at_the_end_means_nothing_and_nothing_is_redirected(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.client() as client, it.client(None) as nobody:
        models = await client.get("/v1/models/")
        assert [model["id"] for model in models.json()["data"]] == ["chat", "smollm2-135m"]
        # Every name that may be asked for can be looked up, and a long one is not sent back whole.
        assert (await client.get("/v1/models/team-a/chat")).json()["id"] == "team-a/chat"
        unknown = await client.post("/v1/chat/completions", json=ASKED | {"model": "x" * 100_000})
        assert (unknown.status_code, len(unknown.content) < 600) == (404, True)
        assert (await client.post("/v1/chat/completions/", json=ASKED)).status_code == 200
        away = await nobody.post("/v1/chat/completions/", json=ASKED, headers={"Host": "evil.example"})
        assert (away.status_code, "location" in away.headers) == (401, False)
        assert (await nobody.get("/nowhere/")).json()["error"]["code"] == "unknown_url"


async def test_metrics_are_for_this_machine_or_on_a_port_of_their_own(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.client(None) as client:
        assert (await client.get("/metrics")).status_code == 200
        forwarded = await client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"})
        assert (forwarded.status_code, forwarded.json()["error"]["code"]) == (404, "unknown_url")
        stranger = httpx.ASGITransport(it.gateway.app(), client=("192.0.2.1", 1234))
        async with httpx.AsyncClient(transport=stranger, base_url="http://gateway") as away:
            assert (await away.get("/metrics")).status_code == 404
            assert (await away.get("/healthz")).status_code == 200
        apart, stop = listen("127.0.0.1", 0), asyncio.Event()
        serving = asyncio.create_task(serve(it.gateway.metrics_app(), apart, stop, 1))
        assert "genai_gateway_refused_total" in (await client.get(f"{base_url(apart)}/metrics")).text
        assert (await client.get("/metrics")).status_code == 404
        stop.set()
        await serving
        apart.close()


async def test_small_things_are_said_as_they_are(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.client() as client:
        made = datetime(2026, 11, 23, tzinfo=UTC)
        it.gateway.directory.put_deployment(CHAT, deployment(), made)
        assert (await client.get("/v1/models")).json()["data"][0]["created"] == int(made.timestamp())
        for number in (b"9" * 5000, b"1e999"):
            large = await client.post("/v1/chat/completions", content=b'{"model": "chat", "seed": ' + number + b"}")
            assert (large.status_code, large.json()["error"]["code"]) == (400, "invalid_value")
            assert "too large" in large.json()["error"]["message"]


@pytest.mark.parametrize(("host", "said"), [("::1", "[::1]"), ("::", "[::1]"), ("0.0.0.0", "127.0.0.1")])
def test_the_address_is_one_that_can_be_called(host: str, said: str) -> None:
    listener = listen(host, 0)
    assert base_url(listener) == f"http://{said}:{listener.getsockname()[1]}"
    listener.close()
