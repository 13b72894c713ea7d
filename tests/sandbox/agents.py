"""Node agents for tests of the API server alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.status import ApiError


class SilentAgent:
    """Pods that log a few lines, run what they are told to and echo on port 7.

    `said` replaces the few lines, `apps` what answers on a port through the proxy, `listening` what a forward leads to.
    """

    def __init__(self) -> None:
        self._echo: asyncio.Server | None = None
        self.said: Callable[[], AsyncIterator[bytes]] | None = None
        self.apps: dict[int, ASGIApp] = {}
        self.listening: dict[int, tuple[str, int]] = {}

    async def log(
        self,
        pod: Object,
        container: str,
        *,
        follow: bool,
        previous: bool,
        tail_lines: int | None,
        since_seconds: float | None,
        timestamps: bool,
        limit_bytes: int | None,
    ) -> AsyncIterator[bytes]:
        if self.said is not None:
            async for chunk in self.said():
                yield chunk
            return
        for number in range(tail_lines or 3):
            yield f"2026-11-23T09:18:54.{number}00000000Z line {number}\n".encode()
            await asyncio.sleep(0)

    async def exec(self, pod: Object, container: str, command: list[str]) -> tuple[bytes, bytes, int]:
        return b"ran " + " ".join(command).encode(), b"", 0

    def http_app(self, pod: Object, port: int) -> ASGIApp | None:
        return self.apps.get(port) or PlainTextResponse(f"{pod['metadata']['name']}:{port}")

    async def connect(self, pod: Object, port: int) -> tuple[str, int]:
        """Port 7 echoes; nothing listens on the others."""
        if port in self.listening:
            return self.listening[port]
        if port != 7:
            raise ApiError(503, "ServiceUnavailable", "nothing listens")
        if self._echo is None:
            self._echo = await asyncio.start_server(echo, "127.0.0.1", 0)
        return "127.0.0.1", self._echo.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """End the echo."""
        if self._echo is not None:
            self._echo.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(data)
        await writer.drain()
    writer.close()
