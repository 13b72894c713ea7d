"""How long the requests of a window took: counts by range, added up from those that stand beside each sum.

They are kept as JSON, `{"t91000":3,"d812000":3}`: three first tokens from 91 ms on, three answers from 812 ms; `t` and
`d` alone count requests without such a time.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from genai_tui.domain.latency import Latencies
from genai_tui.domain.usage import Dimension, Waits
from genai_tui.errors import GenaiTuiError
from genai_tui.metering.reports import GROUPS, Selection, of_parts
from genai_tui.metering.rows import Place

_AT_ONCE = 50_000
_FIRST_US, _WHOLE_US = (f"cast(round({name} * 1000) as integer)" for name in ("ttft_ms", "total_ms"))
LATENCY_RANGES = tuple(
    f"'{letter}' || coalesce((select max(begins) from latency_ranges where begins <= max({took}, 0)), '')"
    for letter, took in (("t", _FIRST_US), ("d", _WHOLE_US))
)
"""The range of a request's time to the first token and to the end, as sums call it."""
_OF_ROWS = f"""
    select grouped, start, source, currency, json_group_object(latency, number) as counts from (
        select {{group}} as grouped, {{start}} as start, source, coalesce(currency, '') as currency, latency,
               count(*) as number
        from (
            select *, {LATENCY_RANGES[0]} as latency
            from requests where ttft_ms is not null and at >= {{bounds[0]}} and at < {{bounds[1]}}
            union all
            select *, {LATENCY_RANGES[1]} as latency
            from requests where total_ms is not null and at >= {{bounds[0]}} and at < {{bounds[1]}}
        ) where true {{only}} group by 1, 2, 3, 4, 5
    ) group by 1, 2, 3, 4
"""
_OF_SUMS = """
    select {group} as grouped, {start} as start, source, currency, part.counts
    from latency_{unit} as part join usage_series on usage_series.id = part.series
    where part.start >= {bounds[0]} and part.start < {bounds[1]} {only}
"""


def waits_by(db: sqlite3.Connection, by: Dimension, selection: Selection) -> dict[Place, Waits]:
    """By the groups of one dimension, source and currency. Raises GenaiTuiError where the counts are damaged."""
    return _waits(db, selection, GROUPS[by], None)


def waits_over_time(db: sqlite3.Connection, every_s: int, selection: Selection) -> dict[Place, Waits]:
    """By period (of `every_s`, whole since 1970 in UTC), source and currency. Raises as `waits_by`."""
    return _waits(db, selection, "''", every_s)


def _waits(db: sqlite3.Connection, selection: Selection, group: str, every_s: int | None) -> dict[Place, Waits]:
    query, values = of_parts(db, selection, group, every_s, (_OF_ROWS, _OF_SUMS))
    rows = db.cursor()
    # Tuples: a report of ninety days reads a hundred thousand of them.
    rows.row_factory = None
    waiting: defaultdict[Place, list[str]] = defaultdict(list)
    members: defaultdict[Place, Counter[str]] = defaultdict(Counter)
    for number, (*where, counts) in enumerate(rows.execute(query, values) if values else (), 1):
        waiting[tuple(where)].append(counts)
        if not number % _AT_ONCE:
            _count(waiting, members)
    _count(waiting, members)
    try:
        return {where: _told(mine.items()) for where, mine in members.items()}
    except (ValueError, KeyError, IndexError) as error:
        why = "what is kept of how long requests took is not as it was written"
        raise GenaiTuiError("the ledger is damaged", why=why, next_step="see: genai-tui ledger check") from error


def _count(waiting: defaultdict[Place, list[str]], members: Mapping[Place, Counter[str]]) -> None:
    """Count what waits, member by member as it is written: few differ, and reading each takes three times as long."""
    for where, texts in waiting.items():
        members[where].update("".join(texts).replace("}{", ",")[1:-1].split(","))
    waiting.clear()


def _told(members: Iterable[tuple[str, int]]) -> Waits:
    """Of members (`"t91000":3`) and how often each was seen."""
    counts: dict[str, dict[int, int]] = {"t": {}, "d": {}}
    for member, times in members:
        name, number = member.split(":")
        letter, begins = name[1], name[2:-1]
        if begins:
            mine = counts[letter]
            mine[int(begins)] = mine.get(int(begins), 0) + int(number) * times
    return Waits(Latencies(counts["t"]), Latencies(counts["d"]))
