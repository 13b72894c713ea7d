"""The samples of the developer hub, run as printed, against the real gateway and the real engine with a real key."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import which

import pytest

from genai_tui.composition import build_services
from genai_tui.domain.keys import KeyRequest
from genai_tui.domain.rows import Ref
from genai_tui.hub_pages import page
from genai_tui.inference.samples import QUESTION
from genai_tui.settings import Settings
from tests.gateway.test_as_developer import answered_once_known
from tests.sandbox.engines import installed
from tests.sandbox.test_server import pods, ready, serving, until

pytestmark = [pytest.mark.skipif(not installed(), reason="the engine is not installed here"), pytest.mark.timeout(240)]
CHAT = Ref("team-a", "chat")
RUN = {
    "sh": ("sample.sh", ["bash"]),
    "python": ("sample.py", [sys.executable]),
    "js": ("sample.mjs", ["node"]),
}


def blocks(text: str) -> dict[str, str]:
    """The code of a page by language."""
    return dict(re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def runs(directory: Path, language: str, code: str, key: str) -> subprocess.CompletedProcess[str]:
    name, program = RUN[language]
    (directory / name).write_text(code)
    own = {**os.environ, "API_KEY": key, "NO_PROXY": "*"}
    return subprocess.run([*program, name], cwd=directory, env=own, capture_output=True, text=True, timeout=120)


def with_openai_for_node(directory: Path) -> bool:
    """OpenAI's client of Node, from its package index; without Node or a network there is none."""
    if which("npm") is None:
        return False
    command = ["npm", "install", "--no-save", "--no-audit", "--no-fund", "--fetch-retries", "0", "openai@6"]
    try:
        return subprocess.run(command, cwd=directory, capture_output=True, timeout=90).returncode == 0
    except subprocess.TimeoutExpired:
        return False


async def test_every_sample_of_the_page_runs_as_printed(tmp_path: Path) -> None:
    with serving(tmp_path / "sandbox", "--speed", "20") as sandbox, sandbox.client() as cluster:
        until(lambda: any(ready(pod) for name, pod in pods(cluster).items() if name.startswith("chat-")))
        gateway = sandbox.ready["gateway"]
        settings = Settings(kubeconfig=str(sandbox.ready["kubeconfig"]), gateway=gateway, state=tmp_path / "state")
        services = build_services(settings)
        try:
            await services.settle()
            detail = services.picture.deployment(CHAT)
            assert detail is not None
            printed = blocks(await page(services, detail.row, "org-a", None))
            asked = {name: code for name, code in printed.items() if QUESTION in code}
            assert set(asked) == {"sh", "python", "js"}
            key = await services.keys.create(
                KeyRequest("org-a", "alice", expires=datetime.now(UTC) + timedelta(hours=1))
            )
            await answered_once_known(services.playground.as_developer(gateway, key.text))
        finally:
            await services.close()
        directory = tmp_path / "developer"
        directory.mkdir()
        if not with_openai_for_node(directory):
            del asked["js"]
        for language, code in asked.items():
            done = runs(directory, language, code, key.text)
            assert done.returncode == 0, (language, done.stdout, done.stderr)
            assert re.search(r"completion_tokens\W+[1-9]", done.stdout), (language, done.stdout)
            refused = runs(directory, language, code, "sk-genai-no-such-key-at-all-000000")
            assert "Incorrect API key" in refused.stdout + refused.stderr, (language, refused.stdout, refused.stderr)
