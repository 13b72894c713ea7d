"""`genai-tui limits` where Kuadrant keeps the limits: its counters, or why they are not known."""

from __future__ import annotations

import json
from typing import Any

import pytest

from genai_tui.commands.limits import limits
from genai_tui.domain.limit_use import Counters
from genai_tui.errors import Unreachable
from tests.fakes.services import FakeServices
from tests.screens.test_limits import at_gateway, counted


def kuadrant() -> FakeServices:
    world = FakeServices()
    at_gateway(world, "kuadrant")
    world.limitador.counters = Counters(open=tuple(counted("alice", "k-11111111", 119, 60_000)))
    return world


async def told(world: FakeServices, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    await limits(world.build(), "chat", None, key_id="k-11111111", form="json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


async def test_its_counters_are_told_without_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    found = await told(kuadrant(), capsys)
    assert (found["notKnown"], found["countedSince"]) == (None, None)
    assert {(item["unit"], item["used"], item["resetsInSeconds"]) for item in found["items"]} == {
        ("requests", 119, 30), ("tokens", 60_000, 31)
    }  # fmt: skip
    assert (found["verdict"]["status"], "tokens per minute" in found["verdict"]["reason"]) == (429, True)
    await limits(kuadrant().build(), "chat", None, key_id=None, form="table")
    captured = capsys.readouterr()
    assert "60,000 spent" in captured.out
    assert "what was refused is not known here: Kuadrant does not tell" in captured.out
    assert "as Kuadrant's Limitador counts\n" in captured.err


async def test_what_is_not_known_is_null_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    world = kuadrant()
    world.limitador.failure = Unreachable("Limitador runs 2 replicas that count apart")
    found = await told(world, capsys)
    assert found["notKnown"] == "Limitador runs 2 replicas that count apart"
    assert found["verdict"] is None
    assert {item["used"] for item in found["items"]} == {None}
