"""Every node's kubelet: pulls, starts, probes, restarts, logs and ends the containers of the pods bound to it.

Reasons, messages, back-off and termination messages follow the real kubelet.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from starlette.types import ASGIApp

from genai_tui.sandbox import known, registry
from genai_tui.sandbox.clock import Timer
from genai_tui.sandbox.engine import Engine
from genai_tui.sandbox.environment import MissingReference, environment_of, pull_secret_for
from genai_tui.sandbox.events import Recorder
from genai_tui.sandbox.launch import STAGE_ANNOTATION, Launch, Place, launch_nim, launch_vllm
from genai_tui.sandbox.objects import Change, Object
from genai_tui.sandbox.status import ApiError, bad_request
from genai_tui.sandbox.verbs import ENDED, Api
from genai_tui.sandbox.vllm_shim import Shim

STATIC_LABEL = "sandbox.genai-tui.dev/static"
MAX_LOG_LINES = 20_000
BACK_OFF_S = (1.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)
MESSAGE_LIMIT = 2048
Line = tuple[datetime, str]


@dataclass(slots=True)
class Run:
    """One container's present and previous life."""

    spec: Object
    state: Object = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last: Object = field(default_factory=dict)
    restarts: int = 0
    started: bool = False
    ready: bool = False
    image_id: str = ""
    lines: list[Line] = field(default_factory=list)
    previous: list[Line] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    timers: list[Timer] = field(default_factory=list)
    shim: Shim | None = None

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.spec["name"])

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return "running" in self.state


@dataclass(slots=True)
class PodRun:
    """A pod on its node."""

    namespace: str
    name: str
    uid: str
    ip: str
    since: str
    containers: dict[str, Run]
    changed_at: dict[str, tuple[str, str]] = field(default_factory=dict)
    ending: bool = False


