"""Usage: what an operator looks at in the morning. Sums with their change, a trend, groups to go into."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Static

from genai_tui.domain.text import printable
from genai_tui.domain.usage import WHO_AND_WHAT, Dimension, UsageLine
from genai_tui.domain.windows import Window, parse_window
from genai_tui.errors import explain
from screens.base import AreaScreen
from screens.usage.budgeting import budget_refusal
from screens.usage.curves import Curve, curves, nearest, next_measure, next_source, trend
from screens.usage.filter_line import FilterLine
from screens.usage.lines import COLUMNS, Key, alerts, apart, crumbs, keyed, nothing, rows, summary
from screens.usage.reading import Asked, Reading, read, read_apart
from screens.widgets.choice_row import ChoiceRow
from screens.widgets.saying import say_or_hide
from screens.widgets.table_columns import Cells
from screens.widgets.trend_chart import TrendChart
from screens.widgets.virtual_table import VirtualTable

log = logging.getLogger(__name__)
WINDOWS = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
CUSTOM = "other"
HERE, EVERYWHERE = "this cluster", "all clusters"
READ_EVERY_S = 5.0
SLOW_AFTER_S = 1.0
# A ledger that takes long to read is read again by itself after so many times as long: others use it too.
_RESTS = 10
# Where Enter leads: from what costs to who caused it.
_INWARDS = (Dimension.DEPLOYMENT, Dimension.ORGANIZATION, Dimension.USER, Dimension.KEY, Dimension.MODEL)


class UsageScreen(AreaScreen):
    """Tokens and cost. Different sources and currencies are never added up."""

    AREA = "usage"
    HELP = """
Sums, the trend of one measure, and a row for each group, source and currency. What follows a figure, as in `+12%`, is
its change against the window before, just as long; **CHANGE** is that of the tokens. `new` had none before.

`enter` goes into a group (who caused it), `esc` comes back; the line above the sums says where you are. `m` changes
the measure of the chart, `s` its source; `tab` goes to the chart, where the arrow keys read single values. An empty
column means that nothing is known of that time, `_` is a known zero. Times are UTC. `o` opens the deployment, `p` shows
its prices and since when each held: what was asked before keeps its price; `i` what GPUs cost, idle ones too, and bring
in.

`B` sets the budget of the month of the organization, user or key under the cursor, says how much of it is used, and
removes it. It stops nothing: from 80% on it is warned of above the chart. `genai-tui budgets list` lists them all.

**TTFT p95** is the time to the first token that 95% of the requests did not exceed; percentiles are told to within 5%.
**UNR** counts requests for which the engine reported no usage: they are in no sum of tokens. **ERR** counts those
that failed. `playground` and `cli` are what this machine asked; `gateway` is traffic its gateway saw.

