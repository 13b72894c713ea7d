"""One container from image to process to its end, and again: what the kubelet does for each.

Reasons, messages, back-off and termination messages follow the real kubelet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from genai_tui.domain.quantities import parse_quantity
from genai_tui.sandbox import known, registry
from genai_tui.sandbox.containers import Container, PodRun
from genai_tui.sandbox.engine import Engine
from genai_tui.sandbox.environment import MissingReference, environment_of
from genai_tui.sandbox.launch import Place, launch_nim, launch_plain, launch_vllm, version_of
from genai_tui.sandbox.launch_failures import Exit, Launch
from genai_tui.sandbox.launch_stages import STAGE_ANNOTATION, TRACEBACKS_ANNOTATION
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.probes import Host, Prober
from genai_tui.sandbox.pulls import Puller
from genai_tui.sandbox.verbs import Api
from genai_tui.sandbox.vllm_shim import Shim

BACK_OFF_S = (1.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)
"""The first restart is immediate."""
FORGIVEN_AFTER = timedelta(minutes=10)
MESSAGE_LIMIT, MESSAGE_LINES = 2048, 80
RETRY_S = 10.0
CRASH_LOOP = "CrashLoopBackOff"
_FALLBACK = "FallbackToLogsOnError"


class Pods(Host, Protocol):
    """The kubelet, as its containers use it."""

    def pod(self, run: PodRun) -> Object | None:
        """The pod's object while it is this one."""

    def advance(self, run: PodRun) -> None:
        """Start what comes next."""


