"""What the API server passes on to a node: logs, exec, the ports of pods."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from genai_tui.domain.quantities import parse_quantity
from genai_tui.sandbox import known, registry
from genai_tui.sandbox.containers import Container, Line, PodRun
from genai_tui.sandbox.environment import MissingReference, environment_of
from genai_tui.sandbox.gpus import IDLE_MIB, GpuUse, dcgm_app, nvidia_smi
from genai_tui.sandbox.kubelet import Kubelet
from genai_tui.sandbox.nodes import gpu_of
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.status import ApiError, bad_request
from genai_tui.sandbox.verbs import ENDED

DCGM_APP = "nvidia-dcgm-exporter"
DCGM_PORT = 9400
BUSY = 0.87
"""How busy a GPU is while its engine generates."""


class Agent:
    """Implements `agent.NodeAgent` on the kubelets."""

    def __init__(self, kubelet: Kubelet) -> None:
        self._kubelet, self._api = kubelet, kubelet.api
        self._servers: dict[tuple[str, int], tuple[asyncio.Task[None], int]] = {}

    # -- logs ---------------------------------------------------------------------------------------------------

    async def log(
        self,
        pod: Object,
        container: str,
        *,
        follow: bool,
        previous: bool,
        tail_lines: int | None,
        since_seconds: float | None,
        timestamps: bool,
        limit_bytes: int | None,
    ) -> AsyncIterator[bytes]:
        """The log of a container; with `follow` until it ends. Raises ApiError."""
        found = self._logged(pod, container)
        if previous and found.previous is None:
            name = pod["metadata"]["name"]
            raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
        lines = found.lines
        shown = list(found.previous or ()) if previous else list(lines)
        if since_seconds is not None:
            oldest = self._api.clock.now() - timedelta(seconds=since_seconds)
            shown = [line for line in shown if line[0] >= oldest]
        if tail_lines is not None:
            shown = shown[-tail_lines:] if tail_lines else []
        text = "".join(_shown(line, timestamps) for line in shown).encode()
        written = found.written
        yield text[:limit_bytes] if limit_bytes is not None else text
        if follow and not previous:
            async for more in _followed(found, lines, written, timestamps):
                yield more

    def _logged(self, pod: Object, container: str) -> Container:
        run = self._kubelet.run_of(pod)
        found = run.find(container) if run is not None else None
        name = pod["metadata"]["name"]
        if run is not None and run.lost:
            message = f'Get "https://{run.node}:10250/containerLogs/{run.namespace}/{name}/{container}": '
            raise ApiError(500, "InternalError", f"{message}dial tcp {run.node}:10250: connect: no route to host")
        if found is None or not (found.image_id or found.lines or found.previous):
            state = found.state.get("waiting", {}) if found is not None else {}
            reason, message = state.get("reason", "ContainerCreating"), state.get("message", "")
            text = f'container "{container}" in pod "{name}" is waiting to start: '
            shown = "trying and failing to pull image" if reason in ("ErrImagePull", "ImagePullBackOff") else reason
            raise bad_request(text + (message if reason == "CreateContainerConfigError" else shown))
        return found

    # -- exec ---------------------------------------------------------------------------------------------------

    async def exec(self, pod: Object, container: str, command: list[str]) -> tuple[bytes, bytes, int]:
        """Run one of the few commands there are: stdout, stderr, exit code. Raises ApiError."""
        run = self._kubelet.run_of(pod)
        found = run.find(container) if run is not None else None
        if found is None or not found.running or (run is not None and run.lost):
            raise bad_request(f'container not found ("{container}")')
        words = command[2].split() if command[:2] in (["sh", "-c"], ["bash", "-c"]) and len(command) > 2 else command
        name = words[0].rsplit("/", 1)[-1] if words else ""
        if name == "nvidia-smi":
            return self._smi(pod, container, words[1:])
        if name == "echo":
            return (" ".join(words[1:]) + "\n").encode(), b"", 0
        if name == "hostname":
            return f"{pod['metadata']['name']}\n".encode(), b"", 0
        if name in ("env", "printenv"):
            return self._environment(pod, found, words[1:])
        text = f'exec: "{words[0] if words else ""}": executable file not found in $PATH: this container is simulated\n'
        return b"", text.encode(), 127

    def _environment(self, pod: Object, container: Container, names: Sequence[str]) -> tuple[bytes, bytes, int]:
        try:
            found = environment_of(self._api.objects, pod, container.spec)
        except MissingReference:
            found = {}
        if names:
            value = found.get(names[0])
            return (f"{value}\n".encode(), b"", 0) if value is not None else (b"", b"", 1)
        return "".join(f"{key}={value}\n" for key, value in found.items()).encode(), b"", 0

    def _smi(self, pod: Object, container: str, arguments: Sequence[str]) -> tuple[bytes, bytes, int]:
        node = self._api.objects.get(registry.NODES, "", pod["spec"].get("nodeName", ""))
        meta = pod["metadata"]
        mine = [
            use
            for use in (self.gpu_uses(node["metadata"]["name"]) if node is not None else ())
            if (use.namespace, use.pod, use.container) == (meta["namespace"], meta["name"], container)
        ]
        if node is None or not mine:
            return b"", b'exec: "nvidia-smi": executable file not found in $PATH\n', 127
        out, code = nvidia_smi(node, mine, arguments)
        return out, b"", code

    # -- GPUs ---------------------------------------------------------------------------------------------------

    def gpu_uses(self, node_name: str) -> Sequence[GpuUse]:
        """Each GPU of a node with the pod that has it; memory as engines reserve it, busy while they answer."""
        node = self._api.objects.get(registry.NODES, "", node_name)
        if node is None:
            return ()
        uses: list[GpuUse] = []
        for pod in self._api.objects.list(registry.PODS):
            if pod["spec"].get("nodeName") != node_name or pod.get("status", {}).get("phase") in ENDED:
                continue
            for container in pod["spec"]["containers"]:
                limits = (container.get("resources") or {}).get("limits") or {}
                for _ in range(int(parse_quantity(str(limits.get("nvidia.com/gpu", "0"))))):
                    uses.append(self._gpu_use(len(uses), pod, container, node))
        total = int(node["status"]["allocatable"].get("nvidia.com/gpu", "0"))
        return [*uses, *(GpuUse(i) for i in range(len(uses), total))]

    def _gpu_use(self, index: int, pod: Object, spec: Object, node: Object) -> GpuUse:
        meta, gpu = pod["metadata"], gpu_of(node)
        run = self._kubelet.run_of(pod)
        found = run.find(spec["name"]) if run is not None else None
        shim = found.shim if found is not None and found.running else None
        if shim is None or gpu is None:
            return GpuUse(index, meta["namespace"], meta["name"], spec["name"])
        if shim.up:
            used = int(gpu.memory * shim.serving.cache.gpu_memory_utilization)
            busy = BUSY if shim.metrics.running else 0.0
        else:
            share = max(1, int((spec["resources"]["limits"]).get("nvidia.com/gpu", "1")))
            used, busy = min(gpu.memory, known.model(shim.serving.root).weights // share // 2**20 + IDLE_MIB), 0.0
        return GpuUse(index, meta["namespace"], meta["name"], spec["name"], busy, used)

    # -- ports --------------------------------------------------------------------------------------------------

    def http_app(self, pod: Object, port: int) -> ASGIApp | None:
        """What listens on a port of the pod."""
        run = self._kubelet.run_of(pod)
        if run is None or run.lost:
            return None
        if port == DCGM_PORT and (pod["metadata"].get("labels") or {}).get("app") == DCGM_APP:
            name = pod["spec"].get("nodeName", "")
            return dcgm_app(lambda: self._api.objects.get(registry.NODES, "", name), self.gpu_uses)
        return _listening(run, port)

    async def connect(self, pod: Object, port: int) -> tuple[str, int]:
        """A loopback port that leads to the pod's, made on demand. Raises ApiError."""
        app = self.http_app(pod, port)
        key = (pod["metadata"]["uid"], port)
        if app is None:
            message = f"failed to connect to localhost:{port} inside the pod: connect: connection refused"
            raise ApiError(503, "ServiceUnavailable", message)
        if key not in self._servers:
            self._servers[key] = await _serve(self._behind(pod, port))
        return "127.0.0.1", self._servers[key][1]

    def _behind(self, pod: Object, port: int) -> ASGIApp:
        """What listens at the time of a request: a restarted container has a new server."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            inner = self.http_app(pod, port) or PlainTextResponse("connection refused", 503)
            await inner(scope, receive, send)

        return app

    async def close(self) -> None:
        """End the loopback servers."""
        for task, _ in self._servers.values():
            task.cancel()
        await asyncio.gather(*(task for task, _ in self._servers.values()), return_exceptions=True)
        self._servers.clear()


def _listening(run: PodRun, port: int) -> ASGIApp | None:
    for container in run.containers:
        shim = container.shim
        if shim is not None and shim.up and port == shim.serving.port:
            return shim
    return None


async def _serve(app: ASGIApp) -> tuple[asyncio.Task[None], int]:
    config = uvicorn.Config(app, "127.0.0.1", 0, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    # uvicorn would take over this process's signals.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    task = asyncio.create_task(server.serve())
    while not server.started:
        if task.done():
            raise ApiError(503, "ServiceUnavailable", "no loopback port can be opened")
        await asyncio.sleep(0.01)
    return task, int(server.servers[0].sockets[0].getsockname()[1])


async def _followed(container: Container, lines: list[Line], written: int, timestamps: bool) -> AsyncIterator[bytes]:
    """What is written after `written` lines, until the container ends."""
    listener = asyncio.Event()
    container.listeners.add(listener)
    try:
        while container.lines is lines:
            listener.clear()
            new = container.written - written
            if new:
                written = container.written
                yield "".join(_shown(line, timestamps) for line in lines[-new:]).encode()
            elif not container.running:
                return
            else:
                await listener.wait()
    finally:
        container.listeners.discard(listener)


def _shown(line: Line, timestamps: bool) -> str:
    at, text = line
    return f"{at.strftime('%Y-%m-%dT%H:%M:%S.%f')}000Z {text}\n" if timestamps else f"{text}\n"
