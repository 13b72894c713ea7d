"""The embedded gateway in front of the sandbox: a process of its own on a socket that is ours, started anew if it ends.

The socket outlives the process: its address is known before the gateway answers, and who connects meanwhile waits.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
import time
from pathlib import Path

from genai_tui.extras import missing_package
from genai_tui.sandbox.processes import ended

log = logging.getLogger(__name__)

GRACE = "2s"
STOP_LIMIT_S = 4.0
AGAIN_AFTER_S, LONGEST_PAUSE_S = 1.0, 60.0
LIVED_S = 10.0
"""A gateway that ended sooner will end again (a second one of ours runs): the next waits longer."""
LOG = "gateway.log"


class Front:
    """The gateway of one sandbox. `url` is its base URL; None where its packages are not installed."""

    def __init__(self, listener: socket.socket, directory: Path) -> None:
        """Take over a listening socket.

        Args:
            listener: what the gateway will answer on.
            directory: where its error output goes.
        """
        self._listener, self._directory = listener, directory
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str | None:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}" if missing_package("gateway") is None else None

    def start(self, kubeconfig: Path) -> None:
        """Keep a gateway running for the cluster of this kubeconfig."""
        if self.url is not None:
            self._listener.listen(2048)
            self._keeping = asyncio.create_task(self._keep(kubeconfig), name="gateway")

    async def _keep(self, kubeconfig: Path) -> None:
        command = [sys.executable, "-m", "genai_tui", "gateway", "serve", "--kubeconfig", str(kubeconfig)]
        command += ["--inherited-fd", str(self._listener.fileno()), "--tied", "--grace", GRACE]
        pause = AGAIN_AFTER_S
        while True:
            began = time.monotonic()
            with (self._directory / LOG).open("ab") as errors:
                self._process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    pass_fds=(self._listener.fileno(),),
                )
            code = await self._process.wait()
            log.warning("the gateway ended (%d) and is started again; see %s", code, self._directory / LOG)
            pause = AGAIN_AFTER_S if time.monotonic() - began > LIVED_S else min(LONGEST_PAUSE_S, 2 * pause)
            await asyncio.sleep(pause)

    async def close(self) -> None:
        """End it; streams it passes on have a moment to finish."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.terminate()
            await ended(process, STOP_LIMIT_S)
        self._listener.close()
