"""What is asked before a deployment is written to, and how the write went: from the list and on its own screen.

Call these in a worker: they wait for dialogs.
"""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial

from genai_tui.domain.cluster import Workload
from genai_tui.domain.rows import Ref
from genai_tui.domain.scaling import scale_note
from genai_tui.errors import GenaiTuiError
from screens.app import GenaiTui
from screens.deciding import written
from screens.dialogs.confirm import TypedConfirmDialog
from screens.dialogs.number import NumberDialog
from screens.dialogs.problem import ProblemDialog
from screens.format import plural


async def act(app: GenaiTui, doing: Awaitable[object], done: str) -> None:
    """Wait for a write and say how it went; False is one that was left at a question."""
    try:
        if await doing is not False:
            app.notify(done)
            app.tell_unrecorded()
    except GenaiTuiError as error:
        app.push_screen(ProblemDialog(error.problem))


async def ask_replicas(app: GenaiTui, ref: Ref, workload: Workload, *, verb: str = "Scale", offered: int) -> None:
    """Ask for a number of replicas, saying what each would mean, and set it."""
    picture = app.services.picture
    nodes = None if picture.health.not_visible("Node") else picture.nodes()
    detail = picture.deployment(ref)
    spec = detail.document.spec if detail is not None and detail.document is not None else None
    note = partial(scale_note, workload, nodes=nodes, spec=spec)
    title = f"{verb} {ref} in {app.services.session.context}"
    wanted = await app.push_screen_wait(NumberDialog(title, offered, note=note))
    if wanted is not None and wanted != workload.replicas:
        await scale(app, ref, wanted)


async def scale(app: GenaiTui, ref: Ref, wanted: int) -> None:
    """Set the wanted replicas."""
    operations = app.services.operations
    said = f"{ref}: {plural(wanted, 'replica')} wanted" if wanted else f"{ref} is being stopped"
    scaling = written(app, f"Scale {ref} to {wanted}?", lambda decided: operations.scale(ref, wanted, decided))
    await act(app, scaling, said)


async def ask_to_delete(app: GenaiTui, ref: Ref) -> None:
    """Ask for the name, then delete."""
    text = f"In {app.services.session.context}: its pods, its Service and what is in its own cache are gone for good."
    if await app.push_screen_wait(TypedConfirmDialog(f"Delete {ref}?", ref.name, text)):
        deleting = app.services.operations.delete("ModelDeployment", ref.name, ref.namespace)
        await act(app, deleting, f"{ref} is being deleted")
