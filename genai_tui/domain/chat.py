"""A conversation with a deployment, as values: what is asked, and the events an answer consists of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from genai_tui.domain.money import Cost
from genai_tui.domain.rows import Ref
from genai_tui.domain.usage import Timings, TokenUsage


@dataclass(frozen=True, slots=True)
class Message:
    """One turn (OpenAI's chat message)."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """OpenAI's sampling parameters; None leaves the engine's default."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What to ask whom. `source` names who asks, for the ledger: playground or cli."""

    ref: Ref
    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    source: Literal["playground", "cli"] = "playground"


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer.

    `usage` and `cost` are running figures so far, where the engine reports them with every piece.
    """

    text: str
    usage: TokenUsage | None = None
    cost: Cost | None = None


@dataclass(frozen=True, slots=True)
class ThoughtDelta:
    """The next piece of what a reasoning model thinks before it answers; no part of the answer's text."""

    text: str
    usage: TokenUsage | None = None
    cost: Cost | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The end of an answer. `usage` None: the engine reported none (shown so, never as 0); `cost` None: no price."""

    text: str
    finish_reason: str
    usage: TokenUsage | None
    timings: Timings
    cost: Cost | None


ChatEvent = TextDelta | ThoughtDelta | Answered
