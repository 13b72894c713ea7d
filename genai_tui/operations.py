"""What can be done to the cluster: documents rendered, dry-run, applied; deployments scaled, restarted, deleted.

Implements `services.Operations` on the adapters of `kube` and the picture of the store.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from genai_tui.adopting import adoption_of
from genai_tui.disputing import Decided, Standing, checked, decide, drift_of, look, take_theirs, undecided
from genai_tui.domain.adoption import Adoption
from genai_tui.domain.catalogue import EndpointSpec, ModelSpec
from genai_tui.domain.disputes import UNDECIDED, Dispute, Drift, Resolution
from genai_tui.domain.documents import Endpoint, Model, ModelDeployment
from genai_tui.domain.enforcement import Enforcement
from genai_tui.domain.naming import BEFORE_STOP_ANNOTATION, MANAGED_BY_LABEL, MANAGER, SPEC_ANNOTATION, did_you_mean
from genai_tui.domain.preflight import Check
from genai_tui.domain.problems import FieldProblem
from genai_tui.domain.revisions import Revision
from genai_tui.domain.rows import Ref
from genai_tui.enforcing import GatewayObjects
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
from genai_tui.kube import logs as kube_logs
from genai_tui.kube import writes
from genai_tui.kube.access import Access
from genai_tui.kube.connection import Connection
from genai_tui.kube.journal import act
from genai_tui.kube.manifests.catalogue import config_map_name, read_entry, render_entry
from genai_tui.kube.manifests.deployment import doubts, owned_by, read_deployment, render_deployment
from genai_tui.kube.refusals import Modified
from genai_tui.object_texts import difference, difference_of, manifest_of, redacted, to_yaml, without_values
from genai_tui.preflight import Preflight
from genai_tui.revisions import revisions_of
from genai_tui.services import (
    AnyDocument,
    Applied,
    ClusterPicture,
    LogLine,
    Outcome,
    Permission,
    Preview,
    RenderedManifest,
    Session,
)

Json = dict[str, Any]
Objects = tuple[Json, ...]
PriceNoted = Callable[[Ref, ModelDeployment], Any]


TRIES = 5
"""How often an object that moves on is looked at again before its write is given up."""
Planned = tuple[AnyDocument, tuple[Decided, ...]]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What will be written, with what the server's dry run said to each object."""

    planned: list[Planned]
    outcomes: dict[str, Outcome]


