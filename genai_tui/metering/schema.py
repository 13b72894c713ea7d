"""The ledger's tables, as migrations that run once each, in order."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

migrations = Migrations("genai-tui")


@migrations()
def requests(db: Database) -> None:
    """One row a request. Names are copies: history outlives what it names. Money is exact decimal text."""
    db.table("requests").create(
        {
            "id": str,
            "at": str,
            "source": str,
            "cluster": str,
            "namespace": str,
            "deployment": str,
            "model": str,
            "organization": str,
            "user": str,
            "key": str,
            "status": str,
            "finish_reason": str,
            "prompt_tokens": int,
            "completion_tokens": int,
            "total_tokens": int,
            "cached_tokens": int,
            "currency": str,
            "input_per_million": str,
            "output_per_million": str,
            "cost": str,
            "ttft_ms": float,
            "total_ms": float,
            "tokens_per_second": float,
        },
        pk="id",
        not_null={"id", "at", "source", "deployment", "status"},
    )
    db.table("requests").create_index(["at"])


@migrations()
def prices(db: Database) -> None:
    """Prices with the time from which they hold; rows are added and never changed."""
    db.table("prices").create(
        {
            "cluster": str,
            "namespace": str,
            "deployment": str,
            "from_at": str,
            "currency": str,
            "input_per_million": str,
            "output_per_million": str,
        },
        pk=("cluster", "namespace", "deployment", "from_at"),
    )
