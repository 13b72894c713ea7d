"""An API server on a real TLS socket, in a thread, for clients that are programs of their own."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import trustme
import uvicorn
import yaml

from genai_tui.sandbox import registry
from genai_tui.sandbox.apiserver import create_app
from genai_tui.sandbox.authz import Authz, Identity
from genai_tui.sandbox.clock import Clock
from genai_tui.sandbox.default_rbac import default_rbac
from genai_tui.sandbox.faults import Faults
from genai_tui.sandbox.objects import Objects
from genai_tui.sandbox.verbs import Api
from genai_tui.sandbox.websocket import WebSocketProtocol
from tests.sandbox.agents import SilentAgent

T = TypeVar("T")
TOKENS = {
    "admin": Identity("admin", ("system:masters",)),
    "operator": Identity("olga", ("operators",)),
    "viewer": Identity("vera", ("viewers",)),
}


def new_api() -> Api:
    """An API with two namespaces and the default roles."""
    api = Api(Objects(), Clock())
    for name in ("default", "kube-system"):
        api.create(registry.NAMESPACES, "", {"metadata": {"name": name}})
    for resource, item in default_rbac():
        api.create(resource, "", item)
    return api


class _Server(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._tell()


class Served:
    """A running server: `url`, kubeconfigs by role, and `call` to run something on its event loop."""

    def __init__(self, api: Api, directory: Path) -> None:
        self.api, self.faults, self._directory = api, Faults(), directory
        self.authz = Authz(api.objects, TOKENS)
        self.agent = SilentAgent()
        authority = trustme.CA()
        self.ca = authority.cert_pem.bytes()
        config = uvicorn.Config(
            create_app(api, self.agent, self.authz, self.faults, api.clock),
            host="127.0.0.1",
            port=0,
            log_config=None,
            lifespan="off",
            ws=WebSocketProtocol,
            timeout_graceful_shutdown=1,
        )
        config.load()
        config.ssl = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(config.ssl)
        self._ready = threading.Event()
        self._server = _Server(config, self._ready.set)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._server.serve()
        await self.agent.close()

    @property
    def url(self) -> str:
        """The address, also while nothing listens there."""
        return f"https://127.0.0.1:{self._port}"

    def vanish(self) -> None:
        """Stop listening and cut every connection, as a server that is gone; what is stored stays."""

        def cut() -> None:
            for server in self._server.servers:
                server.close()
            for connection in list(self._server.server_state.connections):
                connection.transport.abort()

        self.call(cut)

    def come_back(self) -> None:
        """Listen again at the same address."""
        listening = socket.create_server(("127.0.0.1", self._port))
        asyncio.run_coroutine_threadsafe(self._server.startup([listening]), self._loop).result(10)

    def call(self, fn: Callable[[], T]) -> T:
        """Run `fn` where the store lives."""

        async def run() -> T:
            return fn()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def kubeconfig(self, role: str = "admin", namespace: str = "default") -> Path:
        """A kubeconfig for a role."""
        path = self._directory / f"kubeconfig-{role}"
        ca = base64.b64encode(self.ca).decode()
        data = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": self.url, "certificate-authority-data": ca}}],
            "users": [{"name": "u", "user": {"token": role}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
        }
        path.write_text(yaml.safe_dump(data), encoding="utf-8")
        return path

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        assert self._ready.wait(10)
        self._port = self._server.servers[0].sockets[0].getsockname()[1]

    def stop(self) -> None:
        """End, with whatever is still connected."""
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)


@contextlib.contextmanager
def served(directory: Path, api: Api | None = None) -> Iterator[Served]:
    """A server for the length of a test."""
    server = Served(api or new_api(), directory)
    server.start()
    try:
        yield server
    finally:
        server.stop()
