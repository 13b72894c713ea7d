"""Who keeps the limits and the sharing of a deployment, what is known to be missing there, and what is proven.

The words are those of `docs/gateways.md`. "Enforced" is claimed only when every object's conditions are good at its
current generation and a probe agrees; everything less says what it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from genai_tui.domain.catalogue import EndpointSpec
from genai_tui.domain.deployment import DeploymentSpec, RateLimits, SharingMode
from genai_tui.domain.keys import DEPLOYMENTS, EXPIRES
from genai_tui.domain.naming import GROUP
from genai_tui.domain.problems import FieldProblem
from genai_tui.domain.rows import EndpointRow

ORGANIZATION_LABEL = f"{GROUP}/org"
USER_LABEL = f"{GROUP}/user"
KEY_LABEL = f"{GROUP}/key"
NAMESPACE_LABEL = f"{GROUP}/namespace"
"""Says for an object outside the deployment's namespace whose it is: nothing can own it there."""
LARGEST_LIMIT = 2**32 - 1
"""What the counters of both gateways hold (uint32)."""


class Backend(StrEnum):
    """The gateways in a cluster that can keep keys, sharing and limits; values as in an endpoint's `enforcement`."""

    ENVOY = "envoy-ai-gateway"
    KUADRANT = "kuadrant"

    @property
    def label(self) -> str:
        """As people call it."""
        return {"envoy-ai-gateway": "Envoy AI Gateway", "kuadrant": "Kuadrant"}[self.value]


def kept_by(endpoint: EndpointSpec | None) -> str:
    """Who keeps limits and sharing at an endpoint, as far as the endpoint says; what is proven is another question."""
    if endpoint is not None and endpoint.enforcement is not None:
        return Backend(endpoint.enforcement).label
    if endpoint is not None and endpoint.exposure == "gateway":
        return "the embedded gateway, for callers that use it; nothing at its own hostname"
    return "the embedded gateway, for callers that use it"


def keeps_no_key(endpoint: EndpointSpec) -> bool:
    """Whether anyone who reaches its hostname may call, so that no expiry and no confinement of a key holds there."""
    return endpoint.exposure == "gateway" and endpoint.enforcement is None


def unheld(endpoints: Iterable[EndpointRow]) -> str:
    """A sentence on where no key is checked, for whoever makes one that ends or is confined; empty: nowhere."""
    names = [row.name for row in endpoints if row.document is not None and keeps_no_key(row.document.spec)]
    if not names:
        return ""
    return f"what it may call, and until when, does not hold at {', '.join(names)}: no key is checked there"


@dataclass(frozen=True, slots=True)
class ServedKind:
    """A kind of the API with the version we write, and its plural."""

    group: str
    version: str
    kind: str
    plural: str

    @property
    def api_version(self) -> str:
        """`group/version`."""
        return f"{self.group}/{self.version}"


HTTP_ROUTE = ServedKind("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes")
GATEWAY = ServedKind("gateway.networking.k8s.io", "v1", "Gateway", "gateways")
AI_ROUTE = ServedKind("aigateway.envoyproxy.io", "v1beta1", "AIGatewayRoute", "aigatewayroutes")
AI_BACKEND = ServedKind("aigateway.envoyproxy.io", "v1beta1", "AIServiceBackend", "aiservicebackends")
BACKEND = ServedKind("gateway.envoyproxy.io", "v1alpha1", "Backend", "backends")
SECURITY_POLICY = ServedKind("gateway.envoyproxy.io", "v1alpha1", "SecurityPolicy", "securitypolicies")
TRAFFIC_POLICY = ServedKind("gateway.envoyproxy.io", "v1alpha1", "BackendTrafficPolicy", "backendtrafficpolicies")
AUTH_CONFIG = ServedKind("authorino.kuadrant.io", "v1beta3", "AuthConfig", "authconfigs")
AUTH_POLICY = ServedKind("kuadrant.io", "v1", "AuthPolicy", "authpolicies")
RATE_LIMIT_POLICY = ServedKind("kuadrant.io", "v1", "RateLimitPolicy", "ratelimitpolicies")
TOKEN_POLICY = ServedKind("kuadrant.io", "v1alpha1", "TokenRateLimitPolicy", "tokenratelimitpolicies")
NETWORK_POLICY = ServedKind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies")

