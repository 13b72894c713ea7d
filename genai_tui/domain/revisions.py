"""Revisions of a deployment: what ran before, and what going back to it means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from genai_tui.domain.documents import ModelDeployment


@dataclass(frozen=True, slots=True)
class Revision:
    """A ReplicaSet that a Deployment keeps (`revisionHistoryLimit`).

    `number` is the annotation `deployment.kubernetes.io/revision`. `document` is what it was rendered from, None where
    the annotation is missing or cannot be read. `current` is the one whose template the Deployment has now.
    """

    number: int
    created: datetime | None
    image: str
    replicas: int
    ready: int
    current: bool
    document: ModelDeployment | None


def rolled_back(now: ModelDeployment, then: ModelDeployment) -> ModelDeployment:
    """What runs becomes what ran then.

    What is agreed with callers stays as it is now: description, endpoint, replicas, rate limits, prices, sharing. None
    of it is in the pod template, which is what a revision of Kubernetes is.
    """
    spec = now.spec.model_copy(
        update={
            "model": then.spec.model,
            "engine": then.spec.engine.model_copy(update={"replicas": now.spec.engine.replicas}),
            "resources": then.spec.resources,
            "advanced": then.spec.advanced,
        }
    )
    return now.model_copy(update={"spec": spec})


def gone_back(
    now: ModelDeployment, revisions: Sequence[Revision], wanted: int | None
) -> tuple[Revision, ModelDeployment]:
    """A revision and what going back to it applies: the one asked for, or the newest that is not current.

    Raises:
        ValueError: with a sentence that says why there is none.
    """
    older = [revision for revision in revisions if not revision.current]
    if wanted is None and not older:
        raise ValueError("there is no earlier revision: it was never changed, or the cluster keeps none")
    found = older[0] if wanted is None else next((r for r in revisions if r.number == wanted), None)
    if found is None:
        kept = ", ".join(str(revision.number) for revision in older) or "none"
        raise ValueError(f"there is no revision {wanted}; kept are {kept}")
    if found.current:
        raise ValueError(f"revision {found.number} is what it has now")
    if found.document is None:
        raise ValueError(f"what revision {found.number} was made from cannot be read")
    return found, rolled_back(now, found.document)
