"""What the gateway tells its operator: counters on a loopback port, to who can read a file of its user."""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from genai_tui.gateway.app import Gateway
from genai_tui.gateway.told import PATH, Telling, Told, publish


class Operators:
    """The operator's side of a gateway that counts since `since`."""

    def __init__(self, gateway: Gateway, since: datetime) -> None:
        self._gateway, self._since, self._secret = gateway, since, secrets.token_urlsafe(32)

    def publish(self, directory: Path, url: str) -> Path:
        """Write where it tells; the file, to be removed at the end. Raises OSError."""
        return publish(directory, Telling(url, self._secret))

    def app(self) -> Starlette:
        """The application."""
        return Starlette(routes=[Route(PATH, self._counters)])

    async def _counters(self, request: Request) -> Response:
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self._secret}".encode()):
            return Response(status_code=401)
        told = Told(self._since, tuple(self._gateway.open_windows(request.query_params.get("deployment", ""))))
        return Response(msgspec.json.encode(told), media_type="application/json")
