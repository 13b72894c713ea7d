"""The manifest: the Deployment as the cluster has it, the document it was made from, or where the two differ."""

from __future__ import annotations

import re
from typing import ClassVar

import yaml
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from genai_tui.domain.disputes import Drift
from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.rows import DeploymentDetail, Ref
from genai_tui.domain.text import printable
from genai_tui.errors import GenaiTuiError
from genai_tui.services import Operations
from screens.deployment.choice_line import Choice, ChoiceLine
from screens.deployment.drifting import drift_lines
from screens.deployment.searching import SearchedText
from screens.deployment.text_view import Row
from screens.format import plural

_KEY = re.compile(r"^(\s*(?:- )*[^\s:#'\"][^:#'\"]*:|\s*-)(\s.*|)$")

LIVE, DOCUMENT, DRIFT = VIEWS = ("live", "document", "drift")
_SUFFIXES = {LIVE: "-live.yaml", DOCUMENT: ".yaml", DRIFT: "-drift.txt"}


def document_yaml(document: ModelDeployment) -> str:
    """The document as a file would have it."""
    data = document.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=False)
    text: str = yaml.safe_dump(_without_empty(data), sort_keys=False, allow_unicode=True, width=120)
    return text


def _without_empty(value: object) -> object:
    """What says nothing is left out, as people leave it out."""
    if isinstance(value, dict):
        kept = {key: _without_empty(part) for key, part in value.items()}
        return {key: part for key, part in kept.items() if part not in ({}, [], "")}
    return [_without_empty(part) for part in value] if isinstance(value, list) else value


def yaml_rows(text: str) -> list[Row]:
    """YAML with keys in a quiet tone, so that values stand out."""
    rows = []
    for line in text.splitlines():
        safe = printable(line)
        match = _KEY.match(safe)
        rows.append(Row(match[2], "", match[1]) if match else Row(safe))
    return rows


def _told_row(line: str) -> Row:
    return Row(printable(line), {"  +": "good", "  -": "bad"}.get(line[:3], ""))


class ManifestPane(SearchedText):
    """Shows one of the three.

    Args:
        operations: where the live object comes from.
        ref: the deployment.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "other", "Live, document, drift", show=False, id="manifest.other",
                tooltip="The live object, the document it was made from, or where the two differ"),
    ]  # fmt: skip

    def __init__(self, operations: Operations, ref: Ref, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._operations, self._ref = operations, ref
        self._detail: DeploymentDetail | None = None
        self._view = LIVE
        self._drift: Drift | None = None
        self._live = self._live_version = self._told = ""

    def compose_top(self) -> ComposeResult:
        """Which of the two, and the switches."""
        yield ChoiceLine(id="manifest-choices")

    def show(self, detail: DeploymentDetail, drift: Drift | None = None) -> None:
        """Follow the deployment: ask again when it changed."""
        self._detail, self._drift = detail, drift
        version = detail.workload.meta.version or "?"
        if self._view != LIVE:
            self._draw()
        elif version != self._live_version:
            self._live_version = version
            self._ask()
        self.show_choices()

    @work(exclusive=True, group="manifest", exit_on_error=False)
    async def _ask(self) -> None:
        if not self._live:
            self._say("reading ...")
        try:
            self._live = await self._operations.live_manifest(self._ref)
        except GenaiTuiError as error:
            self._live_version = ""
            self._say(error.problem.line)
            return
        self._told = ""
        self._draw()

    def _draw(self) -> None:
        document = self._detail.document if self._detail is not None else None
        unreadable = "" if document is not None else "it was not made from a document that can be read"
        if self._view == DRIFT:
            self._told = unreadable or ("" if self._drift is not None else "comparing ...")
            rows = [_told_row(line) for line in drift_lines(self._drift or Drift()).splitlines()]
        elif self._view == DOCUMENT:
            self._told = unreadable
            rows = yaml_rows(document_yaml(document) if document is not None else "")
        else:
            rows = yaml_rows(self._live)
        if rows != list(self.view.rows):
            self.view.replace(rows)
        self.show_status()

    def _say(self, text: str) -> None:
        self._told = text
        self.show_status()

    @property
    def status(self) -> str:
        """What it is."""
        if self._told:
            return self._told
        if self._view == DRIFT:
            count = len(self._drift.fields) if self._drift is not None else 0
            return f"{plural(count, 'field')} changed elsewhere" if count else "everything is live as it was asked for"
        asked = "what was asked for; `genai-tui apply -f` takes it"
        what = asked if self._view == DOCUMENT else "as the cluster has it now"
        return f"{len(self.view.rows):,} lines   {what}"

    def show_choices(self) -> None:
        """The line above."""
        if not self.is_mounted:
            return
        self.query_one("#manifest-choices", ChoiceLine).show(
            (
                Choice("m", "live object", "other", self._view == LIVE),
                Choice("", "document", "other", self._view == DOCUMENT),
                Choice("", "drift", "other", self._view == DRIFT),
                Choice("w", "wrap", "wrap", self.view.wrapping),
                Choice("/", "search", "search"),
                Choice("y", "copy", "copy"),
                Choice("^s", "save", "save"),
            )
        )

    @on(ChoiceLine.Clicked)
    async def _clicked(self, event: ChoiceLine.Clicked) -> None:
        event.stop()
        await self.run_action(event.action)

    def action_other(self) -> None:
        """The next of the three."""
        self._view = VIEWS[(VIEWS.index(self._view) + 1) % len(VIEWS)]
        self._told = ""
        self.view.scroll_home(animate=False)
        if self._detail is not None:
            self.show(self._detail, self._drift)
        self._draw()

    def file_name(self) -> str:
        """Named after the deployment."""
        return f"{self._ref.name}{_SUFFIXES[self._view]}"
