"""The sandbox as a process: HTTPS on loopback, a kubeconfig, state in a directory, until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvicorn

from genai_tui.errors import BadInput, GenaiTuiError
from genai_tui.sandbox.engine import LocalEngine
from genai_tui.sandbox.front import Front
from genai_tui.sandbox.running import ANNOUNCEMENT, Announcement, held
from genai_tui.sandbox.scenarios import Render, build, enliven
from genai_tui.sandbox.state import (
    Files,
    Identity,
    Saved,
    identity,
    kubeconfig_text,
    load,
    restore,
    save,
    write_private,
)
from genai_tui.sandbox.websocket import WebSocketProtocol
from genai_tui.sandbox.world import ADMIN, OPERATOR, VIEWER, World

GATEWAY_PORT = "gateway.port"
SAVE_EVERY_S = 10.0
HISTORY = timedelta(seconds=250)
"""A tour has some minutes of history; they are lived through at once, and end now."""
STOP_LIMIT_S = 5.0
SEED = 1
_ROLES = {"admin": ADMIN, "operator": OPERATOR, "viewer": VIEWER}


@dataclass(frozen=True, slots=True)
class Options:
    """How to serve: `port` 0 means the last one or a free one; `speed` is of the virtual clock."""

    port: int
    directory: Path
    kubeconfig: Path | None
    scenario: str
    speed: float


def serve(
    port: int, directory: Path, kubeconfig: Path | None, scenario: str, speed: float, render: Render, cache: Path
) -> None:
    """Run until SIGTERM or SIGINT; prints one JSON line when it answers.

    Raises:
        BadInput: the port or the directory is taken, or there is no such scenario.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = Options(port, directory, kubeconfig, scenario, speed)
    with held(directory):
        asyncio.run(_serve(options, render, cache))


async def _serve(options: Options, render: Render, cache: Path) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    files = Files(options.directory)
    saved = load(files, options.scenario)
    listener = _listen(options.port, saved.port if saved is not None else 0)
    front = Front(_listen(0, _last_port(options.directory)), options.directory)
    engine = LocalEngine(cache)
    fetching = asyncio.create_task(engine.fetch())
    try:
        world = _world(engine, options.scenario, saved, render)
        await _run(options, files, world, (listener, front), stop)
    finally:
        await front.close()
        fetching.cancel()
        await engine.close()
        listener.close()


async def _run(
    options: Options, files: Files, world: World, fronts: tuple[socket.socket, Front], stop: asyncio.Event
) -> None:
    """Serve the world until we are told to stop, and keep it."""
    listener, front = fronts
    own, port = identity(files), int(listener.getsockname()[1])
    world.authz.tokens = {own.tokens[role]: who for role, who in _ROLES.items()}
    server = uvicorn.Server(_config(world, files, own))
    # uvicorn's own signal handling would end the server before the state is saved.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    tasks = [
        asyncio.create_task(world.clock.run(options.speed), name="clock"),
        asyncio.create_task(server.serve(sockets=[listener]), name="server"),
    ]
    try:
        while not server.started and not tasks[1].done():
            await asyncio.wait(tasks, timeout=0.01, return_when=asyncio.FIRST_COMPLETED)
        enliven(world, options.scenario)
        _announce(options, files, own, port, front)
        await _keep_saving(world, files, options.scenario, port, stop, tasks)
    finally:
        # While the API server answers: the gateway's streams go through it.
        await front.close()
        server.should_exit = server.force_exit = True
        tasks[0].cancel()
        await asyncio.wait(tasks, timeout=STOP_LIMIT_S)
        await world.close()
        _save(world, files, options.scenario, port)


def _world(engine: LocalEngine, scenario: str, saved: Saved | None, render: Render) -> World:
    """The world as it was left, else a new one."""
    now = datetime.now(UTC)
    if saved is None:
        world = World(engine=engine, start=now - HISTORY, seed=SEED)
        build(world, scenario, render)
        world.clock.advance(max(0.0, (datetime.now(UTC) - world.clock.now()).total_seconds()))
        return world
    # Faster than life it may be later there than here; time does not go back.
    world = World(engine=engine, start=max(now, saved.now), seed=saved.version)
    restore(world.objects, saved)
    world.resume()
    return world


def _listen(port: int, last: int) -> socket.socket:
    """A loopback socket: on the port asked for, else the last one, so that kubeconfigs stay valid, else any."""
    for candidate in (port,) if port else (last, 0):
        # asyncio sends small pieces at once only on sockets it knows to be TCP.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", candidate))
            return listener
        except (OSError, OverflowError) as error:
            listener.close()
            if port:
                why = str(error) or "the port is taken, or may not be used"
                raise BadInput(f"the sandbox cannot listen on port {port}", why=why) from error
    raise BadInput("the sandbox cannot listen on any loopback port")


def _config(world: World, files: Files, own: Identity) -> uvicorn.Config:
    config = uvicorn.Config(
        world.app(),
        log_config=None,
        lifespan="off",
        http="httptools",
        ws=WebSocketProtocol,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=120,
    )
    config.load()
    certificate, key = files.directory / ".certificate.pem", files.directory / ".key.pem"
    try:
        write_private(certificate, own.certificate.encode())
        write_private(key, own.key.encode())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    finally:
        certificate.unlink(missing_ok=True)
        key.unlink(missing_ok=True)
    config.ssl = context
    return config


def _last_port(directory: Path) -> int:
    """The port of the gateway when the sandbox ran last, so that clients' settings stay valid; 0 for none."""
    try:
        return int((directory / GATEWAY_PORT).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def _announce(options: Options, files: Files, own: Identity, port: int, front: Front) -> None:
    """Write the kubeconfig, start the gateway, and say that we answer."""
    server, target = f"https://127.0.0.1:{port}", options.kubeconfig or files.kubeconfig
    write_private(target, kubeconfig_text(server, own))
    front.start(target.resolve())
    write_private(options.directory / GATEWAY_PORT, str(front.port).encode())
    announcement = Announcement(server, str(target.resolve()), front.url, os.getpid())
    write_private(options.directory / ANNOUNCEMENT, announcement.line().encode())
    sys.stdout.write(announcement.line() + "\n")
    sys.stdout.flush()


async def _keep_saving(
    world: World, files: Files, scenario: str, port: int, stop: asyncio.Event, tasks: list[asyncio.Task[None]]
) -> None:
    """Save what changed from time to time until we are told to stop.

    Raises:
        GenaiTuiError: the clock or the server ended by itself.
    """
    saved, stopping = -1, asyncio.create_task(stop.wait())
    while not stopping.done():
        if world.objects.version != saved:
            saved = world.objects.version
            _save(world, files, scenario, port)
        await asyncio.wait([stopping, *tasks], timeout=SAVE_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done() and not stopping.done():
                stopping.cancel()
                raise GenaiTuiError(f"the sandbox's {task.get_name()} stopped") from task.exception()


def _save(world: World, files: Files, scenario: str, port: int) -> None:
    # A big cluster is put there again in less time than it takes to read it back.
    if not scenario.startswith("scale"):
        save(world, files, scenario, port)
