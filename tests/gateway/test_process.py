"""The gateway as a process: fed by watches of an API server, killed under load, started again."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from genai_tui.composition import render_for_sandbox
from genai_tui.domain.keys import KeyRequest, new_key, to_secret
from genai_tui.domain.naming import SPEC_ANNOTATION, SYSTEM_NAMESPACE
from genai_tui.domain.usage import RequestRecord, Source
from genai_tui.gateway.journal import Journal
from genai_tui.metering.ledger import Ledger
from genai_tui.sandbox import registry
from tests.gateway.world import Engine
from tests.sandbox.serving import Served, served

CATALOGUE = """
apiVersion: genai-tui.dev/v1alpha1
kind: Model
metadata: {name: smollm2-135m}
spec: {source: {type: huggingface, repository: HuggingFaceTB/SmolLM2-135M-Instruct}}
---
apiVersion: genai-tui.dev/v1alpha1
kind: Endpoint
metadata: {name: internal}
spec: {hostname: llm.example.internal}
---
apiVersion: genai-tui.dev/v1alpha1
kind: ModelDeployment
metadata: {name: chat, namespace: team-a}
spec:
  model: smollm2-135m
  endpoint: internal
  engine: {type: vllm, image: "vllm/vllm-openai:v0.32.0"}
  resources: {cpu: "1", memory: 1Gi, gpu: 1}
  pricing: {currency: USD, inputPerMillion: "0.20", outputPerMillion: "0.60"}
  sharing: {mode: organizations, organizations: [org-a]}
