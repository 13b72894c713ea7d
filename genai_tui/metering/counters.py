"""Engine counters in the ledger: the last reading of each pod, and for each deployment marks of a sum that never falls.

A mark says how many tokens a deployment's engines had counted by then, since the first reading of any of them. Marks
stand a minute apart or more; the newest one moves along. Readings of several consoles come here in any order: what a
reading adds is worked out under the write lock, from the last one that was kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from genai_tui.domain.counters import Count, PodReading, Reconciliation, growth
from genai_tui.domain.rows import Ref
from genai_tui.domain.usage import Dimension
from genai_tui.metering.database import transaction
from genai_tui.metering.ledger import Ledger
from genai_tui.metering.reports import SECOND, Selection, pruned_until, sums_by
from genai_tui.metering.rows import moment

APART = timedelta(minutes=1)
LONGEST = timedelta(days=1)
"""No answer takes longer: the rows that may have ended in a time began at most so long before it."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_POD = """
    insert into engine_pods (cluster, pod, namespace, deployment, answered, began, prompt_tokens, completion_tokens)
    values (?, ?, ?, ?, ?, ?, ?, ?)
    on conflict (cluster, pod) do update set answered = excluded.answered, began = excluded.began,
        prompt_tokens = excluded.prompt_tokens, completion_tokens = excluded.completion_tokens
"""
_MARK_COLUMNS = "cluster, namespace, deployment, at, prompt_tokens, completion_tokens, restarts"
_OF = "cluster = :cluster and namespace = :namespace and deployment = :deployment"
SHORT = timedelta(minutes=1)
"""Answers that took longer have an index of their own (`requests_that_took_long`)."""
_BEGAN_US = f"({SECOND} * 1000000 + cast(substr(at, 21, 6) as integer))"
_ENDED_US = f"({_BEGAN_US} + coalesce(cast(round(total_ms * 1000) as integer), 0))"
# 1: it ended in the window and did not begin there; -1: the other way round.
_INSIDE = (
    f"(({_ENDED_US} > :since_us and {_ENDED_US} <= :until_us) - ({_BEGAN_US} >= :since_us and {_BEGAN_US} < :until_us))"
)
# The rows that can have begun on one side of an end of the window and ended on the other.
_ACROSS = f"""
    with near as (
        select rowid as id from requests where at >= :since_short and at <= :since
        union select rowid from requests where at >= :until_short and at <= :until
        union select rowid from requests where total_ms > 60000 and at >= :since_long and at <= :since
        union select rowid from requests where total_ms > 60000 and at >= :until_long and at <= :until
    )
    select coalesce(sum({_INSIDE} * coalesce(prompt_tokens, 0)), 0) as prompt,
           coalesce(sum({_INSIDE} * coalesce(completion_tokens, 0)), 0) as completion,
           coalesce(sum({_INSIDE} * (total_tokens is null and status <> 'error')), 0) as unreported
    from near join requests on requests.rowid = near.id where {_OF}
"""
_READ = "select distinct namespace, deployment from engine_marks where cluster = ?"


class CounterRows:
    """The tables of engine counters. Every coroutine raises GenaiTuiError when the file cannot be used."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def add(self, cluster: str, ref: Ref, readings: Sequence[PodReading]) -> None:
        """Keep readings of pods of one deployment; one that says nothing new for sure is left out."""

        def write(db: sqlite3.Connection) -> None:
            with transaction(db):
                _add(db, cluster, ref, readings)

        if readings:
            await self._ledger.do(write)

    async def total(self, cluster: str, ref: Ref) -> Count | None:
        """What the engines of a deployment counted since the first reading; None: they were never read."""
        rows = await self._ledger.read(lambda db: _marks(db, cluster, ref, "order by at desc limit 1"))
        return _count(rows[0]) if rows else None

    async def reconcile(
        self, cluster: str, since: datetime, until: datetime, only: Ref | None = None
    ) -> tuple[Reconciliation, ...]:
        """Every deployment whose engines were read, or that has requests in this time, by name; or `only` one.

        Where requests were pruned nothing is attributed: it begins after that, and is none if it ends before.
        """

        def read(db: sqlite3.Connection) -> tuple[Reconciliation, ...]:
            pruned = pruned_until(db)
            earliest = pruned + LONGEST if pruned is not None else _EPOCH
            begins = max(since, earliest)
            if begins >= until:
                return ()
            refs = [only] if only is not None else _known(db, cluster, begins, until)
            return tuple(_reconciled(db, cluster, ref, begins, until, moment(earliest)) for ref in refs)

        return await self._ledger.read(read)


def _add(db: sqlite3.Connection, cluster: str, ref: Ref, readings: Sequence[PodReading]) -> None:
    """In a transaction: what the readings add to the deployment's sum, then the readings themselves."""
    grown, restarts, used = Count(), 0, []
    for reading in readings:
        found = growth(_last(db, cluster, reading), reading)
        if found is None:
            continue
        grown, restarts = grown + found.count, restarts + found.restarted
        used.append(reading)
        place = (cluster, reading.pod, ref.namespace, ref.name, moment(reading.answered), reading.began)
        db.execute(_POD, (*place, reading.count.prompt, reading.count.completion))
    if used:
        _mark(db, cluster, ref, used, grown, restarts)


