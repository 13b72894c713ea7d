"""Conversations of this run: leaving the playground and coming back finds them again. None goes to disk unasked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from textual.app import App

from genai_tui.domain.conversation import Turn
from genai_tui.domain.rows import Ref


@dataclass(slots=True)
class Held:
    """A conversation with a deployment, the settings it was held with, and what was typed and not sent.

    `name` is what it was last kept by, and `kept` what was kept then.
    """

    turns: list[Turn] = field(default_factory=list)
    settings: Mapping[str, str] = field(default_factory=dict)
    typed: str = ""
    name: str = ""
    kept: tuple[Turn, ...] = ()


_OF_RUN: WeakKeyDictionary[App[Any], dict[Ref, Held]] = WeakKeyDictionary()


def held(app: App[Any], ref: Ref) -> Held:
    """The conversation with a deployment; an empty one at first."""
    return _OF_RUN.setdefault(app, {}).setdefault(ref, Held())
