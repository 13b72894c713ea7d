"""Requests to a gateway that must be refused, sent to its own address under the deployment's hostname."""

from __future__ import annotations

import httpx

from genai_tui.domain.enforcement import Probe
from genai_tui.handshakes import GUARDED

LIMIT_S = 10.0


class Prober:
    """Asks one deployment behind a gateway; use `async with`."""

    def __init__(self, address: tuple[str, str, int], hostname: str, model: str) -> None:
        scheme, host, port = address
        shown = f"[{host}]" if ":" in host else host
        self._hostname, self._model = hostname, model
        self._url = f"{scheme}://{shown}:{port}/v1/chat/completions"
        self._http = httpx.AsyncClient(trust_env=False, timeout=LIMIT_S, follow_redirects=False, event_hooks=GUARDED)

    async def __aenter__(self) -> Prober:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def ask(self, what: str, expected: int, key: str | None) -> Probe:
        """Ask for one token; what comes is in the result, also when nothing comes."""
        headers = {"Host": self._hostname} | ({"Authorization": f"Bearer {key}"} if key else {})
        body = {"model": self._model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
        try:
            response = await self._http.post(
                self._url, json=body, headers=headers, extensions={"sni_hostname": self._hostname}
            )
        except httpx.HTTPError as error:
            return Probe(what, expected, None, str(error) or type(error).__name__)
        return Probe(what, expected, response.status_code)