class Life:
    """Starts, restarts and ends containers."""

    def __init__(self, pods: Pods, api: Api, engine: Engine | None) -> None:
        self._pods, self._api, self._clock, self._engine = pods, api, api.clock, engine
        self.puller = Puller(pods, api.objects, self._jitter)

    def _jitter(self) -> float:
        return self._api.random.uniform(0.92, 1.08)

    def prepare(self, run: PodRun, container: Container) -> None:
        """Get the image, then start the container."""
        pod = self._pods.pod(run)
        if pod is not None and not run.ending:
            self.puller.pull(run, container, pod, lambda: self._create(run, container))

    def _create(self, run: PodRun, container: Container) -> None:
        pod = self._pods.pod(run)
        if pod is None or run.ending:
            return
        try:
            environment = environment_of(self._api.objects, pod, container.spec)
        except MissingReference as error:
            self._pods.event(run, container, "Warning", "Failed", f"Error: {error}")
            container.state = {"waiting": {"reason": "CreateContainerConfigError", "message": str(error)}}
            self._pods.publish(run)
            container.later(self._clock, RETRY_S, lambda: self._create(run, container))
            return
        self._pods.event(run, container, "Normal", "Created", "Container created")
        self._pods.event(run, container, "Normal", "Started", "Container started")
        container.state = {"running": {"startedAt": self._clock.stamp()}}
        container.image_id = f"sandbox://{container.image}"
        container.id = f"sandbox://{self._api.random.getrandbits(256):064x}"
        container.lines = []
        container.ready = container.started = False
        self.live(run, container, self.launch(run, pod, container, environment), passed=0.0)
        self._pods.publish(run)

    def launch(self, run: PodRun, pod: Object, container: Container, environment: Mapping[str, str]) -> Launch | None:
        """What the container does; None for one that just runs."""
        spec, image = container.spec, known.image(container.image)
        annotations = pod["metadata"].get("annotations") or {}
        stage = annotations.get(STAGE_ANNOTATION, "")
        container.is_engine = image.engine is not None and not container.is_init
        if not container.is_engine:
            return launch_plain(
                [*(spec.get("command") or ()), *(spec.get("args") or ())], stage, is_init=container.is_init
            )
        full = annotations.get(TRACEBACKS_ANNOTATION) == "full"
        place = replace(self._place(run, spec, environment, stage), full_tracebacks=full)
        if self._engine is not None:
            self._engine.start_soon()
        if image.engine == "nim":
            return launch_nim(container.image, place, spec.get("args") or ())
        words = [*(spec.get("command") or ["vllm", "serve"]), *(spec.get("args") or ())]
        words = words[2:] if words[:2] == ["vllm", "serve"] else words
        return launch_vllm(words, place, version_of(container.image))

    def _place(self, run: PodRun, spec: Object, environment: Mapping[str, str], stage: str) -> Place:
        node = self._api.objects.get(registry.NODES, "", run.node) or {}
        labels = node.get("metadata", {}).get("labels") or {}
        limits = (spec.get("resources") or {}).get("limits") or {}
        memory = limits.get("memory")
        return Place(
            gpus=int(parse_quantity(str(limits.get("nvidia.com/gpu", "0")))),
            gpu_bytes=int(labels.get("nvidia.com/gpu.memory", "0")) * 2**20,
            environment=environment,
            stage=stage,
            engine_problem=self._engine.problem if self._engine is not None else None,
            memory=int(parse_quantity(str(memory))) if memory is not None else None,
            mounts=tuple(
                m["mountPath"] for m in spec.get("volumeMounts") or () if not m["mountPath"].startswith("/dev/")
            ),
            pace=self._jitter(),
            node=run.node,
        )

    def live(self, run: PodRun, container: Container, launch: Launch | None, *, passed: float) -> None:
        """Let the launch happen, `passed` seconds of which are over: its lines, then ready or its end; and probe."""
        if launch is None:
            launch = Launch()
        now = self._clock.now()
        for after, text in launch.lines:
            if after < passed:
                container.log(now - timedelta(seconds=passed - after), text)
            else:
                container.later(self._clock, after - passed, lambda text=text: container.log(self._clock.now(), text))  # type: ignore[misc]
        if launch.exit is not None:
            ended = launch.exit
            container.later(self._clock, max(0.0, ended.after - passed), lambda: self._exited(run, container, ended))
        if launch.serving is not None and launch.ready_after is not None:
            shim = Shim(self._engine, launch.serving, lambda text: container.log(self._clock.now(), text))
            container.shim = shim
            if launch.ready_after <= passed:
                shim.up = True
            else:
                container.later(self._clock, launch.ready_after - passed, shim.listen)
            if launch.dies_after is not None:
                container.later(self._clock, max(0.0, launch.dies_after - passed), shim.die)
        if container.is_init and not container.is_sidecar:
            container.started = True
        else:
            Prober(self._pods, run, container).begin()
        if container.is_sidecar and container.started:
            self._pods.advance(run)

    # -- the end of a container ---------------------------------------------------------------------------------

    def kill(self, run: PodRun, container: Container, why: str) -> None:
        """End a container that failed its probe."""
        self._pods.event(run, container, "Normal", "Killing", f"Container {container.name} {why}")
        listening = container.shim is not None and container.shim.up
        if container.shim is not None and not listening:
            # vLLM interrupts itself when it is told to stop while it loads.
            container.log(self._clock.now(), "KeyboardInterrupt: terminated")
        self._exited(run, container, Exit(0 if listening else 137, 0))

    def _exited(self, run: PodRun, container: Container, ended: Exit) -> None:
        if not container.running:
            return
        container.stop()
        message = ended.message if ended.message is not None else self._last_words(container, ended)
        began = container.state["running"]["startedAt"]
        ran = self._clock.now() - _moment(began)
        container.failures = 0 if ran >= FORGIVEN_AFTER else container.failures
        container.state = {"terminated": self.terminated(container, ended, message)}
        container.ready = container.started = False
        container.previous = container.lines
        self._pods.publish(run)
        if container.is_init and container.succeeded and not container.is_sidecar:
            self._pods.advance(run)
        elif run.restarts_after(container) and not run.ending:
            delay = BACK_OFF_S[min(container.failures, len(BACK_OFF_S) - 1)]
            container.failures += 1
            container.later(self._clock, 0.5, lambda: self._wait_to_restart(run, container, delay))

    def terminated(self, container: Container, ended: Exit, message: str) -> Object:
        """core/v1 ContainerStateTerminated."""
        began = container.state.get("running", {}).get("startedAt", self._clock.stamp())
        found: Object = {
            "exitCode": ended.code,
            "reason": "Completed" if ended.code == 0 else ended.reason,
            "startedAt": began,
            "finishedAt": self._clock.stamp(),
        }
        found |= {"containerID": container.id} if container.id else {}
        return found | ({"message": message} if message else {})

    def _last_words(self, container: Container, ended: Exit) -> str:
        if ended.code == 0 or container.spec.get("terminationMessagePolicy") != _FALLBACK:
            return ""
        text = "\n".join(line for _, line in container.lines[-MESSAGE_LINES:]) + "\n"
        return text.encode()[-MESSAGE_LIMIT:].decode("utf-8", "ignore") if container.lines else ""

    def _wait_to_restart(self, run: PodRun, container: Container, delay: float) -> None:
        if self._pods.pod(run) is None or run.ending:
            return
        if delay > 1:
            whose = f"{run.name}_{run.namespace}({run.uid})"
            text = f"Back-off restarting failed container {container.name} in pod {whose}"
            self._pods.event(run, container, "Warning", "BackOff", text)
            container.last = container.state
            message = f"back-off {_duration(delay)} restarting failed container={container.name} pod={whose}"
            container.state = {"waiting": {"reason": CRASH_LOOP, "message": message}}
            self._pods.publish(run)
        container.later(self._clock, delay, lambda: self._restart(run, container))

    def resume_back_off(self, run: PodRun, container: Container) -> None:
        """Take up the wait of a container that has ended; how much of it is over is not known."""
        if run.restarts_after(container):
            delay = BACK_OFF_S[min(max(container.failures - 1, 0), len(BACK_OFF_S) - 1)]
            container.later(self._clock, delay, lambda: self._restart(run, container))

    def _restart(self, run: PodRun, container: Container) -> None:
        if "terminated" in container.state:
            container.last = container.state
        container.restarts += 1
        self.prepare(run, container)


def _duration(seconds: float) -> str:
    """Go's way to write it: 40s, 2m40s, 5m0s."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp)
