"""Two edits of the same form: what only one of them changed is taken, what both changed is asked about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from genai_tui.domain.disputes import Dispute, Resolution, Stand
from genai_tui.domain.form_field import Draft, FormField

FORM = "the form"
ANOTHER = "another console"


@dataclass(frozen=True, slots=True)
class Merge:
    """A form that was begun on an older version, beside the version that is live now.

    Attributes:
        taken: (field, text before, text now) that only the other changed: they come into the form.
        kept: fields that only this form changed.
        disputes: fields that both changed, each to something else.
        draft: the form with what is taken; disputed fields have this form's text until they are decided.
    """

    taken: tuple[tuple[FormField, str, str], ...]
    kept: tuple[FormField, ...]
    disputes: tuple[Dispute, ...]
    draft: Draft

    def decided(self, resolution: Resolution) -> Mapping[str, str]:
        """The form with the disputed fields as decided."""
        theirs = {d.field: d.theirs or "" for d in self.disputes if resolution.get(d.key) is Stand.THEIRS}
        return {**self.draft, **theirs}


def merge(fields: tuple[FormField, ...], base: Draft, theirs: Draft, mine: Draft) -> Merge:
    """Merge field by field.

    Args:
        fields: of the form.
        base: the texts both began with.
        theirs: the texts that are live now.
        mine: the texts of this form.
    """
    taken: list[tuple[FormField, str, str]] = []
    kept: list[FormField] = []
    disputes: list[Dispute] = []
    draft = dict(mine)
    for field in fields:
        was, other, own = (texts.get(field.id, "").strip() for texts in (base, theirs, mine))
        both = _by_line(was, other, own) if field.id in _LINES else None
        if other in (own, was):
            kept += [field] if own != was and other == was else []
        elif both is not None and own != was:
            taken.append((field, was, other))
            kept.append(field)
            draft[field.id] = both
        elif own == was:
            taken.append((field, was, other))
            draft[field.id] = theirs.get(field.id, "")
        else:
            disputes.append(Dispute(FORM, field.label, ANOTHER, theirs.get(field.id, ""), own, field.id))
    return Merge(tuple(taken), tuple(kept), tuple(disputes), draft)


_LINES = frozenset(
    {
        "advanced.env", "advanced.labels", "advanced.annotations", "advanced.nodeSelector", "sharing.organizations",
        "users",
    }
)  # fmt: skip
"""Fields whose lines stand for themselves, each under its name, in any order."""


def _by_line(was: str, theirs: str, mine: str) -> str | None:
    """Both edits line by line; None where both changed a line of the same name."""
    base, other, own = (_named(text) for text in (was, theirs, mine))
    changed = {name for name in base.keys() | other.keys() if base.get(name) != other.get(name)}
    if any(base.get(name) != own.get(name) and other.get(name) != own.get(name) for name in changed):
        return None
    lines = [other[name] if name in changed else own[name] for name in own if name not in changed or name in other]
    return "\n".join([*lines, *(other[name] for name in other if name in changed and name not in own)])


def _named(text: str) -> dict[str, str]:
    return {line.partition("=")[0].strip(): line.strip() for line in text.splitlines() if line.strip()}
