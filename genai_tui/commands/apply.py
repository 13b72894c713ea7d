"""`genai-tui render`, `apply` and `delete`: files in, objects out, and waiting until it runs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from genai_tui.commands.output import confirm, note, write
from genai_tui.domain.disputes import Resolution, Stand, all_of
from genai_tui.domain.documents import ModelDeployment, Organization
from genai_tui.domain.rows import Assessment, Phase, Ref
from genai_tui.domain.startup import left_of
from genai_tui.errors import BadInput, Disputed, GenaiTuiError, NotFound, TimedOut
from genai_tui.files import read_documents
from genai_tui.services import AnyDocument, Outcome, Services

KIND_NAMES: Mapping[str, str] = {
    "deployment": "ModelDeployment",
    "modeldeployment": "ModelDeployment",
    "model": "Model",
    "endpoint": "Endpoint",
    "organization": "Organization",
}
GIVE_UP_AFTER_FAILED_S = 20.0
"""How long a deployment may stay Failed before `--wait` ends: a restart may still mend it, a wrong setting will not."""


def read_file(path: str) -> tuple[AnyDocument, ...]:
    """The documents of a file, or of standard input for `-`.

    Raises:
        BadInput: the file cannot be read, or has wrong fields (one problem each, with its line).
    """
    if path == "-":
        return read_documents(sys.stdin.read())
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise BadInput(f"no file {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read {path}", why=str(error)) from error
    return read_documents(text)


async def apply(
    services: Services,
    path: str,
    *,
    dry_run: bool,
    wait: bool,
    timeout: float,
    force: bool = False,
    theirs: Sequence[str] = (),
) -> None:
    """Apply every document of the file in order; with `wait`, until each deployment runs.

    A dry run tells the pre-flight too, on standard error; so is what may not be meant, and each field that somebody
    else holds. With `force` these are taken; those in `theirs` (paths, or `all`) are left as they are.

    Raises:
        Disputed: others hold fields about which nothing was said. Nothing was written.
        BadInput: before anything is written, when any document is wrong or the server's dry run refuses it.
        PartlyApplied: a later object was refused after earlier ones were written.
        TimedOut: `wait` did not see Running in `timeout` seconds.
    """
    documents = read_file(path)
    await services.settle()
    warnings = {**await services.operations.warnings(documents), **await _keys_left(services, documents)}
    outcomes = await _apply_deciding(services, documents, dry_run, force, theirs)
    for reference, outcome in outcomes.items():
        write(f"{reference} {outcome}{' (dry run)' if dry_run else ''}")
    for name, told in warnings.items():
        for text in told:
            note(f"{name}: {text}")
    if dry_run:
        for ref, checks in (await services.operations.preflight(documents)).items():
            for check in checks:
                note(f"{ref}: {check.level.value:<8}{check.about}: {check.text}")
    if wait and not dry_run:
        deadline = asyncio.get_running_loop().time() + timeout
        for document in documents:
            if isinstance(document, ModelDeployment):
                namespace = document.metadata.namespace or services.session.namespace or "default"
                await wait_until_running(services, Ref(namespace, document.metadata.name), deadline)


async def _keys_left(services: Services, documents: Sequence[AnyDocument]) -> Mapping[str, tuple[str, ...]]:
    """What becomes of keys whose users an organization has no longer: nothing, and who applies it may not know."""
    live = {row.name: row.document for row in services.picture.organizations()}
    found: dict[str, tuple[str, ...]] = {}
    for document in documents:
        before = live.get(document.metadata.name) if isinstance(document, Organization) else None
        gone = (
            set(before.spec.users) - set(document.spec.users) if before and isinstance(document, Organization) else ()
        )
        if not gone:
            continue
        name = document.metadata.name
        try:
            keys = await services.keys.listed()
        except GenaiTuiError as error:
            told = f"whether keys of {', '.join(sorted(gone))} are left is not known: {error.problem.line}"
        else:
            ids = [key.id for key in keys if key.organization == name and key.user in gone]
            told = f"keys of users it has no longer are let in as before, until they are revoked: {', '.join(ids)}"
            if not ids:
                continue
        found[f"{document.kind} {name}"] = (told,)
    return found


async def _apply_deciding(
    services: Services, documents: Sequence[AnyDocument], dry_run: bool, force: bool, theirs: Sequence[str]
) -> Mapping[str, Outcome]:
    resolution: Resolution = {}
    while True:
        try:
            return await services.apply_documents(documents, dry_run, resolution)
        except Disputed as error:
            kept = tuple(d for d in error.disputes if "all" in theirs or d.path in theirs)
            for dispute in error.disputes:
                said = "theirs is kept" if dispute in kept else "ours is taken" if force else "not decided"
                note(f"conflict: {dispute.line} ({said})")
            if len(kept) < len(error.disputes) and not force:
                raise
            resolution = {**resolution, **all_of(error.disputes, Stand.OURS), **all_of(kept, Stand.THEIRS)}


async def wait_until_running(services: Services, ref: Ref, deadline: float) -> None:
    """Print each change of phase until Running.

    Raises:
        TimedOut: at `deadline` (event loop time).
        GenaiTuiError: it stays Failed; says the cause and the fix.
    """
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()
    unsubscribe = services.picture.subscribe(changed.set)
    shown = ""
    failed_since: float | None = None
    try:
        while True:
            changed.clear()
            detail = services.picture.deployment(ref)
            assessment = detail.row.assessment if detail else Assessment(Phase.PENDING)
            text = describe(ref, assessment, detail.row.ready if detail else 0, detail.row.replicas if detail else 0)
            if text != shown:
                note(text)
                shown = text
            # Just after a change the controller may not have seen the new spec: what runs is still the old one.
            current = detail is not None and detail.workload.observed_generation >= detail.workload.meta.generation
            if current and assessment.phase is Phase.RUNNING:
                return
            if assessment.phase is not Phase.FAILED:
                failed_since = None
            elif failed_since is None:
                failed_since = loop.time()
            elif loop.time() - failed_since > GIVE_UP_AFTER_FAILED_S:
                raise GenaiTuiError(f"{ref} failed", why=assessment.cause or "", next_step=assessment.fix or "")
            left = deadline - loop.time()
            if left <= 0:
                raise TimedOut(f"{ref} is not Running in the time given", why=text)
            await _wait(changed, min(left, 1.0))
    finally:
        unsubscribe()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def describe(ref: Ref, assessment: Assessment, ready: int, replicas: int) -> str:
    """One line on how far a deployment is."""
    text = f"{ref}: {assessment.phase.value}"
    if assessment.progress is not None:
        text += f" {assessment.progress:.0%}"
    if assessment.cause:
        text += f": {assessment.cause}"
    if assessment.seconds_left is not None:
        text += f", {left_of(assessment)}"
    return f"{text} ({ready}/{replicas} ready)"


async def delete(services: Services, kind: str, name: str, namespace: str | None, *, yes: bool) -> None:
    """Delete after asking; `yes` answers in advance.

    Raises:
        BadInput: an unknown kind, something that uses it, or nobody there to ask.
        NotFound: nothing is called so.
    """
    written = KIND_NAMES.get(kind.lower().removesuffix("s"))
    if written is None:
        raise BadInput(f"'{kind}' cannot be deleted", next_step="use deployment, model, endpoint or organization")
    if "/" in name:
        namespace, _, name = name.partition("/")
    where = (namespace or services.session.namespace or "default") if written == "ModelDeployment" else ""
    shown = f"{written} {where}/{name}" if where else f"{written} {name}"
    await services.settle()
    if written == "ModelDeployment" and services.picture.deployment(Ref(where, name)) is None:
        raise NotFound(f"no deployment is called '{name}' in namespace {where}")
    if not yes:
        context = services.session.context
        also = " with all that belongs to it" if written == "ModelDeployment" else ""
        confirm(f"Delete {shown} in {context}{also}?", f"deleting {shown}")
    for reference in await services.operations.delete(written, name, where):
        write(f"{reference} deleted")


def print_manifests(manifests: Sequence[str]) -> None:
    """Write manifests as one YAML stream."""
    write("---\n".join(text if text.endswith("\n") else text + "\n" for text in manifests))


async def render(services: Services, path: str) -> None:
    """Print the manifests of every document of the file. Models not in the file are looked up in the cluster."""
    documents = read_file(path)
    print_manifests([manifest.yaml for manifest in await services.render_documents(documents)])