"""
RESOURCES = {"Deployment": registry.DEPLOYMENTS, "Service": registry.SERVICES, "ConfigMap": registry.CONFIGMAPS}
LEFT = RequestRecord(
    "req_left", datetime(2026, 11, 23, tzinfo=UTC), Source.GATEWAY, "https://gone", "team-a", "chat", "m", None, None, None,
    status="error", finish_reason="gateway stopped",
)  # fmt: skip
READY = {"conditions": [{"type": "Ready", "status": "True"}], "podIP": "10.0.0.1"}


def fill(server: Served) -> None:
    """One deployment with a ready pod, whose port leads to a stub engine."""
    server.agent.apps[8000] = Engine(pause=0.004)

    def create() -> None:
        for name in ("team-a", SYSTEM_NAMESPACE):
            server.api.create(registry.NAMESPACES, "", {"metadata": {"name": name}})
        for item in render_for_sandbox(CATALOGUE):
            server.api.create(RESOURCES[item["kind"]], item["metadata"]["namespace"], item)
        template = server.api.get(registry.DEPLOYMENTS, "team-a", "chat")["spec"]["template"]
        meta = {"name": "chat-1", "namespace": "team-a", "labels": template["metadata"]["labels"]}
        pod = server.api.create(registry.PODS, "team-a", {"metadata": meta, "spec": template["spec"]})
        server.api.objects.put(registry.PODS, {**pod, "status": READY})

    server.call(create)


@dataclass
class Process:
    process: asyncio.subprocess.Process
    url: str

    async def end(self, number: signal.Signals) -> int:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 30)


@contextlib.asynccontextmanager
async def gateway(kubeconfig: Path, state: Path, port: int = 0) -> AsyncIterator[Process]:
    command = ["-m", "genai_tui", "--kubeconfig", str(kubeconfig), "gateway", "serve", "--port", str(port)]
    environment = {**os.environ, "XDG_STATE_HOME": str(state)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    found = Process(process, "")
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        found.url = json.loads(line)["gateway"]
        yield found
    finally:
        await found.end(signal.SIGKILL)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as running:
        fill(running)
        yield running


def make_key(server: Served) -> tuple[str, str]:
    made = new_key(KeyRequest("org-a", "alice"), datetime.now(UTC))
    item = to_secret(made, SYSTEM_NAMESPACE)
    server.call(lambda: server.api.create(registry.SECRETS, SYSTEM_NAMESPACE, item))
    return made.text, made.record.secret


def change(server: Served, **spec: Any) -> None:
    """Write another spec into the deployment, as an operator does."""

    def write() -> None:
        item = copy.deepcopy(server.api.get(registry.DEPLOYMENTS, "team-a", "chat"))
        kept = json.loads(item["metadata"]["annotations"][SPEC_ANNOTATION])
        item["metadata"]["annotations"][SPEC_ANNOTATION] = json.dumps(kept | spec)
        server.api.update(registry.DEPLOYMENTS, "team-a", "chat", item)

    server.call(write)


async def until(holds: Callable[[], Awaitable[bool]], limit: float = 20) -> None:
    async with asyncio.timeout(limit):
        while not await holds():
            await asyncio.sleep(0.02)


async def test_what_changes_in_the_cluster_holds_without_a_restart(server: Served, tmp_path: Path) -> None:
    async with gateway(server.kubeconfig(), tmp_path) as process, httpx.AsyncClient(trust_env=False) as client:
        text, secret = make_key(server)

        async def status() -> int:
            headers, body = {"Authorization": f"Bearer {text}"}, {"model": "chat", "messages": []}
            url = f"{process.url}/v1/chat/completions"
            return (await client.post(url, json=body, headers=headers)).status_code

        async def becomes(wanted: int) -> None:
            async def holds() -> bool:
                return await status() == wanted

            # Watched and not asked for now and then; how fast it is `benchmarks/gateway.py effect` measures.
            await until(holds, 8)

        await becomes(200)
        change(server, rateLimits={"user": {"requestsPerMinute": 1}})
        await becomes(429)
        change(server, sharing={"mode": "organizations", "organizations": ["org-b"]}, rateLimits={})
        await becomes(403)
        change(server, sharing={"mode": "all"})
        await becomes(200)
        server.call(lambda: server.api.delete(registry.SECRETS, SYSTEM_NAMESPACE, secret))
        await becomes(401)
        text, _ = make_key(server)
        await becomes(200)
        server.call(lambda: server.api.delete(registry.CONFIGMAPS, SYSTEM_NAMESPACE, "endpoint-internal"))
        await becomes(404)
        assert await process.end(signal.SIGTERM) == 0
    assert text not in "".join(path.read_text() for path in (tmp_path / "genai-tui").glob("*.log"))


async def test_a_request_broken_off_on_its_way_to_an_engine_is_no_failure(
    server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    context = ssl.create_default_context(cadata=server.ca.decode())
    host, port = server.url.removeprefix("https://").split(":")
    path = "/api/v1/namespaces/team-a/services/chat:8000/proxy/v1/chat/completions"
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer admin\r\nContent-Length: 900\r\n\r\n{{"
    writer.write(head.encode())
    await writer.drain()
    tasks = server._server.server_state.tasks

    async def asked() -> bool:
        return server.call(lambda: bool(tasks))

    async def over() -> bool:
        return server.call(lambda: not tasks)

    await until(asked)
    writer.transport.abort()
    await until(over)
    assert "Exception in ASGI application" not in caplog.text


async def limits(server: Served, state: Path, key: str) -> Any:
    """What the command tells of one key."""
    command = ["-m", "genai_tui", "--kubeconfig", str(server.kubeconfig()), "-n", "team-a", "limits", "chat"]
    environment = {**os.environ, "XDG_STATE_HOME": str(state)}
    asked = await asyncio.create_subprocess_exec(
        sys.executable, *command, "--key", key, "-o", "json", stdout=asyncio.subprocess.PIPE, env=environment
    )
    out, _ = await asyncio.wait_for(asked.communicate(), 60)
    assert asked.returncode == 0
    return json.loads(out)


async def test_limits_are_told_by_the_gateway_that_runs_and_by_nobody_else(server: Served, tmp_path: Path) -> None:
    text, secret = make_key(server)
    key = secret.removeprefix("genai-key-")
    change(server, rateLimits={"apiKey": {"requestsPerMinute": 3, "tokensPerMinute": 1000}})

    async def ask(client: httpx.AsyncClient, url: str) -> int:
        body = {"model": "chat", "messages": [], "max_tokens": 3}
        return (await client.post(f"{url}/v1/chat/completions", json=body)).status_code

    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {text}"}, trust_env=False) as client:
        async with gateway(server.kubeconfig(), tmp_path) as process:
            assert [await ask(client, process.url) for _ in range(4)] == [200, 200, 200, 429]
            told = await limits(server, tmp_path, f"k-{key}")
            assert [(item["unit"], item["used"]) for item in told["items"]] == [("requests", 3), ("tokens", 39)]
            assert (told["verdict"]["status"], told["notKnown"]) == (429, None)
            elsewhere = await limits(server, tmp_path / "elsewhere", f"k-{key}")
            assert "with this state directory" in elsewhere["notKnown"]
            assert [item["used"] for item in elsewhere["items"]] == [None, None]
            assert elsewhere["verdict"] is None
            (published,) = (tmp_path / "genai-tui" / "gateway").glob("*/operators.json")
            assert published.stat().st_mode & 0o777 == 0o600
            own = json.loads(published.read_text())["url"]
            assert (await client.get(f"{own}/counters", params={"deployment": "team-a/chat"})).status_code == 401
            await process.end(signal.SIGKILL)
        gone = await limits(server, tmp_path, f"k-{key}")
        assert "does not answer any more" in gone["notKnown"]
        assert gone["verdict"] is None
        async with gateway(server.kubeconfig(), tmp_path) as process:
            assert await ask(client, process.url) == 200
            told = await limits(server, tmp_path, f"k-{key}")
            assert [item["used"] for item in told["items"]] == [1, 13], "its windows are new"
            assert told["verdict"]["admitted"]
            assert await process.end(signal.SIGTERM) == 0
        assert not published.exists()


async def test_a_gateway_killed_under_load_has_every_finished_request_once(server: Served, tmp_path: Path) -> None:
    text, _ = make_key(server)
    finished: dict[str, int] = {}
    seen: set[str] = set()
    async with httpx.AsyncClient(
        headers={"Authorization": f"Bearer {text}"}, trust_env=False, timeout=20, limits=httpx.Limits()
    ) as client:

        async def ask(url: str, number: int) -> None:
            with contextlib.suppress(httpx.TransportError):
                while True:
                    length = 2 + number % 9
                    options = {"include_usage": True} if number % 2 else None
                    body = {"model": "chat", "messages": [], "max_tokens": length, "stream": number % 3 > 0}
                    asked = body | ({"stream_options": options} if options and body["stream"] else {})
                    async with client.stream("POST", f"{url}/v1/chat/completions", json=asked) as answer:
                        assert answer.status_code == 200
                        seen.add(answer.headers["x-request-id"])
                        whole = await answer.aread()
                        if not body["stream"] or whole.endswith(b"data: [DONE]\n\n"):
                            finished[answer.headers["x-request-id"]] = 10 + length

        for _ in range(2):
            async with gateway(server.kubeconfig(), tmp_path) as process:
                before = len(finished)
                load = [asyncio.create_task(ask(process.url, number)) for number in range(30)]

                async def enough(before: int = before) -> bool:
                    return len(finished) > before + 150

                await until(enough)
                await process.end(signal.SIGKILL)
                await asyncio.gather(*load)
    # One of another address was killed too, and does not come back.
    with Journal(tmp_path / "genai-tui" / "gateway" / "0123456789ab") as journal:
        journal.write(LEFT)
    seen.add(LEFT.id)
    async with gateway(server.kubeconfig(), tmp_path) as process:
        ledger = Ledger(tmp_path / "genai-tui" / "ledger.db")

        async def rows() -> dict[str, Any]:
            found = await ledger.requests(datetime(2020, 1, 1, tzinfo=UTC))
            assert len({row.id for row in found}) == len(found)
            return {row.id: row for row in found}

        async def recovered() -> bool:
            return finished.keys() | seen <= (await rows()).keys()

        await until(recovered)
        kept = await rows()
        assert all(kept[name].usage.total == total and kept[name].status == "ok" for name, total in finished.items())
        cut = [row for name, row in kept.items() if name not in finished and row.status != "ok"]
        assert any(row.finish_reason == "gateway stopped" for row in cut)
        assert all(row.usage is None or row.status == "cancelled" for row in cut)
        # A second one has other counters: it is refused while the first one runs.
        with pytest.raises(json.JSONDecodeError):
            async with gateway(server.kubeconfig(), tmp_path):
                pass
        assert await process.end(signal.SIGTERM) == 0
        await ledger.close()
