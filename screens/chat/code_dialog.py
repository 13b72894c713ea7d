"""The same request in code: curl, Python, Node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import ScrollableContainer
from textual.widgets import Static

from genai_tui.domain.text import printable_lines
from screens.dialogs.base import Dialog
from screens.widgets.choice_row import ChoiceRow

Language = Literal["curl", "python", "node"]
LANGUAGES: tuple[Language, ...] = ("curl", "python", "node")


class CodeDialog(Dialog[None]):
    """Shows one sample at a time.

    Args:
        title: whose samples they are.
        samples: the code, by language.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "next", "Next language", show=False),
        Binding("c", "copy", "Copy", show=False),
    ]
    KEYS = "←→ language   ↑ ↓ scroll   c copy   esc back"
    SCROLLED = "#code-box"

    def __init__(self, title: str, samples: Mapping[Language, str]) -> None:
        super().__init__(title)
        self.add_class("-code")
        self._samples = samples

    def compose_content(self) -> ComposeResult:
        """The languages, the code."""
        yield ChoiceRow(LANGUAGES, LANGUAGES[0], id="code-language")
        with ScrollableContainer(id="code-box", can_focus=False):
            yield Static(printable_lines(self._samples[LANGUAGES[0]]), id="code-text", markup=False)

    def on_mount(self) -> None:
        """The languages have the focus."""
        self.query_one(ChoiceRow).focus()

    @property
    def _shown(self) -> Language:
        value = self.query_one(ChoiceRow).value
        return next(language for language in LANGUAGES if language == value)

    @on(ChoiceRow.Changed)
    def _show(self, event: ChoiceRow.Changed) -> None:
        event.stop()
        self.query_one("#code-text", Static).update(printable_lines(self._samples[self._shown]))
        self.query_one("#code-box").scroll_home(animate=False)

    def action_next(self) -> None:
        """The next language."""
        self.query_one(ChoiceRow).action_step(1)

    def action_copy(self) -> None:
        """Put the code on the clipboard of the terminal."""
        self.app.copy_to_clipboard(self._samples[self._shown])
        self.notify(f"{self._shown} sample copied")
