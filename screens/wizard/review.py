"""The last step: what is wrong, what will be made, what the API server says about it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import ScrollableContainer, Vertical
from textual.content import Content
from textual.message import Message
from textual.style import Style
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from genai_tui.domain.disputes import Dispute, shown
from genai_tui.domain.form_field import FieldKind, FormField
from genai_tui.domain.model_secrets import MissingSecret
from genai_tui.domain.preflight import Check, Level
from genai_tui.domain.problems import Problem
from genai_tui.services import Preview
from screens.forms.controls import AdvanceRequested, ChoiceControl, Edited
from screens.wizard.summary import hanging

SUMMARY, MANIFEST, DIFF = "summary", "manifest", "diff"
_VIEW = FormField("view", "Review", "Show", "What to look at.", FieldKind.CHOICE, options=(SUMMARY, MANIFEST, DIFF))

_URGENCY = (Level.STOP, Level.WARNING, Level.UNKNOWN, Level.OK)
_MARKS = {
    Level.STOP: ("✖ stop", "review--bad"),
    Level.WARNING: ("▲ warning", "review--warned"),
    Level.UNKNOWN: ("? unknown", "review--label"),
    Level.OK: ("✔ ok", "review--good"),
}


@dataclass(frozen=True, slots=True)
class Remark:
    """A line of the list on top: the field it is about, its label, the sentence, and whether it stops the form."""

    field_id: str
    label: str
    text: str
    stops: bool


class ReviewPane(Vertical):
    """Verdict, problems, and one of three views: summary, manifest, diff."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "review--label",
        "review--added",
        "review--removed",
        "review--place",
        "review--bad",
        "review--good",
        "review--warned",
    }

    @dataclass
    class FieldChosen(Message):
        """A problem was chosen: go to its field."""

        field_id: str

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._remarks: tuple[Remark, ...] = ()
        self._summary: tuple[tuple[str, str], ...] = ()
        self._lead = ""
        self._preview: Preview | None = None
        self._failure: Problem | None = None
        self._asking = False
        self._saving = False

    def compose(self) -> ComposeResult:
        """From the most urgent to the most detailed."""
        yield Static(id="review-verdict", markup=False)
        yield OptionList(id="review-remarks", compact=True, markup=False)
        yield ChoiceControl(_VIEW, SUMMARY)
        with ScrollableContainer(id="review-content"):
            yield Static(id="review-text", markup=False)

    @property
    def view(self) -> str:
        """Which view is shown."""
        return self.query_one(ChoiceControl).text

    def show_form(self, remarks: Sequence[Remark], summary: Sequence[tuple[str, str]], lead: str) -> None:
        """Show a form as it is now; what the server said about an older one is forgotten.

        Args:
            remarks: problems first, then warnings.
            summary: (label, text) of what will be made; empty while something is wrong.
            lead: what the change does to what runs; empty for a new deployment.
        """
        self._remarks = tuple(remarks)
        self._summary = tuple(summary)
        self._lead = lead
        self._preview = self._failure = None
        self._asking = self._saving = False
        self._refresh()

    def show_asking(self) -> None:
        """Say that the server is being asked."""
        self._asking, self._preview, self._failure = True, None, None
        self._refresh()

    def show_saving(self) -> None:
        """Say that it is being saved."""
        self._failure, self._saving = None, True
        self._refresh()

    @property
    def asking(self) -> bool:
        """Whether the server's answer is on its way."""
        return self._asking

    @property
    def stops(self) -> tuple[Check, ...]:
        """What the pre-flight says cannot work."""
        return tuple(c for c in self._preview.checks if c.level is Level.STOP) if self._preview is not None else ()

    @property
    def missing(self) -> MissingSecret | None:
        """The first Secret that is referred to and does not exist."""
        checks = self._preview.checks if self._preview is not None else ()
        return next((check.missing for check in checks if check.missing is not None), None)

    @property
    def at_first(self) -> bool:
        """Whether the focus is on the first thing that can have it."""
        return self._first.has_focus

    def focus_first(self) -> None:
        """Focus the problems, or the choice of views."""
        self._first.focus()

    @property
    def _first(self) -> Widget:
        return self.query_one("#review-remarks" if self._remarks else "ChoiceControl")

    def show_preview(self, preview: Preview) -> None:
        """Show what the server's dry run said."""
        self._asking, self._preview = False, preview
        self._refresh()

    def show_failure(self, problem: Problem) -> None:
        """Show why something could not be done; the form is as it was."""
        self._asking = self._saving = False
        self._failure = problem
        self._refresh()

    def _refresh(self) -> None:
        remarks = self.query_one("#review-remarks", OptionList)
        highlighted = remarks.highlighted
        remarks.clear_options()
        remarks.add_options(Option(self._remark(remark)) for remark in self._remarks)
        remarks.display = bool(self._remarks)
        if self._remarks:
            remarks.highlighted = min(highlighted or 0, len(self._remarks) - 1)
        self.query_one("#review-verdict", Static).update(self._verdict())
        self._show_view()

    def _remark(self, remark: Remark) -> Content:
        style = self._styled("review--bad" if remark.stops else "review--warned")
        return Content.assemble(
            Content.styled("✖ " if remark.stops else "▲ ", style),
            Content.styled(f"{remark.label}: ", self._styled("review--label")),
            remark.text,
        )

    def on_resize(self) -> None:
        """Wrap again, once everything has its width."""
        self.call_after_refresh(self._show_view)

    def _styled(self, name: str) -> Style:
        return self.get_visual_style(name, partial=True)

    def _verdict(self) -> Content:
        wrong = sum(remark.stops for remark in self._remarks)
        if self._failure is not None:
            return self._told(self._failure)
        if wrong:
            text = "1 field needs attention" if wrong == 1 else f"{wrong} fields need attention"
            return Content.styled(f"✖ {text}: enter goes to the field", self._styled("review--bad"))
        if self._saving:
            return Content("· saving...")
        if self._asking:
            return Content("· asking the server what it would do...")
        if self._preview is None:
            return Content("")
        if self._preview.refusal is not None:
            return Content.styled(f"✖ The server would refuse: {self._preview.refusal}", self._styled("review--bad"))
        if self.stops:
            what = ", ".join(check.about for check in self.stops)
            make = f" F9 makes Secret {self.missing.name};" if self.missing is not None else ""
            text = f"✖ This would not start: {what}.{make} Ctrl+S asks before it saves"
            return Content.styled(text, self._styled("review--bad"))
        if set(self._preview.outcomes.values()) <= {"unchanged"}:
            return Content.styled("✔ Everything is already so: saving changes nothing", self._styled("review--good"))
        if self._preview.disputes:
            who = ", ".join(sorted({dispute.holder for dispute in self._preview.disputes}))
            text = f"▲ {who} changed what this would change back. Ctrl+S asks about each field"
            return Content.styled(text, self._styled("review--warned"))
        return Content.styled("✔ The server accepts it. Ctrl+S saves and deploys", self._styled("review--good"))

    def _told(self, problem: Problem) -> Content:
        label = self._styled("review--label")
        lines = [Content.styled(f"✖ {problem.what}", self._styled("review--bad"))]
        for name, text in (("why", problem.why), ("do", problem.next_step), ("", problem.detail)):
            lines += [Content.assemble(Content.styled(f"  {name:<5}", label), part) for part in text.splitlines()]
        return Content("\n").join(lines)

    def _show_view(self) -> None:
        texts = {SUMMARY: self._summary_view, MANIFEST: self._manifest_view, DIFF: self._diff_view}
        text = self.query_one("#review-text", Static)
        text.set_class(self.view != SUMMARY, "-unwrapped")
        text.update(texts[self.view]())

    def _summary_view(self) -> Content:
        lines: list[Content] = []
        label = self._styled("review--label")
        width = self.query_one("#review-content").size.width - 3
        checks = self._preview.checks if self._preview is not None else ()
        ordered = sorted(checks, key=lambda check: _URGENCY.index(check.level))
        pressing = any(check.level in (Level.STOP, Level.WARNING) for check in checks)
        if pressing:
            lines += [*self._checked(ordered, width), Content("")]
        if self._preview is not None and self._preview.disputes:
            lines += [*self._disputed(self._preview.disputes), Content("")]
        if self._lead:
            lines += [Content(self._lead), Content("")]
        lines += [Content.assemble(Content.styled(name, label), text) for name, text in hanging(self._summary, width)]
        if self._preview is not None:
            lines += [Content(""), Content.styled("On the server", label)]
            lines += [Content(f"  {outcome:<10}{what}") for what, outcome in self._preview.outcomes.items()]
            lines += [
                Content.styled(f"  ▲ {warning}", self._styled("review--warned")) for warning in self._preview.warnings
            ]
        if ordered and not pressing:
            lines += [Content(""), *self._checked(ordered, width)]
        return Content("\n").join(lines)

    def _disputed(self, disputes: Sequence[Dispute]) -> list[Content]:
        lines = [Content.styled("Held by others", self._styled("review--label"))]
        for dispute in disputes:
            lines.append(
                Content.assemble("  ", (f"▲ {dispute.holder}", self._styled("review--warned")), f"  {dispute.path}")
            )
            lines.append(Content(f"      theirs {shown(dispute.theirs)}, this would write {shown(dispute.ours)}"))
        return lines

    def _checked(self, checks: Sequence[Check], width: int) -> list[Content]:
        lines = [Content.styled("Before it is saved", self._styled("review--label"))]
        for check in checks:
            mark, style = _MARKS[check.level]
            make = "; F9 makes it" if check.missing is not None and check.missing == self.missing else ""
            first, *others = textwrap.wrap(f"{mark} {check.about}: {check.text}{make}", max(20, width - 4))
            said = first.removeprefix(mark)
            lines.append(Content.assemble("  ", Content.styled(mark, self._styled(style)), said))
            lines += [Content(f"    {line}") for line in others]
        return lines

    def _manifest_view(self) -> Content:
        if self._preview is None:
            return Content(self._nothing_yet())
        return Content("---\n".join(manifest.yaml for manifest in self._preview.manifests))

    def _diff_view(self) -> Content:
        if self._preview is None:
            return Content(self._nothing_yet())
        if not self._preview.diff:
            return Content("The cluster has it exactly so.")
        return Content("\n").join(self._diff_line(line) for line in self._preview.diff.splitlines())

    def _diff_line(self, line: str) -> Content:
        styles = {"+": "review--added", "-": "review--removed", "@": "review--place"}
        name = styles.get(line[:1])
        return Content.styled(line, self._styled(name)) if name else Content(line)

    def _nothing_yet(self) -> str:
        return "Asking the server..." if self._asking else "Nothing to show while fields are wrong."

    @on(Edited)
    def _another_view(self, event: Edited) -> None:
        event.stop()
        self._show_view()
        self.query_one("#review-content").scroll_home(animate=False)

    @on(AdvanceRequested)
    def _into_the_view(self, event: AdvanceRequested) -> None:
        event.stop()
        self.query_one("#review-content").focus()

    @on(OptionList.OptionSelected)
    def _to_field(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.post_message(self.FieldChosen(self._remarks[event.option_index].field_id))
