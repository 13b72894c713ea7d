"""Phases and causes: each from the words Kubernetes really uses, and the laws no evidence may break."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.cluster import (
    Condition,
    ContainerSpec,
    ContainerState,
    Event,
    Meta,
    Node,
    Pod,
    Taint,
    Toleration,
    Wishes,
    Workload,
)
from genai_tui.domain.phases import Surroundings, assess_replica
from genai_tui.domain.problems import Diagnosis, FieldChange, How
from genai_tui.domain.rollouts import Silence, assess
from genai_tui.domain.rows import Assessment, GpuResource, NodeRow, Phase, ReplicaRow
from genai_tui.domain.startup import StartUp, stages

NOW = datetime(2026, 11, 23, 10, 45, tzinfo=UTC)
READY = Condition("Ready", "True", changed=NOW)
CONTAINER = ContainerSpec("engine", "vllm/vllm-openai:v0.33.0", gpus={"nvidia.com/gpu": 4}, startup_budget_seconds=600)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def pod(*states: ContainerState, node: str | None = "gpu-1", **how: Any) -> Pod:
    meta = how.pop("meta", Meta("chat-1-a", "ns", uid="p", created=ago(60)))
    phase = how.pop("phase", "Pending")
    return Pod(meta, phase, node=node, containers=how.pop("containers", (CONTAINER,)), states=states, **how)


def running(**how: Any) -> ContainerState:
    return ContainerState("engine", **{"state": "running", "since": ago(30), **how})


def waiting(reason: str, message: str = "", **how: Any) -> ContainerState:
    return ContainerState("engine", state="waiting", reason=reason, message=message, **how)


def event(reason: str, message: str, kind: str = "Warning", second: float = 20) -> Event:
    return Event(
        Meta(reason), kind, reason, message, "Pod", "chat-1-a", "ns", first_seen=ago(second), last_seen=ago(second)
    )


def node(
    name: str, free: int, *, ready: bool = True, taints: tuple[Taint, ...] = (), cordoned: bool = False
) -> NodeRow:
    conditions = (Condition("Ready", "True" if ready else "Unknown", "NodeStatusUnknown", "Kubelet stopped posting."),)
    found = Node(Meta(name, uid=name), ready, cordoned, taints, {"nvidia.com/gpu": "8"}, conditions)
    return NodeRow(found, "nvidia.com/gpu", "NVIDIA-H100", 81_559, 8, free)


NODES = (node("gpu-1", 1), node("gpu-3", 2), node("lost", 8, ready=False), node("cordoned", 8, cordoned=True))
UNSCHEDULABLE = [
    ("0/4 nodes are available: 4 Insufficient nvidia.com/gpu. preemption: 0/4 nodes are available: 4 No preemption "
     "victims found for incoming pod.", "no node has 4 free GPUs (best gpu-3: 2)"),
    ("0/3 nodes are available: 1 Insufficient memory, 3 Insufficient cpu.", "no node has enough free memory and cpu"),
    ("0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.", "no node matches the node selector"),
    ("0/3 nodes are available: 3 node(s) had untolerated taint {dedicated: research}.",
     "every fitting node has a taint dedicated: research that is not tolerated"),
    ("0/3 nodes are available: 3 node(s) had untolerated taint(s).",
     "every fitting node has a taint that is not tolerated"),
    ("0/3 nodes are available: 3 node(s) were unschedulable.", "the nodes that fit are cordoned"),
    ("0/3 nodes are available: 3 node(s) didn't match pod affinity rules.", "no node satisfies the pod affinity"),
    ("0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules.",
     "every fitting node has a pod it must stay away from"),
    ("no nodes available to schedule pods", "the cluster has no node that takes pods"),
    ("0/3 nodes are available: 3 Too many pods.", "the nodes that fit hold as many pods as they may"),
    ("0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found",
     "its volume claim is not bound"),
    ('0/3 nodes are available: persistentvolumeclaim "models" not found.', "the volume claim models does not exist"),
    ("0/3 nodes are available: 3 node(s) had volume node affinity conflict.",
     "its volume is bound to another node or zone"),
    ("something new in a later release", "something new in a later release"),
]  # fmt: skip


@pytest.mark.parametrize(("message", "cause"), UNSCHEDULABLE, ids=[cause[:45] for _, cause in UNSCHEDULABLE])
def test_why_no_node_takes_it(message: str, cause: str) -> None:
    condition = Condition("PodScheduled", "False", "Unschedulable", message)
    found = assess_replica(pod(node=None, conditions=(condition,)), (), Surroundings(NODES))
    assert (found.phase, found.cause, found.evidence) == (Phase.PENDING, cause, (message,))
    assert (found.fix is None) == (cause == message)


@pytest.mark.parametrize(
    ("nodes", "cause"),
    [
        ((), "no node has 4 free GPUs"),
        ((node("a", 8, cordoned=True),), "no node offers nvidia.com/gpu"),
        ((node("a", 6),), "no node that fits otherwise has 4 free GPUs"),
        ((node("a", 3), node("b", 8, taints=(Taint("x", "", "NoSchedule"),))), "no node has 4 free GPUs (best a: 3)"),
    ],
)
def test_the_best_node_is_named_where_nodes_may_be_listed(nodes: tuple[NodeRow, ...], cause: str) -> None:
    message = "0/2 nodes are available: 1 node(s) had untolerated taint {x: }, 1 Insufficient nvidia.com/gpu."
    condition = Condition("PodScheduled", "False", "Unschedulable", message)
    assert assess_replica(pod(node=None, conditions=(condition,)), (), Surroundings(nodes)).cause == cause


DISK = Taint("node.kubernetes.io/disk-pressure", "", "NoSchedule")
KEPT = Taint("dedicated", "research", "NoSchedule")


@pytest.mark.parametrize(
    ("found", "wishes", "cause", "change"),
    [
        (node("gpu-2", 8, taints=(KEPT,)), Wishes({"host": "gpu-2"}),
         "gpu-2, which the node selector chooses, has the taint dedicated=research:NoSchedule, which is not tolerated",
         FieldChange("advanced.tolerations", "dedicated=research:NoSchedule", How.ADD)),
        (node("gpu-2", 8, taints=(KEPT, DISK)), Wishes({"host": "gpu-2"}, (Toleration("dedicated", "Exists"),)),
         "gpu-2, which the node selector chooses, has disk pressure", FieldChange("advanced.nodeSelector", how=How.VISIT)),
        (node("gpu-2", 8, cordoned=True), Wishes({"host": "gpu-2"}), "gpu-2, which the node selector chooses, is cordoned",
         FieldChange("advanced.nodeSelector", how=How.VISIT)),
        (node("gpu-2", 8, taints=(KEPT,)), Wishes({"host": "gpu-2", "disk": "nvme"}),
         "no node matches the node selector: none has disk=nvme", FieldChange("advanced.nodeSelector", "disk=", How.REMOVE)),
    ],
)  # fmt: skip
def test_a_node_that_is_selected_and_barred_is_the_one_to_speak_of(
    found: NodeRow, wishes: Wishes, cause: str, change: FieldChange
) -> None:
    said = "0/6 nodes are available: 1 node(s) had untolerated taint(s), 5 node(s) didn't match Pod's node affinity/selector."
    labelled = replace(found, node=replace(found.node, meta=Meta("gpu-2", labels={"host": "gpu-2"})))
    waits = pod(node=None, conditions=(Condition("PodScheduled", "False", "Unschedulable", said),), wishes=wishes)
    told = assess_replica(waits, (), Surroundings((node("gpu-1", 8), labelled)))
    assert (told.cause, told.changes) == (cause, (change,))


def test_a_node_with_whole_gpus_beside_many_mig_instances_offers_both() -> None:
    mixed = replace(
        node("mixed", 7), gpu_resource="nvidia.com/mig-1g.10gb",
        resources=(GpuResource("nvidia.com/mig-1g.10gb", 7, 7), GpuResource("nvidia.com/gpu", 2, 1)),
    )  # fmt: skip
    condition = Condition(
        "PodScheduled", "False", "Unschedulable", "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    )
    told = assess_replica(pod(node=None, conditions=(condition,)), (), Surroundings((mixed,)))
    assert told.cause == "no node has 4 free GPUs (best mixed: 1)"


PULLS = [
    ("manifest for vllm/vllm-openai:v9 not found: manifest unknown", "the image does not exist"),
    ("failed to authorize: nvcr.io: 401 Unauthorized", "the registry refused the pull credentials"),
    ("unauthorized: authentication required", "the registry refused the pull credentials"),
    ("failed to fetch oauth token: 402 Payment Required", "the registry key is not entitled to this image"),
    ("dial tcp: lookup nvcr.io: no such host", "the registry cannot be reached from the node"),
    (
        "no match for platform in manifest: not found",
        "the image is not made for this kind of node (its processor or system)",
    ),
    ("failed to authorize: authentication required: token not found", "the registry refused the pull credentials"),
    (
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",
        "the node does not trust the registry's certificate",
    ),
    ("http: server gave HTTP response to HTTPS client", "the registry speaks plain HTTP, and the node expects HTTPS"),
    ('Get "https://r/v2/": context deadline exceeded', "the registry cannot be reached from the node"),
    ("lookup r.example on 10.96.0.10:53: server misbehaving", "the registry cannot be reached from the node"),
    ("something else", "the image cannot be pulled"),
]


@pytest.mark.parametrize(("message", "cause"), PULLS, ids=[cause for _, cause in PULLS])
def test_why_an_image_is_not_pulled(message: str, cause: str) -> None:
    said = f'Failed to pull image "x": {message}'
    for reason in ("ErrImagePull", "ImagePullBackOff"):
        back_off = waiting(reason, 'Back-off pulling image "x"')
        found = assess_replica(pod(back_off), [event("Failed", said), event("BackOff", "again")], Surroundings())
        assert (found.phase, found.cause, found.evidence) == (Phase.FAILED, cause, (said,))


@pytest.mark.parametrize(
    ("state", "cause", "fix"),
    [
        (waiting("CreateContainerConfigError", 'secret "hf" not found'), 'secret "hf" not found',
         "create the secret hf in this namespace"),
        (waiting("CreateContainerConfigError", 'configmap "c" not found'), 'configmap "c" not found',
         "create the configmap c in this namespace"),
        (waiting("CrashLoopBackOff", last_reason="OOMKilled", last_exit_code=137, restarts=3),
         "killed: out of memory", "raise the memory limit; /dev/shm counts against it"),
        (waiting("CrashLoopBackOff", last_reason="Error", last_exit_code=1, last_message="a\nTypeError: b", restarts=3),
         "crashed: TypeError: b, 3 restarts", "see its previous log"),
        (waiting("CrashLoopBackOff", last_reason="Error", last_exit_code=2, restarts=1), "crashed: exit code 2, 1 restart",
         "see its previous log"),
        (waiting("CrashLoopBackOff", last_message="known words", restarts=1), "understood", "do this"),
        (ContainerState("engine", state="terminated", reason="Error", exit_code=1, message="known words"), "understood",
         "do this"),
    ],
)  # fmt: skip
def test_why_a_container_does_not_run(state: ContainerState, cause: str, fix: str) -> None:
    around = Surroundings(
        diagnose=lambda text: Diagnosis("understood", text, "do this") if text == "known words" else None
    )
    found = assess_replica(pod(state), (), around)
    assert (found.phase, found.cause, found.fix) == (Phase.FAILED, cause, fix)
    assert found.evidence


@pytest.mark.parametrize(
    ("probe", "cause"), [("startup", "start-up budget is too short"), ("liveness", "liveness probe")]
)
def test_a_kill_by_a_probe_is_told_apart_from_a_crash(probe: str, cause: str) -> None:
    said = event("Killing", f"Container engine failed {probe} probe, will be restarted", "Normal")
    state = waiting("CrashLoopBackOff", last_reason="Error", last_exit_code=143, restarts=2)
    assert cause in (assess_replica(pod(state), [said], Surroundings()).cause or "")


def test_the_log_of_the_run_before_tells_what_the_last_words_hide() -> None:
    state = waiting("CrashLoopBackOff", last_message="see root cause above", restarts=2)
    around = Surroundings(from_log=Diagnosis("the real cause", "its line", "mend it"))
    assert assess_replica(pod(state), (), around) == Assessment(
        Phase.FAILED, "the real cause", ("its line",), "mend it"
    )


def test_a_node_that_does_not_answer_is_the_cause_of_its_pods() -> None:
    found = assess_replica(pod(running(started=True), node="lost"), (), Surroundings(NODES))
    assert (found.phase, found.cause) == (Phase.FAILED, "its node lost is not ready")
    assert found.evidence == ("NodeStatusUnknown: Kubelet stopped posting.",)


def test_a_replica_that_was_ready_and_is_not_any_more_is_degraded_and_not_starting() -> None:
    said = event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")
    state = running(started=True, since=ago(3600))
    lost = pod(state, phase="Running", conditions=(Condition("Ready", "False", changed=ago(30)),))
    found = assess_replica(lost, [said], Surroundings())
    assert (found.phase, found.cause) == (Phase.DEGRADED, "it stopped answering its readiness probe")
    new = replace(lost, conditions=(Condition("Ready", "False", changed=ago(3700)),))
    assert assess_replica(new, [said], Surroundings()).phase is Phase.WARMING_UP


def test_without_a_startup_probe_only_the_log_tells_a_load_from_a_warm_up() -> None:
    others = (replace(CONTAINER, startup_budget_seconds=None),)
    found = pod(running(started=True), containers=others, conditions=(Condition("Ready", "False", changed=ago(60)),))
    assert assess_replica(found, (), Surroundings()).phase is Phase.STARTING
    start = StartUp(((Phase.WARMING_UP, ago(5)),))
    assert assess_replica(found, (), Surroundings(start=start)).phase is Phase.WARMING_UP


@pytest.mark.parametrize(
    ("states", "events", "phase"),
    [
        ((), (), Phase.PENDING),
        ((waiting("ContainerCreating"),), (event("Pulling", "Pulling image", "Normal"),), Phase.PULLING),
        (
            (waiting("ContainerCreating"),),
            (event("Pulling", "", "Normal"), event("Pulled", "", "Normal", 5)),
            Phase.STARTING,
        ),
        ((ContainerState("fetch", init=True, state="running"), waiting("PodInitializing")), (), Phase.DOWNLOADING),
        ((running(),), (), Phase.STARTING),
        ((running(started=True),), (), Phase.WARMING_UP),
    ],
)
def test_a_start_step_by_step(states: tuple[ContainerState, ...], events: tuple[Event, ...], phase: Phase) -> None:
    assert assess_replica(pod(*states), events, Surroundings()).phase is phase


def test_stages_are_timed_from_what_was_seen() -> None:
    told = [event("Pulling", "", "Normal", 58), event("Pulled", "", "Normal", 31), event("Started", "", "Normal", 30)]
    found = pod(running(since=ago(30)), conditions=(Condition("PodScheduled", "True", changed=ago(59)), READY))
    assert stages(found, told) == (
        (Phase.PENDING, ago(60)), (Phase.PULLING, ago(58)), (Phase.LOADING, ago(30)), (Phase.RUNNING, NOW),
    )  # fmt: skip
    start = StartUp(((Phase.DOWNLOADING, ago(28)), (Phase.LOADING, ago(20)), (Phase.WARMING_UP, ago(4))))
    assert dict(stages(found, told, start)) == {
        Phase.PENDING: ago(60), Phase.PULLING: ago(58), Phase.DOWNLOADING: ago(30), Phase.LOADING: ago(20),
        Phase.WARMING_UP: ago(4), Phase.RUNNING: NOW,
    }  # fmt: skip


def test_a_pull_ends_with_the_first_run_and_a_stage_begins_when_the_log_names_it() -> None:
    told = [
        event("Pulling", "", "Normal", 59), event("Pulled", "", "Normal", 52), event("Started", "", "Normal", 51),
    ]  # fmt: skip
    fresh = pod(running(since=ago(51)))
    assert stages(fresh, told) == ((Phase.PENDING, ago(60)), (Phase.PULLING, ago(59)), (Phase.STARTING, ago(51)))
    again = replace(told[2], last_seen=ago(3))
    crashing = pod(running(since=ago(3), restarts=4))
    assert dict(stages(crashing, [*told[:2], again])) == {
        Phase.PENDING: ago(60), Phase.PULLING: ago(59), Phase.STARTING: ago(51), Phase.LOADING: ago(3),
    }  # fmt: skip


# Deployments ----------------------------------------------------------------------------------------------------------


def workload(replicas: int, *conditions: Condition, **how: Any) -> Workload:
    meta = Meta("chat", "ns", uid="d", generation=how.pop("generation", 1), deleting=how.pop("deleting", None))
    return Workload(meta, replicas, {}, how.pop("observed", 1), conditions=conditions, **how)


def row(
    phase: Phase,
    *,
    current: bool = True,
    cause: str | None = None,
    fix: str | None = None,
    pod_phase: str = "Running",
    progress: float | None = None,
    restarts: int = 0,
) -> ReplicaRow:
    found = pod(running(restarts=restarts), phase=pod_phase)
    return ReplicaRow(found, Assessment(phase, cause, (), fix, progress), (), current)


READY_ROW = row(Phase.RUNNING)
PHASES = st.sampled_from(
    [p for p in Phase if p not in (Phase.SCALING, Phase.ROLLING_OUT, Phase.STOPPED, Phase.UNKNOWN)]
)
ROWS = st.lists(st.builds(row, PHASES, current=st.booleans(), cause=st.sampled_from([None, "why"])), max_size=5)


@given(st.integers(0, 5), ROWS, st.sampled_from([None, False, True]), st.integers(0, 2))
def test_running_means_as_many_ready_as_wanted_and_an_answer(
    wanted: int, rows: list[ReplicaRow], answering: bool | None, observed: int
) -> None:
    found = assess(workload(wanted, observed=observed), rows, answering)
    living = [r for r in rows if r.assessment.phase is not Phase.TERMINATING]
    ready = [r for r in living if r.assessment.phase is Phase.RUNNING and r.current]
    whole = wanted > 0 and len(ready) == wanted == len(living) and observed >= 1
    assert (found.phase is Phase.RUNNING) == (whole and answering is True)
    if found.phase is Phase.RUNNING:
        assert (found.cause, found.fix, found.evidence) == (None, None, ())


@given(st.integers(1, 5), ROWS)
def test_a_failing_replica_is_never_hidden(wanted: int, rows: list[ReplicaRow]) -> None:
    failing = row(Phase.FAILED, cause="it broke", fix="mend it")
    found = assess(workload(wanted), [*rows, failing], True)
    assert found.phase in (Phase.FAILED, Phase.DEGRADED, Phase.ROLLING_OUT)
    assert found.cause in ("it broke", "why", None)


OLD_ROW = row(Phase.RUNNING, current=False)
DONE = Condition("Progressing", "True", "NewReplicaSetAvailable", 'ReplicaSet "a" has successfully progressed.')
ROLLING = Condition("Progressing", "True", "ReplicaSetUpdated", 'ReplicaSet "a" is progressing.')
LOADING_ROW = row(Phase.LOADING, progress=0.4)
PAUSED = {"paused": True, "total": 2}
GONE_QUIET = Silence(NOW, "team-a/chat does not answer: connection refused")
QUOTA = Condition("ReplicaFailure", "True", "FailedCreate", 'pods "a" is forbidden: exceeded quota: few, requested: 1')
LATE = Condition("Progressing", "False", "ProgressDeadlineExceeded", 'ReplicaSet "a" has timed out progressing.')


@pytest.mark.parametrize(
    ("found", "phase", "cause"),
    [
        (assess(workload(0), [], None), Phase.STOPPED, None),
        (assess(workload(0), [READY_ROW], True), Phase.SCALING, "stopping its pods"),
        (assess(workload(1, deleting=NOW), [READY_ROW], True), Phase.TERMINATING, None),
        (assess(workload(1), [READY_ROW], None), Phase.WARMING_UP, "ready; asking the engine which models it serves"),
        (assess(workload(1), [READY_ROW], False), Phase.WARMING_UP, "the engine does not answer yet"),
        (assess(workload(1), [READY_ROW], False, GONE_QUIET), Phase.DEGRADED,
         "the engine has not answered since 10:45:00 UTC"),
        (assess(workload(1), [READY_ROW], False, Silence(served=("other",))), Phase.DEGRADED,
         "the engine answers, and serves other instead of chat"),
        (assess(workload(1, generation=2), [READY_ROW], True), Phase.ROLLING_OUT, "a change was saved"),
        (assess(workload(2, generation=2), [READY_ROW], True), Phase.SCALING, "1 of 2 ready"),
        (assess(workload(2, DONE), [READY_ROW, LOADING_ROW], True), Phase.SCALING, "1 of 2 ready, loading 40%"),
        (assess(workload(2, DONE), [READY_ROW, LOADING_ROW], True, scaled=ago(62)), Phase.SCALING,
         "1 of 2 ready, loading 40%"),
        # Nobody scaled: the pod took the place of another, or its container began anew.
        (assess(workload(2, DONE), [READY_ROW, LOADING_ROW], True, scaled=ago(3600)), Phase.DEGRADED,
         "1 of 2 ready, loading 40%"),
        (assess(workload(2, DONE), [READY_ROW, row(Phase.LOADING, restarts=1)], True), Phase.DEGRADED,
         "1 of 2 ready, loading"),
        # The last replica of an update, and one in the middle of it.
        (assess(workload(2, ROLLING, revision="2"), [READY_ROW, LOADING_ROW], True), Phase.ROLLING_OUT,
         "1 of 2 updated, loading 40%"),
        # The first start: nothing is updated.
        (assess(workload(2, ROLLING, revision="1"), [READY_ROW, LOADING_ROW], True), Phase.ROLLING_OUT,
         "1 of 2 ready, loading 40%"),
        (assess(workload(3, ROLLING), [OLD_ROW, READY_ROW, row(Phase.PULLING)], True), Phase.ROLLING_OUT,
         "1 of 3 updated, pulling"),
        (assess(workload(3, ROLLING), [OLD_ROW, OLD_ROW, OLD_ROW], True), Phase.ROLLING_OUT, "0 of 3 updated"),
        (assess(workload(2, DONE, updated=0, **PAUSED), [READY_ROW, READY_ROW], True), Phase.ROLLING_OUT,
         "paused: a change waits"),
        (assess(workload(2, ROLLING, updated=1, **PAUSED), [OLD_ROW, LOADING_ROW], True), Phase.ROLLING_OUT,
         "paused: a change waits"),
        (assess(workload(2, updated=0, **PAUSED), [OLD_ROW, row(Phase.FAILED, cause="it broke", fix="mend it")], True),
         Phase.ROLLING_OUT, "it broke; paused: a change waits"),
        (assess(workload(2, DONE, updated=2, **PAUSED), [READY_ROW, READY_ROW], True), Phase.RUNNING, None),
        (assess(workload(1, paused=True), [], None), Phase.PENDING, "paused before its pods were made"),
        (assess(workload(1), [READY_ROW, READY_ROW], True), Phase.SCALING, "removing replicas"),
        (assess(workload(2), [READY_ROW, row(Phase.FAILED, cause="it broke")], True), Phase.DEGRADED, "it broke"),
        (assess(workload(1), [row(Phase.RUNNING, current=False), row(Phase.PENDING, cause="no GPU")], True),
         Phase.ROLLING_OUT, "0 of 1 updated, pending: no GPU"),
        (assess(workload(2), [row(Phase.PENDING, cause="being prepared"), row(Phase.PENDING, cause="no GPU", fix="add one")],
                None), Phase.PENDING, "no GPU"),
        (assess(workload(1), [], None), Phase.PENDING, "waiting for its pods to be created"),
        (assess(workload(1, QUOTA), [], None), Phase.FAILED, "the namespace's quota is used up"),
        (assess(workload(2, QUOTA), [READY_ROW], True), Phase.DEGRADED, "the namespace's quota is used up"),
        (assess(workload(1, LATE), [], None), Phase.FAILED, "the rollout made no progress in time"),
        (assess(workload(1, LATE), [row(Phase.LOADING)], None), Phase.LOADING, "slower than its deadline"),
        (assess(workload(1), [READY_ROW, row(Phase.FAILED, cause="Evicted", pod_phase="Failed")], True), Phase.RUNNING, None),
        (assess(workload(1), [row(Phase.FAILED, cause="Evicted", pod_phase="Failed")], None), Phase.FAILED, "Evicted"),
    ],
)  # fmt: skip
def test_deployments(found: Assessment, phase: Phase, cause: str | None) -> None:
    assert (found.phase, found.cause) == (phase, cause)