ROUTE_KINDS = (GATEWAY, HTTP_ROUTE)
ROUTES = (AI_ROUTE, HTTP_ROUTE)
"""What leads to a deployment; the first has the second made by its controller, under the same name."""
REQUIRED: Mapping[Backend, tuple[ServedKind, ...]] = {
    Backend.ENVOY: (*ROUTE_KINDS, AI_ROUTE, AI_BACKEND, BACKEND, SECURITY_POLICY, TRAFFIC_POLICY, AUTH_CONFIG),
    Backend.KUADRANT: (*ROUTE_KINDS, AUTH_POLICY, RATE_LIMIT_POLICY, TOKEN_POLICY),
}
OURS = (
    HTTP_ROUTE, AI_ROUTE, AI_BACKEND, BACKEND, SECURITY_POLICY, TRAFFIC_POLICY, AUTH_CONFIG, AUTH_POLICY,
    RATE_LIMIT_POLICY, TOKEN_POLICY, NETWORK_POLICY,
)  # fmt: skip
"""Every kind that may be written beside a deployment for its gateway, and is removed when no longer wanted."""

LEVELS: tuple[tuple[str, str, str], ...] = (
    ("organization", "org", ORGANIZATION_LABEL),
    ("user", "user", USER_LABEL),
    ("api_key", "key", KEY_LABEL),
)
"""Field of the spec, short name in headers and claims, label of the key's Secret; widest level first."""


def limits_by_level(limits: RateLimits) -> Sequence[tuple[str, int | None, int | None]]:
    """For `org`, `user` and `key`: requests and tokens per minute window; None is not limited."""
    return tuple(
        (short, getattr(limits, field).requests_per_minute, getattr(limits, field).tokens_per_minute)
        for field, short, _ in LEVELS
    )


def has_token_limits(spec: DeploymentSpec) -> int:
    """How many of the three levels limit tokens."""
    return sum(tokens is not None for _, _, tokens in limits_by_level(spec.rate_limits))


Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """A Service of the cluster with its port."""

    namespace: str
    name: str
    port: int


AUTHORINO = ServiceAddress("genai-system", "authorino-authorino-authorization", 50051)
"""Where the authorization service is when the cluster cannot be asked (`docs/gateways.md` installs it there)."""


@dataclass(frozen=True, slots=True)
class Installed:
    """What a cluster has of the gateways.

    `kinds` holds `(group, version, kind)`; `versions` maps a product (`envoy-gateway`, `envoy-ai-gateway`, `kuadrant`)
    to its version as its images say; `key_namespaces` are those Kuadrant reads keys from. `known` is False while
    nobody has asked.
    """

    known: bool = False
    kinds: frozenset[tuple[str, str, str]] = frozenset()
    versions: Mapping[str, str] | None = None
    authorino: ServiceAddress | None = None
    key_namespaces: tuple[str, ...] = ()

    def missing(self, backend: Backend | None) -> tuple[ServedKind, ...]:
        """The kinds this needs and the cluster does not serve; of a gateway without enforcement the routes alone."""
        wanted = REQUIRED[backend] if backend is not None else ROUTE_KINDS
        return tuple(kind for kind in wanted if (kind.group, kind.version, kind.kind) not in self.kinds)

    def lacking(self, backend: Backend | None) -> str:
        """What is missing for it, in words; empty when nothing is."""
        missing = self.missing(backend)
        if not missing:
            return ""
        what = backend.label if backend is not None else "the Gateway API"
        kinds = ", ".join(f"{kind.kind} ({kind.api_version})" for kind in missing[:3])
        more = f" and {len(missing) - 3} others" if len(missing) > 3 else ""
        return f"needs {what}, and the cluster does not serve {kinds}{more}"

    def version(self, product: str) -> str | None:
        """As its image is tagged; None when not known."""
        return (self.versions or {}).get(product)


_UNTIL = ": nothing can be deployed to it until then"


