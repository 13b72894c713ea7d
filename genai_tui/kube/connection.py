"""One HTTP client for one cluster: every list, watch, write, log and proxied request goes through it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from genai_tui.handshakes import GUARDED
from genai_tui.kube.credentials import Credentials, tls
from genai_tui.kube.gate import Gate
from genai_tui.kube.journal import Journal
from genai_tui.kube.kubeconfig import Target
from genai_tui.kube.proxies import proxy_for
from genai_tui.kube.refusals import Busy, refusal, unreachable

CONNECT_LIMIT_S = 10.0
ANSWER_LIMIT_S = 30.0
PATIENCE_S = 20.0
"""How long a request waits altogether for a server that asks to come back later (Retry-After)."""
USER_AGENT = "genai-tui/0.1"
CONNECTIONS = 100
Params = Mapping[str, str | int]


class Connection:
    """An open way to one cluster. Must be closed; use `async with`.

    Attributes:
        journal: is told of every write (`kube.writes`).
        gate: may ask the operator before one.
    """

    def __init__(self, target: Target, *, connections: int = CONNECTIONS) -> None:
        """Prepare; nothing is sent before the first request.

        Args:
            target: the cluster.
            connections: how many may be open at once; a request beyond them waits for one to be free.

        Raises:
            CredentialsRejected: certificates or tokens of the target cannot be used.
            BadInput, MissingTool: the proxy cannot be used.
        """
        self.target = target
        self.journal: Journal | None = None
        self.gate = Gate()
        secure = urlsplit(target.server).scheme == "https"
        self.tls = tls(target) if secure else None
        self.credentials = Credentials(target, self.tls)
        self.proxy = proxy_for(target.server, target.proxy, os.environ)
        self.http = httpx.AsyncClient(
            base_url=target.server,
            auth=self.credentials,
            transport=_transport(self.tls, self.proxy, connections),
            trust_env=False,
            headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
            timeout=httpx.Timeout(ANSWER_LIMIT_S, connect=CONNECT_LIMIT_S),
            event_hooks=GUARDED,
        )

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self.http.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: object = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        patience: float = PATIENCE_S,
        within: float = ANSWER_LIMIT_S,
    ) -> httpx.Response:
        """Send and read the whole answer.

        A busy server that says when to come back is asked again, if that is within `patience` seconds: it has done
        nothing of what it was asked. A server that is silent for `within` seconds does not answer; the time that a
        credential plugin takes does not count.

        Raises:
            GenaiTuiError: the server's refusal, or no answer, in words.
        """
        content = None if body is None else json.dumps(body).encode()
        headers = {"Accept": accept} | ({"Content-Type": content_type} if body is not None else {})
        deadline = time.monotonic() + patience
        timeout = httpx.Timeout(within, connect=min(within, CONNECT_LIMIT_S))
        while True:
            try:
                response = await self.http.request(
                    method, path, params=dict(params or {}), content=content, headers=headers, timeout=timeout
                )
            except httpx.HTTPError as error:
                raise unreachable(error, self.target.server) from error
            if response.is_success:
                return response
            refused = refusal(response.status_code, response.content, response.headers)
            wait = refused.retry_after if isinstance(refused, Busy) else None
            if wait is None or time.monotonic() + wait > deadline:
                raise refused
            await asyncio.sleep(wait)

    async def get_json(self, path: str, **params: str | int) -> dict[str, Any]:
        """GET an object as JSON. Raises as `request`."""
        data = (await self.request("GET", path, params=params)).json()
        return data if isinstance(data, dict) else {}

    @contextlib.asynccontextmanager
    async def stream(
        self, path: str, *, params: Params | None = None, silence_limit: float | None = None
    ) -> AsyncIterator[httpx.Response]:
        """GET and read as it comes; more than `silence_limit` seconds without a byte is an error.

        Raises:
            GenaiTuiError: as `request`, also while the block reads.
        """
        timeout = httpx.Timeout(ANSWER_LIMIT_S, connect=CONNECT_LIMIT_S, read=silence_limit)
        try:
            async with self.http.stream("GET", path, params=dict(params or {}), timeout=timeout) as response:
                if not response.is_success:
                    raise refusal(response.status_code, await response.aread(), response.headers)
                yield response
        except httpx.HTTPError as error:
            raise unreachable(error, self.target.server) from error


def _transport(context: ssl.SSLContext | None, proxy: str | None, connections: int) -> httpx.AsyncHTTPTransport:
    # For plain http no certificates are needed, and loading them takes longer than all the rest.
    verify = context if context is not None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.AsyncHTTPTransport(
        verify=verify,
        trust_env=False,
        limits=httpx.Limits(
            max_connections=connections, max_keepalive_connections=connections // 5, keepalive_expiry=60
        ),
        proxy=httpx.Proxy(proxy) if proxy is not None else None,
        socket_options=_keepalive(),
    )


def _keepalive() -> list[tuple[int, int, int]]:
    """Notice within about a minute that the other side is gone, also on a log or watch that is rightly silent."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options
