"""A conversation as it was held: which turns the next question carries along, its branches, and what they came to.

A conversation is the line of turns that is shown, first to last. Where a question was asked again, its turn holds the
other tries, and each of those holds what followed it: so the line is also the whole tree, and no answer is ever lost.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from genai_tui.domain.chat import Answered, Message, TokenChance, ToolCall
from genai_tui.domain.money import Cost, total
from genai_tui.domain.problems import Problem
from genai_tui.domain.rows import Ref
from genai_tui.domain.usage import TokenUsage


@dataclass(frozen=True, slots=True)
class Turn:
    """A question, or the `results` of the calls of the turn before, one for each; and what became of it.

    `end` is the whole answer's counts; `stopped` is an answer the operator ended early; `problem` why there is none.
    `usage` and `cost` are the last running figures of an answer that has no end.
    `others` are the other tries at this place of the conversation, in the order in which they were made, and `place` is
    where this one stands among them all, from 0. `then` is what followed a try that is not shown; what follows a turn
    that is shown stands behind it in the conversation.
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
    then: tuple[Turn, ...] = ()
    results: tuple[str, ...] = ()

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The functions that the answer wants called, in the model's order."""
        return self.end.tool_calls if self.end is not None else ()

    @property
    def usage(self) -> TokenUsage | None:
        """What the engine reported, at the end or up to where it was stopped."""
        return self.end.usage if self.end is not None else self.running_usage

    @property
    def cost(self) -> Cost | None:
        """What that costs."""
        return self.end.cost if self.end is not None else self.running_cost

    @property
    def answered(self) -> bool:
        """Whether something came of it: words, or a call of a tool."""
        return bool(self.answer or self.calls)

    @property
    def carried(self) -> bool:
        """Whether any next question carries this turn: there must be words of an answer."""
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


@dataclass(frozen=True, slots=True)
class SavedQuestion:
    """A question kept by its name."""

    name: str
    text: str
    saved: datetime


def asked(turns: Sequence[Turn], at: int, now: Turn) -> tuple[Turn, ...]:
    """The conversation after a question at one of its places, or at its end.

    What stood at that place stays as another try, with all that followed it.
    """
    if at >= len(turns):
        return (*turns, now)
    tries = tries_at(turns, at)
    return (*turns[:at], replace(now, others=tries, place=len(tries)))


def other_try(turns: Sequence[Turn], at: int, by: int) -> tuple[Turn, ...]:
    """The conversation with another try at that place, round at the ends, and with what followed that one."""
    tries = tries_at(turns, at)
    place = (turns[at].place + by) % len(tries)
    shown = replace(tries[place], others=(*tries[:place], *tries[place + 1 :]), place=place, then=())
    return (*turns[:at], shown, *tries[place].then)


def tries_at(turns: Sequence[Turn], at: int) -> tuple[Turn, ...]:
    """Every try at that place in the order in which they were made, each with what followed it."""
    turn = turns[at]
    alone = replace(turn, others=(), place=0, then=tuple(turns[at + 1 :]))
    return (*turn.others[: turn.place], alone, *turn.others[turn.place :])


def every_turn(turns: Iterable[Turn]) -> Iterator[Turn]:
    """Every turn of every branch, each once."""
    waiting = [tuple(turns)]
    while waiting:
        for turn in waiting.pop():
            yield turn
            waiting += [(other, *other.then) for other in turn.others]


@dataclass(frozen=True, slots=True)
class Totals:
    """What the questions of a conversation came to, in every branch: each was answered and paid.

    `unreported` of them were answered without a usage and `failed` were not answered: they are in no sum.
    """

    questions: int
    unreported: int
    failed: int
    usage: TokenUsage | None
    costs: tuple[Cost, ...]


def totals(turns: Iterable[Turn]) -> Totals:
    """Sum a conversation, one amount for each currency."""
    every = tuple(every_turn(turns))
    usage: TokenUsage | None = None
    for turn in every:
        if turn.usage is not None:
            usage = turn.usage if usage is None else usage + turn.usage
    failed = sum(1 for turn in every if turn.problem is not None)
    unreported = sum(1 for turn in every if turn.usage is None and turn.problem is None)
    return Totals(len(every), unreported, failed, usage, total(turn.cost for turn in every if turn.cost is not None))


def messages(system: str, turns: Iterable[Turn], question: str, results: Sequence[str] = ()) -> tuple[Message, ...]:
    """What is sent: the system prompt where there is one, the turns that have an answer, the question.

    Instead of a question it may be the `results` of the last turn's calls. Calls are carried with the result of each
    and what the model made of them, or not at all: engines refuse a call that no result follows.
    """
    said = [Message("system", system)] if system.strip() else []
    *before, now = _chains((*turns, Turn(question, results=tuple(results))))
    for chain in before:
        while chain and not chain[-1].carried:
            chain.pop()
        _say(said, chain)
        if chain:
            said.append(Message("assistant", chain[-1].answer))
    _say(said, now)
    return tuple(said)


def _chains(turns: Iterable[Turn]) -> list[list[Turn]]:
    """Each question with the turns that go on with results after it."""
    chains: list[list[Turn]] = []
    for turn in turns:
        if turn.results and chains and len(turn.results) == len(chains[-1][-1].calls):
            chains[-1].append(turn)
        else:
            chains.append([turn])
    return chains


def _say(said: list[Message], chain: Sequence[Turn]) -> None:
    """A question, and calls with their results, up to the last turn's answer."""
    said += [Message("user", turn.question) for turn in chain[:1]]
    for turn, after in pairwise(chain):
        # Some engines give no id, and Mistral's take nothing but nine letters and digits.
        calls = tuple(replace(call, id=call.id or f"call{len(said) + at:05}") for at, call in enumerate(turn.calls))
        said.append(Message("assistant", turn.answer, calls))
        said += [Message("tool", text, (), call.id) for call, text in zip(calls, after.results, strict=True)]


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
