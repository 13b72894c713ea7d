"""What was written to clusters from this machine: who, where, what, how it came out; and what of it can be undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from genai_tui.domain.disputes import UNDECIDED, Resolution


class Verb(StrEnum):
    """What was done, as Kubernetes calls it; `apply` is a server-side apply."""

    APPLY = "apply"
    CREATE = "create"
    PATCH = "patch"
    DELETE = "delete"


DONE = frozenset({"created", "changed", "deleted"})
"""The results of a write that went through; others are `refused` and `not known`."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write to one object.

    Attributes:
        id: of the row.
        act: what the operator did; the writes of one act share it.
        at: when it was answered.
        who: the user as the cluster knows it (SelfSubjectReview); None where it does not say.
        cluster: the server's address.
        context: of the kubeconfig.
        verb: what was done.
        kind: of the object, with `api_version`, `namespace` (empty for none) and `name`.
        api_version: of the object.
        namespace: of the object.
        name: of the object.
        result: created, changed, deleted, refused, or not known (interrupted before the answer).
        detail: why it was refused; empty otherwise.
        diff: what it changed, without the values of secrets; empty where that is not known.
        before: the spec of ours that it held, as JSON; None where it held none.
        after: the spec of ours that it holds now.
    """

    id: str
    act: str
    at: datetime
    who: str | None
    cluster: str
    context: str
    verb: Verb
    kind: str
    api_version: str
    namespace: str
    name: str
    result: str
    detail: str = ""
    diff: str = ""
    before: str | None = None
    after: str | None = None

    @property
    def reference(self) -> str:
        """`Kind namespace/name`, or `Kind name`."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Undo:
    """How an act would be undone.

    Attributes:
        act: of the writes.
        what: what would be done, naming the object: `Apply team-a/chat as it was`; empty where nothing can be.
        refusal: why it cannot be undone; empty where it can.
        diff: what that would change.
        remark: what does not come back.
        writes: what is undone.
    """

    act: str
    what: str
    refusal: str = ""
    diff: str = ""
    remark: str = ""
    writes: tuple[Write, ...] = ()


class AuditTrail(Protocol):
    """The writes to clusters that were made from this machine. Every coroutine raises GenaiTuiError."""

    @property
    def problem(self) -> str:
        """Why the last writes could not be recorded; empty where all were."""
        ...

    async def writes(
        self, since: datetime, until: datetime | None = None, *, cluster: str | None = None, limit: int = 1_000
    ) -> Sequence[Write]:
        """Newest first, at most `limit`; `cluster` is a server's address, None for every one."""
        ...

    async def last(self) -> Undo:
        """How the last act on this cluster would be undone. Writes nothing.

        Raises:
            NotFound: nothing was written from this machine.
        """
        ...

    async def undo(self, undo: Undo, resolution: Resolution = UNDECIDED) -> None:
        """Undo it, as an act of its own.

        Raises:
            ChangedMeanwhile, Disputed: others wrote to it since. Otherwise as `Operations.apply` and `delete`.
        """
