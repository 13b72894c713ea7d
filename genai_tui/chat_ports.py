"""The ports through which screens and commands talk to models and keep what was said; parts of `services.Services`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar

from genai_tui.domain.chat import ChatEvent, ChatRequest, Message
from genai_tui.domain.rows import Ref


class Playground(Protocol):
    """Talking to a deployment. Every finished request becomes a ledger row with the price in force."""

    def ask(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """Stream the answer. Closing the iterator stops the engine. The last event is `Answered`."""
        ...

    async def context_length(self, ref: Ref) -> int | None:
        """The longest context in tokens, as the engine itself says (`max_model_len`); None when it does not."""
        ...

    def way(self, ref: Ref) -> str:
        """How requests get there from here, and why that way; empty when not known."""
        ...

    async def public_address(self, ref: Ref) -> str:
        """Base URL at which developers reach it, ending before /v1; empty where none is known."""
        ...

    def as_developer(self, address: str, key: str | None) -> Playground:
        """The same deployments, asked at a public address with that API key, or with none: without our own rights."""
        ...

    async def count_tokens(
        self, ref: Ref, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()
    ) -> int | None:
        """How many tokens a conversation with its tools is to the engine (`/tokenize`); None where it cannot tell."""
        ...

    async def sample_code(
        self, ref: Ref, language: Literal["curl", "python", "node"], request: ChatRequest | None = None
    ) -> str:
        """A request in the given language that runs as printed: this one, or a short question.

        The key is read from $API_KEY.
        """
        ...


Kept = TypeVar("Kept")


class Shelf(Protocol[Kept]):
    """What the operator keeps on this machine by name (files, 0600)."""

    def save(self, item: Kept) -> None:
        """Keep it under its name, replacing what was there."""

    def saved(self) -> tuple[Kept, ...]:
        """Everything kept, newest first."""
        ...

    def discard(self, name: str, /) -> None:
        """Forget it; nothing happens when there is none."""

    def set_aside(self) -> tuple[str, ...]:
        """One sentence for each that could not be read and was put out of the way."""
        ...