def _last(db: sqlite3.Connection, cluster: str, reading: PodReading) -> PodReading | None:
    """The reading of this pod that was kept last."""
    query = "select * from engine_pods where cluster = ? and pod = ?"
    row = db.execute(query, (cluster, reading.pod)).fetchone()
    if row is None:
        return None
    answered = datetime.fromisoformat(row["answered"])
    return PodReading(reading.pod, answered, answered, _count(row), reading.created, row["began"])


def _mark(
    db: sqlite3.Connection, cluster: str, ref: Ref, readings: Sequence[PodReading], grown: Count, restarts: int
) -> None:
    """Put the newest mark, or move it along."""
    at = max(moment(reading.answered) for reading in readings)
    newest = _marks(db, cluster, ref, "order by at desc limit 2")
    if not newest:
        born = [reading.created for reading in readings if reading.created is not None]
        first = min(moment(min(born)), at) if born else at
        _insert(db, cluster, ref, first, Count(), 0)
        newest = _marks(db, cluster, ref, "order by at desc limit 2")
    total, restarts = _count(newest[0]) + grown, newest[0]["restarts"] + restarts
    at = max(at, newest[0]["at"])
    if at == newest[0]["at"] or (len(newest) > 1 and _movable(newest[1], at, total)):
        query = f"delete from engine_marks where {_OF} and at = :at"
        db.execute(query, {**_place(cluster, ref), "at": newest[0]["at"]})
    _insert(db, cluster, ref, at, total, restarts)


def _movable(before: sqlite3.Row, at: str, total: Count) -> bool:
    """Whether the newest mark may move to `at`: near the one before it, or nothing was counted since that."""
    apart = datetime.fromisoformat(at) - datetime.fromisoformat(before["at"])
    return apart < APART or _count(before) == total


def _insert(db: sqlite3.Connection, cluster: str, ref: Ref, at: str, total: Count, restarts: int) -> None:
    values = (cluster, ref.namespace, ref.name, at, total.prompt, total.completion, restarts)
    db.execute(f"insert into engine_marks ({_MARK_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?)", values)


def _marks(db: sqlite3.Connection, cluster: str, ref: Ref, rest: str, at: str = "") -> list[sqlite3.Row]:
    query = f"select * from engine_marks where {_OF} {rest}"
    return db.execute(query, {**_place(cluster, ref), "at": at}).fetchall()


def _place(cluster: str, ref: Ref) -> dict[str, str]:
    return {"cluster": cluster, "namespace": ref.namespace, "deployment": ref.name}


def _count(row: sqlite3.Row) -> Count:
    return Count(row["prompt_tokens"], row["completion_tokens"])


def _known(db: sqlite3.Connection, cluster: str, since: datetime, until: datetime) -> list[Ref]:
    """The deployments whose engines were read, or that were asked in the window, by name."""
    read = {Ref(row["namespace"], row["deployment"]) for row in db.execute(_READ, (cluster,))}
    groups = sums_by(db, Dimension.DEPLOYMENT, Selection(since, until, cluster, {}))
    asked = (row["grouped"].partition("/") for row in groups)
    return sorted(read | {Ref(namespace, name) for namespace, _, name in asked if name}, key=str)


def _reconciled(
    db: sqlite3.Connection, cluster: str, ref: Ref, since: datetime, until: datetime, earliest: str
) -> Reconciliation:
    first = _marks(db, cluster, ref, "and at <= :at order by at desc limit 1", moment(since))
    if not first or first[0]["at"] < earliest:
        first = _marks(db, cluster, ref, "and at >= :at order by at limit 1", earliest)
    last = _marks(db, cluster, ref, "and at <= :at order by at desc limit 1", moment(until))
    if not first or not last or last[0]["at"] < first[0]["at"]:
        attributed, unreported = _attributed(db, cluster, ref, since, until)
        return Reconciliation(ref, since, until, None, attributed, unreported)
    begins, ends = (datetime.fromisoformat(rows[0]["at"]) for rows in (first, last))
    attributed, unreported = _attributed(db, cluster, ref, begins, ends)
    restarts = last[0]["restarts"] - first[0]["restarts"]
    return Reconciliation(ref, begins, ends, _count(last[0]) - _count(first[0]), attributed, unreported, restarts)


def _attributed(db: sqlite3.Connection, cluster: str, ref: Ref, since: datetime, until: datetime) -> tuple[Count, int]:
    """The tokens of requests that ended in (since, until], and how many were answered without a usage.

    Sums are of requests by when they began, so those that lasted over either end are put right from the rows.
    """
    group = f"{ref.namespace}/{ref.name}" if ref.namespace else ref.name
    sums = sums_by(db, Dimension.DEPLOYMENT, Selection(since, until, cluster, {Dimension.DEPLOYMENT: group}))
    times = {"since": since, "until": until} | {
        f"{end}_{name}": at - length
        for end, at in (("since", since), ("until", until))
        for name, length in (("short", SHORT), ("long", LONGEST))
    }
    bounds = {name: moment(at) for name, at in times.items()}
    edges = {"since_us": _microseconds(since), "until_us": _microseconds(until)}
    across = db.execute(_ACROSS, _place(cluster, ref) | bounds | edges).fetchone()

    def total(name: str, column: str) -> int:
        found: int = across[name] + sum(row[column] for row in sums)
        return found

    count = Count(total("prompt", "prompt_tokens"), total("completion", "completion_tokens"))
    return count, total("unreported", "unreported")


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