class ClusterOperations:
    """Everything that writes, and what must be known before."""

    def __init__(
        self, connection: Connection, access: Access, picture: ClusterPicture, session: Session, noted: PriceNoted
    ) -> None:
        self._connection, self._access, self._picture, self._session = connection, access, picture, session
        self._noted = noted
        self._gateways = GatewayObjects(connection, picture, session)
        self._preflight = Preflight(connection, picture)

    # -- rendering ----------------------------------------------------------------------------------------------

    def render(self, documents: Sequence[AnyDocument]) -> list[tuple[AnyDocument, Objects]]:
        """The objects of each document; a model may be in the same file or in the catalogue.

        Raises:
            BadInput: an unknown model or endpoint, or an engine that cannot run this; all problems at once.
        """
        found: list[tuple[AnyDocument, Objects]] = []
        problems: list[FieldProblem] = []
        for document in documents:
            try:
                found.append((document, self._objects(document, documents)))
            except BadInput as error:
                problems += error.fields
        if problems:
            raise BadInput("the file cannot be applied", fields=tuple(problems))
        return found

    def _objects(self, document: AnyDocument, beside: Sequence[AnyDocument]) -> Objects:
        if not isinstance(document, ModelDeployment):
            return (render_entry(document, self._session.system_namespace),)
        model = self._model(document, beside)
        endpoint = self._endpoint(document, beside)
        namespace = self._namespace(document)
        return (
            *render_deployment(document, model, namespace),
            *self._gateways.render(document, endpoint, namespace),
        )

    def _namespace(self, document: ModelDeployment) -> str:
        return document.metadata.namespace or self._session.namespace or "default"

    def _model(self, document: ModelDeployment, beside: Sequence[AnyDocument]) -> ModelSpec:
        name = document.spec.model
        known = {row.name: row.document.spec for row in self._picture.models() if row.document is not None}
        known |= {d.metadata.name: d.spec for d in beside if isinstance(d, Model)}
        if name not in known:
            text = f"no model is called '{name}'{did_you_mean(name, known)}"
            raise BadInput(text, fields=(FieldProblem("spec.model", text),), next_step="create it first")
        return known[name]

    def _endpoint(self, document: ModelDeployment, beside: Sequence[AnyDocument]) -> EndpointSpec:
        name = document.spec.endpoint
        rows = {row.name: row for row in self._picture.endpoints()}
        known = {name: row.document.spec for name, row in rows.items() if row.document is not None}
        known |= {d.metadata.name: d.spec for d in beside if isinstance(d, Endpoint)}
        if name in known:
            return known[name]
        text = f"no endpoint is called '{name}'{did_you_mean(name, known)}"
        if name in rows:
            text = f"endpoint '{name}' cannot be read: {rows[name].problem}"
        raise BadInput(text, fields=(FieldProblem("spec.endpoint", text),), next_step="create it first")

    async def render_documents(self, documents: Sequence[AnyDocument]) -> Sequence[RenderedManifest]:
        """The manifests of documents that may refer to each other."""
        return [manifest_of(item) for _, objects in self.render(documents) for item in objects]

    # -- preview and apply --------------------------------------------------------------------------------------

    async def preview(self, document: AnyDocument) -> Preview:
        """Render, compare, dry-run. Refusals of the server are in the result, not raised."""
        await self._look_at_gateways([document])
        ((_, objects),) = self.render([document])
        problems = (*self._picture_problems(document), *self._gateway_problems([document]))
        outcomes: dict[str, Outcome] = {}
        diffs: list[str] = []
        refusal = None
        disputes: tuple[Dispute, ...] = ()
        try:
            live = await writes.read(self._connection, objects[0])
            wanted = _owned(objects, live)
            disputes = undecided(await look(self._connection, wanted, self._before(document, live)), UNDECIDED)
            for item in wanted:
                # Forced, as nothing is written: the diff shows what would be taken, the disputes say from whom.
                done = await writes.apply(self._connection, item, dry_run=True, force=True)
                outcomes[writes.reference(item)] = done.outcome
                diffs.append(difference(done, item))
            outcomes |= dict.fromkeys(await self._unwanted(document, objects), "removed")
        except GenaiTuiError as error:
            refusal = error.problem.line
        manifests = tuple(manifest_of(item) for item in objects)
        checks = await self._checks(document, objects, [document])
        told = self._warnings(document)
        return Preview(manifests, outcomes, "".join(diffs), refusal, problems, told, checks, disputes)

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

    def _warnings(self, document: AnyDocument) -> tuple[str, ...]:
        """What can be applied and may still not be meant."""
        if isinstance(document, Endpoint):
            return self._gateways.followers(document)
        if not isinstance(document, ModelDeployment):
            return ()
        found = doubts(document, self._model(document, [document]))
        told = (f"{problem.field.removeprefix('spec.')}: {problem.message}" for problem in found)
        return (*told, *self._gateways.doubts(document, self._endpoint(document, [document])))

    async def _look_at_gateways(self, documents: Sequence[AnyDocument]) -> None:
        """Learn what the cluster has before anything is rendered for it."""
        for document in documents:
            if isinstance(document, ModelDeployment) and self._endpoint(document, documents).exposure == "gateway":
                await self._gateways.look()

    def _gateway_problems(self, documents: Sequence[AnyDocument]) -> list[FieldProblem]:
        """A gateway that is not installed, or a hostname that is taken."""
        found: list[FieldProblem] = []
        for document in documents:
            if isinstance(document, ModelDeployment):
                endpoint = self._endpoint(document, documents)
                found += self._gateways.problems(document, endpoint, self._namespace(document))
        return found

    async def _unwanted(self, document: AnyDocument, objects: Objects) -> Sequence[str]:
        """What an earlier apply wrote for a gateway and this one does not want."""
        if not isinstance(document, ModelDeployment):
            return ()
        ref = Ref(self._namespace(document), document.metadata.name)
        return [reference for reference, _ in await self._gateways.unwanted(ref, objects)]

    def _picture_problems(self, document: AnyDocument) -> list[FieldProblem]:
        """What no server says: GPUs no node can hold."""
        if not isinstance(document, ModelDeployment):
            return []
        wanted, resource = document.spec.resources.gpu, document.spec.resources.gpu_resource
        nodes = [row for row in self._picture.nodes() if row.gpu_resource == resource]
        if not wanted or not self._picture.nodes():
            return []
        largest = max(nodes, key=lambda row: row.gpu_total, default=None)
        if largest is None:
            return [FieldProblem("spec.resources.gpuResource", f"no node offers {resource}")]
        if largest.gpu_total < wanted:
            text = f"no node has {wanted} {resource}; the largest has {largest.gpu_total} ({largest.node.meta.name})"
            return [FieldProblem("spec.resources.gpu", text)]
        return []

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
        problems = [problem for document in documents for problem in self._picture_problems(document)]
        problems += self._gateway_problems(documents)
        if problems:
            raise BadInput(problems[0].message, fields=tuple(problems))
        looked: list[tuple[AnyDocument, tuple[Standing, ...]]] = []
        missing: list[Dispute] = []
        for document, objects in rendered:
            live = await self._check_existing(document, objects[0], create_only=create_only)
            if base is not None:
                _refuse_changed(base, live, writes.reference(objects[0]))
            before = self._before(document, live)
            standing = await look(self._connection, _owned(objects, live), before)
            missing += undecided(standing, resolution)
            if isinstance(document, ModelDeployment):
                theirs = take_theirs(document, standing[0], resolution)
                if theirs != document:
                    document = theirs
                    standing = await look(self._connection, _owned(self._objects(theirs, documents), live), before)
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
        last = _document_of(live)
        try:
            return self._objects(last, [last]) if last is not None else ()
        except BadInput:
            return ()

    async def diff_documents(self, documents: Sequence[AnyDocument]) -> str:
        """What applying them would change, as the server's dry run says; empty when nothing would."""
        await self._look_at_gateways(documents)
        diffs: list[str] = []
        for document, objects in self.render(documents):
            live = await self._check_existing(document, objects[0], create_only=False)
            wanted = _owned(objects, live)
            standing = await look(self._connection, wanted, self._before(document, live))
            diffs += [f"# {dispute.line}\n" for dispute in undecided(standing, UNDECIDED)]
            for item in wanted:
                try:
                    done = await writes.apply(self._connection, item, dry_run=True, force=True)
                except NotFound as error:
                    raise self._no_namespace(item, error) from error
                diffs.append(difference(done, item))
            diffs += [f"--- live {name}\n+++ /dev/null\n" for name in await self._unwanted(document, objects)]
        return "".join(diffs)

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
        for at, one in enumerate(planned):
            item = owned_by(objects, uid)[at] if uid else one.item
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

    # -- acting on what exists ----------------------------------------------------------------------------------

    async def delete(
        self, kind: str, name: str, namespace: str = "", *, base: ModelDeployment | None = None
    ) -> tuple[str, ...]:
        """Delete with what belongs to it."""
        self._may_write()
        if kind == "ModelDeployment":
            ref = Ref(namespace or self._session.namespace or "default", name)
            if base is not None:
                path = writes.path_of("Deployment", "apps/v1", ref.namespace, ref.name)
                _refuse_changed(base, await self._connection.get_json(path), f"Deployment {ref}")
            with act():
                return await self._delete_deployment(ref)
        users = [
            str(row.ref)
            for row in self._picture.deployments()
            if not row.foreign
            and ((kind == "Model" and row.model == name) or (kind == "Endpoint" and row.endpoint == name))
        ]
        if users:
            text = f"{kind.lower()} {name} is used by {', '.join(users[:5])}{' and others' if len(users) > 5 else ''}"
            raise BadInput(text, next_step="delete or change these deployments first")
        home = self._session.system_namespace
        await writes.delete(self._connection, "ConfigMap", "v1", home, config_map_name(kind, name))
        return (f"{kind} {name}",)

    async def _delete_deployment(self, ref: Ref) -> tuple[str, ...]:
        detail = self._picture.deployment(ref)
        if detail is None:
            raise NotFound(f"no deployment is called '{ref.name}' in namespace {ref.namespace}")
        self._refuse_foreign(ref)
        # Beside the keys, where nothing can own it: the policy goes first, and who has no policy is refused.
        removed = await self._gateways.remove_unowned(ref)
        await writes.delete(self._connection, "Deployment", "apps/v1", ref.namespace, ref.name)
        cache = detail.document.spec.advanced.cache if detail.document else None
        extra = (f"PersistentVolumeClaim {ref}-cache",) if cache is not None and cache.size is not None else ()
        return (f"Deployment {ref}", f"Service {ref}", *extra, *removed)

    async def _live_of_ours(self, ref: Ref) -> Json:
        """What is live, where it is ours; the picture may not know it yet.

        Raises:
            NotPermitted: others made it. NotFound: there is none.
        """
        live = await self._connection.get_json(writes.path_of("Deployment", "apps/v1", ref.namespace, ref.name))
        manager = (live["metadata"].get("labels") or {}).get(MANAGED_BY_LABEL)
        if manager != MANAGER:
            raise NotPermitted(f"{ref} was not made by genai-tui", why=f"managed by {manager or 'others'}")
        return live

    def _refuse_foreign(self, ref: Ref) -> ModelDeployment | None:
        detail = self._picture.deployment(ref)
        if detail is not None and detail.row.foreign:
            raise NotPermitted(f"{ref} was not made by genai-tui", why=f"managed by {detail.row.managed_by}")
        return detail.document if detail is not None else None

    async def enforcement(self, ref: Ref) -> Enforcement:
        """What the gateway's controllers say."""
        return await self._gateways.enforcement(ref)

    async def prove(self, ref: Ref) -> Enforcement:
        """Probe the gateway."""
        self._may_write()
        with act():
            return await self._gateways.prove(ref)

    async def scale(self, ref: Ref, replicas: int, resolution: Resolution = UNDECIDED) -> None:
        """Apply the spec that is live with other replicas."""
        live = await self._live_of_ours(ref)
        document = _document_of(live)
        if document is None:
            raise NotFound(f"{ref} has no readable spec", next_step="apply its file again")
        spec = document.spec.model_copy(
            update={"engine": document.spec.engine.model_copy(update={"replicas": replicas})}
        )
        changed = document.model_copy(update={"spec": spec})
        was = live["spec"].get("replicas", 1)
        with act():
            if not replicas and was:
                self._may_write()
                await writes.annotate(self._connection, ref.namespace, ref.name, {BEFORE_STOP_ANNOTATION: str(was)})
            await self.apply(changed, base=document, resolution=resolution)

    async def drift(self, ref: Ref) -> Drift:
        """Compare what is live with what its annotation says."""
        path = writes.path_of("Deployment", "apps/v1", ref.namespace, ref.name)
        document = _document_of(await self._connection.get_json(path))
        if document is None:
            return Drift()
        await self._look_at_gateways([document])
        return await drift_of(self._connection, self._objects(document, [document]))

    async def adoption(self, ref: Ref) -> Adoption:
        """Read a deployment of others back."""
        return await adoption_of(self._connection, self._picture, ref)

    async def compare(self, ref: Ref, document: ModelDeployment) -> str:
        """What a document makes, beside a live Deployment."""
        path = writes.path_of("Deployment", "apps/v1", ref.namespace, ref.name)
        made = self.render([document])[0][1][0]
        return difference_of(f"Deployment {ref}", await self._connection.get_json(path), made)

    async def revisions(self, ref: Ref) -> tuple[Revision, ...]:
        """What the cluster keeps of what ran before."""
        return await revisions_of(self._connection, ref)

    async def pause(self, ref: Ref, *, paused: bool) -> None:
        """Hold the rollout, or let it go on."""
        self._may_write()
        await self._live_of_ours(ref)
        await writes.pause(self._connection, ref.namespace, ref.name, paused=paused)

    async def restart(self, ref: Ref) -> None:
        """Replace every pod."""
        self._may_write()
        await self._live_of_ours(ref)
        await writes.restart(
            self._connection, ref.namespace, ref.name, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        )

    async def live_manifest(self, ref: Ref) -> str:
        """The Deployment as it is, as YAML."""
        path = writes.path_of("Deployment", "apps/v1", ref.namespace, ref.name)
        return redacted(to_yaml(without_values(writes.clean(await self._connection.get_json(path)))))

    def logs(
        self, ref: Ref, pod: str, *, container: str = "", follow: bool = True, previous: bool = False, tail: int = 500
    ) -> AsyncGenerator[LogLine, None]:
        """Lines of one pod's log."""
        return kube_logs.lines(
            self._connection, ref.namespace, pod, container=container, follow=follow, previous=previous, tail=tail
        )

    def permission(self, verb: str, resource: str, namespace: str = "") -> Permission:
        """What is known now."""
        if self._session.read_only and verb not in ("get", "list", "watch"):
            return Permission(False, "this is a read-only session")
        return self._access.permission(verb, resource, namespace)

    async def check_permissions(self, namespace: str) -> None:
        """Ask the cluster."""
        await self._access.check(namespace)


def _owned(objects: Objects, live: Json | None) -> Objects:
    """The objects with the owner they have; without it a dry run would say that they lose it."""
    return objects if live is None else owned_by(objects, live["metadata"]["uid"])


def _document_of(live: Json) -> ModelDeployment | None:
    """The document in the annotation of a live Deployment."""
    meta = live["metadata"]
    return read_deployment(meta["name"], meta["namespace"], meta.get("annotations") or {})


def _refuse_changed(base: AnyDocument, live: Json | None, reference: str) -> None:
    """Refuse to write over what another console saved after `base` was read."""
    now: AnyDocument | None = None
    if live is not None and isinstance(base, ModelDeployment):
        now = _document_of(live)
    elif live is not None:
        meta = live["metadata"]
        entry = read_entry(meta.get("labels") or {}, live.get("data") or {}, meta["name"])
        now = None if isinstance(entry, str) else entry
    if now is None or now.spec != base.spec:
        raise ChangedMeanwhile(reference, now)
