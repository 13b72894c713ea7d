"""The cluster: its nodes, what their GPUs do, how many are free and who holds the others.

Data path: the picture's nodes and, while this screen is seen, what the exporters report -> cells and glyphs; only nodes
of which one of the two changed are formatted again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.timer import Timer
from textual.widgets import Input, Static

from genai_tui.domain.monitoring import GpuReport
from genai_tui.domain.rows import NodeRow
from genai_tui.domain.text import printable
from screens.base import AreaScreen
from screens.cluster_cells import (
    COLUMNS,
    SORT_KEYS,
    Readings,
    cells_of,
    legend,
    others_left_alone,
    spot_of,
    status_of,
    summary,
)
from screens.format import plural
from screens.widgets.heat_map import HeatMap
from screens.widgets.virtual_table import Cells, VirtualTable

LIST, ALLOCATED, BUSY = "list", "allocated", "busy"
VIEWS = (LIST, ALLOCATED, BUSY)
_AGES_EVERY_S = 30.0


class ClusterScreen(AreaScreen):
    """The nodes, as a list or as a map."""

    AREA = "cluster"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", key_display="enter", id="cluster.open", tooltip="Its GPUs and pods"),
        Binding("m", "map", "Map", id="cluster.map", tooltip="A map of what is allocated, of what is busy, the list"),
        Binding("slash", "filter", "Filter", key_display="/", id="cluster.filter", tooltip="Nodes with these words"),
        Binding("r", "read", "Read again", id="cluster.read", tooltip="Ask the DCGM exporters now"),
        Binding("x", "ask_others", "Ask others' pods", id="cluster.ask_others",
                tooltip="Run nvidia-smi also in pods that were not made here"),
        Binding("escape", "clear", "Show all", key_display="esc", id="cluster.clear", tooltip="Every node again"),
        *(
            Binding(key, f"sort('{column}')", f"Sort by {column}", show=False, id=f"cluster.sort.{column}",
                    tooltip=f"Sort by {column}")
            for key, column in SORT_KEYS.items()
        ),
    ]  # fmt: skip
    EMPTY = """\
The cluster has no nodes
"""
    HELP = """\
# Cluster

The nodes and their GPUs: how many there are, how many nobody has asked for, which deployments hold the others, and what
the GPUs do, as NVIDIA's DCGM exporter reports it. `enter` shows every GPU of a node and the pods on it.

`m` draws a map with one sign for each node: first of what is allocated, then of what is busy. Shift and a letter, or a
click on a heading, sorts; the map has the order of the list. `/` narrows both.

