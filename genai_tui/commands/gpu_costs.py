"""`genai-tui gpu-costs`: what GPUs cost against what their tokens brought in, and what an hour of one costs."""

from __future__ import annotations

from collections.abc import Sequence

from genai_tui.commands.output import Format, Row, as_table, note, timestamp, write, wrote_stable
from genai_tui.commands.usage import before
from genai_tui.domain.gpu_cost import EVER, GpuCostLine, GpuPrice, price_of
from genai_tui.domain.money import Cost, plain
from genai_tui.errors import BadInput
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
    note(f"seen {found.watched} of the last {since}")


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
    since = "for all of the past too" if price.since == EVER else f"from {timestamp(price.since)} on"
    note(f"one GPU of {price.node_type} costs {plain(price.per_hour)} {price.currency} an hour, {since}")


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
