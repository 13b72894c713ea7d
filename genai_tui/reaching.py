"""Which way to an engine: the API server's proxy, a port-forward where the proxy cannot serve, or its public address.

The Service proxy needs no more than our own connection, so it is the way where it works. It does not where the engine
wants a key (the API server takes the Authorization header for itself), and not where a NetworkPolicy lets only a
gateway in: there a port-forward to one ready pod is opened. Where neither is permitted, a conversation goes to the
public address with an API key (`public_ways`). An operator can insist on any.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator

import httpx

from genai_tui.domain.cluster import ContainerSpec
from genai_tui.domain.rows import DeploymentDetail, DeploymentRow, Ref
from genai_tui.engines.parts import PORT
from genai_tui.errors import EngineRefused, EngineSilent, GenaiTuiError, NotFound, NotPermitted, Refused, Unreachable
from genai_tui.kube import reach
from genai_tui.kube.connection import Connection
from genai_tui.kube.manifests.foreign import identify
from genai_tui.public_ways import PublicWays
from genai_tui.services import ClusterPicture
from genai_tui.settings import Way

log = logging.getLogger(__name__)
ANSWER_LIMIT_S = 30.0
KEY_VARIABLE = "VLLM_API_KEY"
_NOT_THERE = re.compile(r"error trying to reach service: (?!No agent available).*|no endpoints available for service.*")
"""What the API server says when its proxy gets no answer at the pod; without an agent it never got so far."""


class Ways:
    """Finds the way to each deployment, and keeps the port-forwards of conversations open."""

    def __init__(
        self,
        connection: Connection,
        picture: ClusterPicture,
        wanted: Way = "auto",
        public: PublicWays | None = None,
    ) -> None:
        self._connection, self._picture, self._wanted, self._public = connection, picture, wanted, public
        self._open: dict[tuple[Ref, str], reach.Route] = {}
        self._kept = contextlib.AsyncExitStack()
        self._lock = asyncio.Lock()

    def describe(self, ref: Ref) -> str:
        """The way that would be taken, and why; empty for a deployment that is not known."""
        detail = self._picture.deployment(ref)
        if detail is None:
            return ""
        if self._public is not None and (asked := self._public.why(ref)):
            return f"its public address {self._public.address(ref) or '(not known)'}, with an API key: {asked}"
        why = self._why_forward(detail)
        if self._wanted == "port-forward":
            return "port-forward, as asked for"
        if self._wanted == "proxy":
            return "the API server's proxy, as asked for" + (f" (though {why})" if why else "")
        return f"port-forward: {why}" if why else "the API server's proxy"

    async def to(self, ref: Ref) -> reach.Route:
        """A way that stays open until `close`. Raises NotFound (no ready pod), NotPermitted, Unreachable."""
        detail = self._picture.deployment(ref)
        if detail is None or not self._forward(detail):
            return self.proxy(ref, detail.row if detail is not None else None)
        pod = _ready_pod(ref, detail)
        async with self._lock:
            route = self._open.get((ref, pod))
            if route is None:
                opening = reach.by_port_forward(self._connection, ref.namespace, pod, self.port(ref))
                route = self._open[ref, pod] = await self._kept.enter_async_context(opening)
        return route

    def proxy(self, ref: Ref, row: DeploymentRow | None) -> reach.Route:
        """The service proxy for what we made; for others a ready pod's own port. Raises NotFound."""
        detail = self._picture.deployment(ref)
        if row is not None and row.foreign:
            if detail is None:
                raise NotFound(f"{ref} has no ready pod")
            return reach.by_pod(self._connection, ref.namespace, _ready_pod(ref, detail), self.port(ref))
        return reach.by_service(self._connection, ref.namespace, ref.name, PORT)

    async def fetch(self, row: DeploymentRow, path: str, pod: str | None) -> bytes:
        """GET a path of the engine, of the named pod or of any.

        Raises:
            EngineSilent, EngineRefused: the engine's pod does not answer, or the engine answered with an error.
            GenaiTuiError: the way there failed, which says nothing of the engine.
        """
        detail = self._picture.deployment(row.ref)
        if detail is not None and self._forward(detail):
            try:
                return await self._fetch_forwarded(row.ref, path, pod or _ready_pod(row.ref, detail))
            except NotPermitted:
                # Whoever may not forward can still be lucky: not every network keeps its policies.
                log.info("%s may not be reached by port-forward; trying the proxy", row.ref)
        return await self._fetch_proxied(row, path, pod)

    async def _fetch_proxied(self, row: DeploymentRow, path: str, pod: str | None) -> bytes:
        route = self.proxy(row.ref, row)
        if pod is not None:
            route = reach.by_pod(self._connection, row.ref.namespace, pod, self.port(row.ref))
        try:
            return await self._through(route, path, row.ref)
        except NotPermitted:
            if pod is None or row.ready != 1 or row.foreign:
                raise
            # A Role may allow services/proxy alone; with one replica both lead to the same engine.
            return await self._through(self.proxy(row.ref, row), path, row.ref)

    async def _through(self, route: reach.Route, path: str, ref: Ref) -> bytes:
        """GET through the API server's proxy, its own refusals told apart from what it says of the engine."""
        try:
            return (await self._connection.request("GET", f"{route.base}{path}", accept="*/*")).content
        except Refused as error:
            said = _NOT_THERE.search(error.problem.what)
            if error.status == 503 and said is not None:
                raise EngineSilent(f"{ref} does not answer", why=said[0]) from error
            if error.status == 500 and not error.reason:
                # The API server names a reason for each of its refusals: this one came through it.
                raise EngineRefused(f"{ref} answered HTTP 500 for {path}", status=500) from error
            raise

    async def _fetch_forwarded(self, ref: Ref, path: str, pod: str) -> bytes:
        async with self._once(ref, pod) as route:
            try:
                response = await route.client.get(f"{route.base}{path}", timeout=ANSWER_LIMIT_S)
            except reach.NobodyThere as error:
                raise EngineSilent(f"{ref} does not answer", why=str(error)) from error
            except httpx.HTTPError as error:
                raise Unreachable(f"{ref} does not answer", why=str(error) or type(error).__name__) from error
        if not response.is_success:
            status = response.status_code
            raise EngineRefused(f"{ref} answered HTTP {status} for {path}", status=status)
        return response.content

    @contextlib.asynccontextmanager
    async def _once(self, ref: Ref, pod: str) -> AsyncIterator[reach.Route]:
        """A kept forward, or one for this question: a thousand deployments are not a thousand open forwards."""
        kept = self._open.get((ref, pod))
        if kept is not None:
            yield kept
            return
        async with reach.by_port_forward(self._connection, ref.namespace, pod, self.port(ref)) as route:
            yield route

    def port(self, ref: Ref) -> int:
        """The engine's port in its pods."""
        detail = self._picture.deployment(ref)
        if detail is None or not detail.row.foreign:
            return PORT
        engine = identify(detail.workload.containers)
        return engine.container.ports[0] if engine is not None and engine.container.ports else PORT

    def wants_key(self, ref: Ref) -> bool:
        """Whether the engine itself asks for a key."""
        detail = self._picture.deployment(ref)
        return detail is not None and _wants_key(detail)

    def _forward(self, detail: DeploymentDetail) -> bool:
        if self._wanted != "auto":
            return self._wanted == "port-forward"
        return bool(self._why_forward(detail))

    def _why_forward(self, detail: DeploymentDetail) -> str:
        """Why the proxy would not do; empty where it does."""
        if _wants_key(detail):
            return "the engine wants a key, and the proxy keeps the header for itself"
        name = detail.row.endpoint
        endpoint = next((row.document for row in self._picture.endpoints() if row.name == name), None)
        if not detail.row.foreign and endpoint is not None and endpoint.spec.enforcement is not None:
            return "a network policy lets only its gateway in"
        return ""

    async def close(self) -> None:
        """End every forward that is still open."""
        self._open.clear()
        try:
            await self._kept.aclose()
        except (GenaiTuiError, OSError) as error:
            log.info("a port-forward did not close well: %s", error)


def _wants_key(detail: DeploymentDetail) -> bool:
    """By the workload as it is, and by the document: variables from Secrets are in that alone."""
    env = detail.document.spec.advanced.env if detail.document is not None else ()
    return any(variable.name == KEY_VARIABLE for variable in env) or any(map(_has_key, detail.workload.containers))


def _has_key(container: ContainerSpec) -> bool:
    words = (*container.command, *container.args)
    return KEY_VARIABLE in container.env or any(word.split("=")[0] == "--api-key" for word in words)


def _ready_pod(ref: Ref, detail: DeploymentDetail) -> str:
    ready = next((replica.pod for replica in detail.replicas if replica.pod.ready), None)
    if ready is None:
        raise NotFound(f"{ref} has no ready pod")
    return ready.meta.name
