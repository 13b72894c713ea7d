"""Every node's kubelet: takes in the pods bound to its node, orders their containers, and reports on them.

What happens to one container is in `container_life`, with pulls in `pulls`, probes in `probes` and what it does in
`launch`; logs, exec and ports are in `node_agent`.
"""

from __future__ import annotations

from datetime import datetime

from genai_tui.sandbox import registry
from genai_tui.sandbox.container_life import CRASH_LOOP, RETRY_S, Life
from genai_tui.sandbox.containers import Container, PodRun
from genai_tui.sandbox.engine import Engine
from genai_tui.sandbox.environment import MissingReference, environment_of, mount_problem
from genai_tui.sandbox.events import Recorder
from genai_tui.sandbox.launch_failures import Exit
from genai_tui.sandbox.objects import Change, Object
from genai_tui.sandbox.verbs import ENDED, Api
from genai_tui.sandbox.workloads import STATIC_LABEL

DOWN_ANNOTATION = "sandbox.genai-tui.dev/down"
NO_ENGINE_CONDITION = "sandbox.genai-tui.dev/Engine"
SHUTDOWN_S = 1.0


class Kubelet:
    """All kubelets at once."""

    def __init__(self, api: Api, record: Recorder, engine: Engine | None) -> None:
        self.api, self.clock, self.engine = api, api.clock, engine
        self._record = record
        self.pods: dict[str, PodRun] = {}
        self._down: set[str] = set()
        self._addresses = 1
        self.life = Life(self, api, engine)
        api.objects.subscribe(self._changed)

    # -- pods that come and go ----------------------------------------------------------------------------------

    def adopt_all(self) -> None:
        """Go on with the pods there are, after a restart of the sandbox: what ran runs, images are still there."""
        for node in self.api.objects.list(registry.NODES):
            self._look_at_node(node)
        for pod in self.api.objects.list(registry.PODS):
            if not pod["spec"].get("nodeName"):
                continue
            run = self._admit(pod, begin=False)
            if run is not None:
                self._resume(run, pod)
            if pod["metadata"].get("deletionTimestamp"):
                self._end(pod)

    def _changed(self, change: Change) -> None:
        if change.resource is registry.NODES:
            self._look_at_node(change.object)
        if change.resource is not registry.PODS:
            return
        pod = change.object
        if change.type == "DELETED":
            self._forget(pod["metadata"]["uid"])
        elif pod["spec"].get("nodeName"):
            self._admit(pod, begin=True)
            if pod["metadata"].get("deletionTimestamp"):
                self._end(pod)

    def _admit(self, pod: Object, *, begin: bool) -> PodRun | None:
        meta, spec = pod["metadata"], pod["spec"]
        is_static = STATIC_LABEL in (meta.get("labels") or {})
        if meta["uid"] in self.pods or is_static or pod.get("status", {}).get("phase") in ENDED:
            return None
        run = PodRun(
            meta["namespace"],
            meta["name"],
            meta["uid"],
            spec["nodeName"],
            pod.get("status", {}).get("podIP") or self._address(),
            pod.get("status", {}).get("startTime") or self.clock.stamp(),
            {c["name"]: Container(c, is_init=True) for c in spec.get("initContainers") or ()},
            {c["name"]: Container(c) for c in spec["containers"]},
            spec.get("restartPolicy", "Always"),
        )
        self.pods[run.uid] = run
        if begin:
            run.timers.append(self.clock.call_later(0.4, lambda: self._begin(run)))
        return run

    def _address(self) -> str:
        taken = {run.ip for run in self.pods.values()}
        while True:
            self._addresses += 1
            address = f"10.244.{self._addresses // 250 % 250}.{self._addresses % 250 + 2}"
            if address not in taken:
                return address

    def _end(self, pod: Object) -> None:
        """Terminate: the pre-stop hook, SIGTERM, and within the grace period the end."""
        meta = pod["metadata"]
        run = self.pods.get(meta["uid"])
        grace = float(meta.get("deletionGracePeriodSeconds") or 0)
        if run is None:
            # Never started here: nothing to wait for.
            self.clock.call_later(0.1, lambda: self._remove(meta["namespace"], meta["name"], meta["uid"]))
            return
        if run.ending or run.lost:
            return
        run.ending = True
        running = [c for c in run.containers if c.running]
        for container in running:
            self.event(run, container, "Normal", "Killing", f"Stopping container {container.name}")
        hooks = max((_pre_stop(c.spec) for c in running), default=0.0)
        delay = min(grace, hooks + SHUTDOWN_S) if running else 0.1
        run.timers.append(self.clock.call_later(delay, lambda: self._stopped(run)))

    def _stopped(self, run: PodRun) -> None:
        for container in run.containers:
            container.stop()
            if container.running:
                container.state = {"terminated": self.life.terminated(container, Exit(0, 0), "")}
                container.ready = container.started = False
        self.publish(run)
        run.timers.append(self.clock.call_later(0.2, lambda: self._remove(run.namespace, run.name, run.uid)))

    def _remove(self, namespace: str, name: str, uid: str) -> None:
        pod = self.api.objects.get(registry.PODS, namespace, name)
        if pod is not None and pod["metadata"]["uid"] == uid and not pod["metadata"].get("finalizers"):
            self.api.objects.remove(registry.PODS, namespace, name)

    def _forget(self, uid: str) -> None:
        run = self.pods.pop(uid, None)
        if run is not None:
            self._abandon(run)

    def _abandon(self, run: PodRun) -> None:
        for timer in run.timers:
            timer.cancel()
        for container in run.containers:
            container.stop()

    # -- nodes --------------------------------------------------------------------------------------------------

    def _look_at_node(self, node: Object) -> None:
        """A node that is down answers nothing; when it is back its containers start again."""
        name = node["metadata"]["name"]
        down = (node["metadata"].get("annotations") or {}).get(DOWN_ANNOTATION) == "true"
        if down and name not in self._down:
            self._down.add(name)
            for run in [run for run in self.pods.values() if run.node == name]:
                run.lost = True
                self._abandon(run)
        elif not down and name in self._down:
            self._down.discard(name)
            self.clock.call_later(1.0, lambda: self._rejoin(name))

    def _rejoin(self, node: str) -> None:
        for run in [run for run in self.pods.values() if run.node == node and run.lost]:
            pod = self.pod(run)
            del self.pods[run.uid]
            if pod is None:
                continue
            if pod["metadata"].get("deletionTimestamp"):
                self._remove(run.namespace, run.name, run.uid)
                continue
            again = self._admit(pod, begin=True)
            for container in again.containers if again is not None else ():
                old = run.find(container.name)
                container.restarts = old.restarts + 1 if old is not None else 0

    def is_down(self, node: str) -> bool:
        """Whether nobody on the node answers."""
        return node in self._down

    # -- the order of containers --------------------------------------------------------------------------------

    def _begin(self, run: PodRun) -> None:
        """Mount the volumes, then start the containers in their order."""
        pod = self.pod(run)
        if pod is None or run.ending:
            return
        problem = mount_problem(self.api.objects, pod)
        if problem is not None:
            self._record(pod, "Warning", "FailedMount", problem, "kubelet", host=run.node)
            self.publish(run)
            run.timers.append(self.clock.call_later(RETRY_S, lambda: self._begin(run)))
            return
        self.publish(run)
        self.advance(run)

    def advance(self, run: PodRun) -> None:
        """Start what comes next: the next init container, or all the others."""
        for container in run.init.values():
            if container.started if container.is_sidecar else container.succeeded:
                continue
            if not container.timers and not container.running:
                self.life.prepare(run, container)
            return
        for container in run.main.values():
            self.life.prepare(run, container)

    def _resume(self, run: PodRun, pod: Object) -> None:
        """Take up a pod where the last run of the sandbox left it."""
        status = pod.get("status", {})
        run.changed_at = {c["type"]: (c["status"], c["lastTransitionTime"]) for c in status.get("conditions") or ()}
        known_states = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
        for found in known_states:
            container = run.find(found["name"])
            if container is None:
                continue
            container.restarts, container.last = found["restartCount"], found.get("lastState") or {}
            container.failures = container.restarts + ("terminated" in found["state"])
            if found.get("imageID"):
                container.image_id, container.id = found["imageID"], found.get("containerID", "")
                self.life.puller.remember(run.node, container.image)
            if "running" in found["state"] and found.get("started"):
                self._resume_running(run, pod, container, found["state"], ready=found["ready"])
            elif "terminated" in found["state"] or found["state"].get("waiting", {}).get("reason") == CRASH_LOOP:
                container.state = found["state"]
                self.life.resume_back_off(run, container)
        if not known_states:
            self._begin(run)
        elif not run.initialized:
            self.advance(run)
        else:
            for container in run.main.values():
                if not container.running and not container.timers:
                    self.life.prepare(run, container)

    def _resume_running(self, run: PodRun, pod: Object, container: Container, state: Object, *, ready: bool) -> None:
        try:
            environment = environment_of(self.api.objects, pod, container.spec)
        except MissingReference:
            return
        launch = self.life.launch(run, pod, container, environment)
        if launch is not None and launch.exit is not None:
            return
        container.state, container.ready = state, ready
        ready_after = (launch.ready_after if launch is not None else None) or 0.0
        ran = (self.clock.now() - datetime.fromisoformat(state["running"]["startedAt"])).total_seconds()
        self.life.live(run, container, launch, passed=max(ran, ready_after + 1.0))
        container.started = True

    # -- what parts of the kubelet share ------------------------------------------------------------------------

    def pod(self, run: PodRun) -> Object | None:
        """The pod's object while it is this one."""
        pod = self.api.objects.get(registry.PODS, run.namespace, run.name)
        return pod if pod is not None and pod["metadata"]["uid"] == run.uid else None

    def run_of(self, pod: Object) -> PodRun | None:
        """A pod's life on its node."""
        return self.pods.get(pod["metadata"]["uid"])

    def event(self, run: PodRun, container: Container, kind: str, reason: str, message: str) -> None:
        """Record an event of a container."""
        pod = self.pod(run)
        if pod is not None:
            self._record(pod, kind, reason, message, "kubelet", path=container.path, host=run.node)

    def kill(self, run: PodRun, container: Container, why: str) -> None:
        """End a container so that it starts again."""
        self.life.kill(run, container, why)

    def publish(self, run: PodRun) -> None:
        """Write the pod's status as it is."""
        pod = self.pod(run)
        if pod is None or run.lost:
            return
        status = run.status(pod, self.clock.stamp())
        if self.engine is None and any(c.shim is not None for c in run.main.values()):
            status["conditions"].append(_no_engine(run.since))
        self.api.update_status(registry.PODS, run.namespace, run.name, status, manager="kubelet")


def _no_engine(since: str) -> Object:
    """Says in the pod's status that nobody will answer."""
    return {
        "type": NO_ENGINE_CONDITION,
        "status": "False",
        "reason": "NoEngine",
        "message": "no engine installed: this sandbox simulates the pod, and its requests are refused",
        "lastProbeTime": None,
        "lastTransitionTime": since,
    }


def _pre_stop(spec: Object) -> float:
    """How long the pre-stop hook takes: its sleep, whichever way it is written."""
    hook = (spec.get("lifecycle") or {}).get("preStop") or {}
    if "sleep" in hook:
        return float(hook["sleep"].get("seconds", 0))
    command = (hook.get("exec") or {}).get("command") or []
    text = " ".join(command).rsplit("sleep ", 1)
    return float(text[1]) if len(text) == 2 and text[1].replace(".", "", 1).isdigit() else 0.0
