"""The overview: how it is and why, its replicas, its traffic; what was asked for, and who keeps the limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from genai_tui.domain.deployment import (
    AffinityTerms,
    DeploymentSpec,
    EnvVar,
    Limits,
    SharingMode,
    Toleration,
)
from genai_tui.domain.documents import Endpoint, Model
from genai_tui.domain.drafts import from_document
from genai_tui.domain.enforcement import kept_by
from genai_tui.domain.fixes import opens_with
from genai_tui.domain.problems import How
from genai_tui.domain.rows import DeploymentDetail, ReplicaRow
from screens import format as shown
from screens.deployment.rollout import event_grid
from screens.deployment.sheet import Bit, Block, Fact, Grid, Heading, Space, Text
from screens.deployment.timeline import happenings, short_name

EVIDENCE = 240
EVENTS = 12
_ENGINES = {"vllm": "vLLM", "nim": "NVIDIA NIM"}


def state_blocks(
    detail: DeploymentDetail,
    now: datetime,
    drift: Sequence[Block] = (),
    counted: Sequence[Block] = (),
    *,
    roomy: bool = False,
    gone: bool = False,
) -> list[Block]:
    """How it is: phase, cause, evidence, what was changed elsewhere, replicas, traffic, tokens; the newest events."""
    phase = [Fact("phase", f"was {detail.row.assessment.phase.value}", "quiet")] if gone else _phase(detail)
    blocks = [*phase, *drift, Space(), *_replicas(detail, now), Space(), *_traffic(detail), *counted]
    told = happenings(detail.events)[: -EVENTS - 1 : -1] if roomy else ()
    return [*blocks, Space(), Heading("EVENTS", "newest first"), event_grid(told)] if told else blocks


def _phase(detail: DeploymentDetail) -> list[Block]:
    assessment = detail.row.assessment
    look = shown.phase_look(assessment.phase)
    share = f" {shown.percent(assessment.progress)}" if assessment.progress is not None else ""
    blocks: list[Block] = [Fact("phase", f"{look.glyph} {assessment.phase.value}{share}", look.tone)]
    if assessment.cause:
        blocks.append(Fact("cause", assessment.cause, "strong"))
    if assessment.fix:
        told = "there" if all(change.how is How.VISIT for change in assessment.changes) else "with it"
        key = f"   (x opens the form {told})" if fix_fields(detail) else ""
        blocks.append(Fact("what to do", f"{assessment.fix}{key}", "accent"))
    for i, text in enumerate(assessment.evidence):
        blocks.append(Fact("evidence" if i == 0 else "", _cut(text), "quiet"))
    return blocks


def fix_fields(detail: DeploymentDetail) -> dict[str, str]:
    """What the form is opened with for the present cause; empty where no field of it is concerned."""
    if detail.document is None or not detail.row.assessment.changes:
        return {}
    budgets = (container.startup_budget_seconds for container in detail.workload.containers)
    budget = next((seconds for seconds in budgets if seconds is not None), None)
    return opens_with(detail.row.assessment.changes, from_document(detail.document), budget)


def _cut(text: str) -> str:
    """So much as fits into a few lines; the whole is in the log."""
    line = " ".join(text.split())
    return line if len(line) <= EVIDENCE else f"{line[:EVIDENCE].rsplit(' ', 1)[0]} …"


def _replicas(detail: DeploymentDetail, now: datetime) -> list[Block]:
    row = detail.row
    gpus = f"{shown.plural(row.gpus, 'GPU')} in all" if row.gpus else ""
    blocks: list[Block] = [
        Heading("REPLICAS", "   ".join(p for p in (f"{row.ready} of {row.replicas} ready", gpus) if p))
    ]
    if not detail.replicas:
        return [*blocks, Text("none" if row.replicas else "stopped: none are wanted", "quiet")]
    return [*blocks, Grid(tuple(_replica(replica, now) for replica in detail.replicas), right=frozenset({3}))]


def _replica(row: ReplicaRow, now: datetime) -> tuple[Bit, ...]:
    look = shown.phase_look(row.assessment.phase)
    restarts = sum(state.restarts for state in row.pod.states)
    again = shown.plural(restarts, "restart") if restarts else ""
    return (
        Bit(short_name(row.pod.meta.name), "" if row.current else "quiet"),
        Bit(f"{look.glyph} {row.assessment.phase.value}", look.tone),
        Bit(row.pod.node or shown.MISSING),
        Bit(shown.age(row.pod.meta.created, now), "quiet"),
        Bit(again if row.current else f"previous revision {again}".strip(), "quiet"),
    )


def _traffic(detail: DeploymentDetail) -> list[Block]:
    traffic = detail.row.traffic
    sampled = (
        f"by the engine, {shown.clock(traffic.sampled)} UTC" if traffic.sampled else "the engine was not asked yet"
    )
    cells = (
        ("requests/s", shown.rate(traffic.requests_per_second)),
        ("tokens/s", shown.rate(traffic.tokens_per_second)),
        ("running", shown.count(traffic.running)),
        ("waiting", shown.count(traffic.waiting)),
    )
    names = tuple(Bit(f"{name:>10}", "label") for name, _ in cells)
    values = tuple(Bit(f"{value:>10}") for _, value in cells)
    return [Heading("TRAFFIC", sampled), Grid((names, values))]


def spec_blocks(detail: DeploymentDetail, model: Model | None, endpoint: Endpoint | None) -> list[Block]:
    """What was asked for, in words."""
    if detail.document is None:
        return _foreign(detail)
    spec = detail.document.spec
    blocks: list[Block] = [Heading("WHAT WAS ASKED FOR")]
    if spec.description:
        blocks.append(Fact("description", spec.description))
    blocks += [
        Fact("model", spec.model + (f"   {_model(model)}" if model is not None else "")),
        Fact("endpoint", _endpoint(spec, endpoint)),
        Fact("served as", _served(detail)),
        Fact("engine", f"{_ENGINES[spec.engine.type.value]}   {spec.engine.image}"),
        Fact("context", _context(spec)),
        Fact("each replica", _resources(spec)),
        *_optional(spec),
    ]
    return [*blocks, Space(), *_limits(spec, endpoint), Space(), *_business(spec)]


def _foreign(detail: DeploymentDetail) -> list[Block]:
    row = detail.row
    facts: list[Block] = [
        Heading("WHAT RUNS"),
        Fact("engine", _ENGINES.get(row.engine or "", row.engine or shown.MISSING)),
        Fact("model", row.model or shown.MISSING),
        Fact("served as", _served(detail)),
    ]
    for container in detail.workload.containers:
        facts.append(Fact("image", container.image))
        gpus = ", ".join(f"{count} {name}" for name, count in container.gpus.items())
        each = [
            part for part in (f"{container.cpu} CPU" if container.cpu else "", container.memory or "", gpus) if part
        ]
        facts.append(Fact("each replica", ", ".join(each) or shown.MISSING))
    if row.foreign:
        facts += [
            Space(),
            Text(f"Made by {row.managed_by}: it is shown, can be talked to, and is never written to.", "quiet"),
        ]
    else:
        facts += [
            Space(),
            Text("Its spec annotation cannot be read: apply its file again to manage it here.", "waiting"),
        ]
    return facts


def _served(detail: DeploymentDetail) -> str:
    return ", ".join(detail.row.served_names) or "not answered yet"


def _model(model: Model) -> str:
    spec = model.spec
    parts = [spec.parameters or "", spec.use_case.value, spec.description]
    return ", ".join(part for part in parts if part)


def _endpoint(spec: DeploymentSpec, endpoint: Endpoint | None) -> str:
    if endpoint is None:
        return spec.endpoint
    where = "inside the cluster" if endpoint.spec.exposure == "cluster" else "through a gateway"
    return f"{spec.endpoint}   {endpoint.spec.hostname}, {where}"


def _context(spec: DeploymentSpec) -> str:
    length = spec.engine.context_length
    tokens = "what fits (auto)" if length == "auto" else f"{length:,} tokens"
    return f"{tokens}, prompt caching {'on' if spec.engine.prompt_caching else 'off'}"


def _resources(spec: DeploymentSpec) -> str:
    resources = spec.resources
    gpus = f"{resources.gpu} {resources.gpu_resource}" if resources.gpu else "no GPU"
    return f"{resources.cpu} CPU, {resources.memory} memory, {gpus}"


def _optional(spec: DeploymentSpec) -> list[Block]:
    """What is only said when it was set."""
    advanced, engine = spec.advanced, spec.engine
    budget = engine.startup_budget_seconds
    cache = advanced.cache
    facts = (
        ("start-up", f"at most {shown.seconds(float(budget))}" if budget else ""),
        ("secrets", f"pull {engine.ngc.pull_secret}, key {engine.ngc.api_key.name}" if engine.ngc else ""),
        ("cache", "" if cache is None else f"claim {cache.claim}" if cache.claim else f"{cache.size} of its own"),
        (
            "rollout",
            {
                "Recreate": "stops all, then starts",
                "RollingUpdate": "replaces one by one",
                "Surge": "starts a new one first",
            }.get(advanced.strategy, ""),
        ),
        ("variables", "\n".join(_variable(variable) for variable in advanced.env)),
        ("extra args", " ".join(advanced.extra_args)),
        ("nodes", _pairs(advanced.node_selector)),
        ("tolerates", "\n".join(_toleration(toleration) for toleration in advanced.tolerations)),
        ("near", _affinity(advanced.pod_affinity.pod_affinity)),
        ("away from", _affinity(advanced.pod_affinity.pod_anti_affinity)),
        ("runtime", advanced.runtime_class or ""),
        ("labels", _pairs(advanced.labels)),
        ("annotations", _pairs(advanced.annotations)),
    )
    return [Fact(label, text) for label, text in facts if text]


def _pairs(pairs: dict[str, str]) -> str:
    return "\n".join(f"{key}={value}" for key, value in pairs.items())


def _variable(variable: EnvVar) -> str:
    if variable.secret is not None:
        return f"{variable.name} from secret {variable.secret.name}, key {variable.secret.key}"
    return f"{variable.name}={variable.value}"


def _toleration(toleration: Toleration) -> str:
    key = toleration.key or "every taint"
    value = f"={toleration.value}" if toleration.value else ""
    return f"{key}{value}" + (f" ({toleration.effect})" if toleration.effect else "")


def _affinity(terms: AffinityTerms | None) -> str:
    if terms is None:
        return ""
    lines = []
    for term in terms.required_during_scheduling_ignored_during_execution:
        lines.append(f"must: {_pairs(term.label_selector.match_labels) or 'by expression'} per {term.topology_key}")
    for weighted in terms.preferred_during_scheduling_ignored_during_execution:
        term = weighted.pod_affinity_term
        lines.append(f"better: {_pairs(term.label_selector.match_labels) or 'by expression'} per {term.topology_key}")
    return "\n".join(lines)


def _limits(spec: DeploymentSpec, endpoint: Endpoint | None) -> list[Block]:
    limits = spec.rate_limits
    levels = (("organization", limits.organization), ("user", limits.user), ("API key", limits.api_key))
    if not any(_set(level) for _, level in levels):
        return [Heading("LIMITS", "none")]
    rows = [(Bit("", "label"), Bit("tokens/min", "label"), Bit("requests/min", "label"))]
    for name, level in levels:
        rows.append((Bit(name, "label"), Bit(_limit(level.tokens_per_minute)), Bit(_limit(level.requests_per_minute))))
    return [Heading("LIMITS", enforcement(endpoint)), Grid(tuple(rows), right=frozenset({1, 2}))]


def enforcement(endpoint: Endpoint | None) -> str:
    """Who keeps the limits, and where it stands what is proven of it."""
    kept = kept_by(endpoint.spec if endpoint is not None else None)
    proven = endpoint is not None and endpoint.spec.enforcement is not None
    return f"{kept}: the tab API says what is proven" if proven else kept


def _set(level: Limits) -> bool:
    return level.tokens_per_minute is not None or level.requests_per_minute is not None


def _limit(value: int | None) -> str:
    return "no limit" if value is None else f"{value:,}"


def _business(spec: DeploymentSpec) -> list[Block]:
    """Price and sharing."""
    price = spec.pricing.price if spec.pricing is not None else None
    if price is None:
        said = "none: requests are counted, not priced"
    else:
        amounts = (_amount(price.input_per_million, price.currency), _amount(price.output_per_million, price.currency))
        cached = price.cached_per_million
        more = "" if cached is None else f", {_amount(cached, price.currency)} cached input"
        said = f"{amounts[0]} input, {amounts[1]} output{more}, per 1M tokens"
    sharing = spec.sharing
    shared = {SharingMode.NONE: "nobody", SharingMode.ALL: "all organizations"}.get(
        sharing.mode, ", ".join(sharing.organizations)
    )
    return [Fact("price", said), Fact("shared with", shared)]


def _amount(value: Decimal, currency: str) -> str:
    """As prices are written: `$0.20`; no digit is dropped."""
    text = shown.amount(value, currency)
    number, space, code = text.partition(" ")
    return f"{number}0{space}{code}" if number[-2:-1] == "." else text
