"""What can be known of a deployment before it is saved: where it fits and whether what it needs is there.

Pure rules over what was seen. A stop is certain; what nobody may look at is said to be unknown and never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from genai_tui.domain.catalogue import HubSource, ModelSpec, parameter_count
from genai_tui.domain.cluster import Taint
from genai_tui.domain.deployment import DeploymentSpec, Toleration
from genai_tui.domain.memory_fit import DEFAULT_UTILIZATION, SMALLEST_WEIGHT, argument, fit, weight_bytes
from genai_tui.domain.quantities import format_bytes, parse_quantity
from genai_tui.domain.rows import NodeRow, Ref

SHOWN_REASONS = 6


class Level(StrEnum):
    """How a check ended; `unknown` means that it could not be looked at."""

    OK = "ok"
    WARNING = "warning"
    STOP = "stop"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the pre-flight: what was looked at, how it ended, and why."""

    about: str
    level: Level
    text: str


class NotSeen(StrEnum):
    """Why an object is not known."""

    ABSENT = "absent"
    FORBIDDEN = "forbidden"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SeenSecret:
    """A Secret without its values: its type and the names of its keys."""

    type: str
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class SeenQuota:
    """A ResourceQuota: quantities as text by resource name; `scoped` when it counts some pods only."""

    name: str
    hard: Mapping[str, str]
    used: Mapping[str, str]
    scoped: bool = False


# -- where a replica fits -------------------------------------------------------------------------------------------


