"""Undoing the last write: what that changes is shown and asked about first."""

from __future__ import annotations

from genai_tui.domain.disputes import Resolution
from genai_tui.errors import GenaiTuiError
from screens.app import GenaiTui
from screens.deciding import written
from screens.dialogs.difference import DifferenceDialog
from screens.dialogs.problem import ProblemDialog
from screens.format import age


async def undo_last(app: GenaiTui) -> bool:
    """Show how the last write would be undone, ask, do it; whether it was done. Call it in a worker."""
    services = app.services
    if services.session.read_only:
        app.notify("this is a read-only session", title="Nothing can be undone", severity="warning")
        return False
    try:
        plan = await services.audit.last()
    except GenaiTuiError as error:
        app.notify(error.problem.line, title="Nothing to undo", severity="warning")
        return False
    last = plan.writes[0]
    if plan.refusal:
        app.notify(plan.refusal, title=f"{last.verb} of {last.reference} cannot be undone", severity="warning")
        return False
    when = f"{age(last.at, services.clock())} ago"
    text = f"In {services.session.context}, of what {last.who or 'somebody'} wrote {when}.\n{plan.remark}".rstrip()
    title = f"Undo: {plan.what}?"
    nothing = "(the cluster has it so already)"
    if not await app.push_screen_wait(DifferenceDialog(title, text, plan.diff or nothing, yes="undo")):
        return False

    async def undoing(decided: Resolution) -> None:
        await services.audit.undo(plan, decided)

    try:
        if not await written(app, title, undoing):
            return False
    except GenaiTuiError as error:
        app.push_screen(ProblemDialog(error.problem))
        return False
    app.notify(f"undone: {plan.what}")
    return True