*BUSY* is the share of time in which some kernel ran, the mean of the node's GPUs; it does not say that they are full.
*XID* are the last error codes of the driver. The exporters are found by label, image or Service, and are read through
the API server's proxy (`get` on pods/proxy) only while this screen is seen. Where none answers, `nvidia-smi` is
asked in the pods that hold GPUs, if you may `create` (and before Kubernetes 1.35 `get`) pods/exec: it tells of no XID.
In pods that were not made here nothing is run until you press `x`.
"""

    def __init__(self) -> None:
        super().__init__()
        self._view = LIST
        self._rows: dict[str, NodeRow] = {}
        self._drawn: dict[str, tuple[NodeRow, Readings]] = {}
        self._report: GpuReport | None = None
        self._next: Timer | None = None

    def compose_body(self) -> ComposeResult:
        """The sums, the list or map, what stands in its place when it is empty, and the line to narrow it."""
        yield Static("", id="cluster-summary", markup=False)
        yield VirtualTable[str](COLUMNS, natural=str, id="cluster-table")
        with VerticalScroll(id="cluster-map", can_focus=False):
            yield HeatMap(id="cluster-spots")
        yield Static("", id="cluster-legend", markup=False)
        yield Static("", id="cluster-node", markup=False)
        yield Static(self.EMPTY, id="cluster-empty", markup=False)
        yield Static("", id="cluster-readings", markup=False)
        yield Input(placeholder="words of any column, enter to keep, esc for all", id="cluster-filter", compact=True)

    def on_mount(self) -> None:
        """Stand on the list."""
        self.query_one("#cluster-filter").display = False
        self._table.focus()
        self.set_interval(_AGES_EVERY_S, self._age)

    @property
    def _table(self) -> VirtualTable[str]:
        table: VirtualTable[str] = self.query_one("#cluster-table", VirtualTable)
        return table

    # Readings ---------------------------------------------------------------------------------------------------------

    def on_screen_resume(self) -> None:
        """Read while it is seen."""
        super().on_screen_resume()
        self.action_read()

    def on_screen_suspend(self) -> None:
        """Nobody looks."""
        self._wait_no_more()
        self.workers.cancel_group(self, "readings")

    def _wait_no_more(self) -> None:
        if self._next is not None:
            self._next.stop()
            self._next = None

    @work(exclusive=True, group="readings", exit_on_error=False)
    async def action_read(self) -> None:
        """Ask the exporters, and again when it is polite to."""
        self._wait_no_more()
        self._report = report = await self.services.monitor.gpus()
        self._draw()
        self.refresh_bindings()
        if self.is_current:
            self._next = self.set_timer(report.again_s, self.action_read)

    def action_ask_others(self) -> None:
        """Run nvidia-smi also in pods that were not made here."""
        self.services.monitor.ask_others()
        self.action_read()

    def _readings(self, name: str) -> Readings:
        return self._report.nodes.get(name, ()) if self._report is not None else ()

    # Drawing ----------------------------------------------------------------------------------------------------------

    def refresh_from_picture(self) -> None:
        """Follow the picture; the cursor stays on its node."""
        self._rows = {row.node.meta.name: row for row in self.services.picture.nodes()}
        self._draw()

    def _age(self) -> None:
        if self.is_current:
            self._drawn.clear()
            self._draw()

    def _draw(self) -> None:
        """Format what is not as it was."""
        table = self._table
        state = {name: (row, self._readings(name)) for name, row in self._rows.items()}
        changed = {name: now for name, now in state.items() if self._drawn.get(name) != now}
        gone = [name for name in table.keys if name not in state]
        self._drawn = state
        self._put(changed, gone)
        self._show(state)

    def _put(self, changed: Mapping[str, tuple[NodeRow, Readings]], gone: list[str]) -> None:
        now = self.services.clock()
        cells: dict[str, Cells] = {name: cells_of(row, gpus, now) for name, (row, gpus) in changed.items()}
        if self._table.total:
            self._table.merge(cells, gone)
        else:
            self._table.replace(cells)

    def _show(self, state: Mapping[str, tuple[NodeRow, Readings]]) -> None:
        there, mapped = bool(state), self._view != LIST
        self._table.display = there and not mapped
        self.query_one("#cluster-map").display = there and mapped
        self.query_one("#cluster-legend").display = there and mapped
        self.query_one("#cluster-node").display = there and mapped
        self.query_one("#cluster-empty").display = not there
        missing = self.services.picture.health.not_visible("Node")
        self._say("#cluster-empty", f"Nodes are {missing}" if missing else self.EMPTY)
        self._say("#cluster-summary", "" if missing else summary(list(self._rows.values())))
        self._say("#cluster-readings", self._about_readings())
        if mapped:
            measured = self._view == BUSY
            spots = [spot_of(*state[name], measured=measured) for name in self._table.shown if name in state]
            self.query_one(HeatMap).show(spots)
            self._say("#cluster-legend", legend(measured=measured))
            self._show_spot()

    def _say(self, selector: str, text: str) -> None:
        line = self.query_one(selector, Static)
        text = printable(text)
        if str(line.content) != text:
            line.update(text)

    def _about_readings(self) -> str:
        report = self._report
        if report is None:
            return "reading the GPUs ..."
        if report.problem:
            return report.problem + others_left_alone(report)
        exported, within = len(report.nodes) - len(report.notes), len(report.notes)
        ways = [f"of {exported} nodes from their DCGM exporter"] if exported or not within else []
        ways += [f"of {plural(within, 'node')} from nvidia-smi in their pods"] if within else []
        text = f"GPUs {', '.join(ways)}{others_left_alone(report)}"
        if report.problems:
            node, why = next(iter(report.problems.items()))
            text += f"; {node}: {why}" + (f" (and {len(report.problems) - 1} more)" if len(report.problems) > 1 else "")
        return text

    def _show_spot(self) -> None:
        """The node under the cursor, in one line."""
        name = self.query_one(HeatMap).cursor
        row = self._rows.get(name or "")
        if row is None or name is None:
            self._say("#cluster-node", "")
            return
        cells = cells_of(row, self._readings(name), self.services.clock())
        busy = f"   {cells[5].text} busy" if self._readings(name) else ""
        held = f"   held by {cells[10].text}" if row.holders else ""
        text = f"{name}   {status_of(row)[0]}   {cells[2].text}   {row.gpu_free} of {row.gpu_total} free{busy}{held}"
        self._say("#cluster-node", text)

    # Going about ------------------------------------------------------------------------------------------------------

    @property
    def cursor(self) -> str | None:
        """The node that is pointed at."""
        return self._table.cursor if self._view == LIST else self.query_one(HeatMap).cursor

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys exist only where they do something."""
        if self.is_mounted and action == "open" and self.cursor is None:
            return False
        if action == "ask_others" and (self._report is None or not self._report.unasked):
            return False
        if self.is_mounted and action == "clear" and not self.query_one("#cluster-filter").display:
            return False
        return super().check_action(action, parameters)

    @on(VirtualTable.Moved)
    def _moved(self) -> None:
        self.refresh_bindings()

    @on(HeatMap.Moved)
    def _moved_on_map(self) -> None:
        self._show_spot()

    @on(VirtualTable.Chosen)
    @on(HeatMap.Chosen)
    def _chosen(self, event: VirtualTable.Chosen | HeatMap.Chosen) -> None:
        event.stop()
        self.action_open()

    def action_open(self) -> None:
        """Show the node."""
        from screens.node import NodeScreen

        if self.cursor is not None:
            self.app.push_screen(NodeScreen(self.cursor))

    def action_map(self) -> None:
        """The next view; the cursor stays on its node."""
        name = self.cursor
        self._view = VIEWS[(VIEWS.index(self._view) + 1) % len(VIEWS)]
        self._draw()
        if self._view == LIST:
            self._table.focus()
            if name is not None:
                self._table.move_to(name)
        else:
            spots = self.query_one(HeatMap)
            spots.focus()
            if name is not None:
                spots.move_to(name)
            self._show_spot()

    def action_sort(self, column: str) -> None:
        """Sort by a column, then the other way round, then not at all."""
        self._table.turn(column)
        self._draw()

    def action_filter(self) -> None:
        """Open the line to narrow."""
        line = self.query_one("#cluster-filter", Input)
        line.display = True
        line.focus()

    def action_clear(self) -> None:
        """Show every node."""
        line = self.query_one("#cluster-filter", Input)
        line.value, line.display = "", False
        self._table.narrow("")
        self._draw()
        self._focus_body()

    def _focus_body(self) -> None:
        (self._table if self._view == LIST else self.query_one(HeatMap)).focus()
        self.refresh_bindings()

    @on(Input.Changed, "#cluster-filter")
    def _narrow(self, event: Input.Changed) -> None:
        event.stop()
        self._table.narrow(event.value)
        self._draw()

    @on(Input.Submitted, "#cluster-filter")
    def _keep(self, event: Input.Submitted) -> None:
        event.stop()
        event.input.display = bool(event.value)
        self._focus_body()