class Kubelet:
    """All kubelets at once. Implements `apiserver.NodeAgent` with `serving` of pods by port."""

    def __init__(self, api: Api, record: Recorder, engine: Engine | None) -> None:
        self._api, self._record, self._engine = api, record, engine
        self.pods: dict[str, PodRun] = {}
        self._images: set[tuple[str, str]] = set()
        self._next_ip = 2
        self.other_apps: Callable[[Object, int], ASGIApp | None] = lambda _pod, _port: None
        self.other_exec: Callable[[Object, list[str]], tuple[bytes, bytes, int] | None] = lambda _pod, _command: None
        self._servers: dict[tuple[str, int], tuple[asyncio.Task[None], int]] = {}
        api.objects.subscribe(self._changed)

    # -- pods ---------------------------------------------------------------------------------------------------

    def adopt_all(self) -> None:
        """Start what was running, after a restart of the sandbox; images are still there."""
        for pod in self._api.objects.list(registry.PODS):
            node = pod["spec"].get("nodeName")
            if not node:
                continue
            if pod["status"].get("phase") == "Running":
                self._images |= {(node, c["image"]) for c in pod["spec"]["containers"]}
            self._admit(pod)
            if pod["metadata"].get("deletionTimestamp"):
                self._end(pod)

    def _changed(self, change: Change) -> None:
        if change.resource is not registry.PODS:
            return
        pod = change.object
        if change.type == "DELETED":
            self._forget(pod["metadata"]["uid"])
        elif pod["spec"].get("nodeName"):
            self._admit(pod)
            if pod["metadata"].get("deletionTimestamp"):
                self._end(pod)

    def _admit(self, pod: Object) -> None:
        meta = pod["metadata"]
        static = STATIC_LABEL in (meta.get("labels") or {})
        if meta["uid"] in self.pods or static or pod.get("status", {}).get("phase") in ENDED:
            return
        self._next_ip += 1
        address = f"10.244.{self._next_ip // 250 % 250}.{self._next_ip % 250 + 2}"
        containers = {c["name"]: Run(c) for c in pod["spec"]["containers"]}
        run = PodRun(meta["namespace"], meta["name"], meta["uid"], address, self._api.clock.stamp(), containers)
        self.pods[meta["uid"]] = run
        self._api.clock.call_later(0.4, lambda: self._begin(run))

    def _begin(self, run: PodRun) -> None:
        if run.uid in self.pods:
            self._publish(run)
            for container in run.containers.values():
                self._prepare(run, container)

    def _pod(self, run: PodRun) -> Object | None:
        pod = self._api.objects.get(registry.PODS, run.namespace, run.name)
        return pod if pod is not None and pod["metadata"]["uid"] == run.uid else None

    def _end(self, pod: Object) -> None:
        run = self.pods.get(pod["metadata"]["uid"])
        if run is None or run.ending:
            return
        run.ending = True
        for container in run.containers.values():
            if container.running:
                self._record(pod, "Normal", "Killing", f"Stopping container {container.name}", "kubelet")
            self._stop(container)
        grace = min(2.0, float(pod["metadata"].get("deletionGracePeriodSeconds") or 0))
        self._api.clock.call_later(grace, lambda: self._gone(run))

    def _gone(self, run: PodRun) -> None:
        if self._pod(run) is not None:
            self._api.objects.remove(registry.PODS, run.namespace, run.name)

    def _forget(self, uid: str) -> None:
        run = self.pods.pop(uid, None)
        if run is not None:
            for container in run.containers.values():
                self._stop(container)

    def _stop(self, container: Run) -> None:
        for timer in container.timers:
            timer.cancel()
        container.timers.clear()
        if container.shim is not None:
            container.shim.up = False
        container.changed.set()

    def _later(self, container: Run, seconds: float, fn: Callable[[], None]) -> None:
        container.timers = [t for t in container.timers if not t.cancelled and t.when > self._api.clock.now()]
        container.timers.append(self._api.clock.call_later(seconds, fn))

    # -- from image to process ----------------------------------------------------------------------------------

    def _prepare(self, run: PodRun, container: Run) -> None:
        """Pull the image when the node does not have it."""
        pod = self._pod(run)
        if pod is None or run.ending:
            return
        reference, node = container.spec["image"], pod["spec"]["nodeName"]
        if (node, reference) in self._images and container.spec.get("imagePullPolicy") != "Always":
            text = f'Container image "{reference}" already present on machine'
            self._record(pod, "Normal", "Pulled", text, "kubelet")
            self._later(container, 0.2, lambda: self._create(run, container))
            return
        self._record(pod, "Normal", "Pulling", f'Pulling image "{reference}"', "kubelet")
        image = known.image(reference)
        problem = self._pull_problem(pod, reference, image)
        if problem:
            self._later(container, 1.5, lambda: self._pull_failed(run, container, problem, 0))
            return
        seconds = (1.0 + image.size / known.REGISTRY_BYTES_PER_S) * self._api.random.uniform(0.9, 1.1)
        self._later(container, seconds, lambda: self._pulled(run, container, image.size, seconds))

    def _pull_problem(self, pod: Object, reference: str, image: known.Image) -> str | None:
        host = f'failed to pull and unpack image "{reference}": failed to resolve reference "{reference}"'
        if image.problem is not None:
            return f"rpc error: code = NotFound desc = {host}: {reference}: not found"
        if image.private and not pull_secret_for(self._api.objects, pod, "nvcr.io"):
            why = "failed to authorize: failed to fetch anonymous token: 401 Unauthorized"
            return f"rpc error: code = Unknown desc = {host}: {why}: unauthorized: authentication required"
        return None

    def _pull_failed(self, run: PodRun, container: Run, problem: str, attempt: int) -> None:
        pod = self._pod(run)
        if pod is None or run.ending:
            return
        reference = container.spec["image"]
        self._record(pod, "Warning", "Failed", f'Failed to pull image "{reference}": {problem}', "kubelet")
        self._record(pod, "Warning", "Failed", "Error: ErrImagePull", "kubelet")
        container.state = {"waiting": {"reason": "ErrImagePull", "message": problem}}
        self._publish(run)
        delay = BACK_OFF_S[min(attempt + 1, len(BACK_OFF_S) - 1)]
        self._later(container, 2, lambda: self._back_off_pull(run, container, problem, attempt, delay))

    def _back_off_pull(self, run: PodRun, container: Run, problem: str, attempt: int, delay: float) -> None:
        pod = self._pod(run)
        if pod is None or run.ending:
            return
        reference = container.spec["image"]
        text = f'Back-off pulling image "{reference}"'
        self._record(pod, "Normal", "BackOff", text, "kubelet")
        message = f"{text}: ErrImagePull: {problem}"
        container.state = {"waiting": {"reason": "ImagePullBackOff", "message": message}}
        self._publish(run)
        self._later(container, delay, lambda: self._retry_pull(run, container, attempt + 1))

    def _retry_pull(self, run: PodRun, container: Run, attempt: int) -> None:
        pod = self._pod(run)
        if pod is None or run.ending:
            return
        reference = container.spec["image"]
        problem = self._pull_problem(pod, reference, known.image(reference))
        if problem:
            self._pull_failed(run, container, problem, attempt)
        else:
            self._prepare(run, container)

    def _pulled(self, run: PodRun, container: Run, size: int, seconds: float) -> None:
        pod = self._pod(run)
        if pod is None or run.ending:
            return
        reference = container.spec["image"]
        self._images.add((pod["spec"]["nodeName"], reference))
        took = f"{seconds:.3f}s ({seconds:.3f}s including waiting)"
        text = f'Successfully pulled image "{reference}" in {took}. Image size: {size} bytes.'
        self._record(pod, "Normal", "Pulled", text, "kubelet")
        self._create(run, container)

    def _create(self, run: PodRun, container: Run) -> None:
        pod = self._pod(run)
        if pod is None or run.ending:
            return
        try:
            environment = environment_of(self._api.objects, pod, container.spec)
        except MissingReference as error:
            self._record(pod, "Warning", "Failed", f"Error: {error}", "kubelet")
            container.state = {"waiting": {"reason": "CreateContainerConfigError", "message": str(error)}}
            self._publish(run)
            self._later(container, 10, lambda: self._create(run, container))
            return
        self._record(pod, "Normal", "Created", f"Container created: {container.name}", "kubelet")
        self._record(pod, "Normal", "Started", f"Container started: {container.name}", "kubelet")
        container.state = {"running": {"startedAt": self._api.clock.stamp()}}
        container.image_id = f"sandbox://{container.spec['image']}"
        container.lines = []
        container.ready = container.started = False
        launch = self._launch(pod, container, environment)
        self._follow(run, container, launch)
        self._publish(run)

    def _launch(self, pod: Object, container: Run, environment: Mapping[str, str]) -> Launch | None:
        """What the container does; None for one that just runs."""
        spec, image = container.spec, known.image(container.spec["image"])
        if image.engine is None:
            return None
        node = self._api.objects.get(registry.NODES, "", pod["spec"]["nodeName"]) or {}
        labels = node.get("metadata", {}).get("labels") or {}
        limits = (spec.get("resources") or {}).get("limits") or {}
        place = Place(
            gpus=int(limits.get("nvidia.com/gpu", "0")),
            gpu_bytes=int(labels.get("nvidia.com/gpu.memory", "0")) * 2**20,
            environment=environment,
            stage=(pod["metadata"].get("annotations") or {}).get(STAGE_ANNOTATION, ""),
            engine_problem=self._engine.problem if self._engine is not None else None,
        )
        if image.engine == "nim":
            return launch_nim(spec["image"], place, pod["spec"]["nodeName"])
        words = [*(spec.get("command") or ["vllm", "serve"]), *(spec.get("args") or ())]
        words = words[2:] if words[:2] == ["vllm", "serve"] else words
        return launch_vllm(words, place, pod["spec"]["nodeName"])

    def _follow(self, run: PodRun, container: Run, launch: Launch | None) -> None:
        """Let the launch happen: its lines, then ready or its end; and begin to probe."""
        if launch is None:
            container.started = container.ready = True
            return
        for after, text in launch.lines:
            self._later(container, after, lambda text=text: self._log(container, text))  # type: ignore[misc]
        if launch.exit is not None:
            ended = launch.exit
            self._later(container, ended.after, lambda: self._exited(run, container, ended.code, ended.reason))
        if launch.serving is not None and launch.ready_after is not None:
            container.shim = Shim(self._engine, launch.serving, lambda text: self._log(container, text))
            self._later(container, launch.ready_after, lambda: self._up(container))
        self._probe_start(run, container)

    def _up(self, container: Run) -> None:
        if container.shim is not None:
            container.shim.up = True

    def _log(self, container: Run, text: str) -> None:
        container.lines.append((self._api.clock.now(), text))
        del container.lines[:-MAX_LOG_LINES]
        container.changed.set()

    # -- probes -------------------------------------------------------------------------------------------------

    def _healthy(self, container: Run) -> bool:
        return container.shim is not None and container.shim.up

    def _probe_start(self, run: PodRun, container: Run) -> None:
        probe = container.spec.get("startupProbe")
        if probe is None:
            container.started = True
            self._probe_ready(run, container, 0)
            self._probe_alive(run, container, 0)
            return
        delay = probe.get("initialDelaySeconds", 0) or 1
        self._later(container, delay, lambda: self._startup_check(run, container, probe, 0))

    def _startup_check(self, run: PodRun, container: Run, probe: Object, failures: int) -> None:
        if not container.running:
            return
        if self._healthy(container):
            container.started = True
            self._publish(run)
            self._probe_ready(run, container, 0)
            self._probe_alive(run, container, 0)
            return
        if failures + 1 >= probe.get("failureThreshold", 3):
            self._kill(run, container, "startup", "failed startup probe, will be restarted")
            return
        period = self._probe_period(probe)
        self._later(container, period, lambda: self._startup_check(run, container, probe, failures + 1))

    def _probe_period(self, probe: Object) -> float:
        return float(probe.get("periodSeconds", 10))

    def _probe_ready(self, run: PodRun, container: Run, failures: int) -> None:
        """Readiness, until it holds; what can end it (exit, kill) says so itself."""
        probe = container.spec.get("readinessProbe")
        if not container.running:
            return
        if probe is None or self._healthy(container):
            container.ready = True
            self._publish(run)
            return
        self._later(container, self._probe_period(probe), lambda: self._probe_ready(run, container, failures + 1))

    def _probe_alive(self, run: PodRun, container: Run, failures: int) -> None:
        """Liveness, until the engine has answered once."""
        probe = container.spec.get("livenessProbe")
        if probe is None or not container.running or self._healthy(container):
            return
        if failures >= probe.get("failureThreshold", 3):
            self._kill(run, container, "liveness", "failed liveness probe, will be restarted")
            return
        delay = probe.get("initialDelaySeconds", 0) if failures == 0 else 0
        self._later(
            container, delay + self._probe_period(probe), lambda: self._probe_alive(run, container, failures + 1)
        )

    def _kill(self, run: PodRun, container: Run, kind: str, text: str) -> None:
        pod = self._pod(run)
        if pod is not None:
            unhealthy = f"{kind.capitalize()} probe failed: HTTP probe failed with statuscode: 503"
            self._record(pod, "Warning", "Unhealthy", unhealthy, "kubelet")
            self._record(pod, "Normal", "Killing", f"Container {container.name} {text}", "kubelet")
        self._log(container, "KeyboardInterrupt: terminated")
        self._exited(run, container, 137, "Error")

    # -- the end of a container ---------------------------------------------------------------------------------

    def _exited(self, run: PodRun, container: Run, code: int, reason: str) -> None:
        self._stop(container)
        began = container.state.get("running", {}).get("startedAt", self._api.clock.stamp())
        ended: Object = {
            "exitCode": code,
            "reason": "Completed" if code == 0 else reason,
            "startedAt": began,
            "finishedAt": self._api.clock.stamp(),
        }
        message = self._last_words(container) if code != 0 else ""
        if message:
            ended["message"] = message
        container.state = {"terminated": ended}
        container.ready = container.started = False
        container.previous = container.lines
        container.shim = None
        container.changed = asyncio.Event()
        self._publish(run)
        delay = BACK_OFF_S[min(container.restarts, len(BACK_OFF_S) - 1)]
        self._later(container, 0.5, lambda: self._wait_to_restart(run, container, delay))

    def _last_words(self, container: Run) -> str:
        if container.spec.get("terminationMessagePolicy") != "FallbackToLogsOnError":
            return ""
        text = "\n".join(line for _, line in container.lines[-80:])
        return text[-MESSAGE_LIMIT:]

    def _wait_to_restart(self, run: PodRun, container: Run, delay: float) -> None:
        pod = self._pod(run)
        if pod is None or run.ending:
            return
        if delay > 1:
            name = f"{container.name} in pod {run.name}_{run.namespace}({run.uid})"
            text = f"Back-off restarting failed container {name}"
            self._record(pod, "Warning", "BackOff", text, "kubelet")
            waiting = (
                f"back-off {int(delay)}s restarting failed container={container.name} pod={run.name}_{run.namespace}"
            )
            container.last = container.state
            container.state = {"waiting": {"reason": "CrashLoopBackOff", "message": waiting}}
            self._publish(run)
        self._later(container, delay, lambda: self._restart(run, container))

    def _restart(self, run: PodRun, container: Run) -> None:
        if "terminated" in container.state:
            container.last = container.state
        container.restarts += 1
        self._prepare(run, container)

    # -- status -------------------------------------------------------------------------------------------------

    def _publish(self, run: PodRun) -> None:
        """Write the pod's status as it is."""
        pod = self._pod(run)
        if pod is None:
            return
        phase = "Running" if any(c.image_id for c in run.containers.values()) else "Pending"
        unready = [c.name for c in run.containers.values() if not c.ready]
        conditions = [
            self._condition(run, "PodReadyToStartContainers", "True"),
            self._condition(run, "Initialized", "True"),
            self._condition(run, "Ready", "False" if unready else "True", unready),
            self._condition(run, "ContainersReady", "False" if unready else "True", unready),
            self._condition(run, "PodScheduled", "True"),
        ]
        status = {
            "phase": phase,
            "conditions": conditions,
            "hostIP": "127.0.0.1",
            "hostIPs": [{"ip": "127.0.0.1"}],
            "podIP": run.ip,
            "podIPs": [{"ip": run.ip}],
            "startTime": run.since,
            "containerStatuses": [self._container_status(c) for c in run.containers.values()],
            "qosClass": "Burstable",
        }
        self._api.update_status(registry.PODS, run.namespace, run.name, status, manager="kubelet")

    def _container_status(self, container: Run) -> Object:
        return {
            "name": container.name,
            "state": copy.deepcopy(container.state),
            "lastState": copy.deepcopy(container.last),
            "ready": container.ready,
            "restartCount": container.restarts,
            "image": container.spec["image"],
            "imageID": container.image_id,
            "started": container.started,
        }

    def _condition(self, run: PodRun, kind: str, status: str, unready: list[str] | None = None) -> Object:
        known_status, since = run.changed_at.get(kind, ("", ""))
        if known_status != status:
            since = self._api.clock.stamp()
            run.changed_at[kind] = (status, since)
        found: Object = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": since}
        if unready:
            message = f"containers with unready status: [{' '.join(unready)}]"
            found |= {"reason": "ContainersNotReady", "message": message}
        return found

    # -- what the API server passes on --------------------------------------------------------------------------

    def run_of(self, pod: Object) -> PodRun | None:
        """The pod's life on its node."""
        return self.pods.get(pod["metadata"]["uid"])

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
        """The log of a container; with `follow` until it ends."""
        run = self.run_of(pod)
        found = run.containers.get(container) if run is not None else None
        name = pod["metadata"]["name"]
        if found is None or (not found.image_id and not found.lines):
            reason = found.state["waiting"]["reason"] if found is not None and "waiting" in found.state else "creating"
            raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: {reason}')
        if previous and not found.previous:
            raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
        lines = list(found.previous if previous else found.lines)
        if since_seconds is not None:
            oldest = self._api.clock.now() - timedelta(seconds=since_seconds)
            lines = [line for line in lines if line[0] >= oldest]
        if tail_lines is not None:
            lines = lines[-tail_lines:] if tail_lines else []
        text = "".join(_shown(line, timestamps) for line in lines).encode()
        yield text[:limit_bytes] if limit_bytes is not None else text
        if follow and not previous:
            async for line in self._followed(found, timestamps):
                yield line

    async def _followed(self, container: Run, timestamps: bool) -> AsyncIterator[bytes]:
        lines, place = container.lines, len(container.lines)
        while container.lines is lines and container.running:
            container.changed.clear()
            try:
                await asyncio.wait_for(container.changed.wait(), 1.0)
            except TimeoutError:
                continue
            new, place = lines[place:], len(lines)
            if new:
                yield "".join(_shown(line, timestamps) for line in new).encode()
        rest = lines[place:]
        if rest:
            yield "".join(_shown(line, timestamps) for line in rest).encode()

    async def exec(self, pod: Object, container: str, command: list[str]) -> tuple[bytes, bytes, int]:
        """Run one of the few commands there are."""
        run = self.run_of(pod)
        found = run.containers.get(container) if run is not None else None
        if found is None or not found.running:
            raise bad_request(f'container "{container}" is not running')
        other = self.other_exec(pod, command)
        if other is not None:
            return other
        if command[:1] == ["echo"]:
            return (" ".join(command[1:]) + "\n").encode(), b"", 0
        if command[:1] == ["env"]:
            environment = environment_of(self._api.objects, pod, found.spec)
            return "".join(f"{k}={v}\n" for k, v in environment.items()).encode(), b"", 0
        text = f'exec: "{command[0] if command else ""}": executable file not found in $PATH (simulated container)\n'
        return b"", text.encode(), 127

    def http_app(self, pod: Object, port: int) -> ASGIApp | None:
        """What listens on a port."""
        other = self.other_apps(pod, port)
        if other is not None:
            return other
        run = self.run_of(pod)
        for container in run.containers.values() if run is not None else ():
            ports = [p["containerPort"] for p in container.spec.get("ports") or ()] or [8000]
            if container.shim is not None and container.shim.up and port in ports:
                return container.shim.app
        return None

    async def connect(self, pod: Object, port: int) -> tuple[str, int]:
        """A loopback port that leads to the pod's, made on demand."""
        import uvicorn

        app = self.http_app(pod, port)
        if app is None:
            raise ApiError(503, "ServiceUnavailable", f"dial tcp4 127.0.0.1:{port}: connect: connection refused")
        key = (pod["metadata"]["uid"], port)
        if key not in self._servers:
            config = uvicorn.Config(app, "127.0.0.1", 0, log_config=None, lifespan="off")
            server = uvicorn.Server(config)
            server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
            task = asyncio.create_task(server.serve())
            while not server.started:
                await asyncio.sleep(0.01)
            self._servers[key] = (task, server.servers[0].sockets[0].getsockname()[1])
        return "127.0.0.1", self._servers[key][1]

    async def close(self) -> None:
        """End the loopback servers."""
        for task, _ in self._servers.values():
            task.cancel()
        await asyncio.gather(*(task for task, _ in self._servers.values()), return_exceptions=True)
        self._servers.clear()


def _shown(line: Line, timestamps: bool) -> str:
    at, text = line
    return f"{at.strftime('%Y-%m-%dT%H:%M:%S.%f')}000Z {text}\n" if timestamps else f"{text}\n"