def gateway_doubt(
    exposure: str, enforcement: str | None, installed: Installed, live: EndpointSpec | None
) -> FieldProblem | None:
    """Why an endpoint of this exposure and enforcement is of no use in this cluster yet, at the field that says so.

    No reason to refuse it: an endpoint may be there before its gateway. None while nobody has asked the cluster, and
    where the `live` endpoint is like that already.
    """
    if not installed.known or exposure != "gateway":
        return None
    if live is not None and (live.exposure, live.enforcement) == (exposure, enforcement):
        return None
    if installed.missing(None):
        return FieldProblem("exposure", f"{installed.lacking(None)}{_UNTIL}")
    lacking = installed.lacking(Backend(enforcement)) if enforcement is not None else ""
    return FieldProblem("enforcement", f"{lacking}{_UNTIL}") if lacking else None


def parse_version(text: str) -> Version | None:
    """`v1.8.3` as numbers; None for what is no version."""
    numbers = text.lstrip("v").split("-")[0].split("+")[0].split(".")
    if len(numbers) != 3 or not all(part.isdecimal() for part in numbers):
        return None
    return (int(numbers[0]), int(numbers[1]), int(numbers[2]))


def holes(backend: Backend, spec: DeploymentSpec, installed: Installed, keys_in: str) -> tuple[str, ...]:
    """What this gateway, at the version found, is known not to keep of this spec; empty when nothing is known.

    `keys_in` is the namespace of the API keys. Sources: the issues named in `docs/gateways.md`.
    """
    found = _envoy_holes(installed) if backend is Backend.ENVOY else _kuadrant_holes(spec, installed, keys_in)
    if spec.engine.type.value == "nim" and has_token_limits(spec):
        found = (*found, "token limits are not guaranteed: nothing makes NIM report usage of every streamed answer")
    return found


def _envoy_holes(installed: Installed) -> tuple[str, ...]:
    text = installed.version("envoy-gateway")
    version = parse_version(text) if text else None
    if version is None:
        return ("the version of Envoy Gateway is not known; before 1.8.2 shared token limits may be dropped",)
    if version < (1, 8, 2):
        return (f"Envoy Gateway {text} may drop token limits (envoyproxy/ai-gateway#2248); use 1.8.3",)
    if version >= (1, 9, 0):
        return (f"Envoy Gateway {text} is not in the support matrix of Envoy AI Gateway; use 1.8.3",)
    return ()


def _kuadrant_holes(spec: DeploymentSpec, installed: Installed, keys_in: str) -> tuple[str, ...]:
    found: list[str] = []
    text = installed.version("kuadrant")
    version = parse_version(text) if text else None
    if has_token_limits(spec) > 1 and (version is None or version <= (1, 5, 2)):
        which = f"Kuadrant {text}" if text else "Kuadrant of unknown version (up to 1.5.2)"
        found.append(f"{which} checks only the widest token limit before the engine (Kuadrant/limitador#513)")
    if has_token_limits(spec):
        found.append("tokens of /v1/messages and /v1/responses are not counted (Kuadrant/kuadrant-operator#1864)")
    if installed.known and keys_in not in installed.key_namespaces:
        where = ", ".join(installed.key_namespaces)
        reads = f"Kuadrant reads them in {where}" if where else "Kuadrant reads none: there is no Kuadrant resource"
        found.append(f"API keys are in namespace {keys_in}, and {reads}")
    return tuple(found)


class Claim(StrEnum):
    """What may be said of the limits and the sharing of a deployment."""

    RECORDED = "recorded only"
    NOT_PROVEN = "not proven"
    PARTLY = "partly enforced"
    ENFORCED = "enforced"


@dataclass(frozen=True, slots=True)
class Condition:
    """What a controller says of one object: `good` at the object's current generation, or why not.

    `simulated` marks conditions of a controller that only pretends (the sandbox).
    """

    reference: str
    good: bool
    message: str = ""
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Probe:
    """One request that had to be refused: what was sent, the status expected and the one that came (None: none)."""

    what: str
    expected: int
    status: int | None
    message: str = ""

    @property
    def good(self) -> bool:
        """Whether it was refused as it had to be."""
        return self.status == self.expected


