"""With whom a deployment is shared, and what follows from it: who may call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from genai_tui.domain.deployment import Sharing, SharingMode
from genai_tui.domain.keys import KeyRecord
from genai_tui.domain.rows import Ref


def shared_with(sharing: Sharing, organization: str) -> bool:
    """Whether an organization may call."""
    return sharing.mode is SharingMode.ALL or (
        sharing.mode is SharingMode.ORGANIZATIONS and organization in sharing.organizations
    )


def may_call(sharing: Sharing, ref: Ref, key: KeyRecord) -> bool:
    """Whether a key may call a deployment: shared with its organization, and the key not confined to others."""
    return shared_with(sharing, key.organization) and key.allows(ref.namespace, ref.name)


@dataclass(frozen=True, slots=True)
class Effect:
    """Who may call: organizations, their users who have a key, and keys. `keys` None: they could not be read."""

    organizations: int
    users: int | None
    keys: int | None


def effect(
    sharing: Sharing, ref: Ref, organizations: Iterable[str], keys: Sequence[KeyRecord] | None, now: datetime
) -> Effect:
    """What a sharing means today. Keys that have expired do not count."""
    chosen = [name for name in organizations if shared_with(sharing, name)]
    if keys is None:
        return Effect(len(chosen), None, None)
    calling = [key for key in keys if may_call(sharing, ref, key) and not key.expired(now)]
    return Effect(len(chosen), len({(key.organization, key.user) for key in calling}), len(calling))


def moved(
    before: Sharing, after: Sharing, ref: Ref, keys: Sequence[KeyRecord], now: datetime
) -> tuple[tuple[KeyRecord, ...], tuple[KeyRecord, ...]]:
    """The keys that may call after and not before, and those that no longer may. Expired ones do not count."""
    living = [key for key in keys if not key.expired(now)]
    could, can = ({key.id for key in living if may_call(sharing, ref, key)} for sharing in (before, after))
    gained = tuple(key for key in living if key.id in can - could)
    return gained, tuple(key for key in living if key.id in could - can)


def sharing_of(mode: SharingMode, organizations: Iterable[str]) -> Sharing:
    """The sharing that a choice of mode and organizations means; none chosen is none shared with."""
    if mode is not SharingMode.ORGANIZATIONS:
        return Sharing(mode=mode)
    chosen = tuple(sorted(set(organizations)))
    return Sharing(mode=mode, organizations=chosen) if chosen else Sharing(mode=SharingMode.NONE)
