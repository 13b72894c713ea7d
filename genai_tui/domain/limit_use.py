"""How far the limits of a deployment are used up now, counted again from what the gateway recorded.

The counters of the gateway are in its memory. The same counters, given the same requests at the same times, say the
same; of requests that were recorded without a usage the tokens are not known here and are not counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from genai_tui.domain.deployment import RateLimits, Sharing
from genai_tui.domain.keys import KeyRecord
from genai_tui.domain.limits import Caller, Reading, Windows
from genai_tui.domain.rows import Ref
from genai_tui.domain.sharing import shared_with
from genai_tui.domain.usage import RequestRecord, Source

LOOK_BACK = timedelta(minutes=15)
"""How far back requests are read: where one caller never paused for a minute since, a window may begin elsewhere."""
_UNLIMITED = RateLimits()


def caller_of(key: KeyRecord) -> Caller:
    """Whose counters a request with this key is counted at."""
    return Caller(key.organization, key.user, key.id)


def counted(requests: Iterable[RequestRecord], cluster: str) -> Windows:
    """The counters after these requests; those of other clusters, and those no gateway saw, do not count.

    A request counts when it was let in, its tokens when its answer ended.
    """
    events: list[tuple[float, str, Caller, int | None]] = []
    for request in requests:
        if request.source is not Source.GATEWAY or request.cluster != cluster:
            continue
        deployment = f"{request.namespace}/{request.deployment}"
        caller, began = Caller(request.organization, request.user, request.key), request.at.timestamp()
        events.append((began, deployment, caller, None))
        if request.usage is not None:
            took = request.timings.total_ms / 1000 if request.timings is not None else 0.0
            events.append((began + took, deployment, caller, request.usage.total))
    windows = Windows()
    for at, deployment, caller, tokens in sorted(events, key=lambda event: event[0]):
        if tokens is None:
            windows.admit(deployment, caller, _UNLIMITED, at)
        else:
            windows.charge(deployment, caller, tokens, at)
    return windows


def readings(
    windows: Windows, ref: Ref, limits: RateLimits, callers: Iterable[Caller], now: datetime
) -> tuple[Reading, ...]:
    """Every limit of these callers once, widest level first, the fullest of a level first."""
    found = {
        (reading.level, reading.unit, reading.subject): reading
        for caller in callers
        for reading in windows.readings(str(ref), caller, limits, now.timestamp())
    }
    order = list(dict.fromkeys(level for level, _, _ in found))
    return tuple(
        sorted(found.values(), key=lambda r: (order.index(r.level), -r.used / r.limit, r.subject, r.unit.value))
    )


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
    """What the embedded gateway would say to a request with this key, in the order it checks."""
    if key.expired(now):
        return Verdict(401, f"key {key.id} has expired")
    if not shared_with(sharing, key.organization):
        return Verdict(403, f"{ref} is not shared with {key.organization}")
    if not key.allows(ref.namespace, ref.name):
        return Verdict(403, f"key {key.id} may call {', '.join(key.deployments)} alone")
    spent = [r for r in windows.readings(str(ref), caller_of(key), limits, now.timestamp()) if r.spent]
    return Verdict(429, " ".join(reading.sentence() for reading in spent)) if spent else Verdict(200)
