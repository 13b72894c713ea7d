"""Fields of an object in the cluster that somebody else holds another value for, and what is decided about them.

A field belongs to the manager that set it last (server-side apply, managedFields). What an apply of ours would take
from another is a dispute: nothing is written before each is decided.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

OURSELVES: Final = "genai-tui"
ABSENT: Final = "(not set)"


class Stand(StrEnum):
    """What is done about a dispute."""

    THEIRS = "theirs"
    OURS = "ours"


@dataclass(frozen=True, slots=True)
class Dispute:
    """One field with two values.

    Attributes:
        reference: the object, `Kind namespace/name`.
        path: the field as the API server names it, `.spec.template.spec.containers[name="engine"].image`.
        manager: who holds it; `genai-tui` for an earlier apply of ours; empty where nobody can be named.
        theirs: the value in the cluster as text; None where the field is not set there.
        ours: the value that would be written; None where it would be left out.
        field: id of the form's field that holds it; empty where the form has none.
        last: of a field that was removed, who but us wrote to the object last: nobody keeps who removed it.
    """

    reference: str
    path: str
    manager: str
    theirs: str | None
    ours: str | None
    field: str = ""
    last: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Which field of which object."""
        return (self.reference, self.path)

    @property
    def holder(self) -> str:
        """Who holds it, in words."""
        if self.manager == OURSELVES:
            return "an earlier apply"
        return self.manager or (f"{self.last}?" if self.last else "somebody")

    @property
    def line(self) -> str:
        """The dispute in one line."""
        theirs, ours = shown(self.theirs), shown(self.ours)
        verb = "removed it" if self.theirs is None else f"has {theirs}"
        return f"{self.reference} {self.path}: {self.holder} {verb}, this would write {ours}"


@dataclass(frozen=True, slots=True)
class Drift:
    """Where a deployment is not as its spec says.

    Attributes:
        fields: each with what the cluster has (`theirs`) and what the spec makes of it (`ours`, None for nothing: it
            was added, and an apply leaves it).
        texts: the form's texts as the cluster has them, by field id: what can be taken into the form.
        generation: of the Deployment that was compared.
    """

    fields: tuple[Dispute, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    generation: int = 0

    @property
    def restorable(self) -> tuple[Dispute, ...]:
        """What putting ours back changes."""
        return tuple(found for found in self.fields if found.ours is not None)


GONE: Final = "(the whole object)"
"""The path of an object that is not there any more."""
Resolution = Mapping[tuple[str, str], Stand]
"""What was decided, by `Dispute.key`."""
UNDECIDED: Final[Resolution] = {}


def shown(value: str | None) -> str:
    """A value as people read it."""
    return ABSENT if value is None else value


def all_of(disputes: tuple[Dispute, ...], stand: Stand) -> Resolution:
    """The same decision for every one."""
    return {dispute.key: stand for dispute in disputes}
