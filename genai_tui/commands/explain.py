"""`genai-tui explain`: phase, cause, evidence and fix of one deployment."""

from __future__ import annotations

from genai_tui.commands.output import Format, as_json, as_yaml, write
from genai_tui.domain.naming import did_you_mean
from genai_tui.domain.rows import DeploymentRow, Ref
from genai_tui.errors import BadInput, NotFound
from genai_tui.services import Services


async def explain(services: Services, name: str, namespace: str | None, form: Format) -> None:
    """Print why the deployment is as it is.

    Raises:
        NotFound, BadInput: when nothing, or more than one thing, is called so.
    """
    await services.settle()
    row = find(services, name, namespace)
    assessment = row.assessment
    document = {
        "phase": assessment.phase.value,
        "cause": assessment.cause,
        "evidence": list(assessment.evidence),
        "fix": assessment.fix,
    }
    if form in ("json", "yaml"):
        write(as_json(document) if form == "json" else as_yaml(document))
        return
    lines = [f"{row.ref}   {assessment.phase.value}   {row.ready}/{row.replicas} ready"]
    lines += [f"cause      {assessment.cause}"] if assessment.cause else []
    lines += [f"{'evidence' if i == 0 else '':<10} {text}" for i, text in enumerate(assessment.evidence)]
    lines += [f"fix        {assessment.fix}"] if assessment.fix else []
    write("\n".join(lines))


def find(services: Services, name: str, namespace: str | None) -> DeploymentRow:
    """The deployment called `name`, or `namespace/name`, in `namespace` or the only one anywhere.

    Raises:
        NotFound: nothing is called so; the nearest name is offered.
        BadInput: several namespaces have one; they are named.
    """
    if "/" in name:
        namespace, _, name = name.partition("/")
    rows = services.picture.deployments()
    found = [row for row in rows if row.ref.name == name and namespace in (None, row.ref.namespace)]
    if not found:
        where = f" in namespace {namespace}" if namespace else ""
        names = [row.ref.name for row in rows if namespace in (None, row.ref.namespace)]
        raise NotFound(f"no deployment is called '{name}'{where}{did_you_mean(name, names)}")
    if len(found) > 1:
        namespaces = ", ".join(sorted(row.ref.namespace for row in found))
        raise BadInput(f"'{name}' exists in several namespaces", why=namespaces, next_step="say which one with -n")
    return found[0]


def find_ref(services: Services, name: str, namespace: str | None) -> Ref:
    """The reference of what `find` finds."""
    return find(services, name, namespace).ref
