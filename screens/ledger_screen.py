"""What screens over the ledger have in common: read when they come to the front, and every few seconds while there."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.widgets import Static

from screens.base import ConsoleScreen
from screens.widgets.choice_row import ChoiceRow
from screens.widgets.saying import say_or_hide
from screens.widgets.virtual_table import VirtualTable


class LedgerScreen(ConsoleScreen):
    """A table of what the ledger holds, under rows of choices: another choice is another question.

    Attributes:
        NAME: what the ids of its widgets begin with: `NAME-table`, `NAME-window`.
        READ_EVERY_S: how often it is read while it can be seen.
    """

    NAME: ClassVar[str]
    READ_EVERY_S: ClassVar[float]

    def on_mount(self) -> None:
        """Read again and again while the screen can be seen."""
        self.table.focus()
        self.set_interval(self.READ_EVERY_S, self._read_again)

    def on_screen_resume(self) -> None:
        """What happened meanwhile is in the ledger now."""
        super().on_screen_resume()
        self.action_read()

    def _read_again(self) -> None:
        if self.is_current:
            self.action_read()

    def action_read(self) -> object:
        """Read the ledger now and draw what changed: a worker."""
        # What is asked is each screen's own; a screen of Textual cannot be an abstract class beside it.
        raise NotImplementedError

    @property
    def table(self) -> VirtualTable[Any]:
        """The table."""
        table: VirtualTable[Any] = self.query_one(f"#{self.NAME}-table", VirtualTable)
        return table

    def choice(self, name: str) -> ChoiceRow:
        """The row of choices of that name."""
        return self.query_one(f"#{self.NAME}-{name}", ChoiceRow)

    def say(self, name: str, text: str) -> None:
        """Show a text in its place, or nothing there."""
        say_or_hide(self.query_one(f"#{self.NAME}-{name}", Static), text)

    @on(ChoiceRow.Changed)
    def _asked_otherwise(self, event: ChoiceRow.Changed) -> None:
        event.stop()
        self.action_read()

    def action_next(self, name: str) -> None:
        """The next of a row of choices."""
        self.choice(name).action_step(1)
