"""Another number of replicas, and nothing else: what is live is applied again as it is, with that one change.

To apply the whole document would bring along whatever this version of the program renders otherwise than the one that
made the deployment, and so restart every pod.
"""

from __future__ import annotations

from typing import Any

from genai_tui.disputing import Decided, Standing, checked, decide, look, undecided
from genai_tui.domain.disputes import Resolution, Stand
from genai_tui.domain.naming import MANAGER, SPEC_ANNOTATION
from genai_tui.errors import Disputed
from genai_tui.kube import ownership, writes
from genai_tui.kube.connection import Connection

Json = dict[str, Any]
_ANNOTATION = ("f:metadata", "f:annotations", f"f:{SPEC_ANNOTATION}")


def changed_alone(live: Json, before: Json, after: Json) -> Json:
    """What we applied of `live`, with what is otherwise in `after` than in `before`: two renderings of one program."""
    item = ownership.applied(live, MANAGER)
    was, wanted = ownership.fields(before), ownership.fields(after)
    item = ownership.without(item, frozenset(path for path in was if path not in wanted))
    for path, value in wanted.items():
        if path not in was or not ownership.equal(path, was[path], value):
            ownership.put(item, path, value)
    ownership.put(item, _ANNOTATION, after["metadata"]["annotations"][SPEC_ANNOTATION])
    return item


async def plan(connection: Connection, before: Json, after: Json, resolution: Resolution) -> Decided | None:
    """What is to be written, after the server's dry run; None where the number is left to whoever holds it.

    Raises:
        Disputed: another holds what is to be changed, and nothing was decided about it. Otherwise as any apply.
    """
    live = await writes.read(connection, after)
    # Stripped of its managers, it says nothing of what was applied: then all of it is.
    ours = live is not None and MANAGER in {e.get("manager") for e in live["metadata"].get("managedFields") or ()}
    item = changed_alone(live, before, after) if live is not None and ours else after
    (standing,) = await look(connection, [item], [before])
    number = Standing(item, standing.live, _of_change(standing, before, after))
    missing = undecided([number], resolution)
    if missing:
        raise Disputed(missing)
    if any(resolution.get(dispute.key) is Stand.THEIRS for dispute in number.disputes):
        return None
    (decided,) = decide([number], resolution, lock=True)
    done, _ = await checked(connection, decided, resolution)
    return done


def _of_change(standing: Standing, before: Json, after: Json) -> tuple[ownership.Difference, ...]:
    was, wanted = ownership.fields(before), ownership.fields(after)
    return tuple(found for found in standing.found if was.get(found.path) != wanted.get(found.path))
