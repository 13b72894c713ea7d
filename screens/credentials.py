"""The operator's own secrets on this machine: where each comes from, replacing one, forgetting one."""

from __future__ import annotations

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from genai_tui.domain.form_facts import Choice
from genai_tui.domain.model_secrets import problem_of
from genai_tui.domain.own_credentials import Found, Keep, Place
from genai_tui.domain.text import printable
from genai_tui.errors import GenaiTuiError
from screens.base import ConsoleScreen
from screens.dialogs.confirm import ConfirmDialog
from screens.dialogs.text import TextDialog
from screens.format import MISSING
from screens.forms.picker import PickerScreen
from screens.widgets.virtual_table import Cell, Cells, Column, VirtualTable

_COLUMNS = (
    Column("what", "SECRET", least=12),
    Column("source", "FROM", least=16, most=70),
    Column("for", "USED FOR", least=10, most=60, rank=2),
)
_ABOUT = (
    "Looked for in this order: the environment, a token file or command of the settings file, the keyring, the file of "
    "this program, what is typed here. Credentials of clusters stay the business of the kubeconfig."
)


class CredentialsScreen(ConsoleScreen):
    """Hub token, NGC API key, key of engines; never the values."""

    HELP = """
# Credentials

Your own secrets on this machine, and where each comes from now. Their values are never shown.

`enter` replaces the one under the cursor: it is typed as dots, then you choose where it is kept: in the keyring of the
desktop, in a file that only you can read (not encrypted), or for this session alone. `d` forgets what is kept so. One
that comes from the environment, or from a file or command of the settings, is changed there.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter", "replace", "Enter it", id="credentials.replace", tooltip="Type it, and choose where to keep it"
        ),
        Binding("d", "forget", "Forget", id="credentials.forget", tooltip="Remove it from where this program keeps it"),
        Binding("r", "read", "Look again", id="credentials.read", tooltip="Ask every source again"),
        Binding("escape", "app.back", "Back", id="credentials.back", tooltip="Back to the screen before"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._found: dict[str, Found] = {}

    def compose_body(self) -> ComposeResult:
        """Title, table, what is wrong with a source, the order of sources."""
        yield Static("Credentials of this machine", id="credentials-title", markup=False)
        yield VirtualTable[str](_COLUMNS, natural=str, id="credentials-table")
        yield Static("", id="credentials-problem", markup=False)
        yield Static(_ABOUT, id="credentials-about", markup=False)

    def on_mount(self) -> None:
        """Look at every source."""
        self._table.focus()
        self.action_read()

    @property
    def _table(self) -> VirtualTable[str]:
        table: VirtualTable[str] = self.query_one("#credentials-table", VirtualTable)
        return table

    def _say(self, text: str) -> None:
        line = self.query_one("#credentials-problem", Static)
        line.update(printable(text))
        line.display = bool(text)

    @work(exclusive=True, group="credentials", exit_on_error=False)
    async def action_read(self) -> None:
        """Ask every source. A keyring or a program of the operator's may take its time."""
        self._say("asking the sources ...")
        self._found = {one.credential.name: one for one in await self.services.credentials.listed()}
        self._table.replace({name: _cells(one) for name, one in self._found.items()})
        self._say("\n".join(f"✖ {one.problem}" for one in self._found.values() if one.problem))

    @on(VirtualTable.Chosen)
    def _chosen(self) -> None:
        self.action_replace()

    @work(exclusive=True, group="dialog", exit_on_error=False)
    async def action_replace(self) -> None:
        """Type it, choose where it is kept."""
        found = self._found.get(self._table.cursor or "")
        if found is None:
            return
        what = found.credential.what
        text = f"For {found.credential.used_for}. It is shown as dots and kept where you choose next."
        if found.fixed:
            text += f" As long as {found.source or 'the source in the settings'} is there, that is used instead."
        value = await self.app.push_screen_wait(TextDialog(what, "", problem=problem_of, text=text, password=True))
        if value is None:
            return
        self._say("looking where it can be kept ...")  # a locked keyring is waited for
        places = [place for place in await self.services.credentials.places() if not place.refusal]
        chosen = await self._choose(what, places)
        if chosen is None:
            self.action_read()
            return
        try:
            await self.services.credentials.keep(found.credential, value, chosen)
        except GenaiTuiError as error:
            self.notify(error.problem.line, severity="error", timeout=10)
        self.action_read()

    async def _choose(self, what: str, places: list[Place]) -> Keep | None:
        choices = [Choice(place.keep.value, place.about) for place in places]
        chosen = await self.app.push_screen_wait(PickerScreen(f"Keep the {what} where?", choices, narrowing=False))
        return places[chosen].keep if chosen is not None else None

    @work(exclusive=True, group="dialog", exit_on_error=False)
    async def action_forget(self) -> None:
        """Ask, and remove it from where this program keeps it."""
        found = self._found.get(self._table.cursor or "")
        if found is None:
            return
        what = found.credential.what
        text = f"It comes from {found.source} now." if found.source else "It is nowhere now."
        if not await self.app.push_screen_wait(
            ConfirmDialog(f"Forget the {what} of this machine?", text, yes="Forget")
        ):
            return
        try:
            left = await self.services.credentials.forget(found.credential)
        except GenaiTuiError as error:
            self.notify(error.problem.line, severity="error", timeout=10)
        else:
            told = f"the {what} is forgotten: {', '.join(left)}" if left else f"this program keeps no {what}"
            self.notify(printable(told), severity="information" if left else "warning")
        self.action_read()


def _cells(found: Found) -> Cells:
    source = "✖ see below" if found.problem else found.source
    tone = "bad" if found.problem else ""
    return (
        Cell(found.credential.what),
        Cell(printable(source) or MISSING, tone, source),
        Cell(found.credential.used_for),
    )
