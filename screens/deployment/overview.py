"""The overview: what was asked for, how it is, why, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from genai_tui.domain.deployment import DeploymentSpec, Limits, SharingMode
from genai_tui.domain.rows import DeploymentDetail
from screens import format as shown

Tone = Callable[[str], Style]
Facts = list[tuple[str, str]]


def overview(detail: DeploymentDetail, now: datetime, tone: Tone, width: int) -> RenderableType:
    """Everything known, in two columns where there is room."""
    row = detail.row
    look = shown.phase_look(row.assessment.phase)
    parts: list[RenderableType] = [
        Text(f"{look.glyph} {shown.phase_text(row.assessment)}", tone(look.tone) + Style(bold=True))
    ]
    for text in row.assessment.evidence:
        parts.append(Text(f"  {text}", tone("quiet")))
    if row.assessment.fix:
        parts.append(Text.assemble(("  what to do  ", tone("accent")), row.assessment.fix))
    parts.append(Text(""))
    left, right = _state(detail, now), _spec(detail.document.spec) if detail.document else _foreign(detail)
    if width >= 100:
        grid = Table.grid(padding=(0, 4), expand=True)
        grid.add_column(ratio=1)
        grid.add_column(ratio=1)
        grid.add_row(_facts(left, tone), _facts(right, tone))
        parts.append(grid)
    else:
        parts += [_facts(left, tone), Text(""), _facts(right, tone)]
    return Group(*parts)


def _facts(facts: Facts, tone: Tone) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style=tone("quiet"), no_wrap=True, min_width=13)
    table.add_column(overflow="fold")
    for label, text in facts:
        table.add_row(label, text or shown.MISSING)
    return table


def _state(detail: DeploymentDetail, now: datetime) -> Facts:
    row, traffic = detail.row, detail.row.traffic
    running = traffic.running
    load = shown.MISSING if running is None else f"{running} running, {shown.count(traffic.waiting)} waiting"
    return [
        ("replicas", f"{row.ready} of {row.replicas} ready"),
        ("GPUs", shown.count(row.gpus)),
        ("served names", ", ".join(row.served_names) if row.served_names else "none answered yet"),
        ("requests", load),
        (
            "throughput",
            f"{shown.rate(traffic.tokens_per_second)} tok/s, {shown.rate(traffic.requests_per_second)} req/s",
        ),
        ("created", f"{shown.age(row.created, now)} ago" if row.created else shown.MISSING),
        ("managed by", row.managed_by),
        ("revision", detail.workload.revision or shown.MISSING),
        ("strategy", detail.workload.strategy),
    ]


def _foreign(detail: DeploymentDetail) -> Facts:
    containers = detail.workload.containers
    return [
        ("engine", detail.row.engine or ""),
        ("model", detail.row.model or ""),
        ("image", containers[0].image if containers else ""),
        ("", "made by others: shown and never written to"),
    ]


def _spec(spec: DeploymentSpec) -> Facts:
    engine, resources = spec.engine, spec.resources
    context = "auto" if engine.context_length == "auto" else f"{engine.context_length:,} tokens"
    gpus = f"{resources.gpu} {resources.gpu_resource}" if resources.gpu else "none"
    return [
        ("description", spec.description),
        ("model", spec.model),
        ("endpoint", spec.endpoint),
        ("engine", f"{engine.type.value}  {engine.image}"),
        ("context", f"{context}, prompt caching {'on' if engine.prompt_caching else 'off'}"),
        ("each replica", f"{resources.cpu} CPU, {resources.memory}, {gpus}"),
        ("price", _price(spec)),
        ("limits", _limits(spec)),
        ("sharing", _sharing(spec)),
    ]


def _price(spec: DeploymentSpec) -> str:
    if spec.pricing is None:
        return "none set"
    price = spec.pricing.price
    return (
        f"{shown.amount(price.input_per_million, price.currency)} input, "
        f"{shown.amount(price.output_per_million, price.currency)} output, per million tokens"
    )


def _limits(spec: DeploymentSpec) -> str:
    levels = (
        ("organization", spec.rate_limits.organization),
        ("user", spec.rate_limits.user),
        ("API key", spec.rate_limits.api_key),
    )
    found = [f"{name} {_level(limits)}" for name, limits in levels if _level(limits)]
    return f"{'; '.join(found)}  (recorded only: nothing enforces them)" if found else "none set"


def _level(limits: Limits) -> str:
    tokens, requests = limits.tokens_per_minute, limits.requests_per_minute
    parts = [f"{tokens:,} tok/min" if tokens else "", f"{requests:,} req/min" if requests else ""]
    return ", ".join(part for part in parts if part)


def _sharing(spec: DeploymentSpec) -> str:
    if spec.sharing.mode is SharingMode.ORGANIZATIONS:
        return ", ".join(spec.sharing.organizations)
    return "all organizations" if spec.sharing.mode is SharingMode.ALL else "nobody"
