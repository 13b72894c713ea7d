"""`genai-tui history` and `rollback`: what ran before, and going back to it."""

from __future__ import annotations

import sys

from genai_tui.commands.explain import find_ref
from genai_tui.commands.output import Format, Row, as_table, confirm, note, timestamp, write, wrote_stable
from genai_tui.domain.revisions import Revision, gone_back
from genai_tui.errors import BadInput, NotFound
from genai_tui.services import Services


async def history(services: Services, name: str, namespace: str | None, form: Format) -> None:
    """Print every revision the cluster keeps, newest first.

    Raises:
        NotFound, NotPermitted.
    """
    await services.settle()
    ref = find_ref(services, name, namespace)
    items = [revision_item(revision) for revision in await services.operations.revisions(ref)]
    if not wrote_stable({"items": items}, form):
        columns = ("revision", "current", "created", "model", "image", "replicas", "ready")
        write(as_table(columns, [tuple(item[column] for column in columns) for item in items]))


def revision_item(revision: Revision) -> Row:
    """One revision as `history -o json` promises it (docs/cli.md)."""
    return {
        "revision": revision.number,
        "current": revision.current,
        "created": timestamp(revision.created),
        "model": revision.document.spec.model if revision.document is not None else None,
        "image": revision.image or None,
        "replicas": revision.replicas,
        "ready": revision.ready,
    }


async def rollback(services: Services, name: str, namespace: str | None, wanted: int | None, *, yes: bool) -> None:
    """Go back to a revision: show what it changes, ask, apply.

    Raises:
        BadInput: there is no such revision, or nobody said yes. Disputed, NotPermitted: as apply.
        NotFound: nothing is called so, or what it was made from cannot be read.
    """
    await services.settle()
    ref = find_ref(services, name, namespace)
    detail = services.picture.deployment(ref)
    now = detail.document if detail is not None else None
    if now is None:
        raise NotFound(f"{ref} was not made by genai-tui, or its annotation genai-tui.dev/spec cannot be read")
    try:
        revision, document = gone_back(now, await services.operations.revisions(ref), wanted)
    except ValueError as error:
        raise BadInput(f"{ref}: {error}", next_step=f"genai-tui history {ref} lists them") from error
    text = await services.diff_documents([document])
    if not text:
        write(f"{ref} is by its spec as revision {revision.number} was: nothing to change")
        if (await services.operations.drift(ref)).fields:
            note(f"what was changed elsewhere stays; genai-tui explain {ref} lists it")
        return
    sys.stderr.write(text)
    if not yes:
        where = services.session.context
        confirm(f"Roll {ref} back to revision {revision.number} in {where}?", f"rolling {ref} back")
    for reference, outcome in (await services.apply_documents([document], False, {})).items():
        write(f"{reference} {outcome}")
