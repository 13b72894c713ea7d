"""The gateway's own server: uvicorn on a socket that is open already, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from genai_tui.errors import BadInput
from genai_tui.gateway.protocol import BoundedProtocol, Malformed

BACKLOG = 2048
KEEP_ALIVE_S = 75


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        BadInput: the address cannot be used.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        family, kind, protocol, _, address = found[0]
        # The protocol is named, as asyncio sends small pieces at once only on sockets it knows to be TCP: without it
        # the first token waits for a delayed acknowledgement, up to 40 ms.
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except BaseException:
            listener.close()
            raise
        return listener
    except (OSError, OverflowError) as error:
        why = str(error) or "the port is taken, or may not be used"
        raise BadInput(f"the gateway cannot listen on {host}:{port}", why=why) from error


def inherited(number: int) -> socket.socket:
    """The listening socket a parent process left open under this number.

    Raises:
        BadInput: there is none.
    """
    try:
        return socket.socket(fileno=number)
    except OSError as error:
        raise BadInput(f"file descriptor {number} is no socket", why=str(error)) from error


def base_url(listener: socket.socket) -> str:
    """What clients call; they add /v1."""
    address: tuple[str, int] = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address[0], address[0])
    return f"http://{f'[{host}]' if ':' in host else host}:{address[1]}"


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    stop: asyncio.Event,
    grace_s: float,
    beside: Sequence[tuple[ASGIApp, socket.socket]] = (),
    malformed: Malformed = lambda status, why, client: "-",
) -> None:
    """Answer until `stop` is set; then take no more, and give what has begun `grace_s` seconds to finish.

    `beside` are applications for operators on sockets of their own; `malformed` is told of what is no HTTP.
    """
    servers = {_server(app, grace_s, malformed): listener}
    servers |= {_server(side, 1, lambda status, why, client: "-"): own for side, own in beside}
    serving = [asyncio.create_task(server.serve(sockets=[own]), name="server") for server, own in servers.items()]
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({*serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for server in servers:
        server.should_exit = True
    stopping.cancel()
    await asyncio.gather(*serving)


def _server(app: ASGIApp, grace_s: float, malformed: Malformed) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        http=partial(BoundedProtocol, malformed=malformed),  # type: ignore[arg-type]  # called like a class
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(grace_s)),
    )
    server = uvicorn.Server(config)
    # Signals are the whole process's affair: other things are closed after the server.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    return server
