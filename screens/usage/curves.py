"""The curves of the chart: which there are, which one is shown, and how it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from genai_tui.domain.trends import Measure, series, totals
from genai_tui.domain.usage import Source
from genai_tui.domain.windows import Window, length_text
from screens.format import milliseconds, short_amount, short_count
from screens.usage.reading import Reading
from screens.widgets.trend_lines import Point, Trend


class Curve(NamedTuple):
    """What the chart shows: a measure of one source; of a cost, one currency."""

    measure: Measure
    source: Source
    currency: str = ""


def curves(reading: Reading) -> list[Curve]:
    """Every curve there is something to show of: source by source, most tokens first."""
    found: list[Curve] = []
    for sums in totals(reading.lines):
        for measure in Measure:
            if measure is Measure.COST:
                found += [Curve(measure, sums.source, cost.currency) for cost in sums.costs]
            else:
                found.append(Curve(measure, sums.source))
    return found


def nearest(found: Sequence[Curve], wanted: Curve | None) -> Curve | None:
    """The curve that was asked for, or the one nearest to it that there is."""
    if wanted is None:
        return found[0] if found else None
    alike = ((c.source is wanted.source, c.measure is wanted.measure, c.currency == wanted.currency) for c in found)
    return max(zip(alike, found, strict=True), key=lambda pair: pair[0], default=(None, None))[1]


def next_measure(found: Sequence[Curve], now: Curve) -> Curve:
    """The next measure of the same source; a cost in each currency is one of its own."""
    among = [curve for curve in found if curve.source is now.source]
    return among[(among.index(now) + 1) % len(among)]


def next_source(found: Sequence[Curve], now: Curve) -> Curve:
    """The same measure of the next source."""
    sources = list(dict.fromkeys(curve.source for curve in found))
    return now._replace(source=sources[(sources.index(now.source) + 1) % len(sources)])


_NOTHING = {
    Measure.TOKENS: "no request was counted",
    Measure.REQUESTS: "no requests",
    Measure.COST: "nothing was priced",
    Measure.ERRORS: "no requests",
    Measure.FIRST_TOKEN: "no request told its time to the first token",
    Measure.FIRST_TOKEN_P95: "no request told its time to the first token",
    Measure.ANSWER_P95: "no request told how long it took",
}


def trend(reading: Reading, curve: Curve) -> Trend:
    """A curve, ready to draw."""
    window = reading.asked.window
    values = series(reading.points, window.periods, curve.source, curve.measure, curve.currency)
    label = _labels(window.every, window)
    points = tuple(Point(f"{start:{label}}", value) for start, value in zip(window.periods, values, strict=True))
    title = {
        Measure.TOKENS: "Tokens",
        Measure.REQUESTS: "Requests",
        Measure.COST: f"Cost in {curve.currency}",
        Measure.ERRORS: "Failed requests",
        Measure.FIRST_TOKEN: "Median time to first token",
        Measure.FIRST_TOKEN_P95: "95th percentile of the time to first token",
        Measure.ANSWER_P95: "95th percentile of the time to the whole answer",
    }[curve.measure]
    return Trend(
        f"{title}, each {length_text(window.every)}, {curve.source.value}",
        points,
        _unit(curve),
        _NOTHING[curve.measure],
        # Every measure but money is told in whole numbers.
        step=0.0 if curve.measure is Measure.COST else 1.0,
    )


def _labels(every: timedelta, window: Window) -> str:
    if every >= timedelta(days=1):
        return "%b %d" if window.until - window.since < timedelta(days=360) else "%Y-%m-%d"
    return "%H:%M" if window.until - window.since <= timedelta(days=1) else "%a %H:%M"


def _unit(curve: Curve) -> Callable[[float], str]:
    match curve.measure:
        case Measure.FIRST_TOKEN | Measure.FIRST_TOKEN_P95 | Measure.ANSWER_P95:
            return milliseconds
        case Measure.COST:
            return partial(short_amount, currency=curve.currency)
        case _:
            return short_count
