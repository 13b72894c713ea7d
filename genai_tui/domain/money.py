"""Prices and costs, in Decimal throughout.

A price is per one million tokens. Amounts of different currencies are never added up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation

# Sums and products of money are exact: rather an error than a rounded amount.
EXACT = Context(prec=400, traps=[Inexact, InvalidOperation])


@dataclass(frozen=True, slots=True)
class Price:
    """What tokens cost: amounts of `currency` per one million input and output tokens.

    `cached_per_million` is for input tokens the engine took from its prefix cache; None: they cost as any input token.
    Amounts have at most nine digits after the point (as in the file format), so that costs have at most fifteen.
    """

    currency: str
    input_per_million: Decimal
    output_per_million: Decimal
    cached_per_million: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """An exact amount in one currency."""

    amount: Decimal
    currency: str

    def text(self) -> str:
        """The amount as a plain decimal string: every digit, no exponent, no trailing zeros."""
        return plain(self.amount)


def plain(amount: Decimal) -> str:
    """A Decimal as a plain string: `0.0000110`, never `1.1E-5`; trailing zeros go, `0` stays."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def cost_of(prompt_tokens: int, completion_tokens: int, price: Price, cached_tokens: int = 0) -> Cost:
    """Prompt x input price + completion x output price, each per million, exact.

    `cached_tokens` are those of the prompt that came from the prefix cache: they cost the price of cached input
    instead, where there is one. More of them than the prompt has are an engine's mistake, and count as all of it.
    """
    cached = min(max(cached_tokens, 0), prompt_tokens) if price.cached_per_million is not None else 0
    prompt = EXACT.add(
        EXACT.multiply(prompt_tokens - cached, price.input_per_million),
        EXACT.multiply(cached, price.cached_per_million or Decimal(0)),
    )
    completion = EXACT.multiply(completion_tokens, price.output_per_million)
    return Cost(EXACT.scaleb(EXACT.add(prompt, completion), -6), price.currency)


def total(costs: Iterable[Cost]) -> tuple[Cost, ...]:
    """The sum for each currency, in the order in which currencies first appear."""
    sums: dict[str, Decimal] = {}
    for cost in costs:
        sums[cost.currency] = EXACT.add(sums.get(cost.currency, Decimal(0)), cost.amount)
    return tuple(Cost(amount, currency) for currency, amount in sums.items())
