"""Money as two 64-bit integers: SQLite has no decimals, and would add text as binary floating point.

An amount is `micro` millionths and `femto` further 10^-15ths of its currency. Prices have at most nine digits after
the point and are per million tokens, so a cost has at most fifteen: nothing is rounded. Rows and sums hold up to
9 x 10^12 of a currency; SQLite refuses to add beyond that rather than wrapping round.
"""

from __future__ import annotations

from decimal import Decimal

from genai_tui.domain.money import EXACT

_FEMTO_IN_MICRO = 10**9
_LIMIT = 2**63


def split(amount: Decimal | str) -> tuple[int, int]:
    """An amount as (micro, femto).

    Raises:
        ValueError: it has more than fifteen digits after the point, or does not fit.
    """
    scaled = EXACT.scaleb(Decimal(amount), 15)
    units = int(scaled)
    micro, femto = divmod(units, _FEMTO_IN_MICRO)
    if units != scaled or not -_LIMIT <= micro < _LIMIT:
        raise ValueError(f"{amount} is not an amount the ledger can keep")
    return micro, femto


def join(micro: int, femto: int) -> Decimal:
    """The amount of a sum of splits; the opposite of `split`."""
    return EXACT.scaleb(Decimal(micro * _FEMTO_IN_MICRO + femto), -15)
