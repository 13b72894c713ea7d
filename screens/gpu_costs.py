"""What GPUs cost, those that nobody uses too, against what the tokens brought in: by deployment and by node."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Static

from genai_tui.domain.form_facts import Choice
from genai_tui.domain.gpu_cost import FREE, GpuCostLine, GpuCosts, GpuPrice, in_force, price_of
from genai_tui.domain.money import Cost
from genai_tui.domain.text import printable
from genai_tui.errors import GenaiTuiError
from screens.dialogs.text import TextDialog
from screens.format import MISSING, amount, moment, money, percent
from screens.forms.picker import PickerScreen
from screens.ledger_screen import LedgerScreen
from screens.widgets.choice_row import ChoiceRow
from screens.widgets.virtual_table import Cell, Cells, Column, VirtualTable

WINDOWS = {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
BY_DEPLOYMENT, BY_NODE = "deployment", "node"
_COLUMNS = (
    Column("name", "GROUP", least=16, flexible=True),
    Column("type", "NODE TYPE", least=9, most=24, rank=4),
    Column("hours", "GPU H", least=6, right=True),
    Column("idle", "IDLE", least=5, right=True),
    Column("cost", "COST", least=8, most=24, right=True),
    Column("wasted", "IDLE COST", least=9, most=24, right=True, rank=1),
    Column("income", "INCOME", least=8, most=24, right=True, rank=2),
    Column("balance", "BALANCE", least=8, most=24, right=True, rank=3),
)
_NOTHING = (
    "Who holds the GPUs is not known for this time.\n\nThis console looks once a minute while it is open, and "
    "`genai-tui meter` does without one; it takes the right to list nodes, and pods of every namespace."
)


class GpuCostsScreen(LedgerScreen):
    """GPU hours with their cost, and the income of the tokens they made."""

    NAME = "gpus"
    READ_EVERY_S = 15.0
    HELP = """
# GPU costs

**GPU H** are hours that GPUs were held, or that nobody held them: `(free)`; `(other pods)` are no model deployments.
**IDLE** is the share of them without work: free, or held by a deployment whose engines counted no token; `–` where no
engine was read. **INCOME** is what the requests in this machine's ledger cost at their prices; a node has its share of
each deployment's, by GPU time. **BALANCE** is income less cost.

It is looked once a minute, by every console and by `genai-tui meter`; the line on top says for how long somebody
looked. Nothing is made up for the rest. A window begins with a whole hour.

