"""`genai-tui explain`: phase, cause, evidence and fix of one deployment, and what was changed elsewhere."""

from __future__ import annotations

from genai_tui.commands.named import the_one
from genai_tui.commands.output import Format, as_json, as_yaml, write
from genai_tui.domain.disputes import Drift, shown
from genai_tui.domain.rows import DeploymentRow, Ref
from genai_tui.errors import GenaiTuiError
from genai_tui.services import Services


async def explain(services: Services, name: str, namespace: str | None, form: Format) -> None:
    """Print why the deployment is as it is.

    Raises:
        NotFound, BadInput: when nothing, or more than one thing, is called so.
    """
    await services.settle()
    row = find(services, name, namespace)
    assessment = row.assessment
    drift, unknown = await _drift(services, row)
    document: dict[str, object] = {
        "phase": assessment.phase.value,
        "cause": assessment.cause,
        "evidence": list(assessment.evidence),
        "fix": assessment.fix,
    }
    if drift is not None and drift.fields:
        document["drift"] = [
            {"object": f.reference, "field": f.path, "manager": f.manager or None, "live": f.theirs, "spec": f.ours}
            for f in drift.fields
        ]
    if form in ("json", "yaml"):
        write(as_json(document) if form == "json" else as_yaml(document))
        return
    lines = [f"{row.ref}   {assessment.phase.value}   {row.ready}/{row.replicas} ready"]
    lines += [f"cause      {assessment.cause}"] if assessment.cause else []
    lines += [f"{'evidence' if i == 0 else '':<10} {text}" for i, text in enumerate(assessment.evidence)]
    lines += [f"fix        {assessment.fix}"] if assessment.fix else []
    for i, field in enumerate(drift.fields if drift is not None else ()):
        asked = "added" if field.ours is None else f"asked for {field.ours}"
        told = f"{field.reference} {field.path}: {shown(field.theirs)} by {field.holder}, {asked}"
        lines.append(f"{'changed' if i == 0 else '':<10} {told}")
    lines += [f"changed    not known: {unknown}"] if unknown else []
    write("\n".join(lines))


async def _drift(services: Services, row: DeploymentRow) -> tuple[Drift | None, str]:
    """What was changed elsewhere, or why that is not known; neither for a deployment of others."""
    if row.foreign:
        return None, ""
    try:
        return await services.operations.drift(row.ref), ""
    except GenaiTuiError as error:
        return None, error.problem.line


def find(services: Services, name: str, namespace: str | None) -> DeploymentRow:
    """The deployment called `name`, or `namespace/name`, in `namespace` or the only one anywhere.

    Raises:
        NotFound: nothing is called so; the nearest name is offered.
        BadInput: several namespaces have one; they are named.
    """
    rows = {row.ref: row for row in services.picture.deployments()}
    return rows[the_one(name, namespace, rows)]


def find_ref(services: Services, name: str, namespace: str | None) -> Ref:
    """The reference of what `find` finds."""
    return find(services, name, namespace).ref
