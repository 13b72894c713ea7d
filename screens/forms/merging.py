"""An edit that was begun before another console saved: both edits side by side, then one form."""

from __future__ import annotations

from collections.abc import Mapping

from genai_tui.domain.form_field import Draft, FormField
from genai_tui.domain.merging import Merge, merge
from screens.app import GenaiTui
from screens.dialogs.confirm import ConfirmDialog
from screens.dialogs.disputes import DisputesDialog

_LONGEST = 40
Fields = tuple[FormField, ...]


async def merged(
    app: GenaiTui, what: str, fields: Fields, before: Draft, theirs: Draft, mine: Draft
) -> Mapping[str, str] | None:
    """Show what both changed, and ask about what both changed to something else.

    Args:
        app: shows the dialogs; call it in a worker.
        what: is edited, by name.
        fields: of the form.
        before: the texts the form was begun with.
        theirs: the texts another saved meanwhile.
        mine: the form as typed.

    Returns:
        The form with both edits; None where the operator left the question.
    """
    found = merge(fields, before, theirs, mine)
    title, text = f"{what} was saved by another console meanwhile", _text(found, before)
    if not found.disputes:
        yes = await app.push_screen_wait(ConfirmDialog(title, text, yes="Take it in"))
        return found.draft if yes else None
    answer = await app.push_screen_wait(DisputesDialog(title, found.disputes, text=text, done="take in"))
    return found.decided(answer.resolution) if answer is not None else None


def told_of(what: str, fields: Fields, before: Draft, theirs: Draft) -> str:
    """What another saved while the form is open, in one sentence."""
    found = merge(fields, before, theirs, before)
    changed = ", ".join(f"{field.label} {_short(was)} → {_short(now)}" for field, was, now in found.taken)
    return f"Another console saved {what}: {changed or 'nothing the form shows'}. Saving here shows both edits first."


def _text(found: Merge, before: Draft) -> str:
    lines = ["Nothing was written. What is taken in is reviewed before it is saved."]
    lines += [f"theirs  {field.label}: {_short(was)} → {_short(now)}" for field, was, now in found.taken]
    lines += [f"yours   {field.label} stays as you typed it" for field in found.kept]
    lines += [
        f"both    {dispute.path}, which was {_short(before.get(dispute.field, ''))}" for dispute in found.disputes
    ]
    return "\n".join(lines)


def _short(text: str) -> str:
    line = text.replace("\n", " ⏎ ")
    return (line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…") or "(empty)"