What engines counted beyond these requests is **unattributed**: asked past the gateway and this console, still being
answered, or without a usage. The line below the sums tells it for this cluster and for one deployment, where engines
were read; `genai-tui reconcile` does by deployment. What an engine counted just before it restarted is lost.
"""
    VERTICAL_BREAKPOINTS = [(0, "-short"), (36, "-tall")]  # noqa: RUF012  # as Textual declares it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "into", "Into", id="usage.into", tooltip="Go into the group under the cursor: who caused it"),
        Binding("escape", "back", "Back", id="usage.back", tooltip="Come back out of a group, or close the filter"),
        Binding("w", "window", "Window", id="usage.window", tooltip="The last hour, day, week, month"),
        Binding("W", "custom", "Other window", show=False, id="usage.custom", tooltip="A length of time, or days"),
        Binding("b", "next('by')", "Group by", id="usage.by", tooltip="Group by deployment, model, user, ..."),
        Binding("m", "measure", "Measure", id="usage.measure", tooltip="The chart's next measure: tokens, cost, ..."),
        Binding("s", "source", "Source", show=False, id="usage.source", tooltip="The chart's next source of figures"),
        Binding("slash", "filter", "Filter", key_display="/", id="usage.filter", tooltip="Show rows with these words"),
        Binding("x", "export", "Export", id="usage.export", tooltip="Write the rows shown into a CSV or JSON file"),
        Binding("c", "next('clusters')", "Clusters", show=False, id="usage.clusters", tooltip="This cluster, or all"),
        Binding("B", "budget", "Budget", show=False, id="usage.budget", tooltip="What it may cost a month"),
        Binding("i", "gpu_costs", "GPU costs", show=False, id="usage.gpus", tooltip="What GPUs cost, idle ones too"),
        Binding("o", "open", "Open deployment", show=False, id="usage.open", tooltip="Open the deployment"),
        Binding("p", "prices", "Prices", show=False, id="usage.prices", tooltip="The prices, and since when"),
        Binding("r", "read", "Read again", show=False, id="usage.read", tooltip="Read the ledger now"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._reading: Reading | None = None
        self._lines: Mapping[Key, UsageLine] = {}
        self._drawn: Mapping[Key, Cells] = {}
        self._only: dict[Dimension, str] = {}
        self._left: list[tuple[Dimension, Key]] = []
        self._window_text = ""
        self._asking, self._rest_until = 0, 0.0
        self._wanted: Curve | None = None

    def compose_body(self) -> ComposeResult:
        """What is asked, the sums, the trend, the groups; or why there is nothing."""
        with Horizontal(id="usage-asked"):
            yield ChoiceRow((*WINDOWS, CUSTOM), "24h", id="usage-window")
            yield ChoiceRow((HERE, EVERYWHERE), HERE, id="usage-clusters")
        yield ChoiceRow([dimension.value for dimension in WHO_AND_WHAT], Dimension.DEPLOYMENT.value, id="usage-by")
        yield Static("", id="usage-crumbs", markup=False)
        yield Static("", id="usage-totals", markup=False)
        yield Static("", id="usage-apart", markup=False)
        yield Static("", id="usage-budgets", markup=False)
        yield Static("", id="usage-problem", markup=False)
        yield Static("", id="usage-busy", markup=False)
        yield TrendChart(id="usage-trend")
        table = VirtualTable[Key](COLUMNS, id="usage-table")
        yield table
        yield Static("", id="usage-empty", markup=False)
        yield FilterLine(table, id="usage-filter")

    def on_mount(self) -> None:
        """Read now, and every few seconds while the screen can be seen."""
        for name in ("crumbs", "empty", "apart", "budgets", "busy", "problem", "table", "trend", "totals"):
            self.query_one(f"#usage-{name}").display = False
        self._table.focus()
        self.set_interval(READ_EVERY_S, self._read_again)

    def on_screen_resume(self) -> None:
        """What was asked meanwhile is in the ledger now."""
        super().on_screen_resume()
        self.action_read()

    def _read_again(self) -> None:
        if self.is_current and not self._asking and monotonic() >= self._rest_until:
            self.action_read()

    @property
    def _table(self) -> VirtualTable[Key]:
        table: VirtualTable[Key] = self.query_one("#usage-table", VirtualTable)
        return table

    @property
    def _current(self) -> Key | None:
        """The row under the cursor; None while the rows are still those of another grouping."""
        fresh = self._reading is not None and self._reading.asked.by is self.dimension
        return self._table.cursor if fresh else None

    @property
    def _filter(self) -> FilterLine:
        return self.query_one(FilterLine)

    def _choice(self, name: str) -> ChoiceRow:
        return self.query_one(f"#usage-{name}", ChoiceRow)

    @property
    def dimension(self) -> Dimension:
        """What is grouped by."""
        return Dimension(self._choice("by").value)

    def _asked(self) -> Asked:
        now, name = self.services.clock(), self._choice("window").value
        window = Window(now - WINDOWS[name], now, name) if name in WINDOWS else parse_window(self._window_text, now)
        here = self._choice("clusters").value == HERE
        return Asked(window, self.dimension, self.services.session.server if here else None, dict(self._only))

    # Reading ----------------------------------------------------------------------------------------------------------

    @work(exclusive=True, group="usage", exit_on_error=False)
    async def action_read(self) -> None:
        """Read the ledger and draw what changed."""
        await self._read()

    async def _read(self) -> None:
        began = monotonic()
        slow = self.set_timer(SLOW_AFTER_S, partial(self._say, "busy", "◌ reading the ledger ..."))
        self._asking += 1
        try:
            reading = await read(self.services, self._asked())
            if self._reading is not None and self._reading.asked.extent == reading.asked.extent:
                reading = replace(reading, apart=self._reading.apart)
            self._show(reading)
            self._reading = replace(reading, apart=await read_apart(self.services.counters, reading.asked))
            self._say("apart", apart(self._reading, self.size.width - 2))
        except Exception as error:
            self._tell(error)
        finally:
            slow.stop()
            self._asking -= 1
            self._rest_until = monotonic() + _RESTS * (monotonic() - began)
            if not self._asking:
                self._say("busy", "")

    def _tell(self, error: Exception) -> None:
        log.warning("the ledger cannot be used: %s", error)
        self._say("problem", printable(f"✖ {explain(error).problem.line}"))

    def _show(self, reading: Reading) -> None:
        self._say("problem", "")
        self._reading, self._lines = reading, keyed(reading.lines)
        cells = rows(self._lines, keyed(reading.before), self.services.clock())
        if list(cells) == list(self._drawn):
            self._table.merge(cells)
        else:
            self._table.replace(cells)
        self._drawn = cells
        found = bool(reading.lines)
        if not found and self.focused is self.query_one("#usage-trend"):
            self._table.focus()
        self._table.display = found
        self._say("totals", "\n".join(summary(reading, self.size.width - 2)))
        self._say("apart", apart(reading, self.size.width - 2))
        self._say("budgets", "\n".join(alerts(reading)))
        self._say("crumbs", crumbs(reading, WINDOWS))
        self._say("empty", "" if found else nothing(reading))
        self._show_trend()
        self._filter.count()

    def _say(self, name: str, text: str) -> None:
        """Show a text in its place, or nothing there."""
        say_or_hide(self.query_one(f"#usage-{name}", Static), text)

    # The trend --------------------------------------------------------------------------------------------------------

    def _curve(self) -> Curve | None:
        return nearest(curves(self._reading) if self._reading else (), self._wanted)

    def _show_trend(self) -> None:
        curve, chart = self._curve(), self.query_one("#usage-trend", TrendChart)
        chart.display = curve is not None
        if curve is not None and self._reading is not None:
            chart.show(trend(self._reading, curve))

    def action_measure(self) -> None:
        """The next measure of the same source; a cost in each currency is one of its own."""
        now = self._curve()
        if now is not None and self._reading is not None:
            self._wanted = next_measure(curves(self._reading), now)
            self._show_trend()

    def action_source(self) -> None:
        """The same measure of the next source."""
        now = self._curve()
        if now is None or self._reading is None:
            return
        self._wanted = next_source(curves(self._reading), now)
        if self._wanted == now:
            self.notify(f"all of it is of one source: {now.source.value}", timeout=3)
        self._show_trend()

    # Asking otherwise -------------------------------------------------------------------------------------------------

    @on(ChoiceRow.Changed)
    def _asked_otherwise(self, event: ChoiceRow.Changed) -> None:
        event.stop()
        self.refresh_bindings()
        if event.row.id == "usage-window" and event.value == CUSTOM:
            self.action_custom()
        else:
            self.action_read()

    def action_window(self) -> None:
        """The next window."""
        names = list(WINDOWS)
        now = self._choice("window").value
        self._choice("window").choose(names[(names.index(now) + 1) % len(names)] if now in WINDOWS else names[0])

    @work(exclusive=True, group="dialog", exit_on_error=False)
    async def action_custom(self) -> None:
        """Ask for a length of time, or for days."""
        from screens.usage.asking import ask_window

        self._window_text = await ask_window(self.app, self._window_text, self.services.clock())
        # Left without a window there is no other one to show.
        self._choice("window").value = CUSTOM if self._window_text else "24h"
        self.action_read()

    def action_next(self, name: str) -> None:
        """The next of a row of choices."""
        self._choice(name).action_step(1)

    def commands(self) -> Iterable[tuple[str, Callable[[], object], str]]:
        """Every dimension by its name."""
        for dimension in WHO_AND_WHAT:
            name = dimension.value
            yield f"usage by {name}", partial(self._choice("by").choose, name), f"Group by {name}"

    # In and out -------------------------------------------------------------------------------------------------------

    @on(VirtualTable.Chosen)
    def _chosen(self, event: VirtualTable.Chosen) -> None:
        event.stop()
        self.action_into()

    def action_into(self) -> None:
        """Narrow everything to the group under the cursor, and group by what is inside it."""
        key = self._current
        inside = next((d for d in _INWARDS if d not in self._only and d is not self.dimension), None)
        if key is None:
            return
        if self.dimension in self._only or inside is None:
            self.notify("there is nothing further inside; esc comes back", timeout=3)
            return
        self._left.append((self.dimension, key))
        self._only[self.dimension] = self._lines[key].group
        self._go(inside, None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Back is there where there is something to come back from."""
        if action == "back":
            filtering = self.is_mounted and self._filter.display
            return bool(self._left or filtering)
        return super().check_action(action, parameters)

    def action_back(self) -> None:
        """Close the filter, or come out of the group that was gone into last."""
        if self._filter.display:
            self._filter.clear()
            self._table.focus()
        elif self._left:
            dimension, key = self._left.pop()
            self._only.pop(dimension)
            self._go(dimension, key)

    @work(exclusive=True, group="usage", exit_on_error=False)
    async def _go(self, dimension: Dimension, key: Key | None) -> None:
        self._choice("by").value = dimension.value
        self._filter.clear()
        await self._read()
        self._table.focus()
        if key is not None and key in self._lines:
            self._table.move_to(key)

    def _deployment(self) -> str | None:
        """The deployment that is under the cursor, or that was gone into, as `namespace/name`; tells if none is."""
        key = self._current
        name = key[0] if key and self.dimension is Dimension.DEPLOYMENT else self._only.get(Dimension.DEPLOYMENT)
        if name is None:
            self.notify("group by deployment (b) to choose one", timeout=3)
        return name

    @work(exclusive=True, group="dialog", exit_on_error=False)
    async def action_prices(self) -> None:
        """Show every price of the deployment with the time from which it held."""
        from screens.usage.asking import show_prices

        name = self._deployment()
        if name is None:
            return
        try:
            await show_prices(self.app, name)
        except Exception as error:
            self._tell(error)

    def refusal(self, action: str) -> str:
        """Why there can be no budget of what is shown."""
        if action != "budget" or not self.is_mounted:
            return ""
        return budget_refusal(self.dimension, everywhere=self._choice("clusters").value == EVERYWHERE)

    @work(exclusive=True, group="dialog", exit_on_error=False)
    async def action_budget(self) -> None:
        """Ask for the month's budget of the organization, user or key under the cursor."""
        if self._current is None:
            await self._read()
        name = self._current[0] if self._current else ""
        if not name:
            self.notify(f"there is no {self.dimension.value} under the cursor", timeout=3)
            return
        from screens.usage.budgeting import ask_budget

        try:
            await ask_budget(self.app, self.dimension, name)
        except Exception as error:
            self._tell(error)
        else:
            self.action_read()

    def action_gpu_costs(self) -> None:
        """What the GPUs cost against what their tokens brought in."""
        from screens.gpu_costs import GpuCostsScreen

        self.app.push_screen(GpuCostsScreen())

    def action_open(self) -> None:
        """Open the deployment, where it still exists."""
        name = self._deployment()
        if name is None:
            return
        row = next((row for row in self.services.picture.deployments() if str(row.ref) == name), None)
        if row is None:
            self.notify(f"{printable(name)} is not in this cluster (any more); its history stays", timeout=5)
        else:
            self.app.open_deployment(row.ref)

    def action_filter(self) -> None:
        """Open the line to narrow the rows."""
        self._filter.open()

    @work(exclusive=True, group="dialog", exit_on_error=False)
    async def action_export(self) -> None:
        """Write the rows that are shown into a new file."""
        from screens.usage.asking import ask_file

        shown = [self._lines[key] for key in self._table.shown if key in self._lines]
        if self._reading is None or not shown:
            self.notify("there are no rows to write", timeout=3)
            return
        await ask_file(self.app, self._reading.asked, shown)
