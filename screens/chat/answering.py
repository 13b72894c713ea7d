"""Following an answer from the first piece to its end, whatever that is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

from genai_tui.chat_ports import Playground
from genai_tui.domain.chat import Answered, ChatEvent, ChatRequest, TextDelta, ThoughtDelta
from genai_tui.domain.conversation import Turn
from genai_tui.domain.problems import Problem
from genai_tui.errors import GenaiTuiError, explain

log = logging.getLogger(__name__)


async def follow(
    playground: Playground, request: ChatRequest, turn: Turn, seen: Callable[[Turn], None]
) -> Problem | None:
    """Ask, and hand every state of the turn on; one that is cancelled is handed on as stopped.

    Returns:
        Why an answer that came is not in the ledger; None where it is.
    """
    try:
        async with aclosing(playground.ask(request)) as events:
            async for event in events:
                turn = _with(turn, event)
                seen(turn)
    except asyncio.CancelledError:
        seen(replace(turn, stopped=True))
        raise
    except Exception as error:
        problem = explain(error).problem
        if not isinstance(error, GenaiTuiError):
            log.exception("asking %s failed", request.ref)
        # After a whole answer only the ledger can fail: the answer stands.
        if turn.end is not None:
            return problem
        seen(replace(turn, problem=problem))
    return None


def _with(turn: Turn, event: ChatEvent) -> Turn:
    """The turn after one more event."""
    match event:
        case TextDelta(text, usage, cost):
            turn = replace(turn, answer=turn.answer + text)
        case ThoughtDelta(text, usage, cost):
            turn = replace(turn, thoughts=turn.thoughts + text)
        case Answered():
            return replace(turn, end=event)
    return turn if usage is None else replace(turn, running_usage=usage, running_cost=cost)
