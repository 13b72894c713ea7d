"""A terminal that goes away takes the console with it, whoever the kernel tells."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from tests.journeys.terminal import Terminal
from tests.test_cli import sandbox

pytestmark = [pytest.mark.journey, pytest.mark.timeout(120)]


def consoles(kubeconfig: str) -> list[int]:
    """Processes that were started with this kubeconfig."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"genai_tui" in words and kubeconfig.encode() in words:
            found.append(int(entry.parent.name))
    return found


# Which processes are left is read from /proc; elsewhere nothing in the standard library tells it.
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="processes are found in /proc")
def test_no_console_is_left_when_its_terminal_is_gone(tmp_path: Path) -> None:
    with sandbox(tmp_path / "sandbox") as ready:
        # A name of its own: the sandbox's gateway uses the same file.
        kubeconfig = tmp_path / "mine"
        kubeconfig.write_bytes(Path(ready["kubeconfig"]).read_bytes())
        terminal = Terminal(tmp_path / "tmux", 80, 24)
        try:
            # The leader of the session lives on, as `make` does: nobody tells the console.
            program = ['trap "" HUP;', sys.executable, "-m", "genai_tui", "--kubeconfig", str(kubeconfig)]
            terminal.start(program, {"XDG_STATE_HOME": str(tmp_path / "state"), "TERM": "xterm-256color"})
            terminal.wait("summarize", "simulated")
            assert len(consoles(str(kubeconfig))) == 1
        finally:
            terminal.close()
        deadline = time.monotonic() + 30
        while consoles(str(kubeconfig)):
            assert time.monotonic() < deadline, "the console is still there"
            time.sleep(0.1)
