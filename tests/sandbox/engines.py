"""The real engine behind shims on real sockets: what tests that chat share."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import uvicorn
from prometheus_client.parser import text_string_to_metric_families

from genai_tui.sandbox.engine import LocalEngine
from genai_tui.sandbox.engine_metrics import Cache
from genai_tui.sandbox.engine_model import model_file
from genai_tui.sandbox.vllm_dialect import Serving
from genai_tui.sandbox.vllm_shim import Shim

RECORDED = Path(__file__).parent.parent / "data" / "engines" / "vllm-0.32"
SERVING = Serving(
    served_names=("chat", "smollm2-135m"),
    root="HuggingFaceTB/SmolLM2-135M-Instruct",
    context=1024,
    cache=Cache(16_384),
    force_usage=True,
    prompt_details=True,
)
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@functools.cache
def installed() -> bool:
    return importlib.util.find_spec("xllamacpp") is not None and model_file(Path("/nonexistent")) is not None


@dataclass(frozen=True)
class Pod:
    """An engine pod's server."""

    shim: Shim
    base: str
    log: list[str]
    client: httpx.AsyncClient

    async def samples(self) -> Samples:
        """Every sample of /metrics, as the Prometheus client reads them."""
        return parse((await self.client.get("/metrics")).text)


def parse(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(samples: Samples, name: str, **labels: str) -> float:
    wanted = set(labels.items())
    return sum(value for (found, own), value in samples.items() if found == name and wanted <= set(own))


@contextlib.asynccontextmanager
async def pod(engine: LocalEngine | None, serving: Serving = SERVING, **changes: object) -> AsyncIterator[Pod]:
    """A shim on a loopback port."""
    log: list[str] = []
    shim = Shim(engine, replace(serving, **changes), log.append)  # type: ignore[arg-type]
    shim.up = True
    server = uvicorn.Server(
        uvicorn.Config(shim, "127.0.0.1", 0, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    )
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.wait({task}, timeout=0.01)
    base = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        async with httpx.AsyncClient(base_url=base, timeout=60, trust_env=False) as client:
            yield Pod(shim, base, log, client)
    finally:
        server.should_exit = server.force_exit = True
        await task


def recorded(name: str) -> tuple[int, str]:
    """Status and body of a recorded answer."""
    head, _, body = (RECORDED / f"{name}.http").read_text(encoding="utf-8").replace("\r\n", "\n").partition("\n\n")
    return int(head.split()[1]), body


def recorded_events(name: str) -> list[dict[str, object]]:
    """The chunks of a recorded stream."""
    return events(recorded(name)[1])


def events(body: str) -> list[dict[str, object]]:
    lines = [line[6:] for line in body.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


async def eventually(holds: object, limit: float = 10.0) -> None:
    """Poll a condition with a deadline."""
    assert callable(holds)
    deadline = asyncio.get_running_loop().time() + limit
    while not (await result if asyncio.iscoroutine(result := holds()) else result):
        assert asyncio.get_running_loop().time() < deadline, "it did not come true in time"
        await asyncio.sleep(0.02)
