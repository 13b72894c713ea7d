"""A write among others: what they hold is asked about, field by field, and written as it was decided."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from genai_tui.domain.disputes import Resolution
from genai_tui.errors import Disputed
from screens.app import GenaiTui
from screens.dialogs.disputes import Decision, DisputesDialog


async def deciding(
    app: GenaiTui, title: str, writing: Callable[[Resolution], Awaitable[object]], *, editable: bool = False
) -> Decision | None:
    """Write; ask where others hold a field, and write again with the answers.

    Call it in a worker: it waits for the dialog.

    Args:
        app: shows the dialog.
        title: what is written, with the object's name.
        writing: writes with what was decided.
        editable: whether there is a form to go back to.

    Returns:
        What was decided on the way to the write; with `edit` where the form is wanted instead; None where the
        operator left, and nothing was written.

    Raises:
        GenaiTuiError: as `writing` does, other than Disputed.
    """
    resolution: Resolution = {}
    while True:
        try:
            await writing(resolution)
        except Disputed as error:
            answer = await app.push_screen_wait(DisputesDialog(title, error.disputes, editable=editable))
            if answer is None or answer.edit is not None:
                return answer
            resolution = {**resolution, **answer.resolution}
        else:
            app.tell_unrecorded()
            return Decision(resolution)


async def written(app: GenaiTui, title: str, writing: Callable[[Resolution], Awaitable[object]]) -> bool:
    """Write as `deciding` does; False where the operator left, and nothing was written."""
    return await deciding(app, title, writing) is not None
