"""Watching many rollouts at once: what the console sends to its terminal, and how soon it answers a key.

Run it with `python -m benchmarks.rollouts [--deployments 50] [--replicas 8] [--seconds 60]`. A cluster of its own, in
a process of its own, rolls every deployment out again and again: images pulled, models loaded, pods made ready and
replaced. The console shows the list, then the rollout of one deployment, in a pseudo-terminal of 160x50: first it is
watched, which gives kilobytes a second, then keys are typed. A key's answer is the first byte after it. The peer in the
same run is `kubectl get pods --all-namespaces --watch` on the same cluster.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import shutil
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import trustme
import uvicorn
import yaml

from benchmarks.table import Terminal, in_terminal
from genai_tui.composition import render_for_sandbox
from genai_tui.sandbox import registry
from genai_tui.sandbox.apiserver import create_app
from genai_tui.sandbox.authz import Authz, Identity
from genai_tui.sandbox.nodes import H100, node
from genai_tui.sandbox.scenarios import CATALOGUE
from genai_tui.sandbox.world import World

TICK_S = 0.05
SETTLE_S = 4.0
"""What comes right after the first paint is not watching."""
AGAIN_S = 90.0
"""Simulated seconds after which a deployment gets another image."""
NAMESPACE = "team-a"
UP, DOWN = b"\x1b[A", b"\x1b[B"

# The cluster ----------------------------------------------------------------------------------------------------------


def document(name: str, replicas: int, revision: int) -> str:
    """A deployment that replaces its pods two at a time."""
    spec = {
        "model": "smollm2-135m",
        "endpoint": "internal",
        "engine": {
            "type": "vllm",
            "image": f"vllm/vllm-openai:v0.3{revision % 4}.0",
            "replicas": replicas,
            "contextLength": 2048,
        },
        "resources": {"cpu": "1", "memory": "4Gi", "gpu": 1},
    }
    kind = {"apiVersion": "genai-tui.dev/v1alpha1", "kind": "ModelDeployment"}
    text: str = yaml.safe_dump({**kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})
    return text


class Cluster:
    """A simulated cluster in which every deployment is always rolling out."""

    def __init__(self, deployments: int, replicas: int) -> None:
        self.world = World()
        self.world.populate()
        for name in ("genai-tui", NAMESPACE):
            self.world.api.create(registry.NAMESPACES, "", {"metadata": {"name": name}})
        stamp = self.world.clock.stamp()
        for number in range(deployments * replicas // 8 + 10):
            self.world.api.create(registry.NODES, "", node(f"gpu-{number:03d}", H100, 8, stamp))
        self._replicas = replicas
        self._due = {f"model-{n:02d}": n * AGAIN_S / deployments for n in range(deployments)}
        self._revisions = dict.fromkeys(self._due, 0)
        # Each has been rolled out once, and most are in the middle of the second time.
        for _ in range(int(1.5 * AGAIN_S)):
            self.advance(1.0)

    def advance(self, seconds: float) -> None:
        """Go on, and roll out what is due."""
        self.world.clock.advance(seconds)
        for name in self._due:
            self._due[name] -= seconds
            if self._due[name] <= 0:
                self._due[name] = AGAIN_S
                self._revisions[name] += 1
                self._apply(name)

    def _apply(self, name: str) -> None:
        text = f"{CATALOGUE}---\n{document(name, self._replicas, self._revisions[name])}"
        for item in render_for_sandbox(text):
            meta, resource = item["metadata"], registry.by_kind(item["apiVersion"], item["kind"])
            if resource is not None:
                self.world.api.apply(
                    resource, meta.get("namespace", ""), meta["name"], item, manager="genai-tui", force=True
                )


async def serve(cluster: Cluster, kubeconfig: Path) -> None:
    """Serve on loopback, write the kubeconfig, and keep the cluster moving."""
    world = cluster.world
    authz = Authz(world.objects, {"bench": Identity("bench", ("system:masters",))})
    app = create_app(world.api, world.agent, authz, world.faults, world.clock)
    settings = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off")
    settings.load()
    authority = trustme.CA()
    settings.ssl = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(settings.ssl)
    server = uvicorn.Server(settings)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    ca = base64.b64encode(authority.cert_pem.bytes()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "clusters": [
            {"name": "bench", "cluster": {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": ca}}
        ],
        "users": [{"name": "bench", "user": {"token": "bench"}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
    }
    kubeconfig.write_text(yaml.safe_dump(config), encoding="utf-8")  # noqa: ASYNC240
    while not serving.done():
        began = time.perf_counter()
        await asyncio.sleep(TICK_S)
        cluster.advance(time.perf_counter() - began)


# The measuring --------------------------------------------------------------------------------------------------------


def watch(
    argv: Sequence[str], painted: bytes, seconds: float, keys: Sequence[bytes] = (), first: bytes = b""
) -> tuple[Terminal, float]:
    """Watch a program for so many seconds, then type for as long; `first` is typed before.

    Returns:
        The bytes of the first half, the answers of the second; and how long the first half was.
    """
    began: list[float] = []

    def painted_for() -> float:
        return time.perf_counter() - began[0] if began else 0.0

    def until(terminal: Terminal) -> bool:
        if terminal.first_paint_s is not None and not began:
            began.append(time.perf_counter())
        return painted_for() > SETTLE_S + seconds * (2 if keys else 1)

    terminal = in_terminal(
        argv,
        painted=painted,
        until=until,
        storm=lambda: SETTLE_S < painted_for() <= SETTLE_S + seconds,
        typing=lambda: bool(keys) and painted_for() > SETTLE_S + seconds,
        keys=keys,
        first=first,
        limit_s=2 * seconds + 60,
    )
    return terminal, seconds


def told(title: str, terminal: Terminal, seconds: float) -> float:
    """Print one line of figures; returns kilobytes a second."""
    rate = terminal.bytes_during / 1000 / seconds
    answers = sorted(terminal.keys_ms)
    if len(answers) > 1:
        worst = statistics.quantiles(answers, n=100)[98]
        print(f"{title:<46}{rate:>8.1f}{statistics.median(answers):>10.1f}{worst:>10.1f}{len(answers):>7}")
    else:
        print(f"{title:<46}{rate:>8.1f}{'–':>10}{'–':>10}{'–':>7}")
    return rate


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--deployments", type=int, default=50)
    options.add_argument("--replicas", type=int, default=8)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--serve", metavar="KUBECONFIG", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.serve:
        asyncio.run(serve(Cluster(given.deployments, given.replicas), Path(given.serve)))
        return
    with tempfile.TemporaryDirectory() as folder:
        kubeconfig = Path(folder) / "kubeconfig"
        size = ["--deployments", str(given.deployments), "--replicas", str(given.replicas)]
        argv = [sys.executable, "-m", "benchmarks.rollouts", *size, "--serve", str(kubeconfig)]
        cluster = subprocess.Popen(argv)
        try:
            while not kubeconfig.exists():
                time.sleep(0.1)
            _measure(kubeconfig, given.deployments, given.replicas, given.seconds, Path(folder))
        finally:
            cluster.send_signal(signal.SIGKILL)
            cluster.wait()


def _measure(kubeconfig: Path, deployments: int, replicas: int, seconds: float, folder: Path) -> None:
    os.environ["XDG_STATE_HOME"] = str(folder / "state")
    print(f"{deployments} rollouts of {replicas} replicas, watched for {seconds:.0f} s each and then typed at, 160x50")
    print(f"{'':<46}{'kB/s':>8}{'key ms':>10}{'p99 ms':>10}{'keys':>7}")
    console = [str(Path(sys.executable).parent / "genai-tui"), "--kubeconfig", str(kubeconfig)]
    # Every key changes the screen: what one that does nothing waits for, as at the end of the list, is the next update.
    # Of one rollout its keys scroll down and up, and go to the overview and back.
    listed = told("genai-tui, the list", *watch(console, b"model-00", seconds, (DOWN, DOWN, UP, DOWN, UP, UP)))
    told("genai-tui, one rollout", *watch(console, b"model-00", seconds, (DOWN, UP, b"1", b"2"), first=b"\r2"))
    kubectl = shutil.which("kubectl", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if kubectl is None:
        print("no kubectl to compare with")
        return
    watching = [kubectl, "--kubeconfig", str(kubeconfig), "get", "pods", "--all-namespaces", "--watch"]
    peer = told("kubectl get pods --all-namespaces --watch", *watch(watching, b"model-00", seconds))
    print(f"the list sends {listed / peer:.2f} of what kubectl sends" if peer else "kubectl sent nothing")


if __name__ == "__main__":
    main()
