"""What a fix does to the deployment form: an ordinary edit that is seen, can be undone, and is reviewed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from genai_tui.domain.form_field import Draft
from genai_tui.domain.problems import FieldChange, How
from genai_tui.domain.rules import BUDGET, ENVIRONMENT

LONGEST_BUDGET_S = 86_400
_QUANTITY = re.compile(r"(\d+)([A-Za-z]*)")


def prefill(changes: Sequence[FieldChange], draft: Draft, budget_seconds: int | None = None) -> dict[str, str]:
    """The fields that get another text, with it.

    Args:
        changes: what the fix says.
        draft: the form as it is.
        budget_seconds: the start-up budget in force, for a form that leaves it to be sized.
    """
    after = dict(draft)
    for change in changes:
        text = after.get(change.field, "").strip()
        if change.field == BUDGET and not text and budget_seconds is not None:
            text = str(budget_seconds)
        new = _changed(text, change)
        if new is not None:
            after[change.field] = new
    named = dict.fromkeys(change.field for change in changes)
    return {f: after[f] for f in named if f in after and after[f].strip() != draft.get(f, "").strip()}


def opens_with(changes: Sequence[FieldChange], draft: Draft, budget_seconds: int | None = None) -> dict[str, str]:
    """What the form is opened with: the fields a fix fills in, else the first it is about, as that is now."""
    filled = prefill(changes, draft, budget_seconds)
    if filled:
        return filled
    about = next((change.field for change in changes if change.field in draft), None)
    return {about: draft[about]} if about is not None else {}


def _changed(text: str, change: FieldChange) -> str | None:
    """The field's new text; None where the change means nothing for this one."""
    match change.how:
        case How.SET:
            return change.value
        case How.DOUBLE:
            return _doubled(text, most=LONGEST_BUDGET_S if change.field == BUDGET else None)
        case How.DIVIDE:
            return _divisor(text, change.value)
        case How.VISIT:
            return None
        case How.ADD:
            return _added(text, change)
        case How.REMOVE:
            return _without(text, change.value)


def _added(text: str, change: FieldChange) -> str | None:
    """With the line; a variable that is set already is somebody's own, and stays as it is."""
    lines = text.splitlines()
    if change.field == ENVIRONMENT:
        name = change.value.partition("=")[0]
        own = [line.partition("=") for line in lines if line.partition("=")[0].strip() == name]
        if any(value.strip() for _, _, value in own):
            return None
        lines = [line for line in lines if line.partition("=")[0].strip() != name]
    return None if change.value in lines else "\n".join([*lines, change.value])


def _doubled(text: str, most: int | None) -> str | None:
    match = _QUANTITY.fullmatch(text)
    if match is None or int(match[1]) == 0:
        return None
    number = 2 * int(match[1])
    return f"{min(number, most) if most is not None else number}{match[2]}"


def _divisor(text: str, of: str) -> str | None:
    if not (text.isdecimal() and of.isdecimal() and int(of)):
        return None
    wanted, whole = int(text), int(of)
    return str(next((n for n in range(min(wanted, whole), 0, -1) if whole % n == 0), 1))


def _without(text: str, start: str) -> str | None:
    """Without what begins with `start`; the value of an option may stand on the line after it."""
    lines = text.splitlines()
    kept: list[str] = []
    at = 0
    while at < len(lines):
        words = lines[at].split(maxsplit=1)
        word = words[0] if words else ""
        gone = lines[at].strip().startswith(start) if start.endswith("=") else word.partition("=")[0] == start
        if not gone:
            kept.append(lines[at])
        elif start.startswith("--") and word == start and len(words) == 1 and at + 1 < len(lines):
            at += not lines[at + 1].strip().startswith("-")
        at += 1
    return "\n".join(kept)
