"""API keys as `genai-tui keys list` and `get keys` print them, with when this machine last saw them used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from genai_tui.commands.output import MISSING, Row, age, note, timestamp
from genai_tui.domain.keys import KeyRecord
from genai_tui.errors import GenaiTuiError
from genai_tui.key_use import last_used
from genai_tui.services import Services

COLUMNS = ("id", "organization", "user", "name", "may call", "expires", "last used", "age")
WIDE = ("description", "created by")
NOT_SEEN = "not seen here"


@dataclass(frozen=True, slots=True)
class ReadKey:
    """A key, and what is shown of its last use: when it was, or why that is not known."""

    key: KeyRecord
    used: datetime | None
    about: str


async def read_keys(services: Services, keys: Sequence[KeyRecord]) -> list[ReadKey]:
    """Look up when they were last used; a ledger that cannot be read is told, and the keys are listed all the same."""
    used: Mapping[str, datetime] = {}
    about = NOT_SEEN
    try:
        used = await last_used(services.usage, services.clock())
    except GenaiTuiError as error:
        note(f"genai-tui: last use is not known: {error.problem.line}")
        about = MISSING
    return [ReadKey(key, used.get(key.id), about) for key in keys]


def key_item(read: ReadKey, now: datetime) -> Row:
    """A key as `keys list -o json` promises it (docs/cli.md)."""
    key = read.key
    return {
        "id": key.id,
        "organization": key.organization,
        "user": key.user,
        "name": key.name or None,
        "description": key.description or None,
        "deployments": list(key.deployments),
        "created": timestamp(key.created),
        "createdBy": key.created_by or None,
        "expires": timestamp(key.expires),
        "expired": key.expired(now),
        "lastUsed": timestamp(read.used),
    }


def key_cells(read: ReadKey, now: datetime) -> Sequence[object]:
    """Its line of the table, wide columns last."""
    key = read.key
    ends = f"{timestamp(key.expires)} (expired)" if key.expired(now) else timestamp(key.expires) or "never"
    return (
        key.id,
        key.organization,
        key.user,
        key.name,
        ", ".join(key.deployments) or "all that are shared",
        ends,
        f"{age(read.used, now)} ago" if read.used else read.about,
        age(key.created, now),
        key.description,
        key.created_by,
    )
