"""What becomes of a question, seen through the playground port against a real socket."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from genai_tui.domain.chat import (
    Answered,
    ChatEvent,
    ChatRequest,
    Message,
    Output,
    Sampling,
    TextDelta,
    ThoughtDelta,
    TokenChance,
    ToolCall,
)
from genai_tui.domain.conversation import perplexity
from genai_tui.domain.money import Cost, Price
from genai_tui.domain.rows import Ref
from genai_tui.domain.usage import RequestRecord, Source, TokenUsage
from genai_tui.errors import GenaiTuiError, TimedOut, Unreachable
from genai_tui.inference.client import Target
from genai_tui.inference.playground import EnginePlayground, Known
from genai_tui.metering.ledger import Ledger
from tests.inference.engine_server import Engine, Script, answer, cut_after, endless, events, replay, serve, silent

REF = Ref("team-a", "chat")
NOW = datetime(2026, 11, 23, 10, 45, tzinfo=UTC)
PRICE = Price("USD", Decimal("0.20"), Decimal("0.60"))
EVER = datetime(1970, 1, 1, tzinfo=UTC)
QUESTION = ChatRequest(REF, (Message("system", "Be brief."), Message("user", "Name three colours.")))


@dataclass
class Stage:
    """A playground in front of a played engine, with a real ledger behind it."""

    playground: EnginePlayground
    ledger: Ledger
    engine: Engine

    async def ask(self, request: ChatRequest = QUESTION) -> list[ChatEvent]:
        given: list[ChatEvent] = []
        await self.ask_into(given, request)
        return given

    async def ask_into(self, given: list[ChatEvent], request: ChatRequest = QUESTION) -> None:
        """Ask, keeping in `given` what came before an error."""
        async for event in self.playground.ask(request):
            given.append(event)

    async def rows(self) -> tuple[RequestRecord, ...]:
        return await self.ledger.requests(EVER)


@asynccontextmanager
async def stage(
    tmp_path: Path,
    *scripts: Script,
    price: Price | None = PRICE,
    key: str | None = None,
    base: str = "",
    silence_s: float = 10.0,
) -> AsyncIterator[Stage]:
    ledger = Ledger(tmp_path / "ledger.db")
    with serve(*scripts) as engine:
        async with httpx.AsyncClient(base_url=engine.url, trust_env=False) as http:

            async def resolve(ref: Ref) -> Target:
                return Target(http, base, "tiny", key)

            yield Stage(
                EnginePlayground(
                    resolve,
                    lambda ref: Known("smollm2-135m", price, "http://llm.example", "chat"),
                    ledger.record,
                    cluster="https://c:6443",
                    clock=lambda: NOW,
                    silence_s=silence_s,
                ),
                ledger,
                engine,
            )
    await ledger.close()


def texts(given: list[ChatEvent]) -> str:
    return "".join(event.text for event in given if isinstance(event, TextDelta))


# What was recorded: (recording, usage the engine reported, finish reason).
STREAMS = [
    ("vllm-0.32/chat-stream", TokenUsage(18, 8, 26, 0), "length"),
    ("vllm-0.32/chat-stream-continuous-usage", TokenUsage(12, 4, 16, 0), "length"),
    ("llama.cpp/chat-stream-usage", TokenUsage(34, 16, 50, 33), "length"),
]


@pytest.mark.parametrize(("name", "usage", "reason"), STREAMS)
async def test_a_recorded_answer_is_streamed_counted_priced_and_kept_once(
    tmp_path: Path, name: str, usage: TokenUsage, reason: str
) -> None:
    async with stage(tmp_path, replay(name)) as it:
        given = await it.ask()
        (row,) = await it.rows()
    last = given[-1]
    assert isinstance(last, Answered)
    assert last.text == texts(given) != ""
    assert (last.usage, last.finish_reason) == (usage, reason)
    assert last.cost == Cost((usage.prompt * Decimal("0.20") + usage.completion * Decimal("0.60")) / 1_000_000, "USD")
    assert last.timings.ttft_ms is not None
    assert 0 < last.timings.ttft_ms <= last.timings.total_ms
    assert (row.usage, row.price, row.status, row.finish_reason, row.at) == (usage, PRICE, "ok", reason, NOW)
    assert (row.cluster, row.namespace, row.deployment, row.model) == (
        "https://c:6443",
        "team-a",
        "chat",
        "smollm2-135m",
    )
    assert (row.source, row.timings) == (Source.PLAYGROUND, last.timings)


async def test_the_request_asks_for_usage_and_says_only_what_was_set(tmp_path: Path) -> None:
    sampling = Sampling(temperature=0.0, top_p=0.9, max_tokens=16, stop=("END",))
    async with stage(tmp_path, replay("vllm-0.32/chat-stream"), key="sk-secret") as it:
        await it.ask(ChatRequest(REF, QUESTION.messages, sampling, source="cli"))
        await it.ask(QUESTION)
        rows = await it.rows()
    first, second = it.engine.exchanges
    assert first.body == {
        "model": "tiny",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Name three colours."}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.0,
        "top_p": 0.9,
        "max_tokens": 16,
        "stop": ["END"],
    }
    assert b"POST /v1/chat/completions" in first.request
    assert b"bearer sk-secret" in first.request.lower()
    assert set(second.body) == {"model", "messages", "stream", "stream_options"}
    assert {row.source for row in rows} == {Source.CLI, Source.PLAYGROUND}


async def test_every_setting_is_sent_by_the_name_the_engine_knows(tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    sampling = Sampling(
        seed=7, top_k=40, min_p=0.05, presence_penalty=0.5, frequency_penalty=-0.5, repetition_penalty=1.1
    )
    async with stage(tmp_path, replay("vllm-0.32/chat-stream")) as it:
        await it.ask(ChatRequest(REF, QUESTION.messages, sampling, Output(True, 2, (tool,))))
    (exchange,) = it.engine.exchanges
    sent = {k: v for k, v in exchange.body.items() if k not in ("model", "messages", "stream", "stream_options")}
    assert sent == {
        "seed": 7,
        "top_k": 40,
        "min_p": 0.05,
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
        "repetition_penalty": 1.1,
        "response_format": {"type": "json_object"},
        "logprobs": True,
        "top_logprobs": 2,
        "tools": [tool],
    }


def played(*deltas: dict[str, object]) -> Script:
    """A stream of these choices, as OpenAI's API writes it."""
    choices = [{"index": 0, **delta} for delta in deltas]
    text = "".join(f"data: {json.dumps({'choices': [choice]})}\n\n" for choice in choices)
    return answer("200 OK", f"{text}data: [DONE]\n\n".encode(), "text/event-stream")


