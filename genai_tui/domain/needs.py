"""What a deployment needs beside a node: Secrets, volumes, quota, access to its model, a certificate for its host.

Pure rules over what was seen, as in `domain.preflight`: what nobody may look at is said to be unknown, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from genai_tui.domain.catalogue import HubSource, ModelSpec
from genai_tui.domain.deployment import DeploymentSpec
from genai_tui.domain.model_secrets import NGC_REGISTRY, registry_of
from genai_tui.domain.model_shape import NO_FILES, Files
from genai_tui.domain.preflight import SHOWN_REASONS, Check, Level
from genai_tui.domain.quantities import format_bytes, parse_quantity

_ENDS_SOON = timedelta(days=14)
_TOKENS = frozenset({"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"})
"""By which a token is given: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables ."""
_ELSEWHERE = frozenset({"HF_ENDPOINT", "HF_HUB_OFFLINE"})
"""With these the engine does not ask the public hub."""


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


class Gate(StrEnum):
    """What a model hub says of a repository to one without a token; `hidden` is private, or not there."""

    OPEN = "open"
    GATED = "gated"
    HIDDEN = "hidden"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Certificate:
    """The DNS names of a certificate, and when it is good."""

    names: tuple[str, ...]
    until: datetime
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class SeenQuota:
    """A ResourceQuota: quantities as text by resource name; `scoped` when it counts some pods only."""

    name: str
    hard: Mapping[str, str]
    used: Mapping[str, str]
    scoped: bool = False


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


def files_used(spec: DeploymentSpec, files: Files | None) -> Files:
    """What is known of the files the engine loads: nothing where it is told to fetch them from elsewhere."""
    elsewhere = {variable.name for variable in spec.advanced.env} & _ELSEWHERE
    return NO_FILES if files is None or elsewhere else files


def hub_token(model: ModelSpec, spec: DeploymentSpec, gate: Gate | None) -> Check | None:
    """Gated repositories answer only with a token, and only to whom access was granted.

    Args:
        model: where the files are.
        spec: whether HF_TOKEN is given.
        gate: what the hub says; None where it was not asked.
    """
    if not isinstance(model.source, HubSource):
        return None
    names = {variable.name for variable in spec.advanced.env}
    given = bool(names & _TOKENS)
    repository = model.source.repository
    if names & _ELSEWHERE:
        named = ", ".join(sorted(names & _ELSEWHERE))
        return Check("hub token", Level.UNKNOWN, f"{named} is given: where {repository} comes from is not looked up")
    match gate:
        case Gate.OPEN:
            return Check("hub token", Level.OK, f"{repository} is open to all")
        case Gate.GATED if given:
            text = f"{repository} is gated and HF_TOKEN is given; whether its owner was granted access is not known"
            return Check("hub token", Level.OK, text)
        case Gate.GATED:
            text = f"{repository} is gated: give HF_TOKEN from a Secret, of somebody who was granted access"
            return Check("hub token", Level.STOP, text)
        case Gate.HIDDEN:
            text = f"{repository} does not exist on the hub, or is private"
            more = "; HF_TOKEN is given" if given else ": give HF_TOKEN, or mend the name"
            return Check("hub token", Level.WARNING, text + more)
    if given:
        return None
    why = "is not looked up" if gate is None else "is not known: the hub did not answer from here"
    return Check("hub token", Level.UNKNOWN, f"no HF_TOKEN is given; whether {repository} asks for one {why}")


def from_ngc(image: str) -> bool:
    """Whether an image is pulled from NVIDIA's registry."""
    return registry_of(image) == NGC_REGISTRY


def ngc_entitlement(image: str, running: str | None) -> Check | None:
    """Whether the NGC key may pull an image of nvcr.io: only a pull can tell.

    Args:
        image: of the engine.
        running: a deployment in this cluster that runs this image, which shows that it could be pulled; None for none.
    """
    if not from_ngc(image):
        return None
    if running is not None:
        return Check("NGC entitlement", Level.OK, f"{running} runs this image here")
    text = f"whether the NGC key may pull {image} is for nvcr.io to say, at the first pull"
    return Check("NGC entitlement", Level.UNKNOWN, text)


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


def tls_secret(
    namespace: str, name: str, seen: SeenSecret | NotSeen, host: str, certificate: Certificate | None, now: datetime
) -> tuple[Check, ...]:
    """The certificate of an endpoint, against the host a deployment is called by.

    Args:
        namespace: of the Secret.
        name: of the Secret.
        seen: its type and keys.
        host: of the deployment at the endpoint.
        certificate: what its tls.crt says; None where it cannot be read.
        now: the present.
    """
    about = f"TLS secret {namespace}/{name}"
    if isinstance(seen, NotSeen):
        return (_not_seen(about, seen, "it does not exist; the endpoint has no certificate", Level.WARNING),)
    if seen.type != "kubernetes.io/tls" or not {"tls.crt", "tls.key"} <= seen.keys:
        return (Check(about, Level.WARNING, "it is not a kubernetes.io/tls Secret with tls.crt and tls.key"),)
    if certificate is None:
        return (Check(about, Level.WARNING, "its tls.crt is no certificate that can be read"),)
    until = f"until {certificate.until:%Y-%m-%d}"
    if certificate.until <= now:
        return (
            Check(about, Level.WARNING, f"its certificate ended on {certificate.until:%Y-%m-%d}: clients refuse it"),
        )
    if certificate.since is not None and certificate.since > now:
        text = f"its certificate begins on {certificate.since:%Y-%m-%d}: clients refuse it"
        return (Check(about, Level.WARNING, text),)
    if not any(names_host(named, host) for named in certificate.names):
        named = ", ".join(certificate.names[:SHOWN_REASONS]) or "no host"
        return (Check(about, Level.WARNING, f"its certificate names {named}, not {host}: clients refuse it"),)
    level = Level.WARNING if certificate.until - now < _ENDS_SOON else Level.OK
    return (Check(about, level, f"its certificate names {host}, {until}"),)


def names_host(named: str, host: str) -> bool:
    """Whether a name of a certificate is of a host; `*` stands for the first label alone (RFC 9525, section 6.3)."""
    named, host = named.lower().rstrip("."), host.lower().rstrip(".")
    if named.startswith("*."):
        first, _, rest = host.partition(".")
        return bool(first) and rest == named[2:]
    return named == host


def _not_seen(about: str, seen: NotSeen, absent: str, level: Level) -> Check:
    if seen is NotSeen.FORBIDDEN:
        return Check(about, Level.UNKNOWN, "you are not permitted to look")
    if seen is NotSeen.FAILED:
        return Check(about, Level.UNKNOWN, "the cluster did not answer")
    return Check(about, level, absent)
