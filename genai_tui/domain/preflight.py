"""What can be known of a deployment before it is saved: where it fits and whether what it needs is there.

Pure rules over what was seen. A stop is certain; what nobody may look at is said to be unknown and never guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from genai_tui.domain.catalogue import HubSource, ModelSpec, parameter_count
from genai_tui.domain.cluster import Taint
from genai_tui.domain.deployment import DeploymentSpec, EngineType, Toleration
from genai_tui.domain.durations import duration_words
from genai_tui.domain.memory_fit import (
    CHANGE_WEIGHTS,
    DEFAULT_UTILIZATION,
    SMALLEST_WEIGHT,
    Fit,
    argument,
    fit,
    weight_bytes,
    weights_of,
)
from genai_tui.domain.model_secrets import MissingSecret
from genai_tui.domain.model_shape import NO_FILES, Files, ModelShape
from genai_tui.domain.pace import Usual
from genai_tui.domain.quantities import format_bytes, parse_quantity
from genai_tui.domain.replacing import Replacing, as_it_is, replacing_of
from genai_tui.domain.rows import DeploymentDetail, NodeRow, Phase, Ref
from genai_tui.domain.tolerating import tolerates

SHOWN_REASONS = 6
_SPARE = 1.5
"""A start is given half as much again as it usually takes: disks and networks have bad days."""


class Level(StrEnum):
    """How a check ended; `unknown` means that it could not be looked at."""

    OK = "ok"
    WARNING = "warning"
    STOP = "stop"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the pre-flight: what was looked at, how it ended, and why; a Secret that is missing can be made."""

    about: str
    level: Level
    text: str
    missing: MissingSecret | None = None


# -- where a replica fits -------------------------------------------------------------------------------------------


