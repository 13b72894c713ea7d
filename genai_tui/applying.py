"""Documents compared, dry-run and applied, among others who write to the same objects."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genai_tui.disputing import Decided, Standing, checked, decide, look, take_theirs, undecided
from genai_tui.domain.disputes import UNDECIDED, Dispute, Resolution
from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.naming import MANAGED_BY_LABEL, MANAGER, SPEC_ANNOTATION, did_you_mean
from genai_tui.domain.preflight import Check
from genai_tui.domain.problems import FieldProblem
from genai_tui.domain.rows import Ref
from genai_tui.enforcing import Leaving
from genai_tui.errors import (
    BadInput,
    ChangedMeanwhile,
    Conflict,
    Disputed,
    GenaiTuiError,
    NotFound,
    NotPermitted,
    PartlyApplied,
)
from genai_tui.kube import writes
from genai_tui.kube.gateways import is_route
from genai_tui.kube.journal import act
from genai_tui.kube.manifests.catalogue import read_entry
from genai_tui.kube.manifests.deployment import owned_by
from genai_tui.kube.refusals import Modified
from genai_tui.object_texts import difference, manifest_of
from genai_tui.rendering import Rendering, document_of, owned
from genai_tui.services import (
    AnyDocument,
    Applied,
    Outcome,
    Preview,
)

Json = dict[str, Any]
Objects = tuple[Json, ...]
TRIES = 5
"""How often an object that moves on is looked at again before its write is given up."""
Planned = tuple[AnyDocument, tuple[Decided, ...]]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What will be written, with what the server's dry run said to each object."""

    planned: list[Planned]
    outcomes: dict[str, Outcome]


