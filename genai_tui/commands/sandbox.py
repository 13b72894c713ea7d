"""`genai-tui sandbox`: a sandbox cluster in a process of its own, and the console on it."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from genai_tui.commands.output import as_json, note, write
from genai_tui.errors import GenaiTuiError, TimedOut
from genai_tui.extras import require_extra

START_LIMIT_S = 120.0
STOP_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox that answers: its API server, its kubeconfig, its gateway where it has one."""

    server: str
    kubeconfig: str
    gateway: str | None
    pid: int


def list_failures(form: str) -> None:
    """Print the failures that can be staged, each with what it shows."""
    from genai_tui.sandbox.scenario_failures import STAGED

    if form == "json":
        write(as_json({"items": [{"name": staged.name, "about": staged.about} for staged in STAGED]}))
        return
    width = max(len(staged.name) for staged in STAGED)
    write("\n".join(f"{staged.name:<{width}}  {staged.about}" for staged in STAGED))


@contextlib.contextmanager
def started(scenario: str, speed: float, directory: Path) -> Iterator[Sandbox]:
    """Run a sandbox for as long as the block lasts, or use the one that runs on `directory`, where its state stays.

    Raises:
        MissingTool: its packages are not installed.
        GenaiTuiError, TimedOut: it did not start; says what it wrote last.
    """
    require_extra("sandbox")
    from genai_tui.sandbox.running import running_sandbox

    found = running_sandbox(directory)
    if found is not None:
        note(f"using the sandbox that runs already (process {found.pid})")
        yield Sandbox(found.server, found.kubeconfig, found.gateway, found.pid)
        return
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    note("starting the sandbox ...")
    command = [sys.executable, "-m", "genai_tui", "sandbox", "serve"]
    command += ["--dir", str(directory), "--scenario", scenario, "--speed", str(speed)]
    log = directory / "serve.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        )
    try:
        yield _announcement(process, log)
    finally:
        _stop(process)


def _announcement(process: subprocess.Popen[bytes], log: Path) -> Sandbox:
    """Read the one line a ready sandbox prints."""
    assert process.stdout is not None
    buffer = b""
    deadline = time.monotonic() + START_LIMIT_S
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while b"\n" not in buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimedOut("the sandbox did not start in two minutes", next_step=f"see {log}")
            if not selector.select(min(left, 1.0)):
                continue
            chunk = os.read(process.stdout.fileno(), 65536)
            if not chunk:
                raise GenaiTuiError("the sandbox did not start", why=_last_line(log), next_step=f"see {log}")
            buffer += chunk
    return parse_announcement(json.loads(buffer.split(b"\n", 1)[0]))


def parse_announcement(data: Mapping[str, object]) -> Sandbox:
    """The ready line as a value."""
    gateway, pid = data.get("gateway"), data.get("pid")
    return Sandbox(
        str(data["server"]),
        str(data["kubeconfig"]),
        str(gateway) if gateway else None,
        pid if isinstance(pid, int) else 0,
    )


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it wrote nothing"


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
