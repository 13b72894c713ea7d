"""Questions that come together are asked one after the other."""

from __future__ import annotations

import asyncio

import pytest

from genai_tui.store.pace import Pace


async def test_each_waits_for_those_before_it_and_the_first_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    pace = Pace(gap_s=100.0)
    for _ in range(4):
        await pace.turn()
    assert [round(wait, -2) for wait in waits] == [100.0, 200.0, 300.0]
