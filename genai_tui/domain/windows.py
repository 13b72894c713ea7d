"""Windows of time that usage is asked for, the period before each, and the periods a trend is cut into."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from genai_tui.domain.durations import parse_duration

MOST_PERIODS = 36
_PERIODS = (
    *(timedelta(minutes=number) for number in (1, 2, 5, 10, 15, 30)),
    *(timedelta(hours=number) for number in (1, 2, 3, 6, 12)),
    *(timedelta(days=number) for number in (1, 2, 7, 14, 30, 60, 90, 180, 365)),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(days=366)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Window:
    """From `since` (counted) until `until` (not counted); `name` as people say it: `24h`, `2026-11-01`."""

    since: datetime
    until: datetime
    name: str

    @property
    def before(self) -> Window:
        """The equally long window that ends where this one begins, not before 1970: what it is compared with."""
        length = max(timedelta(0), min(self.until - self.since, self.since - _EPOCH))
        return Window(self.since - length, self.since, f"the {self.name} before")

    @property
    def every(self) -> timedelta:
        """How long a period of its trend is: the shortest of a clock's that gives at most `MOST_PERIODS`."""
        length = self.until - self.since
        return next((period for period in _PERIODS if length / period <= MOST_PERIODS), _PERIODS[-1])

    @property
    def periods(self) -> tuple[datetime, ...]:
        """When each period of the trend begins; whole ones of the clock in UTC, so the first and last may be cut."""
        every = self.every
        first = _EPOCH + (self.since - _EPOCH) // every * every
        count = -((first - self.until) // every)
        return tuple(first + place * every for place in range(max(0, count)))


def parse_window(text: str, now: datetime) -> Window:
    """`36h`, `90m`, `14d` back from now; or two days, `2026-11-01 2026-11-15`, the second one included, in UTC.

    Raises:
        ValueError: anything else, with a sentence that says what to write.
    """
    words = [word for word in text.split() if word not in ("to", "..")]
    if words and all(_DAY.fullmatch(word) for word in words) and len(words) <= 2:
        try:
            first, last = (datetime.fromisoformat(words[place]).replace(tzinfo=UTC) for place in (0, -1))
            after = last + timedelta(days=1)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"'{text.strip()}' has a day that no calendar has") from error
        if after <= first:
            raise ValueError("the first day is after the last one")
        if first < _EPOCH or after - now > _AHEAD:
            raise ValueError("write days from 1970-01-01 on, at most a year ahead")
        name = words[0] if len(words) == 1 else f"{words[0]} to {words[1]}"
        return Window(first, after, name)
    length = parse_duration(text)
    if length < timedelta(minutes=1):
        raise ValueError("write at least one minute: 1m")
    if length > now - _EPOCH:
        raise ValueError(f"'{text.strip()}' is longer than time is kept")
    return Window(now - length, now, text.strip())


def length_text(length: timedelta) -> str:
    """The length of a period in its largest whole unit: `30m`, `6h`, `1d`."""
    seconds = int(length.total_seconds())
    unit, size = next((u, s) for u, s in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)) if seconds % s == 0)
    return f"{seconds // size}{unit}"
