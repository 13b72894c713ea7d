"""All a developer needs to call one deployment, as Markdown to hand over."""

from __future__ import annotations

from collections.abc import Iterable

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
) -> str:
    """The page.

    Args:
        detail: the deployment.
        model: its catalogue entry; None when it is not known.
        endpoint: its endpoint; None when it is not known.
        samples: (language, a request that runs as printed) of each.
        enforcement: who keeps sharing and limits, in words.
    """
    row, document = detail.row, detail.document
    spec = document.spec if document is not None else None
    facts: list[tuple[str, str]] = [
        ("status", f"{row.assessment.phase.value}, {row.ready} of {row.replicas} replicas ready"),
        ("`model` in requests", ", ".join(f"`{name}`" for name in row.served_names) or f"`{row.ref.name}`"),
        ("model", _model(row.model, model)),
        ("endpoint", _endpoint(row.endpoint, endpoint)),
    ]
    if spec is not None:
        length = spec.engine.context_length
        facts += [
            ("context", "as long as fits" if length == "auto" else f"{length:,} tokens, question and answer together"),
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
    parts += ["## Requests", "", "The OpenAI protocol: `/v1/chat/completions`, `/v1/completions`, `/v1/models`.", ""]
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
