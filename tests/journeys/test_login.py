"""A credential plugin that talks to the operator gets the terminal, and gives it back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.journeys.terminal import Terminal
from tests.test_cli import sandbox

pytestmark = [pytest.mark.journey, pytest.mark.timeout(240)]

PLUGIN = """#!{python}
import json, os, sys
spec = json.loads(os.environ["KUBERNETES_EXEC_INFO"])["spec"]
assert spec["interactive"] and sys.stdin.isatty()
sys.stderr.write("one-time code: ")
sys.stderr.flush()
if sys.stdin.readline().strip() != "424242":
    sys.exit("that is not the code")
print(json.dumps({{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1",
    "status": {{"token": {token!r}}}}}))
"""


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path / "tmux", 80, 24)
    yield opened
    opened.close()


def test_the_console_steps_aside_for_a_login(terminal: Terminal, tmp_path: Path) -> None:
    with sandbox(tmp_path / "sandbox") as ready:
        path = Path(ready["kubeconfig"])
        config = yaml.safe_load(path.read_text())
        script = path.with_name("plugin")
        script.write_text(PLUGIN.format(python=sys.executable, token=config["users"][0]["user"].pop("token")))
        script.chmod(0o700)
        version = "client.authentication.k8s.io/v1"
        config["users"][0]["user"]["exec"] = {
            "apiVersion": version, "command": "./plugin", "interactiveMode": "Always",
        }  # fmt: skip
        path = path.with_name("interactive")
        path.write_text(yaml.safe_dump(config))
        program = [sys.executable, "-m", "genai_tui", "--kubeconfig", str(path)]
        terminal.start(program, {"XDG_STATE_HOME": str(tmp_path / "state"), "TERM": "xterm-256color"})

        terminal.wait("one-time code:")
        terminal.keys("wrong", "Enter")
        # It is not asked again and again: the operator says when.
        terminal.wait("exit code 1", "ctrl+r", "offline")
        terminal.keys("C-r")
        terminal.wait("one-time code:")
        terminal.keys("424242", "Enter")
        terminal.wait("chat", "summarize", "simulated", seconds=60)
        terminal.keys("C-q")
        assert "Traceback" not in terminal.wait("ended=0")
