"""The command line as scripts use it: the installed program against a sandbox process with the real engine."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

KUBECTL = Path(sys.executable).parent / "kubectl"
DOCUMENT = """\
apiVersion: genai-tui.dev/v1alpha1
kind: ModelDeployment
metadata: {name: mine, namespace: team-b}
spec:
  model: smollm2-135m
  endpoint: internal
  engine: {type: vllm, image: "vllm/vllm-openai:v0.33.0", replicas: 1, contextLength: 2048}
  resources: {cpu: "2", memory: 4Gi, gpu: 1}
  pricing: {currency: USD, inputPerMillion: "0.20", outputPerMillion: "0.60"}
"""


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Program:
    """The program with a home of its own, on a sandbox."""

    home: Path
    kubeconfig: str

    def __call__(self, *arguments: str, stdin: str = "", kubeconfig: str | None = None) -> Done:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        }
        command = [sys.executable, "-m", "genai_tui", "--kubeconfig", kubeconfig or self.kubeconfig, *arguments]
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, env=environment, timeout=90, check=False
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def kubectl(self, *arguments: str) -> str:
        command = [str(KUBECTL), "--kubeconfig", self.kubeconfig, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def first_line(process: subprocess.Popen[str], limit: float) -> str:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        assert selector.select(limit), "the sandbox did not start"
    return process.stdout.readline()


@contextlib.contextmanager
def sandbox(directory: Path, speed: str = "20") -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "genai_tui", "sandbox", "serve", "--dir", str(directory), "--speed", speed]
    environment = {**os.environ, "XDG_STATE_HOME": str(directory / "state")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        line = first_line(process, 60)
        try:
            yield json.loads(line or (process.stderr.read() if process.stderr else ""))
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    home = tmp_path_factory.mktemp("cli")
    with sandbox(home / "sandbox") as ready:
        yield Program(home, ready["kubeconfig"])


def counters(program: Program) -> tuple[int, int]:
    text = program.kubectl("get", "--raw", "/api/v1/namespaces/team-b/services/mine:8000/proxy/metrics")
    found = [re.search(rf"^vllm:{name}_tokens_total{{[^}}]*}} (\S+)$", text, re.M) for name in ("prompt", "generation")]
    return tuple(int(float(match[1])) if match else 0 for match in found)  # type: ignore[return-value]


def test_apply_wait_chat_usage_delete(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(DOCUMENT, encoding="utf-8")
    dry = program("apply", "-f", str(file), "--dry-run")
    assert (dry.code, dry.out) == (
        0,
        "Deployment team-b/mine created (dry run)\nService team-b/mine created (dry run)\n",
    )
    applied = program("apply", "-f", str(file), "--wait", "--timeout", "80s")
    assert applied.code == 0, applied.err
    assert applied.err.strip().endswith("team-b/mine: Running (1/1 ready)")
    assert "unchanged" in program("apply", "-f", str(file)).out

    (item,) = program("get", "deployments", "mine", "-n", "team-b", "-o", "json").json["items"]
    assert (item["phase"], item["cause"], item["ready"], item["replicas"]) == ("Running", None, 1, 1)
    assert item["servedNames"] == ["mine", "smollm2-135m"]
    assert item["managedBy"] == "genai-tui"

    before = counters(program)
    answer = program("chat", "mine", "-m", "Name three colours.", "--max-tokens", "12", "--json").json
    prompt, completion = (after - was for after, was in zip(counters(program), before, strict=True))
    usage = answer["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (prompt, completion)
    assert usage["total_tokens"] == prompt + completion
    cost = (prompt * Decimal("0.20") + completion * Decimal("0.60")) / 1_000_000
    assert Decimal(answer["cost"]["amount"]) == cost
    assert answer["cost"]["currency"] == "USD"
    assert answer["content"]
    assert answer["timings"]["ttft_ms"] > 0

    (line,) = program("usage", "--by", "deployment", "-o", "json").json["items"]
    assert line["deployment"] == "team-b/mine"
    assert (line["requests"], line["totalTokens"], line["source"]) == (1, prompt + completion, "cli")
    assert Decimal(line["cost"]) == cost
    assert program("usage", "-o", "csv").out.startswith("deployment,requests,promptTokens,")
    (day,) = program("usage", "--by", "day", "--deployment", "mine", "-n", "team-b", "-o", "json").json["items"]
    assert (day["totalTokens"], day["day"][10:]) == (prompt + completion, "T00:00:00Z")
    (price,) = program("prices", line["deployment"], "-o", "json").json["items"]
    assert (price["currency"], price["inputPerMillion"], price["outputPerMillion"]) == ("USD", "0.2", "0.6")

    deleted = program("delete", "deployment", "mine", "-n", "team-b", "--yes")
    assert (deleted.code, deleted.out) == (0, "Deployment team-b/mine deleted\nService team-b/mine deleted\n")
    assert program("get", "deployments", "mine").code == 1


def test_a_damaged_ledger_withholds_no_answer(program: Program, tmp_path: Path) -> None:
    ledger = tmp_path / "state" / "genai-tui" / "ledger.db"
    ledger.parent.mkdir(parents=True)
    ledger.write_bytes(b"no database" * 1000)
    done = Program(tmp_path, program.kubeconfig)("chat", "chat", "-m", "Hello", "--max-tokens", "4", "--json")
    assert done.json["usage"]["completion_tokens"] > 0
    assert done.code == 1
    assert "ledger" in done.err
    assert "damaged" in done.err


def test_a_load_test_prints_percentiles_and_is_in_the_ledger(program: Program) -> None:
    before = len(program("usage", "--by", "deployment", "-o", "json").json["items"])
    done = program(
        "load", "chat", "-m", "Hello", "--requests", "3", "--concurrency", "2", "--max-tokens", "4", "-o", "json"
    )
    assert (done.code, done.json["answered"], done.json["failed"]) == (0, 3, 0)
    assert done.json["usage"]["completion_tokens"] == 12
    assert 0 < done.json["firstToken"]["p50"] <= done.json["whole"]["p99"]
    assert len(program("usage", "--by", "deployment", "-o", "json").json["items"]) >= before
    table = program("load", "chat", "-m", "Hello", "--requests", "2", "--max-tokens", "4").out
    assert "first token" in table
    assert "answered 2, failed 0" in table
    assert program("load", "chat", "-m", "Hello", "--requests", "0").code == 2


def test_kubectl_sees_what_we_see(program: Program) -> None:
    ours = {(i["namespace"], i["name"], i["ready"]) for i in program("get", "deployments", "-o", "json").json["items"]}
    theirs = {
        (i["metadata"]["namespace"], i["metadata"]["name"], i["status"].get("readyReplicas", 0))
        for i in json.loads(program.kubectl("get", "deployments", "-A", "-o", "json"))["items"]
    }
    assert ours == theirs
    nodes = {i["name"]: i for i in program("get", "nodes", "-o", "json").json["items"]}
    assert set(nodes) == set(program.kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").split())
    for node in nodes.values():
        assert len(node["gpuReadings"]) == node["gpus"], "an exporter tells of every GPU"
        assert all(0 <= gpu["busy"] <= 1 and gpu["memoryTotalMiB"] > 0 for gpu in node["gpuReadings"])


def test_explain_says_why_and_what_to_do(program: Program) -> None:
    found = program("explain", "extract", "-o", "json").json
    assert found["phase"] == "Failed"
    assert found["cause"].startswith("context 131072 exceeds what the KV cache holds")
    assert found["evidence"]
    assert "or auto" in found["fix"]
    healthy = program("explain", "chat", "-o", "json").json
    assert healthy == {"phase": "Running", "cause": None, "evidence": [], "fix": None}


BAD = [
    (("apply", "-f", "-"), DOCUMENT.replace("replicas", "replcas"), 2, "line 7: spec.engine.replcas: unknown field"),
    (("apply", "-f", "-"), DOCUMENT.replace("smollm2-135m", "smollm2-135"), 2, "did you mean 'smollm2-135m'?"),
    (
        ("apply", "-f", "-"),
        DOCUMENT.replace("gpu: 1", "gpu: 16"),
        2,
        "no node has 16 nvidia.com/gpu; the largest has 8",
    ),
    (("apply", "-f", "-"), DOCUMENT.replace("team-b", "team-x"), 2, "namespace 'team-x' does not exist"),
    (("apply", "-f", "-"), DOCUMENT.replace('"0.20"', '"-1"'), 2, "pricing.inputPerMillion"),
    (("apply", "-f", "-"), DOCUMENT.replace("USD", "USX"), 2, "'USX' is not an ISO 4217 currency code"),
    (("apply", "-f", "-"), "a: [", 2, "not valid YAML"),
    (("apply", "-f", "/nowhere.yaml"), "", 2, "no file /nowhere.yaml"),
    (("delete", "deployment", "chat", "-n", "team-a"), "", 2, "add --yes"),
    (("delete", "model", "smollm2-135m", "--yes"), "", 2, "is used by team-a/chat"),
    (("get", "deployments", "cat"), "", 1, "did you mean 'chat'?"),
    (("usage", "--since", "2026-13-01"), "", 2, "write it as 2026-11-01"),
    (("usage", "--since", "1h", "--until", "2h"), "", 2, "--until 2h is not after --since 1h"),
    (("usage", "--since", "soon"), "", 2, "write it as 90s, 20m, 24h or 7d"),
    (("get", "gpus"), "", 2, "invalid choice"),
    (("--read-only", "apply", "-f", "-"), DOCUMENT, 3, "read-only"),
    (("--context", "sandbox-viewer", "apply", "-f", "-"), DOCUMENT, 3, "may not patch deployments.apps"),
]


@pytest.mark.parametrize(("arguments", "stdin", "code", "text"), BAD, ids=[text for *_, text in BAD])
def test_bad_input_is_one_line_and_nothing_is_made(
    program: Program, arguments: tuple[str, ...], stdin: str, code: int, text: str
) -> None:
    done = program(*arguments, stdin=stdin)
    assert done.code == code, done.err
    assert text in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert "Traceback" not in done.err
    assert '"mine"' not in program.kubectl("get", "deployments,services", "-A", "-o", "json")


def test_a_cluster_that_is_not_there(program: Program, tmp_path: Path) -> None:
    config = yaml.safe_load(Path(program.kubeconfig).read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    gone = tmp_path / "gone"
    gone.write_text(yaml.safe_dump(config), encoding="utf-8")
    begun = time.monotonic()
    done = program("get", "deployments", kubeconfig=str(gone))
    assert done.code == 1
    assert "cannot reach the cluster at https://127.0.0.1:1" in done.err
    assert time.monotonic() - begun < 20
    config["clusters"][0]["cluster"]["server"] = yaml.safe_load(Path(program.kubeconfig).read_text())["clusters"][0][
        "cluster"
    ]["server"]
    config["users"][0]["user"]["token"] = "expired"
    gone.write_text(yaml.safe_dump(config), encoding="utf-8")
    refused = program("get", "deployments", kubeconfig=str(gone))
    assert refused.code == 1
    assert "did not accept the credentials" in refused.err
    assert "expired" not in refused.err.replace("wrong or expired", "")


def test_render_needs_no_cluster_when_the_file_has_everything(program: Program, tmp_path: Path) -> None:
    model = "apiVersion: genai-tui.dev/v1alpha1\nkind: Model\nmetadata: {name: smollm2-135m}\nspec:\n"
    model += "  source: {type: huggingface, repository: HuggingFaceTB/SmolLM2-135M-Instruct}\n"
    endpoint = "apiVersion: genai-tui.dev/v1alpha1\nkind: Endpoint\nmetadata: {name: internal}\n"
    endpoint += "spec: {hostname: llm.example}\n"
    done = program("render", "-f", "-", stdin=f"{model}---\n{endpoint}---\n{DOCUMENT}")
    kinds = [item["kind"] for item in yaml.safe_load_all(done.out)]
    assert kinds == ["ConfigMap", "ConfigMap", "Deployment", "Service"]


def test_what_the_first_paint_does_not_show_is_loaded_after_it(program: Program) -> None:
    """A third of the time to the first paint was spent on what acts, counts and validates."""
    code = (
        "import sys\nfrom genai_tui.composition import build_services\nfrom genai_tui.settings import Settings\n"
        f"services = build_services(Settings(kubeconfig={program.kubeconfig!r}))\n"
        "import screens.app, screens.deployments\n"
        "assert services.access.permission('patch', 'apps/deployments', 'default').allowed\n"
        "assert services.drafts.saved() == ()\n"
        "late = ('genai_tui.wiring', 'genai_tui.domain.documents', 'pydantic', 'sqlite3')\n"
        "loaded = [m for m in late if m in sys.modules]\nassert not loaded, loaded\n"
        "assert not services.audit.problem\nassert 'genai_tui.wiring' in sys.modules\n"
    )
    environment = {**os.environ, "XDG_STATE_HOME": str(program.home / "state")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr


def test_commands_load_neither_the_screens_nor_the_typed_client(program: Program) -> None:
    code = (
        "import sys, contextlib\nfrom genai_tui.cli import main\n"
        f"assert main(['--kubeconfig', {program.kubeconfig!r}, 'get', 'deployments']) == 0\n"
        "loaded = [m for m in ('textual', 'kubernetes', 'screens') if m in sys.modules]\nassert not loaded, loaded\n"
    )
    environment = {**os.environ, "XDG_STATE_HOME": str(program.home / "state")}
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60, env=environment)
