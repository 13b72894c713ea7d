"""The way developers take to a deployment: its public address, through the gateway, with an API key."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Awaitable, Callable

import httpx

from genai_tui.access_ports import Permissions
from genai_tui.domain.documents import Endpoint
from genai_tui.domain.enforcement import hostname_of
from genai_tui.domain.rows import Ref
from genai_tui.errors import GenaiTuiError, NotFound
from genai_tui.handshakes import GUARDED
from genai_tui.inference.client import Target
from genai_tui.services import ClusterPicture, Session
from genai_tui.settings import Way

log = logging.getLogger(__name__)

Listening = Callable[[tuple[str, str], str | None, str], Awaitable[tuple[str, int] | None]]
"""Told a Gateway (namespace, name), the TLS secret it must have and a hostname: scheme and port, None for not known."""
REMEMBERED_S = 60.0
_USUAL = {"http": 80, "https": 443}


class PublicWays:
    """Public addresses of deployments, and when they are the way to take.

    Args:
        picture: deployments and endpoints.
        session: says where the embedded gateway is.
        access: what the identity may do: an address is the way where the cluster's own ways are not permitted.
        wanted: the way the operator asked for.
        listening: asks a Gateway of the cluster where it listens.
    """

    def __init__(
        self, picture: ClusterPicture, session: Session, access: Permissions, wanted: Way, listening: Listening
    ) -> None:
        self._picture, self._session, self._access, self._wanted = picture, session, access, wanted
        self._listening = listening
        self._heard: dict[Ref, tuple[Endpoint, float, tuple[str, int] | None]] = {}
        self._client: httpx.AsyncClient | None = None

    async def learn(self, ref: Ref) -> None:
        """Ask its Gateway where it listens, once a minute at most; a Gateway that cannot be asked stays not known."""
        endpoint = self._endpoint(ref)
        if endpoint is None or endpoint.spec.gateway is None:
            return
        known = self._heard.get(ref)
        if known is not None and known[0] == endpoint and time.monotonic() - known[1] < REMEMBERED_S:
            return
        spec, gateway = endpoint.spec, endpoint.spec.gateway
        try:
            hostname = hostname_of(ref.name, spec.hostname)
            found = await self._listening((gateway.namespace, gateway.name), spec.tls_secret, hostname)
        except GenaiTuiError as error:
            log.info("where %s/%s listens is not known: %s", gateway.namespace, gateway.name, error.problem.line)
            found = None
        self._heard[ref] = (endpoint, time.monotonic(), found)

    def at_gateway(self, ref: Ref) -> str:
        """Base URL of its hostname at a gateway of the cluster, as it was learnt; empty where it has none."""
        endpoint = self._endpoint(ref)
        if endpoint is None or endpoint.spec.gateway is None:
            return ""
        # No key goes over the net in the clear on a guess.
        scheme, port = self._where(ref) or ("https", 443)
        name = hostname_of(ref.name, endpoint.spec.hostname)
        return f"{scheme}://{name}" if port == _USUAL[scheme] else f"{scheme}://{name}:{port}"

    def doubt(self, ref: Ref) -> str:
        """What is a guess about the address at a gateway of the cluster; empty for nothing."""
        endpoint = self._endpoint(ref)
        if endpoint is None or endpoint.spec.gateway is None or self._where(ref) is not None:
            return ""
        gateway = endpoint.spec.gateway
        return (
            f"https is a guess: Gateway {gateway.namespace}/{gateway.name} does not say where it listens for this host"
        )

    def _where(self, ref: Ref) -> tuple[str, int] | None:
        known, endpoint = self._heard.get(ref), self._endpoint(ref)
        return known[2] if known is not None and known[0] == endpoint else None

    def address(self, ref: Ref) -> str:
        """Base URL, which ends before /v1; empty where none is known."""
        endpoint = self._endpoint(ref)
        if endpoint is None or endpoint.spec.enforcement is None:
            return self._session.gateway if endpoint is not None else ""
        return self.at_gateway(ref)

    def embedded(self, ref: Ref) -> bool:
        """Whether the embedded gateway is its front: that one records each request itself."""
        endpoint = self._endpoint(ref)
        return endpoint is not None and endpoint.spec.enforcement is None

    def why(self, ref: Ref) -> str:
        """Why its public address is the way from here; empty where another is."""
        if self._wanted == "public":
            return "as asked for"
        if self._wanted != "auto" or not self.address(ref):
            return ""
        ways = ("services/proxy", "pods/portforward")
        refused = [self._access.permission("create", way, ref.namespace).reason for way in ways]
        return refused[0] if all(refused) else ""

    def target(self, ref: Ref, address: str, key: str | None) -> Target:
        """What to ask there, with that key or with none.

        Raises:
            NotFound: `address` is empty.
        """
        if not address:
            step = "set `gateway` in the settings to the base URL of the embedded gateway"
            raise NotFound(f"no public address of {ref} is known", next_step=step)
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=httpx.Timeout(30, read=None),
                verify=ssl.create_default_context(),
                follow_redirects=False,
                event_hooks=GUARDED,
            )
        model = str(ref) if self.embedded(ref) else ref.name
        return Target(self._client, address.rstrip("/").removesuffix("/v1"), model, key or None, gateway=True)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    def _endpoint(self, ref: Ref) -> Endpoint | None:
        detail = self._picture.deployment(ref)
        if detail is None or detail.document is None:
            return None
        name = detail.document.spec.endpoint
        return next((row.document for row in self._picture.endpoints() if row.name == name), None)
