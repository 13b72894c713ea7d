"""Requests and tokens per minute at three levels: checked before a request, charged after it.

The semantics are those of Limitador: a window is fixed, 60 s from the first hit; a request is let in while every
counter is below its limit; tokens are added when the answer has ended, so a request that was let in finishes and may
overshoot, and the next one is refused. A refused request is counted nowhere. Counters do not know their limits: a
limit that changes is compared with what the window has seen so far.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from genai_tui.domain.deployment import RateLimits

WINDOW_S = 60.0
_FEW = 1024


class Level(StrEnum):
    """Whose counter it is; each level applies in addition to the others."""

    ORGANIZATION = "organization"
    USER = "user"
    API_KEY = "API key"


class Unit(StrEnum):
    """What is counted."""

    REQUESTS = "requests"
    TOKENS = "tokens"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the names (slugs) of an organization, a user and an API key."""

    organization: str
    user: str
    key: str

    def name(self, level: Level) -> str:
        """The name at one level."""
        match level:
            case Level.ORGANIZATION:
                return self.organization
            case Level.USER:
                return self.user
            case Level.API_KEY:
                return self.key


@dataclass(frozen=True, slots=True)
class Reading:
    """One limit and its window: how much is used, and in how many seconds the window ends (0: none is open)."""

    level: Level
    unit: Unit
    subject: str
    limit: int
    used: int
    resets_in: float

    @property
    def remaining(self) -> int:
        """What is left; an overshoot leaves nothing."""
        return max(0, self.limit - self.used)

    @property
    def spent(self) -> bool:
        """Whether the next request is refused."""
        return self.used >= self.limit

    def sentence(self) -> str:
        """What a caller who is refused is told."""
        return (
            f"Rate limit reached for {self.level} {self.subject} on {self.unit} per minute: limit {self.limit}, "
            f"used {self.used}. Try again in {whole_seconds(self.resets_in)} s."
        )


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """A counter of one deployment whose window is open, for another process; `resets_in` in seconds."""

    level: Level
    unit: Unit
    subject: str
    used: int
    resets_in: float


@dataclass(frozen=True, slots=True)
class Admission:
    """What the counters say of a request: the limits that refuse it, and every reading after it was counted."""

    spent: tuple[Reading, ...]
    readings: tuple[Reading, ...]

    @property
    def admitted(self) -> bool:
        """Whether it may pass."""
        return not self.spent

    @property
    def retry_after(self) -> int:
        """Whole seconds until every limit that refused has a new window."""
        return max((whole_seconds(reading.resets_in) for reading in self.spent), default=0)

    def tightest(self, unit: Unit) -> Reading | None:
        """The reading with the least left; of equal ones that which resets last. None: nothing is limited."""
        found = [reading for reading in self.readings if reading.unit is unit]
        return min(found, key=lambda reading: (reading.remaining, -reading.resets_in), default=None)


def whole_seconds(seconds: float) -> int:
    """For a Retry-After: rounded up, at least 1."""
    return max(1, ceil(seconds))


def reset_text(seconds: float) -> str:
    """A time to reset as OpenAI writes it: `0s`, `120ms`, `59s`, `1m0s`."""
    if seconds <= 0:
        return "0s"
    if seconds < 1:
        return f"{ceil(seconds * 1000)}ms"
    minutes, rest = divmod(ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


CounterKey = tuple[str, Level, Unit, str]


class Windows:
    """The counters of every deployment and caller of the last minute. Times are seconds of any steady clock.

    Not for several threads: a check and its counting are one step of the event loop.
    """

    def __init__(self) -> None:
        self._windows: dict[CounterKey, tuple[int, float]] = {}
        self._tidy_at = _FEW

    def admit(self, deployment: str, caller: Caller, limits: RateLimits, now: float) -> Admission:
        """Check all six; count the request at three levels unless it is refused, and then nowhere."""
        spent = tuple(reading for reading in self.readings(deployment, caller, limits, now) if reading.spent)
        if not spent:
            for level in Level:
                self._add((deployment, level, Unit.REQUESTS, caller.name(level)), 1, now)
        return Admission(spent, self.readings(deployment, caller, limits, now))

    def charge(self, deployment: str, caller: Caller, tokens: int, now: float) -> None:
        """Add the tokens of an answer that has ended, in the windows of now."""
        if tokens > 0:
            for level in Level:
                self._add((deployment, level, Unit.TOKENS, caller.name(level)), tokens, now)

    def readings(self, deployment: str, caller: Caller, limits: RateLimits, now: float) -> tuple[Reading, ...]:
        """Every limit that is set, with its window."""
        return tuple(self._read(deployment, caller, limits, now))

    def open(self, deployment: str, now: float) -> list[OpenWindow]:
        """Every counter of a deployment whose window is open."""
        return [
            OpenWindow(level, unit, subject, used, ends - now)
            for (of, level, unit, subject), (used, ends) in self._windows.items()
            if of == deployment and ends > now
        ]

    @classmethod
    def from_open(cls, deployment: str, found: Iterable[OpenWindow]) -> Windows:
        """The counters another process told, whose time of telling is 0 here."""
        windows = cls()
        windows._windows = {(deployment, one.level, one.unit, one.subject): (one.used, one.resets_in) for one in found}
        return windows

    def _read(self, deployment: str, caller: Caller, limits: RateLimits, now: float) -> Iterator[Reading]:
        of = {Level.ORGANIZATION: limits.organization, Level.USER: limits.user, Level.API_KEY: limits.api_key}
        for level, own in of.items():
            for unit, limit in ((Unit.REQUESTS, own.requests_per_minute), (Unit.TOKENS, own.tokens_per_minute)):
                if limit is not None:
                    subject = caller.name(level)
                    used, ends = self._windows.get((deployment, level, unit, subject), (0, now))
                    open_ = ends > now
                    yield Reading(level, unit, subject, limit, used if open_ else 0, ends - now if open_ else 0.0)

    def _add(self, key: CounterKey, amount: int, now: float) -> None:
        used, ends = self._windows.get(key, (0, now))
        self._windows[key] = (used + amount, ends) if ends > now else (amount, now + WINDOW_S)
        if len(self._windows) > self._tidy_at:
            self._windows = {key: window for key, window in self._windows.items() if window[1] > now}
            self._tidy_at = max(_FEW, 2 * len(self._windows))
