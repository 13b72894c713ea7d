"""Our table beside Textual's DataTable, and the first paint of the console, in a real pseudo-terminal.

10,000 rows of ten columns, 500 random cell updates a second, 160x50, true colour. Printed for each table: from rows
in hand to painted, share of one core, kilobytes a second to the terminal, and the time from a key to the first byte
of its answer. Run with the development requirements: `make bench`, or `python benchmarks/table.py`.

The same file is the program that is measured: `table.py run KIND RESULT` shows one table and writes its figures.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import random
import select
import statistics
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROWS, COLUMNS, UPDATES_A_SECOND, STORM_S = 10_000, 10, 500, 6.0
LINES, WIDTH = 50, 160
LIMIT_S = 60.0
WORDS = ("Running", "Pending", "Loading 62%", "Failed", "412", "3.2", "–", "0/1", "2/2", "vllm")
ROOT = Path(__file__).resolve().parent.parent
UNREACHABLE = """\
apiVersion: v1
kind: Config
current-context: bench
clusters: [{name: bench, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: bench, user: {token: none}}]
contexts: [{name: bench, context: {cluster: bench, user: bench}}]
"""

# The parent: a terminal that counts -----------------------------------------------------------------------------------


@dataclass
class Terminal:
    """What a program did to its terminal: seconds to the first paint, bytes by time, answers to keys in ms."""

    first_paint_s: float | None = None
    bytes_during: int = 0
    keys_ms: list[float] = field(default_factory=list)


def in_terminal(
    argv: Sequence[str],
    *,
    painted: bytes,
    until: Callable[[Terminal], bool],
    storm: Callable[[], bool],
    keys: Sequence[bytes] = (b"\x1b[B",),
    first: bytes = b"",
    typing: Callable[[], bool] | None = None,
    limit_s: float = LIMIT_S,
) -> Terminal:
    """Run a program in a pseudo-terminal; press one of `keys` in turn four times a second while `typing()`.

    Bytes are counted while `storm()`, which is also when keys are pressed where nothing else is said.

    `first` is typed at once, half a second after the first paint.
    """
    began = time.perf_counter()
    pid, descriptor = pty.fork()
    if pid == 0:
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONPATH": str(ROOT)}
        os.execvpe(argv[0], list(argv), environment)
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, WIDTH, 0, 0))
    seen, result = b"", Terminal()
    pressed: float | None = None
    next_key = 0.0
    try:
        while not until(result) and time.perf_counter() - began < limit_s:
            ready, _, _ = select.select([descriptor], [], [], 0.002)
            now = time.perf_counter()
            if ready:
                try:
                    data = os.read(descriptor, 262_144)
                except OSError:
                    break
                if result.first_paint_s is None:
                    seen += data
                    if painted in seen:
                        result.first_paint_s = now - began
                if storm():
                    result.bytes_during += len(data)
                if pressed is not None:
                    result.keys_ms.append((now - pressed) * 1000)
                    pressed = None
            if first and result.first_paint_s is not None and now - began > result.first_paint_s + 0.5:
                os.write(descriptor, first)
                first = b""
            if (typing or storm)() and pressed is None and now >= next_key:
                os.write(descriptor, keys[len(result.keys_ms) % len(keys)])
                pressed, next_key = now, now + 0.25
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(descriptor)
    return result


def measure(kind: str) -> Mapping[str, float]:
    """One table under the storm."""
    with tempfile.TemporaryDirectory() as folder:
        result, started = Path(folder) / "result", Path(folder) / "result.storm"
        argv = [sys.executable, __file__, "run", kind, str(result)]
        terminal = in_terminal(argv, painted=b"r00000", until=lambda _: result.exists(), storm=started.exists)
        figures: dict[str, float] = json.loads(result.read_text(encoding="utf-8"))
    figures["kB/s"] = terminal.bytes_during / 1000 / STORM_S
    figures["key ms"] = statistics.median(terminal.keys_ms) if terminal.keys_ms else float("nan")
    return figures


def first_paint(argv: Sequence[str], painted: bytes, runs: int = 5) -> float:
    """The best of some starts, in ms, from exec to the first paint."""
    best = float("inf")
    for _ in range(runs):
        terminal = in_terminal(argv, painted=painted, until=lambda t: t.first_paint_s is not None, storm=lambda: False)
        if terminal.first_paint_s is not None:
            best = min(best, terminal.first_paint_s * 1000)
    return best


def main() -> None:
    """Print both tables of figures."""
    print(f"{ROWS:,} rows, {UPDATES_A_SECOND} updates a second, {WIDTH}x{LINES}, same run")
    print(f"{'':<30}{'first paint ms':>15}{'CPU %':>8}{'kB/s':>8}{'key ms':>8}")
    for kind, title in (
        ("datatable-now", "DataTable, each at once"),
        ("datatable", "DataTable, four times a second"),
        ("ours", "ours, four times a second"),
    ):
        figures = measure(kind)
        paint, cpu, sent, key = (figures[name] for name in ("paint ms", "cpu %", "kB/s", "key ms"))
        print(f"{title:<30}{paint:>15.0f}{cpu:>8.1f}{sent:>8.1f}{key:>8.1f}")
    with tempfile.TemporaryDirectory() as folder:
        kubeconfig = Path(folder) / "kubeconfig"
        kubeconfig.write_text(UNREACHABLE, encoding="utf-8")
        program = str(Path(sys.executable).parent / "genai-tui")
        print("\nfrom exec to the first paint, best of five (ms)")
        alone = first_paint([sys.executable, __file__, "run", "empty", "-"], b"r00000")
        console = first_paint([program, "--kubeconfig", str(kubeconfig)], b"genai-tui ")
        print(f"{'Textual alone, one line':<45}{alone:>8.0f}")
        print(f"{'genai-tui, all services wired':<45}{console:>8.0f}")


# The child: what is measured ------------------------------------------------------------------------------------------


def row(number: int) -> list[str]:
    """The texts of one row."""
    return [f"r{number:05d}", *(WORDS[(number * 7 + column) % len(WORDS)] for column in range(1, COLUMNS))]


class Storm:
    """Makes the updates due since the last call."""

    def __init__(self) -> None:
        self._random = random.Random(1)
        self._began = time.perf_counter()
        self._made = 0

    def due(self) -> list[tuple[int, int, str]]:
        """(row, column, text) of each update."""
        wanted = int((time.perf_counter() - self._began) * UPDATES_A_SECOND)
        made, self._made = self._made, wanted
        pick = self._random
        return [
            (pick.randrange(ROWS), pick.randrange(1, COLUMNS), pick.choice(WORDS)) for _ in range(max(0, wanted - made))
        ]


def run(kind: str, result: str) -> None:
    """Show one table under the storm; write its figures when the storm is over."""
    from textual.app import App, ComposeResult
    from textual.widgets import DataTable, Static

    from genai_tui.garbage import collect_seldom
    from screens import themes
    from screens.widgets.virtual_table import Cell, Column, VirtualTable

    collect_seldom()

    class Bench(App[None]):
        def get_theme_variable_defaults(self) -> dict[str, str]:
            return themes.OWN_DEFAULTS

        def compose(self) -> ComposeResult:
            if kind == "empty":
                yield Static("r00000")
            elif kind == "ours":
                columns = [Column(f"c{n}", f"C{n}", least=11, most=14) for n in range(COLUMNS)]
                yield VirtualTable[int](columns)
            else:
                yield DataTable(cursor_type="row")

        def on_ready(self) -> None:
            if kind == "empty":
                return
            self.rows = [row(number) for number in range(ROWS)]
            self.filled = time.perf_counter()
            if kind == "ours":
                table = self.query_one(VirtualTable)
                table.replace({n: tuple(Cell(text) for text in texts) for n, texts in enumerate(self.rows)})
            else:
                data: DataTable[str] = self.query_one(DataTable)
                for number in range(COLUMNS):
                    data.add_column(f"C{number}", key=str(number))
                for number, texts in enumerate(self.rows):
                    data.add_row(*texts, key=str(number))
            self.query("*").focus()
            self.call_after_refresh(self._painted)

        def _painted(self) -> None:
            self.paint_ms = (time.perf_counter() - self.filled) * 1000
            self.set_timer(0.5, self._begin)

        def _begin(self) -> None:
            Path(f"{result}.storm").touch()
            self.storm = Storm()
            self.cpu, self.wall = time.process_time(), time.perf_counter()
            self.set_interval(1 / 500 if kind == "datatable-now" else 0.25, self._apply)
            self.set_timer(STORM_S, self._end)

        def _apply(self) -> None:
            due = self.storm.due()
            if kind == "ours":
                changed: dict[int, Any] = {}
                for number, column, text in due:
                    self.rows[number][column] = text
                    changed[number] = tuple(Cell(text) for text in self.rows[number])
                self.query_one(VirtualTable).merge(changed)
            else:
                data: DataTable[str] = self.query_one(DataTable)
                for number, column, text in due:
                    data.update_cell(str(number), str(column), text)

        def _end(self) -> None:
            cpu = (time.process_time() - self.cpu) / (time.perf_counter() - self.wall) * 100
            Path(f"{result}.part").write_text(json.dumps({"paint ms": self.paint_ms, "cpu %": cpu}), encoding="utf-8")
            Path(f"{result}.part").replace(result)
            self.exit()

    Bench().run()


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(sys.argv[2], sys.argv[3])
    else:
        main()