`e` sets what an hour of a GPU costs on a node type, also from an earlier or later day on (`2.50 USD from 2026-11-01`).
Costs of different currencies are never added up.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "next('window')", "Window", id="gpus.window", tooltip="The last day, week or month"),
        Binding("b", "next('by')", "Group by", id="gpus.by", tooltip="Group by deployment, or by node"),
        Binding("e", "price", "Price", id="gpus.price", tooltip="What a GPU of a node type costs an hour"),
        Binding("r", "read", "Read again", id="gpus.read", show=False, tooltip="Read the ledger now"),
        Binding("escape", "app.back", "Back", id="gpus.back", tooltip="Back to the screen before"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._found: GpuCosts | None = None
        self._prices: Sequence[GpuPrice] = ()

    def compose_body(self) -> ComposeResult:
        """What is asked, how much was seen, the prices, the table; or why there is none."""
        with Horizontal(id="gpus-asked"):
            yield Static("GPU costs", id="gpus-title", markup=False)
            yield ChoiceRow(tuple(WINDOWS), "24h", id="gpus-window")
            yield ChoiceRow((BY_DEPLOYMENT, BY_NODE), BY_DEPLOYMENT, id="gpus-by")
        yield Static("", id="gpus-said", markup=False)
        yield Static("", id="gpus-prices", markup=False)
        yield VirtualTable[str](_COLUMNS, id="gpus-table")
        yield Static("", id="gpus-empty", markup=False)

    def on_mount(self) -> None:
        """Nothing is known before the first reading."""
        super().on_mount()
        self.say("empty", "")

    @work(exclusive=True, group="gpus", exit_on_error=False)
    async def action_read(self) -> None:
        """Read the ledger and draw."""
        now = self.services.clock()
        try:
            found = await self.services.gpu_accounts.costs(now - WINDOWS[self.choice("window").value], now)
            self._prices = await self.services.gpu_accounts.prices()
        except GenaiTuiError as error:
            self.say("said", f"✖ {error.problem.line}")
            return
        self._found = found
        self._draw(found, now)

    def _draw(self, found: GpuCosts, now: datetime) -> None:
        lines = found.deployments if self.choice("by").value == BY_DEPLOYMENT else found.nodes
        window = self.choice("window").value
        self.table.replace({line.name: _cells(line) for line in lines})
        self.table.display = bool(lines)
        self.say("empty", "" if lines else _NOTHING)
        share = min(found.watched / WINDOWS[window], 1)
        self.say("said", f"Seen {_hours(found.watched)} of the last {window} ({percent(share)})" if lines else "")
        self.say("prices", self._price_lines(now))

    def _price_lines(self, now: datetime) -> str:
        """What a GPU costs an hour, by the node types there are or were."""
        seen = {kind for line in (self._found.nodes if self._found else ()) for kind in line.node_types}
        kinds = sorted({*self.services.gpu_accounts.node_types(), *seen})
        return printable("   ".join(f"{kind}: {_price_text(in_force(self._prices, kind, now))}" for kind in kinds))

    @work(exclusive=True, group="dialog", exit_on_error=False)
    async def action_price(self) -> None:
        """Ask for the price of a node type and keep it."""
        kind = await self._which_type()
        if kind is None:
            return
        now = self.services.clock()

        def problem(text: str) -> str:
            try:
                price_of(kind, text, now, self._prices)
            except ValueError as error:
                return str(error)
            return ""

        history = [one for one in self._prices if one.node_type == kind]
        told = [f"{amount(one.per_hour, one.currency)} since {_since(one)}" for one in history]
        about = "An amount and a currency: 2.50 USD, or 2.50 USD from 2026-11-01 (UTC). Kept on this machine."
        about += f" So far: {', '.join(told)}." if told else " The first one holds for all of the past too."
        dialog = TextDialog(f"One GPU of {printable(kind)}, an hour", "", problem=problem, text=about)
        text = await self.app.push_screen_wait(dialog)
        if text is None:
            return
        try:
            await self.services.gpu_accounts.set_price(price_of(kind, text, now, self._prices))
        except GenaiTuiError as error:
            self.notify(error.problem.line, severity="error", timeout=8)
        self.action_read()

    async def _which_type(self) -> str | None:
        """That of the row under the cursor, else one is chosen; tells if there is none."""
        lines = (*self._found.deployments, *self._found.nodes) if self._found else ()
        here = next((line for line in lines if line.name == self.table.cursor), None)
        kinds = here.node_types if here is not None else self.services.gpu_accounts.node_types()
        if not kinds:
            self.notify("no node with GPUs can be seen", timeout=4)
            return None
        if len(kinds) == 1:
            return kinds[0]
        chosen = await self.app.push_screen_wait(PickerScreen("Which node type?", [Choice(kind, "") for kind in kinds]))
        return None if chosen is None else kinds[chosen]


def _cells(line: GpuCostLine) -> Cells:
    idle = None if line.idle_hours is None or not line.gpu_hours else line.idle_hours / line.gpu_hours
    balance = line.balance
    tone = "bad" if balance is not None and balance.amount < 0 else "quiet"
    unpriced = "no price" if not line.costs else f"{_costs(line.costs)}+"
    return (
        Cell(printable(line.name), "quiet" if line.name == FREE else "", line.name),
        Cell(printable(", ".join(line.node_types)), "quiet"),
        Cell(f"{line.gpu_hours:,.1f}", order=line.gpu_hours),
        Cell(percent(idle), "waiting" if idle and idle >= 0.5 else "", idle),
        Cell(unpriced if line.unpriced else _costs(line.costs), order=_first(line.costs)),
        Cell(MISSING if idle is None else _costs(line.idle_costs), order=_first(line.idle_costs)),
        Cell(_costs(line.income), order=_first(line.income)),
        Cell(_cost(balance) if balance is not None else MISSING, tone, float(balance.amount) if balance else None),
    )


def _costs(costs: Sequence[Cost]) -> str:
    return ", ".join(_cost(cost) for cost in costs) or MISSING


def _cost(cost: Cost) -> str:
    """To the cent from one unit on; smaller ones, as tokens cost, to the last digit."""
    if cost.amount < 0:
        return f"-{_cost(Cost(-cost.amount, cost.currency))}"
    if cost.amount < 1:
        return money(cost)
    return amount(cost.amount.quantize(Decimal("0.01")), cost.currency)


def _first(costs: Sequence[Cost]) -> float | None:
    return float(costs[0].amount) if costs else None


def _price_text(price: GpuPrice | None) -> str:
    return "no price (e sets one)" if price is None else f"{amount(price.per_hour, price.currency)} a GPU hour"


def _since(price: GpuPrice) -> str:
    return "ever" if price.since.year == 1970 else moment(price.since)


def _hours(length: timedelta) -> str:
    minutes = int(length.total_seconds() // 60)
    return f"{minutes // 60}h{minutes % 60:02}m" if minutes >= 60 else f"{minutes}m"
