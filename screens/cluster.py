"""The cluster: its nodes, what GPUs they have, how many are free and who holds the others."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Static

from genai_tui.domain.rows import NodeRow
from screens.base import AreaScreen
from screens.format import MISSING, age
from screens.widgets.virtual_table import Cell, Cells, Column, VirtualTable


class ClusterScreen(AreaScreen):
    """The list of nodes."""

    AREA = "cluster"
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("name", "NODE", least=12, most=40),
        Column("status", "STATUS", least=10, most=24),
        Column("gpu", "GPU", least=21, flexible=True),
        Column("memory", "MEM", least=6, most=8, right=True, rank=2),
        Column("total", "GPUS", least=4, most=5, right=True),
        Column("free", "FREE", least=4, most=5, right=True),
        Column("holders", "HELD BY", least=8, most=40, rank=3),
        Column("age", "AGE", least=3, most=4, right=True, rank=4),
    )
    EMPTY = """\
No node can be seen

Either the cluster has none, or these credentials may not list nodes: it takes `list` and `watch` on nodes.
"""
    HELP = """\
# Cluster

The nodes and their GPUs: how many there are, how many nobody has asked for, and which deployments hold the others.
"""

    def compose_body(self) -> ComposeResult:
        """The list, and what stands in its place when it is empty."""
        yield VirtualTable[str](self.COLUMNS, natural=str, id="cluster-table")
        yield Static(self.EMPTY, id="cluster-empty", markup=False)

    def on_mount(self) -> None:
        """Stand on the list."""
        self._table.focus()

    @property
    def _table(self) -> VirtualTable[str]:
        table: VirtualTable[str] = self.query_one("#cluster-table", VirtualTable)
        return table

    _names: tuple[str, ...] = ()

    def refresh_from_picture(self) -> None:
        """Follow the picture; the cursor stays on its node."""
        rows = {row.node.meta.name: self._cells(row) for row in self.services.picture.nodes()}
        if self._table.total:
            self._table.merge(rows, [name for name in self._names if name not in rows])
        else:
            self._table.replace(rows)
        self._names = tuple(rows)
        self._table.display = bool(rows)
        self.query_one("#cluster-empty").display = not rows

    def _cells(self, row: NodeRow) -> Cells:
        node = row.node
        status, tone = ("● Ready", "good") if node.ready else ("✖ NotReady", "bad")
        if node.unschedulable:
            status, tone = f"{status}, cordoned", "waiting" if node.ready else "bad"
        created = node.meta.created
        holders = ", ".join(f"{ref} ×{count}" for ref, count in row.holders)
        memory = f"{row.gpu_memory_mib / 1024:.0f} GiB" if row.gpu_memory_mib else MISSING
        return (
            Cell(node.meta.name, order=node.meta.name),
            Cell(status, tone),
            Cell(row.gpu_product or MISSING, "" if row.gpu_product else "quiet"),
            Cell(memory, "quiet", row.gpu_memory_mib or 0),
            Cell(str(row.gpu_total) if row.gpu_resource else MISSING, "", row.gpu_total),
            Cell(str(row.gpu_free) if row.gpu_resource else MISSING, "good" if row.gpu_free else "quiet", row.gpu_free),
            Cell(holders or MISSING, "" if holders else "quiet"),
            Cell(age(created, self.services.clock()), "quiet", -created.timestamp() if created else 0),
        )
