"""What the playground says about answers: counts, speed, cost. What the engine did not say is said to be unknown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len

from genai_tui.domain.chat import ToolCall
from genai_tui.domain.conversation import Totals, Turn, perplexity
from genai_tui.domain.text import printable, printable_lines
from genai_tui.domain.usage import TokenUsage
from screens.format import count, milliseconds, money, percent, plural, rate

NO_USAGE = "usage not reported by the engine"
_GAP = "  "


def short(text: str, most: int = 40) -> str:
    """A text in one line of at most so many characters."""
    line = " ".join(printable(text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def answer_line(turn: Turn, width: int = 0) -> str:
    """Counts, speed, cost and how it ended."""
    sure = perplexity(turn.end.chances) if turn.end is not None else None
    unsure = "" if sure is None else f"perplexity {sure:.2f}  f12 tokens"
    return facts_line([*_usage(turn.usage), *_speed(turn), *_cost(turn), unsure, _ending(turn)], width)


def running_line(turn: Turn, width: int = 0) -> str:
    """What is known while it streams."""
    if not turn.answer and not turn.thoughts:
        return "waiting for the first token"
    state = "answering" if turn.answer else "thinking"
    return facts_line([state, *_usage(turn.running_usage, unknown=""), *_cost(turn)], width)


def next_line(tokens: int | None, most: int | None) -> str:
    """What is typed, as the engine counts it with all that goes along; empty when that is not known."""
    if tokens is None:
        return ""
    if most is not None and tokens >= most:
        return f"▲ {count(tokens)} tokens to send, the context has {count(most)}: shorten it, or ctrl+n"
    return f"{count(tokens)} tokens to send"


def calls_lines(turn: Turn) -> str:
    """The functions that the model wants called, and what becomes of that; empty for none."""
    lines = [printable_lines(f"⚒ {call.name}({call.arguments})") for call in turn.calls]
    if lines and not turn.carried:
        lines.append("carried along only with the result of each call")
    return "\n".join(lines)


def question_lines(turn: Turn) -> str:
    """What was asked, or which results were given."""
    return "\n".join(printable_lines(f"↳ {result}") for result in turn.results) or f"› {printable_lines(turn.question)}"


def wanted_line(wanted: Sequence[ToolCall], calls: int, leave: str) -> str:
    """Whose result is to be typed, of so many calls, and what `esc` does; empty where none is."""
    if not wanted:
        return ""
    which = f" ({calls - len(wanted) + 1} of {calls})" if calls > 1 else ""
    call = short(f"{wanted[0].name}({wanted[0].arguments})", 60)
    return f"▲ result of {call}{which}: enter gives it, esc {leave}"


def tries_line(turn: Turn) -> str:
    """Which try it is, and what the next one brings; empty where there is one."""
    if not turn.others:
        return ""
    after = turn.others[turn.place % len(turn.others)].then
    followed = f", with {plural(len(after), 'question')} that followed" if after else ""
    return f"try {turn.place + 1} of {len(turn.others) + 1}   f9 shows another{followed}"


def totals_line(sums: Totals) -> str:
    """The conversation so far, short."""
    if not sums.questions:
        return ""
    parts = [plural(sums.questions, "question")]
    if sums.usage is not None:
        parts.append(f"{count(sums.usage.total)} tokens")
    parts += [money(cost) for cost in sums.costs]
    if sums.unreported:
        parts.append(f"{sums.unreported} unreported")
    if sums.failed:
        parts.append(f"{sums.failed} failed")
    return facts_line(parts)


def context_line(used: int | None, most: int | None) -> str:
    """How much of the context the conversation takes: `context 1,204 of 4,096  29%`."""
    if most is None:
        return f"context {count(used)} tokens" if used is not None else "context –"
    if used is None:
        return f"context {count(None)} of {count(most)}"
    share = "<1%" if 0 < used < most / 100 else percent(used / most)
    return f"context {count(used)} of {count(most)}  {share}"


def gauge(used: int | None, most: int | None, width: int) -> str:
    """A bar of `width` cells; empty when either is not known."""
    if used is None or not most:
        return "░" * width
    full = min(width, max(1 if used else 0, round(width * used / most)))
    return "█" * full + "░" * (width - full)


def facts_line(facts: Iterable[str], width: int = 0) -> str:
    """Facts beside each other, and below where `width` cells are full: a fact is never cut in two."""
    lines: list[str] = []
    for fact in facts:
        if lines and (not width or cell_len(lines[-1] + _GAP + fact) <= width):
            lines[-1] += (_GAP + fact) if fact else ""
        elif fact:
            lines.append(fact)
    return "\n".join(lines)


def _usage(usage: TokenUsage | None, unknown: str = NO_USAGE) -> list[str]:
    if usage is None:
        return [unknown]
    found = [f"prompt {count(usage.prompt)}", f"completion {count(usage.completion)}", f"total {count(usage.total)}"]
    return [*found, f"cached {count(usage.cached)}"] if usage.cached else found


def _speed(turn: Turn) -> list[str]:
    if turn.end is None:
        return []
    timings = turn.end.timings
    first = f"first {milliseconds(timings.ttft_ms)}" if timings.ttft_ms is not None else ""
    speed = f"{rate(timings.tokens_per_second)} tok/s" if timings.tokens_per_second is not None else ""
    return [first, speed]


def _cost(turn: Turn) -> list[str]:
    if turn.cost is not None:
        return [money(turn.cost)]
    return ["no price"] if turn.end is not None and turn.usage is not None else []


def _ending(turn: Turn) -> str:
    if turn.stopped:
        return "■ stopped by you"
    reason = turn.end.finish_reason if turn.end is not None else ""
    return {"length": "▲ length: cut short"}.get(reason, printable(reason))
