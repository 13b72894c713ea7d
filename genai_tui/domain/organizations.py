"""Organizations: what keeps one from being deleted, whose a user is, and what is wrong with keys that exist."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from genai_tui.domain.deployment import SharingMode
from genai_tui.domain.keys import KeyRecord
from genai_tui.domain.problems import Problem
from genai_tui.domain.rows import DeploymentDetail

_MOST_NAMED = 5


def in_the_way(name: str, keys: Iterable[KeyRecord], deployments: Iterable[DeploymentDetail | None]) -> Problem | None:
    """Why an organization cannot be deleted; None where nothing speaks against it.

    Its keys would be let in as before, and what is shared with it would stay so for whoever gets the name next.

    Args:
        name: the organization.
        keys: all keys, expired ones too.
        deployments: all deployments; None for one that is gone by now.
    """
    its = [key.id for key in keys if key.organization == name]
    shared = [
        str(detail.row.ref)
        for detail in deployments
        if detail is not None
        and detail.document is not None
        and detail.document.spec.sharing.mode is SharingMode.ORGANIZATIONS
        and name in detail.document.spec.sharing.organizations
    ]
    why, steps = [], []
    if its:
        why.append(f"{len(its)} key{'' if len(its) == 1 else 's'} of it would still be let in: {_some(its)}")
        steps.append(f"revoke them (R in Access, or genai-tui keys revoke --organization {name})")
    if shared:
        why.append(f"shared with it: {_some(shared)}")
        steps.append("take it out of their sharing (their tab Sharing, or their files)")
    if not why:
        return None
    return Problem(f"organization {name} cannot be deleted", "; ".join(why), " and ".join(steps))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def user_problem(name: str, users: Iterable[str], others: Mapping[str, Collection[str]]) -> str:
    """What is wrong with the users of an organization: limits are counted by a user's name alone.

    Args:
        name: the organization.
        users: its users.
        others: the users of every organization by its name; itself does not count.
    """
    for user in users:
        other = next((other for other, theirs in others.items() if other != name and user in theirs), None)
        if other is not None:
            return f"'{user}' is a user of {other} already, and limits are counted by that name: choose another"
    return ""


def key_doubts(keys: Sequence[KeyRecord], organizations: Mapping[str, Collection[str] | None]) -> Mapping[str, str]:
    """What is wrong with keys that exist: their ids, and a sentence for each.

    Args:
        keys: all keys.
        organizations: the users of every organization by its name; None where its document cannot be read.
    """
    homes: dict[str, set[str]] = {}
    for organization, users in organizations.items():
        for user in users or ():
            homes.setdefault(user, set()).add(organization)
    for key in keys:
        homes.setdefault(key.user, set()).add(key.organization)
    found = {key.id: _doubt(key, organizations, sorted(homes[key.user] - {key.organization})) for key in keys}
    return {id_: doubt for id_, doubt in found.items() if doubt}


def _doubt(key: KeyRecord, organizations: Mapping[str, Collection[str] | None], elsewhere: Sequence[str]) -> str:
    if key.organization not in organizations:
        return f"there is no organization {key.organization}, and the key is let in all the same"
    if elsewhere:
        return f"{key.user} is also in {', '.join(elsewhere)}: the limits of the user count both together"
    users = organizations[key.organization]
    if users is not None and key.user not in users:
        return f"{key.user} is no user of {key.organization} any more, and the key is let in all the same"
    return ""
