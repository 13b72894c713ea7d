"""The logs of a deployment's containers: follow, previous run, one replica or all, search, wrap, times, save."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from pathlib import Path
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input, RichLog, Static
from textual.worker import Worker

from genai_tui.domain.rows import Ref, ReplicaRow
from genai_tui.errors import GenaiTuiError
from genai_tui.services import LogLine, Services
from screens.format import clock

KEPT_LINES = 10_000
BATCH_S = 0.1


class LogPane(Vertical):
    """One log at a time; switching keeps nothing of the other."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "toggle_follow", "Follow", id="logs.follow", tooltip="Stay at the end, or read in peace"),
        Binding("p", "toggle_previous", "Previous run", id="logs.previous", tooltip="The run before the last restart"),
        Binding("tab", "next_replica", "Next replica", id="logs.replica", tooltip="The log of the next replica"),
        Binding(
            "slash", "search", "Search", id="logs.search", key_display="/", tooltip="Show only lines with this text"
        ),
        Binding("w", "toggle_wrap", "Wrap", show=False, id="logs.wrap", tooltip="Wrap long lines"),
        Binding("t", "toggle_times", "Times", show=False, id="logs.times", tooltip="Show the time of each line"),
        Binding("f", "save", "Save to a file", show=False, id="logs.save", tooltip="Write what is shown to a file"),
    ]

    class Saved(Message):
        """The log was written to a file."""

        def __init__(self, path: Path) -> None:
            self.path = path
            super().__init__()

    def __init__(self, services: Services, ref: Ref) -> None:
        super().__init__(id="log-pane")
        self._services, self._ref = services, ref
        self._lines: deque[LogLine] = deque(maxlen=KEPT_LINES)
        self._replicas: tuple[ReplicaRow, ...] = ()
        self._pod = ""
        self._previous = False
        self._times = False
        self._words = ""
        self._reader: Worker[None] | None = None
        self._told = ""

    def compose(self) -> ComposeResult:
        """What is shown, the lines, a search field."""
        yield Static("", id="log-title", markup=False)
        yield RichLog(id="log-lines", max_lines=KEPT_LINES, wrap=False, auto_scroll=True, min_width=1)
        yield Input(placeholder="text to look for; esc shows all lines", id="log-search", compact=True)

    @property
    def _log(self) -> RichLog:
        return self.query_one("#log-lines", RichLog)

    def on_mount(self) -> None:
        """Nothing to search yet."""
        self.query_one("#log-search").display = False

    def show(self, replicas: tuple[ReplicaRow, ...]) -> None:
        """Follow the deployment's replicas; begin to read when there is something."""
        self._replicas = replicas
        names = [row.pod.meta.name for row in replicas]
        if self._pod not in names:
            current = [row.pod.meta.name for row in replicas if row.current] or names
            self._open(current[0] if current else "")
        self._title()

    def _open(self, pod: str) -> None:
        self._pod = pod
        self._lines.clear()
        self._log.clear()
        self._told = ""
        if self._reader is not None:
            self._reader.cancel()
        if pod:
            self._reader = self._read(pod, self._previous)
        self._title()

    @work(exclusive=True, group="logs", exit_on_error=False)
    async def _read(self, pod: str, previous: bool) -> None:
        """Read until the log ends; lines reach the screen in batches."""
        waiting: list[LogLine] = []
        loop = asyncio.get_running_loop()
        shown_at = loop.time()
        while True:
            try:
                async with contextlib.aclosing(
                    self._services.operations.logs(self._ref, pod, previous=previous)
                ) as lines:
                    async for line in lines:
                        waiting.append(line)
                        if loop.time() - shown_at >= BATCH_S or not self._lines:
                            self._take(waiting)
                            shown_at = loop.time()
                self._take(waiting)
                self._say("the log ended: the container ended" if not previous else "")
            except GenaiTuiError as error:
                self._take(waiting)
                self._say(error.problem.line)
            if previous:
                return
            await asyncio.sleep(3)
            self._lines.clear()
            self._log.clear()

    def _take(self, waiting: list[LogLine]) -> None:
        for line in waiting:
            self._lines.append(line)
            self._write(line)
        waiting.clear()

    def _write(self, line: LogLine) -> None:
        if self._words and self._words not in line.text.lower():
            return
        text = Text(no_wrap=True)
        if self._times:
            text.append(f"{clock(line.at)} ", Style(dim=True))
        level = _level(line.text)
        text.append(
            line.text, Style(bold=True) if level == "error" else Style(dim=True) if level == "noise" else Style()
        )
        self._log.write(text, scroll_end=None)

    def _say(self, text: str) -> None:
        self._told = text
        self._title()

    def _title(self) -> None:
        place = next((i for i, row in enumerate(self._replicas, 1) if row.pod.meta.name == self._pod), 0)
        parts = [self._pod or "no pod yet"]
        if len(self._replicas) > 1:
            parts.append(f"replica {place} of {len(self._replicas)}")
        parts.append("previous run" if self._previous else "following" if self._log.auto_scroll else "paused")
        if self._words:
            parts.append(f"with '{self._words}'")
        if self._told:
            parts.append(self._told)
        self.query_one("#log-title", Static).update("   ".join(parts))

    def _redraw(self) -> None:
        self._log.clear()
        for line in self._lines:
            self._write(line)
        self._title()

    def action_toggle_follow(self) -> None:
        """Stay at the end, or not."""
        self._log.auto_scroll = not self._log.auto_scroll
        if self._log.auto_scroll:
            self._log.scroll_end(animate=False)
        self._title()

    def action_toggle_previous(self) -> None:
        """The run before the last restart."""
        self._previous = not self._previous
        self._open(self._pod)

    def action_next_replica(self) -> None:
        """The next replica's log."""
        names = [row.pod.meta.name for row in self._replicas]
        if names:
            at = names.index(self._pod) if self._pod in names else -1
            self._open(names[(at + 1) % len(names)])

    def action_toggle_wrap(self) -> None:
        """Wrap long lines."""
        self._log.wrap = not self._log.wrap
        self._redraw()

    def action_toggle_times(self) -> None:
        """Show times."""
        self._times = not self._times
        self._redraw()

    def action_search(self) -> None:
        """Look for text."""
        field = self.query_one("#log-search", Input)
        field.display = True
        field.focus()

    def clear_search(self) -> bool:
        """Show all lines again; False when there was no search."""
        field = self.query_one("#log-search", Input)
        if not field.display:
            return False
        field.value = ""
        field.display = False
        self._words = ""
        self._redraw()
        self._log.focus()
        return True

    @on(Input.Changed, "#log-search")
    def _searching(self, event: Input.Changed) -> None:
        self._words = event.value.lower()
        self._redraw()

    @on(Input.Submitted, "#log-search")
    def _searched(self) -> None:
        self._log.focus()

    def action_save(self) -> None:
        """Write what was read to a file in the working directory."""
        path = Path.cwd() / f"{self._pod or self._ref.name}.log"
        text = "".join(f"{line.at.isoformat() if line.at else ''} {line.text}\n" for line in self._lines)
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            self.notify(f"cannot write {path}: {error.strerror}", severity="error")
        else:
            self.notify(f"written to {path}")
            self.post_message(self.Saved(path))


def _level(text: str) -> str:
    """Which lines to bring out, which to step back."""
    if " ERROR " in text or "Error:" in text or text.startswith("Traceback"):
        return "error"
    return "noise" if '"GET /health' in text or '"GET /metrics' in text else ""
