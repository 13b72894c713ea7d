"""Secrets planted at every entrance, a session of commands and of the console, and every byte they wrote searched."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.journeys.terminal import Terminal
from tests.test_cli import KUBECTL, sandbox

pytestmark = [pytest.mark.journey, pytest.mark.timeout(240)]

HUB = "hf_Pl4ntedHubTokenOfTheOperator00"
NGC = "nvapi-Pl4ntedNgcKeyOfTheOperator00"
ENGINE = 'pl4nted-engine-key/with+signs=and"quote'
PROXY = "pl4nted-proxy-p@ssword"
WRONG = "pl4nted.wrong.kubeconfig.token"
PLUGIN = "pl4nted-plugin-client-secret"
BASIC = "pl4nted-basic-password"
IN_SECRET = "pl4nted-value-of-a-kubernetes-secret"
OURS = "app.kubernetes.io/managed-by=genai-tui"
TYPED, KEPT = "pl4nted-typed-value", "pl4nted-kept-value"
IN_POD = "pl4nted-key-that-others-put-in-a-pod"

CHATTY = """#!/bin/sh
echo "cached $CLIENT_SECRET was refused" >&2
echo "login failed for client-secret $CLIENT_SECRET, Bearer {token}" >&2
exit 1
"""


def forms(secret: str) -> set[bytes]:
    """A secret as it may stand in a file: plain, URL-encoded, in JSON, in base64 at any offset."""
    found = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], json.dumps(json.dumps(secret))[3:-3]}
    raw = secret.encode()
    for shift in range(3):
        # Base64 of a part of a longer text: what does not depend on the neighbours.
        encoded = base64.b64encode(b"\0" * shift + raw).decode()
        found.add(encoded[(0, 2, 3)[shift] : len(encoded) - 4])
    return {form.encode() for form in found}


class Watched:
    """The arguments of every process of this user, looked at as long as it runs."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(0.05):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    line = (process / "cmdline").read_bytes()
                except OSError:  # it ended meanwhile
                    continue
                # The terminal's own server is started by this test, with the environment in its arguments.
                if (b"genai_tui" in line or b"plugin" in line) and not line.startswith(b"tmux"):
                    self.seen.add(line)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path / "tmux", 160, 48)
    yield opened
    opened.close()


def client_key() -> tuple[str, str]:
    """A certificate and its key, as a kubeconfig holds them; and the key's text."""
    issued = trustme.CA().issue_cert("someone")
    key = issued.private_key_pem.bytes()
    x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes())
    serialization.load_pem_private_key(key, None)
    return issued.cert_chain_pems[0].bytes().decode(), key.decode()


def kubeconfigs(good: Path, directory: Path) -> tuple[dict[str, Path], set[str]]:
    """Kubeconfigs with secrets of every kind; and those secrets."""
    config = yaml.safe_load(good.read_text())
    token = config["users"][0]["user"]["token"]
    certificate, key = client_key()
    plugin = directory / "plugin"
    plugin.write_text(CHATTY.format(token=token))
    plugin.chmod(0o700)
    version = "client.authentication.k8s.io/v1"
    users = {
        "wrong-token": {"token": WRONG},
        "password": {"username": "someone", "password": BASIC},
        "certificate": {
            "client-certificate-data": base64.b64encode(certificate.encode()).decode(),
            "client-key-data": base64.b64encode(key.encode()).decode(),
            "token": token,
        },
        "broken-key": {
            "client-certificate-data": base64.b64encode(certificate.encode()).decode(),
            "client-key-data": base64.b64encode(key.replace("-----END", "x-----END").encode()).decode(),
        },
        "plugin": {
            "exec": {
                "apiVersion": version, "command": str(plugin), "interactiveMode": "Never",
                "env": [{"name": "CLIENT_SECRET", "value": PLUGIN}],
            }
        },
    }  # fmt: skip
    made = {}
    for name, user in users.items():
        changed = yaml.safe_load(good.read_text())
        changed["users"][0]["user"] = user
        made[name] = directory / f"{name}.yaml"
        made[name].write_text(yaml.safe_dump(changed))
    for name, proxy in (
        ("proxy", f"http://someone:{quote(PROXY, safe='')}@127.0.0.1:9"),
        ("odd-proxy", f"gopher://someone:{PROXY}@127.0.0.1"),
    ):
        changed = yaml.safe_load(good.read_text())
        changed["clusters"][0]["cluster"]["proxy-url"] = proxy
        made[name] = directory / f"{name}.yaml"
        made[name].write_text(yaml.safe_dump(changed))
    lines = {line for line in key.splitlines() if len(line) > 40}
    return made, {token, *lines}


