"""Times as kubectl shows them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime


def age(stamp: str | None, now: datetime) -> str:
    """Time since, as k8s.io/apimachinery duration.HumanDuration writes it."""
    if not stamp:
        return "<unknown>"
    seconds = int((now - datetime.fromisoformat(stamp)).total_seconds())
    if seconds < 0:
        return "0s"
    for limit, text in _HUMAN:
        if seconds < limit:
            return text(seconds)
    years, days = divmod(seconds // 86_400, 365)
    return f"{years}y{days}d" if years < 8 and days else f"{years}y"


def _pair(big: int, small: int, units: str) -> Callable[[int], str]:
    def write(seconds: int) -> str:
        whole, rest = seconds // big, seconds % big // small
        return f"{whole}{units[0]}{rest}{units[1]}" if rest else f"{whole}{units[0]}"

    return write


_HUMAN: tuple[tuple[int, Callable[[int], str]], ...] = (
    (120, lambda s: f"{s}s"),
    (600, _pair(60, 1, "ms")),
    (10_800, lambda s: f"{s // 60}m"),
    (28_800, _pair(3600, 60, "hm")),
    (172_800, lambda s: f"{s // 3600}h"),
    (691_200, _pair(86_400, 3600, "dh")),
    (2 * 365 * 86_400, lambda s: f"{s // 86_400}d"),
)
