"""With whom a deployment is shared: choose, see who may then call, apply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message

from genai_tui.access_ports import ApiKeys
from genai_tui.domain.deployment import Sharing, SharingMode
from genai_tui.domain.documents import Endpoint
from genai_tui.domain.handover import sharing_text
from genai_tui.domain.keys import KeyRecord
from genai_tui.domain.rows import DeploymentDetail, OrganizationRow
from genai_tui.domain.sharing import Effect, effect, moved, shared_with, sharing_of
from genai_tui.errors import GenaiTuiError
from screens.deployment.overview import enforcement
from screens.deployment.sheet import Block, Fact, Heading, Sheet, Text
from screens.format import MISSING, plural
from screens.widgets.choice_row import ChoiceRow
from screens.widgets.virtual_table import Cell, Cells, Column, VirtualTable

_WORDS: Mapping[str, SharingMode] = {
    "nobody": SharingMode.NONE,
    "all organizations": SharingMode.ALL,
    "these organizations": SharingMode.ORGANIZATIONS,
}
_COLUMNS = (
    Column("name", "ORGANIZATION", least=14, most=36),
    Column("title", "DISPLAY NAME", least=12, flexible=True),
    Column("users", "USERS", least=5, most=6, right=True),
    Column("keys", "KEYS", least=4, most=6, right=True),
)

_NAMED = 4


class SharingPane(Vertical):
    """Shows it, and holds a choice that was not applied yet.

    Args:
        keys: the API keys there are.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "mode", "Whom", id="sharing.mode", show=False, tooltip="Nobody, all, these organizations"),
        Binding("space", "choose", "Choose", id="sharing.toggle", show=False, tooltip="Share with it, or not"),
        Binding("ctrl+s", "apply", "Apply", id="sharing.apply", show=False, tooltip="Apply what was chosen"),
        Binding("u", "undo", "Undo", id="sharing.undo", show=False, tooltip="Back to what is applied"),
    ]

    class ApplyRequested(Message):
        """The choice shall be applied; `text` says what follows from it."""

        def __init__(self, sharing: Sharing, text: str) -> None:
            self.sharing, self.text = sharing, text
            super().__init__()

    def __init__(self, keys: ApiKeys, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._api = keys
        self._keys: Sequence[KeyRecord] | None = None
        self._problem = ""
        self._detail: DeploymentDetail | None = None
        self._organizations: Sequence[OrganizationRow] = ()
        self._endpoint: Endpoint | None = None
        self._now: datetime | None = None
        self._chosen: set[str] | None = None
        """The organizations that were chosen; None while nothing was touched."""
        self._names: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        """Whom, which organizations, what follows."""
        yield Sheet(id="sharing-now")
        yield ChoiceRow(tuple(_WORDS), "nobody", id="sharing-mode")
        yield VirtualTable[str](_COLUMNS, natural=str, id="sharing-table")
        yield Sheet(id="sharing-effect")

    def show(
        self,
        detail: DeploymentDetail,
        endpoint: Endpoint | None,
        organizations: Sequence[OrganizationRow],
        now: datetime,
    ) -> None:
        """Follow the deployment; a choice that was not applied stays."""
        first = self._detail is None
        self._detail, self._endpoint, self._organizations, self._now = detail, endpoint, organizations, now
        if first:
            self._read_keys()
        if self._chosen is None:
            self._take(self._applied)
        self._draw()

    @property
    def _applied(self) -> Sharing:
        document = self._detail.document if self._detail is not None else None
        return document.spec.sharing if document is not None else Sharing()

    def _take(self, sharing: Sharing) -> None:
        word = next(word for word, mode in _WORDS.items() if mode is sharing.mode)
        self.query_one("#sharing-mode", ChoiceRow).value = word

    @property
    def wanted(self) -> Sharing:
        """What is chosen now."""
        mode = _WORDS[self.query_one("#sharing-mode", ChoiceRow).value]
        return sharing_of(mode, self._applied.organizations if self._chosen is None else self._chosen)

    @work(exclusive=True, group="sharing-keys", exit_on_error=False)
    async def _read_keys(self) -> None:
        try:
            self._keys, self._problem = await self._api.listed(), ""
        except GenaiTuiError as error:
            self._problem = error.problem.line
        self._draw()

    def focus_text(self) -> None:
        """Give the list the keys."""
        self.query_one(VirtualTable).focus(scroll_visible=False)

    # Drawing ----------------------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        if self._detail is None or self._now is None:
            return
        rows = {row.name: self._cells(row) for row in self._organizations}
        rows |= {name: self._gone_cells(name) for name in self._gone}
        table: VirtualTable[str] = self.query_one("#sharing-table", VirtualTable)
        if table.total:
            table.merge(rows, [name for name in self._names if name not in rows])
        else:
            table.replace(rows)
        self._names = tuple(rows)
        self.query_one("#sharing-now", Sheet).show(self._heading())
        self.query_one("#sharing-effect", Sheet).show(self._consequence())

    @property
    def _gone(self) -> list[str]:
        """Organizations it is shared with and that do not exist: they must be seen to be taken out."""
        known = {row.name for row in self._organizations}
        return [name for name in self._applied.organizations if name not in known]

    def _heading(self) -> list[Block]:
        return [Heading("SHARED WITH", sharing_text(self._applied)), Fact("kept by", enforcement(self._endpoint))]

    def _consequence(self) -> list[Block]:
        if not self._organizations and not self._gone:
            return [Text("There is no organization yet: Access (4) makes them.", "quiet")]
        if self.wanted == self._applied:
            blocks: list[Block] = [Text(self._effect_text(self._applied))]
            blocks.append(Text("m whom   space this organization   nothing to apply", "quiet"))
            return blocks
        change = Text(f"▲ not applied yet: {self._effect_text(self.wanted)}", "waiting")
        return [change, Text("ctrl+s apply   u undo   m whom   space this organization", "quiet")]

    def _effect_text(self, sharing: Sharing) -> str:
        assert self._detail is not None and self._now is not None  # noqa: PT018  # drawn only with both
        names = [*(row.name for row in self._organizations), *self._gone]
        told = effect(sharing, self._detail.row.ref, names, self._keys, self._now)
        return effect_text(told, self._problem)

    def _moved_text(self, wanted: Sharing) -> str:
        """Which keys gain access and which lose it."""
        if self._keys is None or self._detail is None or self._now is None:
            return ""
        gained, lost = moved(self._applied, wanted, self._detail.row.ref, self._keys, self._now)
        told = (("may call from then on", gained), ("may call no longer", lost))
        return "".join(f"\n{_named(keys)} {what}" for what, keys in told if keys)

    def _cells(self, row: OrganizationRow) -> Cells:
        spec = row.document.spec if row.document is not None else None
        return (
            self._choice(row.name),
            Cell(spec.display_name if spec else row.problem or "", "quiet"),
            Cell(str(len(spec.users)) if spec else "", "quiet"),
            self._number_of_keys(row.name),
        )

    def _gone_cells(self, name: str) -> Cells:
        missing = Cell("▲ there is no such organization", "waiting")
        return self._choice(name), missing, Cell(MISSING, "quiet"), self._number_of_keys(name)

    def _choice(self, name: str) -> Cell:
        wanted = shared_with(self.wanted, name)
        changed = "" if wanted == shared_with(self._applied, name) else " *"
        return Cell(f"{'●' if wanted else '○'} {name}{changed}", "accent" if wanted else "", name)

    def _number_of_keys(self, name: str) -> Cell:
        keys = [key for key in self._keys or () if key.organization == name]
        return Cell(MISSING if self._keys is None else str(len(keys)), "quiet")

    # Choosing ---------------------------------------------------------------------------------------------------------

    @on(ChoiceRow.Changed)
    def _mode_chosen(self, event: ChoiceRow.Changed) -> None:
        event.stop()
        self._draw()

    def action_mode(self) -> None:
        """The next mode."""
        self.query_one("#sharing-mode", ChoiceRow).action_step(1)

    @on(VirtualTable.Chosen)
    def _row_chosen(self, event: VirtualTable.Chosen) -> None:
        event.stop()
        self.action_choose()

    def action_choose(self) -> None:
        """Share with the organization under the cursor, or no more."""
        name = self.query_one(VirtualTable).cursor
        if name is None:
            return
        chosen = set(self.wanted.organizations) if self._chosen is None else set(self._chosen)
        self._chosen = chosen ^ {name}
        self._take(Sharing(mode=SharingMode.ORGANIZATIONS, organizations=(name,)))
        self._draw()

    def action_undo(self) -> None:
        """Back to what is applied."""
        self._chosen = None
        self._take(self._applied)
        self._draw()

    def action_apply(self) -> None:
        """Ask for it to be applied."""
        wanted = self.wanted
        if wanted == self._applied:
            self.notify("nothing was changed", timeout=3)
        else:
            text = f"Shared with {sharing_text(wanted)}, until now with {sharing_text(self._applied)}.\n"
            self.post_message(self.ApplyRequested(wanted, text + self._effect_text(wanted) + self._moved_text(wanted)))

    def applied(self) -> None:
        """The choice was applied: follow the cluster again."""
        self._chosen = None


def _named(keys: Sequence[KeyRecord]) -> str:
    """Some keys by name, the others counted."""
    names = ", ".join(f"{key.id} of {key.user}" for key in keys[:_NAMED])
    return names if len(keys) <= _NAMED else f"{names} and {len(keys) - _NAMED} more"


def effect_text(told: Effect, problem: str = "") -> str:
    """`3 organizations, 17 keys of 9 users may call this`."""
    organizations = plural(told.organizations, "organization")
    if told.keys is None or told.users is None:
        return f"{organizations} may call this; keys are not known{f': {problem}' if problem else ''}"
    return f"{organizations}, {plural(told.keys, 'key')} of {plural(told.users, 'user')} may call this"
