"""How values read on the screen: numbers with units, ages, money, phases. Missing is a dash, never 0."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from genai_tui.domain.money import Cost, plain
from genai_tui.domain.rows import Assessment, Phase

MISSING = "–"
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}


@dataclass(frozen=True, slots=True)
class Look:
    """How a phase is told apart: a glyph, and the name of a tone (never the tone alone)."""

    glyph: str
    tone: str


LOOKS: dict[Phase, Look] = {
    Phase.RUNNING: Look("●", "good"),
    Phase.PENDING: Look("○", "warned"),
    Phase.PULLING: Look("◔", "busy"),
    Phase.DOWNLOADING: Look("◔", "busy"),
    Phase.LOADING: Look("◑", "busy"),
    Phase.WARMING_UP: Look("◕", "busy"),
    Phase.ROLLING_OUT: Look("◐", "busy"),
    Phase.SCALING: Look("◐", "busy"),
    Phase.DEGRADED: Look("▲", "warned"),
    Phase.FAILED: Look("✖", "bad"),
    Phase.STOPPED: Look("□", "quiet"),
    Phase.TERMINATING: Look("◌", "quiet"),
    Phase.UNKNOWN: Look("?", "quiet"),
}


def needs_attention(assessment: Assessment) -> bool:
    """Whether an operator should look: it failed, is degraded, or waits for something that does not come by itself."""
    return assessment.phase in (Phase.FAILED, Phase.DEGRADED) or (
        assessment.phase is Phase.PENDING and assessment.fix is not None
    )


def phase_text(assessment: Assessment) -> str:
    """`Pending: no node has 8 free GPUs`, `Loading 62%`, `Running`."""
    text = assessment.phase.value
    if assessment.progress is not None:
        text += f" {assessment.progress:.0%}"
    return f"{text}: {assessment.cause}" if assessment.cause else text


def age(since: datetime | None, now: datetime) -> str:
    """The largest unit alone, so that rows do not change each second: 45s, 3m, 5h, 12d."""
    if since is None:
        return MISSING
    seconds = max(0, int((now - since).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def duration(seconds: float) -> str:
    """`41s`, `1m12s`, `2h05m`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def rate(value: float | None) -> str:
    """A rate a second: three digits at most, one decimal below ten."""
    if value is None:
        return MISSING
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def count(value: int | None) -> str:
    """A whole number with separators."""
    return MISSING if value is None else f"{value:,}"


def money(cost: Cost | None) -> str:
    """Every digit, with the currency's sign where it has a common one."""
    return MISSING if cost is None else amount(cost.amount, cost.currency)


def amount(value: Decimal, currency: str) -> str:
    """`$0.0000110`, `0.31 CHF`."""
    text = plain(value)
    return f"{SYMBOLS[currency]}{text}" if currency in SYMBOLS else f"{text} {currency}"


def clock(moment: datetime | None) -> str:
    """Time of day, UTC."""
    return MISSING if moment is None else moment.strftime("%H:%M:%S")
