"""Organizations: what keeps one from being deleted, whose a user is, and what is wrong with keys that exist."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
