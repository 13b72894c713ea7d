"""Running a load test against the playground port: every question is a row of the ledger, like any other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from genai_tui.chat_ports import Playground
from genai_tui.domain.chat import Answered, ChatRequest
from genai_tui.domain.load import LoadPlan, LoadReport, Outcome, report
from genai_tui.errors import GenaiTuiError

EVERY_S = 0.25
"""How often it tells how far it is."""


async def run_load(playground: Playground, request: ChatRequest, plan: LoadPlan) -> AsyncGenerator[LoadReport, None]:
    """Ask `request` as planned; yields where it stands four times a second, and the whole at the end.

    Closing it stops every question that is under way, and the engine with it.
    """
    asked = replace(request, sampling=replace(request.sampling, max_tokens=plan.max_tokens))
    outcomes: list[Outcome] = []
    left = iter(range(plan.requests))
    began = time.monotonic()

    async def worker() -> None:
        for _ in left:
            outcomes.append(await _ask(playground, asked))

    workers = [asyncio.create_task(worker()) for _ in range(min(plan.at_once, plan.requests))]
    try:
        pending = set(workers)
        while pending:
            _, pending = await asyncio.wait(pending, timeout=EVERY_S)
            for done in set(workers) - pending:
                done.result()
            yield report(outcomes, time.monotonic() - began)
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


async def _ask(playground: Playground, request: ChatRequest) -> Outcome:
    """One question; a refusal is an outcome."""
    answered: Answered | None = None
    try:
        async with aclosing(playground.ask(request)) as events:
            async for event in events:
                if isinstance(event, Answered):
                    answered = event
    except GenaiTuiError as error:
        # After a whole answer only the ledger can fail: it was answered all the same.
        if answered is None:
            return Outcome(problem=error.problem.line)
    if answered is None:
        return Outcome(problem="the answer ended before it was whole")
    return Outcome(answered.usage, answered.timings, answered.cost)
