"""How long requests took, as counts by range: counts of many hours add up, and percentiles are read off the sum.

Ranges grow by a tenth, from a millisecond to a day, so that a percentile is told to within 5 %.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil, sqrt

GROWTH = 1.1
_LONGEST_US = 86_400_000_000


def _bounds() -> tuple[int, ...]:
    found, bound = [0], 1_000.0
    while bound <= _LONGEST_US:
        found.append(round(bound))
        bound *= GROWTH
    return tuple(found)


BOUNDS_US = _bounds()
"""Where each range begins, in microseconds; the last one has no end. The ledger keeps them, so they never change."""


def range_of(took_us: int) -> int:
    """Where the range of a time begins."""
    return BOUNDS_US[bisect_right(BOUNDS_US, took_us) - 1]


@dataclass(frozen=True, slots=True)
class Latencies:
    """Counts of requests by the beginning of their range, in microseconds."""

    counts: Mapping[int, int] = field(default_factory=dict[int, int])

    @property
    def timed(self) -> int:
        """How many requests are in it."""
        return sum(self.counts.values())

    def __add__(self, other: Latencies) -> Latencies:
        counts = dict(self.counts)
        for begins, number in other.counts.items():
            counts[begins] = counts.get(begins, 0) + number
        return Latencies(counts)

    def percentile_ms(self, share: float) -> float | None:
        """The time that `share` (0 to 1) of the requests did not exceed, in milliseconds; None without requests.

        The nearest rank; of its range the geometric middle, which is at most 5 % from every time in it.
        """
        rank, seen = max(1, ceil(share * self.timed)), 0
        for begins in sorted(self.counts):
            seen += self.counts[begins]
            if seen >= rank:
                return _middle_ms(begins)
        return None


def _middle_ms(begins: int) -> float:
    place = bisect_right(BOUNDS_US, begins)
    if begins == 0:
        return BOUNDS_US[1] / 2_000
    ends = BOUNDS_US[place] if place < len(BOUNDS_US) else begins * GROWTH
    return sqrt(begins * ends) / 1_000


def counted(times_us: Iterable[int]) -> Latencies:
    """Times by range."""
    counts: dict[int, int] = {}
    for took in times_us:
        begins = range_of(took)
        counts[begins] = counts.get(begins, 0) + 1
    return Latencies(counts)
