"""What is wrong and what to do about it, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that went wrong, ready for a person.

    Attributes:
        what: what happened and to what, one sentence.
        why: the cause in plain words; empty when unknown.
        next_step: what to do now; empty when nothing can be done.
        detail: longer text, shown on request.
    """

    what: str
    why: str = ""
    next_step: str = ""
    detail: str = ""

    @property
    def line(self) -> str:
        """Everything but the detail in one line, for stderr and for toasts."""
        text = self.what
        if self.why:
            text += f": {self.why}"
        if self.next_step:
            text += f"; {self.next_step}"
        return " ".join(text.split())


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """Why one field is refused.

    Attributes:
        field: dotted path in the file format, e.g. `engine.contextLength` or `advanced.env.0.name`.
        message: one sentence that says what is wrong and what would be right.
        line: line of the file it stands on (from 1), when it came from a file.
    """

    field: str
    message: str
    line: int | None = None


class How(StrEnum):
    """How a fix changes the text of a field.

    `divide` takes the largest number that is not above the present one and divides `value`; `add` appends a line,
    `remove` takes away the lines that begin with `value`. `visit` changes nothing: what is right there only a person
    knows, and the form opens at it.
    """

    SET = "set"
    DOUBLE = "double"
    DIVIDE = "divide"
    ADD = "add"
    REMOVE = "remove"
    VISIT = "visit"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """What a fix does to one field of the deployment form (`domain.fixes` carries it out).

    Attributes:
        field: id of the field, as in `domain.form_fields`.
        value: what `how` needs.
        how: what is done to the field's text.
    """

    field: str
    value: str = ""
    how: How = How.SET


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong: the cause in plain words, the line it rests on, what to do, and what of it the form can hold."""

    cause: str
    evidence: str
    fix: str
    changes: tuple[FieldChange, ...] = ()
