"""`genai-tui chat`: one question to a deployment, streamed; what it used and what it cost."""

from __future__ import annotations

import contextlib
import sys

from genai_tui.commands.explain import find_ref
from genai_tui.commands.output import as_json, note, write
from genai_tui.domain.chat import Answered, ChatRequest, Message, Sampling, TextDelta
from genai_tui.domain.text import printable_lines
from genai_tui.services import Services


async def chat(
    services: Services,
    name: str,
    namespace: str | None,
    text: str,
    *,
    system: str | None,
    sampling: Sampling,
    json_output: bool,
) -> None:
    """Ask and print the answer as it comes, then a line of counts on stderr; or one JSON object at the end.

    Raises:
        EngineRefused, Unreachable, NotFound.
        GenaiTuiError: the ledger could not keep the request; the answer was printed.
    """
    await services.settle()
    ref = find_ref(services, name, namespace)
    messages = (Message("system", system),) if system else ()
    request = ChatRequest(ref, (*messages, Message("user", text)), sampling, source="cli")
    async with contextlib.aclosing(services.playground.ask(request)) as events:
        async for event in events:
            match event:
                case TextDelta():
                    if not json_output:
                        sys.stdout.write(printable_lines(event.text))
                        sys.stdout.flush()
                case Answered():
                    # At once: a ledger that fails is told of after it, and withholds no answer.
                    _write_answer(event, json_output=json_output)


def _write_answer(answer: Answered, *, json_output: bool) -> None:
    if json_output:
        write(as_json(answer_item(answer)))
    else:
        write("")
        note(summary(answer))


def answer_item(answer: Answered) -> dict[str, object]:
    """The answer as `chat --json` promises it (docs/cli.md); null is what the engine did not say."""
    usage, cost, timings = answer.usage, answer.cost, answer.timings
    return {
        "content": answer.text,
        "usage": usage
        and {"prompt_tokens": usage.prompt, "completion_tokens": usage.completion, "total_tokens": usage.total},
        "cost": cost and {"amount": cost.text(), "currency": cost.currency},
        "timings": {
            "ttft_ms": _rounded(timings.ttft_ms),
            "total_ms": _rounded(timings.total_ms),
            "tokens_per_second": _rounded(timings.tokens_per_second),
        },
        "finish_reason": answer.finish_reason,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def summary(answer: Answered) -> str:
    """Counts, speed and cost in one line."""
    parts: list[str] = []
    if answer.usage is None:
        parts.append("the engine reported no usage: nothing counted, nothing charged")
    else:
        usage = answer.usage
        parts.append(f"prompt {usage.prompt}   completion {usage.completion}   total {usage.total}")
    if answer.timings.ttft_ms is not None:
        parts.append(f"first token {answer.timings.ttft_ms:.0f} ms")
    if answer.timings.tokens_per_second is not None:
        parts.append(f"{answer.timings.tokens_per_second:.0f} tok/s")
    if answer.cost is not None:
        parts.append(f"{answer.cost.text()} {answer.cost.currency}")
    return " · ".join(parts)
