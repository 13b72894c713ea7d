"""Documents as objects: rendered against what the picture knows, with what no server would say about them."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from genai_tui.domain.catalogue import EndpointSpec, ModelSpec
from genai_tui.domain.documents import Endpoint, Model, ModelDeployment, Organization
from genai_tui.domain.naming import did_you_mean
from genai_tui.domain.organizations import user_problem
from genai_tui.domain.problems import FieldProblem
from genai_tui.domain.rows import Ref
from genai_tui.enforcing import GatewayObjects, Leaving
from genai_tui.errors import (
    BadInput,
)
from genai_tui.kube.connection import Connection
from genai_tui.kube.manifests.catalogue import render_entry
from genai_tui.kube.manifests.deployment import doubts, owned_by, read_deployment, render_deployment
from genai_tui.looking import ask_hub
from genai_tui.object_texts import manifest_of
from genai_tui.preflight import Preflight
from genai_tui.services import (
    AnyDocument,
    ClusterPicture,
    RenderedManifest,
    Session,
)
from genai_tui.spare import room_for_one_more

Json = dict[str, Any]
Objects = tuple[Json, ...]
PriceNoted = Callable[[Ref, ModelDeployment], Any]


class Rendering:
    """Renders documents, and knows what speaks against them before a server is asked."""

    def __init__(self, connection: Connection, picture: ClusterPicture, session: Session, noted: PriceNoted) -> None:
        self._connection, self._picture, self._session = connection, picture, session
        self._noted = noted
        self._gateways = GatewayObjects(connection, picture, session)
        self._preflight = Preflight(connection, picture, None if session.simulated else ask_hub)

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

    def _objects(self, document: AnyDocument, beside: Sequence[AnyDocument], *, live: Json | None = None) -> Objects:
        """`live`: the Deployment as it is, whose way of replacing pods is to be rendered, where it is one of `auto`."""
        if not isinstance(document, ModelDeployment):
            return (render_entry(document, self._session.system_namespace),)
        model = self._model(document, beside)
        endpoint = self._endpoint(document, beside)
        namespace = self._namespace(document)
        room = self._room(document, model, namespace) if live is None else _surges(live)
        return (
            *render_deployment(document, model, namespace, room=room),
            *self._gateways.render(document, endpoint, namespace),
        )

    def _room(self, document: ModelDeployment, model: ModelSpec, namespace: str) -> bool:
        """Whether pods are replaced as where GPUs are free.

        As it is while the pods stay as they are: what is applied again is the same, whatever has become free since.
        """
        ref = Ref(namespace, document.metadata.name)
        detail = self._picture.deployment(ref)
        if detail is not None and detail.document is not None:
            # What it was made from may be of a model that is gone: then its pods were others.
            with contextlib.suppress(BadInput):
                before = render_deployment(detail.document, self._model(detail.document, [document]), namespace)
                after = render_deployment(document, model, namespace)
                if before[0]["spec"]["template"] == after[0]["spec"]["template"]:
                    return detail.workload.surges
        return room_for_one_more(self._picture, document.spec, ref)

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

    def _warnings(self, document: AnyDocument, beside: Sequence[AnyDocument]) -> tuple[str, ...]:
        """What can be applied and may still not be meant."""
        if isinstance(document, Endpoint):
            return self._gateways.followers(document)
        if not isinstance(document, ModelDeployment):
            return ()
        found = doubts(document, self._model(document, beside))
        told = (f"{problem.field.removeprefix('spec.')}: {problem.message}" for problem in found)
        return (*told, *self._gateways.doubts(document, self._endpoint(document, beside)))

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

    async def _leaving(self, document: AnyDocument, objects: Objects) -> Leaving:
        """What of another gateway must be gone before these are written."""
        if not isinstance(document, ModelDeployment):
            return Leaving()
        return await self._gateways.leaving(Ref(self._namespace(document), document.metadata.name), objects)

    def _user_problems(self, document: Organization, beside: Sequence[AnyDocument]) -> list[FieldProblem]:
        """A user that another organization has: one of the cluster, or one that stands before it in the same file."""
        said = [one for one in beside if isinstance(one, Organization)]
        others: dict[str, tuple[str, ...]] = {
            row.name: row.document.spec.users for row in self._picture.organizations() if row.document is not None
        }
        for one in said:
            others.pop(one.metadata.name, None)
        before = itertools.takewhile(lambda one: one is not document, said)
        others |= {one.metadata.name: one.spec.users for one in before}
        text = user_problem(document.metadata.name, document.spec.users, others)
        return [FieldProblem("spec.users", text)] if text else []

    def _picture_problems(self, document: AnyDocument, beside: Sequence[AnyDocument]) -> list[FieldProblem]:
        """What no server says: GPUs no node can hold, users that two organizations have."""
        if isinstance(document, Organization):
            return self._user_problems(document, beside)
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


def _surges(live: Json) -> bool:
    """Whether a Deployment makes new pods before old ones go."""
    strategy = live["spec"].get("strategy") or {}
    most = (strategy.get("rollingUpdate") or {}).get("maxSurge")
    return strategy.get("type") != "Recreate" and most not in (0, "0", "0%")


def owned(objects: Objects, live: Json | None) -> Objects:
    """The objects with the owner they have; without it a dry run would say that they lose it."""
    return objects if live is None else owned_by(objects, live["metadata"]["uid"])


def document_of(live: Json) -> ModelDeployment | None:
    """The document in the annotation of a live Deployment."""
    meta = live["metadata"]
    return read_deployment(meta["name"], meta["namespace"], meta.get("annotations") or {})
