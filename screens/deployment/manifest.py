"""The manifest: the Deployment as the cluster has it, or the document it was made from."""

from __future__ import annotations

import re
from typing import ClassVar

import yaml
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.rows import DeploymentDetail, Ref
from genai_tui.domain.text import printable
from genai_tui.errors import GenaiTuiError
from genai_tui.services import Operations
from screens.deployment.choice_line import Choice, ChoiceLine
from screens.deployment.searching import SearchedText
from screens.deployment.text_view import Row

_KEY = re.compile(r"^(\s*(?:- )*[^\s:#'\"][^:#'\"]*:|\s*-)(\s.*|)$")


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


class ManifestPane(SearchedText):
    """Shows one of the two.

    Args:
        operations: where the live object comes from.
        ref: the deployment.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "other", "Live or document", show=False, id="manifest.other",
                tooltip="The live object, or the document it was made from"),
    ]  # fmt: skip

    def __init__(self, operations: Operations, ref: Ref, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._operations, self._ref = operations, ref
        self._detail: DeploymentDetail | None = None
        self._document = False
        self._live = self._live_version = self._told = ""

    def compose_top(self) -> ComposeResult:
        """Which of the two, and the switches."""
        yield ChoiceLine(id="manifest-choices")

    def show(self, detail: DeploymentDetail) -> None:
        """Follow the deployment: ask again when it changed."""
        self._detail = detail
        version = detail.workload.meta.version or "?"
        if self._document:
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
        text = self._live
        if self._document:
            text = document_yaml(document) if document is not None else ""
            self._told = "" if document is not None else "it was not made from a document that can be read"
        rows = yaml_rows(text)
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
        what = "what was asked for; `genai-tui apply -f` takes it" if self._document else "as the cluster has it now"
        return f"{len(self.view.rows):,} lines   {what}"

    def show_choices(self) -> None:
        """The line above."""
        if not self.is_mounted:
            return
        self.query_one("#manifest-choices", ChoiceLine).show(
            (
                Choice("m", "live object", "other", not self._document),
                Choice("", "document", "other", self._document),
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
        """The other one of the two."""
        self._document = not self._document
        self._told = ""
        self.view.scroll_home(animate=False)
        if self._detail is not None:
            self.show(self._detail)
        self._draw()

    def file_name(self) -> str:
        """Named after the deployment."""
        return f"{self._ref.name}{'' if self._document else '-live'}.yaml"
