"""A gateway on a real socket with a stub engine behind it, which speaks vLLM's dialect and does what it is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from genai_tui.domain.documents import Endpoint, ModelDeployment
from genai_tui.domain.keys import KeyRecord, hash_of
from genai_tui.domain.rows import Ref
from genai_tui.gateway.app import Gateway
from genai_tui.gateway.journal import Journal
from genai_tui.gateway.recorder import Recorder
from genai_tui.gateway.refused import Refusals
from genai_tui.gateway.server import base_url, listen, serve
from genai_tui.metering.ledger import Ledger
from genai_tui.metering.refusals import RefusalRows

CHAT = Ref("team-a", "chat")
KEY = "sk-genai-alice"
PRICING = {"currency": "USD", "inputPerMillion": "0.20", "outputPerMillion": "0.60"}


def deployment(
    name: str = "chat", namespace: str = "team-a", *, limits: Mapping[str, Any] | None = None, sharing: Any = None
) -> ModelDeployment:
    return ModelDeployment.model_validate({
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "model": "smollm2-135m", "endpoint": "internal",
            "engine": {"type": "vllm", "image": "vllm/vllm-openai:v0.33.0"},
            "resources": {"cpu": "1", "memory": "1Gi"},
            "rateLimits": limits or {}, "pricing": PRICING,
            "sharing": sharing or {"mode": "organizations", "organizations": ["org-a"]},
        },
    })  # fmt: skip


def endpoint(name: str = "internal", **spec: Any) -> Endpoint:
    return Endpoint.model_validate({"metadata": {"name": name}, "spec": {"hostname": "llm.example.com", **spec}})


def key(text: str = KEY, **more: Any) -> KeyRecord:
    given = {"id": "k-1", "organization": "org-a", "user": "alice", "hash": hash_of(text), **more}
    return KeyRecord(**given)


@dataclass
class Engine:
    """The stub. `prompt` tokens are 10; an answer has `max_tokens` tokens, one a chunk."""

    running_usage: bool = True
    tokenizer: bool = True
    word: str = " a"
    pause: float = 0.0
    stop_after: int | None = None
    hold: asyncio.Event | None = None
    answer: tuple[int, bytes] | None = None
    seen: list[tuple[dict[str, Any], dict[bytes, bytes]]] = field(default_factory=list)
    hung_up: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        data = json.loads(await Request(scope, receive).body())
        path = scope["path"]
        if path.endswith("/tokenize") and not self.tokenizer:
            return await self._json(send, 404, {"detail": "Not Found"})
        if path.endswith("/tokenize"):
            count = 10 if "messages" in data else len(data["prompt"].split())
            return await self._json(send, 200, {"count": count})
        self.seen.append((data, dict(scope["headers"])))
        if self.answer is not None:
            return await self._bytes(send, *self.answer)
        if path.endswith("/embeddings"):
            usage = {"prompt_tokens": 4, "total_tokens": 4}
            item = {"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}
            return await self._json(send, 200, {"object": "list", "data": [item], "model": "chat", "usage": usage})
        if path.endswith("/rerank"):
            found = {"index": 0, "document": {"text": data["documents"][0]}, "relevance_score": 0.97}
            answer = {"id": "r", "model": "chat", "usage": {"total_tokens": 9}, "results": [found]}
            return await self._json(send, 200, answer)
        wanted = data.get("max_tokens", 3)
        usage = {"prompt_tokens": 10, "completion_tokens": wanted, "total_tokens": 10 + wanted}
        if not data.get("stream"):
            if self.hold is not None:
                await self.hold.wait()
            call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            said = {"role": "assistant", "content": None if data.get("tools") else " a" * wanted}
            said |= {"tool_calls": [call]} if data.get("tools") else {}
            choice = {"index": 0, "message": said, "finish_reason": "stop"}
            return await self._json(send, 200, self._object("chat.completion") | {"choices": [choice], "usage": usage})
        await self._stream(receive, send, wanted, usage)

    async def _stream(self, receive: Receive, send: Send, wanted: int, usage: dict[str, int]) -> None:
        gone = asyncio.create_task(self._gone(receive))
        head = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        try:
            for number in range(1, wanted + 1):
                if self.stop_after is not None and number > self.stop_after:
                    if self.hold is None:
                        raise ConnectionResetError
                    await asyncio.wait({gone, asyncio.ensure_future(self.hold.wait())}, return_when="FIRST_COMPLETED")
                if gone.done():
                    self.hung_up += 1
                    return
                choice = {
                    "index": 0,
                    "delta": {"content": self.word},
                    "finish_reason": "stop" if number == wanted else None,
                }
                chunk = self._object("chat.completion.chunk") | {"choices": [choice]}
                if self.running_usage:
                    chunk["usage"] = {"prompt_tokens": 10, "completion_tokens": number, "total_tokens": 10 + number}
                await self._event(send, chunk)
                if self.pause:
                    await asyncio.sleep(self.pause)
            await self._event(send, self._object("chat.completion.chunk") | {"choices": [], "usage": usage})
            await send({"type": "http.response.body", "body": b"data: [DONE]\n\n", "more_body": False})
        finally:
            gone.cancel()

    async def _gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    def _object(self, kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "chat"}

    async def _event(self, send: Send, data: dict[str, Any]) -> None:
        event = b"data: " + json.dumps(data).encode() + b"\n\n"
        await send({"type": "http.response.body", "body": event, "more_body": True})

    async def _json(self, send: Send, status: int, data: Any) -> None:
        await self._bytes(send, status, json.dumps(data).encode())

    async def _bytes(self, send: Send, status: int, body: bytes) -> None:
        head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": body, "more_body": False})


@dataclass(frozen=True)
class Way:
    client: httpx.AsyncClient
    base: str = "/engine"


@dataclass
class World:
    """What a test needs. `now` moves the windows' clock."""

    gateway: Gateway
    engine: Engine
    ledger: Ledger
    recorder: Recorder
    refusals: Refusals
    url: str
    stop: asyncio.Event
    now: float = 1000.0

    async def rows(self, count: int) -> list[Any]:
        """The ledger's rows, once there are so many."""
        async with asyncio.timeout(20):
            while True:
                found = await self.ledger.requests(datetime(2020, 1, 1, tzinfo=UTC))
                if len(found) >= count and not self.recorder.waiting:
                    return list(found)
                await asyncio.sleep(0.02)

    def put(self, document: ModelDeployment) -> None:
        ref = Ref(document.metadata.namespace or "", document.metadata.name)
        self.gateway.directory.put_deployment(ref, document)

    def client(self, text: str | None = KEY) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {text}"} if text else {}
        return httpx.AsyncClient(
            base_url=self.url, headers=headers, trust_env=False, timeout=30, limits=httpx.Limits(max_connections=300)
        )


