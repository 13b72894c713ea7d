"""The three lists of the Access screen: organizations, their users, their keys; as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from genai_tui.domain.keys import KeyRecord
from genai_tui.domain.rows import DeploymentRow, OrganizationRow
from genai_tui.domain.text import printable
from screens.format import MISSING, age
from screens.widgets.virtual_table import Cell, Cells, Column

ORGANIZATIONS, USERS, KEYS = "organizations", "users", "keys"
VIEWS = (ORGANIZATIONS, USERS, KEYS)
COLUMNS: Mapping[str, tuple[Column, ...]] = {
    ORGANIZATIONS: (
        Column("name", "ORGANIZATION", least=12, most=34),
        Column("title", "DISPLAY NAME", least=12, flexible=True),
        Column("users", "USERS", least=5, most=6, right=True),
        Column("keys", "KEYS", least=4, most=6, right=True),
        Column("used", "LAST USED", least=9, most=9, right=True, rank=2),
        Column("age", "AGE", least=3, most=4, right=True, rank=4),
    ),
    USERS: (
        Column("name", "USER", least=12, most=40),
        Column("organization", "ORGANIZATION", least=12, flexible=True),
        Column("keys", "KEYS", least=4, most=6, right=True),
        Column("used", "LAST USED", least=9, most=9, right=True),
    ),
    KEYS: (
        Column("id", "KEY", least=10, most=14),
        Column("organization", "ORG", least=5, most=24),
        Column("user", "USER", least=5, most=24),
        Column("name", "NAME", least=12, flexible=True),
        Column("calls", "MAY CALL", least=10, most=40, rank=3),
        Column("expires", "EXPIRES", least=7, most=10, right=True),
        Column("used", "USED", least=4, most=5, right=True, rank=2),
        Column("age", "AGE", least=3, most=4, right=True, rank=4),
    ),
}


@dataclass(frozen=True, slots=True)
class Known:
    """What the lists are made of. `keys` None: they could not be read.

    `used`: id of a key -> when it was last used; `doubts`: id of a key -> what is wrong with it.
    """

    organizations: Sequence[OrganizationRow]
    deployments: Sequence[DeploymentRow]
    keys: Sequence[KeyRecord] | None
    used: Mapping[str, datetime]
    doubts: Mapping[str, str]
    now: datetime

    def keys_of(self, organization: str, user: str = "") -> list[KeyRecord]:
        """The keys of an organization, or of one of its users."""
        return [key for key in self.keys or () if key.organization == organization and user in ("", key.user)]

    def last_used(self, keys: Sequence[KeyRecord]) -> datetime | None:
        """When any of them was last used, as far as this machine's ledger knows."""
        return max((self.used[key.id] for key in keys if key.id in self.used), default=None)


def rows(view: str, known: Known) -> dict[str, Cells]:
    """The rows of a list by their keys: a name, `organization/user`, or the id of a key."""
    match view:
        case "organizations":
            return {row.name: _organization(row, known) for row in known.organizations}
        case "users":
            return {f"{o}/{u}": _user(o, u, known) for o, u in _people(known)}
        case _:
            return {key.id: _key(key, known) for key in known.keys or ()}


def _people(known: Known) -> list[tuple[str, str]]:
    """Users of an organization, and those who have a key of it although they are none (any more)."""
    listed = [(row.name, user) for row in known.organizations if row.document for user in row.document.spec.users]
    return list(dict.fromkeys([*listed, *((key.organization, key.user) for key in known.keys or ())]))


def _organization(row: OrganizationRow, known: Known) -> Cells:
    if row.document is None:
        problem = Cell(row.problem or "cannot be read", "bad")
        return (Cell(f"✖ {row.name}", "bad", row.name), problem, *[Cell("")] * 4)
    keys = known.keys_of(row.name)
    spec = row.document.spec
    return (
        Cell(row.name, order=row.name),
        Cell(printable(spec.display_name), "quiet"),
        Cell(str(len(spec.users)), "" if spec.users else "quiet", len(spec.users)),
        _number(keys, known),
        _when(known.last_used(keys), known),
        Cell(age(row.created, known.now), "quiet", -row.created.timestamp() if row.created else 0),
    )


def _user(organization: str, user: str, known: Known) -> Cells:
    keys = known.keys_of(organization, user)
    row = next((row for row in known.organizations if row.name == organization), None)
    member = row is not None and row.document is not None and user in row.document.spec.users
    others = [
        other.name
        for other in known.organizations
        if other.name != organization and other.document is not None and user in other.document.spec.users
    ]
    doubt = "no member any more" if not member else f"also in {', '.join(others)}" if others else ""
    name = Cell(f"▲ {user}: {doubt}", "waiting", user) if doubt else Cell(user, order=user)
    return name, Cell(organization, "quiet"), _number(keys, known), _when(known.last_used(keys), known)


def _key(key: KeyRecord, known: Known) -> Cells:
    return (
        Cell(key.id, order=key.id),
        Cell(key.organization),
        Cell(f"▲ {key.user}", "waiting", key.user) if key.id in known.doubts else Cell(key.user),
        Cell(printable(key.name) or MISSING, "" if key.name else "quiet"),
        Cell(", ".join(key.deployments) or "all shared", "" if key.deployments else "quiet"),
        expiry(key, known.now),
        _when(known.used.get(key.id), known),
        Cell(age(key.created, known.now), "quiet", -key.created.timestamp() if key.created else 0),
    )


def expiry(key: KeyRecord, now: datetime) -> Cell:
    """When a key is refused."""
    if key.expires is None:
        return Cell("never", "quiet", float("inf"))
    left = key.expires.timestamp()
    if key.expired(now):
        return Cell("✖ expired", "bad", left)
    return Cell(f"in {age(now, key.expires)}", "waiting" if left - now.timestamp() < 7 * 86_400 else "", left)


def _number(keys: Sequence[KeyRecord], known: Known) -> Cell:
    if known.keys is None:
        return Cell(MISSING, "quiet")
    return Cell(str(len(keys)), "" if keys else "quiet", len(keys))


def _when(at: datetime | None, known: Known) -> Cell:
    return Cell(age(at, known.now) if at else MISSING, "quiet", at.timestamp() if at else None)
