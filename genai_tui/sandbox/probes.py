"""Probes: the container's own answer decides, period by period, as the kubelet counts it.

https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/
A probe that has succeeded sleeps until the container's server changes; nothing else can change its answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from starlette.types import ASGIApp, Message, Scope

from genai_tui.sandbox.clock import Clock
from genai_tui.sandbox.containers import Container, PodRun
from genai_tui.sandbox.objects import Object

STARTUP, READINESS, LIVENESS = "startup", "readiness", "liveness"
Problem = str


class Host(Protocol):
    """The kubelet, as probes use it."""

    clock: Clock

    def event(self, run: PodRun, container: Container, kind: str, reason: str, message: str) -> None:
        """Record an event of the pod."""

    def publish(self, run: PodRun) -> None:
        """Write the pod's status."""

    def kill(self, run: PodRun, container: Container, why: str) -> None:
        """End the container so that it starts again."""


class Prober:
    """The probes of one life of one container."""

    def __init__(self, host: Host, run: PodRun, container: Container) -> None:
        self._host, self._run, self._container = host, run, container
        self._asleep: list[Callable[[], None]] = []

    def begin(self) -> None:
        """Start to probe."""
        if self._container.shim is not None:
            self._container.shim.on_health = self._wake
        if self._probe(STARTUP) is None:
            self._has_started()
        else:
            self._first(STARTUP)

    def _probe(self, kind: str) -> Object | None:
        found: Object | None = self._container.spec.get(f"{kind}Probe")
        return found

    def _first(self, kind: str) -> None:
        probe = self._probe(kind) or {}
        delay = max(0.1, float(probe.get("initialDelaySeconds", 0)))
        self._container.later(self._host.clock, delay, lambda: self._check(kind, 0, 0))

    def _wake(self) -> None:
        asleep, self._asleep = self._asleep, []
        for check in asleep:
            self._container.later(self._host.clock, 0, check)

    def _check(self, kind: str, passed: int, failed: int) -> None:
        """Probe once and decide what its answer means."""
        probe = self._probe(kind)
        if probe is None or not self._container.running:
            return
        problem = probe_once(self._run, self._container, probe)
        period = float(probe.get("periodSeconds", 10))
        if problem is None:
            self._succeeded(kind, probe, passed + 1, period)
            return
        self._host.event(
            self._run, self._container, "Warning", "Unhealthy", f"{kind.capitalize()} probe failed: {problem}"
        )
        failed += 1
        if failed >= probe.get("failureThreshold", 3):
            if kind != READINESS:
                self._host.kill(self._run, self._container, f"failed {kind} probe, will be restarted")
                return
            self._set_ready(False)
        self._container.later(self._host.clock, period, lambda: self._check(kind, 0, failed))

    def _succeeded(self, kind: str, probe: Object, passed: int, period: float) -> None:
        if passed < probe.get("successThreshold", 1):
            self._container.later(self._host.clock, period, lambda: self._check(kind, passed, 0))
            return
        if kind == STARTUP:
            self._has_started()
            return
        if kind == READINESS:
            self._set_ready(True)
        if self._container.shim is not None:
            self._asleep.append(lambda: self._check(kind, 0, 0))

    def _has_started(self) -> None:
        self._container.started = True
        if self._probe(READINESS) is None:
            self._container.ready = True
        else:
            self._first(READINESS)
        if self._probe(LIVENESS) is not None:
            self._first(LIVENESS)
        self._host.publish(self._run)

    def _set_ready(self, ready: bool) -> None:
        if self._container.ready != ready:
            self._container.ready = ready
            self._host.publish(self._run)


def probe_once(run: PodRun, container: Container, probe: Object) -> Problem | None:
    """What is wrong, in the kubelet's words; None when the probe succeeds. Containers without an engine pass."""
    shim = container.shim
    if not container.is_engine:
        return None
    http, tcp = probe.get("httpGet"), probe.get("tcpSocket")
    if http is None and tcp is None:
        return None
    port = _port(container, (http or tcp or {}).get("port"))
    address = f"{run.ip}:{port}"
    if shim is None or not shim.up or port != shim.serving.port:
        refused = f"dial tcp {address}: connect: connection refused"
        return refused if http is None else f'Get "http://{address}{http.get("path", "/")}": {refused}'
    if http is None:
        return None
    status = ask(shim, http.get("path", "/"))
    if status is None:
        return f'Get "http://{address}{http.get("path", "/")}": context deadline exceeded'
    return None if 200 <= status < 400 else f"HTTP probe failed with statuscode: {status}"


def _port(container: Container, wanted: object) -> int:
    for port in container.spec.get("ports") or ():
        if port.get("name") == wanted:
            return int(port["containerPort"])
    return int(str(wanted)) if str(wanted).isdigit() else 0


def ask(app: ASGIApp, path: str) -> int | None:
    """The status of a GET that is answered at once, without an event loop; None when it would have to wait."""
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"user-agent", b"kube-probe/1.36")],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
    }
    call = app(scope, receive, send)
    try:
        call.__await__().send(None)
    except StopIteration:
        return statuses[0] if statuses else None
    return None
