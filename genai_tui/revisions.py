"""Revisions of deployments, read back from the ReplicaSets the cluster keeps."""

from __future__ import annotations

from typing import Any

from genai_tui.domain.naming import DEPLOYMENT_LABEL
from genai_tui.domain.revisions import Revision
from genai_tui.domain.rows import Ref
from genai_tui.kube.connection import Connection
from genai_tui.kube.convert import REVISION_ANNOTATION, moment
from genai_tui.kube.manifests.deployment import read_deployment
from genai_tui.kube.writes import path_of

Json = dict[str, Any]


async def revisions_of(connection: Connection, ref: Ref) -> tuple[Revision, ...]:
    """Every revision the cluster keeps of a deployment made here, newest first.

    The controller copies the annotations of a Deployment to its newest ReplicaSet, so that each has the spec as it was
    last while that revision was current.

    Raises:
        NotFound: no such deployment. NotPermitted: `get` on it or `list` on its ReplicaSets.
    """
    deployment = await connection.get_json(path_of("Deployment", "apps/v1", ref.namespace, ref.name))
    meta = deployment["metadata"]
    now = (meta.get("annotations") or {}).get(REVISION_ANNOTATION, "")
    query = f"labelSelector={DEPLOYMENT_LABEL}%3D{ref.name}"
    listed = await connection.get_json(f"/apis/apps/v1/namespaces/{ref.namespace}/replicasets?{query}")
    owned = [item for item in listed.get("items") or () if _owned(item, meta["uid"])]
    found = [_revision(item, ref, now) for item in owned]
    return tuple(sorted(found, key=lambda revision: revision.number, reverse=True))


def _owned(item: Json, uid: str) -> bool:
    return any(owner.get("uid") == uid for owner in item["metadata"].get("ownerReferences") or ())


def _revision(item: Json, ref: Ref, now: str) -> Revision:
    meta, spec = item["metadata"], item.get("spec") or {}
    annotations = meta.get("annotations") or {}
    number = annotations.get(REVISION_ANNOTATION, "")
    containers = spec.get("template", {}).get("spec", {}).get("containers") or [{}]
    return Revision(
        number=int(number) if number.isdecimal() else 0,
        created=moment(meta.get("creationTimestamp")),
        image=containers[0].get("image", ""),
        replicas=spec.get("replicas") or 0,
        ready=(item.get("status") or {}).get("readyReplicas") or 0,
        current=number == now,
        document=read_deployment(ref.name, ref.namespace, annotations),
    )
