"""The gateway beside a direct connection to the same engine in the same run: time to first token, tokens a second.

The engine is a stub in a process of its own that answers at an engine's pace: a token every PACE ms for each of 50
streams, each chunk with a running usage as vLLM sends it. The gateway is the real one, in a process of its own: keys,
six limits, journal and ledger. Streams go in a closed loop of 50, each connection kept; direct and through the gateway
in turn, so that whatever else the machine does falls on both.

    python benchmarks/gateway.py [STREAMS]
    python -m benchmarks.gateway effect     # seconds until a change in the cluster holds at a running gateway
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import httptools
import httpx
import uvicorn

from genai_tui.domain.documents import Endpoint, ModelDeployment
from genai_tui.domain.keys import KeyRecord, hash_of
from genai_tui.domain.rows import Ref
from genai_tui.gateway.app import Gateway
from genai_tui.gateway.journal import Journal
from genai_tui.gateway.recorder import Recorder
from genai_tui.gateway.server import base_url, listen, serve
from genai_tui.metering.ledger import Ledger

STREAMS, TOKENS, PACE_S, ROUNDS, ROUND_S = 50, 64, 0.025, 4, 5.0
KEY = "sk-genai-benchmark"
MANY = {"tokensPerMinute": 10**9, "requestsPerMinute": 10**6}
SPEC = {
    "model": "m", "endpoint": "e", "engine": {"type": "vllm", "image": "vllm"}, "sharing": {"mode": "all"},
    "resources": {"cpu": "1", "memory": "1Gi"}, "rateLimits": {"organization": MANY, "user": MANY, "apiKey": MANY},
    "pricing": {"inputPerMillion": "0.2", "outputPerMillion": "0.6"},
}  # fmt: skip


def chunk(number: int) -> bytes:
    """A chunk as vLLM writes it with --enable-force-include-usage."""
    usage = {"prompt_tokens": 34, "completion_tokens": number, "total_tokens": 34 + number}
    choice = {"index": 0, "delta": {"content": " word"}, "logprobs": None, "finish_reason": None}
    head = {"id": "chatcmpl-0123456789", "object": "chat.completion.chunk", "created": 1, "model": "chat"}
    return b"data: " + json.dumps(head | {"choices": [choice], "usage": usage}).encode() + b"\n\n"


CHUNKS = [chunk(number) for number in range(1, TOKENS + 1)]
LAST = chunk(TOKENS).replace(b'"choices": [{', b'"choices": [], "x": [{') + b"data: [DONE]\n\n"


async def engine(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
    """Tokens at a steady pace."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    due = time.perf_counter()
    for piece in CHUNKS:
        due += PACE_S
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": LAST, "more_body": False})


def run_engine(pipe: Pipe) -> None:
    """The engine's process."""
    listener = listen("127.0.0.1", 0)
    pipe.send(base_url(listener))
    config = uvicorn.Config(engine, log_config=None, lifespan="off", http="httptools")
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


@dataclass(frozen=True)
class Way:
    """To the engine, past the API server, whose own time is no part of this."""

    client: httpx.AsyncClient
    base: str = ""


def run_gateway(pipe: Pipe, address: str, directory: Path) -> None:
    """The gateway's process."""

    async def run() -> None:
        listener, ledger = listen("127.0.0.1", 0), Ledger(directory / "ledger.db")
        client = httpx.AsyncClient(base_url=address, trust_env=False, limits=httpx.Limits(max_connections=1000))
        with Journal(directory / "journal") as journal:
            recorder = Recorder(journal, ledger.record_many)
            gateway = Gateway(
                cluster="c", reach=lambda _: Way(client), recorder=recorder, clock=lambda: datetime.now(UTC)
            )
            gateway.directory.put_endpoints(
                [Endpoint.model_validate({"metadata": {"name": "e"}, "spec": {"hostname": "a.example.com"}})]
            )
            document = ModelDeployment.model_validate({"metadata": {"name": "chat", "namespace": "t"}, "spec": SPEC})
            gateway.directory.put_deployment(Ref("t", "chat"), document)
            gateway.keyring.put("k", KeyRecord("k-1", "org-a", "alice", hash_of(KEY)))
            recording = asyncio.create_task(recorder.run())
            pipe.send(base_url(listener))
            await serve(gateway.app(), listener, asyncio.Event(), 1)
            recording.cancel()

    asyncio.run(run())


@dataclass
class Measured:
    """One side's figures: seconds to the first token of each answer, tokens and seconds altogether."""

    first: list[float] = field(default_factory=list)
    tokens: int = 0
    seconds: float = 0.0