async def test_tool_calls_come_in_pieces_and_are_told_whole(tmp_path: Path) -> None:
    """The form of https://platform.openai.com/docs/guides/function-calling#streaming."""
    script = played(
        {"delta": {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "weather", "arguments": ""}}]}},
        {"delta": {"tool_calls": [{"index": 0, "function": {"arguments": '{"city": '}}]}},
        {"delta": {"tool_calls": [{"index": 1, "id": "b", "function": {"name": "now", "arguments": "{}"}}]}},
        {"delta": {"tool_calls": [{"index": 0, "function": {"arguments": '"Oslo"}'}}]}},
        {"delta": {"tool_calls": "none"}},
        {"delta": {}, "finish_reason": "tool_calls"},
    )
    async with stage(tmp_path, script) as it:
        (last,) = await it.ask()
    assert isinstance(last, Answered)
    assert last.tool_calls == (ToolCall("weather", '{"city": "Oslo"}', "a"), ToolCall("now", "{}", "b"))
    assert (last.text, last.finish_reason) == ("", "tool_calls")
    assert last.timings.ttft_ms is not None, "a call is an answer that began"


async def test_results_of_tools_are_sent_as_they_are_and_the_answer_is_a_row_of_its_own(tmp_path: Path) -> None:
    """The form of https://platform.openai.com/docs/guides/function-calling."""
    calls = (ToolCall("weather", '{"city":  "Oslo"}', "a"), ToolCall("now", "", "b"))
    said = (
        *QUESTION.messages,
        Message("assistant", "", calls),
        Message("tool", '{"sky": "blue"}', tool_call_id="a"),
        Message("tool", "noon", tool_call_id="b"),
    )
    async with stage(tmp_path, replay("vllm-0.32/chat-stream")) as it:
        await it.ask()
        *_, last = await it.ask(replace(QUESTION, messages=said))
        rows = await it.rows()
    assert isinstance(last, Answered)
    assert [row.usage for row in rows] == [last.usage, last.usage]
    assert it.engine.exchanges[1].body["messages"][2:] == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city":  "Oslo"}'}},
                {"id": "b", "type": "function", "function": {"name": "now", "arguments": ""}},
            ],
        },
        {"role": "tool", "content": '{"sky": "blue"}', "tool_call_id": "a"},
        {"role": "tool", "content": "noon", "tool_call_id": "b"},
    ]


