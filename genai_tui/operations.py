"""What can be done to what exists: deployments scaled, paused, restarted, compared, adopted; anything deleted.

Implements `services.Operations` on the adapters of `kube` and the picture of the store.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

from genai_tui import scaling
from genai_tui.adopting import adoption_of
from genai_tui.api_keys import listed_keys
from genai_tui.applying import TRIES, Applying, refuse_changed
from genai_tui.disputing import drift_of
from genai_tui.domain.adoption import Adoption
from genai_tui.domain.disputes import UNDECIDED, Drift, Resolution
from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.enforcement import Enforcement, Installed
from genai_tui.domain.naming import BEFORE_STOP_ANNOTATION, MANAGED_BY_LABEL, MANAGER, did_you_mean
from genai_tui.domain.organizations import in_the_way
from genai_tui.domain.redaction import redacted
from genai_tui.domain.revisions import Revision
from genai_tui.domain.rollouts import restart_refusal
from genai_tui.domain.rows import Ref
from genai_tui.errors import (
    BadInput,
    NotFound,
    NotPermitted,
    Refused,
)
from genai_tui.kube import logs as kube_logs
from genai_tui.kube import writes
from genai_tui.kube.journal import act
from genai_tui.kube.manifests.catalogue import config_map_name
from genai_tui.kube.refusals import Modified
from genai_tui.object_texts import difference_of, to_yaml, without_values
from genai_tui.rendering import document_of
from genai_tui.revisions import revisions_of
from genai_tui.services import LogLine

Json = dict[str, Any]


class ClusterOperations(Applying):
    """Everything that writes, and what must be known before."""

    async def delete(
        self, kind: str, name: str, namespace: str = "", *, base: ModelDeployment | None = None
    ) -> tuple[str, ...]:
        """Delete: a deployment with what belongs to it, an entry of the catalogue where nothing uses it."""
        self._may_write()
        if kind == "ModelDeployment":
            ref = Ref(namespace or self._session.namespace or "default", name)
            if base is not None:
                path = writes.path_of("Deployment", "apps/v1", ref.namespace, ref.name)
                refuse_changed(base, await self._connection.get_json(path), f"Deployment {ref}")
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
        if kind == "Organization":
            await self._refuse_in_use(name)
        home = self._session.system_namespace
        try:
            await writes.delete(self._connection, "ConfigMap", "v1", home, config_map_name(kind, name))
        except NotFound as error:
            hint = did_you_mean(name, self._names_of(kind))
            raise NotFound(f"no {kind.lower()} is called '{name}'{hint}") from error
        return (f"{kind} {name}",)

    def _names_of(self, kind: str) -> list[str]:
        match kind:
            case "Model":
                return [row.name for row in self._picture.models()]
            case "Endpoint":
                return [row.name for row in self._picture.endpoints()]
            case _:
                return [row.name for row in self._picture.organizations()]

    async def _refuse_in_use(self, organization: str) -> None:
        """Raises BadInput with what must go first; NotPermitted where the keys may not be listed."""
        keys = await listed_keys(self._connection, self._session.system_namespace)
        details = (self._picture.deployment(row.ref) for row in self._picture.deployments())
        problem = in_the_way(organization, keys, details)
        if problem is not None:
            raise BadInput(problem.what, why=problem.why, next_step=problem.next_step)

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

    async def gateways(self) -> Installed:
        """What the cluster has, as asked within the last minute."""
        return await self._gateways.look()

    async def enforcement(self, ref: Ref) -> Enforcement:
        """What the gateway's controllers say."""
        return await self._gateways.enforcement(ref)

    async def prove(self, ref: Ref) -> Enforcement:
        """Probe the gateway."""
        self._may_write()
        with act():
            return await self._gateways.prove(ref)

    async def scale(
        self, ref: Ref, replicas: int, resolution: Resolution = UNDECIDED, *, base: ModelDeployment | None = None
    ) -> None:
        """Change the number, in the Deployment and in the spec its annotation holds, and nothing else."""
        self._may_write()
        live = await self._live_of_ours(ref)
        document = document_of(live)
        if document is None:
            raise NotFound(f"{ref} has no readable spec", next_step="apply its file again")
        await self._look_at_gateways([document])
        engine = document.spec.engine.model_copy(update={"replicas": replicas})
        changed = document.model_copy(update={"spec": document.spec.model_copy(update={"engine": engine})})
        before = self._objects(document, [document], live=live)[0]
        after = self._objects(changed, [changed], live=live)[0]
        was = live["spec"].get("replicas", 1)
        with act():
            # First the stop: where others hold the replicas it asks, and nothing is written until that is answered.
            written = await self._scaled(base or document, before, after, resolution)
            if written and not replicas and was:
                await writes.annotate(self._connection, ref.namespace, ref.name, {BEFORE_STOP_ANNOTATION: str(was)})

    async def _scaled(self, base: ModelDeployment, before: Json, after: Json, resolution: Resolution) -> bool:
        """Whether the number was written. The status moves on all the time: look again, as often as it takes."""
        for attempt in range(TRIES):
            try:
                refuse_changed(base, await writes.read(self._connection, after), writes.reference(after))
                decided = await scaling.plan(self._connection, before, after, resolution)
                if decided is None:
                    return False
                await writes.apply(self._connection, decided.item, force=decided.force, version=decided.version)
                return True
            except Modified:
                if attempt == TRIES - 1:
                    raise
        return False

    async def drift(self, ref: Ref) -> Drift:
        """Compare what is live with what its annotation says."""
        path = writes.path_of("Deployment", "apps/v1", ref.namespace, ref.name)
        live = await self._connection.get_json(path)
        document = document_of(live)
        if document is None:
            return Drift()
        await self._look_at_gateways([document])
        return await drift_of(self._connection, self._objects(document, [document], live=live))

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
        """Replace every pod. Raises Refused while its rollout is paused."""
        self._may_write()
        live = await self._live_of_ours(ref)
        why = restart_refusal(paused=bool(live["spec"].get("paused")))
        if why:
            raise Refused(f"{ref} cannot be restarted", status=400, why=why)
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
