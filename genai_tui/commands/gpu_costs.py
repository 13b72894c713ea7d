"""`genai-tui gpu-costs`: what GPUs cost against what their tokens brought in, and what an hour of one costs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from genai_tui.commands.output import Format, Row, as_table, note, timestamp, write, wrote_stable
from genai_tui.commands.usage import before
from genai_tui.domain.durations import duration_words
from genai_tui.domain.gpu_cost import EVER, GpuCostLine, GpuPrice, price_of
from genai_tui.domain.money import Cost, plain
from genai_tui.errors import BadInput, GenaiTuiError, NotFound
from genai_tui.services import Services

_COLUMNS = ("group", "gpu hours", "idle", "cost", "idle cost", "income", "unpriced")


async def show(services: Services, since: str, by: str, form: Format) -> None:
    """Print the accounts of a window.

    Args:
        services: of this run.
        since: how far back, such as `24h`.
        by: `deployment` or `node`.
        form: of the output.
    """
    now = services.clock()
    found = await services.gpu_accounts.costs(before(now, since), now)
    lines = found.deployments if by == "deployment" else found.nodes
    items = [_item(by, line) for line in lines]
    if wrote_stable({"watchedSeconds": int(found.watched.total_seconds()), "items": items}, form):
        return
    if not items:
        write("who holds GPUs is not known for this time; the console and `genai-tui meter` look while they run")
        return
    write(as_table((by, *_COLUMNS[1:]), [_cells(line) for line in lines]))
    note(f"seen {duration_words(found.watched.total_seconds() // 60 * 60)} of the last {since}")


async def list_prices(services: Services, form: Format) -> None:
    """Print every price of a GPU hour, oldest first."""
    items = [_price_item(price) for price in await services.gpu_accounts.prices()]
    if wrote_stable({"items": items}, form):
        return
    if not items:
        write("no prices; `genai-tui gpu-costs set-price NODE_TYPE --price '2.50 USD'` sets one")
    else:
        write(as_table(("node type", "per hour", "currency", "since"), [tuple(item.values()) for item in items]))


async def set_price(services: Services, kind: str, text: str) -> None:
    """Keep a price of a GPU hour.

    Raises:
        BadInput: it is none.
    """
    try:
        price = price_of(kind, text, services.clock(), await services.gpu_accounts.prices())
    except ValueError as error:
        what, _, next_step = str(error).partition(": ")
        raise BadInput(what, next_step=next_step) from error
    await services.gpu_accounts.set_price(price)
    note(f"one GPU of {_held_text(price)}")
    await _warn_of_unseen(services, price.node_type)


async def _warn_of_unseen(services: Services, kind: str) -> None:
    """Say so where no node type of this name was ever seen, in the ledger or in the cluster now."""
    if kind in await services.gpu_accounts.known_types():
        return
    unknown = ""
    try:
        await services.settle()
    except GenaiTuiError as error:
        unknown = f" (the nodes of now are not known: {error.problem.line})"
    known = await services.gpu_accounts.known_types()
    if kind not in known:
        there = f"those that were: {', '.join(known)}" if known else "none was"
        take_back = f"`genai-tui gpu-costs remove-price {shlex.quote(kind)}` takes it back"
        note(f"genai-tui: no node type '{kind}' was ever seen from here; {there}{unknown}; {take_back}")


async def remove_price(services: Services, kind: str, text: str | None) -> None:
    """Take back a price that was set in error: what was set before it holds in its place.

    Args:
        services: of this run.
        kind: the node type.
        text: as the price was set, `2.50 USD` or `2.50 USD from 2026-11-01`, where there are several.

    Raises:
        NotFound: there is no such price.
        BadInput: there are several; they are named.
    """
    mine = [price for price in await services.gpu_accounts.prices() if price.node_type == kind]
    named = [price for price in mine if text is None or _matches(price, text)]
    if not named:
        what = f"no price of {kind} is '{text}'" if mine else f"{kind} has no price"
        raise NotFound(what, next_step="`genai-tui gpu-costs prices` lists them")
    if len(named) > 1:
        several = "; ".join(_held_text(price) for price in named)
        raise BadInput(
            f"{kind} has several prices", why=several, next_step="say which one with --price 'AMOUNT CURRENCY'"
        )
    await services.gpu_accounts.take_back(named[0])
    note(f"taken back: one GPU of {_held_text(named[0])}")


def _matches(price: GpuPrice, text: str) -> bool:
    """Whether a price is the one that is named by its amount and currency, and by its beginning where that is said."""
    try:
        wanted = price_of(price.node_type, text, price.since, ())
    except ValueError as error:
        what, _, next_step = str(error).partition(": ")
        raise BadInput(what, next_step=next_step) from error
    since = price.since if " from " not in text else wanted.since
    return (wanted.per_hour, wanted.currency, since) == (price.per_hour, price.currency, price.since)


def _held_text(price: GpuPrice) -> str:
    since = "for all of the past too" if price.since == EVER else f"from {timestamp(price.since)} on"
    return f"{price.node_type} costs {plain(price.per_hour)} {price.currency} an hour, {since}"


def _item(by: str, line: GpuCostLine) -> Row:
    """One deployment or node as `gpu-costs show -o json` promises it (docs/cli.md)."""
    return {
        by: line.name,
        "nodeTypes": list(line.node_types),
        "gpuHours": round(line.gpu_hours, 3),
        "idleGpuHours": None if line.idle_hours is None else round(line.idle_hours, 3),
        "cost": _amounts(line.costs),
        "idleCost": None if line.idle_hours is None else _amounts(line.idle_costs),
        "income": _amounts(line.income),
        "unpriced": line.unpriced,
    }


def _amounts(costs: Sequence[Cost]) -> list[Row]:
    return [{"amount": cost.text(), "currency": cost.currency} for cost in costs]


def _cells(line: GpuCostLine) -> tuple[object, ...]:
    idle = None if line.idle_hours is None else f"{line.idle_hours:.1f}"
    costs = [", ".join(f"{c.text()} {c.currency}" for c in some) or None for some in (line.costs, line.idle_costs)]
    income = ", ".join(f"{c.text()} {c.currency}" for c in line.income) or None
    return (line.name, f"{line.gpu_hours:.1f}", idle, *costs, income, "yes" if line.unpriced else "")


def _price_item(price: GpuPrice) -> Row:
    """One price as `gpu-costs prices -o json` promises it; `since` null: it has always held."""
    since = None if price.since == EVER else timestamp(price.since)
    return {
        "nodeType": price.node_type,
        "perGpuHour": plain(price.per_hour),
        "currency": price.currency,
        "since": since,
    }
