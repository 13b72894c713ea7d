"""Whether GPUs for one replica more are free, which decides how strategy `auto` replaces pods."""

from __future__ import annotations

from genai_tui.domain.deployment import DeploymentSpec
from genai_tui.domain.preflight import spare_node
from genai_tui.domain.rows import Ref
from genai_tui.services import ClusterPicture


def room_for_one_more(picture: ClusterPicture, spec: DeploymentSpec, ref: Ref) -> bool:
    """True only where the pods of every namespace are seen: a GPU that somebody unseen holds is not free."""
    if picture.health.within is not None:
        return False
    return bool(spare_node(spec, picture.nodes(), ref)) or _surging(picture, spec, ref)


def _surging(picture: ClusterPicture, spec: DeploymentSpec, ref: Ref) -> bool:
    """Whether the pod a rollout has made beside the others holds what the next one needs.

    Without it a second edit in the middle of a rollout would stop the old pods, which are all that answers.
    """
    detail = picture.deployment(ref)
    if detail is None or detail.document is None or not detail.workload.surges:
        return False
    placed = [row for row in detail.replicas if row.pod.node is not None and row.pod.meta.deleting is None]
    same_gpus = detail.document.spec.resources.gpu == spec.resources.gpu
    return same_gpus and len(placed) > max(spec.engine.replicas, detail.workload.replicas)
