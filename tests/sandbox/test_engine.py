"""Chatting with the real small model through vLLM's dialect, over real sockets, with the openai client as the judge."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_asyncio

from genai_tui.errors import MissingTool
from genai_tui.sandbox.engine import LocalEngine
from genai_tui.sandbox.engine_metrics import Cache
from genai_tui.sandbox.engine_model import MODEL_FILE, fetch_model
from genai_tui.sandbox.vllm_generation import NO_ENGINE
from tests.sandbox.engines import events, eventually, installed, parse, pod, recorded, recorded_events, total

pytestmark = pytest.mark.asyncio(loop_scope="module")
engine_installed = pytest.mark.skipif(not installed(), reason="the engine or its model is not installed")
ASKED: dict[str, Any] = {
    "model": "chat",
    "messages": [{"role": "user", "content": "Name three colours."}],
    "temperature": 0,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[LocalEngine]:
    local = LocalEngine(Path("/nonexistent"))
    yield local
    await local.close()


def ask(base: str, key: str = "none") -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{base}/v1", api_key=key, max_retries=0, timeout=60)


COUNTERS = {"prompt_tokens": "vllm:prompt_tokens_total", "completion_tokens": "vllm:generation_tokens_total"}


@engine_installed
async def test_usage_equals_the_counters_exactly_streamed_or_not(engine: LocalEngine) -> None:
    async with pod(engine) as here, ask(here.base) as client:
        before = await here.samples()
        spent = {"prompt_tokens": 0, "completion_tokens": 0, "cached": 0}
        text = []
        for streamed in (False, True, True):
            for limit in (1, 7, 20):
                usage, said = await _chat(client, streamed=streamed, limit=limit)
                text.append(said)
                spent["prompt_tokens"] += usage.prompt_tokens
                spent["completion_tokens"] += usage.completion_tokens
                spent["cached"] += usage.prompt_tokens_details.cached_tokens or 0
                assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
        completion = await client.completions.create(
            model="smollm2-135m", prompt="One, two, three,", max_tokens=5, temperature=0
        )
        assert completion.usage is not None
        spent["prompt_tokens"] += completion.usage.prompt_tokens
        spent["completion_tokens"] += completion.usage.completion_tokens
        spent["cached"] += (
            completion.usage.prompt_tokens_details and completion.usage.prompt_tokens_details.cached_tokens
        ) or 0
        after = await here.samples()
        for field, name in COUNTERS.items():
            assert total(after, name) - total(before, name) == spent[field]
        assert total(after, "vllm:prompt_tokens_cached_total") == spent["cached"] > 0
        assert total(after, "vllm:request_success_total") == 10
        assert total(after, "vllm:request_generation_tokens_sum") == spent["completion_tokens"]
        assert total(after, "vllm:request_prompt_tokens_sum") == spent["prompt_tokens"]
        assert total(after, "vllm:time_to_first_token_seconds_count") == 10
        assert total(after, "vllm:inter_token_latency_seconds_count") == spent["completion_tokens"] - 10
        assert total(after, "vllm:iteration_tokens_total_sum") == (
            spent["prompt_tokens"] - spent["cached"] + spent["completion_tokens"]
        )
        assert total(after, "vllm:num_requests_running") == total(after, "vllm:kv_cache_usage_perc") == 0
        assert total(after, "http_requests_total", handler="/v1/chat/completions", status="2xx") == 9
        assert all(text)


async def _chat(client: openai.AsyncOpenAI, *, streamed: bool, limit: int) -> tuple[Any, str]:
    if not streamed:
        whole = await client.chat.completions.create(**ASKED, max_tokens=limit)
        return whole.usage, whole.choices[0].message.content or ""
    usage, said = None, []
    async for chunk in await client.chat.completions.create(**ASKED, max_tokens=limit, stream=True):
        usage = chunk.usage or usage
        said += [choice.delta.content or "" for choice in chunk.choices]
    return usage, "".join(said)


def keys(chunk: dict[str, Any]) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    choices, usage = chunk.get("choices") or [{}], chunk.get("usage") or {}
    return frozenset(chunk), frozenset(choices[0]), frozenset(usage)


@engine_installed
async def test_a_stream_has_the_chunks_of_the_recorded_one(engine: LocalEngine) -> None:
    async with pod(engine) as here:
        response = await here.client.post("/v1/chat/completions", json={**ASKED, "stream": True, "max_tokens": 8})
        mine, theirs = events(response.text), recorded_events("chat-stream-forced-usage")
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert [keys(chunk) for chunk in mine] == [keys(chunk) for chunk in theirs]
        running = [chunk["usage"]["completion_tokens"] for chunk in mine]  # type: ignore[index]
        assert running == [0, 1, 2, 3, 4, 5, 6, 7, 8, 8]
        ended = [chunk["choices"][0]["finish_reason"] for chunk in mine[:-1]]  # type: ignore[index]
        assert ended == [None] * 8 + ["length"]
        assert mine[-1]["choices"] == []


@engine_installed
async def test_usage_is_given_as_asked_for(engine: LocalEngine) -> None:
    async with pod(engine, force_usage=False, prompt_details=False) as here:
        asked = {**ASKED, "stream": True, "max_tokens": 2}
        plain = events((await here.client.post("/v1/chat/completions", json=asked)).text)
        assert not any("usage" in chunk for chunk in plain)
        last = events(
            (
                await here.client.post("/v1/chat/completions", json=asked | {"stream_options": {"include_usage": True}})
            ).text
        )
        assert ["usage" in chunk for chunk in last] == [False] * (len(last) - 1) + [True]
        assert last[-1]["usage"] == {"prompt_tokens": 34, "total_tokens": 36, "completion_tokens": 2}


@engine_installed
async def test_whole_answers_have_the_recorded_form(engine: LocalEngine) -> None:
    async with pod(engine) as here:
        chat = (await here.client.post("/v1/chat/completions", json={**ASKED, "max_tokens": 3})).json()
        theirs = json.loads(recorded("chat")[1])
        assert keys(chat) == keys(theirs)
        assert set(chat["choices"][0]["message"]) == set(theirs["choices"][0]["message"])
        logged = {**ASKED, "max_tokens": 2, "logprobs": True, "top_logprobs": 2}
        content = (await here.client.post("/v1/chat/completions", json=logged)).json()["choices"][0]["logprobs"][
            "content"
        ]
        assert [set(entry) for entry in content] == [{"token", "logprob", "bytes", "top_logprobs"}] * 2
        tokens = (await here.client.post("/tokenize", json={"model": "chat", "messages": ASKED["messages"]})).json()
        assert set(tokens) == set(json.loads(recorded("tokenize")[1]))
        assert tokens["count"] == len(tokens["tokens"]) == chat["usage"]["prompt_tokens"]
        models = (await here.client.get("/v1/models")).json()
        assert keys({"choices": models["data"]}) == keys({"choices": json.loads(recorded("models")[1])["data"]})
        assert [(m["id"], m["max_model_len"]) for m in models["data"]] == [("chat", 1024), ("smollm2-135m", 1024)]


@engine_installed
async def test_sampling_is_passed_on(engine: LocalEngine) -> None:
    # Without cached prompts the engine computes the same each time.
    async with pod(engine, cache=Cache(16_384, prefix_caching=False)) as here, ask(here.base) as client:

        async def said(**options: Any) -> str:
            asked = {**ASKED, "max_tokens": 8, "temperature": 1.5, **options}
            return (await client.chat.completions.create(**asked)).choices[0].message.content or ""

        assert await said(seed=1) == await said(seed=1)
        assert len({await said(seed=seed) for seed in range(2, 5)}) > 1
        assert await said(top_p=0.000001, seed=7) == await said(top_p=0.000001, seed=8)
        whole = await said(temperature=0)
        word = whole.split()[2]
        stopped = await client.chat.completions.create(**ASKED, max_tokens=8, stop=[word])
        assert whole.startswith(stopped.choices[0].message.content or "")
        assert word not in (stopped.choices[0].message.content or "")
        assert stopped.choices[0].finish_reason == "stop"


ERRORS: list[tuple[str, Any]] = [
    ("error-model", {**ASKED, "model": "nope"}),
    ("error-temperature", {**ASKED, "temperature": -1}),
    ("error-maxtokens", {**ASKED, "max_tokens": 100_000}),
    ("error-too-long", {**ASKED, "messages": [{"role": "user", "content": "word " * 600}]}),
]


@engine_installed
@pytest.mark.parametrize(("name", "body"), ERRORS, ids=[name for name, _ in ERRORS])
async def test_refusals_are_the_recorded_ones(engine: LocalEngine, name: str, body: Any) -> None:
    status, text = recorded(name)
    async with pod(engine, served_names=("tiny",), context=512) as here:
        body = {**body, "model": body["model"] if body["model"] == "nope" else "tiny"}
        response = await here.client.post("/v1/chat/completions", json=body)
    mine, theirs = response.json()["error"], json.loads(text)["error"]
    assert response.status_code == status
    if name == "error-too-long":
        count = mine["message"].rsplit("=", 1)[1].rstrip(")")
        assert int(count) > 512
        mine["message"] = mine["message"].replace(count, "513")
    assert mine == theirs


@engine_installed
async def test_malformed_bodies_and_unknown_paths(engine: LocalEngine) -> None:
    async with pod(engine) as here:
        broken = await here.client.post("/v1/chat/completions", content=b'{"model":')
        theirs = json.loads(recorded("error-json")[1])["error"]
        assert broken.json()["error"] == theirs
        missing = await here.client.post("/v1/chat/completions", json={"model": "chat"})
        assert missing.json()["error"]["param"] == "body.messages"
        assert missing.status_code == 400
        unknown = await here.client.get("/v1/nope")
        assert (unknown.status_code, unknown.text) == recorded("notfound")
        several = await here.client.post("/v1/chat/completions", json={**ASKED, "n": 2})
        assert several.status_code == 400
        samples = await here.samples()
        assert total(samples, "http_requests_total", status="4xx", handler="/v1/chat/completions") == 3
        assert total(samples, "http_requests_total", status="4xx", handler="none") == 1


async def test_keys_guard_what_the_real_engine_guards() -> None:
    async with pod(None, api_keys=("sk-one", "sk-two")) as here:
        for path in ("/health", "/ping", "/version", "/metrics"):
            assert (await here.client.get(path)).status_code == 200
        for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "sk-one"}, {"x-api-key": "sk-one"}):
            refused = await here.client.get("/v1/models", headers=header)
            assert (refused.status_code, refused.text) == recorded("auth-wrong")
        for key in ("sk-one", "sk-two"):
            assert (await here.client.get("/v1/models", headers={"Authorization": f"Bearer {key}"})).status_code == 200
        assert not any("sk-" in line for line in here.log)


async def test_nim_has_its_own_paths_and_vllm_has_not() -> None:
    async with pod(None, nim=True, api_keys=("sk-one",)) as here:
        assert (await here.client.get("/v1/health/ready")).json() == {
            "object": "health.response",
            "message": "Service is ready.",
        }
        assert (await here.client.get("/v1/health/live")).status_code == 200
        assert parse((await here.client.get("/v1/metrics")).text)
        assert (await here.client.get("/v1/models")).status_code == 401
        here.shim.die()
        assert (await here.client.get("/v1/health/ready")).status_code == 503
        assert (await here.client.get("/health")).status_code == 503
    async with pod(None) as here:
        assert (await here.client.get("/v1/health/ready")).status_code == 404


async def test_access_lines_are_the_real_ones_and_silenced_as_asked() -> None:
    async with pod(None, silent=frozenset({"/health"})) as here:
        for path in ("/health", "/v1/models?x=1", "/nope"):
            await here.client.get(path)
        lines = [line.split(" - ", 1) for line in here.log]
        assert [rest for _, rest in lines] == [
            '"GET /v1/models?x=1 HTTP/1.1" 200 OK',
            '"GET /nope HTTP/1.1" 404 Not Found',
        ]
        assert all(head.startswith("INFO:     127.0.0.1:") for head, _ in lines)
    async with pod(None, silent=None) as here:
        await here.client.get("/v1/models")
        assert here.log == []


async def test_metrics_have_the_names_labels_and_buckets_of_the_real_engine() -> None:
    real = parse(
        (Path(__file__).parent.parent / "data/engines/vllm-0.32/metrics-before.txt").read_text(encoding="utf-8")
    )
    async with pod(None, served_names=("tiny",), context=512) as here:
        mine = await here.samples()
    computed = (
        "python_",
        "process_",
        "http_",
        "vllm:estimated_",
        "vllm:mm_cache",
        "vllm:external_prefix",
        "vllm:cache_config",
    )
    wanted = {key for key in real if not key[0].startswith(computed)}
    assert wanted <= set(mine)
    unknown = {name for name, _ in set(mine) - set(real) if name.startswith("vllm:") and "cache_config" not in name}
    assert unknown == set()


@engine_installed
async def test_hanging_up_stops_the_engine_and_counts_no_finished_request(engine: LocalEngine) -> None:
    long = {**ASKED, "messages": [{"role": "user", "content": "Count from one to one thousand."}], "max_tokens": 900}
    async with pod(engine) as here:
        before = await here.samples()
        async with here.client.stream("POST", "/v1/chat/completions", json={**long, "stream": True}) as response:
            async for line in response.aiter_lines():
                if '"completion_tokens":5' in line:
                    break
        await eventually(lambda: here.shim.metrics.running == 0)
        for request in range(2):
            whole = asyncio.create_task(here.client.post("/v1/chat/completions", json=long))
            await eventually(lambda: here.shim.metrics.running == 1)
            whole.cancel()
            await asyncio.gather(whole, return_exceptions=True)
            await eventually(lambda: here.shim.metrics.running == 0)
            assert request < 2
        after = await here.samples()
        await asyncio.sleep(0.3)
        assert await here.samples() == after | {
            k: v for k, v in (await here.samples()).items() if k[0].startswith("http_")
        }
        generated = total(after, "vllm:generation_tokens_total") - total(before, "vllm:generation_tokens_total")
        assert 5 <= generated < 900
        assert total(after, "vllm:request_success_total") == 0
        assert here.shim.metrics.tokens_in_use == 0


@engine_installed
async def test_more_requests_than_slots_wait_their_turn(engine: LocalEngine) -> None:
    async with pod(engine, max_seqs=2) as here:
        asked = [here.client.post("/v1/chat/completions", json={**ASKED, "max_tokens": 12}) for _ in range(6)]
        tasks = [asyncio.create_task(request) for request in asked]
        await eventually(lambda: (here.shim.metrics.running, here.shim.metrics.waiting) == (2, 4))
        assert total(await here.samples(), "vllm:num_requests_waiting_by_reason", reason="capacity") == 4
        await eventually(lambda: here.shim.metrics.tokens_in_use > 0)
        assert total(await here.samples(), "vllm:kv_cache_usage_perc") > 0
        answers = [(await task).json() for task in tasks]
        assert {answer["usage"]["completion_tokens"] for answer in answers} == {12}
        assert total(await here.samples(), "vllm:request_queue_time_seconds_count") == 6


def process_of(local: LocalEngine) -> int | None:
    return local.pid


@engine_installed
async def test_the_engine_dies_and_comes_back() -> None:
    local = LocalEngine(Path("/nonexistent"))
    try:
        async with pod(local) as here:
            assert process_of(local) is None
            first = await here.client.post("/v1/chat/completions", json={**ASKED, "max_tokens": 3})
            assert first.status_code == 200
            killed = process_of(local)
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            again = await here.client.post("/v1/chat/completions", json={**ASKED, "max_tokens": 3})
            assert again.json()["choices"] == first.json()["choices"]
            assert process_of(local) not in (None, killed)
            stream = here.client.stream(
                "POST", "/v1/chat/completions", json={**ASKED, "max_tokens": 900, "stream": True}
            )
            async with stream as response:
                lines = response.aiter_lines()
                await anext(lines)
                second = process_of(local)
                assert second is not None
                os.kill(second, signal.SIGKILL)
                rest = [line async for line in lines if line]
            assert json.loads(rest[-2][6:])["error"]["type"] == "InternalServerError"
            assert rest[-1] == "data: [DONE]"
            assert (await here.client.post("/v1/chat/completions", json={**ASKED, "max_tokens": 3})).status_code == 200
    finally:
        last = process_of(local)
        await local.close()
    assert last is not None
    with pytest.raises(ProcessLookupError):
        os.kill(last, 0)


async def test_without_an_engine_nothing_is_invented() -> None:
    async with pod(None) as here:
        refused = await here.client.post("/v1/chat/completions", json=ASKED)
        assert refused.status_code == 503
        assert refused.json()["error"]["message"] == NO_ENGINE
        assert (await here.client.post("/tokenize", json={"prompt": "x"})).status_code == 503
        assert total(await here.samples(), "vllm:generation_tokens_total") == 0


async def test_a_model_that_is_not_there_is_fetched_once_and_checked(tmp_path: Path) -> None:
    said: list[str] = []
    source = tmp_path / "model.bin"
    source.write_bytes(b"x" * 3_000_000)
    import hashlib

    right = hashlib.sha256(source.read_bytes()).hexdigest()
    with pytest.raises(MissingTool) as refused:
        fetch_model(tmp_path / "cache", said.append, url=source.as_uri(), sha256="0" * 64)
    assert "its checksum is" in refused.value.problem.why
    assert list((tmp_path / "cache").iterdir()) == []
    found = fetch_model(tmp_path / "cache", said.append, url=source.as_uri(), sha256=right)
    assert found == tmp_path / "cache" / MODEL_FILE
    assert said[-1] == "fetching the sandbox's model: 3 of 3 MB"
    with pytest.raises(MissingTool, match="cannot be fetched"):
        fetch_model(tmp_path / "other", said.append, url=(tmp_path / "none").as_uri(), sha256=right)


async def test_the_gate_gives_back_what_is_given_up() -> None:
    from genai_tui.sandbox.engine_gate import Gate

    gate = Gate(2, 100)
    inside: list[int] = []

    async def use(number: int, tokens: int) -> None:
        async with gate.pass_through(tokens):
            inside.append(number)
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(use(number, tokens)) for number, tokens in enumerate((60, 60, 10, 10))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert inside == [0]
    tasks[1].cancel()
    await asyncio.gather(tasks[1], return_exceptions=True)
    await asyncio.sleep(0)
    assert inside == [0, 2]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(5), gate.pass_through(100):
        pass
