"""All a developer needs to call a deployment, and which there are, as Markdown to hand over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby

from genai_tui.domain.catalogue import UseCase
from genai_tui.domain.deployment import Limits, RateLimits, Sharing, SharingMode
from genai_tui.domain.documents import Endpoint, Model
from genai_tui.domain.rows import DeploymentDetail
from genai_tui.domain.text import printable

_CODE = {"curl": "sh", "python": "python", "node": "js"}
_TITLES = {"curl": "curl", "python": "Python", "node": "Node"}


def handover(
    detail: DeploymentDetail,
    model: Model | None,
    endpoint: Endpoint | None,
    samples: Iterable[tuple[str, str]],
    enforcement: str,
    *,
    address: str = "",
    called: str = "",
) -> str:
    """The page of one deployment.

    Args:
        detail: the deployment.
        model: its catalogue entry; None when it is not known.
        endpoint: its endpoint; None when it is not known.
        samples: (language, a request that runs as printed) of each.
        enforcement: who keeps sharing and limits, in words.
        address: base URL callers use in place of the endpoint's.
        called: the one name it has at that address.
    """
    row, document = detail.row, detail.document
    spec = document.spec if document is not None else None
    facts: list[tuple[str, str]] = [
        ("status", f"{row.assessment.phase.value}, {row.ready} of {row.replicas} replicas ready"),
        ("`model` in requests", ", ".join(f"`{name}`" for name in _names(detail, called))),
        ("model", _model(row.model, model)),
        ("endpoint", address or _endpoint(row.endpoint, endpoint)),
    ]
    if spec is not None:
        facts += [
            ("context", _context(detail)),
            ("price", _price(detail)),
            ("shared with", sharing_text(spec.sharing)),
        ]
    parts = [f"# {row.ref.name}", ""]
    if spec is not None and spec.description:
        parts += [printable(spec.description), ""]
    parts += ["| | |", "|---|---|", *(f"| {label} | {_cell(text)} |" for label, text in facts), ""]
    parts += [
        "## API key",
        "",
        "Ask your operator for a key of your organization and user, and keep it out of files:",
        "",
    ]
    parts += ["```sh", "export API_KEY=...", "```", ""]
    if spec is not None:
        parts += ["## Limits", "", *_limits(spec.rate_limits, enforcement), ""]
    use = model.spec.use_case if model is not None else UseCase.CHAT
    parts += ["## Requests", "", f"The OpenAI protocol: {', '.join(f'`{path}`' for path in use.paths)}.", ""]
    for language, code in samples:
        parts += [
            f"### {_TITLES.get(language, language)}",
            "",
            f"```{_CODE.get(language, '')}",
            code.rstrip(),
            "```",
            "",
        ]
    return "\n".join(parts)


def directory(details: Iterable[DeploymentDetail], models: Mapping[str, Model], organization: str | None) -> str:
    """The models with their deployments, one table.

    Args:
        details: the deployments; those of others are left out.
        models: the catalogue by name.
        organization: whom the page is for; None: everybody, and it says with whom each is shared.
    """
    ours = sorted((d for d in details if d.document is not None), key=lambda d: (d.row.model or "", str(d.row.ref)))
    lines = [f"# Models for {organization}" if organization else "# Models", ""]
    if not ours:
        return "\n".join([*lines, "Nothing is shared yet." if organization else "Nothing is deployed yet."])
    for name, group in groupby(ours, key=lambda d: d.row.model):
        lines += [f"## {name}", "", _cell(_model(name, models.get(name or ""))), ""]
        heads = ["deployment", "namespace", "status", "context", "price", *(() if organization else ("shared with",))]
        lines += [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
        for detail in group:
            cells = [detail.row.ref.name, detail.row.ref.namespace, detail.row.assessment.phase.value]
            cells += [_context(detail), _price(detail)]
            if not organization and detail.document is not None:
                cells.append(sharing_text(detail.document.spec.sharing))
            lines.append(f"| {' | '.join(map(_cell, cells))} |")
        lines.append("")
    return "\n".join(lines).rstrip()


def _names(detail: DeploymentDetail, called: str) -> tuple[str, ...]:
    return (called,) if called else detail.row.served_names or (detail.row.ref.name,)


def _context(detail: DeploymentDetail) -> str:
    length = detail.document.spec.engine.context_length if detail.document is not None else "auto"
    return "as long as fits" if length == "auto" else f"{length:,} tokens, question and answer together"


def _cell(text: str) -> str:
    return printable(text).replace("|", "\\|")


def _model(name: str | None, model: Model | None) -> str:
    if name is None:
        return "not known"
    if model is None:
        return name
    said = [model.spec.parameters or "", model.spec.use_case.value, model.spec.description]
    return f"{name} ({', '.join(part for part in said if part)})"


def _endpoint(name: str | None, endpoint: Endpoint | None) -> str:
    if endpoint is None:
        return name or "not known"
    where = "inside the cluster" if endpoint.spec.exposure == "cluster" else "through a gateway"
    return f"{endpoint.spec.hostname}, {where}"


def _price(detail: DeploymentDetail) -> str:
    pricing = detail.document.spec.pricing if detail.document is not None else None
    if pricing is None:
        return "none"
    price = pricing.price
    amounts = f"{price.input_per_million} input, {price.output_per_million} output"
    if price.cached_per_million is not None:
        amounts += f", {price.cached_per_million} cached input"
    return f"{amounts}, {price.currency} per 1,000,000 tokens"


def sharing_text(sharing: Sharing) -> str:
    """With whom, in words."""
    match sharing.mode:
        case SharingMode.NONE:
            return "nobody"
        case SharingMode.ALL:
            return "all organizations"
        case SharingMode.ORGANIZATIONS:
            return ", ".join(sharing.organizations)


def _limits(limits: RateLimits, enforcement: str) -> list[str]:
    levels = (("organization", limits.organization), ("user", limits.user), ("API key", limits.api_key))
    if all(level == Limits() for _, level in levels):
        return ["None."]
    lines = ["| each | tokens a minute | requests a minute |", "|---|--:|--:|"]
    for name, level in levels:
        lines.append(f"| {name} | {_limit(level.tokens_per_minute)} | {_limit(level.requests_per_minute)} |")
    return [*lines, "", f"All apply together. Enforcement: {enforcement}."]


def _limit(value: int | None) -> str:
    return "not limited" if value is None else f"{value:,}"
