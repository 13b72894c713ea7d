"""Budgets: kept beside the figures they are compared with, warning and never refusing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from genai_tui.commands.budgets import list_budgets, remove_budget, set_budget
from genai_tui.domain.budgets import Alert, Budget, parse_budget
from genai_tui.domain.usage import Dimension, TokenUsage
from genai_tui.errors import BadInput, NotFound
from genai_tui.metering.budgets import BudgetRows
from genai_tui.metering.ledger import Ledger
from genai_tui.usage_ports import standings
from tests.fakes.services import NOW, FakeServices
from tests.metering.writer import PRICE, request

HERE = "https://127.0.0.1:6443"
MILLION = TokenUsage(1_000_000, 0, 1_000_000)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    ledger = Ledger(tmp_path / "ledger.db")
    yield ledger
    await ledger.close()


async def test_a_budget_is_compared_with_what_its_month_cost_and_with_nothing_else(ledger: Ledger) -> None:
    budgets = BudgetRows(ledger, HERE, lambda: NOW)
    await BudgetRows(ledger, "https://other:6443", lambda: NOW).set(Budget(Dimension.USER, "alice", Decimal(1), "USD"))
    await budgets.set(Budget(Dimension.ORGANIZATION, "org-a", Decimal(5), "USD"))
    await budgets.set(Budget(Dimension.ORGANIZATION, "org-a", Decimal("0.50"), "USD"))

    async def state() -> tuple[Decimal, Alert, bool]:
        (found,) = await standings(budgets, ledger, HERE, NOW)
        return found.spent, found.alert, found.unpriced

    ours = request("a", MILLION, cluster=HERE, organization="org-a", source="gateway")
    ours = replace(ours, at=NOW - timedelta(minutes=5))
    assert await state() == (Decimal(0), Alert.FINE, False)
    await ledger.record(ours)
    last_month = replace(ours, id="b", at=NOW.replace(day=1, hour=0) - timedelta(days=1))
    euros = replace(ours, id="c", price=replace(PRICE, currency="EUR"))
    await ledger.record_many((last_month, euros, replace(ours, id="e", organization="org-b")))
    assert await state() == (Decimal("0.2"), Alert.FINE, False)
    await ledger.record(replace(ours, id="f"))
    assert await state() == (Decimal("0.4"), Alert.NEAR, False)
    await ledger.record_many((replace(ours, id="g"), replace(ours, id="h", price=None)))
    assert await state() == (Decimal("0.6"), Alert.OVER, True)
    (held,) = await budgets.all()
    await budgets.remove(held)
    assert await budgets.all() == ()


@pytest.mark.parametrize(("amount", "currency", "said"), [
    ("much", "USD", "is not an amount"), ("0", "USD", "above 0"), ("-1", "USD", "above 0"), ("NaN", "USD", "above 0"),
    ("1.005", "USD", "US Dollar has 2 digits"), ("10.5", "JPY", "Yen has no digits"), ("1", "DOL", "ISO 4217"),
    ("1e40", "USD", "at most 15 digits"),
])  # fmt: skip
def test_what_is_no_budget_is_refused_with_what_to_write(amount: str, currency: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_budget(Dimension.USER, "alice", amount, currency)


async def test_budgets_are_set_listed_and_removed_from_the_shell(
    ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    world = FakeServices()
    world.usage, world.budgets = ledger, BudgetRows(ledger, HERE, lambda: NOW)  # type: ignore[assignment]
    services = world.build()
    await ledger.record(replace(request("a", MILLION, cluster=HERE, user="alice"), at=NOW - timedelta(minutes=1)))
    await set_budget(services, "user", "alice", "0.25", "USD")
    with pytest.raises(BadInput, match="US Dollar has 2 digits"):
        await set_budget(services, "user", "alice", "0.255", "USD")
    capsys.readouterr()
    await list_budgets(services, "json")
    (item,) = json.loads(capsys.readouterr().out)["items"]
    assert item == {
        "scope": "user", "name": "alice", "amount": "0.25", "currency": "USD", "spent": "0.2", "used": 80,
        "state": "near", "unpriced": False,
    }  # fmt: skip
    await remove_budget(services, "user", "alice")
    with pytest.raises(NotFound):
        await remove_budget(services, "user", "alice")
