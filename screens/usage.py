"""Usage: what the ledger of this machine holds, by one dimension over one window of time."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from genai_tui.domain.money import Cost, total
from genai_tui.domain.problems import Problem
from genai_tui.domain.text import printable
from genai_tui.domain.usage import Dimension, UsageLine
from genai_tui.errors import explain
from screens.base import AreaScreen
from screens.chat.words import facts_line
from screens.format import age, count, money, plural
from screens.widgets.choice_row import ChoiceRow
from screens.widgets.virtual_table import Cell, Cells, Column, VirtualTable

log = logging.getLogger(__name__)
WINDOWS = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
HERE, EVERYWHERE = "this cluster", "all clusters"
READ_EVERY_S = 5.0
_BAR = 12
_COLUMNS = (
    Column("group", "GROUP", least=16, flexible=True),
    Column("source", "SOURCE", least=6, most=10, rank=1),
    Column("requests", "REQ", least=4, right=True),
    Column("prompt", "IN", least=6, right=True, rank=2),
    Column("completion", "OUT", least=6, right=True, rank=2),
    Column("total", "TOTAL", least=6, right=True),
    Column("share", "", least=_BAR, most=_BAR, rank=6),
    Column("cost", "COST", least=6, most=24, right=True),
    Column("unreported", "UNR", least=3, right=True, rank=4),
    Column("errors", "ERR", least=3, right=True, rank=3),
    Column("last", "LAST", least=4, right=True, rank=5),
)
Key = tuple[str, str, str]


class UsageScreen(AreaScreen):
    """Tokens and cost. Different sources and currencies are never added up."""

    AREA = "usage"
    HELP = """
Each row sums the requests of one group, one source and one currency, most tokens first. **UNR** counts requests
for which the engine reported no usage: they are in no sum of tokens. **ERR** counts those that failed.

