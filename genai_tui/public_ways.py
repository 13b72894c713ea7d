"""The way developers take to a deployment: its public address, through the gateway, with an API key."""

from __future__ import annotations

import ssl

import httpx

from genai_tui.access_ports import Permissions
from genai_tui.domain.documents import Endpoint
from genai_tui.domain.enforcement import hostname_of
from genai_tui.domain.rows import Ref
from genai_tui.errors import NotFound
from genai_tui.handshakes import GUARDED
from genai_tui.inference.client import Target
from genai_tui.services import ClusterPicture, Session
from genai_tui.settings import Way


class PublicWays:
    """Public addresses of deployments, and when they are the way to take.

    Args:
        picture: deployments and endpoints.
        session: says where the embedded gateway is.
        access: what the identity may do: an address is the way where the cluster's own ways are not permitted.
        wanted: the way the operator asked for.
    """

    def __init__(self, picture: ClusterPicture, session: Session, access: Permissions, wanted: Way) -> None:
        self._picture, self._session, self._access, self._wanted = picture, session, access, wanted
        self._client: httpx.AsyncClient | None = None

    def address(self, ref: Ref) -> str:
        """Base URL, which ends before /v1; empty where none is known."""
        endpoint = self._endpoint(ref)
        if endpoint is None or endpoint.spec.enforcement is None:
            return self._session.gateway if endpoint is not None else ""
        return f"https://{hostname_of(ref.name, endpoint.spec.hostname)}"

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
