"""Ways to an engine from outside the cluster: the API server's proxy, or a port-forward to one pod.

The proxy uses our own connection, but the API server takes the Authorization header for itself; an engine with a key of
its own is reached by port-forward.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx

from genai_tui.errors import Unreachable
from genai_tui.kube.connection import Connection


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


@contextlib.asynccontextmanager
async def by_port_forward(connection: Connection, namespace: str, pod: str, port: int) -> AsyncIterator[Route]:
    """Through a local port that leads to the pod while the block lasts: needs `create` on pods/portforward.

    Raises:
        Unreachable: the API server does not open the forward.
    """
    headers = await connection.credentials.headers()
    server = await asyncio.start_server(
        lambda reader, writer: _relay(connection, headers, namespace, pod, port, reader, writer), "127.0.0.1", 0
    )
    local = server.sockets[0].getsockname()[1]
    client = httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{local}", trust_env=False, timeout=httpx.Timeout(30, read=None)
    )
    try:
        yield Route(client, "", f"port-forward from 127.0.0.1:{local}")
    finally:
        await client.aclose()
        server.close()
        await server.wait_closed()


async def _relay(
    connection: Connection,
    headers: dict[str, str],
    namespace: str,
    pod: str,
    port: int,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Carry one local connection over one port-forward of the `kubernetes` package, which speaks its framing."""
    try:
        forward = await asyncio.to_thread(_open, connection, headers, namespace, pod, port)
    except Exception as error:
        writer.close()
        raise Unreachable(f"no port-forward to {namespace}/{pod}:{port}", why=str(error)) from error
    with contextlib.closing(forward):
        forward.setblocking(False)
        loop = asyncio.get_running_loop()
        up = asyncio.create_task(_up(loop, forward, reader))
        try:
            while data := await loop.sock_recv(forward, 65536):
                writer.write(data)
                await writer.drain()
        finally:
            up.cancel()
            writer.close()


async def _up(loop: asyncio.AbstractEventLoop, forward: socket.socket, reader: asyncio.StreamReader) -> None:
    while data := await reader.read(65536):
        await loop.sock_sendall(forward, data)


def _open(connection: Connection, headers: dict[str, str], namespace: str, pod: str, port: int) -> socket.socket:
    """Open the forward; blocks, and loads the `kubernetes` package."""
    from kubernetes.client import ApiClient, Configuration, CoreV1Api
    from kubernetes.stream import portforward

    target = connection.target
    configuration = Configuration()
    configuration.host = target.server
    configuration.verify_ssl = not target.insecure
    if target.ca is not None:
        configuration.ssl_ca_cert = _ca_file(target.ca)
    api = ApiClient(configuration)
    for name, value in headers.items():
        api.default_headers[name] = value
    forward = portforward(CoreV1Api(api).connect_get_namespaced_pod_portforward, pod, namespace, ports=str(port))
    found: socket.socket = forward.socket(port)
    return found


def _ca_file(ca: bytes) -> str:
    """The CA as a file, kept for the life of the process: the WebSocket library reads it when it connects."""
    import tempfile

    with tempfile.NamedTemporaryFile(prefix="genai-tui-ca-", suffix=".pem", delete=False) as file:
        file.write(ca)
    return file.name
