"""What engines say of themselves, and requests in code that run as printed."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path
from shutil import which

import httpx
import pytest

from genai_tui.domain.catalogue import UseCase
from genai_tui.domain.chat import ChatRequest, Message, Output, Sampling, ToolCall
from genai_tui.domain.rows import Ref
from genai_tui.errors import EngineRefused, Unreachable
from genai_tui.inference.client import Target, chat_body, messages_body
from genai_tui.inference.samples import Language, sample
from genai_tui.inference.serving import ServedModel, context_length, count_tokens, models
from tests.inference.engine_server import Exchange, answer, replay, serve

HELLO = (Message("user", "Hello"),)
OPENAI_STUB = """
export default class OpenAI {
  constructor({ baseURL, apiKey }) { Object.assign(this, { baseURL, apiKey }); }
  post = async (path, { body }) => (await fetch(this.baseURL + path, { method: "POST",
    headers: { Authorization: "Bearer " + this.apiKey }, body: JSON.stringify(body) })).json();
  chat = { completions: { create: (body) => this.post("/chat/completions", { body }) } };
  completions = { create: (body) => this.post("/completions", { body }) };
  embeddings = { create: (body) => this.post("/embeddings", { body }) };
}
"""

ANSWERS = {
    UseCase.COMPLETION: b"""{"id": "c", "object": "text_completion", "created": 1, "model": "chat", "choices": [{"index": 0,
        "text": " red", "logprobs": null, "finish_reason": "length"}], "usage": {"prompt_tokens": 3, "completion_tokens": 1,
        "total_tokens": 4}}""",
    UseCase.EMBEDDING: b"""{"object": "list", "model": "chat", "data": [{"object": "embedding", "index": 0,
        "embedding": [0.5, 0.25]}], "usage": {"prompt_tokens": 4, "total_tokens": 4}}""",
    UseCase.RERANK: b"""{"id": "r", "model": "chat", "usage": {"total_tokens": 9}, "results": [{"index": 0,
        "document": {"text": "red"}, "relevance_score": 0.97}]}""",
}
PRINTED = {UseCase.CHAT: "WhatStack", UseCase.VISION: "WhatStack", UseCase.COMPLETION: " red", UseCase.EMBEDDING: "0.25",
           UseCase.RERANK: "0.97"}  # fmt: skip


@pytest.mark.parametrize(
    ("recording", "name", "length"),
    [("vllm-0.32/models", "tiny", 512), ("llama.cpp/models", "smollm2-135m", 512)],
)
async def test_names_and_the_longest_context(recording: str, name: str, length: int) -> None:
    with serve(replay(recording)) as engine:
        async with httpx.AsyncClient(base_url=engine.url, trust_env=False) as http:
            assert await models(Target(http, "", name)) == (ServedModel(name, length),)
            assert await context_length(Target(http, "", name)) == length
            assert await context_length(Target(http, "", "another")) is None


async def test_tokens_are_counted_by_the_engine_or_not_at_all() -> None:
    with serve(replay("vllm-0.32/tokenize"), replay("llama.cpp/tokenize"), replay("vllm-0.32/notfound")) as engine:
        async with httpx.AsyncClient(base_url=engine.url, trust_env=False) as http:
            counts = [await count_tokens(Target(http, "", "tiny"), HELLO) for _ in range(3)]
    assert counts == [18, None, None]
    assert engine.exchanges[0].body == {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}]}


async def test_tools_go_along_and_are_counted_with_the_conversation() -> None:
    tool = {"type": "function", "function": {"name": "weather", "parameters": {}}}
    with serve(replay("vllm-0.32/tokenize")) as engine:
        async with httpx.AsyncClient(base_url=engine.url, trust_env=False) as http:
            called = Message("assistant", "", (ToolCall("weather", "{}", "a"),))
            said = (*HELLO, called, Message("tool", "warm", tool_call_id="a"))
            assert await count_tokens(Target(http, "", "tiny"), said, (tool,)) == 18
    assert engine.exchanges[0].body["tools"] == [tool]
    assert engine.exchanges[0].body["messages"] == messages_body(said)


async def test_what_cannot_be_read_or_reached_is_said() -> None:
    with serve(answer("200 OK", b"<html>", "text/html"), answer("200 OK", b'{"data": 3}')) as engine:
        async with httpx.AsyncClient(base_url=engine.url, trust_env=False) as http:
            for _ in range(2):
                with pytest.raises(EngineRefused, match="cannot be read"):
                    await models(Target(http, "", "tiny"))
            with pytest.raises(Unreachable):
                await models(Target(http, "http://127.0.0.1:1", "tiny"))


def run_sample(
    tmp_path: Path, language: Language, request: ChatRequest | None = None, *, use: UseCase = UseCase.CHAT
) -> tuple[Exchange, str]:
    """Run it as printed: what was asked, and what it wrote."""
    said = ANSWERS.get(use)
    programs = {"curl": ["bash"], "python": [sys.executable], "node": ["node"]}
    files = {"curl": "sample.sh", "python": "sample.py", "node": "sample.mjs"}
    # Python is always here; curl and Node are not needed to develop this, only to try what we print for them.
    if which(programs[language][0]) is None or (language == "curl" and which("curl") is None):
        pytest.skip(f"{language} is not installed here")
    stub = tmp_path / "node_modules" / "openai"
    stub.mkdir(parents=True)
    (stub / "index.mjs").write_text(OPENAI_STUB)
    (stub / "package.json").write_text('{"name": "openai", "main": "index.mjs"}')
    with serve(replay("vllm-0.32/chat") if said is None else answer("200 OK", said)) as engine:
        (tmp_path / files[language]).write_text(sample(language, engine.url, "chat", request, use=use))
        done = subprocess.run(
            [*programs[language], files[language]],
            cwd=tmp_path,
            env={**os.environ, "API_KEY": "sk-mine", "NO_PROXY": "*"},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    (exchange,) = engine.exchanges
    return exchange, done.stdout


@pytest.mark.parametrize("language", ["curl", "python", "node"])
def test_sample_code_runs_as_printed(tmp_path: Path, language: Language) -> None:
    exchange, out = run_sample(tmp_path, language)
    assert exchange.body["model"] == "chat"
    assert exchange.body["messages"] == [{"role": "user", "content": "Name three colours."}]
    assert b"bearer sk-mine" in exchange.request.lower()
    assert "WhatStack" in out
    assert "34" in out


@pytest.mark.parametrize("language", ["curl", "python", "node"])
@pytest.mark.parametrize("use", UseCase)
def test_a_model_is_asked_what_it_is_for(tmp_path: Path, language: Language, use: UseCase) -> None:
    exchange, out = run_sample(tmp_path, language, use=use)
    assert exchange.request.split()[1].decode() == use.paths[0]
    assert exchange.body["model"] == "chat"
    fields = {
        UseCase.COMPLETION: {"prompt"}, UseCase.EMBEDDING: {"input"}, UseCase.RERANK: {"query", "documents"}
    }  # fmt: skip
    asked = fields.get(use, {"messages"})
    assert asked <= exchange.body.keys()
    if use is UseCase.VISION:
        (message,) = exchange.body["messages"]
        assert [part["type"] for part in message["content"]] == ["text", "image_url"]
        kind, data = message["content"][1]["image_url"]["url"].split(",")
        assert (kind, base64.b64decode(data)[:8]) == ("data:image/png;base64", b"\x89PNG\r\n\x1a\n")
    assert PRINTED[use] in out


@pytest.mark.parametrize("language", ["curl", "python", "node"])
def test_a_conversation_in_code_sends_what_the_playground_sends(tmp_path: Path, language: Language) -> None:
    tool = {"type": "function", "function": {"name": "weather", "strict": True, "parameters": {"default": None}}}
    said = (
        Message("system", "it's\nbrief"),
        Message("user", 'Say "é🙂\\" $HOME'),
        Message("assistant", "`x`", (ToolCall("weather", '{"city": "L\'Aquila\\n"}', "call_1"),)),
        Message("tool", "it's\n`warm`", tool_call_id="call_1"),
    )
    sampling = Sampling(temperature=0.5, top_k=3, seed=7, stop=("\n", "it's"), repetition_penalty=1.1)
    request = ChatRequest(Ref("team-a", "chat"), said, sampling, Output(True, 2, (tool,)))
    exchange, _ = run_sample(tmp_path, language, request)
    wanted = chat_body(request, "chat")
    assert exchange.body == {name: value for name, value in wanted.items() if not name.startswith("stream")}


def test_a_sample_for_an_address_inside_the_cluster_says_how_to_reach_it() -> None:
    text = sample("curl", "http://chat.team-a.svc.cluster.local:8000", "chat")
    assert "kubectl -n team-a port-forward service/chat 8000" in text
    assert "kubectl" not in sample("curl", "https://llm.example.com", "chat")
