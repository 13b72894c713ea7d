"""What an edited form changes, and what that does to the pods that run."""

from __future__ import annotations

from dataclasses import dataclass

from genai_tui.domain.form_field import Draft, FormField
from genai_tui.domain.replacing import Replacing, replacing

# Fields that the pod template does not hold: changing them leaves running pods alone.
_OUTSIDE_THE_PODS = ("description", "endpoint", "advanced.strategy", "rateLimits.", "pricing.", "sharing.")
_REPLICAS = "engine.replicas"


@dataclass(frozen=True, slots=True)
class Change:
    """A field whose text is another than before."""

    field: FormField
    before: str
    after: str


def changes(fields: tuple[FormField, ...], before: Draft, after: Draft) -> tuple[Change, ...]:
    """The fields that say something else, in the order of the form. A field that does not apply says nothing."""

    def said(field: FormField, draft: Draft) -> str:
        return draft.get(field.id, "").strip() if field.applies(draft) else ""

    pairs = ((field, said(field, before), said(field, after)) for field in fields)
    return tuple(Change(field, old, new) for field, old, new in pairs if old != new)


def replaces_pods(changed: tuple[Change, ...]) -> bool:
    """Whether any of these changes alters the pod template, so that every pod is replaced."""
    return any(change.field.id != _REPLICAS and not change.field.id.startswith(_OUTSIDE_THE_PODS) for change in changed)


def interruption(changed: tuple[Change, ...], after: Draft, *, room: bool) -> str:
    """What applying the changes does to those who call it, in one sentence.

    Args:
        changed: the changes.
        after: the whole form with them.
        room: whether GPUs for one replica more are free.
    """
    if not changed:
        return "Nothing is changed."
    causes = [c.field.label for c in changed if replaces_pods((c,))]
    if causes:
        named = ", ".join(causes[:3]) + (f" and {len(causes) - 3} more" if len(causes) > 3 else "")
        match _replacing(after, room=room):
            case Replacing.STOP_FIRST:
                return f"Every pod is stopped and made anew ({named}): nothing answers until the model is loaded again."
            case Replacing.SURGE:
                return f"Every pod is replaced ({named}): each new one loads the model before an old one stops."
        return f"Every pod is replaced, one at a time ({named}): each loads the model again before it answers."
    scaled = next((c for c in changed if c.field.id == _REPLICAS), None)
    if scaled is not None:
        return f"Pods are added or removed ({scaled.before} to {scaled.after} replicas); the others keep answering."
    return "No pod is replaced: requests go on without interruption."


def _replacing(draft: Draft, *, room: bool) -> Replacing:
    def number(field: str) -> int:
        text = draft.get(field, "").strip() or "1"
        return int(text) if text.isdecimal() else 1

    return replacing(
        draft.get("advanced.strategy", "").strip() or "auto",
        gpus=number("resources.gpu"),
        replicas=number(_REPLICAS),
        own_volume=bool(draft.get("advanced.cache.size", "").strip()),
        room=room,
    )