def document(env: str = "", arguments: str = "") -> str:
    return f"""\
apiVersion: genai-tui.dev/v1alpha1
kind: ModelDeployment
metadata: {{name: planted, namespace: team-b}}
spec:
  model: smollm2-135m
  endpoint: internal
  engine: {{type: vllm, image: "vllm/vllm-openai:v0.33.0", replicas: 1, contextLength: 2048}}
  resources: {{cpu: "2", memory: 4Gi, gpu: 1}}
  advanced: {{env: [{env}], extraArgs: [{arguments}]}}
"""


FOREIGN = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: theirs, namespace: team-b}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: theirs}}}}
  template:
    metadata: {{labels: {{app: theirs}}}}
    spec:
      containers:
        - name: vllm
          image: vllm/vllm-openai:v0.33.0
          args: [--model, some/model, --api-key, {IN_POD}]
          env: [{{name: VLLM_API_KEY, value: {IN_POD}}}, {{name: HF_TOKEN, value: {HUB}}}]
---
apiVersion: v1
kind: Secret
metadata: {{name: hf, namespace: team-b}}
stringData: {{token: {IN_SECRET}}}
"""


def test_no_secret_is_written_anywhere(terminal: Terminal, tmp_path: Path) -> None:
    state, config, plans = tmp_path / "state", tmp_path / "config", tmp_path / "plans"
    plans.mkdir()
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "TERM": "xterm-256color", "HF_TOKEN": HUB,
        "XDG_STATE_HOME": str(state), "XDG_CONFIG_HOME": str(config), "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "NGC_API_KEY": NGC, "GENAI_TUI_ENGINE_KEY": ENGINE,
    }  # fmt: skip
    said: dict[str, bytes] = {}

    def run(name: str, kubeconfig: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "genai_tui", "--kubeconfig", str(kubeconfig), *arguments]
        done = subprocess.run(
            command, input=stdin.encode(), capture_output=True, env=environment, timeout=60, check=False
        )
        said[name] = done.stdout + done.stderr
        return done

    with sandbox(tmp_path / "sandbox", speed="20") as ready, Watched() as watched:
        good = Path(ready["kubeconfig"])
        kubectl = [str(KUBECTL), "--kubeconfig", str(good)]
        subprocess.run([*kubectl, "apply", "-f", "-"], input=FOREIGN.encode(), check=True, capture_output=True)
        broken, own = kubeconfigs(good, plans)
        secrets = {HUB, NGC, ENGINE, TYPED, KEPT, PROXY, WRONG, PLUGIN, BASIC, IN_SECRET, IN_POD, *own}

        for name, path in broken.items():
            done = run(f"get with {name}", path, "get", "deployments")
            assert (done.returncode == 0) == (name == "certificate"), said[f"get with {name}"]
            assert b"Traceback" not in said[f"get with {name}"]
        assert b"login failed" in said["get with plugin"]

        refused = {
            "a token as a variable": document(env=f"{{name: HF_TOKEN, value: {HUB}}}"),
            "a key as a variable": document(env=f"{{name: NGC_API_KEY, value: {NGC}}}"),
            "a key as an argument": document(arguments=f'"--api-key={ENGINE.split(chr(34))[0]}"'),
            "a token where no token belongs": document().replace("smollm2-135m", HUB),
            "a file that is no YAML": document() + f"\n  token: {NGC}: [",
        }
        for name, text in refused.items():
            assert run(name, good, "apply", "-f", "-", stdin=text).returncode == 2, said[name]
        settings = config / "genai-tui" / "settings.toml"
        settings.parent.mkdir(parents=True)
        settings.write_text(f'hub-token = "{HUB}"\n')
        assert run("a token in the settings", good, "get", "models").returncode == 2
        settings.unlink()

        accepted = document(env="{name: HF_TOKEN, secret: {name: hf, key: token}}")
        assert run("apply", good, "apply", "-f", "-", stdin=accepted).returncode == 0, said["apply"]
        create = ["secrets", "create", "typed", "-n", "team-b", "--key", "token"]
        assert run("secrets", good, *create, stdin=TYPED).returncode == 0, said["secrets"]
        assert run("secrets again", good, *create, stdin=TYPED).returncode == 1
        assert run("secrets read-only", good, "--read-only", *create, stdin=TYPED).returncode == 3
        kept = ["credentials", "set", "engine-key", "--in", "file"]
        assert run("credentials", good, *kept, stdin=KEPT).returncode == 0, said["credentials"]
        file = state / "genai-tui" / "credentials.json"
        assert (file.stat().st_mode & 0o777, KEPT in file.read_text()) == (0o600, True)
        made = run("keys", good, "keys", "create", "--organization", "org-a", "--user", "alice", "-o", "json")
        assert made.returncode == 0, said["keys"]
        secrets.add(json.loads(said.pop("keys"))["key"])  # printed this once, which is what it is for
        for command in (
            ["doctor"], ["settings"], ["keys", "list"], ["audit", "--diff"], ["adopt", "team-b/theirs"],
            ["credentials", "list"], ["explain", "team-b/theirs"], ["export", "team-b/planted"], ["chat", "team-b/theirs", "-m", "hello"],
        ):  # fmt: skip
            run(" ".join(command), good, *command)

        raw = tmp_path / "terminal.raw"
        program = [sys.executable, "-m", "genai_tui", "--kubeconfig", str(good)]
        terminal.start(program, environment)
        terminal.record(raw)
        terminal.wait("planted", "theirs")
        terminal.keys("/", "theirs", "Enter", "Enter")
        terminal.wait("team-b / theirs")
        for tab in "1234576":
            terminal.keys(tab)
        terminal.wait("kind: Deployment")
        terminal.keys("Escape")
        terminal.wait("esc Show all")
        terminal.keys(":", "credentials")
        terminal.wait("Where your own secrets come from")
        terminal.keys("Enter")
        terminal.wait("Credentials of this machine", "$GENAI_TUI_ENGINE_KEY")
        terminal.keys("Enter")
        terminal.wait("kept where you choose next")
        terminal.keys(TYPED)
        terminal.wait("•" * len(TYPED))
        terminal.keys("Enter")
        terminal.wait("Keep the", "this session alone")
        terminal.keys("Enter")
        terminal.wait("Enter it")
        terminal.keys("Escape")
        terminal.wait("esc Show all")
        terminal.keys("n")
        terminal.wait("New deployment", "Name")
        typed_from = raw.stat().st_size
        terminal.keys("half-done")
        terminal.wait("half-done")
        terminal.keys("Tab")
        terminal.keys(HUB)
        terminal.until(lambda screen: HUB[:12] in screen or HUB[-12:] in screen, "what was typed")
        terminal.keys("C-q")
        terminal.wait("ended=")
        # What is typed into a field that is no secret's is seen by who types it, and kept nowhere.
        said["the console"] = raw.read_bytes()[:typed_from]
        said["its end"] = terminal.screen().encode()
        assert b"theirs" in said["the console"]

        objects = subprocess.run(
            [*kubectl, "get", "deployments,services,configmaps", "-A", "-o", "json", "-l", OURS],
            capture_output=True, check=True,
        ).stdout  # fmt: skip
        assert b'"planted"' in objects
        said["the cluster"] = objects

    file.unlink()  # the one place where a secret may be, since it was asked for
    places = {**said, "arguments": b"\n".join(watched.seen)}
    for root in (state, config):
        places |= {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert any(path.endswith(".log") for path in places)
    assert any("ledger" in path for path in places)
    found = [
        (place, form.decode())
        for place, text in places.items()
        for secret in secrets
        for form in forms(secret)
        if form in text
    ]
    assert not found, found
