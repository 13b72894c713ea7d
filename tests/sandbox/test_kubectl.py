"""The real kubectl, over TLS, does what operators do with it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from genai_tui.sandbox import registry
from tests.sandbox.serving import Served, served

WHEEL = Path(sys.executable).with_name("kubectl")
BINARIES = [path for path in (WHEEL, Path("/usr/bin/kubectl")) if path.exists()]
Kubectl = Callable[..., subprocess.CompletedProcess[str]]

WATCH = [str(BINARIES[0] if BINARIES else ""), "get", "cm", "--watch", "--output-watch-events", "--request-timeout=20s"]
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: "nginx:1.27", ports: [{containerPort: 80}], env: [{name: A, value: "1"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""

pytestmark = pytest.mark.skipif(not BINARIES, reason="no kubectl is installed")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(params=BINARIES, ids=lambda path: path.parent.name)
def kubectl(request: pytest.FixtureRequest, server: Served, tmp_path: Path) -> Iterator[Kubectl]:
    """kubectl in a namespace of its own, as any role."""
    name = f"n{server.api.suffix()}"
    server.call(lambda: server.api.create(registry.NAMESPACES, "", {"metadata": {"name": name}}))

    def run(*args: str, given: str | None = None, role: str = "admin") -> subprocess.CompletedProcess[str]:
        options = ["--namespace", name, "--cache-dir", str(tmp_path / "cache")]
        env = {"KUBECONFIG": str(server.kubeconfig(role)), "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
        command = [str(request.param), *options, *args]
        return subprocess.run(command, env=env, input=given, capture_output=True, text=True, timeout=30, check=False)

    yield run
    server.faults.clear()


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout


def read(kubectl: Kubectl, *args: str) -> Any:
    return json.loads(done(kubectl("get", *args, "-o", "json")))


def columns(text: str) -> list[str]:
    return text.splitlines()[0].split()


def test_client_side_apply_creates_changes_and_keeps(kubectl: Kubectl) -> None:
    assert "deployment.apps/web created" in done(kubectl("apply", "-f", "-", given=WEB))
    changed = done(kubectl("apply", "-f", "-", given=WEB.replace("1.27", "1.28").replace('value: "1"', 'value: "2"')))
    assert changed.split("\n")[:2] == ["deployment.apps/web configured", "service/web unchanged"]
    container = read(kubectl, "deploy", "web")["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "nginx:1.28"
    assert container["env"] == [{"name": "A", "value": "2"}]
    assert container["imagePullPolicy"] == "IfNotPresent"
    dropped = WEB.replace(', env: [{name: A, value: "1"}]', "")
    done(kubectl("apply", "-f", "-", given=dropped))
    assert "env" not in read(kubectl, "deploy", "web")["spec"]["template"]["spec"]["containers"][0]


def test_server_side_apply_names_the_other_manager_and_yields_to_force(kubectl: Kubectl) -> None:
    done(kubectl("apply", "--server-side", "-f", "-", given=WEB))
    done(kubectl("scale", "deploy", "web", "--replicas=5"))
    refused = kubectl("apply", "--server-side", "-f", "-", given=WEB)
    assert refused.returncode != 0
    assert (
        'Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1' in refused.stderr
    )
    assert ".spec.replicas" in refused.stderr
    done(kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=WEB))
    assert read(kubectl, "deploy", "web")["spec"]["replicas"] == 2


def test_tables_yaml_and_selectors(kubectl: Kubectl) -> None:
    done(kubectl("apply", "-f", "-", given=WEB))
    done(kubectl("create", "deployment", "other", "--image=nginx"))
    assert columns(done(kubectl("get", "deploy"))) == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    wide = done(kubectl("get", "deploy", "web", "-o", "wide"))
    assert columns(wide)[-3:] == ["CONTAINERS", "IMAGES", "SELECTOR"]
    assert wide.splitlines()[1].split()[:2] == ["web", "0/2"]
    assert "image: nginx:1.27" in done(kubectl("get", "deploy", "web", "-o", "yaml"))
    assert done(kubectl("get", "deploy", "-l", "app=web", "-o", "name")) == "deployment.apps/web\n"
    assert done(kubectl("get", "deploy", "-l", "app notin (web)", "-o", "name")) == "deployment.apps/other\n"
    by_field = kubectl("get", "deploy", "--field-selector", "metadata.name!=web", "-o", "name")
    assert done(by_field) == "deployment.apps/other\n"
    refused = kubectl("get", "pods", "--field-selector", "spec.image=x")
    assert "field label not supported: spec.image" in refused.stderr
    assert set(done(kubectl("get", "all", "-o", "name")).split()) >= {"service/web", "deployment.apps/web"}


def test_describe_shows_spec_and_events(kubectl: Kubectl, server: Served) -> None:
    done(kubectl("apply", "-f", "-", given=WEB))
    item = read(kubectl, "deploy", "web")["metadata"]
    event = {
        "metadata": {"name": "web.1", "namespace": item["namespace"]},
        "involvedObject": {"kind": "Deployment", "namespace": item["namespace"], "name": "web", "uid": item["uid"]},
        "reason": "ScalingReplicaSet", "message": "Scaled up", "type": "Normal", "count": 1,
        "source": {"component": "deployment-controller"}, "lastTimestamp": server.api.clock.stamp(),
    }  # fmt: skip
    server.call(lambda: server.api.create(registry.EVENTS, item["namespace"], event))
    text = done(kubectl("describe", "deploy", "web"))
    assert "StrategyType:           RollingUpdate" in text
    assert "ScalingReplicaSet" in text
    assert "deployment-controller  Scaled up" in text
    assert "deployment/web" in done(kubectl("get", "events"))
    assert "ScalingReplicaSet" in done(kubectl("get", "events.events.k8s.io", "-o", "json"))


def test_typed_create_commands(kubectl: Kubectl) -> None:
    done(kubectl("create", "configmap", "settings", "--from-literal=a=b"))
    done(kubectl("create", "secret", "generic", "hub", "--from-literal=token=s3cret"))
    done(kubectl("create", "serviceaccount", "robot"))
    done(kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods"))
    done(kubectl("create", "rolebinding", "reader", "--role=reader", "--user=zoe"))
    done(kubectl("create", "quota", "small", "--hard=requests.nvidia.com/gpu=4"))
    done(kubectl("create", "job", "once", "--image=busybox", "--", "true"))
    assert read(kubectl, "cm", "settings")["data"] == {"a": "b"}
    assert read(kubectl, "secret", "hub")["data"] == {"token": "czNjcmV0"}
    assert read(kubectl, "role", "reader")["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
    ]
    assert read(kubectl, "quota", "small")["spec"]["hard"] == {"requests.nvidia.com/gpu": "4"}
    assert done(kubectl("auth", "can-i", "list", "pods", "--as=zoe")) == "yes\n"
    assert kubectl("auth", "can-i", "delete", "pods", "--as=zoe").stdout == "no\n"


def test_patches_scale_label_annotate_and_rollout(kubectl: Kubectl) -> None:
    done(kubectl("apply", "-f", "-", given=WEB))
    strategic = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}}}
    done(kubectl("patch", "deploy", "web", "-p", json.dumps(strategic)))
    done(kubectl("patch", "deploy", "web", "--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":3}]'))
    done(kubectl("label", "deploy", "web", "tier=gold"))
    done(kubectl("annotate", "deploy", "web", "note=mine"))
    done(kubectl("patch", "deploy", "web", "--type=merge", "-p", '{"metadata":{"labels":{"tier":null}}}'))
    done(kubectl("rollout", "restart", "deploy/web"))
    item = read(kubectl, "deploy", "web")
    assert item["metadata"]["labels"] == {"app": "web"}
    assert item["metadata"]["annotations"]["note"] == "mine"
    assert item["spec"]["replicas"] == 3
    assert item["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:2"
    assert item["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "A", "value": "1"}]
    assert item["metadata"]["generation"] == 5
    wrong = kubectl("patch", "deploy", "web", "--type=json", "-p", '[{"op":"remove","path":"/spec/nothing"}]')
    assert "the server rejected our request" in wrong.stderr


def test_wrong_objects_are_refused_in_the_servers_words(kubectl: Kubectl) -> None:
    misspelt = kubectl("apply", "-f", "-", given=WEB.replace("replicas:", "replicaz:"))
    assert 'strict decoding error: unknown field "spec.replicaz"' in misspelt.stderr
    mismatch = kubectl("apply", "-f", "-", given=WEB.replace("matchLabels: {app: web}", "matchLabels: {app: x}"))
    assert "`selector` does not match template `labels`" in mismatch.stderr
    assert 'deployments.apps "nobody" not found' in kubectl("get", "deploy", "nobody").stderr
    assert 'the server doesn\'t have a resource type "unknowns"' in kubectl("get", "unknowns").stderr


def test_watch_sees_changes(kubectl: Kubectl, server: Served, tmp_path: Path) -> None:
    done(kubectl("create", "configmap", "watched"))
    namespace = read(kubectl, "cm", "watched")["metadata"]["namespace"]
    command = [*WATCH, "--kubeconfig", str(server.kubeconfig()), "-n", namespace, "--cache-dir", str(tmp_path)]

    def change() -> None:
        body = {"data": {"a": "1"}}
        server.api.patch(registry.CONFIGMAPS, namespace, "watched", body, "application/merge-patch+json")
        server.api.delete(registry.CONFIGMAPS, namespace, "watched")

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        seen = [watching.stdout.readline().split()[:2] for _ in range(2)]
        server.call(change)
        seen += [watching.stdout.readline().split()[:2] for _ in range(2)]
        watching.terminate()
    assert [seen[0][0], *seen[1:]] == ["EVENT", ["ADDED", "watched"], ["MODIFIED", "watched"], ["DELETED", "watched"]]


def test_logs_exec_and_proxy_reach_the_node(kubectl: Kubectl) -> None:
    done(kubectl("run", "p", "--image=nginx", "--port=80"))
    assert done(kubectl("logs", "p", "--tail=2")).count("\n") == 2
    assert "ran echo hi" in done(kubectl("exec", "p", "--", "echo", "hi"))
    refused = kubectl("logs", "p", "-c", "nope")
    assert "container nope is not valid for pod p" in refused.stderr
    namespace = read(kubectl, "pod", "p")["metadata"]["namespace"]
    assert done(kubectl("get", "--raw", f"/api/v1/namespaces/{namespace}/pods/p:80/proxy/x")) == "p:80"


@pytest.mark.parametrize("binary", BINARIES, ids=lambda path: path.parent.name)
def test_port_forward_carries_connections_both_ways(binary: Path, server: Served, tmp_path: Path) -> None:
    pod = {"metadata": {"name": "echo"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    pod["status"] = {"phase": "Running"}
    server.call(lambda: server.api.objects.remove(registry.PODS, "default", "echo"))
    server.call(lambda: server.api.create(registry.PODS, "default", pod))
    command = [
        str(binary),
        "--kubeconfig",
        str(server.kubeconfig()),
        "--cache-dir",
        str(tmp_path),
        "port-forward",
        "echo",
    ]
    with subprocess.Popen([*command, ":7"], stdout=subprocess.PIPE, text=True) as forwarding:
        assert forwarding.stdout is not None
        line = forwarding.stdout.readline()
        port = int(line.split("127.0.0.1:")[1].split()[0])
        for size in (1, 300_000):
            sent = bytes(range(256)) * (size // 256 + 1)
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                threading.Thread(target=client.sendall, args=(sent,), daemon=True).start()
                received = b""
                while len(received) < len(sent):
                    received += client.recv(65_536)
            assert received == sent
        forwarding.terminate()


def test_roles_are_kept(kubectl: Kubectl) -> None:
    done(kubectl("create", "secret", "generic", "hub", "--from-literal=token=s3cret"))
    assert "NAME" in done(kubectl("get", "pods,deploy,ns", "-o", "wide", role="viewer"))
    refused = kubectl("get", "secrets", role="viewer")
    assert 'secrets is forbidden: User "vera" cannot list resource "secrets" in API group ""' in refused.stderr
    assert kubectl("auth", "can-i", "create", "deployments", role="viewer").stdout == "no\n"
    assert done(kubectl("auth", "can-i", "create", "deployments", role="operator")) == "yes\n"
    denied = kubectl("create", "configmap", "x", role="viewer")
    assert 'cannot create resource "configmaps"' in denied.stderr
    assert "vera" in done(kubectl("auth", "whoami", role="viewer"))


def test_discovery_and_explain(kubectl: Kubectl) -> None:
    resources = done(kubectl("api-resources", "-o", "name")).split()
    assert {"pods", "deployments.apps", "events.events.k8s.io", "leases.coordination.k8s.io"} <= set(resources)
    text = done(kubectl("explain", "deployment.spec.strategy.rollingUpdate"))
    assert "maxSurge" in text
    assert 'field "strategie" does not exist' in kubectl("explain", "deployment.spec.strategie").stderr
    assert "Server Version: v1.36" in done(kubectl("version"))


def test_delete_waits_until_it_is_gone(kubectl: Kubectl) -> None:
    done(kubectl("apply", "-f", "-", given=WEB))
    done(kubectl("delete", "-f", "-", given=WEB))
    assert 'deployments.apps "web" not found' in kubectl("get", "deploy", "web").stderr
    done(kubectl("create", "configmap", "a"))
    done(kubectl("create", "configmap", "b"))
    done(kubectl("delete", "cm", "--all"))
    assert read(kubectl, "cm")["items"] == []
