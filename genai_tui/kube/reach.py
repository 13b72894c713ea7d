"""Ways to an engine from outside the cluster: the API server's proxy, or a port-forward to one pod.

The proxy uses our own connection, but the API server takes the Authorization header for itself; an engine with a key of
its own is reached by port-forward.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from genai_tui.errors import GenaiTuiError
from genai_tui.kube import forwarding
from genai_tui.kube.connection import Connection

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Route:
    """A client and the base path under which the engine's paths are."""

    client: httpx.AsyncClient
    base: str
    how: str


def by_service(connection: Connection, namespace: str, service: str, port: int) -> Route:
    """Through the API server's service proxy: needs `get` and `create` on services/proxy."""
    base = f"/api/v1/namespaces/{namespace}/services/{service}:{port}/proxy"
    return Route(connection.http, base, "service proxy")


def by_pod(connection: Connection, namespace: str, pod: str, port: int) -> Route:
    """Through the API server's pod proxy: for workloads without a Service."""
    base = f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy"
    return Route(connection.http, base, "pod proxy")


class NobodyThere(httpx.ConnectError):
    """The forward was opened, and the pod's own port did not answer: said by the pod's node."""


@contextlib.asynccontextmanager
async def by_port_forward(connection: Connection, namespace: str, pod: str, port: int) -> AsyncIterator[Route]:
    """Through a port-forward to the pod, while the block lasts: needs `create` on pods/portforward.

    Nothing listens on a port of this machine, where other users could reach it: the client uses a socket file that
    is ours alone.

    Raises:
        NotPermitted, NotFound, CredentialsRejected, Unreachable: the API server does not open the forward.
    """
    relay = _Relay(connection, namespace, pod, port)
    (await relay.open()).close()
    with tempfile.TemporaryDirectory(prefix="genai-tui-") as directory:
        path = str(Path(directory) / "engine")
        server = await asyncio.start_unix_server(relay.accept, path)
        transport = _Transport(relay, httpx.AsyncHTTPTransport(uds=path, trust_env=False))
        client = httpx.AsyncClient(
            base_url=f"http://{pod}:{port}",
            transport=transport,
            trust_env=False,
            timeout=httpx.Timeout(30, read=None),
        )
        try:
            yield Route(client, "", f"port-forward to {pod}")
        finally:
            await client.aclose()
            server.close()
            await relay.close()


class _Transport(httpx.AsyncBaseTransport):
    """Says what the port-forward said when a request through it fails."""

    def __init__(self, relay: _Relay, inner: httpx.AsyncHTTPTransport) -> None:
        self._relay, self._inner = relay, inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As in the base class."""
        self._relay.problem, self._relay.from_node = "", False
        try:
            return await self._inner.handle_async_request(request)
        except httpx.TransportError as error:
            if self._relay.from_node:
                raise NobodyThere(self._relay.problem, request=request) from error
            if self._relay.problem:
                raise httpx.ConnectError(self._relay.problem, request=request) from error
            raise

    async def aclose(self) -> None:
        """As in the base class."""
        await self._inner.aclose()


class _Relay:
    """Carries each local connection over a port-forward of its own."""

    def __init__(self, connection: Connection, namespace: str, pod: str, port: int) -> None:
        self._connection, self._namespace, self._pod, self._port = connection, namespace, pod, port
        self._tasks: set[asyncio.Task[None]] = set()
        self.problem, self.from_node = "", False

    async def open(self) -> forwarding.Forward:
        """Open a forward; once more with other credentials when these were rejected."""
        return await forwarding.open_forward(self._connection, self._namespace, self._pod, self._port)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one local connection, in a task of its own."""
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Also of a task that is cancelled before it began.
        task.add_done_callback(lambda _: writer.close())

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until either side has no more to say."""
        try:
            forward = await self.open()
            try:
                await _both_ways(reader, writer, forward.local)
            finally:
                forward.close()
            said = forward.problem()
            self.problem, self.from_node = said or self.problem, bool(said)
        except (GenaiTuiError, OSError) as error:
            self.problem = error.problem.line if isinstance(error, GenaiTuiError) else str(error)
            log.info("port-forward to %s/%s ended: %s", self._namespace, self._pod, self.problem)

    async def close(self) -> None:
        """End what is still being carried."""
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # A transport is closed at the next turn of the loop.
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def _both_ways(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, far: socket.socket) -> None:
    far_reader, far_writer = await asyncio.open_connection(sock=far)
    ways = [asyncio.create_task(_copy(reader, far_writer)), asyncio.create_task(_copy(far_reader, writer))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        far_writer.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
