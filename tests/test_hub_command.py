"""`genai-tui hub`: what it prints runs as printed, at a gateway with a key, and the key is written nowhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.test_cli import Program, sandbox


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, str, Path]]:
    home = tmp_path_factory.mktemp("hub")
    with sandbox(home / "sandbox") as told:
        yield Program(home, told["kubeconfig"]), told["gateway"], home


def block(page: str, language: str) -> str:
    """The code a reader copies."""
    found = re.findall(rf"```{language}\n(.*?)\n```", page, re.DOTALL)
    return str(found[-1])


def answers(gateway: str, key: str) -> bool:
    """Whether the gateway offers the model to this key: its engine may still be starting."""
    reply = httpx.get(f"{gateway}/v1/models", headers={"Authorization": f"Bearer {key}"})
    return reply.status_code == 200 and "chat" in {model["id"] for model in reply.json()["data"]}


@pytest.mark.timeout(600)
def test_samples_run_as_printed_and_the_key_is_nowhere_else(ready: tuple[Program, str, Path], tmp_path: Path) -> None:
    program, gateway, home = ready
    made = program("keys", "create", "--organization", "org-a", "--user", "alice", "-o", "json").json
    page = program("hub", "chat", "--gateway", f"{gateway}/v1/", "--organization", "org-a")
    assert page.code == 0, page.err
    assert f"| endpoint | {gateway} |" in page.out
    assert f"Enforcement: embedded gateway at {gateway}." in page.out or "None." in page.out
    deadline = time.monotonic() + 60
    while not answers(gateway, made["key"]):
        assert time.monotonic() < deadline, "the gateway never offered the model"
        time.sleep(0.1)
    environment = {**os.environ, "API_KEY": made["key"]}
    curl = block(page.out, "sh")
    (tmp_path / "ask.py").write_text(block(page.out, "python"), encoding="utf-8")
    # The samples set no limit, and a small model may talk until its context is full.
    for command in (["sh", "-c", curl], [sys.executable, str(tmp_path / "ask.py")]):
        while True:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
            if "engine_unreachable" not in done.stdout + done.stderr or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        assert done.returncode == 0, done.stderr
        assert "total_tokens" in done.stdout, done.stdout + done.stderr
    wrong = subprocess.run(
        ["sh", "-c", curl], env={**environment, "API_KEY": "sk-genai-wrong"}, capture_output=True, text=True, check=True
    )
    assert "invalid_api_key" in wrong.stdout

    assert made["key"] not in page.out
    program("keys", "revoke", made["id"], "--yes")
    for file in home.rglob("*"):
        kept = file.is_file() and made["key"].encode() in file.read_bytes()
        assert not kept, f"the key is in {file}"


def test_the_list_has_what_an_organization_may_call(ready: tuple[Program, str, Path]) -> None:
    program = ready[0]
    everything = program("hub").out
    assert "# Models\n" in everything
    assert "## smollm2-135m" in everything
    assert "| shared with |" in everything
    only = program("hub", "--organization", "org-a").out
    assert "# Models for org-a" in only
    assert "| chat | team-a | " in only
    assert "| extract |" not in only


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("chta",), 1, "did you mean 'chat'"),
        (("chat", "--organization", "org-x"), 1, "no organization is called 'org-x'"),
        (("chat", "--gateway", "llm"), 2, "is no address"),
        (("extract", "--organization", "org-a"), 2, "is not shared with org-a"),
    ],
)
def test_bad_input_is_one_line(
    ready: tuple[Program, str, Path], arguments: tuple[str, ...], code: int, text: str
) -> None:
    done = ready[0]("hub", *arguments)
    assert (done.code, done.out) == (code, "")
    assert text in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_the_use_of_limits_is_what_was_asked_of_the_gateway(ready: tuple[Program, str, Path]) -> None:
    program, gateway, home = ready
    made = program("keys", "create", "--organization", "org-a", "--user", "bob", "-o", "json").json
    # Where the gateway's state is not, nothing is known of its counters.
    elsewhere = program("limits", "chat", "--key", made["id"], "-o", "json").json
    assert elsewhere["verdict"] is None
    assert elsewhere["notKnown"]
    assert {item["used"] for item in elsewhere["items"]} == {None}
    ledger = Program(home / "sandbox", program.kubeconfig)
    unused = ledger("limits", "chat", "--key", made["id"], "-o", "json").json
    assert unused["verdict"] == {"key": made["id"], "admitted": True, "status": 200, "reason": None}
    body = {"model": "chat", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
    deadline = time.monotonic() + 60
    while True:
        headers = {"Authorization": f"Bearer {made['key']}"}
        answer = httpx.post(f"{gateway}/v1/chat/completions", headers=headers, json=body, timeout=60)
        if answer.status_code == 200 or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert answer.status_code == 200, answer.text
    spent = answer.json()["usage"]["total_tokens"]
    used: dict[tuple[str, str], int] = {}
    while used.get(("API key", "tokens"), 0) != spent and time.monotonic() < deadline:
        told = ledger("limits", "chat", "--key", made["id"], "-o", "json").json
        used = {(item["level"], item["unit"]): item["used"] for item in told["items"]}
    assert used[("API key", "tokens")] == used[("user", "tokens")] == spent
    assert used[("API key", "requests")] >= 1
    assert f"key {made['id']} would be let in now" in ledger("limits", "chat", "--key", made["id"]).out
