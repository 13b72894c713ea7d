"""What is said beside a conversation: whom one talks to, at what price, how full the context is, what it came to."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content

from genai_tui.domain.conversation import Turn, context_used, totals
from genai_tui.domain.rows import DeploymentDetail, Phase, Ref
from genai_tui.domain.text import printable
from screens.chat.words import context_line, gauge
from screens.format import MISSING, amount, count, money, phase_look, phase_text

_ANSWERS = frozenset({Phase.RUNNING, Phase.DEGRADED, Phase.ROLLING_OUT, Phase.SCALING})
_BAR = 34


def title(ref: Ref, detail: DeploymentDetail | None) -> Content:
    """Deployment, model, phase."""
    if detail is None:
        return Content.assemble((str(ref), "bold"), "   not in the list of deployments")
    row = detail.row
    look = phase_look(row.assessment.phase)
    model = f"   {printable(row.model)}" if row.model else ""
    return Content.assemble((str(ref), "bold"), model, "   ", f"{look.glyph} {row.assessment.phase.value}")


def warning(ref: Ref, detail: DeploymentDetail | None) -> str:
    """Why a question may fail, and what helps; empty when it should be answered."""
    if detail is None:
        return f"▲ {ref} is not in the list of deployments: questions may fail"
    assessment = detail.row.assessment
    if assessment.phase in _ANSWERS and detail.row.ready:
        return ""
    fix = f"; {assessment.fix}" if assessment.fix else ""
    return printable(f"▲ questions may fail until it is Running. {phase_text(assessment)}{fix}")


def side(detail: DeploymentDetail | None, turns: Iterable[Turn], most: int | None) -> Content:
    """The column beside a wide conversation."""
    asked = tuple(turns)
    used, sums = context_used(asked), totals(asked)
    usage = sums.usage
    costs = [money(cost) for cost in sums.costs] or [MISSING]
    lines = [
        Content.styled("engine", "bold"),
        *(_line(label, text) for label, text in _engine(detail)),
        Content(""),
        Content.styled("context", "bold"),
        Content(f"  {gauge(used, most, _BAR)}"),
        Content(f"  {context_line(used, most).removeprefix('context ')}"),
        Content(""),
        Content.styled("conversation", "bold"),
        _line("questions", count(sums.questions)),
        _line("prompt", count(usage.prompt if usage else None)),
        _line("completion", count(usage.completion if usage else None)),
        _line("total", count(usage.total if usage else None)),
        *(_line("cost" if at == 0 else "", text) for at, text in enumerate(costs)),
    ]
    if sums.unreported:
        lines.append(_line("unreported", count(sums.unreported)))
    if sums.failed:
        lines.append(_line("failed", count(sums.failed)))
    return Content("\n").join(lines)


def _engine(detail: DeploymentDetail | None) -> list[tuple[str, str]]:
    if detail is None:
        return [("", MISSING)]
    row, document = detail.row, detail.document
    found = [
        ("model", printable(row.model or MISSING)),
        ("engine", printable(row.engine or MISSING)),
        ("replicas", f"{row.ready}/{row.replicas} ready"),
    ]
    pricing = document.spec.pricing if document is not None else None
    if pricing is None:
        return [*found, ("price", "none set: cost unknown")]
    cached = pricing.cached_input_per_million
    return [
        *found,
        ("input", f"{amount(pricing.input_per_million, pricing.currency)} per million"),
        ("output", f"{amount(pricing.output_per_million, pricing.currency)} per million"),
        *([] if cached is None else [("cached", f"{amount(cached, pricing.currency)} per million")]),
    ]


def _line(label: str, text: str) -> Content:
    return Content.assemble("  ", (f"{label:<12}", "dim"), text)
