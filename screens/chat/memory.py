"""Conversations of this run: leaving the playground and coming back finds them again. None goes to disk unasked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from textual.app import App

from genai_tui.domain.chat import ToolCall
from genai_tui.domain.conversation import SavedConversation, Turn, asked
from genai_tui.domain.rows import Ref
from screens.chat.turn_view import TurnView
from screens.chat.words import short


@dataclass(frozen=True, slots=True)
class Edit:
    """A question, or results, being changed: the place, and what stood in the line to ask and was given before."""

    at: int
    draft: str
    results: tuple[str, ...] | None = None


@dataclass(slots=True)
class Held:
    """A conversation with a deployment, the settings it was held with, and what was typed and not sent.

    `results` are those given so far of the calls of the last answer; None where what is typed is a question.
    `name` is what it was last kept by, and `kept` what was kept then.
    """

    turns: tuple[Turn, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    typed: str = ""
    edit: Edit | None = None
    results: tuple[str, ...] | None = None
    name: str = ""
    kept: tuple[Turn, ...] = ()

    @property
    def unkept(self) -> bool:
        """Whether something of it would be lost with it."""
        return bool(self.turns) and self.turns != self.kept

    @property
    def before(self) -> tuple[Turn, ...]:
        """The turns that what is typed follows."""
        return self.turns if self.edit is None else self.turns[: self.edit.at]

    @property
    def wanted(self) -> tuple[ToolCall, ...]:
        """The calls whose results are still to be typed; none where it is a question."""
        return self.before[-1].calls[len(self.results) :] if self.results is not None and self.before else ()

    def next(self, text: str) -> Turn | None:
        """What is asked with that text; None while results of other calls are wanted after it."""
        if not self.wanted or self.results is None:
            return Turn(text)
        return Turn("", results=(*self.results, text)) if len(self.wanted) == 1 else None

    def want_results(self) -> None:
        """From now on what is typed is the result of the last answer's first call, where it calls any."""
        self.results = () if self.turns and self.turns[-1].calls else None


@dataclass(slots=True)
class Asking:
    """A question that is being answered. It belongs to the conversation in which it was asked, whatever is shown."""

    conversation: Held
    at: int
    turn: Turn
    view: TurnView

    def line(self) -> tuple[Turn, ...]:
        """The conversation with this turn in its place."""
        return asked(self.conversation.turns, self.at, self.turn)

    def stop(self) -> None:
        """The operator ended it; an answer that is whole stays so."""
        if self.turn.end is None:
            self.turn = replace(self.turn, stopped=True)


@dataclass(slots=True)
class _Run:
    held: dict[Ref, Held] = field(default_factory=dict)
    left: list[SavedConversation] = field(default_factory=list)


_OF_RUN: WeakKeyDictionary[App[Any], _Run] = WeakKeyDictionary()


def held(app: App[Any], ref: Ref) -> Held:
    """The conversation with a deployment; an empty one at first."""
    return _run(app).held.setdefault(ref, Held())


def hold(app: App[Any], ref: Ref, conversation: Held, now: datetime) -> None:
    """Put another conversation in its place; what would be lost with the one before is found in `left`."""
    before = held(app, ref)
    if before.unkept:
        name = before.name or short(before.turns[0].question)
        _run(app).left.insert(0, SavedConversation(name, ref, before.settings, before.turns, now))
    _run(app).held[ref] = conversation


def left(app: App[Any]) -> list[SavedConversation]:
    """Conversations that others took the place of and that were not kept, newest first; they end with the console."""
    return _run(app).left


def _run(app: App[Any]) -> _Run:
    return _OF_RUN.setdefault(app, _Run())
