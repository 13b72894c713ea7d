"""Help: every key of the screen it was opened from, made from the bindings themselves, then the screen's own words."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.table import Table
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Markdown, Static

GENERAL = """\
# Everywhere

The list, the wizard and the playground work on what the cluster says now; the line at the top says how fresh that is.
What you may not do says which verb on which resource is missing. `?` closes this help again.
"""


class HelpScreen(ModalScreen[None]):
    """Keys and words."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "dismiss", "Close", id="help.close", tooltip="Back to the screen")
    ]

    def __init__(self, about: Screen[Any]) -> None:
        super().__init__()
        self._about = about

    def compose(self) -> ComposeResult:
        """Keys first, then words."""
        with VerticalScroll(id="help-box") as box:
            box.can_focus = True
            yield Static("Keys", classes="dialog--title")
            yield Static(self._keys(), id="help-keys")
            yield Markdown((getattr(self._about, "HELP", "") or "") + "\n" + GENERAL, id="help-words")

    def on_mount(self) -> None:
        """So that the arrows scroll."""
        self.query_one("#help-box").focus()

    def _keys(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, style="bold")
        table.add_column()
        for key, text in keys_of(self._about):
            table.add_row(key, text)
        return table


def keys_of(screen: Screen[Any]) -> list[tuple[str, str]]:
    """Each described binding once: its keys and what it does."""
    found: dict[str, tuple[list[str], str]] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        if not binding.description:
            continue
        keys, _ = found.setdefault(binding.action, ([], binding.tooltip or binding.description))
        shown = screen.app.get_key_display(binding)
        if shown not in keys:
            keys.append(shown)
    return [(", ".join(keys), text) for keys, text in found.values()]
