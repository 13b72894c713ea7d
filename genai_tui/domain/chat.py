"""A conversation with a deployment, as values: what is asked, and the events an answer consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from genai_tui.domain.money import Cost
from genai_tui.domain.rows import Ref
from genai_tui.domain.usage import Timings, TokenUsage


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function the model wants called, with its arguments as the JSON text it wrote; `id` may be empty."""

    name: str
    arguments: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat, as OpenAI has it.

    `tool_calls` are the assistant's, and `tool_call_id` says which of them a tool's message is the result of.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen; None leaves the engine's default.

    `top_k`, `min_p` and `repetition_penalty` are vLLM's and llama.cpp's, the others OpenAI's.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """What an answer is to be: a JSON object, with the chances of each token, or a call of one of `tools`.

    `top_logprobs` is how many other tokens are told with each (0 for none of them); None asks for no chances.
    `tools` are OpenAI's tool objects.
    """

    json_object: bool = False
    top_logprobs: int | None = None
    tools: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What to ask whom. `source` names who asks, for the ledger: playground or cli."""

    ref: Ref
    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    output: Output = Output()
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
class TokenChance:
    """A token of an answer with its log probability, and others that might have stood there, likeliest first."""

    token: str
    logprob: float
    others: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """The end of an answer. `usage` None: the engine reported none (shown so, never as 0); `cost` None: no price."""

    text: str
    finish_reason: str
    usage: TokenUsage | None
    timings: Timings
    cost: Cost | None
    tool_calls: tuple[ToolCall, ...] = ()
    chances: tuple[TokenChance, ...] = ()


ChatEvent = TextDelta | ThoughtDelta | Answered
