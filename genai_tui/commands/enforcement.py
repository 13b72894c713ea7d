"""`genai-tui enforcement NAME`: who keeps the limits and the sharing of a deployment, and what is proven of it."""

from __future__ import annotations

from genai_tui.commands.explain import find
from genai_tui.commands.output import Format, as_json, as_yaml, write
from genai_tui.domain.enforcement import Enforcement
from genai_tui.services import Services


async def enforcement(services: Services, name: str, namespace: str | None, *, probe: bool, form: Format) -> None:
    """Print what the gateway's controllers say, after a probe if one is asked for.

    Raises:
        NotFound, BadInput: nothing, or more than one thing, is called so; there is nothing to probe.
    """
    await services.settle()
    ref = find(services, name, namespace).ref
    found = await (services.operations.prove(ref) if probe else services.operations.enforcement(ref))
    if form in ("json", "yaml"):
        write(as_json(_document(found)) if form == "json" else as_yaml(_document(found)))
        return
    lines = [f"{ref}   {found.by + ': ' if found.by else ''}{found.claim.value}"]
    lines += [f"hostname   {found.hostname}"] if found.hostname else []
    lines += [f"{'because' if i == 0 else '':<10} {reason}" for i, reason in enumerate(found.reasons)]
    for condition in found.conditions:
        words = condition.message or ("as it should be" + (" (simulated)" if condition.simulated else ""))
        lines.append(f"{'ok' if condition.good else 'not':<10} {condition.reference}: {words}")
    for sent in found.probes:
        got = sent.status if sent.status is not None else sent.message or "no answer"
        lines.append(f"{'ok' if sent.good else 'not':<10} probe with {sent.what}: expected {sent.expected}, got {got}")
    write("\n".join(lines))


def _document(found: Enforcement) -> dict[str, object]:
    return {
        "by": found.by,
        "claim": found.claim.value,
        "reasons": list(found.reasons),
        "hostname": found.hostname,
        "conditions": [
            {"object": c.reference, "good": c.good, "message": c.message, "simulated": c.simulated}
            for c in found.conditions
        ],
        "probes": [
            {"what": p.what, "expected": p.expected, "status": p.status, "message": p.message} for p in found.probes
        ],
    }
