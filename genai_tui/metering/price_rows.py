"""Prices in the ledger: rows are added and never changed.

A price becomes a row when it is applied from this machine, and when a request is recorded at one that is not the
newest known: another machine changed it. A request that is told late says nothing about what holds since.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime, timedelta

from genai_tui.domain.money import Price
from genai_tui.domain.usage import RequestRecord
from genai_tui.metering.rows import moment, price_cells, read_price

LAG = timedelta(minutes=1)
"""So long after a change a picture of the cluster may still show the price before it."""
Place = tuple[str, str, str]
"""Cluster, namespace and name of a deployment."""
_COLUMNS = (
    "cluster, namespace, deployment, from_at, currency, input_per_million, output_per_million, cached_per_million"
)
_OF = "cluster = ? and namespace = ? and deployment = ?"


def price_in_force(db: sqlite3.Connection, place: Place, at: datetime) -> sqlite3.Row | None:
    """The newest row that had begun at `at`."""
    query = f"select * from prices where {_OF} and from_at <= ? order by from_at desc limit 1"
    row: sqlite3.Row | None = db.execute(query, (*place, moment(at))).fetchone()
    return row


def all_prices(db: sqlite3.Connection, place: Place) -> list[sqlite3.Row]:
    """Every row, oldest first."""
    return db.execute(f"select * from prices where {_OF} order by from_at", place).fetchall()


def add_price(db: sqlite3.Connection, place: Place, price: Price | None, at: datetime) -> None:
    """In a transaction: let a price (None: none) hold from `at` on, unless it is the one in force already."""
    begins = at
    # Several of the same moment are all kept, in the order in which they were told.
    while (found := price_in_force(db, place, begins)) is not None and found["from_at"] == moment(begins):
        begins += timedelta(microseconds=1)
    if (read_price(found) if found is not None else None) != price:
        _insert(db, place, price, begins)


def see_prices(db: sqlite3.Connection, requests: Iterable[RequestRecord]) -> None:
    """In a transaction, once the requests are rows: keep each price that they show to be in force since."""
    of_place: dict[Place, list[RequestRecord]] = {}
    for request in requests:
        of_place.setdefault((request.cluster, request.namespace, request.deployment), []).append(request)
    for place, mine in of_place.items():
        _see(db, place, sorted(mine, key=lambda request: request.at))


def _see(db: sqlite3.Connection, place: Place, requests: Iterable[RequestRecord]) -> None:
    """The requests of one deployment, the oldest first."""
    query = f"select * from prices where {_OF} order by from_at desc limit 2"
    history = [(datetime.fromisoformat(row["from_at"]), read_price(row)) for row in db.execute(query, place)]
    for request in requests:
        if not history:
            if request.price is not None:
                history = [(request.at, request.price)]
                _insert(db, place, request.price, request.at)
            continue
        (began, price), *before = history
        lags = bool(before) and request.price == before[0][1] and request.at < began + LAG
        if request.price == price or request.at <= began or lags:
            continue
        _insert(db, place, request.price, request.at)
        history = [(request.at, request.price), history[0]]
        # One that was told late: the price that was the newest until now held again when it was asked at next.
        again = _next_at(db, place, price, request.at)
        if again is not None:
            _insert(db, place, price, again)
            history = [(again, price), history[0]]


def _next_at(db: sqlite3.Connection, place: Place, price: Price | None, after: datetime) -> datetime | None:
    """When a request was next recorded at this price."""
    query = f"select * from requests where {_OF} and at > ? order by at"
    found = (row["at"] for row in db.execute(query, (*place, moment(after))) if read_price(row) == price)
    at = next(found, None)
    return datetime.fromisoformat(at) if at is not None else None


def _insert(db: sqlite3.Connection, place: Place, price: Price | None, at: datetime) -> None:
    query = f"insert into prices ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?)"
    db.execute(query, (*place, moment(at), *price_cells(price)))
