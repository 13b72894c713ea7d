"""The API: where the deployment answers, under which names, and a request that runs as printed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar, Literal

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll

from genai_tui.chat_ports import Playground
from genai_tui.domain.catalogue import UseCase
from genai_tui.domain.documents import Endpoint, Model
from genai_tui.domain.enforcement import Claim, Enforcement
from genai_tui.domain.handover import handover
from genai_tui.domain.rows import DeploymentDetail, Ref
from genai_tui.errors import GenaiTuiError
from genai_tui.services import Operations
from screens.deployment.choice_line import Choice, ChoiceLine
from screens.deployment.overview import enforcement
from screens.deployment.searching import save_text
from screens.deployment.sheet import Block, Fact, Heading, Sheet, Space, Text
from screens.dialogs.confirm import ConfirmDialog
from screens.dialogs.problem import ProblemDialog

Language = Literal["curl", "python", "node"]
LOOK_EVERY_S = 10.0
LANGUAGES: tuple[tuple[Language, str], ...] = (("curl", "curl"), ("python", "Python"), ("node", "Node"))


def api_blocks(detail: DeploymentDetail, model: Model | None, endpoint: Endpoint | None) -> list[Block]:
    """Where it answers."""
    use = model.spec.use_case if model is not None else UseCase.CHAT
    row = detail.row
    served = ", ".join(row.served_names)
    blocks: list[Block] = [
        Heading("WHERE IT ANSWERS"),
        Fact("endpoint", _where(row.endpoint, endpoint)),
        Fact("model", f"{served}   as the engine itself says" if served else "the engine has not answered yet"),
        Fact("paths", f"{', '.join(use.paths)}: the OpenAI protocol"),
        Fact("key", "read from the environment variable API_KEY, so that it is in no file and no command line"),
    ]
    return blocks


def _where(name: str | None, endpoint: Endpoint | None) -> str:
    if name is None:
        return "none: it was made by others"
    if endpoint is None:
        return name
    outside = endpoint.spec.exposure == "gateway"
    return f"{name}   {endpoint.spec.hostname}, {'through a gateway' if outside else 'inside the cluster'}"


_TONES = {Claim.ENFORCED: "good", Claim.PARTLY: "waiting", Claim.NOT_PROVEN: "waiting", Claim.RECORDED: "quiet"}


def enforcement_blocks(found: Enforcement | None) -> list[Block]:
    """Who keeps limits and sharing, what is proven of it, and everything it rests on."""
    if found is None:
        return [Heading("LIMITS AND SHARING", "asking the gateway ...")]
    blocks: list[Block] = [Heading("LIMITS AND SHARING"), Fact("kept by", found.by or "nothing")]
    if found.hostname:
        blocks.append(Fact("hostname", found.hostname))
    blocks.append(Fact("claim", found.claim.value, _TONES[found.claim]))
    blocks += [Fact("because" if i == 0 else "", reason) for i, reason in enumerate(found.reasons)]
    for i, probe in enumerate(found.probes):
        got = probe.status if probe.status is not None else probe.message or "no answer"
        glyph, tone = ("✔", "good") if probe.good else ("✖", "bad")
        blocks.append(
            Fact("probed" if i == 0 else "", f"{glyph} {probe.what}: expected {probe.expected}, got {got}", tone)
        )
    for i, condition in enumerate(found.conditions):
        glyph, tone = ("✔", "") if condition.good else ("✖", "bad")
        pretends = ", simulated" if condition.simulated else ""
        said = condition.message if not condition.good else f"accepted{pretends}"
        blocks.append(Fact("objects" if i == 0 else "", f"{glyph} {condition.reference}: {said}", tone))
    return blocks


class ApiPane(Vertical):
    """Shows it.

    Args:
        playground: where samples come from.
        operations: who knows the gateway, and probes it.
        ref: the deployment.
        context: named when something is about to be written.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right", "language(1)", "Next language", show=False, id="api.next", tooltip="The sample after it"),
        Binding("left", "language(-1)", "Language before", show=False, id="api.before", tooltip="The sample before"),
        Binding("p", "probe", "Probe the gateway", show=False, id="api.probe",
                tooltip="Send requests that the gateway must refuse"),
        Binding("y", "copy", "Copy", show=False, id="api.copy", tooltip="Copy the sample to the clipboard"),
        Binding("w", "write", "Write", show=False, id="api.write", tooltip="Write all a developer needs into a file"),
    ]  # fmt: skip

    def __init__(
        self, playground: Playground, operations: Operations, ref: Ref, context: str, *, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self._playground, self._operations, self._ref = playground, operations, ref
        self._named_context = context
        self._at_gateway = False
        self._enforcement: Enforcement | None = None
        self._language = 0
        self._samples: dict[Language, str] = {}
        self._told = ""
        self._about: list[Block] = []
        self._asked_with: tuple[object, ...] | None = None
        self._page: Callable[[], str] | None = None

    def compose(self) -> ComposeResult:
        """Where it answers, which language, the sample."""
        with VerticalScroll(classes="sheet--scroll"):
            yield Sheet(id="api-where")
            yield Sheet(id="api-enforcement")
            yield ChoiceLine(id="api-probe")
            yield ChoiceLine(id="api-languages")
            yield Sheet(id="api-sample")

    def show(self, detail: DeploymentDetail, model: Model | None, endpoint: Endpoint | None) -> None:
        """Follow the deployment: ask for the samples again when their address or name may have changed."""
        way = self._playground.way(self._ref)
        self._about = [*api_blocks(detail, model, endpoint), *([Fact("reached by", way)] if way else [])]
        spec = endpoint.spec if endpoint is not None else None
        self._at_gateway = spec is not None and spec.exposure == "gateway" and not detail.row.foreign
        self._page = lambda: handover(detail, model, endpoint, self._samples.items(), self._kept(endpoint))
        asked_with = (detail.row.served_names, detail.row.endpoint, endpoint, detail.document, model)
        if asked_with != self._asked_with:
            self._asked_with = asked_with
            self._ask()
            if self._at_gateway:
                self._look()
        self._draw()

    def _kept(self, endpoint: Endpoint | None) -> str:
        """Who keeps the limits, as far as it is known."""
        return self._enforcement.line if self._at_gateway and self._enforcement else enforcement(endpoint)

    @work(exclusive=True, group="samples", exit_on_error=False)
    async def _ask(self) -> None:
        try:
            self._samples = {name: await self._playground.sample_code(self._ref, name) for name, _ in LANGUAGES}
            self._told = ""
        except GenaiTuiError as error:
            self._told = error.problem.line
            self._asked_with = None
        self._draw()

    @work(exclusive=True, group="enforcement", exit_on_error=False)
    async def _look(self) -> None:
        """Ask what the gateway's controllers say, again while somebody looks."""
        while self.is_mounted:
            if self._at_gateway and self.display and self.screen.is_current:
                try:
                    self._enforcement = await self._operations.enforcement(self._ref)
                except GenaiTuiError as error:
                    self._enforcement = Enforcement(None, Claim.NOT_PROVEN, (error.problem.line,))
                self._draw()
            await asyncio.sleep(LOOK_EVERY_S)

    @work(exclusive=True, group="probe", exit_on_error=False)
    async def action_probe(self) -> None:
        """Ask, then send what the gateway must refuse."""
        if not self._at_gateway:
            self.notify("its endpoint is bound to no gateway: there is nothing to probe", severity="warning")
            return
        text = (
            f"In {self._named_context}: five requests that must be refused. For three of them a key that may"
            " call nothing is made as a Secret, and deleted again."
        )
        if not await self.app.push_screen_wait(ConfirmDialog(f"Probe the gateway of {self._ref}?", text, yes="Probe")):
            return
        self.notify("probing; a new key can take some seconds to be known", timeout=4)
        try:
            self._enforcement = await self._operations.prove(self._ref)
        except GenaiTuiError as error:
            self.app.push_screen(ProblemDialog(error.problem))
        self._draw()

    def focus_text(self) -> None:
        """Give the sheet the keys."""
        self.query_one(VerticalScroll).focus(scroll_visible=False)

    def _draw(self) -> None:
        self.query_one("#api-where", Sheet).show([*self._about, Space()])
        blocks_of_gateway = [*enforcement_blocks(self._enforcement), Space()] if self._at_gateway else []
        self.query_one("#api-enforcement", Sheet).show(blocks_of_gateway)
        self.query_one("#api-probe", ChoiceLine).show(
            (Choice("p", "probe the gateway", "probe"),) if self._at_gateway else ()
        )
        for hidden in ("#api-enforcement", "#api-probe"):
            self.query_one(hidden).display = self._at_gateway
        choices = [Choice("", title, f"choose({i})", i == self._language) for i, (_, title) in enumerate(LANGUAGES)]
        self.query_one("#api-languages", ChoiceLine).show(
            (
                *choices,
                Choice("← →", "language", "language(1)"),
                Choice("y", "copy", "copy"),
                Choice("w", "write a page", "write"),
            )
        )
        if self._told:
            blocks: list[Block] = [Text(self._told, "waiting")]
        else:
            blocks = [_code_line(line) for line in self._sample().splitlines()]
        self.query_one("#api-sample", Sheet).show([Space(), *blocks])

    def _sample(self) -> str:
        return self._samples.get(LANGUAGES[self._language][0], "")

    @on(ChoiceLine.Clicked)
    async def _clicked(self, event: ChoiceLine.Clicked) -> None:
        event.stop()
        await self.run_action(event.action)

    def action_choose(self, number: int) -> None:
        """A language by its number from 0."""
        self._language = number
        self._draw()

    def action_language(self, by: int) -> None:
        """Another language."""
        self.action_choose((self._language + by) % len(LANGUAGES))

    async def action_write(self) -> None:
        """Write what a developer needs to call it, as Markdown, into a new file here."""
        if self._page is not None and self._samples:
            await save_text(self, f"{self._ref.namespace}-{self._ref.name}.md", self._page())

    def action_copy(self) -> None:
        """Copy the sample; terminals that allow it (OSC 52) hand it to the desktop."""
        self.app.copy_to_clipboard(self._sample())
        self.notify(f"the {LANGUAGES[self._language][1]} sample was copied", timeout=3)


def _code_line(line: str) -> Block:
    comment = line.startswith(("# ", "// "))
    return Text(line, "quiet" if comment else "") if line else Space()
