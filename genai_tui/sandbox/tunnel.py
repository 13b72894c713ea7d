"""Port-forward as kubectl asks for it: SPDY frames inside WebSocket messages, two streams for each connection.

https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets
"""

from __future__ import annotations

import asyncio
import contextlib

from starlette.websockets import WebSocket, WebSocketDisconnect

from genai_tui.sandbox.agent import NodeAgent
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.spdy import GOAWAY, PING, RST_STREAM, SYN_STREAM, Frame, Reader, Writer
from genai_tui.sandbox.status import ApiError

PROTOCOL = "SPDY/3.1+portforward.k8s.io"
CHUNK = 32_768


class Tunnel:
    """One kubectl port-forward: any number of connections to ports of one pod."""

    def __init__(self, socket: WebSocket, pod: Object, agent: NodeAgent) -> None:
        self._socket, self._pod, self._agent = socket, pod, agent
        self._reader, self._writer = Reader(), Writer()
        self._errors: dict[str, int] = {}
        self._upstream: dict[int, asyncio.StreamWriter] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until the client hangs up."""
        await self._socket.accept(subprotocol=PROTOCOL)
        try:
            going = True
            while going:
                for frame in self._reader.feed(await self._socket.receive_bytes()):
                    going = going and frame.kind != GOAWAY
                    await self._take(frame)
        except (WebSocketDisconnect, ConnectionError, ValueError):
            # The client is gone, or speaks nonsense: both end the tunnel.
            pass
        finally:
            for task in self._tasks:
                task.cancel()
            for writer in self._upstream.values():
                writer.close()

    async def _take(self, frame: Frame) -> None:
        if frame.kind == SYN_STREAM:
            await self._open(frame)
        elif frame.kind == PING:
            await self._socket.send_bytes(self._writer.ping(frame.stream))
        elif frame.kind == RST_STREAM:
            self._close(frame.stream)
        elif frame.kind == 0 and (writer := self._upstream.get(frame.stream)) is not None:
            writer.write(frame.payload)
            await writer.drain()
            if frame.ends:
                writer.write_eof()

    async def _open(self, frame: Frame) -> None:
        """The error stream of a connection comes first, then its data stream, under one request ID."""
        headers = self._reader.headers(frame)
        request = headers.get("requestid", "")
        await self._socket.send_bytes(self._writer.reply(frame.stream))
        if headers.get("streamtype") == "error":
            self._errors[request] = frame.stream
            return
        error = self._errors.pop(request, 0)
        try:
            host, port = await self._agent.connect(self._pod, int(headers.get("port", "0")))
            reader, writer = await asyncio.open_connection(host, port)
        except (ApiError, OSError) as problem:
            await self._socket.send_bytes(self._writer.data(error, str(problem).encode(), end=True))
            await self._socket.send_bytes(self._writer.data(frame.stream, b"", end=True))
            return
        self._upstream[frame.stream] = writer
        task = asyncio.create_task(self._down(reader, frame.stream, error))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _down(self, reader: asyncio.StreamReader, stream: int, error: int) -> None:
        with contextlib.suppress(RuntimeError, ConnectionError, WebSocketDisconnect):
            while data := await reader.read(CHUNK):
                await self._socket.send_bytes(self._writer.data(stream, data))
            await self._socket.send_bytes(self._writer.data(stream, b"", end=True))
            await self._socket.send_bytes(self._writer.data(error, b"", end=True))
        self._close(stream)

    def _close(self, stream: int) -> None:
        writer = self._upstream.pop(stream, None)
        if writer is not None:
            writer.close()
