"""A console killed in the middle of typing loses at most the last second."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from genai_tui.draft_files import DraftFiles

# Types a letter at a time for ever and says, each time, what the form held at least a second ago.
TYPIST = """
import asyncio, sys, time
from pathlib import Path
from screens.wizard.screen import WizardScreen
from tests.screens.form_world import Console, FormWorld

async def main():
    app = Console(FormWorld(Path(sys.argv[1])))
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = WizardScreen()
        app.push_screen(wizard)
        await pilot.pause()
        typed = []
        while True:
            await pilot.press("a")
            typed.append((time.monotonic(), len(wizard.state.draft["name"])))
            old = [length for at, length in typed if at < time.monotonic() - 1]
            if old:
                print(old[-1], flush=True)

asyncio.run(main())
"""


def test_kill_while_typing(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", TYPIST, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])},
    ) as process:
        assert process.stdout is not None
        lengths = [next(int(line) for line in process.stdout if int(line) >= 5)]
        os.kill(process.pid, signal.SIGKILL)
        lengths += [int(line) for line in process.stdout]
    (draft,) = DraftFiles(tmp_path).saved()
    assert set(draft.fields["name"]) == {"a"}
    assert len(draft.fields["name"]) >= max(lengths)
