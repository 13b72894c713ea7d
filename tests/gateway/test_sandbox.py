"""The gateway the sandbox starts, with the real engine behind it."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import openai
import pytest

from genai_tui.domain.keys import KeyRequest, new_key, to_secret
from genai_tui.domain.naming import SYSTEM_NAMESPACE
from tests.sandbox.engines import installed
from tests.sandbox.test_server import children, pods, ready, serving, until

pytestmark = pytest.mark.skipif(not installed(), reason="the engine is not installed here")


def test_the_sandbox_answers_through_its_gateway_which_comes_back_when_killed(tmp_path: Path) -> None:
    with serving(tmp_path / "state") as sandbox, sandbox.client() as cluster:
        made = new_key(KeyRequest("org-a", "alice"), datetime.now(UTC))
        path = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/secrets"
        assert cluster.post(path, json=to_secret(made, SYSTEM_NAMESPACE)).status_code == 201
        until(lambda: any(ready(pod) for name, pod in pods(cluster).items() if name.startswith("chat-")))
        with openai.OpenAI(base_url=f"{sandbox.ready['gateway']}/v1", api_key=made.text, max_retries=3) as client:

            def answers() -> bool:
                try:
                    stream = client.chat.completions.create(
                        model="chat",
                        messages=[{"role": "user", "content": "Name three colours."}],
                        max_tokens=6,
                        stream=True,
                        stream_options={"include_usage": True},
                    )
                    usages = [chunk.usage for chunk in stream]
                except (openai.APIConnectionError, openai.AuthenticationError):
                    return False
                assert usages[-1] is not None
                assert usages[-1].completion_tokens == 6
                assert not any(usages[:-1])
                return True

            until(answers)
            killed = _gateways(sandbox.process.pid)
            os.kill(killed[0], signal.SIGKILL)
            until(lambda: _gateways(sandbox.process.pid) not in ([], killed))
            until(answers)
        assert sandbox.end() == 0
        until(lambda: not Path(f"/proc/{killed[0]}").exists())


def _gateways(parent: int) -> list[int]:
    return [pid for pid in children(parent) if "gateway" in _command(pid)]


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")
    except OSError:
        return []
