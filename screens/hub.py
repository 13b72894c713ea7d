"""The developer hub: every deployment one may call, and for one of them the page with all that a developer needs."""

from __future__ import annotations

from typing import ClassVar

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Markdown, Static

from genai_tui.domain.form_facts import Choice
from genai_tui.domain.handover import sharing_text
from genai_tui.domain.rows import DeploymentDetail, Ref
from genai_tui.domain.text import printable, printable_lines
from genai_tui.errors import GenaiTuiError
from genai_tui.hub_pages import offered, page, table
from screens.base import ConsoleScreen
from screens.deployment.searching import save_text
from screens.format import MISSING, amount, phase_look
from screens.forms.picker import PickerScreen
from screens.widgets.virtual_table import Cell, Cells, Column, VirtualTable

_COLUMNS = (
    Column("model", "MODEL", least=12, most=32),
    Column("name", "DEPLOYMENT", least=14, most=40, flexible=True),
    Column("status", "STATUS", least=9),
    Column("ready", "READY", least=5, right=True),
    Column("price", "PRICE IN / OUT PER MILLION", least=10, most=30, rank=3),
    Column("shared", "SHARED WITH", least=10, most=40, rank=2),
)


def _keep_lines(state: StateCore) -> None:
    """A line break of the text is one on the screen."""
    for token in state.tokens:
        for child in token.children or ():
            if child.type == "softbreak":
                child.type = "hardbreak"


def _parser() -> MarkdownIt:
    """Markdown whose HTML is shown as text and whose line breaks stay."""
    parser = MarkdownIt("gfm-like", {"html": False})
    parser.core.ruler.push("keep_lines", _keep_lines)
    return parser


class HubScreen(ConsoleScreen):
    """What developers see of the deployments."""

    HELP = """
# Developer hub

What there is for developers: each model with its deployments, whether they answer, what they cost, with whom they are
shared. `enter` opens the page of one: endpoint, key, samples in curl, Python and Node that run as printed, limits,
price, context. `o` shows what one organization may call. `w` writes the list, or the page, as Markdown into a file.
`genai-tui hub` prints the same.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", id="hub.open", tooltip="All a developer needs to call it"),
        Binding("o", "organization", "Organization", id="hub.organization", tooltip="What one organization may call"),
        Binding("w", "write", "Write", id="hub.write", tooltip="Write the list as Markdown into a file"),
        Binding("escape", "app.back", "Back", id="hub.back", tooltip="Back to the screen before"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._organization: str | None = None

    def compose_body(self) -> ComposeResult:
        """For whom, the list, or why there is none."""
        yield Static("", id="hub-title", markup=False)
        yield VirtualTable[Ref](_COLUMNS, natural=str, id="hub-table")
        yield Static("", id="hub-nothing", markup=False)

    def on_mount(self) -> None:
        """The list has the focus."""
        self._table.focus()

    @property
    def _table(self) -> VirtualTable[Ref]:
        found: VirtualTable[Ref] = self.query_one("#hub-table", VirtualTable)
        return found

    def refresh_from_picture(self) -> None:
        """Draw what there is."""
        details = offered(self.services, None, self._organization)
        self._table.replace({detail.row.ref: _cells(detail) for detail in details})
        self._table.display = bool(details)
        whose = f"what {self._organization} may call" if self._organization else "every deployment"
        self.query_one("#hub-title", Static).update(printable(f"Developer hub: {whose}"))
        nothing = self.query_one("#hub-nothing", Static)
        nothing.display = not details
        shared = f"Nothing is shared with {self._organization}: o chooses another." if self._organization else ""
        nothing.update(printable(shared or "There is no deployment yet: esc, then n makes one."))

    @on(VirtualTable.Chosen)
    def _chosen(self, event: VirtualTable.Chosen) -> None:
        event.stop()
        self.action_open()

    def action_open(self) -> None:
        """The page of the deployment under the cursor."""
        ref = self._table.cursor
        if ref is not None:
            self.app.push_screen(HubPageScreen(ref, self._organization))

    @work(exclusive=True, group="dialog")
    async def action_organization(self) -> None:
        """Whose view it is."""
        names = [row.name for row in self.services.picture.organizations()]
        choices = [Choice("everybody", "every deployment"), *(Choice(name, "what it may call") for name in names)]
        chosen = await self.app.push_screen_wait(
            PickerScreen("Who looks?", choices, current=self._organization or "everybody")
        )
        if chosen is not None:
            self._organization = names[chosen - 1] if chosen else None
            self.refresh_from_picture()

    async def action_write(self) -> None:
        """Write the list."""
        await save_text(self, "models.md", table(self.services, None, self._organization))


class HubPageScreen(ConsoleScreen):
    """The page of one deployment, as it is handed over.

    Args:
        ref: the deployment.
        organization: for whom; None: for whomever.
    """

    HELP = "All a developer needs to call the deployment. `w` writes it as Markdown into a file here, `y` copies it."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "write", "Write", id="hubpage.write", tooltip="Write it as Markdown into a file"),
        Binding("y", "copy", "Copy", id="hubpage.copy", tooltip="Copy it to the clipboard of the terminal"),
        Binding("escape", "app.back", "Back", id="hubpage.back", tooltip="Back to the list"),
    ]

    def __init__(self, ref: Ref, organization: str | None) -> None:
        super().__init__()
        self._ref, self._organization = ref, organization
        self._text = ""

    def compose_body(self) -> ComposeResult:
        """What is wrong, the page."""
        yield Static("", id="hub-problem", markup=False)
        with VerticalScroll(id="hub-page"):
            yield Markdown("", parser_factory=_parser, open_links=False)

    def on_mount(self) -> None:
        """The page has the keys."""
        self.query_one("#hub-page").focus()
        self.query_one("#hub-problem").display = False
        self._read()

    @work(exclusive=True, group="page", exit_on_error=False)
    async def _read(self) -> None:
        detail = self.services.picture.deployment(self._ref)
        try:
            if detail is None:
                raise GenaiTuiError(f"{self._ref} does not exist any more")
            self._text = await page(self.services, detail.row, self._organization, None)
        except GenaiTuiError as error:
            problem = self.query_one("#hub-problem", Static)
            problem.display = True
            problem.update(printable(f"✖ {error.problem.line}"))
            return
        await self.query_one(Markdown).update(printable_lines(self._text))

    async def action_write(self) -> None:
        """Write the page."""
        if self._text:
            await save_text(self, f"{self._ref.namespace}-{self._ref.name}.md", self._text)

    def action_copy(self) -> None:
        """Copy the page."""
        if self._text:
            self.app.copy_to_clipboard(self._text)
            self.notify(f"copied {len(self._text):,} characters, if your terminal lets programs copy", timeout=4)


def _cells(detail: DeploymentDetail) -> Cells:
    row, document = detail.row, detail.document
    look = phase_look(row.assessment.phase)
    price, shared = MISSING, MISSING
    if document is not None:
        pricing = document.spec.pricing
        shared = sharing_text(document.spec.sharing)
        if pricing is not None:
            given = (pricing.input_per_million, pricing.output_per_million)
            price = " / ".join(amount(value, pricing.currency) for value in given)
    return (
        Cell(printable(row.model or MISSING)),
        Cell(str(row.ref)),
        Cell(f"{look.glyph} {row.assessment.phase.value}", look.tone),
        Cell(f"{row.ready}/{row.replicas}", order=row.ready),
        Cell(price),
        Cell(printable(shared)),
    )
