"""Which taints a pod bears. Without pydantic, so that the first paint can say why a pod has no place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genai_tui.domain import cluster

if TYPE_CHECKING:
    from genai_tui.domain.deployment import Toleration


def tolerates(toleration: Toleration | cluster.Toleration, taint: cluster.Taint) -> bool:
    """Whether a toleration matches a taint, as the scheduler decides it.

    https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
    """
    if toleration.effect is not None and toleration.effect != taint.effect:
        return False
    if toleration.key is None:
        return True
    if toleration.key != taint.key:
        return False
    return toleration.operator == "Exists" or (toleration.value or "") == taint.value