def placement(spec: DeploymentSpec, nodes: Sequence[NodeRow], own: Ref) -> Check:
    """Which nodes could take a replica now, and why the others not.

    GPUs that the deployment itself holds count as free: its pods are replaced. CPU and memory are held against what a
    node has in all, since what is in use is not known here.
    """
    reasons = {row.node.meta.name: unfit(spec, row, own) for row in nodes}
    fitting = [row for row in nodes if not reasons[row.node.meta.name]]
    gpu = spec.resources.gpu
    room = sum(_free(row, own) // gpu for row in fitting) if gpu else None
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


def unfit(spec: DeploymentSpec, row: NodeRow, own: Ref) -> tuple[str, ...]:
    """Why a node cannot take a replica now; empty when nothing speaks against it."""
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
    if resources.gpu and row.gpu_resource != resources.gpu_resource:
        found.append(f"no {resources.gpu_resource}")
    elif resources.gpu and _free(row, own) < resources.gpu:
        found.append(f"{_free(row, own)} of {row.gpu_total} GPUs free")
    for name, wanted in (("cpu", resources.cpu), ("memory", resources.memory)):
        has = node.allocatable.get(name)
        if has is not None and parse_quantity(has) < parse_quantity(wanted):
            found.append(f"{name} {has} in all")
    return tuple(found)


def _free(row: NodeRow, own: Ref) -> int:
    return row.gpu_free + sum(count for ref, count in row.holders if ref == own)


def _written(taint: Taint) -> str:
    return f"{taint.key}={taint.value}:{taint.effect}" if taint.value else f"{taint.key}:{taint.effect}"


def _repels(taint: Taint, tolerations: Sequence[Toleration]) -> bool:
    """Kubernetes' rule: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/."""
    if taint.effect not in ("NoSchedule", "NoExecute"):
        return False
    return not any(
        t.effect in (None, taint.effect)
        and (t.key is None or t.key == taint.key)
        and (t.operator == "Exists" or (t.value or "") == taint.value)
        for t in tolerations
    )


# -- whether the model fits -----------------------------------------------------------------------------------------


def memory(spec: DeploymentSpec, model: ModelSpec, nodes: Sequence[NodeRow]) -> tuple[Check, ...]:
    """One line for each kind of GPU that has enough of them on one node."""
    gpus = spec.resources.gpu
    if not gpus:
        return ()
    if model.parameters is None:
        text = "the catalogue does not say how many parameters the model has"
        return (Check("GPU memory", Level.UNKNOWN, text),)
    kinds: dict[tuple[str, int], None] = {}
    silent = False
    for row in nodes:
        if row.gpu_resource != spec.resources.gpu_resource or row.gpu_total < gpus or _never(spec, row):
            continue
        if row.gpu_memory_mib is None:
            silent = True
        else:
            kinds[(row.gpu_product or "GPU", row.gpu_memory_mib)] = None
    told = [_memory_of(spec, model, parameter_count(model.parameters), *kind) for kind in kinds]
    if silent:
        told.append(Check("GPU memory", Level.UNKNOWN, "some nodes do not say how much memory their GPUs have"))
    if told and all(check.level is Level.STOP for check in told):
        return tuple(told)
    # One kind of GPU that is too small is no stop while another fits.
    return tuple(Check(c.about, Level.WARNING, c.text) if c.level is Level.STOP else c for c in told)


def _never(spec: DeploymentSpec, row: NodeRow) -> bool:
    labels = row.node.meta.labels
    return any(labels.get(key) != value for key, value in spec.advanced.node_selector.items())


def _memory_of(spec: DeploymentSpec, model: ModelSpec, parameters: int, product: str, mib: int) -> Check:
    arguments, gpus = spec.advanced.extra_args, spec.resources.gpu
    width = 4 if argument(arguments, "--dtype") in ("float", "float32") else 2
    found = fit(parameters, mib, gpus, utilization=_utilization(arguments), width=width)
    about = f"GPU memory, {gpus} x {product}"
    offloads = argument(arguments, "--cpu-offload-gb") is not None
    if weight_bytes(parameters, SMALLEST_WEIGHT) > mib * 2**20 * gpus and not offloads:
        text = f"{model.parameters} parameters do not fit into {format_bytes(mib * 2**20 * gpus)} even with 4 bits each"
        return Check(about, Level.STOP, text)
    weights = f"{width * 8}-bit weights take {format_bytes(found.weights)} of {format_bytes(found.usable)}"
    if found.left <= 0:
        return Check(about, Level.WARNING, f"{weights}; only a quantized checkpoint fits")
    context = spec.engine.context_length
    wanted = model.context_length if context == "auto" else context
    safe = f"{found.largest_context:,} tokens or more fit (a bound: layers and KV heads are not known)"
    if wanted is None:
        return Check(about, Level.UNKNOWN, f"{weights}; {safe}; the model's context is not known")
    asked = argument(arguments, "--max-num-seqs")
    if wanted > found.largest_context:
        bound = format_bytes(wanted * found.token)
        more = "; the engine shortens it if need be" if context == "auto" else ""
        return Check(about, Level.WARNING, f"{weights}; a context of {wanted:,} takes up to {bound}; {safe}{more}")
    sequences = found.largest_context // wanted
    if asked is not None and asked.isdigit() and int(asked) > sequences:
        text = f"{weights}; {sequences:,} of {asked} sequences of {wanted:,} tokens fit by the bound, others may queue"
        return Check(about, Level.WARNING, text)
    return Check(about, Level.OK, f"{weights}; context {wanted:,}; {safe}")


def _utilization(arguments: Sequence[str]) -> float:
    try:
        share = float(argument(arguments, "--gpu-memory-utilization") or DEFAULT_UTILIZATION)
    except ValueError:
        return DEFAULT_UTILIZATION
    return share if 0 < share <= 1 else DEFAULT_UTILIZATION


# -- what it needs --------------------------------------------------------------------------------------------------


def secret_key(name: str, key: str, used_for: str, seen: SeenSecret | NotSeen) -> Check:
    """A variable's value comes from a key of a Secret: without it the container is never created."""
    about = f"secret {name}"
    if isinstance(seen, NotSeen):
        return _not_seen(about, seen, f"it does not exist; {used_for} needs its key {key}", Level.STOP)
    if key not in seen.keys:
        return Check(about, Level.STOP, f"it has no key {key}, which {used_for} needs")
    return Check(about, Level.OK, f"has the key {key} for {used_for}")


def pull_secret(name: str, seen: SeenSecret | NotSeen) -> Check:
    """Credentials of a registry. No stop: a node may have its own."""
    about = f"pull secret {name}"
    if isinstance(seen, NotSeen):
        text = "it does not exist; the image can be pulled only where the node itself may"
        return _not_seen(about, seen, text, Level.WARNING)
    if seen.type not in ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"):
        text = f"its type is {seen.type}, which is not used for pulling; kubernetes.io/dockerconfigjson is"
        return Check(about, Level.WARNING, text)
    return Check(about, Level.OK, f"is of type {seen.type}")


def hub_token(model: ModelSpec, spec: DeploymentSpec) -> Check | None:
    """Gated repositories answer only with a token; whether this one is gated is not looked up."""
    if not isinstance(model.source, HubSource) or any(v.name == "HF_TOKEN" for v in spec.advanced.env):
        return None
    text = f"no HF_TOKEN is given; whether {model.source.repository} asks for one is not looked up"
    return Check("hub token", Level.UNKNOWN, text)


def claim(name: str, phase: str | NotSeen) -> Check:
    """An existing volume claim; `phase` is Pending, Bound or Lost."""
    about = f"volume claim {name}"
    if isinstance(phase, NotSeen):
        return _not_seen(about, phase, "it does not exist; no pod is scheduled without it", Level.STOP)
    if phase == "Lost":
        return Check(about, Level.STOP, "its volume is lost")
    if phase != "Bound":
        return Check(about, Level.WARNING, f"it is {phase}: not bound to a volume yet")
    return Check(about, Level.OK, "is bound")


def storage_class(name: str | None, classes: Mapping[str, bool] | NotSeen) -> Check:
    """The class of a claim that will be made; `classes` says of each whether it is the default."""
    about = f"storage class {name}" if name else "storage class"
    if isinstance(classes, NotSeen):
        return _not_seen(about, classes, "storage classes are not served", Level.WARNING)
    if name is None:
        default = next((known for known, is_default in classes.items() if is_default), None)
        if default is None:
            text = "the cluster has no default class: the new claim waits for a volume made by hand"
            return Check(about, Level.WARNING, text)
        return Check(about, Level.OK, f"the default, {default}")
    if name not in classes:
        known = ", ".join(sorted(classes)) or "none"
        return Check(
            about, Level.WARNING, f"there is no class of that name (known: {known}): only a volume made by hand fits"
        )
    return Check(about, Level.OK, "exists")


def quota(quotas: Sequence[SeenQuota] | NotSeen, wanted: Mapping[str, Decimal], *, exists: bool) -> tuple[Check, ...]:
    """Whether what all replicas ask for fits into each ResourceQuota.

    Args:
        quotas: of the namespace.
        wanted: amounts of all replicas by the names that quotas use, such as `requests.cpu` and `pods`.
        exists: whether the deployment runs already and its pods are counted in `used`, which makes nothing certain.
    """
    if isinstance(quotas, NotSeen):
        return (_not_seen("quota", quotas, "quotas are not served", Level.WARNING),)
    told: list[Check] = []
    for seen in quotas:
        about = f"quota {seen.name}"
        if seen.scoped:
            told.append(Check(about, Level.UNKNOWN, "it counts some pods only; whether these is not worked out here"))
            continue
        over = [
            f"{name}: {plain_amount(amount)} more on {seen.used.get(name, '0')} of {seen.hard[name]}"
            for name, amount in wanted.items()
            if name in seen.hard and parse_quantity(seen.used.get(name, "0")) + amount > parse_quantity(seen.hard[name])
        ]
        if not over:
            told.append(Check(about, Level.OK, "has room"))
        elif exists:
            told.append(Check(about, Level.WARNING, f"no room beside the pods that run now: {'; '.join(over)}"))
        else:
            told.append(Check(about, Level.STOP, f"no room for all replicas: {'; '.join(over)}"))
    return tuple(told) or (Check("quota", Level.OK, "the namespace has none"),)


def plain_amount(amount: Decimal) -> str:
    """A number as quotas read: bytes in binary units, small numbers as they are."""
    return format_bytes(amount) if amount >= 2**20 else f"{amount.normalize():f}"


def tls_secret(namespace: str, name: str, seen: SeenSecret | NotSeen) -> tuple[Check, ...]:
    """The certificate of an endpoint; whether it names the host is not read here."""
    about = f"TLS secret {namespace}/{name}"
    if isinstance(seen, NotSeen):
        return (_not_seen(about, seen, "it does not exist; the endpoint has no certificate", Level.WARNING),)
    if seen.type != "kubernetes.io/tls" or not {"tls.crt", "tls.key"} <= seen.keys:
        return (Check(about, Level.WARNING, "it is not a kubernetes.io/tls Secret with tls.crt and tls.key"),)
    return (Check(about, Level.OK, "is a TLS secret; the names in its certificate are not read"),)


def _not_seen(about: str, seen: NotSeen, absent: str, level: Level) -> Check:
    if seen is NotSeen.FORBIDDEN:
        return Check(about, Level.UNKNOWN, "you are not permitted to look")
    if seen is NotSeen.FAILED:
        return Check(about, Level.UNKNOWN, "the cluster did not answer")
    return Check(about, level, absent)
