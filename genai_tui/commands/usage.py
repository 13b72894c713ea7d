"""`genai-tui usage`: who used what and what it cost, from the ledger of this machine."""

from __future__ import annotations

from datetime import datetime, timedelta

from genai_tui.commands.output import Format, as_table, write, wrote_stable
from genai_tui.domain import durations
from genai_tui.domain.usage import Dimension, UsageLine
from genai_tui.errors import BadInput
from genai_tui.services import Services
from genai_tui.usage_files import line_item


def parse_duration(text: str) -> timedelta:
    """A duration of the command line, such as `24h`.

    Raises:
        BadInput: it is none.
    """
    try:
        return durations.parse_duration(text)
    except ValueError as error:
        what, _, next_step = str(error).partition(": ")
        raise BadInput(what, next_step=next_step) from error


def before(now: datetime, since: str) -> datetime:
    """The time so long ago as `since` says, such as `24h`.

    Raises:
        BadInput: it is no duration, or longer than there is time.
    """
    try:
        return now - parse_duration(since)
    except OverflowError as error:
        raise BadInput(f"'{since}' is longer than time is kept", next_step="write it as 24h or 7d") from error


async def usage(services: Services, since: str, by: str, form: Format) -> None:
    """Print sums since `since` ago, by one dimension. Sources and currencies are never added up."""
    start = before(services.clock(), since)
    dimension = Dimension(by)
    lines = await services.usage.usage(dimension, start)
    items = [line_item(dimension, line) for line in lines]
    if form == "csv" and not items:
        write("no usage")
    elif wrote_stable({"items": items}, form):
        return
    elif not items:
        write(f"no requests in the last {since}; the playground and `genai-tui chat` record what they ask")
    else:
        columns = (by, "requests", "prompt", "completion", "total", "cost", "currency", "source")
        write(as_table(columns, [_cells(line) for line in lines]))


def _cells(line: UsageLine) -> tuple[object, ...]:
    cost = line.cost
    return (
        line.group,
        line.requests,
        line.prompt_tokens,
        line.completion_tokens,
        line.total_tokens,
        cost.text() if cost else None,
        cost.currency if cost else None,
        line.source.value,
    )
