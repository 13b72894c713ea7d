"""Node agents for tests of the API server alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.status import ApiError


class SilentAgent:
    """Pods that log a few lines, run what they are told to and echo on port 7."""

    def __init__(self) -> None:
        self._echo: asyncio.Server | None = None

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
        for number in range(tail_lines or 3):
            yield f"2026-11-23T09:18:54.{number}00000000Z line {number}\n".encode()
            await asyncio.sleep(0)

    async def exec(self, pod: Object, container: str, command: list[str]) -> tuple[bytes, bytes, int]:
        return b"ran " + " ".join(command).encode(), b"", 0

    def http_app(self, pod: Object, port: int) -> ASGIApp | None:
        return PlainTextResponse(f"{pod['metadata']['name']}:{port}")

    async def connect(self, pod: Object, port: int) -> tuple[str, int]:
        """Port 7 echoes; nothing listens on the others."""
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