`playground` and `cli` are what this machine asked; `gateway` is traffic a gateway saw; `engine` what the engines' own
counters say.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "window", "Window", id="usage.window", tooltip="The last hour, day, week, month"),
        Binding("b", "by", "Group by", id="usage.by", tooltip="Group by deployment, model, organization, user, key"),
        Binding("c", "clusters", "Clusters", id="usage.clusters", tooltip="This cluster alone, or all of them"),
        Binding("enter", "open", "Open", id="usage.open", tooltip="Open the deployment under the cursor"),
        Binding("r", "read", "Read again", id="usage.read", tooltip="Read the ledger now"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._lines: Mapping[Key, UsageLine] = {}
        self._drawn: Mapping[Key, Cells] = {}

    def compose_body(self) -> ComposeResult:
        """What is asked, the sums, the table; or why there is none."""
        with Horizontal(id="usage-asked"):
            yield ChoiceRow(tuple(WINDOWS), "24h", id="usage-window")
            yield ChoiceRow((HERE, EVERYWHERE), HERE, id="usage-clusters")
        yield ChoiceRow([dimension.value for dimension in Dimension], Dimension.DEPLOYMENT.value, id="usage-by")
        with Vertical(id="usage-sums"):
            yield Static("", id="usage-totals", markup=False)
        yield Static("", id="usage-problem", markup=False)
        yield VirtualTable[Key](_COLUMNS, id="usage-table")
        yield Static("", id="usage-empty", markup=False)

    def on_mount(self) -> None:
        """Read now, and every few seconds while the screen can be seen."""
        for name in ("#usage-empty", "#usage-problem", "#usage-table"):
            self.query_one(name).display = False
        self._table.focus()
        self.set_interval(READ_EVERY_S, self._read_again)

    def on_screen_resume(self) -> None:
        """What was asked meanwhile is in the ledger now."""
        super().on_screen_resume()
        self.action_read()

    def _read_again(self) -> None:
        if self.is_current:
            self.action_read()

    @property
    def _table(self) -> VirtualTable[Key]:
        table: VirtualTable[Key] = self.query_one("#usage-table", VirtualTable)
        return table

    @property
    def window(self) -> str:
        """The chosen window, a key of WINDOWS."""
        return self.query_one("#usage-window", ChoiceRow).value

    @property
    def dimension(self) -> Dimension:
        """What is grouped by."""
        return Dimension(self.query_one("#usage-by", ChoiceRow).value)

    # Reading ----------------------------------------------------------------------------------------------------------

    @work(exclusive=True, group="usage", exit_on_error=False)
    async def action_read(self) -> None:
        """Read the ledger and draw what changed."""
        here = self.query_one("#usage-clusters", ChoiceRow).value == HERE
        cluster = self.services.session.server if here else None
        since = self.services.clock() - WINDOWS[self.window]
        try:
            lines = await self.services.usage.usage(self.dimension, since, cluster=cluster)
        except Exception as error:
            log.warning("the ledger cannot be read: %s", error)
            self._show_problem(explain(error).problem)
            return
        self._show(lines)

    def _show_problem(self, problem: Problem) -> None:
        line = self.query_one("#usage-problem", Static)
        line.display = True
        line.update(printable(f"✖ {problem.line}"))

    def _show(self, lines: tuple[UsageLine, ...]) -> None:
        self.query_one("#usage-problem").display = False
        self._lines = _keyed(lines)
        most = max((line.total_tokens for line in lines), default=0)
        cells = {key: self._cells(line, most) for key, line in self._lines.items()}
        if list(cells) == list(self._drawn):
            self._table.merge(cells)
        else:
            self._table.replace(cells)
        self._drawn = cells
        self._table.display = bool(lines)
        totals = self.query_one("#usage-totals", Static)
        totals.display = bool(lines)
        totals.update("\n".join(_totals(lines, self.size.width - 2)))
        empty = self.query_one("#usage-empty", Static)
        empty.display = not lines
        empty.update(
            f"No requests in the last {self.window}, {self.query_one('#usage-clusters', ChoiceRow).value}.\n\n"
            "Rows come to be by asking: c on a deployment opens the playground, and `genai-tui chat NAME -m TEXT` does "
            "the same in a shell. Each question is one row of the ledger, with the engine's own token counts and the "
            "price in force at that moment."
        )

    def _cells(self, line: UsageLine, most: int) -> Cells:
        # Where no request of a group was counted the sums are not 0 but unknown.
        known = line.requests > line.unreported
        tokens = (line.prompt_tokens, line.completion_tokens, line.total_tokens) if known else (None, None, None)
        prompt, completion, whole = (Cell(count(number), order=number) for number in tokens)
        bar = "█" * max(1, round(_BAR * line.total_tokens / most)) if most and line.total_tokens else ""
        return (
            Cell(printable(line.group), order=line.group),
            Cell(line.source.value, "quiet"),
            Cell(count(line.requests), order=line.requests),
            prompt,
            completion,
            whole,
            Cell(bar, "accent", line.total_tokens),
            Cell(money(line.cost), order=float(line.cost.amount) if line.cost else None),
            Cell(count(line.unreported) if line.unreported else "", "waiting", line.unreported),
            Cell(count(line.errors) if line.errors else "", "bad", line.errors),
            Cell(age(line.last_at, self.services.clock()), "quiet", line.last_at.timestamp() if line.last_at else None),
        )

    # Asking otherwise -------------------------------------------------------------------------------------------------

    @on(ChoiceRow.Changed)
    def _asked_otherwise(self, event: ChoiceRow.Changed) -> None:
        event.stop()
        self.action_read()

    def action_window(self) -> None:
        """The next window."""
        self.query_one("#usage-window", ChoiceRow).action_step(1)

    def action_by(self) -> None:
        """The next dimension."""
        self.query_one("#usage-by", ChoiceRow).action_step(1)

    def action_clusters(self) -> None:
        """This cluster, or all."""
        self.query_one("#usage-clusters", ChoiceRow).action_step(1)

    @on(VirtualTable.Chosen)
    def _chosen(self, event: VirtualTable.Chosen) -> None:
        event.stop()
        self.action_open()

    def action_open(self) -> None:
        """Open the deployment, where the row is one that still exists."""
        key = self._table.cursor
        if key is None:
            return
        if self.dimension is not Dimension.DEPLOYMENT:
            self.notify("group by deployment (b) to open one", timeout=3)
            return
        row = next((row for row in self.services.picture.deployments() if str(row.ref) == key[0]), None)
        if row is None:
            self.notify(f"{key[0]} is not in this cluster (any more); its history stays", timeout=5)
        else:
            self.app.open_deployment(row.ref)


def _keyed(lines: tuple[UsageLine, ...]) -> dict[Key, UsageLine]:
    """Lines by what tells them apart; a group may have two without a cost: one has no price, one no usage."""
    found: dict[Key, UsageLine] = {}
    for line in lines:
        currency = line.cost.currency if line.cost else ""
        while (line.group, line.source.value, currency) in found:
            currency += "'"
        found[line.group, line.source.value, currency] = line
    return found


def _totals(lines: tuple[UsageLine, ...], width: int) -> list[str]:
    """One line a source: requests, tokens, cost a currency; more where it does not fit."""
    found = []
    for source in dict.fromkeys(line.source for line in lines):
        mine = [line for line in lines if line.source is source]
        parts = [
            f"{source.value:<10}  {plural(sum(line.requests for line in mine), 'request')}",
            f"{count(sum(line.total_tokens for line in mine))} tokens",
            *(money(cost) for cost in _costs(mine)),
        ]
        unreported = sum(line.unreported for line in mine)
        if unreported:
            parts.append(f"▲ {count(unreported)} unreported")
        failed = sum(line.errors for line in mine)
        if failed:
            parts.append(f"✖ {count(failed)} failed")
        found.append(facts_line(parts, width).replace("\n", f"\n{' ' * 12}"))
    return found


def _costs(lines: list[UsageLine]) -> tuple[Cost, ...]:
    return total(line.cost for line in lines if line.cost is not None)
