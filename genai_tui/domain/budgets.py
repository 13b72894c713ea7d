"""Budgets: how much an organization, a user or a key may cost in a calendar month before somebody is told.

A budget is soft. It warns and stops nothing; what refuses requests are the limits (`limits.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from genai_tui.domain.currencies import currencies
from genai_tui.domain.money import EXACT, total
from genai_tui.domain.naming import did_you_mean
from genai_tui.domain.usage import Dimension, UsageLine
from genai_tui.domain.windows import Window

SCOPES = (Dimension.ORGANIZATION, Dimension.USER, Dimension.KEY)
"""What can have a budget."""
WARN_AT = Decimal("0.8")
"""The share of a budget from which on it warns."""
_MOST_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Budget:
    """An amount of a currency a calendar month, in UTC, for one organization, user or key."""

    scope: Dimension
    name: str
    amount: Decimal
    currency: str


class Alert(StrEnum):
    """How far a budget is used up."""

    FINE = "fine"
    NEAR = "near"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Standing:
    """A budget and what its month cost so far. `unpriced` requests have no known cost and are in no sum."""

    budget: Budget
    spent: Decimal
    unpriced: bool

    @property
    def share(self) -> Decimal:
        """Spent of the budget: 1 is all of it."""
        return self.spent / self.budget.amount

    @property
    def alert(self) -> Alert:
        """Near from `WARN_AT` on, over beyond the whole."""
        if self.spent > self.budget.amount:
            return Alert.OVER
        return Alert.NEAR if self.spent >= EXACT.multiply(self.budget.amount, WARN_AT) else Alert.FINE


def parse_budget(scope: Dimension, name: str, amount: str, currency: str) -> Budget:
    """A budget as it was written.

    Raises:
        ValueError: the amount is none above zero, has more digits than the currency's minor unit, or the currency is
            unknown; with a sentence that says what to write.
    """
    if not name.strip():
        raise ValueError(f"name the {scope.value} the budget is for")
    known = currencies().get(currency)
    if known is None:
        raise ValueError(f"'{currency}' is not an ISO 4217 currency code{did_you_mean(currency.upper(), currencies())}")
    try:
        value = Decimal(amount)
    except InvalidOperation as error:
        raise ValueError(f"'{amount}' is not an amount: write it as 250 or 99.50") from error
    if not value.is_finite() or value <= 0:
        raise ValueError("write an amount above 0")
    exponent = value.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > known.minor_digits:
        digits = f"{known.minor_digits} digits after the point" if known.minor_digits else "no digits after the point"
        raise ValueError(f"{known.name} has {digits}")
    if value.adjusted() >= _MOST_DIGITS:
        raise ValueError(f"write an amount of at most {_MOST_DIGITS} digits")
    return Budget(scope, name.strip(), value, currency)


def budget_of(scope: Dimension, name: str, text: str) -> Budget:
    """A budget as it is written in one line: `250 EUR`.

    Raises:
        ValueError: it is none; with a sentence that says what to write.
    """
    words = text.split()
    if len(words) != 2:
        raise ValueError("write an amount and a currency: 250 EUR")
    return parse_budget(scope, name, words[0], words[1].upper())


def month_of(now: datetime) -> Window:
    """The calendar month so far."""
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return Window(first, now, f"{now:%Y-%m}")


def standing(budget: Budget, lines: Iterable[UsageLine]) -> Standing:
    """What the month cost of it, from the lines of the month grouped by its scope.

    Every request that somebody was seen to make counts once, wherever it was seen.
    """
    mine = [line for line in lines if line.group == budget.name]
    costs = {cost.currency: cost.amount for cost in total(line.cost for line in mine if line.cost is not None)}
    return Standing(budget, costs.get(budget.currency, Decimal(0)), any(line.cost is None for line in mine))
