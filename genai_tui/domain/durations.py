"""Lengths of time as operators write them."""

from __future__ import annotations

import re
from datetime import timedelta

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def parse_duration(text: str) -> timedelta:
    """`90s`, `20m`, `24h`, `7d`, `1h30m` as a duration.

    Raises:
        ValueError: anything else, and nothing at all; with a sentence that says what to write.
    """
    match = _DURATION.fullmatch(text.strip())
    if not text.strip() or match is None:
        raise ValueError(f"'{text}' is not a duration: write it as 90s, 20m, 24h or 7d")
    days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
    try:
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError as error:
        raise ValueError(f"'{text}' is longer than time is kept") from error


def duration_words(seconds: float) -> str:
    """The two largest units that count: `45s`, `6m12s`, `1h30m`, `2d`."""
    left = max(0, round(seconds))
    parts: list[str] = []
    for name, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count}{name}" if count else "")
    return "".join(parts[:2]) or "0s"
