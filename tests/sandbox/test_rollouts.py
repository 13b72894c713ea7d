"""Deployments in the stepped cluster: rolled out, stuck, rolled back, scaled, taken down."""

from __future__ import annotations

import pytest

from genai_tui.sandbox import registry
from genai_tui.sandbox.objects import Object
from tests.sandbox.cluster import H100, NAMESPACE, ONE_BY_ONE, RECREATE, SURGE, Cluster, engine

REVISION = "deployment.kubernetes.io/revision"


def new_image(item: Object) -> None:
    item["spec"]["template"]["spec"]["containers"][0]["image"] = "vllm/vllm-openai:v0.33.1"


def images(cluster: Cluster) -> set[str]:
    return {pod["spec"]["containers"][0]["image"] for pod in cluster.pods("chat")}


def test_a_first_rollout_passes_its_phases_in_order_and_then_answers_probes() -> None:
    cluster = Cluster()
    cluster.create(registry.DEPLOYMENTS, engine())
    cluster.step(0.35)
    assert cluster.pod("chat")["spec"]["nodeName"] == "gpu-1"
    assert cluster.condition("chat", "Progressing")["reason"] == "ReplicaSetUpdated"
    cluster.step(60)
    assert cluster.ready("chat") == 1
    reasons = [reason for reason, _ in cluster.events("chat-")]
    told = [reason for reason in ("Scheduled", "Pulling", "Pulled", "Created", "Started") if reason in reasons]
    assert told == ["Scheduled", "Pulling", "Pulled", "Created", "Started"]
    assert ("Unhealthy", 'Startup probe failed: Get "http://10.244.0.4:8000/health": dial tcp 10.244.0.4:8000: '
            "connect: connection refused") in cluster.events("chat-")  # fmt: skip
    pulled = next(message for reason, message in cluster.events("chat-") if reason == "Pulled")
    assert pulled.endswith("Image size: 9800000000 bytes.")
    assert cluster.condition("chat", "Available")["status"] == "True"
    done = cluster.condition("chat", "Progressing")
    assert (done["status"], done["reason"]) == ("True", "NewReplicaSetAvailable")
    assert cluster.get(registry.DEPLOYMENTS, "chat")["status"]["observedGeneration"] == 1


def test_one_by_one_never_holds_more_gpus_than_before_nor_fewer_than_all_but_one_ready() -> None:
    cluster = Cluster(("gpu-1", H100, 3))
    cluster.create(registry.DEPLOYMENTS, engine(replicas=3, strategy=ONE_BY_ONE))
    cluster.step(60)
    cluster.change(registry.DEPLOYMENTS, "chat", new_image)
    for _ in range(300):
        cluster.step(0.5)
        assert cluster.ready("chat") >= 2
        assert cluster.held()["gpu-1"] <= 3
    assert images(cluster) == {"vllm/vllm-openai:v0.33.1"}
    assert cluster.get(registry.DEPLOYMENTS, "chat")["metadata"]["annotations"][REVISION] == "2"


def test_a_surge_waits_for_ever_on_full_gpus_and_says_so_when_its_deadline_has_passed() -> None:
    cluster = Cluster(("gpu-1", H100, 1))
    late = {"progressDeadlineSeconds": 120}
    cluster.create(registry.DEPLOYMENTS, engine(strategy=SURGE, deployment=late))
    cluster.step(60)
    cluster.change(registry.DEPLOYMENTS, "chat", new_image)
    cluster.step(110)
    assert cluster.condition("chat", "Progressing")["status"] == "True"
    cluster.step(20)
    progress = cluster.condition("chat", "Progressing")
    assert (progress["status"], progress["reason"]) == ("False", "ProgressDeadlineExceeded")
    stuck = next(pod for pod in cluster.pods("chat") if not pod["spec"].get("nodeName"))
    message = stuck["status"]["conditions"][0]["message"]
    assert message == (
        "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. no new claims to deallocate, preemption: 0/1 nodes are "
        "available: 1 No preemption victims found for incoming pod."
    )
    cluster.step(3600)
    assert cluster.ready("chat") == 1
    assert len(cluster.pods("chat")) == 2


