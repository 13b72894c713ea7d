"""The budget of a group: shown, set, another one, removed. Call it in a worker: it waits for dialogs."""

from __future__ import annotations

from collections.abc import Sequence

from genai_tui.domain.budgets import SCOPES, Budget, Standing, budget_of, month_of, standing
from genai_tui.domain.money import Cost, plain
from genai_tui.domain.text import printable
from genai_tui.domain.usage import Dimension
from screens.app import GenaiTui
from screens.dialogs.confirm import ConfirmDialog
from screens.dialogs.text import TextDialog
from screens.format import amount, money
from screens.usage.lines import used


def budget_refusal(by: Dimension, *, everywhere: bool) -> str:
    """Why what is grouped by this has no budget here; empty if it can have one."""
    if by not in SCOPES:
        return "an organization, a user or a key can have a budget: b groups by one of them"
    return "a budget is of one cluster: c shows this cluster alone" if everywhere else ""


async def ask_budget(app: GenaiTui, scope: Dimension, name: str) -> None:
    """Ask for the month's budget of an organization, a user or a key, and keep it; without an amount, remove it.

    Raises:
        GenaiTuiError: the ledger cannot be used.
    """
    held = await _held(app, scope, name)

    def problem(text: str) -> str:
        if held and not text.strip():
            return ""
        try:
            budget_of(scope, name, text)
        except ValueError as error:
            return str(error)
        return ""

    first = held[0].budget if held else None
    value = f"{plain(first.amount)} {first.currency}" if first is not None else ""
    whose = printable(f"{scope.value} {name}")
    dialog = TextDialog(f"Budget of {whose}, a month", value, problem=problem, text=_about(held))
    text = await app.push_screen_wait(dialog)
    if text:
        budget = budget_of(scope, name, text)
        await app.services.budgets.set(budget)
        app.notify(f"{whose}: {_amount(budget)} a month; it warns from 80% and stops nothing")
    elif text is not None and await _sure(app, whose, held):
        for each in held:
            await app.services.budgets.remove(each.budget)
        app.notify(f"{whose}: no budget any more")


async def _held(app: GenaiTui, scope: Dimension, name: str) -> Sequence[Standing]:
    """Its budgets, one a currency, with what this month cost so far."""
    services = app.services
    mine = [budget for budget in await services.budgets.all() if (budget.scope, budget.name) == (scope, name)]
    if not mine:
        return ()
    month, only = month_of(services.clock()), {scope: name}
    lines = await services.usage.usage(scope, month.since, month.until, cluster=services.session.server, only=only)
    return [standing(budget, lines) for budget in mine]


def _about(held: Sequence[Standing]) -> str:
    told = [f"{_amount(one.budget)}, {used(one)} used ({money(Cost(one.spent, one.budget.currency))})" for one in held]
    now = f"Set: {'; '.join(told)}. Empty removes it." if told else "None is set."
    return f"{now} An amount and a currency: 250 EUR; each currency has its own. It warns from 80% and stops nothing."


async def _sure(app: GenaiTui, whose: str, held: Sequence[Standing]) -> bool:
    amounts = ", ".join(_amount(one.budget) for one in held)
    text = f"{amounts} a month. Usage warns of it no longer; nothing else changes."
    sure = await app.push_screen_wait(ConfirmDialog(f"Remove the budget of {whose}?", text, yes="Remove"))
    return sure is True


def _amount(budget: Budget) -> str:
    return amount(budget.amount, budget.currency)
