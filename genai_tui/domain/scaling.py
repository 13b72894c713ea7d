"""What another number of replicas means, said before it is done."""

from __future__ import annotations

from collections.abc import Sequence

from genai_tui.domain.cluster import Workload
from genai_tui.domain.deployment import DeploymentSpec
from genai_tui.domain.preflight import barred
from genai_tui.domain.rows import NodeRow


def scale_note(
    workload: Workload, wanted: int, nodes: Sequence[NodeRow] | None, spec: DeploymentSpec | None = None
) -> str:
    """What a number of replicas does to a deployment, and whether free GPUs hold them.

    Args:
        workload: the deployment as it is.
        wanted: the number of replicas.
        nodes: the nodes; None where they may not be seen.
        spec: what it was made from: nodes that its selectors or their taints bar count for nothing.
    """
    more = wanted - workload.replicas
    if spec is not None and nodes is not None:
        allowed = [row for row in nodes if not barred(spec, row)]
        if nodes and not allowed and more > 0:
            return f"{more} more: no node may take one, they wait"
        nodes = allowed
    if not more:
        return "as it is now" if wanted else "stopped, as it is now"
    each = {name: count for container in workload.containers for name, count in container.gpus.items()}
    freed = ", ".join(_amount(name, count * -more) for name, count in each.items())
    if not wanted:
        return f"stops it: {f'{freed} freed, ' if freed else ''}requests fail"
    if more < 0:
        return f"{-more} fewer{f': {freed} freed' if freed else ''}"
    text = f"{more} more"
    for name, count in each.items():
        text += f": needs {_amount(name, count * more)}{_room(name, count, more, nodes)}"
    return text


def _amount(name: str, count: int) -> str:
    kind = "GPU" if name == "nvidia.com/gpu" else name
    return f"{count} {kind}{'s' if count != 1 and kind == 'GPU' else ''}"


def _room(resource: str, each: int, more: int, nodes: Sequence[NodeRow] | None) -> str:
    """Whole replicas that fit by free GPUs alone: a replica never spreads over nodes."""
    if nodes is None:
        return "; whether there is room is not known: nodes are not visible to you"
    if not nodes or not each:
        return ""
    free = [found.free for row in nodes if row.node.ready and not row.node.unschedulable
            for found in row.resources if found.name == resource]  # fmt: skip
    fitting = sum(count // each for count in free)
    if fitting >= more:
        return f"; {sum(free)} free"
    return f"; {sum(free)} free, room for {fitting} of {more}, the others wait"
