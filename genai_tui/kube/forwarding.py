"""Port-forward to a pod: our own socket (`kube.websockets`), the `kubernetes` package's framing."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from genai_tui.kube.connection import Connection
from genai_tui.kube.websockets import opened

if TYPE_CHECKING:
    from websocket import WebSocket


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
    """Open a forward to a port of a pod. Raises as `kube.websockets.opened`."""

    def make(web: WebSocket) -> Forward:
        # Takes most of a second to load: here it is in a thread.
        from kubernetes.stream.ws_client import PortForward

        frame: Callable[[WebSocket, list[int]], _PortForward] = PortForward
        return Forward(frame(web, [port]), port)

    return await opened(connection, f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward?ports={port}", make)
