"""`genai-tui usage`: who used what and what it cost, from the ledger of this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from genai_tui.commands.named import IN_LEDGER, the_one
from genai_tui.commands.output import Format, as_table, note, write, wrote_stable
from genai_tui.domain import durations
from genai_tui.domain.usage import Dimension, Source
from genai_tui.errors import BadInput
from genai_tui.metering.rows import NO_NAME
from genai_tui.services import Services
from genai_tui.usage_files import columns, line_item, point_item

SELECTABLE = tuple(dimension.value for dimension in Dimension)
_PERIODS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
# The columns of the table, and where an item has each.
_COLUMNS = {
    "requests": "requests", "prompt": "promptTokens", "completion": "completionTokens", "total": "totalTokens",
    "cost": "cost", "currency": "currency", "source": "source",
}  # fmt: skip


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


def at(now: datetime, text: str, *, end: bool = False) -> datetime:
    """A time as people write it: so long ago (`24h`), a day in UTC (`2026-11-01`, as an end the end of it), a time.

    Raises:
        BadInput: it is none of these.
    """
    try:
        found = datetime.fromisoformat(text)
        if _DAY.fullmatch(text):
            return found.replace(tzinfo=UTC) + timedelta(days=end)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    except OverflowError as error:
        raise BadInput(f"'{text}' is later than time is kept", next_step="write it as 24h or 2026-11-01") from error
    except ValueError as error:
        if _DAY.match(text):
            step = "write it as 2026-11-01 or 2026-11-01T09:30:00Z"
            raise BadInput(f"'{text}' is no time of a calendar", next_step=step) from error
    return before(now, text)


async def usage(
    services: Services,
    since: str,
    until: str | None,
    by: str,
    only: Mapping[str, str],
    form: Format,
    namespace: str | None = None,
) -> None:
    """Print sums of a window by one dimension or period. Sources and currencies are never added up.

    Args:
        services: of this run.
        since: from when, as `at` reads it.
        until: until when; None is now, what is recorded meanwhile included.
        by: one of `SELECTABLE`, `minute`, `hour` or `day`.
        only: the group of each dimension that alone counts.
        form: of the output.
        namespace: of the deployment in `only`, where its name does not say it.

    Raises:
        NotFound, BadInput: nothing, or more than one deployment, is called as `only` says.
        BadInput: a time is none, the window is empty, or the source is unknown.
        GenaiTuiError: the ledger cannot be read.
    """
    now = services.clock()
    start, end = at(now, since), at(now, until, end=True) if until is not None else None
    if end is not None and end <= start:
        raise BadInput(f"--until {until} is not after --since {since}", next_step="give a later --until")
    groups = await _groups(services, only, namespace)
    if by in _PERIODS:
        points = await services.usage.trend(_PERIODS[by], start, end, only=groups, waits=True)
        if points and points[0].every == _PERIODS["hour"] > _PERIODS[by]:
            note(f"by hour, not by {by}: of part of this time the ledger keeps sums by hour alone (it was pruned)")
            by = "hour"
        items = [point_item(by, point) for point in points]
    else:
        items = [
            line_item(Dimension(by), line)
            for line in await services.usage.usage(Dimension(by), start, end, only=groups, waits=True)
        ]
    if wrote_stable({"items": items}, form, columns(by)):
        return
    if not items:
        write(_nothing(since, until, only))
    else:
        names = (by, *(name for name in _COLUMNS if name != by))
        write(as_table(names, [[item[_COLUMNS.get(name, name)] for name in names] for item in items]))


async def _groups(services: Services, only: Mapping[str, str], namespace: str | None) -> dict[Dimension, str]:
    """The groups that alone count, by the names that lines have."""
    groups = {Dimension(name): group for name, group in only.items()}
    empty = next((name for name, group in groups.items() if not group.strip()), None)
    if empty is not None:
        step = f"name one, or leave --{empty} out; {NO_NAME} is those without"
        raise BadInput(f"--{empty} is empty", next_step=step)
    source, name = groups.get(Dimension.SOURCE), groups.get(Dimension.DEPLOYMENT)
    if source is not None and source not in tuple(Source):
        raise BadInput(f"there is no source '{source}'", next_step=f"use {', '.join(Source)}")
    if name is not None:
        ref = the_one(name, namespace, await services.usage.deployments(), IN_LEDGER)
        groups[Dimension.DEPLOYMENT] = str(ref) if ref.namespace else ref.name
    return groups


def _nothing(since: str, until: str | None, only: Mapping[str, str]) -> str:
    """That nothing was found, and for what it was looked."""
    of = "".join(f" of {name} {group}" for name, group in only.items())
    length = f"since {since}" if until or _DAY.match(since) else f"in the last {since}"
    ends = f" until {until}" if until else ""
    hint = "; the playground and `genai-tui chat` record what they ask" if not of else ""
    return f"no requests{of} {length}{ends}{hint}"
