"""The node's side of a pod, as the API server calls it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from starlette.types import ASGIApp

from genai_tui.sandbox.objects import Object


class NodeAgent(Protocol):
    """What the API server passes on to the kubelet."""

    def log(
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
        """The log's bytes. Raises ApiError before the first."""
        ...

    async def exec(self, pod: Object, container: str, command: list[str]) -> tuple[bytes, bytes, int]:
        """Run a command: stdout, stderr, exit code. Raises ApiError."""
        ...

    def http_app(self, pod: Object, port: int) -> ASGIApp | None:
        """What listens on a port of the pod."""
        ...

    async def connect(self, pod: Object, port: int) -> tuple[str, int]:
        """A loopback address that leads to the port. Raises ApiError."""
        ...
