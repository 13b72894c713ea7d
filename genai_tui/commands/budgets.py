"""`genai-tui budgets`: what an organization, a user or a key may cost a month before somebody is told."""

from __future__ import annotations

from genai_tui.commands.output import Format, as_table, note, write, wrote_stable
from genai_tui.domain.budgets import Standing, month_of, parse_budget
from genai_tui.domain.money import plain
from genai_tui.domain.usage import Dimension
from genai_tui.errors import BadInput, NotFound
from genai_tui.services import Services
from genai_tui.usage_files import Row
from genai_tui.usage_ports import standings


async def set_budget(services: Services, scope: str, name: str, amount: str, currency: str) -> None:
    """Set a budget, or another amount for one.

    Raises:
        BadInput: it is none.
    """
    try:
        budget = parse_budget(Dimension(scope), name, amount, currency)
    except ValueError as error:
        what, _, next_step = str(error).partition(": ")
        raise BadInput(what, next_step=next_step) from error
    await services.budgets.set(budget)
    note(
        f"{scope} {budget.name}: {plain(budget.amount)} {budget.currency} a month; it warns from 80% and stops nothing"
    )


async def remove_budget(services: Services, scope: str, name: str) -> None:
    """Remove the budgets of one organization, user or key.

    Raises:
        NotFound: it has none.
    """
    mine = [budget for budget in await services.budgets.all() if (budget.scope, budget.name) == (scope, name)]
    if not mine:
        raise NotFound(f"{scope} {name} has no budget", next_step="`genai-tui budgets list` lists them")
    for budget in mine:
        await services.budgets.remove(budget)
        note(f"{scope} {name}: no budget in {budget.currency} any more")


async def list_budgets(services: Services, form: Format) -> None:
    """Print every budget of this cluster with what its month cost so far."""
    found = await standings(services.budgets, services.usage, services.session.server, services.clock())
    items = [_item(standing) for standing in found]
    if wrote_stable({"month": month_of(services.clock()).name, "items": items}, form):
        return
    if not items:
        write("no budgets; `genai-tui budgets set --organization O --amount 250 --currency EUR` sets one")
    else:
        columns = ("scope", "name", "budget", "spent", "used", "currency", "state")
        cells = [
            (i["scope"], i["name"], i["amount"], i["spent"], f"{i['used']}%", i["currency"], i["state"]) for i in items
        ]
        write(as_table(columns, cells))


def _item(standing: Standing) -> Row:
    """One budget as `budgets list -o json` promises it (docs/cli.md)."""
    budget = standing.budget
    return {
        "scope": budget.scope.value,
        "name": budget.name,
        "amount": plain(budget.amount),
        "currency": budget.currency,
        "spent": plain(standing.spent),
        "used": int(standing.share * 100),
        "state": standing.alert.value,
        "unpriced": standing.unpriced,
    }
