"""The main job by hand, in a terminal of 80 by 24: deploy the small model, see it Running, talk to it, read the cost."""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.journeys.terminal import Terminal
from tests.test_cli import sandbox

pytestmark = [pytest.mark.journey, pytest.mark.timeout(420)]

PHASES = ("Pending", "Pulling", "Starting", "Loading", "Warming up", "Running")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path / "tmux", 80, 24)
    yield opened
    opened.close()


def test_deploy_run_chat_cost(terminal: Terminal, tmp_path: Path) -> None:
    with sandbox(tmp_path / "sandbox", speed="1") as ready:
        program = [sys.executable, "-m", "genai_tui", "--kubeconfig", str(ready["kubeconfig"])]
        state = tmp_path / "state"
        terminal.start(program, {"XDG_STATE_HOME": str(state), "TERM": "xterm-256color", "COLORTERM": "truecolor"})
        listed = terminal.wait("chat", "summarize", "no node has 8 free GPUs", "simulated")
        assert len(listed.rstrip("\n").split("\n")) == 24

        terminal.keys("n")
        terminal.wait("New deployment", "Name")
        terminal.keys("mine")
        terminal.keys("Tab")
        terminal.keys("team-b")
        terminal.keys("C-n")
        terminal.wait("Endpoint", "choose a model")
        terminal.keys("F2")
        terminal.wait("type to narrow")
        terminal.keys("smol")
        terminal.until(lambda s: "llama-nim" not in s, "the narrowed list")
        terminal.keys("Enter")
        terminal.wait("smollm2-135m")
        price(terminal)
        terminal.keys("C-s")
        terminal.wait("The server accepts it")
        terminal.keys("C-s")

        terminal.wait("team-b / mine", "Rollout")
        seen: list[str] = []

        def followed(screen: str) -> bool:
            for phase in PHASES:
                if re.search(rf"mine .*{phase}", screen) and phase not in seen:
                    seen.append(phase)
            return "Running" in seen

        terminal.until(followed, "Running", 90)
        # In their order; a small model may be through one of the stages between two looks at the screen.
        assert seen == [phase for phase in PHASES if phase in seen]
        assert "Pulling" in seen
        assert {"Starting", "Loading", "Warming up"} & set(seen)

        # In one go, as it arrives over a slow line.
        terminal.keys("c", *"Name three colours.", "Enter")
        answered = terminal.wait("prompt", "completion", "total", "tok/s", seconds=240)
        counts = {
            name: int(match[1].replace(",", ""))
            for name in ("prompt", "completion", "total")
            if (match := re.search(rf"{name}\s+([\d,]+)", answered))
        }
        assert counts["total"] == counts["prompt"] + counts["completion"]
        cost = (counts["prompt"] * Decimal("0.20") + counts["completion"] * Decimal("0.60")) / 1_000_000
        assert f"${cost.normalize():f}" in answered

        with sqlite3.connect(state / "genai-tui" / "ledger.db") as ledger:
            assert ledger.execute("select count(*) from requests").fetchone() == (1,)
        terminal.keys("C-q")
        ended = terminal.wait("ended=0")
        assert "Traceback" not in ended


def price(terminal: Terminal) -> None:
    """Go on to the step Pricing and fill it in."""
    for step in ("Engine", "Resources", "Advanced", "Rate limits", "Pricing"):
        terminal.keys("C-n")
        opened = re.compile(rf"▌\S*\s+{step}")
        terminal.until(lambda s, opened=opened: opened.search(s) is not None, step)  # type: ignore[misc]
    terminal.wait("Input", "Output")
    for title, amount in (("Input tokens", "0.20"), ("Output tokens", "0.60")):
        terminal.keys("Tab")
        terminal.wait(f"{title}  Price of one million")
        terminal.keys(amount)
        terminal.wait(amount)