@contextlib.asynccontextmanager
async def running(app: Any) -> AsyncIterator[str]:
    """Any ASGI application on a loopback port."""
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, lifespan="off", http="httptools", timeout_graceful_shutdown=1)
    )
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        await task
        listener.close()


@contextlib.asynccontextmanager
async def world(
    directory: Path, engine: Engine | None = None, *, base: str | None = None, silence_s: float = 30.0
) -> AsyncIterator[World]:
    """A gateway that serves `chat` in team-a to org-a. `base`: an address without an engine."""
    engine = engine or Engine()
    stop, listener = asyncio.Event(), listen("127.0.0.1", 0)
    ledger = Ledger(directory / "ledger.db")
    async with contextlib.AsyncExitStack() as stack:
        address = await stack.enter_async_context(running(engine)) if base is None else base
        limits = httpx.Limits(max_connections=1000)
        client = httpx.AsyncClient(base_url=address, trust_env=False, timeout=30, limits=limits)
        await stack.enter_async_context(client)
        recorder = Recorder(stack.enter_context(Journal(directory / "journal")), ledger.record_many)
        refusals = Refusals("https://c", lambda: datetime.now(UTC), RefusalRows(ledger).add)
        gateway = Gateway(
            cluster="https://c", reach=lambda _: Way(client), recorder=recorder, clock=lambda: datetime.now(UTC),
            steady=lambda: found.now, refusals=refusals, silence_s=silence_s,
        )  # fmt: skip
        found = World(gateway, engine, ledger, recorder, refusals, base_url(listener), stop)
        gateway.directory.put_endpoints([endpoint()])
        gateway.directory.put_deployment(CHAT, deployment())
        gateway.keyring.put("one", key())
        recorder.recover()
        recording = asyncio.create_task(recorder.run())
        serving = asyncio.create_task(serve(gateway.app(), listener, stop, 5, malformed=gateway.malformed))
        try:
            yield found
        finally:
            stop.set()
            if engine.hold is not None:
                engine.hold.set()
            await serving
            recording.cancel()
            await asyncio.gather(recording, return_exceptions=True)
            await ledger.close()
            listener.close()
