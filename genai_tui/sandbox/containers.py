"""A pod on its node: what each container is doing, and the status the kubelet reports of it."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from genai_tui.sandbox.clock import Clock, Timer
from genai_tui.sandbox.launch_failures import NOW
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.vllm_shim import Shim

MAX_LOG_LINES = 20_000
Line = tuple[datetime, str]


@dataclass(slots=True)
class Container:
    """One container's present and previous life.

    `is_init` containers run one after the other before the others; an `is_engine` one listens only once it is up.
    """

    spec: Object
    is_init: bool = False
    is_engine: bool = False
    state: Object = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last: Object = field(default_factory=dict)
    restarts: int = 0
    failures: int = 0
    started: bool = False
    ready: bool = False
    image_id: str = ""
    id: str = ""
    message: str | None = None
    lines: list[Line] = field(default_factory=list)
    previous: list[Line] | None = None
    written: int = 0
    listeners: set[asyncio.Event] = field(default_factory=set)
    timers: list[Timer] = field(default_factory=list)
    shim: Shim | None = None

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.spec["name"])

    @property
    def image(self) -> str:
        """The image asked for."""
        return str(self.spec["image"])

    @property
    def is_sidecar(self) -> bool:
        """An init container that keeps running beside the others."""
        return self.is_init and self.spec.get("restartPolicy") == "Always"

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return "running" in self.state

    @property
    def succeeded(self) -> bool:
        """Whether it ended well."""
        return bool(self.state.get("terminated", {}).get("exitCode") == 0)

    @property
    def path(self) -> str:
        """Its field in the pod, as events name it."""
        return f"spec.{'initContainers' if self.is_init else 'containers'}{{{self.name}}}"

    def log(self, now: datetime, text: str) -> None:
        """Write a line of its log."""
        self.lines.append((now, text.replace(NOW, now.strftime("%m-%d %H:%M:%S"))))
        del self.lines[:-MAX_LOG_LINES]
        self.written += 1
        self.tell()

    def tell(self) -> None:
        """Wake those who follow the log."""
        for listener in self.listeners:
            listener.set()

    def later(self, clock: Clock, seconds: float, fn: Callable[[], None]) -> Timer:
        """Do something later unless the container ends before."""
        now = clock.now()
        self.timers = [timer for timer in self.timers if not timer.cancelled and timer.when > now]
        timer = clock.call_later(seconds, fn)
        self.timers.append(timer)
        return timer

    def stop(self) -> None:
        """End what it was doing: timers and server. Its state is for the caller to set."""
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()
        if self.shim is not None:
            self.shim.on_health = lambda: None
            self.shim.up = False
            self.shim = None
        self.tell()

    def status(self) -> Object:
        """core/v1 ContainerStatus."""
        found: Object = {
            "name": self.name,
            "state": copy.deepcopy(self.state),
            "lastState": copy.deepcopy(self.last),
            "ready": self.succeeded if self.is_init and not self.is_sidecar else self.ready,
            "restartCount": self.restarts,
            "image": self.image,
            "imageID": self.image_id,
            "started": self.started,
        }
        return found | ({"containerID": self.id} if self.id else {})


@dataclass(slots=True)
class PodRun:
    """A pod on its node."""

    namespace: str
    name: str
    uid: str
    node: str
    ip: str
    since: str
    init: dict[str, Container]
    main: dict[str, Container]
    restart: str = "Always"
    changed_at: dict[str, tuple[str, str]] = field(default_factory=dict)
    ending: bool = False
    lost: bool = False
    timers: list[Timer] = field(default_factory=list)

    @property
    def containers(self) -> Iterable[Container]:
        """All of them, init containers first."""
        return (*self.init.values(), *self.main.values())

    def find(self, name: str) -> Container | None:
        """A container by its name."""
        return self.main.get(name) or self.init.get(name)

    @property
    def initialized(self) -> bool:
        """Whether every init container has done its part."""
        return all(c.started if c.is_sidecar else c.succeeded for c in self.init.values())

    def restarts_after(self, container: Container) -> bool:
        """Whether a container that has just ended is to be started again."""
        if container.is_sidecar:
            return True
        if container.is_init:
            return not container.succeeded and self.restart != "Never"
        return self.restart == "Always" or (self.restart == "OnFailure" and not container.succeeded)

    @property
    def phase(self) -> str:
        """core/v1 PodPhase."""
        mains = list(self.main.values())
        if all("terminated" in c.state and not self.restarts_after(c) for c in mains):
            return "Succeeded" if all(c.succeeded for c in mains) else "Failed"
        if self.restart == "Never" and any("terminated" in c.state and not c.succeeded for c in self.init.values()):
            return "Failed"
        return "Running" if any(c.image_id for c in mains) else "Pending"

    def status(self, pod: Object, now: str) -> Object:
        """core/v1 PodStatus."""
        unready = [c.name for c in self.main.values() if not c.ready]
        ended = self.phase in ("Succeeded", "Failed")
        why = "PodCompleted" if self.phase == "Succeeded" else "ContainersNotReady"
        uninitialized = [c.name for c in self.init.values() if not (c.started if c.is_sidecar else c.succeeded)]
        generation = pod["metadata"].get("generation")
        conditions = [
            self._condition("PodReadyToStartContainers", not ended, now),
            self._condition("Initialized", not uninitialized, now, "ContainersNotInitialized", uninitialized),
            self._condition("Ready", not unready and not ended, now, why, unready),
            self._condition("ContainersReady", not unready and not ended, now, why, unready),
            self._condition("PodScheduled", True, now),
        ]
        observed = {"observedGeneration": generation} if generation is not None else {}
        status: Object = {
            **observed,
            "phase": self.phase,
            "conditions": [{**condition, **observed} for condition in conditions],
            "hostIP": "127.0.0.1",
            "hostIPs": [{"ip": "127.0.0.1"}],
            "podIP": self.ip,
            "podIPs": [{"ip": self.ip}],
            "startTime": self.since,
            "containerStatuses": [c.status() for c in self.main.values()],
            "qosClass": pod.get("status", {}).get("qosClass", "Burstable"),
        }
        return status | ({"initContainerStatuses": [c.status() for c in self.init.values()]} if self.init else {})

    def _condition(self, kind: str, holds: bool, now: str, reason: str = "", unready: Iterable[str] = ()) -> Object:
        status = "True" if holds else "False"
        known, since = self.changed_at.get(kind, ("", ""))
        if known != status:
            since = now
            self.changed_at[kind] = (status, since)
        found: Object = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": since}
        if not holds and reason:
            found["reason"] = reason
            names = " ".join(unready)
            if names and reason != "PodCompleted":
                word = "incomplete" if reason == "ContainersNotInitialized" else "unready"
                found["message"] = f"containers with {word} status: [{names}]"
        return found
