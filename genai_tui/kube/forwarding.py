"""Port-forward to a pod: our own socket and credentials, the `kubernetes` package's framing.

The package opens WebSockets of its own, but leaves out impersonation, follows redirects with the token, and takes
proxies from the environment against the kubeconfig. So the socket is opened here and handed to its `PortForward`,
which speaks the channel protocol (v4.channel.k8s.io):
https://kubernetes.io/docs/reference/using-api/api-concepts/#websocket .
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import os
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from genai_tui.errors import CredentialsRejected, Unreachable
from genai_tui.kube.connection import CONNECT_LIMIT_S, Connection
from genai_tui.kube.refusals import refusal, unreachable

if TYPE_CHECKING:
    from websocket import WebSocket

_PROTOCOL = "v4.channel.k8s.io"


class _PortForward(Protocol):
    """What we use of the package's class."""

    def socket(self, port_number: int) -> socket.socket: ...

    def error(self, port_number: int) -> str | None: ...

    def close(self) -> None: ...


class Forward:
    """One open forward: `local` is this side of it."""

    def __init__(self, forward: _PortForward, port: int) -> None:
        self._forward, self._port = forward, port
        # The package's socket is a wrapper that asyncio does not take for a socket.
        self.local = socket.socket(fileno=os.dup(forward.socket(port).fileno()))
        forward.close()

    def problem(self) -> str:
        """What the far side complained of; empty for nothing."""
        return str(self._forward.error(self._port) or "").strip()

    def close(self) -> None:
        """Hang up."""
        self.local.close()


async def open_forward(connection: Connection, namespace: str, pod: str, port: int) -> Forward:
    """Open a forward to a port of a pod; once more with other credentials when these were rejected.

    Raises:
        NotPermitted, NotFound, CredentialsRejected, Refused: the API server does not want it.
        Unreachable: there is no way to the API server, or it speaks another protocol.
    """
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward?ports={port}"
    headers = await connection.credentials.headers()
    try:
        return await _open(connection, path, headers, port)
    except CredentialsRejected:
        renewed = await connection.credentials.headers(rejected=True)
        if renewed == headers:
            raise
        return await _open(connection, path, renewed, port)


async def _open(connection: Connection, path: str, headers: list[tuple[str, str]], port: int) -> Forward:
    made: list[Forward] = []
    given_up = threading.Event()

    def run() -> Forward:
        made.append(_open_blocking(connection, path, headers, port))
        if given_up.is_set():
            made[0].close()
        return made[0]

    try:
        return await asyncio.to_thread(run)
    except asyncio.CancelledError:
        # A thread cannot be cancelled: what it opens, or has just opened, is for nobody.
        given_up.set()
        for forward in made:
            forward.close()
        raise


def _open_blocking(connection: Connection, path: str, headers: list[tuple[str, str]], port: int) -> Forward:
    """Loads the `kubernetes` package, which takes most of a second, and waits for the network: for a thread."""
    from kubernetes.stream.ws_client import PortForward
    from websocket import WebSocket, WebSocketBadStatusException, WebSocketException

    server = connection.target.server
    frame: Callable[[WebSocket, list[int]], _PortForward] = PortForward
    try:
        opened = _socket(connection)
        with contextlib.ExitStack() as undo:
            undo.callback(opened.close)
            web = WebSocket(skip_utf8_validation=True)
            connect: Callable[..., None] = web.connect
            connect(
                f"{server.replace('http', 'ws', 1)}{path}",
                socket=opened,
                header=[f"{name}: {value}" for name, value in headers],
                subprotocols=[_PROTOCOL],
                suppress_origin=True,
                redirect_limit=0,
                timeout=CONNECT_LIMIT_S,
            )
            _check(web)
            opened.settimeout(None)
            undo.pop_all()
    except WebSocketBadStatusException as error:
        raise refusal(error.status_code, error.resp_body or b"") from error
    except (OSError, WebSocketException, http.client.HTTPException) as error:
        raise unreachable(error, server) from error
    return Forward(frame(web, [port]), port)


def _check(web: WebSocket) -> None:
    if web.getstatus() != 101 or web.getsubprotocol() != _PROTOCOL:
        raise Unreachable("the API server does not open a port-forward", why=f"it answered HTTP {web.getstatus()}")


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
        raise Unreachable(f"a port-forward cannot go through a {url.scheme} proxy", next_step="use an http proxy")
    tunnel = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=CONNECT_LIMIT_S)
    headers = {}
    if url.username:
        pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    tunnel.set_tunnel(host, port, headers)
    tunnel.connect()
    assert tunnel.sock is not None
    return tunnel.sock
