"""The sandbox as a process: announced, private, one to a directory, ended by a signal, taken up again."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from genai_tui.commands.sandbox import started
from genai_tui.errors import BadInput
from genai_tui.sandbox.running import held, running_sandbox
from tests.sandbox.engines import installed

Json = dict[str, Any]
LIMIT_S = 50


@dataclass
class Sandbox:
    process: subprocess.Popen[bytes]
    ready: Json

    def client(self, context: str = "sandbox") -> httpx.Client:
        config = yaml.safe_load(Path(self.ready["kubeconfig"]).read_text(encoding="utf-8"))
        user = next(c["context"]["user"] for c in config["contexts"] if c["name"] == context)
        token = next(u["user"]["token"] for u in config["users"] if u["name"] == user)
        import base64

        ca = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
        verify = ssl.create_default_context(cadata=ca)
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.ready["server"], headers=headers, verify=verify, timeout=30, trust_env=False)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@contextlib.contextmanager
def serving(directory: Path, *more: str) -> Iterator[Sandbox]:
    command = [sys.executable, "-m", "genai_tui", "sandbox", "serve", "--dir", str(directory), *more]
    with (directory.parent / "errors").open("ab") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            assert selector.select(LIMIT_S), "no line in time"
        yield Sandbox(process, json.loads(process.stdout.readline()))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()


def until(holds: Callable[[], bool], limit: float = 30) -> None:
    deadline = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def pods(client: httpx.Client, namespace: str = "team-a") -> dict[str, Json]:
    items = client.get(f"/api/v1/namespaces/{namespace}/pods").json()["items"]
    return {item["metadata"]["name"]: item for item in items}


def ready(pod: Json) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or ())


def test_a_sandbox_is_left_and_taken_up_again(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    with serving(directory) as first:
        line = first.ready
        assert set(line) == {"server", "kubeconfig", "gateway", "pid"}
        assert line["server"].startswith("https://127.0.0.1:")
        assert line["pid"] == first.process.pid
        for name in ("kubeconfig", "identity.json", "running.json"):
            assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        found = running_sandbox(directory)
        assert found is not None
        assert json.loads(found.line()) == line
        with first.client() as client:
            before = {name: pod for name, pod in pods(client).items() if name.startswith("chat-")}
            assert all(ready(pod) for pod in before.values())
            made = client.post(
                "/api/v1/namespaces/team-a/configmaps", json={"metadata": {"name": "mine"}, "data": {"a": "1"}}
            )
            version = int(made.json()["metadata"]["resourceVersion"])
        assert first.end() == 0
    assert running_sandbox(directory) is None
    with serving(directory) as second:
        assert (second.ready["server"], second.ready["kubeconfig"]) == (line["server"], line["kubeconfig"])
        with second.client() as client:
            again = {name: pod for name, pod in pods(client).items() if name.startswith("chat-")}
            assert again.keys() == before.keys()
            for name, pod in again.items():
                assert ready(pod)
                assert pod["metadata"]["uid"] == before[name]["metadata"]["uid"]
                mine, theirs = (p["status"]["containerStatuses"][0] for p in (pod, before[name]))
                assert (mine["restartCount"], mine["state"]) == (theirs["restartCount"], theirs["state"])
            kept = client.get("/api/v1/namespaces/team-a/configmaps/mine").json()
            assert kept["data"] == {"a": "1"}
            listed = client.get("/api/v1/namespaces/team-a/configmaps").json()
            assert int(listed["metadata"]["resourceVersion"]) >= version
            stale = client.get("/api/v1/namespaces/team-a/configmaps?watch=1&timeoutSeconds=1&resourceVersion=1")
            assert json.loads(stale.text.splitlines()[0])["object"]["code"] == 410
        with second.client("sandbox-viewer") as viewer:
            assert viewer.get("/api/v1/namespaces/team-a/pods").status_code == 200
            assert viewer.get("/api/v1/namespaces/team-a/secrets").status_code == 403
            refused = viewer.delete("/api/v1/namespaces/team-a/configmaps/mine")
            assert refused.status_code == 403
        assert second.end(signal.SIGINT) == 0


# There is no wheel of the engine for every platform; where there is none the sandbox says so, which has its own test.
@pytest.mark.skipif(not installed(), reason="the engine or its model is not installed")
def test_the_tours_model_really_answers_and_its_engine_ends_with_the_sandbox(tmp_path: Path) -> None:
    with serving(tmp_path / "state") as sandbox, sandbox.client() as client:
        base = "/api/v1/namespaces/team-a/services/chat:8000/proxy"
        asked = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 5}
        answer = client.post(f"{base}/v1/chat/completions", json=asked).json()
        assert answer["usage"]["completion_tokens"] == 5
        metrics = client.get(f"{base}/metrics").text
        assert 'vllm:generation_tokens_total{engine="0",model_name="chat"} 5.0' in metrics
        both = children(sandbox.process.pid)
        assert len(both) == 2
        # However the sandbox ends, its engine and its gateway do not outlive it.
        sandbox.process.kill()
        sandbox.process.wait(10)
        until(lambda: not any(map(is_alive, both)))


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    return [int(child) for child in found]


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_killed_sandbox_leaves_a_directory_another_can_take(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    with serving(directory, "--scenario", "empty") as sandbox:
        os.kill(sandbox.process.pid, signal.SIGKILL)
        sandbox.process.wait(10)
        # A child that was being started at that moment holds the lock until it has become another program.
        deadline = time.monotonic() + 10
        while running_sandbox(directory) is not None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    with serving(directory, "--scenario", "empty") as sandbox, sandbox.client() as client:
        assert len(client.get("/api/v1/nodes").json()["items"]) == 6
        refused = subprocess.run(
            [sys.executable, "-m", "genai_tui", "sandbox", "serve", "--dir", str(directory)],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert refused.returncode == 2
        assert "a sandbox already runs on" in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1
        with started("empty", 1.0, directory) as found:
            assert found.pid == sandbox.process.pid
        assert sandbox.process.poll() is None
        taken = sandbox.ready["server"].rsplit(":", 1)[1]
        other = [sys.executable, "-m", "genai_tui", "sandbox", "serve", "--dir", str(tmp_path / "two"), "--port", taken]
        refused = subprocess.run(other, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        assert refused.returncode == 2
        assert f"cannot listen on port {taken}" in refused.stderr
        assert sandbox.end() == 0


def test_only_one_holds_a_directory(tmp_path: Path) -> None:
    with held(tmp_path):
        with pytest.raises(BadInput, match="a sandbox already runs on"), held(tmp_path):
            pass
        assert running_sandbox(tmp_path) is None
    with held(tmp_path):
        pass