class Applying(Rendering):
    """Everything from a document to what is written of it."""

    async def preview(self, document: AnyDocument) -> Preview:
        """Render, compare, dry-run. Refusals of the server are in the result, not raised."""
        await self._look_at_gateways([document])
        ((_, objects),) = self.render([document])
        problems = (*self._picture_problems(document, [document]), *self._gateway_problems([document]))
        outcomes: dict[str, Outcome] = {}
        diffs: list[str] = []
        refusal = None
        disputes: tuple[Dispute, ...] = ()
        try:
            live = await writes.read(self._connection, objects[0])
            wanted = owned(objects, live)
            leaving = (await self._leaving(document, objects)).references
            standing = await look(self._connection, wanted, self._before(document, live), leaving)
            disputes = undecided(standing, UNDECIDED)
            for item in wanted:
                done = await self._would(item, leaving)
                outcomes[writes.reference(item)] = done.outcome
                diffs.append(difference(done, item))
            outcomes |= dict.fromkeys(await self._unwanted(document, objects), "removed")
        except GenaiTuiError as error:
            refusal = error.problem.line
        manifests = tuple(manifest_of(item) for item in objects)
        checks = await self._checks(document, objects, [document])
        told = self._warnings(document, [document])
        return Preview(manifests, outcomes, "".join(diffs), refusal, problems, told, checks, disputes)

    async def warnings(self, documents: Sequence[AnyDocument]) -> Mapping[str, tuple[str, ...]]:
        """As the port says."""
        await self._look_at_gateways(documents)
        found = {f"{d.kind} {d.metadata.name}": self._warnings(d, documents) for d in documents}
        return {name: told for name, told in found.items() if told}

    async def preflight(self, documents: Sequence[AnyDocument]) -> Mapping[Ref, tuple[Check, ...]]:
        """Fit, placement and what is needed."""
        await self._look_at_gateways(documents)
        return {
            Ref(self._namespace(document), document.metadata.name): await self._checks(document, objects, documents)
            for document, objects in self.render(documents)
            if isinstance(document, ModelDeployment)
        }

    async def _checks(
        self, document: AnyDocument, objects: Objects, beside: Sequence[AnyDocument]
    ) -> tuple[Check, ...]:
        if not isinstance(document, ModelDeployment):
            return ()
        model, endpoint = self._model(document, beside), self._endpoint(document, beside)
        return await self._preflight.checks(document, self._namespace(document), model, endpoint, objects)

    async def apply(
        self,
        document: AnyDocument,
        *,
        create_only: bool = False,
        base: AnyDocument | None = None,
        resolution: Resolution = UNDECIDED,
    ) -> Applied:
        """Apply one document."""
        self._may_write()
        await self._look_at_gateways([document])
        return Applied(
            await self._settled(lambda: self._decide([document], resolution, create_only=create_only, base=base))
        )

    async def _settled(self, deciding: Callable[[], Awaitable[_Plan]]) -> Mapping[str, Outcome]:
        """Decide and write. The status moves on all the time: look again, and write if what matters is the same."""
        for _ in range(TRIES - 1):
            with contextlib.suppress(Modified):
                return await self._write((await deciding()).planned)
        return await self._write((await deciding()).planned)

    async def apply_documents(
        self, documents: Sequence[AnyDocument], dry_run: bool, resolution: Resolution = UNDECIDED
    ) -> Mapping[str, Outcome]:
        """Apply several; everything is dry-run first, so that a refusal comes before the first write."""
        await self._look_at_gateways(documents)
        if dry_run:
            return (await self._decide(documents, resolution)).outcomes
        self._may_write()
        return await self._settled(lambda: self._decide(documents, resolution))

    async def _decide(
        self,
        documents: Sequence[AnyDocument],
        resolution: Resolution,
        *,
        create_only: bool = False,
        base: AnyDocument | None = None,
    ) -> _Plan:
        """What is to be written and what the server says to it; every dispute of every document at once.

        Raises:
            BadInput, NotPermitted, Disputed, ChangedMeanwhile: nothing was written.
        """
        rendered = self.render(documents)
        problems = [problem for document in documents for problem in self._picture_problems(document, documents)]
        problems += self._gateway_problems(documents)
        if problems:
            raise BadInput(problems[0].message, fields=tuple(problems))
        looked: list[tuple[AnyDocument, tuple[Standing, ...]]] = []
        missing: list[Dispute] = []
        for document, objects in rendered:
            live = await self._check_existing(document, objects[0], create_only=create_only)
            if base is not None:
                refuse_changed(base, live, writes.reference(objects[0]))
            before = self._before(document, live)
            leaving = (await self._leaving(document, objects)).references
            standing = await look(self._connection, owned(objects, live), before, leaving)
            missing += undecided(standing, resolution)
            if isinstance(document, ModelDeployment):
                theirs = take_theirs(document, standing[0], resolution)
                if theirs != document:
                    document = theirs
                    wanted = owned(self._objects(theirs, documents), live)
                    standing = await look(self._connection, wanted, before, leaving)
                    missing += undecided(standing, resolution)
            looked.append((document, standing))
        if missing:
            raise Disputed(tuple(dict.fromkeys(missing)))
        return await self._dry_run(looked, resolution, lock=base is not None)

    async def _dry_run(
        self, looked: Sequence[tuple[AnyDocument, tuple[Standing, ...]]], resolution: Resolution, *, lock: bool
    ) -> _Plan:
        """All of it first, so that a refusal of the last object does not leave the first one behind."""
        plan = _Plan([], {})
        for document, standing in looked:
            ready: list[Decided] = []
            for one in decide(standing, resolution, lock=lock):
                done, outcome = await self._ask(one, resolution)
                ready.append(done)
                plan.outcomes[writes.reference(one.item)] = outcome
            objects = tuple(one.item for one in ready)
            plan.outcomes.update(dict.fromkeys(await self._unwanted(document, objects), "removed"))
            plan.planned.append((document, tuple(ready)))
        return plan

    def _before(self, document: AnyDocument, live: Json | None) -> Objects:
        """What the last apply wrote, as far as the annotation still says it."""
        if not isinstance(document, ModelDeployment) or live is None:
            return ()
        last = document_of(live)
        try:
            return self._objects(last, [last], live=live) if last is not None else ()
        except BadInput:
            return ()

    async def diff_documents(self, documents: Sequence[AnyDocument]) -> str:
        """What applying them would change, as the server's dry run says; empty when nothing would."""
        await self._look_at_gateways(documents)
        diffs: list[str] = []
        for document, objects in self.render(documents):
            live = await self._check_existing(document, objects[0], create_only=False)
            wanted = owned(objects, live)
            leaving = (await self._leaving(document, objects)).references
            standing = await look(self._connection, wanted, self._before(document, live), leaving)
            diffs += [f"# {dispute.line}\n" for dispute in undecided(standing, UNDECIDED)]
            for item in wanted:
                try:
                    done = await self._would(item, leaving)
                except NotFound as error:
                    raise self._no_namespace(item, error) from error
                diffs.append(difference(done, item))
            diffs += [f"--- live {name}\n+++ /dev/null\n" for name in await self._unwanted(document, objects)]
        return "".join(diffs)

    async def _would(self, item: Json, leaving: Collection[str]) -> writes.Written:
        """What an apply would do with an object, of which nothing is there any more where it is `leaving`."""
        # Forced, as nothing is written: the diff shows what would be taken, the disputes say from whom.
        done = await writes.apply(self._connection, item, dry_run=True, force=True)
        return writes.Written("created", None, item) if writes.reference(item) in leaving else done

    async def _ask(self, one: Decided, resolution: Resolution) -> tuple[Decided, Outcome]:
        item = one.item
        try:
            return await checked(self._connection, one, resolution)
        except NotFound as error:
            if item["kind"] == "ConfigMap" and item["metadata"]["namespace"] == self._session.system_namespace:
                # Its namespace is made with it.
                return one, "created"
            raise self._no_namespace(item, error) from error

    def _no_namespace(self, item: Json, error: NotFound) -> GenaiTuiError:
        namespace = item["metadata"].get("namespace", "")
        if f'namespaces "{namespace}" not found' not in str(error):
            return error
        text = f"namespace '{namespace}' does not exist{did_you_mean(namespace, self._picture.namespaces())}"
        return BadInput(
            text,
            fields=(FieldProblem("metadata.namespace", text),),
            next_step=f"create it, e.g. kubectl create namespace {namespace}",
        )

    def _may_write(self) -> None:
        if self._session.read_only:
            raise NotPermitted("this is a read-only session", next_step="start again without --read-only")

    async def _check_existing(self, document: AnyDocument, item: Json, *, create_only: bool) -> Json | None:
        """What is there already; refuses a name that someone else has, or we have when something new is wanted."""
        live = await writes.read(self._connection, item)
        if live is None:
            return None
        labels = live["metadata"].get("labels") or {}
        annotations = live["metadata"].get("annotations") or {}
        name = item["metadata"]["name"]
        ours = labels.get(MANAGED_BY_LABEL) == MANAGER
        if isinstance(document, ModelDeployment):
            ours = ours and SPEC_ANNOTATION in annotations
        if not ours:
            raise Conflict(
                f"{writes.reference(item)} exists and was not made by genai-tui",
                why=f"managed by {labels.get(MANAGED_BY_LABEL) or 'others'}",
                next_step="choose another name",
            )
        if create_only:
            where = f" in namespace {item['metadata']['namespace']}" if isinstance(document, ModelDeployment) else ""
            text = f"'{document.metadata.name}' exists already{where}"
            raise BadInput(text, fields=(FieldProblem("metadata.name", text),), next_step=f"edit {name} instead")
        return live

    async def _write(self, rendered: Sequence[Planned]) -> Mapping[str, Outcome]:
        outcomes: dict[str, Outcome] = {}
        planned = [writes.reference(one.item) for _, objects in rendered for one in objects]
        try:
            if any(not isinstance(document, ModelDeployment) for document, _ in rendered):
                await self._ensure_system_namespace(outcomes)
            for document, objects in rendered:
                with act():
                    await self._write_one(document, objects, outcomes)
        except GenaiTuiError as error:
            done = tuple(name for name, outcome in outcomes.items() if outcome != "unchanged")
            if not done:
                raise (
                    self._no_namespace(rendered[0][1][0].item, error) if isinstance(error, NotFound) else error
                ) from error
            missing = tuple(name for name in planned if name not in outcomes)
            raise PartlyApplied(
                f"written: {', '.join(done)}; not written: {', '.join(missing)}",
                created=done,
                missing=missing,
                why=error.problem.what,
                next_step="apply again when the cause is mended; nothing is written twice",
            ) from error
        return outcomes

    async def _write_one(
        self, document: AnyDocument, planned: tuple[Decided, ...], outcomes: dict[str, Outcome]
    ) -> None:
        objects = tuple(one.item for one in planned)
        uid = ""
        leaving = await self._leaving(document, objects)
        for at, one in enumerate(planned):
            item = owned_by(objects, uid)[at] if uid else one.item
            if is_route(item) and leaving.references:
                # Not before all that may refuse: from here until the new route is written there is none.
                outcomes |= dict.fromkeys(await self._gateways.remove(leaving), "removed")
                await self._gateways.until_gone(leaving)
                leaving = Leaving()
            done = await writes.apply(self._connection, item, force=one.force, version=one.version)
            outcomes[writes.reference(item)] = done.outcome
            uid = uid or done.after["metadata"]["uid"]
        if isinstance(document, ModelDeployment):
            ref = Ref(self._namespace(document), document.metadata.name)
            outcomes |= dict.fromkeys(await self._gateways.prune(ref, objects), "removed")
            await self._noted(ref, document)

    async def _ensure_system_namespace(self, outcomes: dict[str, Outcome]) -> None:
        name = self._session.system_namespace
        item: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        if name in self._picture.namespaces() or await writes.read(self._connection, item) is not None:
            return
        await writes.create(self._connection, item)
        outcomes[writes.reference(item)] = "created"


def refuse_changed(base: AnyDocument, live: Json | None, reference: str) -> None:
    """Refuse to write over what another console saved after `base` was read."""
    now: AnyDocument | None = None
    if live is not None and isinstance(base, ModelDeployment):
        now = document_of(live)
    elif live is not None:
        meta = live["metadata"]
        entry = read_entry(meta.get("labels") or {}, live.get("data") or {}, meta["name"])
        now = None if isinstance(entry, str) else entry
    if now is None or now.spec != base.spec:
        raise ChangedMeanwhile(reference, now)