def test_recreation_frees_the_gpus_before_it_takes_them_again() -> None:
    cluster = Cluster(("gpu-1", H100, 1))
    cluster.create(registry.DEPLOYMENTS, engine(strategy=RECREATE))
    cluster.step(60)
    cluster.change(registry.DEPLOYMENTS, "chat", new_image)
    most = 0
    for _ in range(120):
        cluster.step(0.5)
        most = max(most, len(cluster.pods("chat")))
    assert most == 1
    assert cluster.ready("chat") == 1
    assert images(cluster) == {"vllm/vllm-openai:v0.33.1"}


def test_the_progress_deadline_counts_from_the_last_progress() -> None:
    cluster = Cluster(("gpu-1", H100, 4))
    slow = {"sandbox.genai-tui.dev/stage": "slow"}
    deadline = {"progressDeadlineSeconds": 40}
    cluster.create(registry.DEPLOYMENTS, engine(replicas=4, annotations=slow, deployment=deadline, strategy=ONE_BY_ONE))
    cluster.step(60)
    cluster.change(registry.DEPLOYMENTS, "chat", new_image)
    seen = set()
    for _ in range(200):
        cluster.step(1)
        seen.add(cluster.condition("chat", "Progressing")["reason"])
    assert "ProgressDeadlineExceeded" not in seen
    assert cluster.condition("chat", "Progressing")["reason"] == "NewReplicaSetAvailable"


def test_an_old_template_becomes_the_newest_revision_and_history_is_trimmed() -> None:
    cluster = Cluster()
    cluster.create(registry.DEPLOYMENTS, engine(strategy=RECREATE, deployment={"revisionHistoryLimit": 1}))
    cluster.step(40)
    first = cluster.get(registry.DEPLOYMENTS, "chat")["spec"]["template"]
    cluster.change(registry.DEPLOYMENTS, "chat", new_image)
    cluster.step(40)
    cluster.change(registry.DEPLOYMENTS, "chat", lambda item: item["spec"].__setitem__("template", first))
    cluster.step(40)
    assert images(cluster) == {"vllm/vllm-openai:v0.33.0"}
    assert cluster.get(registry.DEPLOYMENTS, "chat")["metadata"]["annotations"][REVISION] == "3"
    sets = cluster.world.objects.list(registry.REPLICASETS, NAMESPACE)
    assert sorted(rs["metadata"]["annotations"][REVISION] for rs in sets) == ["2", "3"]

    def third(item: Object) -> None:
        item["spec"]["template"]["spec"]["containers"][0]["image"] = "vllm/vllm-openai:v0.32.0"

    cluster.change(registry.DEPLOYMENTS, "chat", third)
    cluster.step(60)
    assert len(cluster.world.objects.list(registry.REPLICASETS, NAMESPACE)) == 2


def test_scaling_up_and_down_and_pausing() -> None:
    cluster = Cluster(("gpu-1", H100, 8))
    cluster.create(registry.DEPLOYMENTS, engine())
    cluster.step(40)

    def scale(replicas: int) -> None:
        cluster.change(registry.DEPLOYMENTS, "chat", lambda item: item["spec"].__setitem__("replicas", replicas))
        cluster.step(60)

    scale(5)
    assert cluster.ready("chat") == 5
    assert cluster.condition("chat", "Progressing")["reason"] == "NewReplicaSetAvailable"
    scale(2)
    assert (cluster.ready("chat"), len(cluster.pods("chat"))) == (2, 2)
    cluster.change(registry.DEPLOYMENTS, "chat", lambda item: item["spec"].__setitem__("paused", True))
    cluster.change(registry.DEPLOYMENTS, "chat", new_image)
    scale(3)
    assert images(cluster) == {"vllm/vllm-openai:v0.33.0"}
    assert cluster.ready("chat") == 3
    scale(0)
    assert cluster.held() == {"gpu-1": 0}


