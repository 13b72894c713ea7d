"""A deployment of others as a form of ours: what fits is filled in, what does not is listed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from genai_tui.domain.rows import Ref


@dataclass(frozen=True, slots=True)
class Leftover:
    """What of a deployment the form cannot hold.

    Attributes:
        path: where it stands.
        text: what it is; never the value of a secret.
        why: why it does not fit, or what becomes of it.
    """

    path: str
    text: str
    why: str

    @property
    def line(self) -> str:
        """All of it."""
        return f"{self.path}: {self.text} ({self.why})"


@dataclass(frozen=True, slots=True)
class Adoption:
    """A deployment of others, read back.

    It is never written to: what is made of it is a deployment of our own beside it. In place it cannot be, as the
    selector of a Deployment cannot be changed and what made it would change it back.

    Attributes:
        ref: the deployment.
        managed_by: what made it.
        texts: the form's texts, by field id.
        leftovers: what is not in them.
    """

    ref: Ref
    managed_by: str
    texts: Mapping[str, str] = field(default_factory=dict)
    leftovers: tuple[Leftover, ...] = ()