class Client(asyncio.Protocol):
    """One kept connection that asks again when an answer has ended: as little work as a client can have."""

    def __init__(self, measured: Measured, stop_at: float) -> None:
        body = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "Hello"}], "stream": True})
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {KEY}\r\n"
        self._request = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        self._measured, self._stop_at = measured, stop_at
        self.done = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._begun, self._asked = False, 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As in the base class."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """As in the base class."""
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """As in the base class."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))

    def on_body(self, body: bytes) -> None:
        """A piece of the answer, from the parser."""
        found = body.count(b'"content"')
        if found and not self._begun:
            self._begun = True
            self._measured.first.append(time.perf_counter() - self._asked)
        if time.perf_counter() < self._stop_at:
            self._measured.tokens += found

    def on_message_complete(self) -> None:
        """The end of an answer, from the parser."""
        if self._parser.get_status_code() != 200:
            self.done.set_exception(RuntimeError(f"the answer was {self._parser.get_status_code()}"))
        elif time.perf_counter() >= self._stop_at:
            self.done.set_result(None)
        else:
            asyncio.get_running_loop().call_soon(self._ask)

    def _ask(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._begun, self._asked = False, time.perf_counter()
        self._transport.write(self._request)


async def measure(url: str, streams: int, measured: Measured) -> None:
    """One round; connections begin one after the other within the time of an answer, as traffic does."""
    host, port = url.removeprefix("http://").split(":")
    began = time.perf_counter()
    clients = []
    for _ in range(streams):
        made = asyncio.get_running_loop().create_connection(lambda: Client(measured, began + ROUND_S), host, int(port))
        clients.append((await made)[1])
        await asyncio.sleep(TOKENS * PACE_S / streams)
    await asyncio.gather(*(client.done for client in clients))
    measured.seconds += ROUND_S
    for client in clients:
        client._transport.close()


def started(run: Callable[..., None], *arguments: object) -> tuple[Any, str]:
    """A process, and the address it says."""
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=run, args=(theirs, *arguments), daemon=True)
    process.start()
    return process, ours.recv()


async def effect() -> None:
    """Print how long it takes until a key that was made is taken, and one that was deleted is not (to be under 1 s)."""
    from genai_tui.domain.naming import SYSTEM_NAMESPACE
    from genai_tui.sandbox import registry
    from tests.gateway.test_process import fill, gateway, make_key
    from tests.sandbox.serving import served

    taken: list[float] = []
    with tempfile.TemporaryDirectory() as directory, served(Path(directory)) as server:
        fill(server)
        async with (
            gateway(server.kubeconfig(), Path(directory)) as process,
            httpx.AsyncClient(base_url=process.url, trust_env=False) as client,
        ):

            async def becomes(text: str, status: int) -> None:
                began = time.perf_counter()
                headers = {"Authorization": f"Bearer {text}"}
                answer = await client.get("/v1/models", headers=headers)
                while answer.status_code != status:
                    answer = await client.get("/v1/models", headers=headers)
                taken.append(time.perf_counter() - began)

            for _ in range(20):
                text, secret = await asyncio.to_thread(make_key, server)
                await becomes(text, 200)
                server.call(partial(server.api.delete, registry.SECRETS, SYSTEM_NAMESPACE, secret))
                await becomes(text, 401)
    median, most = statistics.median(taken), max(taken)
    print(f"a change holds after {median:.3f} s at the median, {most:.3f} s at most of {len(taken)}")


async def main() -> None:
    """Print both, and the two figures that count."""
    streams = int(sys.argv[1]) if len(sys.argv) > 1 else STREAMS
    with tempfile.TemporaryDirectory() as directory:
        first, address = started(run_engine)
        second, gateway = started(run_gateway, address, Path(directory))
        direct, through = Measured(), Measured()
        rounds: list[Callable[[], Awaitable[None]]] = [
            lambda: measure(address, streams, direct),
            lambda: measure(gateway, streams, through),
        ]
        for number in range(ROUNDS):
            for run in rounds if number % 2 else reversed(rounds):
                await run()
        for process in (second, first):
            process.terminate()
            process.join()
    print(f"{streams} concurrent streams of {TOKENS} tokens, one every {PACE_S * 1000:.0f} ms; {ROUNDS} rounds each")
    for name, it in (("direct", direct), ("gateway", through)):
        quantiles = statistics.quantiles(it.first, n=20)
        first = f"first token median {statistics.median(it.first) * 1000:6.2f} ms, p95 {quantiles[18] * 1000:6.2f} ms"
        print(f"{name:8} {first}; {it.tokens / it.seconds:7.0f} tokens/s; {len(it.first)} answers")
    added = (statistics.median(through.first) - statistics.median(direct.first)) * 1000
    ratio = (through.tokens / through.seconds) / (direct.tokens / direct.seconds)
    print(f"added to the first token, median: {added:.2f} ms (to be under 5)")
    print(f"throughput ratio: {ratio:.3f} (to be at least 0.9)")


if __name__ == "__main__":
    asyncio.run(effect() if sys.argv[1:] == ["effect"] else main())