def test_what_is_not_yet_long_enough_ready_is_not_available() -> None:
    cluster = Cluster()
    cluster.create(registry.DEPLOYMENTS, engine(deployment={"minReadySeconds": 300}))
    cluster.step(60)
    status = cluster.get(registry.DEPLOYMENTS, "chat")["status"]
    assert (status["readyReplicas"], status.get("availableReplicas", 0)) == (1, 0)
    cluster.step(300)
    assert cluster.get(registry.DEPLOYMENTS, "chat")["status"]["availableReplicas"] == 1


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
def test_deleting_a_deployment_ends_its_pods_after_their_hook_and_frees_the_gpus(propagation: str) -> None:
    cluster = Cluster()
    hook = {"lifecycle": {"preStop": {"exec": {"command": ["sleep", "15"]}}}}
    service = {"metadata": {"name": "chat"}, "spec": {"selector": {"app": "chat"}, "ports": [{"port": 8000}]}}
    cluster.create(registry.DEPLOYMENTS, engine(container=hook))
    cluster.create(registry.SERVICES, service)
    cluster.step(40)
    slices = cluster.world.objects.list(registry.SLICES, NAMESPACE)
    assert [e["conditions"]["ready"] for s in slices for e in s["endpoints"]] == [True]
    cluster.delete(registry.DEPLOYMENTS, "chat", propagation=propagation)
    cluster.step(5)
    assert cluster.pod("chat")["metadata"]["deletionTimestamp"]
    assert cluster.held() == {"gpu-1": 1}
    endpoint = cluster.world.objects.list(registry.SLICES, NAMESPACE)[0]["endpoints"][0]
    assert endpoint["conditions"] == {"ready": False, "serving": True, "terminating": True}
    cluster.step(15)
    assert cluster.pods() == []
    assert cluster.held() == {"gpu-1": 0}
    assert cluster.world.objects.list(registry.REPLICASETS, NAMESPACE) == []
    assert cluster.world.objects.list(registry.DEPLOYMENTS, NAMESPACE) == []
    cluster.delete(registry.SERVICES, "chat")
    cluster.step(1)
    assert cluster.world.objects.list(registry.SLICES, NAMESPACE) == []


def test_an_ended_namespace_takes_everything_along() -> None:
    cluster = Cluster()
    cluster.create(registry.DEPLOYMENTS, engine())
    cluster.create(registry.CONFIGMAPS, {"metadata": {"name": "settings"}})
    cluster.step(40)
    cluster.delete(registry.NAMESPACES, NAMESPACE)
    cluster.step(60)
    left = [
        item for resource, item in cluster.world.objects.everything() if item["metadata"].get("namespace") == NAMESPACE
    ]
    assert left == []
    assert cluster.world.objects.get(registry.NAMESPACES, "", NAMESPACE) is None


def test_a_refused_pod_is_told_and_retried() -> None:
    cluster = Cluster()
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"pods": "0"}}}
    cluster.create(registry.QUOTAS, quota)
    cluster.create(registry.DEPLOYMENTS, engine())
    cluster.step(5)
    failure = cluster.condition("chat", "ReplicaFailure")
    assert failure["reason"] == "FailedCreate"
    assert "exceeded quota: few" in failure["message"]
    cluster.delete(registry.QUOTAS, "few")
    cluster.step(60)
    assert cluster.ready("chat") == 1


def test_twenty_minutes_of_a_busy_cluster_are_lived_through_at_once() -> None:
    cluster = Cluster(("gpu-1", H100, 8), ("gpu-2", H100, 8))
    for number in range(8):
        cluster.create(registry.DEPLOYMENTS, engine(f"chat-{number}", replicas=2))
    cluster.step(1200)
    assert sum(cluster.ready(f"chat-{number}") for number in range(8)) == 16
    assert cluster.held() == {"gpu-1": 8, "gpu-2": 8}


@pytest.mark.parametrize("replicas", [0, 1])
def test_a_namespace_deleted_before_its_deployment_was_looked_at_stops_nothing_else(replicas: int) -> None:
    cluster = Cluster()
    api = cluster.world.api
    api.create(registry.NAMESPACES, "", {"metadata": {"name": "gone"}})
    cluster.step(0.1)
    api.create(registry.DEPLOYMENTS, "gone", engine("late", replicas=replicas))
    api.delete(registry.NAMESPACES, "", "gone")
    cluster.create(registry.DEPLOYMENTS, engine())
    cluster.step(120)
    assert cluster.ready("chat") == 1
    assert cluster.world.objects.get(registry.NAMESPACES, "", "gone") is None
    assert cluster.world.objects.list(registry.DEPLOYMENTS, "gone") == []
