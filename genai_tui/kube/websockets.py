"""A WebSocket to the API server, opened as our other requests are: same proxy, same TLS, same credentials.

The `kubernetes` package opens WebSockets of its own, but leaves out impersonation, follows redirects with the token,
and takes proxies from the environment against the kubeconfig. So the socket is opened here.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import unquote, urlsplit

from genai_tui.errors import CredentialsRejected, Unreachable
from genai_tui.kube.connection import CONNECT_LIMIT_S, Connection
from genai_tui.kube.refusals import refusal, unreachable

if TYPE_CHECKING:
    from websocket import WebSocket

PROTOCOL = "v4.channel.k8s.io"
"""Each message begins with the number of its channel:
https://kubernetes.io/docs/reference/using-api/api-concepts/#websocket ."""


class Closable(Protocol):
    """What is made of an open socket."""

    def close(self) -> None:
        """Hang up."""


Made = TypeVar("Made", bound=Closable)


async def opened(connection: Connection, path: str, make: Callable[[WebSocket], Made]) -> Made:
    """Open `path` and make something of the socket, in a thread; once more with other credentials when rejected.

    Raises:
        NotPermitted, NotFound, CredentialsRejected, Refused: the API server does not want it.
        Unreachable: there is no way to the API server, or it speaks another protocol.
    """
    headers = await connection.credentials.headers()
    try:
        return await _in_thread(connection, path, headers, make)
    except CredentialsRejected:
        renewed = await connection.credentials.headers(rejected=True)
        if renewed == headers:
            raise
        return await _in_thread(connection, path, renewed, make)


async def _in_thread(
    connection: Connection, path: str, headers: list[tuple[str, str]], make: Callable[[WebSocket], Made]
) -> Made:
    made: list[Made] = []
    given_up = threading.Event()

    def run() -> Made:
        made.append(make(_open(connection, path, headers)))
        if given_up.is_set():
            made[0].close()
        return made[0]

    try:
        return await asyncio.to_thread(run)
    except asyncio.CancelledError:
        # A thread cannot be cancelled: what it opens, or has just opened, is for nobody.
        given_up.set()
        for one in made:
            one.close()
        raise


def _open(connection: Connection, path: str, headers: list[tuple[str, str]]) -> WebSocket:
    """Waits for the network: for a thread."""
    from websocket import WebSocket, WebSocketBadStatusException, WebSocketException

    server = connection.target.server
    try:
        plain = _socket(connection)
        with contextlib.ExitStack() as undo:
            undo.callback(plain.close)
            web = WebSocket(skip_utf8_validation=True)
            connect: Callable[..., None] = web.connect
            connect(
                f"{server.replace('http', 'ws', 1)}{path}",
                socket=plain,
                header=[f"{name}: {value}" for name, value in headers],
                subprotocols=[PROTOCOL],
                suppress_origin=True,
                redirect_limit=0,
                timeout=CONNECT_LIMIT_S,
            )
            _check(web)
            plain.settimeout(None)
            undo.pop_all()
    except WebSocketBadStatusException as error:
        raise refusal(error.status_code, error.resp_body or b"") from error
    except (OSError, WebSocketException, http.client.HTTPException) as error:
        raise unreachable(error, server) from error
    return web


def _check(web: WebSocket) -> None:
    if web.getstatus() != 101 or web.getsubprotocol() != PROTOCOL:
        raise Unreachable("the API server does not open a WebSocket here", why=f"it answered HTTP {web.getstatus()}")


def _socket(connection: Connection) -> socket.socket:
    """A connection to the API server as the other requests make it: through the same proxy, with the same TLS."""
    url = urlsplit(connection.target.server)
    host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    plain = _through(connection.proxy, host, port) if connection.proxy else _direct(host, port)
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return plain if connection.tls is None else connection.tls.wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


def _direct(host: str, port: int) -> socket.socket:
    return socket.create_connection((host, port), timeout=CONNECT_LIMIT_S)


def _through(proxy: str, host: str, port: int) -> socket.socket:
    url = urlsplit(proxy)
    if url.scheme != "http":
        raise Unreachable(f"a WebSocket cannot go through a {url.scheme} proxy", next_step="use an http proxy")
    tunnel = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=CONNECT_LIMIT_S)
    headers = {}
    if url.username:
        pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    tunnel.set_tunnel(host, port, headers)
    tunnel.connect()
    assert tunnel.sock is not None
    return tunnel.sock
