"""Exec and port-forward over WebSockets: channel bytes in front of each message (v4 and v5.channel.k8s.io).

https://kubernetes.io/docs/reference/using-api/api-concepts/#websocket and client-go's remotecommand.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from genai_tui.sandbox import tunnel
from genai_tui.sandbox.agent import NodeAgent
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.status import ApiError, bad_request

CHANNELS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
STDOUT, STDERR, ERROR = b"\x01", b"\x02", b"\x03"


def _protocol(socket: WebSocket) -> str | None:
    offered = [p.strip() for p in socket.headers.get("sec-websocket-protocol", "").split(",")]
    return next((p for p in CHANNELS if p in offered), None)


async def exec_socket(socket: WebSocket, pod: Object, agent: NodeAgent) -> None:
    """Run the command; stdout, stderr, then the exit status on the error channel."""
    protocol = _protocol(socket)
    if protocol is None:
        error = bad_request("none of the offered WebSocket protocols is spoken here")
        await socket.send_denial_response(JSONResponse(error.body(), error.code))
        return
    await socket.accept(subprotocol=protocol)
    command = socket.query_params.getlist("command")
    container = socket.query_params.get("container") or pod["spec"]["containers"][0]["name"]
    try:
        out, err, code = await agent.exec(pod, container, command)
    except ApiError as error:
        await socket.send_bytes(ERROR + json.dumps(error.body()).encode())
        await socket.close()
        return
    if out:
        await socket.send_bytes(STDOUT + out)
    if err:
        await socket.send_bytes(STDERR + err)
    status: Object = {"metadata": {}, "status": "Success"}
    if code:
        status = {
            "metadata": {},
            "status": "Failure",
            "message": f"command terminated with non-zero exit code: exit status {code}",
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
        }
    await socket.send_bytes(ERROR + json.dumps(status).encode())
    await socket.close()


async def forward_socket(socket: WebSocket, pod: Object, agent: NodeAgent) -> None:
    """Carry bytes: for the n-th port, channel 2n is data and 2n+1 is errors; each begins with the port number."""
    if tunnel.PROTOCOL in socket.headers.get("sec-websocket-protocol", ""):
        await tunnel.Tunnel(socket, pod, agent).run()
        return
    protocol = _protocol(socket)
    ports = [int(p) for text in socket.query_params.getlist("ports") for p in text.split(",") if p.isdigit()]
    if protocol is None or not ports:
        error = bad_request("port-forward needs v4.channel.k8s.io and ports")
        await socket.send_denial_response(JSONResponse(error.body(), error.code))
        return
    await socket.accept(subprotocol=protocol)
    writers: dict[int, asyncio.StreamWriter] = {}
    tasks: list[asyncio.Task[None]] = []
    for i, port in enumerate(ports):
        for channel in (2 * i, 2 * i + 1):
            await socket.send_bytes(bytes([channel]) + struct.pack("<H", port))
        try:
            host, local = await agent.connect(pod, port)
            reader, writer = await asyncio.open_connection(host, local)
        except (ApiError, OSError) as error:
            await socket.send_bytes(bytes([2 * i + 1]) + str(error).encode())
            continue
        writers[2 * i] = writer
        tasks.append(asyncio.create_task(_down(socket, reader, 2 * i)))
    try:
        while True:
            message = await socket.receive_bytes()
            target = writers.get(message[0]) if message else None
            if target is not None and len(message) > 1:
                target.write(message[1:])
                await target.drain()
    except (WebSocketDisconnect, ConnectionError):
        pass
    finally:
        for task in tasks:
            task.cancel()
        for writer in writers.values():
            writer.close()


async def _down(socket: WebSocket, reader: asyncio.StreamReader, channel: int) -> None:
    with contextlib.suppress(RuntimeError, ConnectionError, WebSocketDisconnect):
        while data := await reader.read(65536):
            await socket.send_bytes(bytes([channel]) + data)
        await socket.close()
