"""`genai-tui audit` and `undo`: what was written to clusters from this machine, and the way back from the last."""

from __future__ import annotations

import sys

from genai_tui.commands.output import Format, Row, as_table, confirm, note, timestamp, write, wrote_stable
from genai_tui.commands.usage import before
from genai_tui.domain.audit import Write
from genai_tui.errors import BadInput
from genai_tui.services import Services

COLUMNS = ("at", "who", "context", "verb", "object", "result", "detail")


async def audit(services: Services, since: str, form: Format, *, everywhere: bool, diffs: bool, limit: int) -> None:
    """Print the writes since `since` ago, newest first; of this cluster, or `everywhere`. With `diffs`, what changed.

    Raises:
        BadInput: `since` is no duration.
    """
    start = before(services.clock(), since)
    cluster = None if everywhere else services.session.server
    found = await services.audit.writes(start, cluster=cluster, limit=limit)
    items = [write_item(row) for row in found]
    if not wrote_stable({"items": items}, form):
        if not items:
            write(f"nothing was written in the last {since} from this machine")
        elif diffs:
            write("\n".join(_in_full(row) for row in found))
        else:
            write(as_table(COLUMNS, [tuple(item[column] for column in COLUMNS) for item in items]))
    if len(items) == limit:
        note(f"only the newest {limit} are shown; --limit shows more")


def write_item(row: Write) -> Row:
    """One write as `audit -o json` promises it (docs/cli.md)."""
    return {
        "id": row.id,
        "act": row.act,
        "at": timestamp(row.at),
        "who": row.who,
        "cluster": row.cluster,
        "context": row.context,
        "verb": row.verb.value,
        "object": row.reference,
        "result": row.result,
        "detail": row.detail or None,
        "diff": row.diff or None,
    }


def _in_full(row: Write) -> str:
    head = f"{timestamp(row.at)}  {row.who or 'not known'}  {row.context}  {row.verb}  {row.reference}  {row.result}"
    return "\n".join(part for part in (head, row.detail, row.diff) if part)


async def undo(services: Services, *, yes: bool) -> None:
    """Undo the last act on this cluster, after showing what that changes.

    Raises:
        NotFound: nothing was written. BadInput: it cannot be undone; says why. Otherwise as apply.
    """
    await services.settle()
    plan = await services.audit.last()
    if plan.refusal:
        raise BadInput(f"{plan.writes[0].reference} cannot be undone", why=plan.refusal)
    sys.stderr.write(plan.diff)
    if plan.remark:
        note(plan.remark)
    if not yes:
        confirm(f"Undo: {plan.what}, in {services.session.context}?", "undoing")
    await services.audit.undo(plan)
    write(f"undone: {plan.what}")
