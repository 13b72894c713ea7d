"""What is told of every write to a cluster, so that none goes unrecorded."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from genai_tui.domain.audit import Verb

Json = dict[str, Any]
_ACT: ContextVar[str] = ContextVar("act", default="")


@dataclass(frozen=True, slots=True)
class ObjectWrite:
    """A write to one object as it came out.

    Attributes:
        verb: what was done.
        kind: of the object.
        api_version: of the object.
        namespace: of the object.
        name: of the object.
        act: groups the writes of one act.
        result: created, changed, deleted, refused or not known.
        detail: why it was refused.
        before: the object before; None where there was none, or it was not read.
        after: the object after.
    """

    verb: Verb
    kind: str
    api_version: str
    namespace: str
    name: str
    act: str
    result: str
    detail: str = ""
    before: Json | None = None
    after: Json | None = None


class Journal(Protocol):
    """Keeps what was written."""

    async def wrote(self, write: ObjectWrite) -> None:
        """Keep it. Never raises: what was written stays written."""
        ...


@contextlib.contextmanager
def act() -> Iterator[str]:
    """Everything written inside is one act; an act within an act is part of it."""
    known = _ACT.get()
    if known:
        yield known
        return
    token = _ACT.set(uuid.uuid4().hex)
    try:
        yield _ACT.get()
    finally:
        _ACT.reset(token)


def current_act() -> str:
    """The act under way, or one of its own for a single write."""
    return _ACT.get() or uuid.uuid4().hex
