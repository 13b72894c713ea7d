"""What happens to pods on their node: pulls, configuration, crashes, probes, init containers, lost nodes."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from genai_tui.sandbox import registry
from genai_tui.sandbox.kubelet import DOWN_ANNOTATION
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.scenarios import docker_config
from tests.sandbox.cluster import H100, L4, MODEL, NAMESPACE, Cluster, engine, is_ready

STAGE = "sandbox.genai-tui.dev/stage"
NIM = "nvcr.io/nim/meta/llama-3.1-8b-instruct:2.0.3"


def waiting(cluster: Cluster, name: str = "chat") -> tuple[str, str]:
    state = cluster.container(name)["state"].get("waiting", {})
    return state.get("reason", ""), state.get("message", "")


def test_an_image_that_does_not_exist_alternates_between_error_and_back_off() -> None:
    cluster = Cluster()
    image = "vllm/vllm-openai:v9.9.9"
    cluster.create(registry.DEPLOYMENTS, engine(image=image))
    seen: list[Any] = []
    for _ in range(120):
        cluster.step(0.5)
        reason = waiting(cluster)[0] if cluster.pod("chat")["status"].get("containerStatuses") else ""
        if not seen or seen[-1] != reason:
            seen.append(reason)
    assert seen[-4:] == ["ErrImagePull", "ImagePullBackOff", "ErrImagePull", "ImagePullBackOff"]
    said = f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": {image}: not found'
    assert ("Failed", f'Failed to pull image "{image}": rpc error: code = NotFound desc = {said}') in cluster.events()
    assert waiting(cluster)[1].startswith(f'Back-off pulling image "{image}": ErrImagePull: rpc error')
    assert cluster.pod("chat")["status"]["phase"] == "Pending"


def test_a_private_registry_wants_its_secret_and_nim_its_key() -> None:
    cluster = Cluster()
    pull = {"imagePullSecrets": [{"name": "ngc-pull"}]}
    key = {
        "command": None,
        "args": None,
        "env": [{"name": "NGC_API_KEY", "valueFrom": {"secretKeyRef": {"name": "ngc", "key": "k"}}}],
    }
    cluster.create(registry.DEPLOYMENTS, engine(image=NIM, spec=pull, container=key))
    cluster.step(10)
    assert "unauthorized: authentication required" in waiting(cluster)[1]
    auth = {".dockerconfigjson": docker_config("nvcr.io", "$oauthtoken", "nvapi-planted")}
    cluster.create(
        registry.SECRETS, {"metadata": {"name": "ngc-pull"}, "type": "kubernetes.io/dockerconfigjson", "data": auth}
    )
    cluster.step(60)
    assert waiting(cluster) == ("CreateContainerConfigError", 'secret "ngc" not found')
    cluster.create(registry.SECRETS, {"metadata": {"name": "ngc"}, "data": {"other": "eA=="}})
    cluster.step(20)
    assert waiting(cluster)[1] == f"couldn't find key k in Secret {NAMESPACE}/ngc"
    cluster.change(registry.SECRETS, "ngc", lambda item: item["data"].update(k=base64.b64encode(b"nvapi-x").decode()))
    cluster.step(120)
    assert cluster.ready("chat") == 1


@pytest.mark.parametrize(
    ("image", "reason"), [("Vllm/UPPER:1", "InvalidImageName"), ("acme/private-tool:1", "ErrImagePull")]
)
def test_other_refusals_of_images(image: str, reason: str) -> None:
    cluster = Cluster()
    cluster.create(registry.DEPLOYMENTS, engine(image=image))
    cluster.step(3.5)
    assert waiting(cluster)[0] == reason


def test_a_crash_loop_backs_off_longer_each_time_and_keeps_the_last_words() -> None:
    cluster = Cluster()
    args = (MODEL, "--max-model-len", "999999")
    cluster.create(registry.DEPLOYMENTS, engine(args=args))
    backs_off = []
    for _ in range(600):
        cluster.step(1)
        reason, message = waiting(cluster) if cluster.pod("chat")["status"].get("containerStatuses") else ("", "")
        if reason == "CrashLoopBackOff" and message.split()[1] not in backs_off:
            backs_off.append(message.split()[1])
    assert backs_off == ["10s", "20s", "40s", "1m20s", "2m40s", "5m0s"]
    status = cluster.container("chat")
    last = status["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (1, "Error")
    assert "User-specified max_model_len (999999) is greater than the derived max_model_len" in last["message"]
    assert len(last["message"].encode()) <= 2048
    assert status["restartCount"] == 6
    pod = cluster.pod("chat")["metadata"]
    whose = f"container engine in pod {pod['name']}_{NAMESPACE}({pod['uid']})"
    assert ("BackOff", f"Back-off restarting failed {whose}") in cluster.events()


def test_an_engine_that_dies_behind_its_server_is_restarted() -> None:
    cluster = Cluster()
    dead = {"livenessProbe": {"httpGet": {"path": "/health", "port": 8000}, "periodSeconds": 5}}
    item = engine(annotations={STAGE: "engine-dead"}, container=dead)
    cluster.create(registry.DEPLOYMENTS, item)
    cluster.step(100)
    assert cluster.container("chat")["restartCount"] >= 1
    assert ("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 503") in cluster.events()
    killed = [message for reason, message in cluster.events() if reason == "Killing"]
    assert killed[0] == "Container engine failed liveness probe, will be restarted"
    assert ("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503") in cluster.events()


def test_a_start_up_budget_that_is_too_short_kills_while_loading() -> None:
    cluster = Cluster()
    short = {"periodSeconds": 1, "failureThreshold": 2}
    cluster.create(registry.DEPLOYMENTS, engine(startup=short))
    cluster.step(60)
    assert cluster.container("chat")["restartCount"] >= 2
    assert ("Killing", "Container engine failed startup probe, will be restarted") in cluster.events()
    assert "KeyboardInterrupt: terminated" in cluster.container("chat")["lastState"]["terminated"]["message"]
    assert cluster.ready("chat") == 0
    cluster.change(registry.DEPLOYMENTS, "chat", lambda item: probe(item).update(failureThreshold=60))
    cluster.step(60)
    assert cluster.ready("chat") == 1


def probe(item: Object) -> Object:
    found: Object = item["spec"]["template"]["spec"]["containers"][0]["startupProbe"]
    return found


def test_a_probe_on_the_wrong_path_or_port_never_succeeds() -> None:
    cluster = Cluster()
    elsewhere = {"httpGet": {"path": "/healthy", "port": 8000}}
    closed = {"httpGet": {"path": "/health", "port": 9999}}
    cluster.create(
        registry.DEPLOYMENTS, engine("wrong", container={"readinessProbe": {**elsewhere, "periodSeconds": 5}})
    )
    cluster.create(registry.DEPLOYMENTS, engine("closed", container={"readinessProbe": {**closed, "periodSeconds": 5}}))
    cluster.step(120)
    assert (cluster.ready("wrong"), cluster.ready("closed")) == (0, 0)
    assert ("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404") in cluster.events("wrong")
    assert any(":9999: connect: connection refused" in message for _, message in cluster.events("closed"))
    assert cluster.container("wrong")["restartCount"] == 0


def test_too_little_memory_is_an_out_of_memory_kill() -> None:
    cluster = Cluster()
    cluster.create(
        registry.DEPLOYMENTS, engine(container={"resources": {"limits": {"memory": "1Gi", "nvidia.com/gpu": "1"}}})
    )
    cluster.step(20)
    last = cluster.container("chat")["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (137, "OOMKilled")


def test_a_service_called_vllm_stops_engines_that_get_service_links() -> None:
    cluster = Cluster()
    service = {"metadata": {"name": "vllm"}, "spec": {"clusterIP": "10.96.0.77", "ports": [{"port": 80}]}}
    cluster.create(registry.SERVICES, service)
    cluster.create(registry.DEPLOYMENTS, engine("hit", spec={"enableServiceLinks": True}, args=(MODEL,)))
    cluster.create(registry.DEPLOYMENTS, engine("safe"))
    cluster.step(60)
    assert cluster.ready("safe") == 1
    message = cluster.container("hit")["lastState"]["terminated"]["message"]
    assert "VLLM_PORT 'tcp://10.96.0.77:80' appears to be a URI" in message


def plain(name: str, **spec: object) -> Object:
    return {
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [{"name": "main", "image": "busybox"}], **spec},
    }


def test_init_containers_run_one_after_the_other_before_the_rest() -> None:
    cluster = Cluster()
    steps = [{"name": f"step-{n}", "image": "busybox", "command": ["sh", "-c", "sleep 30"]} for n in (1, 2)]
    cluster.create(registry.PODS, plain("job", initContainers=steps))
    cluster.step(20)
    status = cluster.pod("job")["status"]
    assert [list(c["state"]) for c in status["initContainerStatuses"]] == [["running"], ["waiting"]]
    initialized = next(c for c in status["conditions"] if c["type"] == "Initialized")
    assert initialized["message"] == "containers with incomplete status: [step-1 step-2]"
    cluster.step(30)
    status = cluster.pod("job")["status"]
    assert [list(c["state"]) for c in status["initContainerStatuses"]] == [["terminated"], ["running"]]
    cluster.step(40)
    assert is_ready(cluster.pod("job"))


@pytest.mark.parametrize(("command", "policy", "phase", "restarts"), [
    (["true"], "Never", "Succeeded", 0),
    (["sh", "-c", "exit 3"], "Never", "Failed", 0),
    (["true"], "OnFailure", "Succeeded", 0),
    (["false"], "OnFailure", "Running", 1),
])  # fmt: skip
def test_restart_policies(command: list[str], policy: str, phase: str, restarts: int) -> None:
    cluster = Cluster()
    main = [{"name": "main", "image": "busybox", "command": command}]
    cluster.create(registry.PODS, plain("job", restartPolicy=policy, containers=main))
    cluster.step(8)
    status = cluster.pod("job")["status"]
    assert (status["phase"], status["containerStatuses"][0]["restartCount"]) == (phase, restarts)


def test_volumes_of_missing_objects_hold_the_pod_back() -> None:
    cluster = Cluster()
    cluster.create(registry.PODS, plain("job", volumes=[{"name": "tls", "secret": {"secretName": "cert"}}]))
    cluster.step(10)
    assert ("FailedMount", 'MountVolume.SetUp failed for volume "tls" : secret "cert" not found') in cluster.events(
        "job"
    )
    assert waiting(cluster, "job")[0] == "ContainerCreating"
    cluster.create(registry.SECRETS, {"metadata": {"name": "cert"}, "data": {}})
    cluster.step(30)
    assert is_ready(cluster.pod("job"))


def test_claims_are_bound_when_their_class_exists() -> None:
    cluster = Cluster()
    size = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}
    cluster.create(registry.CLAIMS, {"metadata": {"name": "good"}, "spec": {**size}})
    cluster.create(registry.CLAIMS, {"metadata": {"name": "bad"}, "spec": {**size, "storageClassName": "gone"}})
    for name in ("good", "bad"):
        volume = {"name": "data", "persistentVolumeClaim": {"claimName": name}}
        cluster.create(registry.PODS, plain(f"with-{name}", volumes=[volume]))
    cluster.step(40)
    assert cluster.get(registry.CLAIMS, "good")["status"]["phase"] == "Bound"
    bound = cluster.get(registry.VOLUMES, cluster.get(registry.CLAIMS, "good")["spec"]["volumeName"])
    assert bound["spec"]["claimRef"]["name"] == "good"
    assert is_ready(cluster.pod("with-good"))
    assert ("ProvisioningFailed", 'storageclass.storage.k8s.io "gone" not found') in cluster.events("bad")
    message = cluster.pod("with-bad")["status"]["conditions"][0]["message"]
    assert "pod has unbound immediate PersistentVolumeClaims" in message
    cluster.delete(registry.CLAIMS, "good")
    cluster.step(1)
    assert cluster.world.objects.list(registry.VOLUMES) == []


def down(cluster: Cluster, name: str, value: str) -> None:
    def mark(item: Object) -> None:
        item["metadata"].setdefault("annotations", {})[DOWN_ANNOTATION] = value

    cluster.change(registry.NODES, name, mark)


def test_a_lost_node_is_marked_and_emptied_and_comes_back() -> None:
    cluster = Cluster(("gpu-1", H100, 1), ("gpu-2", L4, 1))
    cluster.create(registry.DEPLOYMENTS, engine())
    cluster.step(40)
    lost = cluster.pod("chat")["spec"]["nodeName"]
    name = cluster.pod("chat")["metadata"]["name"]
    down(cluster, lost, "true")
    cluster.step(30)
    assert cluster.ready("chat") == 1
    cluster.step(20)
    node = cluster.get(registry.NODES, lost)
    ready = next(c for c in node["status"]["conditions"] if c["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")
    assert {t["effect"] for t in node["spec"]["taints"]} == {"NoSchedule", "NoExecute"}
    assert cluster.ready("chat") == 0
    assert len(cluster.pods("chat")) == 1
    cluster.step(330)
    assert cluster.ready("chat") == 1
    old = next(pod for pod in cluster.pods("chat") if pod["metadata"]["name"] == name)
    assert old["metadata"]["deletionTimestamp"]
    cluster.step(600)
    assert len(cluster.pods("chat")) == 2
    down(cluster, lost, "false")
    cluster.step(60)
    assert [pod["metadata"]["name"] for pod in cluster.pods("chat")] != [name]
    assert cluster.ready("chat") == len(cluster.pods("chat")) == 1
    assert "taints" not in cluster.get(registry.NODES, lost)["spec"]


def test_a_node_that_is_back_in_time_starts_its_containers_again() -> None:
    cluster = Cluster()
    cluster.create(registry.DEPLOYMENTS, engine())
    cluster.step(40)
    name = cluster.pod("chat")["metadata"]["name"]
    down(cluster, "gpu-1", "true")
    cluster.step(100)
    down(cluster, "gpu-1", "false")
    cluster.step(60)
    assert cluster.pod("chat")["metadata"]["name"] == name
    assert cluster.container("chat")["restartCount"] == 1
    assert cluster.ready("chat") == 1


def test_nodes_send_heartbeats_and_cordoned_ones_take_nothing_new() -> None:
    cluster = Cluster(("gpu-1", H100, 2))
    before = cluster.get(registry.NODES, "gpu-1")["status"]["conditions"][-1]["lastHeartbeatTime"]
    cluster.step(300)
    assert cluster.get(registry.NODES, "gpu-1")["status"]["conditions"][-1]["lastHeartbeatTime"] > before
    cluster.change(registry.NODES, "gpu-1", lambda item: item["spec"].__setitem__("unschedulable", True))
    cluster.create(registry.DEPLOYMENTS, engine())
    cluster.step(5)
    message = cluster.pod("chat")["status"]["conditions"][0]["message"]
    assert message.startswith("0/1 nodes are available: 1 node(s) were unschedulable.")
    cluster.change(registry.NODES, "gpu-1", lambda item: item["spec"].pop("unschedulable"))
    cluster.step(60)
    assert cluster.ready("chat") == 1


def test_daemons_run_on_every_node_that_fits_and_on_new_ones() -> None:
    cluster = Cluster(("gpu-1", H100, 1), ("cpu-1", None, 0))
    template = {
        "metadata": {"labels": {"app": "exporter"}},
        "spec": {"containers": [{"name": "c", "image": "busybox"}], "nodeSelector": {"nvidia.com/gpu.present": "true"}},
    }
    spec = {"selector": {"matchLabels": {"app": "exporter"}}, "template": template}
    cluster.create(registry.DAEMONSETS, {"metadata": {"name": "exporter"}, "spec": spec})
    cluster.step(20)
    assert [pod["spec"]["nodeName"] for pod in cluster.pods("exporter")] == ["gpu-1"]
    from genai_tui.sandbox.nodes import node

    cluster.world.objects.put(registry.NODES, node("gpu-2", L4, 1, cluster.world.clock.stamp()))
    cluster.step(20)
    status = cluster.get(registry.DAEMONSETS, "exporter")["status"]
    assert (status["desiredNumberScheduled"], status["numberReady"]) == (2, 2)


STAGES: list[tuple[str, Callable[[Object], bool]]] = [
    ("cuda-oom", lambda last: "CUDA out of memory" in last["message"]),
    ("gated", lambda last: "is restricted and you are not in the authorized list" in last["message"]),
    ("oom-killed", lambda last: last["reason"] == "OOMKilled"),
    ("kv-too-small", lambda last: "No available memory for the cache blocks" in last["message"]),
    ("hub-offline", lambda last: "LocalEntryNotFoundError" in last["message"]),
    ("nccl-shm", lambda last: "Error while creating shared memory segment /dev/shm/nccl" in last["message"]),
    ("port-in-use", lambda last: "Address already in use" in last["message"]),
]


@pytest.mark.parametrize(("stage", "holds"), STAGES, ids=[stage for stage, _ in STAGES])
def test_failures_can_be_staged_by_name(stage: str, holds: Callable[[Object], bool]) -> None:
    cluster = Cluster()
    cluster.create(registry.DEPLOYMENTS, engine(annotations={STAGE: stage}))
    cluster.step(20)
    assert holds(cluster.container("chat")["lastState"]["terminated"])


def test_without_an_engine_a_pod_says_so_in_its_status() -> None:
    cluster = Cluster()
    cluster.create(registry.DEPLOYMENTS, engine())
    cluster.step(40)
    said = [c for c in cluster.pod("chat")["status"]["conditions"] if c["type"] == "sandbox.genai-tui.dev/Engine"]
    assert said[0]["message"].startswith("no engine installed")
