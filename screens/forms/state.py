"""A form while somebody fills it in: the texts, what is wrong with them, and which of it to show yet.

A problem is shown once its field was typed in or left, or once everything is asked for; an empty form does not
begin with a page of complaints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from genai_tui.domain.documents import Endpoint, Model, ModelDeployment, Organization
from genai_tui.domain.drafts import Form
from genai_tui.domain.form_facts import Findings
from genai_tui.domain.form_field import Draft
from genai_tui.domain.problems import FieldProblem

D = TypeVar("D", bound=Model | Endpoint | Organization | ModelDeployment)


@dataclass(frozen=True, slots=True)
class Notice:
    """What a field says below itself: a sentence, and whether it stops the form or only warns."""

    text: str
    stops: bool


@dataclass
class FormState(Generic[D]):
    """The form in the making.

    Attributes:
        form: the fields.
        draft: field id -> text as typed.
        check: what the cluster says about the draft.
        document: what the draft stands for; None while something is wrong.
        typed: ids of fields a person changed; the others hold suggestions.
        seen: ids of fields whose problems are shown.
        refused: problems told after an attempt, until something is typed.
    """

    form: Form[D]
    draft: dict[str, str]
    check: Callable[[Draft], Findings]
    document: D | None = None
    typed: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    refused: dict[str, FieldProblem] = field(default_factory=dict)
    _problems: dict[str, list[FieldProblem]] = field(default_factory=dict)
    _warnings: dict[str, list[FieldProblem]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.validate()

    def enter(self, field_id: str, text: str) -> bool:
        """Take what was typed; returns whether it changed anything."""
        if self.draft.get(field_id, "") == text:
            return False
        self.draft[field_id] = text
        self.typed.add(field_id)
        self.seen.add(field_id)
        # A refusal may rest on several fields: it is asked for anew.
        self.refused.clear()
        self.validate()
        return True

    def replace(self, draft: Mapping[str, str]) -> None:
        """Take a whole other form, as suggestions: nothing counts as typed."""
        self.draft = dict(draft)
        self.validate()

    def validate(self) -> None:
        """Find out again what is wrong; needed when what exists has changed."""
        reading = self.form.read(self.draft)
        findings = self.check(self.draft)
        wrong = {problem.field for problem in reading.problems}
        told = [problem for problem in findings.problems if problem.field not in wrong]
        refused = [problem for problem in self.refused.values() if problem.field not in wrong]
        self._problems = _by_field((*reading.problems, *told, *refused))
        self._warnings = _by_field(w for w in findings.warnings if w.field not in self._problems)
        self.document = None if told or refused else reading.document

    def refuse(self, problems: Iterable[FieldProblem]) -> None:
        """Show what the cluster refused at the fields it is about."""
        for problem in problems:
            self.refused[problem.field] = problem
            self.seen.add(problem.field)
        self.validate()

    def look_at_everything(self) -> None:
        """Show every problem from now on."""
        self.seen.update(field.id for field in self.form.fields)

    @property
    def problems(self) -> tuple[FieldProblem, ...]:
        """Every problem, in the order of the form."""
        return tuple(problem for field in self.form.fields for problem in self._problems.get(field.id, ()))

    @property
    def warnings(self) -> tuple[FieldProblem, ...]:
        """Every warning, in the order of the form."""
        return tuple(warning for field in self.form.fields for warning in self._warnings.get(field.id, ()))

    def notice(self, field_id: str) -> Notice | None:
        """What to say below a field now."""
        if field_id in self._problems:
            return Notice(_sentence(self._problems[field_id]), True) if field_id in self.seen else None
        if field_id in self._warnings:
            return Notice(_sentence(self._warnings[field_id]), False)
        return None

    def shown_problems(self, tab: str) -> int:
        """How many fields of a tab show a problem."""
        return sum(
            1 for field in self.form.fields if field.tab == tab and field.id in self._problems and field.id in self.seen
        )

    def has_problems(self, tab: str) -> bool:
        """Whether a field of the tab is wrong, shown or not."""
        return any(field.tab == tab and field.id in self._problems for field in self.form.fields)


def _by_field(problems: Iterable[FieldProblem]) -> dict[str, list[FieldProblem]]:
    found: dict[str, list[FieldProblem]] = {}
    for problem in problems:
        found.setdefault(problem.field, []).append(problem)
    return found


def _sentence(problems: list[FieldProblem]) -> str:
    first = problems[0]
    text = f"line {first.line}: {first.message}" if first.line is not None else first.message
    return f"{text} (and {len(problems) - 1} more)" if len(problems) > 1 else text
