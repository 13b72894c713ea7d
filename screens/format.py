"""Domain values as text: numbers with units, ages, costs, phases. What is not known is `–`, never 0."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from genai_tui.domain.money import Cost, plain
from genai_tui.domain.rows import Assessment, Phase
from genai_tui.domain.startup import left_of

MISSING = "–"
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}


@dataclass(frozen=True, slots=True)
class PhaseLook:
    """How a phase is shown: never by colour alone.

    Attributes:
        glyph: one cell wide.
        tone: good, busy, waiting, bad or quiet; the name of a style class `phase--TONE`.
        urgency: 0 for what needs somebody, higher for what does not; the order of a sort by phase.
    """

    glyph: str
    tone: str
    urgency: int


LOOKS = {
    Phase.FAILED: PhaseLook("✖", "bad", 0),
    Phase.DEGRADED: PhaseLook("▲", "waiting", 1),
    Phase.PENDING: PhaseLook("○", "waiting", 2),
    Phase.UNKNOWN: PhaseLook("?", "waiting", 3),
    Phase.PULLING: PhaseLook("◔", "busy", 4),
    Phase.STARTING: PhaseLook("◔", "busy", 5),
    Phase.DOWNLOADING: PhaseLook("◔", "busy", 5),
    Phase.LOADING: PhaseLook("◑", "busy", 6),
    Phase.WARMING_UP: PhaseLook("◕", "busy", 7),
    Phase.ROLLING_OUT: PhaseLook("◐", "busy", 8),
    Phase.SCALING: PhaseLook("◐", "busy", 9),
    Phase.TERMINATING: PhaseLook("◌", "quiet", 10),
    Phase.RUNNING: PhaseLook("●", "good", 11),
    Phase.STOPPED: PhaseLook("■", "quiet", 12),
}
TONES = ("good", "busy", "waiting", "bad", "quiet")


def needs_you(assessment: Assessment) -> bool:
    """Whether somebody should look: it failed, is degraded, or waits for what does not come by itself."""
    if assessment.phase is Phase.PENDING:
        return assessment.fix is not None
    return assessment.phase in (Phase.FAILED, Phase.DEGRADED)


def phase_look(phase: Phase) -> PhaseLook:
    """Glyph, tone and urgency of a phase."""
    return LOOKS[phase]


def phase_text(assessment: Assessment) -> str:
    """Phase and cause in one line: `Loading 62%, ready in about 1m40s`, `Pending: no node has 4 free GPUs`."""
    text = assessment.phase.value
    if assessment.progress is not None:
        text += f" {percent(assessment.progress)}"
    if assessment.cause:
        text += f"{', ' if assessment.progress is not None else ': '}{assessment.cause}"
    if assessment.seconds_left is not None:
        text += f", {left_of(assessment)}"
    return text


def count(value: int | None) -> str:
    """A whole number with thousands separated: `1,204`."""
    return MISSING if value is None else f"{value:,}"


def short_count(value: float | None) -> str:
    """A number in at most five characters: `950`, `12.3k`, `4.2M`."""
    if value is None:
        return MISSING
    for limit, unit in ((1e3, ""), (1e6, "k"), (1e9, "M"), (1e12, "G")):
        if abs(value) < limit * 0.9995:
            scaled = value / (limit / 1e3)
            return f"{scaled:.0f}{unit}" if not unit or scaled >= 99.95 else f"{scaled:.1f}{unit}"
    return f"{value / 1e12:.1f}T"


def rate(value: float | None) -> str:
    """Something a second, with as many digits as tell something: `412`, `3.2`, `0.05`; `0` is a real zero."""
    if value is None:
        return MISSING
    if value == 0:
        return "0"
    if value >= 9.95:
        return short_count(value)
    return f"{value:.1f}" if value >= 0.095 else f"{max(value, 0.01):.2f}"


def percent(fraction: float | None) -> str:
    """`62%`; only what is complete shows 100%, only nothing at all shows 0%: less than one is `<1%`."""
    if fraction is None:
        return MISSING
    if 0 < fraction < 0.01:
        return "<1%"
    return f"{100 if fraction >= 1 else min(99, int(max(fraction, 0.0) * 100))}%"


def milliseconds(value: float | None) -> str:
    """A duration in ms below ten seconds, in s above: `41 ms`, `12.3 s`."""
    if value is None:
        return MISSING
    return f"{value:,.0f} ms" if value < 10_000 else f"{value / 1000:.1f} s"


def latency(value: float | None) -> str:
    """A round trip; below one millisecond it says so: `<1 ms`."""
    return "<1 ms" if value is not None and value < 1 else milliseconds(value)


def short_seconds(value: float) -> str:
    """A latency given in seconds: `1.2 s`, `82 ms`, `4.2 ms`."""
    if value >= 1:
        return f"{value:.1f} s"
    return f"{value * 1000:.0f} ms" if value >= 0.01 else f"{value * 1000:.1f} ms"


def seconds(value: float | None) -> str:
    """A duration of work: `0.8 s`, `42 s`, `1m12s`, `2h05m`."""
    if value is None:
        return MISSING
    if value < 9.95:
        return f"{max(value, 0.0):.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def age(since: datetime | None, now: datetime) -> str:
    """How long ago in one unit, so that a row does not change every second: `now`, `3m`, `5h`, `12d`, `2y`."""
    if since is None:
        return MISSING
    passed = int((now - since).total_seconds())
    if passed < 60:
        return "now" if passed < 10 else "<1m"
    for size, unit in ((3600, "m"), (86_400, "h"), (730 * 86_400, "d")):
        if passed < size:
            return f"{passed // {'m': 60, 'h': 3600, 'd': 86_400}[unit]}{unit}"
    return f"{passed // (365 * 86_400)}y"


def clock(at: datetime | None) -> str:
    """The time of day in UTC: `10:41:07`."""
    return MISSING if at is None else f"{at:%H:%M:%S}"


def moment(at: datetime | None) -> str:
    """Date and time in UTC: `2026-11-23 10:41`."""
    return MISSING if at is None else f"{at:%Y-%m-%d %H:%M}"


def ratio(ready: int, wanted: int) -> str:
    """`1/2`."""
    return f"{ready}/{wanted}"


def money(cost: Cost | None) -> str:
    """An amount to its last digit with its currency: `$0.000011`, `0.25 CHF`; `–` without a price."""
    return MISSING if cost is None else amount(cost.amount, cost.currency)


def amount(value: Decimal, currency: str) -> str:
    """An amount of a currency, exact."""
    return _of_currency(plain(value), currency)


def short_amount(value: float, currency: str) -> str:
    """An amount for the axis of a chart, three digits that count: `$0.0123`, `12.5k JPY`."""
    return _of_currency(short_count(value) if value >= 1000 else plain(Decimal(f"{value:.3g}")), currency)


def _of_currency(digits: str, currency: str) -> str:
    symbol = _SYMBOLS.get(currency)
    return f"{symbol}{digits}" if symbol else f"{digits} {currency}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """`1 replica`, `2 replicas`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
