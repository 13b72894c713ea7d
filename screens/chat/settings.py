"""System prompt and sampling beside the conversation, checked as they are typed. Empty leaves the engine's default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input, Label, Static, TextArea

from genai_tui.domain.chat import Output, Sampling
from genai_tui.domain.problems import FieldProblem
from genai_tui.domain.sampling import FIELDS, MAX_TOKENS, NAMES, TEMPERATURE, TOP_P, read_settings
from screens.chat.words import short

SYSTEM = "system"


class ChatSettings(Vertical):
    """The fields, and below them what else is set and what is wrong."""

    FIELDS: ClassVar[tuple[str, ...]] = (TEMPERATURE, TOP_P, MAX_TOKENS)

    class Changed(Message):
        """A person changed a field."""

    def __init__(self) -> None:
        super().__init__(id="chat-settings")
        self.context_length: int | None = None
        self._others: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """One group a field, so that they stand in a row or below each other as the style sheet says."""
        with Horizontal(id="chat-fields"):
            with Horizontal(classes="setting -system"):
                yield Label("system", classes="setting--label")
                yield TextArea("", id=SYSTEM, compact=True, placeholder="none", highlight_cursor_line=False)
            for field in self.FIELDS:
                with Horizontal(classes="setting"):
                    yield Label(NAMES[field], classes="setting--label")
                    yield Input(placeholder="default", id=field, compact=True, select_on_focus=False)
        yield Static("", id="chat-more", markup=False)
        yield Static("", id="chat-wrong", markup=False)

    def on_mount(self) -> None:
        """Nothing is wrong yet."""
        self.check()

    @property
    def system(self) -> str:
        """The system prompt."""
        return self.query_one(f"#{SYSTEM}", TextArea).text

    @property
    def texts(self) -> Mapping[str, str]:
        """What is typed, by field; those that stand on the page of all settings too."""
        return (
            self._others
            | {field: self.query_one(f"#{field}", Input).value for field in self.FIELDS}
            | {SYSTEM: self.system}
        )

    def put(self, texts: Mapping[str, str]) -> None:
        """Show what was typed before."""
        self._others = {field.name: texts.get(field.name, "") for field in FIELDS if field.name not in self.FIELDS}
        for field in self.FIELDS:
            self.query_one(f"#{field}", Input).value = texts.get(field, "")
        self.query_one(f"#{SYSTEM}", TextArea).text = texts.get(SYSTEM, "")
        self.check()

    def read(self) -> tuple[Sampling, Output, tuple[FieldProblem, ...]]:
        """What the fields mean, and what is wrong with them."""
        return read_settings(self.texts, self.context_length)

    def go_to(self, field: str) -> None:
        """Put the cursor into a field."""
        self.screen.set_focus(self.query_one(f"#{field}"))

    @on(Input.Changed)
    @on(TextArea.Changed)
    def _changed(self, event: Input.Changed | TextArea.Changed) -> None:
        event.stop()
        self.check()
        self.post_message(self.Changed())

    def check(self) -> None:
        """Mark the wrong fields and say what is wrong with each."""
        _, _, problems = self.read()
        wrong = {problem.field: problem.message for problem in problems}
        for field in self.FIELDS:
            self.query_one(f"#{field}").set_class(field in wrong, "-wrong")
        more = self.query_one("#chat-more", Static)
        also = [f"{NAMES[name]} {short(text, 16)}" for name, text in self._others.items() if text.strip()]
        more.display = bool(also)
        more.update("also  " + "   ".join(also) if also else "")
        line = self.query_one("#chat-wrong", Static)
        line.display = bool(wrong)
        line.update("\n".join(f"{NAMES[field]}: {message}" for field, message in wrong.items()))

    @on(Input.Submitted)
    def _next_field(self, event: Input.Submitted) -> None:
        event.stop()
        self.screen.focus_next()
