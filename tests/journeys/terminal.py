"""A program in a real terminal: tmux on a socket of its own, keys in, what is on the screen out."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest


class Terminal:
    """One tmux session of a given size."""

    def __init__(self, socket: Path, columns: int, rows: int) -> None:
        # The tests promise to run with Python and make alone; without a terminal there is no journey to walk.
        if shutil.which("tmux") is None:
            pytest.skip("tmux is not installed")
        self._tmux = ["tmux", "-S", str(socket), "-f", "/dev/null"]
        self._size = ["-x", str(columns), "-y", str(rows)]

    def start(self, command: list[str], environment: dict[str, str]) -> None:
        """Run a command; the pane stays when it ends, so that its last words can be read."""
        settings = [part for name, value in environment.items() for part in ("-e", f"{name}={value}")]
        self._run("new-session", "-d", *self._size, *settings, " ".join(command) + "; echo ended=$?; sleep 60")
        self._run("set", "-g", "status", "off")

    def record(self, file: Path) -> None:
        """Keep every byte the program writes to the terminal from now on."""
        self._run("pipe-pane", f"cat > {shlex.quote(str(file))}")

    def _run(self, *arguments: str) -> str:
        done = subprocess.run([*self._tmux, *arguments], capture_output=True, text=True, timeout=20, check=True)
        return done.stdout

    def keys(self, *keys: str) -> None:
        """Press keys by tmux's names; text is typed as it is."""
        self._run("send-keys", *keys)

    def screen(self) -> str:
        """What is on the screen."""
        return self._run("capture-pane", "-p")

    def wait(self, *texts: str, seconds: float = 20) -> str:
        """Wait until all texts are on the screen."""
        return self.until(lambda screen: all(text in screen for text in texts), str(texts), seconds)

    def until(self, condition: Callable[[str], bool], what: str, seconds: float = 20) -> str:
        """Wait for a condition on the screen."""
        end = time.monotonic() + seconds
        while True:
            screen = self.screen()
            if condition(screen):
                return screen
            assert time.monotonic() < end, f"not seen in {seconds:.0f} s: {what}\n{screen}"
            time.sleep(0.1)

    def close(self) -> None:
        """End the session."""
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, timeout=20, check=False)
