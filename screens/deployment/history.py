"""Choosing an earlier revision: what ran, when, and what going back to it would change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.drafts import DEPLOYMENT_FORM, from_document
from genai_tui.domain.form_changes import Change, changes, interruption
from genai_tui.domain.revisions import Revision, rolled_back
from genai_tui.domain.text import printable
from genai_tui.errors import GenaiTuiError
from screens.dialogs.base import Dialog
from screens.format import MISSING, age, plural

_LINES = 6


class HistoryDialog(Dialog[ModelDeployment]):
    """Asks for a revision; answers the document it was made from, or None when it was left.

    Args:
        now: what the deployment is made from now.
        reading: gives every revision, newest first; awaited once.
        clock: the time, for ages.
        room: whether GPUs are free for one replica more than a document wants.
    """

    KEYS: ClassVar[str] = "enter review going back   esc back"

    def __init__(
        self,
        now: ModelDeployment,
        reading: Awaitable[tuple[Revision, ...]],
        clock: Callable[[], datetime],
        room: Callable[[ModelDeployment], bool],
    ) -> None:
        super().__init__(f"Revisions of {now.metadata.namespace}/{now.metadata.name}")
        self._now, self._reading, self._clock, self._room = now, reading, clock, room
        self._revisions: tuple[Revision, ...] = ()

    def compose_content(self) -> ComposeResult:
        """The list, and below it what the revision under the cursor would change."""
        yield OptionList(classes="picker--list", compact=True, markup=False)
        yield Static("reading the ReplicaSets ...", classes="dialog--text", markup=False)

    def on_mount(self) -> None:
        """Read."""
        self.query_one(OptionList).display = False
        self._read()

    @work(exclusive=True, exit_on_error=False)
    async def _read(self) -> None:
        try:
            self._revisions = await self._reading
        except GenaiTuiError as error:
            self._say(f"✖ {error.problem.line}")
            return
        options = self.query_one(OptionList)
        options.add_options(Option(self._line(revision)) for revision in self._revisions)
        options.display = bool(self._revisions)
        earlier = next((i for i, revision in enumerate(self._revisions) if not revision.current), None)
        if earlier is None:
            self._say("There is no earlier revision: it was never changed, or the cluster keeps none.")
        else:
            options.highlighted = earlier
            options.focus()

    def _line(self, revision: Revision) -> Content:
        model = revision.document.spec.model if revision.document is not None else "spec cannot be read"
        what = printable(f"{model}   {revision.image or MISSING}")
        state = f"now, {revision.ready}/{revision.replicas} ready" if revision.current else ""
        when = f"{age(revision.created, self._clock())} old"
        return Content.assemble(
            (f"{revision.number:>4}  ", "bold"), (f"{when:<9} ", "$text-muted"), what, (f"   {state}", "$text-accent")
        )

    @on(OptionList.OptionHighlighted)
    def _looked_at(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._say(self._meaning(self._revisions[event.option_index]))

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        revision = self._revisions[event.option_index]
        if revision.document is not None and self._differing(revision):
            self.dismiss(revision.document)

    def _differing(self, revision: Revision) -> tuple[Change, ...]:
        if revision.document is None:
            return ()
        before, after = from_document(self._now), from_document(rolled_back(self._now, revision.document))
        return changes(DEPLOYMENT_FORM.fields, before, after)

    def _meaning(self, revision: Revision) -> str:
        if revision.document is None:
            return "What it was made from cannot be read: it cannot be gone back to from here."
        found = self._differing(revision)
        if not found:
            return "It is what the deployment has now." if revision.current else "Its settings are those of now."
        after = from_document(rolled_back(self._now, revision.document))
        lines = [f"{change.field.label}: {_short(change.before)} → {_short(change.after)}" for change in found[:_LINES]]
        if len(found) > _LINES:
            lines.append(f"and {plural(len(found) - _LINES, 'more field')}")
        lines.append("")
        lines.append(interruption(found, after, room=self._room(rolled_back(self._now, revision.document))))
        lines.append("Replicas, limits, prices and sharing stay as they are now.")
        return printable_lines(lines)

    def _say(self, text: str) -> None:
        self.query_one(".dialog--text", Static).update(text)


def _short(text: str) -> str:
    one = " ".join(text.split()) or "none"
    return one if len(one) <= 24 else f"{one[:23]}…"


def printable_lines(lines: list[str]) -> str:
    """Several lines, with nothing a terminal would act on."""
    return "\n".join(printable(line) for line in lines)
