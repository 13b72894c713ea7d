"""`genai-tui load`: many questions to a deployment, several at once; how fast they were answered."""

from __future__ import annotations

from contextlib import aclosing

from genai_tui.commands.explain import find_ref
from genai_tui.commands.output import Row, as_json, as_table, note, write
from genai_tui.domain.chat import ChatRequest, Message
from genai_tui.domain.load import LoadPlan, LoadReport
from genai_tui.domain.monitoring import Quantiles
from genai_tui.errors import BadInput, EngineRefused
from genai_tui.load_test import run_load
from genai_tui.services import Services


async def load(services: Services, name: str, namespace: str | None, text: str, plan: LoadPlan, form: str) -> None:
    """Run it and print the figures; progress goes to stderr.

    Raises:
        BadInput: the plan is out of bounds. NotFound: there is no such deployment.
        EngineRefused: no question was answered.
    """
    if plan.problem():
        raise BadInput(plan.problem())
    await services.settle()
    ref = find_ref(services, name, namespace)
    request = ChatRequest(ref, (Message("user", text),), source="cli")
    found: LoadReport | None = None
    told = 0
    async with aclosing(run_load(services.playground, request, plan)) as reports:
        async for found in reports:
            ended = found.answered + found.failed
            if ended - told >= max(1, plan.requests // 10) and ended < plan.requests:
                told = ended
                note(f"{ended} of {plan.requests} after {found.seconds:.0f} s, {found.failed} failed")
    assert found is not None
    write(as_json(load_item(found)) if form == "json" else _table(found))
    for problem, count in found.problems.items():
        note(f"{count} x {problem}")
    if not found.answered:
        raise EngineRefused("no question was answered", status=0, why=next(iter(found.problems), ""))


def load_item(found: LoadReport) -> Row:
    """The report as `load -o json` promises it (docs/cli.md)."""
    usage = found.usage
    return {
        "answered": found.answered,
        "failed": found.failed,
        "uncounted": found.uncounted,
        "seconds": round(found.seconds, 3),
        "requestsPerSecond": _rounded(found.request_rate),
        "outputTokensPerSecond": _rounded(found.output_rate),
        "firstToken": _milliseconds(found.first_token),
        "interToken": _milliseconds(found.inter_token),
        "whole": _milliseconds(found.whole),
        "answerOutputTokensPerSecond": found.answer_rate
        and {name: _rounded(x) for name, x in _named(found.answer_rate)},
        "usage": usage
        and {"prompt_tokens": usage.prompt, "completion_tokens": usage.completion, "total_tokens": usage.total},
        "costs": [{"amount": cost.text(), "currency": cost.currency} for cost in found.costs],
        "problems": dict(found.problems),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _milliseconds(spread: Quantiles | None) -> Row | None:
    if spread is None:
        return None
    return {name: round(seconds * 1000, 2) for name, seconds in _named(spread)}


def _named(spread: Quantiles) -> tuple[tuple[str, float], ...]:
    return (("p50", spread.p50), ("p95", spread.p95), ("p99", spread.p99))


def _table(found: LoadReport) -> str:
    rows = [
        (what, *((form.format(value * scale) for _, value in _named(spread)) if spread is not None else (None,) * 3))
        for what, spread, form, scale in (
            ("first token", found.first_token, "{:.1f} ms", 1000),
            ("between tokens", found.inter_token, "{:.1f} ms", 1000),
            ("whole answer", found.whole, "{:.1f} ms", 1000),
            ("each answer", found.answer_rate, "{:.1f} tok/s", 1),
        )
    ]
    lines = [as_table(("", "p50", "p95", "p99"), rows), ""]
    lines.append(f"answered {found.answered}, failed {found.failed}, in {found.seconds:.1f} s")
    if found.request_rate is not None:
        lines.append(f"{found.request_rate:.2f} answers/s")
    if found.output_rate is not None:
        lines.append(f"{found.output_rate:.1f} output tokens/s")
    if found.uncounted:
        lines.append(f"{found.uncounted} answers came without usage: they are in no sum of tokens")
    lines += [f"{cost.text()} {cost.currency}" for cost in found.costs]
    return "\n".join(lines)
