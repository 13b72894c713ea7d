"""One HTTP client for one cluster: every list, watch, write, log and proxied request goes through it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from genai_tui.kube.credentials import Credentials, tls
from genai_tui.kube.kubeconfig import Target
from genai_tui.kube.refusals import refusal, unreachable

CONNECT_LIMIT_S = 10.0
ANSWER_LIMIT_S = 30.0
USER_AGENT = "genai-tui/0.1"
Params = Mapping[str, str | int]


class Connection:
    """An open way to one cluster. Must be closed; use `async with`."""

    def __init__(self, target: Target) -> None:
        """Prepare; nothing is sent before the first request.

        Raises:
            CredentialsRejected: certificates of the target cannot be used.
        """
        self.target = target
        url = urlsplit(target.server)
        context = tls(target) if url.scheme == "https" else None
        self.credentials = Credentials(target, context)
        loopback = url.hostname in ("127.0.0.1", "localhost", "::1")
        self.tls = context
        self.http = httpx.AsyncClient(
            base_url=target.server,
            auth=self.credentials,
            verify=context if context is not None else True,
            proxy=target.proxy,
            # As kubectl: proxies of the environment are for other machines.
            trust_env=not loopback and target.proxy is None,
            headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
            timeout=httpx.Timeout(ANSWER_LIMIT_S, connect=CONNECT_LIMIT_S),
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=60),
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
    ) -> httpx.Response:
        """Send and read the whole answer.

        Raises:
            GenaiTuiError: the server's refusal, or no answer, in words.
        """
        content = None if body is None else json.dumps(body).encode()
        headers = {"Accept": accept} | ({"Content-Type": content_type} if body is not None else {})
        try:
            response = await self.http.request(
                method, path, params=dict(params or {}), content=content, headers=headers
            )
        except httpx.HTTPError as error:
            raise unreachable(error, self.target.server) from error
        if response.is_success:
            return response
        raise refusal(response.status_code, response.content, response.headers)

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
