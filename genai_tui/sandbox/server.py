"""The sandbox as a process: HTTPS on loopback, a kubeconfig, state in a directory, until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import ssl
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import trustme
import uvicorn
import yaml

from genai_tui.errors import BadInput
from genai_tui.sandbox import registry
from genai_tui.sandbox.authz import Identity
from genai_tui.sandbox.engine import LocalEngine
from genai_tui.sandbox.scenarios import Render, build
from genai_tui.sandbox.websocket import WebSocketProtocol
from genai_tui.sandbox.world import ADMIN, OPERATOR, VIEWER, World

SAVE_EVERY_S = 10.0
HISTORY = timedelta(seconds=250)
EXTENSION = "sandbox.genai-tui.dev"
_USERS: tuple[tuple[str, Identity], ...] = (("admin", ADMIN), ("operator", OPERATOR), ("viewer", VIEWER))


@dataclass(frozen=True, slots=True)
class Files:
    """What the state directory holds."""

    directory: Path

    @property
    def objects(self) -> Path:
        """The saved objects."""
        return self.directory / "objects.json"

    @property
    def identity(self) -> Path:
        """The certificate authority and the tokens (0600)."""
        return self.directory / "identity.json"

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig, unless another place is asked for."""
        return self.directory / "kubeconfig"


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


def _identity(files: Files) -> dict[str, str]:
    """Tokens, CA and server certificate; made once, kept with the state."""
    if files.identity.exists():
        found: dict[str, str] = json.loads(files.identity.read_text(encoding="utf-8"))
        return found
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    made = {name: secrets.token_urlsafe(24) for name, _ in _USERS}
    made |= {
        "ca": authority.cert_pem.bytes().decode(),
        "key": leaf.private_key_pem.bytes().decode(),
        "certificate": b"".join(blob.bytes() for blob in leaf.cert_chain_pems).decode(),
    }
    write_private(files.identity, json.dumps(made))
    return made


def kubeconfig_text(server: str, identity: dict[str, str]) -> str:
    """Contexts sandbox (all rights), sandbox-operator and sandbox-viewer."""
    import base64

    ca = base64.b64encode(identity["ca"].encode()).decode()
    extension = {"name": EXTENSION, "extension": {"simulated": True}}
    cluster = {"server": server, "certificate-authority-data": ca, "extensions": [extension]}
    names = {"admin": "sandbox", "operator": "sandbox-operator", "viewer": "sandbox-viewer"}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "sandbox",
            "clusters": [{"name": "sandbox", "cluster": cluster}],
            "users": [{"name": f"sandbox-{role}", "user": {"token": identity[role]}} for role in names],
            "contexts": [
                {"name": name, "context": {"cluster": "sandbox", "user": f"sandbox-{role}"}}
                for role, name in names.items()
            ],
        },
        sort_keys=False,
    )


def save(world: World, files: Files, scenario: str) -> None:
    """Keep every object."""
    data = {
        "scenario": scenario,
        "version": world.objects.version,
        "objects": [[*resource.id, resource.version, item] for resource, item in world.objects.everything()],
    }
    write_private(files.objects, msgspec.json.encode(data).decode())


def load(world: World, files: Files, scenario: str) -> bool:
    """Put back what was kept; False when there is nothing, or it was kept by another scenario."""
    if not files.objects.exists():
        return False
    data = msgspec.json.decode(files.objects.read_bytes())
    if data["scenario"] != scenario:
        return False
    for group, plural, version, item in data["objects"]:
        resource = registry.lookup(group, version, plural)
        if resource is not None:
            world.objects.restore(resource, item)
    world.objects.version = max(world.objects.version, data["version"])
    return True


def serve(
    port: int, directory: Path, kubeconfig: Path | None, scenario: str, speed: float, render: Render, cache: Path
) -> None:
    """Run until SIGTERM or SIGINT; prints one JSON line when it answers."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    asyncio.run(_serve(port, Files(directory), kubeconfig, scenario, speed, render, cache))


async def _serve(
    port: int, files: Files, kubeconfig: Path | None, scenario: str, speed: float, render: Render, cache: Path
) -> None:
    identity = _identity(files)
    engine = LocalEngine(cache)
    # A tour needs some minutes of history; they are lived through at once, and end now.
    world = World(engine=engine, start=datetime.now(UTC) - HISTORY, seed=1)
    world.authz.tokens = {identity[name]: who for name, who in _USERS}
    if load(world, files, scenario):
        world.clock.advance(HISTORY.total_seconds())
        world.resume()
    else:
        build(world, scenario, render)
        world.clock.advance(max(0.0, (datetime.now(UTC) - world.clock.now()).total_seconds()))
    server = uvicorn.Server(_config(world, port, files, identity))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    ticking = asyncio.create_task(world.clock.run(speed))
    serving = asyncio.create_task(_run(server))
    try:
        address = await _started(server, serving, port)
        target = kubeconfig or files.kubeconfig
        write_private(target, kubeconfig_text(address, identity))
        ready = {"server": address, "kubeconfig": str(target.resolve()), "gateway": None, "pid": os.getpid()}
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        await _keep_saving(world, files, scenario, stop)
    finally:
        ticking.cancel()
        server.should_exit = server.force_exit = True
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            await asyncio.wait_for(serving, 5)
        await world.close()
        await engine.close()
        save(world, files, scenario)


def _config(world: World, port: int, files: Files, identity: dict[str, str]) -> uvicorn.Config:
    config = uvicorn.Config(
        world.app(),
        host="127.0.0.1",
        port=port,
        log_config=None,
        lifespan="off",
        http="httptools",
        ws=WebSocketProtocol,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=120,
    )
    config.load()
    certificate, key = files.directory / ".certificate.pem", files.directory / ".key.pem"
    write_private(certificate, identity["certificate"])
    write_private(key, identity["key"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    certificate.unlink()
    key.unlink()
    config.ssl = context
    return config


async def _run(server: uvicorn.Server) -> None:
    # uvicorn's own signal handling would end the server before the state is saved.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    await server.serve()


async def _started(server: uvicorn.Server, serving: asyncio.Task[None], port: int) -> str:
    while not server.started:
        if serving.done():
            raise BadInput(f"the sandbox cannot listen on port {port}", why="the port is taken, or may not be used")
        await asyncio.sleep(0.01)
    found = server.servers[0].sockets[0].getsockname()[1]
    return f"https://127.0.0.1:{found}"


async def _keep_saving(world: World, files: Files, scenario: str, stop: asyncio.Event) -> None:
    saved = -1
    while not stop.is_set():
        if world.objects.version != saved and scenario != "scale":
            saved = world.objects.version
            save(world, files, scenario)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), SAVE_EVERY_S)
