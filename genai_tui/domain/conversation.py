"""A conversation as it was held: which turns the next question carries along, and what they came to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from genai_tui.domain.chat import Answered, Message, TokenChance
from genai_tui.domain.money import Cost, total
from genai_tui.domain.problems import Problem
from genai_tui.domain.rows import Ref
from genai_tui.domain.usage import TokenUsage


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and what became of it.

    `end` is the whole answer's counts; `stopped` is an answer the operator ended early; `problem` why there is none.
    `usage` and `cost` are the last running figures of an answer that has no end.
    `others` are the other tries at this place of the conversation, in the order in which they were made, and `place` is
    where this one stands among them all, from 0.
    """

    question: str
    answer: str = ""
    thoughts: str = ""
    end: Answered | None = None
    stopped: bool = False
    problem: Problem | None = None
    running_usage: TokenUsage | None = None
    running_cost: Cost | None = None
    others: tuple[Turn, ...] = ()
    place: int = 0

    @property
    def tries(self) -> tuple[Turn, ...]:
        """Every try at this place, in the order in which they were made."""
        alone = replace(self, others=(), place=0)
        return (*self.others[: self.place], alone, *self.others[self.place :])

    @property
    def usage(self) -> TokenUsage | None:
        """What the engine reported, at the end or up to where it was stopped."""
        return self.end.usage if self.end is not None else self.running_usage

    @property
    def cost(self) -> Cost | None:
        """What that costs."""
        return self.end.cost if self.end is not None else self.running_cost

    @property
    def carried(self) -> bool:
        """Whether the next question carries this turn: there must be something of an answer."""
        return self.problem is None and bool(self.answer)


@dataclass(frozen=True, slots=True)
class SavedConversation:
    """A conversation kept by its name: with whom, with which settings (as typed, by field), and every turn and try."""

    name: str
    ref: Ref
    settings: Mapping[str, str]
    turns: tuple[Turn, ...]
    saved: datetime


@dataclass(frozen=True, slots=True)
class SavedPrompt:
    """A system prompt kept by its name."""

    name: str
    text: str
    saved: datetime


def tried_again(before: Turn, now: Turn) -> Turn:
    """The newest try, with those before it one key away."""
    tries = before.tries
    return replace(now, others=tries, place=len(tries))


def other_try(turn: Turn, by: int) -> Turn:
    """Another try of the same place, round at the ends."""
    tries = turn.tries
    place = (turn.place + by) % len(tries)
    return replace(tries[place], others=(*tries[:place], *tries[place + 1 :]), place=place)


@dataclass(frozen=True, slots=True)
class Totals:
    """What the questions of a conversation came to, every try among them: each was answered and paid.

    `unreported` of them were answered without a usage and `failed` were not answered: they are in no sum.
    """

    questions: int
    unreported: int
    failed: int
    usage: TokenUsage | None
    costs: tuple[Cost, ...]


def totals(turns: Iterable[Turn]) -> Totals:
    """Sum a conversation, one amount for each currency."""
    asked = tuple(attempt for turn in turns for attempt in turn.tries)
    usage: TokenUsage | None = None
    for turn in asked:
        if turn.usage is not None:
            usage = turn.usage if usage is None else usage + turn.usage
    failed = sum(1 for turn in asked if turn.problem is not None)
    unreported = sum(1 for turn in asked if turn.usage is None and turn.problem is None)
    return Totals(len(asked), unreported, failed, usage, total(turn.cost for turn in asked if turn.cost is not None))


def messages(system: str, turns: Iterable[Turn], question: str) -> tuple[Message, ...]:
    """What is sent: the system prompt where there is one, the turns that have an answer, the question."""
    said = [Message("system", system)] if system.strip() else []
    for turn in turns:
        if turn.carried:
            said += [Message("user", turn.question), Message("assistant", turn.answer)]
    return (*said, Message("user", question))


def perplexity(chances: Sequence[TokenChance]) -> float | None:
    """How many tokens the model chose between, on the average: exp of the negative mean log probability.

    None without chances. The definition is that of https://huggingface.co/docs/transformers/perplexity.
    """
    if not chances:
        return None
    # One token at a log probability of -inf would be an infinity that nobody can read.
    return math.exp(min(100.0, -sum(chance.logprob for chance in chances) / len(chances)))


def context_used(turns: Iterable[Turn]) -> int | None:
    """Tokens the conversation took of the context at the last answer that reported them; None when none did."""
    counts = [turn.usage.total for turn in turns if turn.usage is not None]
    return counts[-1] if counts else None
