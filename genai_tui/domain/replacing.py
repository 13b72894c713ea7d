"""How the pods of a deployment are replaced, and whether free GPUs allow it."""

from __future__ import annotations

from enum import StrEnum

from genai_tui.domain.cluster import Workload
from genai_tui.domain.deployment import DeploymentSpec


class Replacing(StrEnum):
    """In which order old pods go and new ones come."""

    STOP_FIRST = "Recreate"
    """All old pods are stopped, then the new ones start: nothing answers meanwhile, and no GPU is needed beside."""
    ONE_BY_ONE = "RollingUpdate, maxSurge 0"
    """One pod is stopped and made anew, then the next: one replica is missing, and no GPU is needed beside."""
    SURGE = "RollingUpdate, maxSurge 1"
    """A new pod is ready before an old one is stopped: nothing is missing, and GPUs for one replica more are needed."""


def replacing(strategy: str, *, gpus: int, replicas: int, own_volume: bool, room: bool = False) -> Replacing:
    """What a deployment's `strategy` means for it.

    `auto` leaves no gap where GPUs for one replica more are free. Where they are not, it needs no more than the
    deployment holds, so that a rollout cannot wait for ever for GPUs that its own old pods have: one replica is stopped
    first, several are replaced one by one. A new cache is a volume for one node, which a pod elsewhere cannot have
    before the old pods let go. `Surge` takes free GPUs whether there are any or not.

    Args:
        strategy: of the spec.
        gpus: of one replica.
        replicas: that are wanted.
        own_volume: whether the pods share a volume of one node.
        room: whether GPUs for one replica more are free.
    """
    if strategy == "Recreate":
        return Replacing.STOP_FIRST
    if strategy == "Surge" or (not gpus and not own_volume):
        return Replacing.SURGE
    if strategy == "auto" and room and not own_volume:
        return Replacing.SURGE
    if strategy == "auto" and (own_volume or (gpus and replicas <= 1)):
        return Replacing.STOP_FIRST
    return Replacing.ONE_BY_ONE if gpus else Replacing.SURGE


def replacing_of(spec: DeploymentSpec, *, room: bool = False) -> Replacing:
    """How its pods are replaced; `room` as in `replacing`."""
    cache = spec.advanced.cache
    return replacing(
        spec.advanced.strategy,
        gpus=spec.resources.gpu,
        replicas=spec.engine.replicas,
        own_volume=cache is not None and cache.size is not None,
        room=room,
    )


def as_it_is(workload: Workload) -> Replacing:
    """How a Deployment that exists replaces its pods."""
    if workload.strategy == "Recreate":
        return Replacing.STOP_FIRST
    return Replacing.SURGE if workload.surges else Replacing.ONE_BY_ONE


def restart_note(workload: Workload, *, needs_gpus: bool, room: bool) -> str:
    """What a restart does to those who call it, in one sentence; `room` as in `replacing`."""
    how = as_it_is(workload)
    if how is Replacing.SURGE:
        if needs_gpus and not room:
            return "New pods wait for GPUs, of which none are free now; the old ones go on answering."
        return "Each new one is ready before an old one stops."
    if how is Replacing.STOP_FIRST or workload.replicas <= 1:
        return "Requests fail until a new one is ready."
    return "One after the other; the others go on answering."
