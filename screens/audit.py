"""What was written to clusters from this machine, newest first, with what each write changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Static

from genai_tui.domain.audit import DONE, Write
from genai_tui.domain.text import printable
from genai_tui.errors import GenaiTuiError
from screens.dialogs.difference import DifferenceDialog
from screens.format import MISSING, age
from screens.ledger_screen import LedgerScreen
from screens.undoing import undo_last
from screens.widgets.choice_row import ChoiceRow
from screens.widgets.virtual_table import Cell, Cells, Column, VirtualTable

EVER = datetime(1970, 1, 1, tzinfo=UTC)
WINDOWS: dict[str, timedelta | None] = {
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "ever": None,
}
HERE, EVERYWHERE = "this cluster", "all clusters"
_COLUMNS = (
    Column("at", "AGO", least=4, right=True),
    Column("who", "WHO", least=6, most=16, rank=2),
    Column("context", "CONTEXT", least=7, most=20, rank=3),
    Column("verb", "VERB", least=6),
    Column("object", "OBJECT", least=16, most=70),
    Column("result", "RESULT", least=8),
    Column("detail", "", least=0, most=200, rank=4, flexible=True),
)


class AuditScreen(LedgerScreen):
    """Every write of this machine; the last can be undone where Kubernetes allows it."""

    NAME = "audit"
    READ_EVERY_S = 5.0
    HELP = """
# Audit

Every write to a cluster from this machine is a row: who it was for the cluster, which object, and how it came out.
Values of secrets are never kept. What changes nothing and what is only asked as a dry run is no write. `enter` shows
what a write changed.

`u` undoes the last act on this cluster after showing what that changes: what was there before is applied again, what
was made is deleted, what was deleted is made again. It is refused where another wrote to the object since, and where
there is no way back: pods that were replaced, keys that were revoked.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "What changed", id="audit.open", tooltip="What the write under the cursor changed"),
        Binding("u", "undo", "Undo the last", id="audit.undo", tooltip="Undo the last write to this cluster"),
        Binding("w", "next('window')", "Window", id="audit.window", tooltip="The last day, week, month, or ever"),
        Binding("c", "next('clusters')", "Clusters", id="audit.clusters", tooltip="This cluster alone, or all of them"),
        Binding("r", "read", "Read again", id="audit.read", show=False, tooltip="Read the ledger now"),
        Binding("escape", "app.back", "Back", id="audit.back", tooltip="Back to the screen before"),
    ]
    WRITES: ClassVar[frozenset[str]] = frozenset({"undo"})

    def __init__(self) -> None:
        super().__init__()
        self._rows: dict[str, Write] = {}

    def compose_body(self) -> ComposeResult:
        """What is asked, what is wrong, the table; or why there is none."""
        with Horizontal(id="audit-asked"):
            yield Static("Audit", id="audit-title", markup=False)
            yield ChoiceRow(tuple(WINDOWS), "7d", id="audit-window")
            yield ChoiceRow((HERE, EVERYWHERE), HERE, id="audit-clusters")
        yield Static("", id="audit-problem", markup=False)
        yield VirtualTable[str](_COLUMNS, id="audit-table")
        yield Static("", id="audit-empty", markup=False)

    def on_mount(self) -> None:
        """Nothing is known before the first reading."""
        super().on_mount()
        for name in ("problem", "empty"):
            self.say(name, "")

    @work(exclusive=True, group="audit", exit_on_error=False)
    async def action_read(self) -> None:
        """Read the ledger and draw what changed."""
        here = self.choice("clusters").value == HERE
        window = WINDOWS[self.choice("window").value]
        since = self.services.clock() - window if window is not None else EVER
        audit = self.services.audit
        try:
            rows = await audit.writes(since, cluster=self.services.session.server if here else None)
        except GenaiTuiError as error:
            self.say("problem", printable(f"✖ {error.problem.line}"))
            return
        self.say("problem", printable(f"▲ {audit.problem}") if audit.problem else "")
        self._show(rows)

    def _show(self, rows: Sequence[Write]) -> None:
        now = self.services.clock()
        drawn = {row.id: _cells(row, now) for row in rows}
        if list(drawn) == list(self._rows):
            self.table.merge(drawn)
        else:
            self.table.replace(drawn)
        self._rows = {row.id: row for row in rows}
        self.table.display = bool(rows)
        window = self.choice("window").value
        last = "ever" if window == "ever" else f"in the last {window}"
        nothing = (
            f"Nothing was written {last}, {self.choice('clusters').value}.\n\nWhatever is saved, scaled, restarted, "
            "shared or deleted from this machine, in the console or by a command, becomes a row here."
        )
        self.say("empty", "" if rows else nothing)

    @on(VirtualTable.Chosen)
    def _chosen(self, event: VirtualTable.Chosen) -> None:
        event.stop()
        self.action_open()

    def action_open(self) -> None:
        """Show what the write changed."""
        row = self._rows.get(self.table.cursor or "")
        if row is None:
            return
        text = f"{row.result} {row.at:%Y-%m-%d %H:%M:%S} UTC by {row.who or 'somebody the cluster does not name'}"
        told = "\n".join(part for part in (f"{text}, context {row.context}", row.detail) if part)
        nothing = "(what it would have changed is not kept)" if row.result not in DONE else "(not read)"
        self.app.push_screen(DifferenceDialog(f"{row.verb} {row.reference}", told, row.diff or nothing))

    @work(exclusive=True, group="act", exit_on_error=False)
    async def action_undo(self) -> None:
        """Undo the last act, after a yes."""
        if await undo_last(self.app):
            self.action_read()


def _cells(row: Write, now: datetime) -> Cells:
    tone = "" if row.result in DONE else "bad" if row.result == "refused" else "waiting"
    glyph = "" if row.result in DONE else "✖ " if row.result == "refused" else "? "
    return (
        Cell(age(row.at, now), "quiet", row.at.timestamp()),
        Cell(printable(row.who or MISSING)),
        Cell(printable(row.context), "quiet"),
        Cell(row.verb.value),
        Cell(printable(row.reference)),
        Cell(f"{glyph}{row.result}", tone),
        Cell(printable(row.detail), "quiet"),
    )
