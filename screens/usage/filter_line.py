"""The line that narrows the rows while words are typed, and says how many are left."""

from __future__ import annotations

from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input, Static

from screens.widgets.virtual_table import VirtualTable


class FilterLine(Horizontal):
    """Hidden until it is opened.

    Args:
        table: whose rows it narrows.
    """

    def __init__(self, table: VirtualTable[Any], *, id: str) -> None:
        super().__init__(id=id)
        self._table = table
        self.display = False

    def compose(self) -> ComposeResult:
        """A mark, the words, how many rows have them."""
        yield Static("/", id="usage-filter-mark", markup=False)
        yield Input(placeholder="words of any column", id="usage-words", compact=True)
        yield Static("", id="usage-found", markup=False)

    def open(self) -> None:
        """Show it, ready to type."""
        self.display = True
        self.query_one(Input).focus()
        self.screen.refresh_bindings()

    def clear(self) -> None:
        """Hide it, and show every row again."""
        self.query_one(Input).value = ""
        self.display = False
        self.screen.refresh_bindings()

    def count(self) -> None:
        """Say how many rows are shown."""
        self.query_one("#usage-found", Static).update(f"{self._table.row_count} of {self._table.total} rows")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._table.narrow(event.value)
        self.count()

    @on(Input.Submitted)
    def _kept(self, event: Input.Submitted) -> None:
        event.stop()
        self.display = bool(event.value.strip())
        self._table.focus()
        self.screen.refresh_bindings()
