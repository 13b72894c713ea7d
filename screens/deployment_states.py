"""What the home list says when it is empty, not there yet, broken or old."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content

from genai_tui.domain.problems import Problem
from genai_tui.domain.rows import DeploymentRow, Health, Link
from genai_tui.domain.text import printable
from genai_tui.services import Session
from screens.format import clock, phase_look, phase_text


@dataclass(frozen=True, slots=True)
class Nothing:
    """Why no row is shown: what is known of the link, and what the list was narrowed to."""

    session: Session
    health: Health
    failure: Problem | None
    namespace: str | None
    words: str


_PARTS = ("Pod", "ReplicaSet")
"""What the phases of deployments are told by."""


def banner_text(health: Health, failure: Problem | None) -> str:
    """One line over rows that are old; empty when they are not."""
    problem = failure or health.problem
    if health.link is Link.LIVE and failure is None:
        return f"▲ {printable(missing)}" if (missing := health.not_visible(*_PARTS)) else ""
    since = f" since {clock(health.stale_since)} UTC" if health.stale_since is not None else ""
    if health.link is Link.CONNECTING and problem is None:
        return ""
    why = f": {printable(problem.line)}" if problem is not None else ""
    return f"▲ not updated{since}{why}"


def cause_text(row: DeploymentRow) -> Content:
    """The cause of a row whole on the first line, what to do on the second; what serves says under which names.

    `x` before what to do is the key that opens the form with it.
    """
    told = row.assessment
    look = phase_look(told.phase)
    tone = {"good": "$text-success", "busy": "$busy", "waiting": "$text-warning", "bad": "$text-error"}.get(look.tone)
    first: list[tuple[str, str]] = [(f"{look.glyph} ", tone or "$text-muted"), (printable(phase_text(told)), "")]
    if not told.cause and row.served_names:
        first.append(("  ", ""))
        first.append((f"answers to {', '.join(map(printable, row.served_names))}", "$text-muted"))
    if told.fix:
        second = [
            ("x do  " if told.changes and not row.foreign else "  do  ", "$text-accent bold"),
            (printable(told.fix), ""),
        ]
    elif row.foreign:
        second = [(f"  made by {printable(row.managed_by)}: nothing here writes to it", "$text-muted")]
    else:
        second = [(f"  {printable(told.evidence[0])}" if told.evidence else "", "$text-muted")]
    return Content.assemble(*first, "\n", *second)


def nothing_text(nothing: Nothing) -> Content:
    """What stands where the list would be."""
    problem = nothing.failure or nothing.health.problem
    if nothing.words.strip():
        return _lines("No deployment has these words", "", ("esc", "shows all"))
    if problem is not None and nothing.health.link is not Link.LIVE:
        return _broken(nothing, problem)
    if nothing.health.link is Link.CONNECTING:
        return _lines(f"Connecting to {printable(nothing.session.context)}", nothing.session.server)
    if missing := nothing.health.not_visible("Deployment"):
        return _lines("Deployments are not listed", printable(missing), (":", "other contexts and namespaces"))
    if nothing.namespace is not None:
        return _lines(f"No model deployments in {nothing.namespace}", "", ("esc", "shows every namespace"), _NEW)
    return _lines("No model deployments yet", "", _NEW, _MODELS, _ENDPOINTS, ("?", "tells every key"))


_NEW = ("n", "makes one: choose a model and an endpoint, the rest has defaults")
_MODELS = ("2", "models: what can be deployed")
_ENDPOINTS = ("3", "endpoints: where it answers")


def _broken(nothing: Nothing, problem: Problem) -> Content:
    parts: list[str | Content | tuple[str, str]] = [("✖ ", "$text-error bold"), (printable(problem.what), "bold"), "\n"]
    for label, text in (("why", problem.why), ("do", problem.next_step)):
        if text:
            parts += ["\n", (f"{label:<6}", "$text-muted"), printable(text)]
    again = "connects again" if nothing.failure is not None else "tries again now; it is tried by itself too"
    parts += ["\n\n", ("ctrl+r ", "$text-accent bold"), (again, "$text-muted")]
    return Content.assemble(*parts)


def _lines(title: str, text: str, *keys: tuple[str, str]) -> Content:
    parts: list[str | Content | tuple[str, str]] = [(title, "bold")]
    if text:
        parts += ["\n", (text, "$text-muted")]
    if keys:
        parts.append("\n")
    for key, about in keys:
        parts += ["\n", (f"{key:<6}", "$text-accent bold"), (about, "$text-muted")]
    return Content.assemble(*parts)
