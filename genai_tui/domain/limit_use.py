"""How far the limits of a deployment are used up now, as its gateway's own counters say; or why that is not known.

What was recorded cannot say it: windows begin anew with the gateway, and what a cancelled answer was charged is no row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from genai_tui.domain.catalogue import EndpointSpec
from genai_tui.domain.deployment import RateLimits, Sharing
from genai_tui.domain.enforcement import Backend
from genai_tui.domain.keys import KeyRecord
from genai_tui.domain.limits import Caller, Level, OpenWindow, Reading, Unit, Windows
from genai_tui.domain.rows import Ref
from genai_tui.domain.sharing import shared_with

_IN_REDIS = "Envoy Gateway keeps the counters in its Redis, and they are not read here"


def caller_of(key: KeyRecord) -> Caller:
    """Whose counters a request with this key is counted at."""
    return Caller(key.organization, key.user, key.id)


@dataclass(frozen=True, slots=True)
class Counters:
    """What a gateway counted of one deployment in the windows that are open.

    Attributes:
        since: since when it counts; None where it does not tell.
        open: the windows; a limit of a caller without one is not used at all.
        kept: the limits it keeps; None for all that are set.
    """

    since: datetime | None = None
    open: tuple[OpenWindow, ...] = ()
    kept: frozenset[tuple[Level, Unit]] | None = None

    def windows(self, ref: Ref) -> Windows:
        """As counters that can be asked; the time of telling is 0."""
        return Windows.from_open(str(ref), self.open)

    def lacking(self, limits: RateLimits) -> tuple[str, ...]:
        """The limits that are set and not kept, in words: what is used of them is not 0, but not known."""
        set_ = Windows().readings("", Caller("", "", ""), limits, 0.0)
        kept = self.kept
        return tuple(
            f"{one.level} {one.unit}" for one in set_ if kept is not None and (one.level, one.unit) not in kept
        )


@dataclass(frozen=True, slots=True)
class Use:
    """One limit, and how far it is used up. `used` None: not known here, and then neither is `resets_in`.

    `resets_in` is in seconds; None also where no window is open.
    """

    level: Level
    unit: Unit
    subject: str
    limit: int
    used: int | None = None
    resets_in: float | None = None

    @property
    def share(self) -> float | None:
        """How much of the limit is used; above 1 after an overshoot."""
        return None if self.used is None else self.used / self.limit

    @property
    def spent(self) -> bool:
        """Whether it is known to refuse the next request."""
        return self.used is not None and self.used >= self.limit


def kept_elsewhere(name: str, endpoint: EndpointSpec | None) -> str:
    """Why the counters of an endpoint's deployments cannot be read from here; empty where they can.

    Args:
        name: the endpoint's.
        endpoint: None where there is none of that name.
    """
    if endpoint is None:
        return f"the endpoint {name} cannot be read, and without it no embedded gateway serves the deployment"
    return _IN_REDIS if endpoint.enforcement == Backend.ENVOY.value else ""


def uses(windows: Windows | None, ref: Ref, limits: RateLimits, callers: Iterable[Caller]) -> tuple[Use, ...]:
    """Every limit of these callers once, widest level first, the fullest of a level first; None: nothing is known."""
    found = {
        (reading.level, reading.unit, reading.subject): _use(reading, known=windows is not None)
        for caller in callers
        for reading in (windows or Windows()).readings(str(ref), caller, limits, 0.0)
    }
    order = list(dict.fromkeys(level for level, _, _ in found))
    return tuple(sorted(found.values(), key=lambda r: (order.index(r.level), -(r.share or 0), r.subject, r.unit.value)))


def _use(reading: Reading, *, known: bool) -> Use:
    if not known:
        return Use(reading.level, reading.unit, reading.subject, reading.limit)
    return Use(reading.level, reading.unit, reading.subject, reading.limit, reading.used, reading.resets_in or None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request would be let in now; `status` is the HTTP status it would have, `reason` why it is refused."""

    status: int
    reason: str = ""

    @property
    def admitted(self) -> bool:
        """Whether it would be let in."""
        return self.status == 200


def verdict(windows: Windows, ref: Ref, sharing: Sharing, limits: RateLimits, key: KeyRecord, now: datetime) -> Verdict:
    """What a gateway with these counters would say to a request with this key, in the order gateways check."""
    if key.expired(now):
        return Verdict(401, f"key {key.id} has expired")
    if not shared_with(sharing, key.organization):
        return Verdict(403, f"{ref} is not shared with {key.organization}")
    if not key.allows(ref.namespace, ref.name):
        return Verdict(403, f"key {key.id} may call {', '.join(key.deployments)} alone")
    spent = [r for r in windows.readings(str(ref), caller_of(key), limits, 0.0) if r.spent]
    return Verdict(429, " ".join(reading.sentence() for reading in spent)) if spent else Verdict(200)