def placement(spec: DeploymentSpec, nodes: Sequence[NodeRow], own: Ref) -> Check:
    """Which nodes could take a replica now, and why the others not.

    GPUs that the deployment itself holds count as free: its pods are replaced. CPU and memory are held against what a
    node has in all, since what is in use is not known here.
    """
    reasons = {row.node.meta.name: unfit(spec, row, own) for row in nodes}
    fitting = [row for row in nodes if not reasons[row.node.meta.name]]
    gpu = spec.resources.gpu
    name = spec.resources.gpu_resource
    room = sum(_free(row, own, name) // gpu for row in fitting) if gpu else None
    others = [f"{name}: {'; '.join(why)}" for name, why in reasons.items() if why]
    told = f". Not {', '.join(others[:SHOWN_REASONS])}" if others else ""
    told += f" and {len(others) - SHOWN_REASONS} more" if len(others) > SHOWN_REASONS else ""
    names = ", ".join(row.node.meta.name for row in fitting[:SHOWN_REASONS])
    names += f" and {len(fitting) - SHOWN_REASONS} more" if len(fitting) > SHOWN_REASONS else ""
    wanted = spec.engine.replicas
    if not fitting:
        return Check("placement", Level.WARNING, f"no node can take a replica now{told}")
    if room is not None and room < wanted:
        return Check("placement", Level.WARNING, f"room for {room} of {wanted} replicas now: {names}{told}")
    return Check("placement", Level.OK, f"{names} can take a replica{told}")


def rollout(spec: DeploymentSpec, nodes: Sequence[NodeRow], own: Ref) -> Check:
    """In which order pods go and come, why so, and whether GPUs are free for it; no nodes: not known."""
    gpus, room = spec.resources.gpu, spare_node(spec, nodes, own)
    how = replacing_of(spec, room=bool(room))
    text = _order(spec, how)
    if not gpus or not nodes:
        return Check("rollout", Level.OK, text)
    if how is Replacing.SURGE:
        if room:
            return Check("rollout", Level.OK, f"{text}; {room} has the GPUs for it")
        text = f"{text}; no node has {_gpus(gpus)} free beside those it holds: a rollout waits for some"
        return Check("rollout", Level.WARNING, text)
    if spec.advanced.strategy != "auto" or room:
        return Check("rollout", Level.OK, text)
    return Check("rollout", Level.OK, f"{text}; no node has {_gpus(gpus)} free for a replica more")


def spare_node(spec: DeploymentSpec, nodes: Sequence[NodeRow], own: Ref) -> str:
    """A node with GPUs for one replica beside all that are wanted; empty where there is none, or none is needed.

    GPUs that the deployment holds count as taken: during a rollout its old pods still have them.
    """
    gpus, name = spec.resources.gpu, spec.resources.gpu_resource
    if not gpus:
        return ""
    fitting = [row for row in nodes if not unfit(spec, row, own) and _unheld(row, name) >= gpus]
    held = sum(count for row in nodes for ref, count in row.holders if ref == own) // gpus
    missing = max(0, spec.engine.replicas - held)
    return fitting[0].node.meta.name if sum(_unheld(row, name) // gpus for row in fitting) > missing else ""


def _order(spec: DeploymentSpec, how: Replacing) -> str:
    """Which pods go first."""
    lead = how.value if spec.advanced.strategy == "auto" else f"{how.value}, as chosen"
    match how:
        case Replacing.SURGE:
            return f"{lead}: a new pod is ready before an old one stops"
        case Replacing.STOP_FIRST:
            return f"{lead}: old pods are stopped first, nothing answers until the model is loaded again"
        case Replacing.ONE_BY_ONE:
            return f"{lead}: one of {spec.engine.replicas} replicas is missing while the next loads"


def replacing_note(detail: DeploymentDetail, nodes: Sequence[NodeRow]) -> str:
    """How the next rollout of a deployment as it is replaces its pods; empty where it does not run as its spec says."""
    spec, workload = (detail.document.spec if detail.document is not None else None), detail.workload
    if spec is None or not nodes or not workload.replicas:
        return ""
    how = as_it_is(workload)
    if how not in (replacing_of(spec), replacing_of(spec, room=True)):
        return ""
    # During a rollout GPUs are freed and taken all the time: what they allow is said when it is at rest.
    at_rest = detail.row.assessment.phase is Phase.RUNNING
    return f"Next rollout: {rollout(spec, nodes, detail.row.ref).text}" if at_rest else _order(spec, how)


def _gpus(count: int) -> str:
    return f"{count} GPU{'s' if count != 1 else ''}"


def unfit(spec: DeploymentSpec, row: NodeRow, own: Ref) -> tuple[str, ...]:
    """Why a node cannot take a replica now; empty when nothing speaks against it."""
    found, resources = list(barred(spec, row)), spec.resources
    offered = row.resource(resources.gpu_resource)
    if resources.gpu and offered is not None:
        free = _free(row, own, offered.name)
        if free < resources.gpu:
            found.append(f"{free} of {offered.total} GPUs free")
    return tuple(found)


def barred(spec: DeploymentSpec, row: NodeRow) -> tuple[str, ...]:
    """Why a node takes no replica whatever is free on it."""
    node, resources = row.node, spec.resources
    found: list[str] = []
    if not node.ready:
        found.append("not ready")
    if node.unschedulable:
        found.append("cordoned")
    # A cordon shows as a taint too.
    taints = [taint for taint in node.taints if taint.key != "node.kubernetes.io/unschedulable"]
    found += [f"taint {_written(taint)}" for taint in taints if _repels(taint, spec.advanced.tolerations)]
    labels = node.meta.labels
    found += [f"{key} is not {value}" for key, value in spec.advanced.node_selector.items() if labels.get(key) != value]
    if resources.gpu and row.resource(resources.gpu_resource) is None:
        found.append(f"no {resources.gpu_resource}")
    for name, wanted in (("cpu", resources.cpu), ("memory", resources.memory)):
        has = node.allocatable.get(name)
        if has is not None and parse_quantity(has) < parse_quantity(wanted):
            found.append(f"{name} {has} in all")
    return tuple(found)


def _unheld(row: NodeRow, name: str) -> int:
    offered = row.resource(name)
    return offered.free if offered is not None else 0


def _free(row: NodeRow, own: Ref, name: str) -> int:
    offered = row.resource(name)
    if offered is None:
        return 0
    return min(offered.total, offered.free + sum(count for ref, count in row.holders if ref == own))


def _written(taint: Taint) -> str:
    return f"{taint.key}={taint.value}:{taint.effect}" if taint.value else f"{taint.key}:{taint.effect}"


def _repels(taint: Taint, tolerations: Sequence[Toleration]) -> bool:
    binding = taint.effect in ("NoSchedule", "NoExecute")
    return binding and not any(tolerates(toleration, taint) for toleration in tolerations)


def startup(budget: int, usual: Usual | None) -> Check:
    """Whether a start that takes as long as those of before is let finish.

    Args:
        budget: seconds the startup probe allows from the container's start.
        usual: what starts of this image and model took in this cluster.
    """
    allowed = duration_words(budget)
    if usual is None:
        return Check("start-up", Level.OK, f"{allowed} are allowed; no such start was seen in this cluster yet")
    told = f"{allowed} are allowed, {usual.loads_in_words()}"
    if max(usual.loading, usual.last_loading) * _SPARE > budget:
        return Check("start-up", Level.WARNING, f"{told}: set the start-up budget to {usual.enough} s")
    return Check("start-up", Level.OK, told)


# -- whether the model fits -----------------------------------------------------------------------------------------


def heads(spec: DeploymentSpec, files: Files) -> Check | None:
    """The engine vLLM refuses to split a model over GPUs that its attention heads cannot be shared out to."""
    shape, gpus = files.shape, spec.resources.gpu
    if shape is None or spec.engine.type is not EngineType.VLLM or gpus < 2:
        return None
    if shape.heads % gpus == 0:
        return Check("tensor parallel", Level.OK, f"{shape.heads} attention heads over {gpus} GPUs")
    fitting = ", ".join(map(str, shape.splits(max(8, gpus))))
    text = f"{shape.heads} attention heads cannot be split over {gpus} GPUs: the engine would not start; take {fitting}"
    return Check("tensor parallel", Level.STOP, text)


def memory(
    spec: DeploymentSpec, model: ModelSpec, nodes: Sequence[NodeRow], files: Files = NO_FILES
) -> tuple[Check, ...]:
    """One line for each kind of GPU that has enough of them on one node.

    Args:
        spec: the deployment.
        model: its catalogue entry.
        nodes: of the cluster.
        files: what the model's own files say.
    """
    gpus = spec.resources.gpu
    if not gpus:
        return ()
    held = _held(spec, model, files)
    if held is None:
        text = "neither the catalogue nor the hub says how many parameters the model has"
        return (Check("GPU memory", Level.UNKNOWN, text),)
    kinds: dict[tuple[str, int], None] = {}
    silent = False
    for row in nodes:
        offered = row.resource(spec.resources.gpu_resource)
        if offered is None or offered.total < gpus or _never(spec, row):
            continue
        if row.gpu_memory_mib is None:
            silent = True
        else:
            kinds[(row.gpu_product or "GPU", row.gpu_memory_mib)] = None
    told = [_memory_of(spec, model, held, files.shape, *kind) for kind in kinds]
    if silent:
        told.append(Check("GPU memory", Level.UNKNOWN, "some nodes do not say how much memory their GPUs have"))
    if told and all(check.level is Level.STOP for check in told):
        return tuple(told)
    # One kind of GPU that is too small is no stop while another fits.
    return tuple(Check(c.about, Level.WARNING, c.text) if c.level is Level.STOP else c for c in told)


def _never(spec: DeploymentSpec, row: NodeRow) -> bool:
    labels = row.node.meta.labels
    return any(labels.get(key) != value for key, value in spec.advanced.node_selector.items())


@dataclass(frozen=True, slots=True)
class _Held:
    """The weights as the engine holds them: bytes, words, how many; `wide` where a quantized checkpoint is smaller."""

    bytes: int
    name: str
    parameters: int
    wide: bool


def _held(spec: DeploymentSpec, model: ModelSpec, files: Files) -> _Held | None:
    """None where neither the catalogue nor the files tell."""
    arguments = spec.advanced.extra_args
    weights = weights_of(arguments, *_checkpoint(spec, model), files.quantization)
    parameters = parameter_count(model.parameters) if model.parameters is not None else files.parameters
    if parameters is None:
        return None
    if files.weights is not None and not any(argument(arguments, name) for name in CHANGE_WEIGHTS):
        return _Held(files.weights, "weights as in its files", parameters, weights.width >= 2)
    return _Held(weight_bytes(parameters, weights.width), weights.name, parameters, weights.width >= 2)


def _memory_of(
    spec: DeploymentSpec, model: ModelSpec, held: _Held, shape: ModelShape | None, product: str, mib: int
) -> Check:
    arguments, gpus = spec.advanced.extra_args, spec.resources.gpu
    cache = 1 if (argument(arguments, "--kv-cache-dtype") or "").startswith("fp8") else 2
    found = fit(
        held.bytes,
        mib,
        gpus,
        utilization=_utilization(arguments),
        parameters=held.parameters,
        cache_width=cache,
        shape=shape,
    )
    about = f"GPU memory, {gpus} x {product}"
    offloads = argument(arguments, "--cpu-offload-gb") is not None
    if weight_bytes(held.parameters, SMALLEST_WEIGHT) > mib * 2**20 * gpus and not offloads:
        size = model.parameters or f"{held.parameters:,}"
        text = f"{size} parameters do not fit into {format_bytes(mib * 2**20 * gpus)} even with 4 bits each"
        return Check(about, Level.STOP, text)
    weights = f"{held.name} take {format_bytes(found.weights)} of {format_bytes(found.usable)}"
    if found.left <= 0:
        smaller = "only a quantized checkpoint fits" if held.wide else "take more GPUs or fewer bits"
        return Check(about, Level.WARNING, f"{weights}; {smaller}")
    return _context(spec, model, found, about, weights, known=shape is not None)


def _context(spec: DeploymentSpec, model: ModelSpec, found: Fit, about: str, weights: str, *, known: bool) -> Check:
    """Whether the context and the sequences asked for fit beside the weights."""
    safe = _room(found, known=known)
    asked_length = spec.engine.context_length
    wanted = model.context_length if asked_length == "auto" else asked_length
    if wanted is None:
        return Check(about, Level.UNKNOWN, f"{weights}; {safe}; the model's context is not known")
    if wanted > found.largest_context:
        takes = f"{'' if found.exact else 'up to '}{format_bytes(wanted * found.token)}"
        more = "the engine shortens it if need be" if asked_length == "auto" else "the engine refuses more than fits"
        return Check(about, Level.WARNING, f"{weights}; a context of {wanted:,} takes {takes}; {safe}; {more}")
    sequences, asked = found.largest_context // wanted, argument(spec.advanced.extra_args, "--max-num-seqs")
    if asked is not None and asked.isdigit() and int(asked) > sequences:
        bound = "" if found.exact else " by the bound"
        text = f"{weights}; {sequences:,} of {asked} sequences of {wanted:,} tokens fit{bound}, others may queue"
        return Check(about, Level.WARNING, text)
    return Check(about, Level.OK, f"{weights}; context {wanted:,}; {safe}")


def _room(found: Fit, *, known: bool) -> str:
    """How many tokens fit, and how well that is known."""
    tokens = f"{found.largest_context:,} tokens"
    if not known:
        return f"{tokens} or more fit (a bound: layers and KV heads are not known)"
    each = f"{format_bytes(found.token)} of KV cache each"
    return f"{tokens} fit, {each}" if found.exact else f"{tokens} or more fit, at most {each}"


def _checkpoint(spec: DeploymentSpec, model: ModelSpec) -> tuple[str, ...]:
    """Names that tell how a checkpoint is quantized, as publishers write it: `org/Model-8B-AWQ-INT4`."""
    source = model.source
    if isinstance(source, HubSource):
        return (source.repository, source.revision or "")
    return (spec.model,)


def _utilization(arguments: Sequence[str]) -> float:
    try:
        share = float(argument(arguments, "--gpu-memory-utilization") or DEFAULT_UTILIZATION)
    except ValueError:
        return DEFAULT_UTILIZATION
    return share if 0 < share <= 1 else DEFAULT_UTILIZATION
