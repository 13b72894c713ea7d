"""`genai-tui diff`, `export` and `adopt`: what a repository of files needs from a cluster."""

from __future__ import annotations

from genai_tui.commands.apply import print_manifests, read_file
from genai_tui.commands.explain import find_ref
from genai_tui.commands.output import note, write
from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.drafts import DEPLOYMENT_FORM
from genai_tui.errors import BadInput, NotFound
from genai_tui.files import to_yaml
from genai_tui.services import AnyDocument, Services

DIFFERENT = 1
"""Exit code of `diff` when something would change, as of `kubectl diff` and of diff itself."""


async def diff(services: Services, path: str) -> int:
    """Print what applying a file would change; returns the exit code.

    Raises:
        BadInput, Conflict, NotPermitted: the file could not be applied at all.
    """
    documents = read_file(path)
    await services.settle()
    text = await services.diff_documents(documents)
    if not text:
        return 0
    write(text.rstrip("\n"))
    return DIFFERENT


async def export(services: Services, name: str, namespace: str | None, *, complete: bool, manifests: bool) -> None:
    """Print a deployment as a file, alone or with what it refers to; or as the objects that are made of it.

    Raises:
        NotFound: nothing is called so, or what it was made from cannot be read.
    """
    await services.settle()
    ref = find_ref(services, name, namespace)
    detail = services.picture.deployment(ref)
    document = detail.document if detail is not None else None
    if document is None:
        raise NotFound(
            f"{ref} was not made by genai-tui, or its annotation genai-tui.dev/spec cannot be read",
            next_step=f"kubectl -n {ref.namespace} get deployment {ref.name} -o yaml shows it as it is",
        )
    # Where it is, also if the file it came from left that to the context.
    home = document.metadata.model_copy(update={"namespace": ref.namespace})
    document = document.model_copy(update={"metadata": home})
    documents = (*(_referred(services, document) if complete else ()), document)
    if manifests:
        print_manifests([manifest.yaml for manifest in await services.render_documents(documents)])
    else:
        write(to_yaml(documents).rstrip("\n"))


def _referred(services: Services, document: ModelDeployment) -> list[AnyDocument]:
    """The catalogue entries a deployment needs, as far as they can be read."""
    picture, spec = services.picture, document.spec
    found: list[AnyDocument] = []
    found += [row.document for row in picture.models() if row.name == spec.model and row.document]
    found += [row.document for row in picture.endpoints() if row.name == spec.endpoint and row.document]
    shared = spec.sharing.organizations
    found += [row.document for row in picture.organizations() if row.name in shared and row.document]
    return found


async def adopt(services: Services, name: str, namespace: str | None) -> None:
    """Print a deployment of others as a file of ours, for a new one beside it; what does not fit, on standard error.

    Raises:
        NotFound: nothing is called so. BadInput: it is ours already, runs no engine that can be deployed here, or
            lacks what a file needs, such as a model of the catalogue.
    """
    await services.settle()
    ref = find_ref(services, name, namespace)
    adoption = await services.operations.adoption(ref)
    for left in adoption.leftovers:
        note(f"not taken over: {left.line}")
    rows = services.picture.endpoints()
    inside = [row.name for row in rows if row.document is not None and row.document.spec.exposure == "cluster"]
    endpoint = {"endpoint": inside[0]} if len(inside) == 1 else {}
    reading = DEPLOYMENT_FORM.read({**DEPLOYMENT_FORM.blank(), **endpoint, **adoption.texts})
    if reading.document is None:
        raise BadInput(f"{ref} cannot be written as a file yet", fields=reading.problems)
    write(to_yaml((reading.document,)).rstrip("\n"))
