"""What the tokens of a deployment cost, and cost before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from genai_tui.domain.money import Price
from genai_tui.domain.text import printable
from screens.dialogs.base import Dialog
from screens.format import amount, moment

_NONE = "no price of it is known here: it is kept when it is applied, or asked, from this machine"


class PricesDialog(Dialog[None]):
    """Every price of a deployment with the time from which it held, the newest first."""

    def __init__(self, name: str, history: Sequence[tuple[datetime, Price | None]]) -> None:
        super().__init__(f"Prices of {printable(name)}, per million tokens")
        self._history = history

    def compose_content(self) -> ComposeResult:
        """A line for each price."""
        lines = [f"{moment(at)}  {price_text(price)}" for at, price in reversed(self._history)]
        about = "Times are UTC. What was asked before keeps the price it was asked at."
        with VerticalScroll(classes="dialog--scroll"):
            yield Static("\n".join(lines) or _NONE, markup=False)
        yield Static(about if lines else "", classes="dialog--ask", markup=False)


def price_text(price: Price | None) -> str:
    """A price in one line."""
    if price is None:
        return "no price"
    parts = [
        ("input", price.input_per_million),
        ("cached", price.cached_per_million),
        ("output", price.output_per_million),
    ]
    return "   ".join(f"{name} {amount(value, price.currency)}" for name, value in parts if value is not None)
