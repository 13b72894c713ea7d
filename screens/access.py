"""Who may call: the organizations and their users."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Static

from genai_tui.domain.rows import OrganizationRow
from screens.base import AreaScreen
from screens.format import age
from screens.widgets.virtual_table import Cell, Cells, Column, VirtualTable


class AccessScreen(AreaScreen):
    """The list of organizations."""

    AREA = "access"
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("name", "ORGANIZATION", least=12, most=34),
        Column("title", "DISPLAY NAME", least=12, most=40),
        Column("users", "USERS", least=12, flexible=True),
        Column("age", "AGE", least=3, most=4, right=True, rank=4),
    )
    EMPTY = """\
No organization yet

An organization is who a deployment is shared with and whose use is limited and accounted for. It is made from a file:

    apiVersion: genai-tui.dev/v1alpha1
    kind: Organization
    metadata: {name: org-a}
    spec: {displayName: Organization A, users: [alice, bob]}

    genai-tui apply -f organization.yaml
"""
    HELP = """\
# Access

The organizations with which deployments are shared, and their users.
"""

    def compose_body(self) -> ComposeResult:
        """The list, and what stands in its place when it is empty."""
        yield VirtualTable[str](self.COLUMNS, natural=str, id="access-table")
        yield Static(self.EMPTY, id="access-empty", markup=False)

    def on_mount(self) -> None:
        """Stand on the list."""
        self._table.focus()

    @property
    def _table(self) -> VirtualTable[str]:
        table: VirtualTable[str] = self.query_one("#access-table", VirtualTable)
        return table

    _names: tuple[str, ...] = ()

    def refresh_from_picture(self) -> None:
        """Follow the picture; the cursor stays on its organization."""
        rows = {row.name: self._cells(row) for row in self.services.picture.organizations()}
        if self._table.total:
            self._table.merge(rows, [name for name in self._names if name not in rows])
        else:
            self._table.replace(rows)
        self._names = tuple(rows)
        self._table.display = bool(rows)
        self.query_one("#access-empty").display = not rows

    def _cells(self, row: OrganizationRow) -> Cells:
        if row.document is None:
            problem = row.problem or "cannot be read"
            return Cell(f"✖ {row.name}", "bad", row.name), Cell(""), Cell(problem, "bad"), Cell("")
        spec = row.document.spec
        return (
            Cell(row.name, order=row.name),
            Cell(spec.display_name or "", "quiet"),
            Cell(", ".join(spec.users) or "nobody", "" if spec.users else "quiet"),
            Cell(age(row.created, self.services.clock()), "quiet", -row.created.timestamp() if row.created else 0),
        )
