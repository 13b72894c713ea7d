"""Node agents for tests of the API server alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.status import ApiError


class SilentAgent:
    """Pods that log three lines and answer nothing."""

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
        raise ApiError(503, "ServiceUnavailable", "nothing listens")
