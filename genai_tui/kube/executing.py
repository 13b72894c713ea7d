"""Running a command in a container, to read what it prints."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from genai_tui.errors import GenaiTuiError, TimedOut, Unreachable
from genai_tui.kube.connection import Connection
from genai_tui.kube.websockets import opened

if TYPE_CHECKING:
    from websocket import WebSocket

LIMIT_S = 10.0
MOST = 1_000_000
"""Bytes; no command that is asked here prints as much."""
_STDOUT, _STDERR, _STATUS = 1, 2, 3


class _Running:
    """A command that runs; its output is read in a thread."""

    def __init__(self, web: WebSocket) -> None:
        self._web = web
        self._out: dict[int, bytearray] = {_STDOUT: bytearray(), _STDERR: bytearray(), _STATUS: bytearray()}

    def finish(self) -> bytes:
        """Read to the end. Raises GenaiTuiError: it failed, in its own words."""
        from websocket import WebSocketException

        try:
            while (message := self._web.recv()) and sum(map(len, self._out.values())) < MOST:
                data = message.encode() if isinstance(message, str) else message
                self._out.get(data[0], bytearray()).extend(data[1:])
                if data[0] == _STATUS and len(data) > 1:
                    break
        except (OSError, WebSocketException) as error:
            raise Unreachable("the command was cut off", why=str(error)) from error
        finally:
            self.close()
        problem = _problem(bytes(self._out[_STATUS]))
        if problem:
            said = (bytes(self._out[_STDERR]) or bytes(self._out[_STDOUT])).decode("utf-8", "replace").strip()
            raise GenaiTuiError(said.splitlines()[0] if said else problem, detail=f"{problem}\n{said}")
        return bytes(self._out[_STDOUT])

    def close(self) -> None:
        """Hang up at once; a thread that waits for more wakes up."""
        wake: Callable[[], None] = self._web.abort
        hang_up: Callable[[], None] = self._web.shutdown
        wake()
        hang_up()


async def run(connection: Connection, namespace: str, pod: str, container: str, command: Sequence[str]) -> bytes:
    """What the command prints.

    Raises:
        NotPermitted, NotFound, CredentialsRejected, Refused, Unreachable: as `kube.websockets.opened`.
        TimedOut: it did not end in `LIMIT_S` seconds. GenaiTuiError: it failed, with its own first line.
    """
    query = [("container", container), ("stdout", "true"), ("stderr", "true"), *(("command", word) for word in command)]
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec?{urlencode(query)}"
    running = await opened(connection, path, _Running)
    try:
        async with asyncio.timeout(LIMIT_S):
            return await asyncio.to_thread(running.finish)
    except TimeoutError as error:
        raise TimedOut(f"{command[0]} in {namespace}/{pod} did not end in {LIMIT_S:.0f} s") from error
    finally:
        running.close()


def _problem(status: bytes) -> str:
    """Why it failed, from the Status on the error channel; empty for success."""
    try:
        said = json.loads(status)
    except ValueError:
        return "the API server did not say how the command ended"
    if isinstance(said, dict) and said.get("status") == "Success":
        return ""
    return str(said.get("message") if isinstance(said, dict) else "") or "the command failed"
