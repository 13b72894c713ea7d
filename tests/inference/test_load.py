"""A load test against a real socket: bounded, counted in the ledger, and stopped when nobody wants it any more."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import aclosing
from pathlib import Path

from genai_tui.domain.chat import ChatRequest
from genai_tui.domain.load import LoadPlan, LoadReport
from genai_tui.load_test import run_load
from tests.inference.engine_server import Exchange, answer, endless, replay
from tests.inference.test_chat import QUESTION, stage


class Crowd:
    """Answers as recorded after a moment; remembers how many were under way at once."""

    def __init__(self) -> None:
        self._lock, self._now, self.most = threading.Lock(), 0, 0

    def __call__(self, exchange: Exchange) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.05)
        with self._lock:
            self._now -= 1
        replay("vllm-0.32/chat-stream")(exchange)


async def run(tmp_path: Path, plan: LoadPlan, *scripts: object) -> tuple[LoadReport, list[dict[str, object]], int]:
    async with stage(tmp_path, *scripts) as it:  # type: ignore[arg-type]
        found = [each async for each in run_load(it.playground, QUESTION, plan)]
        rows = await it.rows()
    return found[-1], [exchange.body for exchange in it.engine.exchanges], len(rows)


async def test_so_many_are_asked_so_many_at_once_and_each_is_a_row(tmp_path: Path) -> None:
    crowd = Crowd()
    found, bodies, rows = await run(tmp_path, LoadPlan(12, 3, 8), *[crowd] * 12)
    assert (found.answered, found.failed, rows, len(bodies)) == (12, 0, 12, 12)
    assert crowd.most == 3
    assert {body["max_tokens"] for body in bodies} == {8}
    assert found.usage is not None
    assert found.usage.completion == 12 * 8
    assert found.first_token is not None
    assert found.first_token.p50 >= 0.05
    assert found.answer_rate is not None
    assert found.answer_rate.p50 <= 8 / 0.05
    assert found.costs


async def test_refusals_are_counted_by_what_they_say_and_the_rest_goes_on(tmp_path: Path) -> None:
    busy = answer("429 Too Many Requests", b'{"error": {"message": "slow down", "code": 429}}')
    found, _, rows = await run(
        tmp_path, LoadPlan(4, 1, 8), replay("vllm-0.32/chat-stream"), busy, busy, replay("vllm-0.32/chat-stream")
    )
    assert (found.answered, found.failed, rows) == (2, 2, 4)
    ((problem, times),) = found.problems.items()
    assert times == 2
    assert "slow down" in problem


async def test_closing_it_stops_every_question_and_the_engine(tmp_path: Path) -> None:
    async with stage(tmp_path, *[endless("vllm-0.32/chat-stream", 2)] * 3) as it:
        request: ChatRequest = QUESTION
        async with aclosing(run_load(it.playground, request, LoadPlan(100, 3, 8))) as reports:
            async for _ in reports:
                if len(it.engine.exchanges) == 3:
                    break
        async with asyncio.timeout(10):
            while not all(exchange.hung_up.is_set() for exchange in it.engine.exchanges):
                await asyncio.sleep(0.01)
        rows = await it.rows()
    assert [row.status for row in rows] == ["cancelled"] * 3