@dataclass(frozen=True, slots=True)
class Enforcement:
    """Who enforces, what may be claimed, and why not more, most telling first."""

    by: str | None
    claim: Claim
    reasons: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    probes: tuple[Probe, ...] = ()
    hostname: str | None = None

    @property
    def line(self) -> str:
        """In one line, as `Kuadrant: partly enforced: ...`."""
        head = f"{self.by}: {self.claim.value}" if self.by else self.claim.value
        return f"{head}: {self.reasons[0]}" if self.reasons else head


def judge(
    backend: Backend,
    conditions: Sequence[Condition],
    probes: Sequence[Probe],
    known_holes: Sequence[str],
    hostname: str,
) -> Enforcement:
    """What may be claimed: conditions first, then the probes, then the known holes of the version."""
    bad = tuple(f"{c.reference}: {c.message or 'no condition says it is accepted'}" for c in conditions if not c.good)
    wrong = tuple(
        f"{p.what}: expected {p.expected}, got {p.status if p.status is not None else p.message or 'no answer'}"
        for p in probes
        if not p.good
    )
    pretended = tuple(c.reference for c in conditions if c.simulated)
    reasons: tuple[str, ...]
    if bad or not conditions:
        claim, reasons = Claim.NOT_PROVEN, bad or ("no object of the gateway was found",)
    elif wrong:
        claim, reasons = Claim.NOT_PROVEN, wrong
    elif pretended:
        claim, reasons = Claim.NOT_PROVEN, ("the conditions are simulated: there is no gateway behind them",)
    elif not probes:
        claim, reasons = Claim.NOT_PROVEN, ("its conditions are good; nobody has probed it yet",)
    elif known_holes:
        claim, reasons = Claim.PARTLY, ()
    else:
        claim, reasons = Claim.ENFORCED, ()
    return Enforcement(backend.label, claim, (*reasons, *known_holes), tuple(conditions), tuple(probes), hostname)


def sharing_predicates(spec: DeploymentSpec) -> tuple[str, ...]:
    """Who may call: CEL expressions on the labels of the key's Secret, all of which must hold.

    A key without one of the three labels is refused always: a limit without its counter would silently not apply.
    """
    named = " && ".join(f'"{label}" in auth.identity.metadata.labels' for _, _, label in LEVELS)
    if spec.sharing.mode is SharingMode.NONE:
        return (named, "false")
    if spec.sharing.mode is SharingMode.ALL:
        return (named,)
    listed = ", ".join(f'"{name}"' for name in spec.sharing.organizations)
    return (named, f"{label_claim(ORGANIZATION_LABEL)} in [{listed}]")


def key_predicates(name: str, namespace: str) -> tuple[str, ...]:
    """What a key itself says of where and until when it is good: CEL, all of which must hold for any key.

    The same words mean the same at the embedded gateway (`KeyRecord.allows`, `KeyRecord.expired`). Kubernetes leaves
    annotations out where there are none, so that is asked first: what cannot be evaluated is refused. Authorino gives
    the time of a request as seconds and nanoseconds.
    https://github.com/Kuadrant/authorino/blob/main/pkg/service/well_known_attributes.go
    """
    listed = f"{namespace}/{name}".replace(".", "[.]")
    confined = f'{_ANNOTATIONS}["{DEPLOYMENTS}"].matches("(^|,){listed}(,|$)|^,*$")'
    ends = f'{_ANNOTATIONS}["{EXPIRES}"]'
    in_time = f'{ends} == "" || int(request.time.seconds) < int(timestamp({ends}))'
    return (f"{_without(DEPLOYMENTS)} || {confined}", f"{_without(EXPIRES)} || {in_time}")


_ANNOTATIONS = "auth.identity.metadata.annotations"


def _without(annotation: str) -> str:
    return f'!has({_ANNOTATIONS}) || !("{annotation}" in {_ANNOTATIONS})'


def label_claim(label: str) -> str:
    """A label of the key's Secret, which Authorino gives as the identity, as CEL."""
    return f'auth.identity.metadata.labels["{label}"]'


def hostname_of(name: str, endpoint_hostname: str) -> str:
    """The one hostname of a deployment at an endpoint: shared ones make gateways choose the wrong policy."""
    return f"{name}.{endpoint_hostname}"
