"""Asking as a developer, from the console's ports and by command, against the real gateway and the real engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from genai_tui.chat_ports import Playground
from genai_tui.composition import build_services
from genai_tui.domain.chat import Answered, ChatRequest, Message, Sampling
from genai_tui.domain.keys import KeyRequest
from genai_tui.domain.rows import Ref
from genai_tui.errors import EngineRefused, Unreachable
from genai_tui.hub_pages import page
from genai_tui.settings import Settings
from tests.sandbox.engines import installed
from tests.sandbox.test_server import pods, ready, serving, until

pytestmark = [pytest.mark.skipif(not installed(), reason="the engine is not installed here"), pytest.mark.timeout(180)]
CHAT = Ref("team-a", "chat")


async def asked(playground: Playground) -> Answered:
    request = ChatRequest(CHAT, (Message("user", "Name three colours."),), Sampling(max_tokens=6))
    async with aclosing(playground.ask(request)) as events:
        *_, last = [event async for event in events]
    assert isinstance(last, Answered)
    return last


async def refused(playground: Playground) -> EngineRefused:
    with pytest.raises(EngineRefused) as caught:
        await asked(playground)
    return caught.value


async def test_what_a_developer_meets_is_the_gateways_answer_and_its_row(tmp_path: Path) -> None:
    with serving(tmp_path / "sandbox", "--speed", "20") as sandbox, sandbox.client() as cluster:
        until(lambda: any(ready(pod) for name, pod in pods(cluster).items() if name.startswith("chat-")))
        gateway = sandbox.ready["gateway"]
        kubeconfig = str(sandbox.ready["kubeconfig"])
        services = build_services(Settings(kubeconfig=kubeconfig, gateway=gateway, state=tmp_path / "state"))
        try:
            await services.settle()
            assert await services.playground.public_address(CHAT) == gateway
            assert f"{gateway}/v1/chat/completions" in await services.playground.sample_code(CHAT, "curl")
            detail = services.picture.deployment(CHAT)
            assert detail is not None
            handed = await page(services, detail.row, "org-a", None)
            assert f"embedded gateway at {gateway}" in handed
            record = await services.keys.create(
                KeyRequest("org-a", "alice", expires=datetime.now(UTC) + timedelta(hours=1))
            )
            stranger = await services.keys.create(KeyRequest("org-b", "carol", deployments=("team-a/assistant",)))

            nobody = await refused(services.playground.as_developer(gateway, None))
            assert (nobody.status, "the gateway does not accept this API key (401)") == (401, nobody.problem.what)
            outsider = services.playground.as_developer(gateway, stranger.text)
            with pytest.raises(Unreachable, match="the gateway cannot be reached"):
                await asked(services.playground.as_developer("http://127.0.0.1:9", None))
            developer = services.playground.as_developer(gateway, record.text)
            told = await answered_once_known(developer)
            assert told.usage is not None
            assert told.usage.completion == 6
            closed = await refused(outsider)
            assert (closed.status, "does not let this API key call it" in closed.problem.what) == (403, True)
            assert "not shared" in closed.problem.why
            rows = await services.usage.requests(datetime(2020, 1, 1, tzinfo=UTC), limit=100)
            assert tuple(rows) == (), "the gateway keeps the row of what went through it"
            assert "as a developer" not in services.playground.way(CHAT)
            assert "with an API key" in developer.way(CHAT)
            elsewhere = services.playground.as_developer("https://models.example", None)
            assert "https://models.example/v1/chat/completions" in await elsewhere.sample_code(CHAT, "curl")
        finally:
            await services.close()

        environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "cli"), "GENAI_TUI_GATEWAY": gateway}
        command = [sys.executable, "-m", "genai_tui", "--kubeconfig", kubeconfig, "--reach", "public", "chat", "chat"]
        command += ["-m", "Name a colour.", "--max-tokens", "5", "--json"]

        def by_command(key: str) -> subprocess.CompletedProcess[str]:
            own = environment | {"GENAI_TUI_API_KEY": key}
            return subprocess.run(command, env=own, capture_output=True, text=True, timeout=60, check=False)

        done = by_command(record.text)
        assert done.returncode == 0, (done.stdout, done.stderr)
        assert json.loads(done.stdout)["usage"]["completion_tokens"] == 5, done.stderr
        wrong = by_command("sk-genai-no-such-key-at-all-000000")
        assert (wrong.returncode, "the gateway does not accept this API key (401)" in wrong.stderr) == (1, True)


async def answered_once_known(developer: Playground) -> Answered:
    """A new key is known to the gateway within a second."""
    for _ in range(50):
        try:
            return await asked(developer)
        except EngineRefused as error:
            if error.status != 401:
                raise
    raise AssertionError("the key was never known")