async def test_the_chances_of_tokens_come_with_the_answer(tmp_path: Path) -> None:
    blue = {"token": "Blue", "logprob": -0.1, "top_logprobs": [{"token": "Blue", "logprob": -0.1}, {"token": "Red"}]}
    red = {"token": ".", "logprob": -0.7, "top_logprobs": [{"token": "!", "logprob": -1}, 3]}
    script = played(
        {"delta": {"content": "Blue"}, "logprobs": {"content": [blue, "odd", {"token": 3}]}},
        {"delta": {"content": "."}, "logprobs": {"content": [red]}, "finish_reason": "stop"},
        {"delta": {}, "logprobs": {"content": 3}},
    )
    async with stage(tmp_path, script) as it:
        *_, last = await it.ask()
    assert isinstance(last, Answered)
    assert last.chances == (TokenChance("Blue", -0.1), TokenChance(".", -0.7, (("!", -1.0),)))
    assert perplexity(last.chances) == pytest.approx(math.exp(0.4))
    assert perplexity(()) is None


async def test_running_figures_come_with_the_pieces_where_the_engine_gives_them(tmp_path: Path) -> None:
    async with stage(tmp_path, replay("vllm-0.32/chat-stream-continuous-usage")) as it:
        given = await it.ask()
    running = [(e.usage.completion, e.cost) for e in given if isinstance(e, TextDelta) and e.usage is not None]
    assert [count for count, _ in running] == [1, 2, 3, 4]
    assert running[0][1] == Cost(Decimal("0.000003"), "USD")


async def test_an_engine_that_reports_no_usage_is_shown_and_kept_as_such(tmp_path: Path) -> None:
    async with stage(tmp_path, replay("llama.cpp/chat-stream")) as it:
        last = (await it.ask())[-1]
        (row,) = await it.rows()
    assert isinstance(last, Answered)
    assert (last.usage, last.cost, last.timings.tokens_per_second) == (None, None, None)
    assert (row.usage, row.status) == (None, "ok")


async def test_without_a_price_there_is_usage_and_no_cost(tmp_path: Path) -> None:
    async with stage(tmp_path, replay("vllm-0.32/chat-stream"), price=None) as it:
        last = (await it.ask())[-1]
    assert isinstance(last, Answered)
    assert last.usage is not None
    assert last.cost is None


