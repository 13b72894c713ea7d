"""A deployment in a dozen lines, for the last look before it is saved."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap

from genai_tui.domain.catalogue import HubSource, NgcSource, Source
from genai_tui.domain.deployment import Advanced, Limits
from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.enforcement import kept_by
from genai_tui.domain.form_facts import Facts, usual_start_of
from genai_tui.domain.form_field import Draft
from genai_tui.domain.money import plain

_ALLOWED_ANYWAY_S = 600
"""What engines' own charts allow at the least: nothing shorter is worth a suggestion."""

LABEL = 13


def hanging(rows: Iterable[tuple[str, str]], width: int) -> list[tuple[str, str]]:
    """Rows as lines of (label or blanks, text), the text wrapped to what `width` leaves beside the label."""
    lines: list[tuple[str, str]] = []
    for label, text in rows:
        for at, part in enumerate(wrap(text, max(16, width - LABEL)) or [""]):
            lines.append((f"{'' if at else label:<{LABEL}}", part))
    return lines


def summary(document: ModelDeployment, facts: Facts) -> tuple[tuple[str, str], ...]:
    """(label, text) of what will be made."""
    spec, engine, resources = document.spec, document.spec.engine, document.spec.resources
    context = engine.context_length if engine.context_length == "auto" else f"{engine.context_length:,} tokens"
    gpus = f"{resources.gpu} {resources.gpu_resource}" if resources.gpu else "no GPU"
    in_all = engine.replicas * resources.gpu
    return (
        ("Name", f"{document.metadata.namespace}/{document.metadata.name}"),
        *((("Description", spec.description),) if spec.description else ()),
        ("Model", _model(spec.model, facts)),
        ("Endpoint", _endpoint(spec.endpoint, facts)),
        ("Engine", f"{engine.type.value}  {engine.image}"),
        ("Context", f"{context}, prompt caching {'on' if engine.prompt_caching else 'off'}"),
        ("Replicas", f"{engine.replicas} with {resources.cpu} CPU, {resources.memory} memory, {gpus}"),
        ("GPUs in all", str(in_all)),
        ("Advanced", _advanced(spec.advanced)),
        ("Rate limits", _limits(document)),
        ("Price", _price(document)),
        ("Shared with", ", ".join(spec.sharing.organizations) or spec.sharing.mode.value),
    )


def _model(name: str, facts: Facts) -> str:
    document = facts.model(name)
    if document is None:
        return name
    parts = [document.spec.parameters or "", _source(document.spec.source)]
    return f"{name}  ({', '.join(part for part in parts if part)})"


def _source(source: Source) -> str:
    if isinstance(source, HubSource):
        return source.repository
    if isinstance(source, NgcSource):
        return source.image
    return f"claim {source.claim}/{source.path}".rstrip("/")


def _endpoint(name: str, facts: Facts) -> str:
    document = next((row.document for row in facts.endpoints if row.name == name), None)
    return name if document is None else f"{name}  ({document.spec.exposure}, {document.spec.hostname})"


def _advanced(advanced: Advanced) -> str:
    counts = (
        (len(advanced.env), "variable"),
        (len(advanced.labels), "label"),
        (len(advanced.annotations), "annotation"),
        (len(advanced.tolerations), "toleration"),
        (len(advanced.node_selector), "node label"),
        (len(advanced.extra_args), "extra argument"),
    )
    parts = [f"{count} {what}{'' if count == 1 else 's'}" for count, what in counts if count]
    if advanced.pod_affinity.pod_affinity or advanced.pod_affinity.pod_anti_affinity:
        parts.append("pod affinity")
    return ", ".join(parts) or "nothing special"


def _limits(document: ModelDeployment) -> str:
    limits = document.spec.rate_limits
    levels = (("org", limits.organization), ("user", limits.user), ("key", limits.api_key))
    parts = [f"{name} {_level(level)}" for name, level in levels if _level(level)]
    return "; ".join(parts) + " a minute" if parts else "none"


def _level(limits: Limits) -> str:
    parts = []
    if limits.tokens_per_minute is not None:
        parts.append(f"{limits.tokens_per_minute:,} tokens")
    if limits.requests_per_minute is not None:
        parts.append(f"{limits.requests_per_minute:,} requests")
    return ", ".join(parts)


def _price(document: ModelDeployment) -> str:
    pricing = document.spec.pricing
    if pricing is None:
        return "none: usage is counted without a cost"
    amounts = f"{plain(pricing.input_per_million)} in, {plain(pricing.output_per_million)} out"
    if pricing.cached_input_per_million is not None:
        amounts += f", {plain(pricing.cached_input_per_million)} cached in"
    return f"{pricing.currency} {amounts}, per million tokens"


def gpu_note(facts: Facts) -> str:
    """How many GPUs are free on each node now, the most first; empty when the nodes are not known."""
    nodes = sorted((row for row in facts.nodes if row.gpu_total), key=lambda row: (-row.gpu_free, row.node.meta.name))
    parts = [f"{row.node.meta.name} {row.gpu_free}/{row.gpu_total}" for row in nodes[:4]]
    more = f", {len(nodes) - 4} more nodes" if len(nodes) > 4 else ""
    return f"Free GPUs: {', '.join(parts)}{more}" if parts else ""


def start_note(draft: Draft, facts: Facts) -> str:
    """How long such pods took to start in this cluster; empty when none was seen."""
    usual = usual_start_of(draft, facts)
    if usual is None:
        return ""
    room = f"; a budget of {usual.enough} s leaves room" if usual.enough > _ALLOWED_ANYWAY_S else ""
    return f"Start-up: {usual.loads_in_words()}{room}."


def limits_note(endpoint: str, facts: Facts) -> str:
    """Who keeps the limits at an endpoint."""
    document = next((row.document for row in facts.endpoints if row.name == endpoint), None)
    if document is None:
        return "Limits are recorded with the deployment; what keeps them depends on the endpoint."
    return f"Kept by {kept_by(document.spec)}."
