"""The same traffic counted three times: by the clients, in the ledger, by the engine itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from genai_tui.domain.keys import KeyRequest, new_key, to_secret
from genai_tui.domain.naming import SYSTEM_NAMESPACE
from tests.sandbox.engines import installed
from tests.sandbox.test_server import Sandbox, pods, ready, serving, until

pytestmark = pytest.mark.skipif(not installed(), reason="the engine is not installed here")


def test_client_ledger_and_engine_agree_and_what_went_past_them_is_unattributed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    with serving(tmp_path / "sandbox", "--speed", "20") as sandbox, sandbox.client() as cluster:
        made = new_key(KeyRequest("org-a", "alice"), datetime.now(UTC))
        path = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/secrets"
        assert cluster.post(path, json=to_secret(made, SYSTEM_NAMESPACE)).status_code == 201
        until(lambda: any(ready(pod) for name, pod in pods(cluster).items() if name.startswith("chat-")))
        meters = [subprocess.Popen(command(sandbox, "meter"), stdout=subprocess.PIPE) for _ in range(2)]
        try:
            with openai.OpenAI(base_url=f"{sandbox.ready['gateway']}/v1", api_key=made.text, max_retries=5) as client:
                until(lambda: served(client))
                with ThreadPoolExecutor(4) as threads:
                    told = list(threads.map(lambda number: ask(client, number), range(6)))
            said = run(sandbox, "chat", "chat", "-m", "Name a colour.", "--max-tokens", "5", "--json")["usage"]
            prompt = sum(usage[0] for usage in told) + said["prompt_tokens"]
            completion = sum(usage[1] for usage in told) + said["completion_tokens"]

            def settled() -> bool:
                return agreed(reconciled(sandbox), prompt, completion)

            until(settled)
            items = run(sandbox, "usage", "-o", "json")["items"]
            assert sum(item["promptTokens"] for item in items) == prompt
            assert sum(item["completionTokens"] for item in items) == completion

            past = straight(cluster)
            line = reconciled(sandbox)
            assert (line["attributedPromptTokens"], line["attributedCompletionTokens"]) == (prompt, completion)
            assert (line["unattributedPromptTokens"], line["unattributedCompletionTokens"]) == past
        finally:
            for process in meters:
                process.send_signal(signal.SIGTERM)
            codes = [process.wait(20) for process in meters]
            for process in meters:
                if process.stdout is not None:
                    process.stdout.close()
        assert codes == [0, 0]


def agreed(line: dict[str, Any], prompt: int, completion: int) -> bool:
    assert line["countedPromptTokens"] <= prompt
    assert line["countedCompletionTokens"] <= completion
    return all(
        (line[f"{what}PromptTokens"], line[f"{what}CompletionTokens"]) == (prompt, completion)
        for what in ("counted", "attributed")
    )


def command(sandbox: Sandbox, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "genai_tui", "--kubeconfig", str(sandbox.ready["kubeconfig"]), *arguments]


def run(sandbox: Sandbox, *arguments: str) -> Any:
    done = subprocess.run(command(sandbox, *arguments), capture_output=True, text=True, env=os.environ, timeout=90)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def reconciled(sandbox: Sandbox) -> dict[str, Any]:
    (line,) = run(sandbox, "reconcile", "chat", "--since", "1h", "-o", "json")["items"]
    assert isinstance(line, dict)
    return line


def served(client: openai.OpenAI) -> bool:
    try:
        return any(model.id == "chat" for model in client.models.list())
    except (openai.APIConnectionError, openai.AuthenticationError):
        return False


def ask(client: openai.OpenAI, number: int) -> tuple[int, int]:
    """One request, streamed or not; the usage it was told."""
    messages: Any = [{"role": "user", "content": f"Count to {number}."}]
    if number % 2:
        answer = client.chat.completions.create(model="chat", messages=messages, max_tokens=4 + number)
        usage = answer.usage
    else:
        stream = client.chat.completions.create(
            model="chat", messages=messages, max_tokens=4 + number, stream=True, stream_options={"include_usage": True}
        )
        usage = [chunk.usage for chunk in stream][-1]
    assert usage is not None
    return usage.prompt_tokens, usage.completion_tokens


def straight(cluster: httpx.Client) -> tuple[int, int]:
    """Ask the engine past everything that counts; the usage it told."""
    path = "/api/v1/namespaces/team-a/services/chat:8000/proxy/v1/chat/completions"
    body = {"model": "chat", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 3}
    answer = cluster.post(path, json=body)
    assert answer.status_code == 200, answer.text
    usage = answer.json()["usage"]
    return usage["prompt_tokens"], usage["completion_tokens"]