async def test_thoughts_are_no_part_of_the_answer(tmp_path: Path) -> None:
    stream = (
        b'data: {"choices":[{"delta":{"reasoning":"Hm. "}}]}\n\n'
        b'data: {"choices":[{"delta":{"reasoning_content":"Yes."}}]}\n\n'
        b'data: {"choices":[{"delta":{"content":"Red."},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    )
    async with stage(tmp_path, answer("200 OK", stream, "text/event-stream")) as it:
        given = await it.ask()
    assert "".join(event.text for event in given if isinstance(event, ThoughtDelta)) == "Hm. Yes."
    assert isinstance(given[-1], Answered)
    assert given[-1].text == "Red."


async def test_a_server_that_does_not_stream_is_understood(tmp_path: Path) -> None:
    async with stage(tmp_path, replay("vllm-0.32/chat")) as it:
        given = await it.ask()
        (row,) = await it.rows()
    assert len(given) == 2
    assert row.usage is not None
    assert row.status == "ok"


async def test_an_answer_that_says_it_is_finished_needs_no_done(tmp_path: Path) -> None:
    whole = events("vllm-0.32/chat-stream")
    async with stage(tmp_path, cut_after("vllm-0.32/chat-stream", len(whole) - 1)) as it:
        last = (await it.ask())[-1]
    assert isinstance(last, Answered)
    assert last.usage == TokenUsage(18, 8, 26, 0)


async def test_nothing_after_done_is_waited_for(tmp_path: Path) -> None:
    whole = events("vllm-0.32/chat-stream")
    async with stage(tmp_path, endless("vllm-0.32/chat-stream", len(whole))) as it:
        assert isinstance((await it.ask())[-1], Answered)


@pytest.mark.parametrize("reset", [False, True])
async def test_a_stream_that_is_cut_is_an_error_that_keeps_what_was_counted(tmp_path: Path, reset: bool) -> None:
    async with stage(tmp_path, cut_after("vllm-0.32/chat-stream-continuous-usage", 3, reset=reset)) as it:
        given: list[ChatEvent] = []
        with pytest.raises(Unreachable, match="broke off after 2 pieces"):
            await it.ask_into(given)
        (row,) = await it.rows()
    assert texts(given) == "must report"
    assert (row.status, row.usage) == ("error", TokenUsage(12, 2, 14))


async def test_closing_the_iterator_hangs_up_and_keeps_what_was_counted(tmp_path: Path) -> None:
    async with stage(tmp_path, endless("vllm-0.32/chat-stream-continuous-usage", 3)) as it:
        async with aclosing(it.playground.ask(QUESTION)) as given:
            async for _ in given:
                break
        assert await asyncio.to_thread(it.engine.hung_up.wait, 10)
        (row,) = await it.rows()
    assert (row.status, row.usage) == ("cancelled", TokenUsage(12, 1, 13))


async def test_cancelling_the_task_hangs_up_also_before_the_first_word(tmp_path: Path) -> None:
    async with stage(tmp_path, silent) as it:
        task = asyncio.create_task(it.ask())
        assert await asyncio.to_thread(it.engine.asked.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(it.engine.hung_up.wait, 10)
        (row,) = await it.rows()
    assert (row.status, row.usage) == ("cancelled", None)


async def test_an_engine_that_falls_silent_is_given_up(tmp_path: Path) -> None:
    async with stage(tmp_path, endless("vllm-0.32/chat-stream", 3), silence_s=0.1) as it:
        with pytest.raises(TimedOut, match="silent"):
            await it.ask()
        (row,) = await it.rows()
    assert row.status == "error"


async def test_an_engine_that_is_not_there_is_unreachable_and_the_try_is_kept(tmp_path: Path) -> None:
    async with stage(tmp_path, silent, base="http://127.0.0.1:1") as it:
        with pytest.raises(Unreachable, match="cannot be reached"):
            await it.ask()
        (row,) = await it.rows()
    assert (row.status, row.usage) == ("error", None)


async def test_a_ledger_that_fails_withholds_no_answer_and_is_said(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"no database" * 1000)
    async with stage(tmp_path, replay("vllm-0.32/chat-stream"), replay("vllm-0.32/error-model")) as it:
        given: list[ChatEvent] = []
        with pytest.raises(GenaiTuiError, match="ledger"):
            await it.ask_into(given)
        assert isinstance(given[-1], Answered)
        with pytest.raises(GenaiTuiError, match="serves no model"):
            await it.ask()
