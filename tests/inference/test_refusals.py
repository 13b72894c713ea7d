"""Every refusal names what happened, in the other side's own words, and what to do."""

from __future__ import annotations

import json
import unicodedata

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from genai_tui.domain.chat import ChatRequest, Message
from genai_tui.domain.rows import Ref
from genai_tui.errors import (
    CredentialsRejected,
    EngineRefused,
    GenaiTuiError,
    NotFound,
    NotPermitted,
    Unreachable,
)
from genai_tui.inference.client import Answer, Target, stream_chat
from genai_tui.inference.refusals import refusal
from tests.inference.engine_server import Script, answer, replay, serve

ASKED = ChatRequest(Ref("team-a", "chat"), (Message("user", "Hello"),))


async def refused(script: Script, key: str | None = None) -> GenaiTuiError:
    with serve(script) as engine:
        async with httpx.AsyncClient(base_url=engine.url, trust_env=False) as http:
            with pytest.raises(GenaiTuiError) as caught:
                async for _ in stream_chat(Target(http, "", "tiny", key), ASKED, Answer()):
                    pass
    return caught.value


def status(code: int, reason: str, message: str) -> Script:
    """What the API server itself answers."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    return answer(f"{code} {reason}", json.dumps(body).encode())


def bad_request(message: str, param: str | None = None) -> Script:
    """What vLLM answers to what it cannot take."""
    error = {"message": message, "type": "BadRequestError", "param": param, "code": 400}
    return answer("400 Bad Request", json.dumps({"error": error}).encode())


CASES: list[tuple[Script, type[GenaiTuiError], str, str, str]] = [
    (replay("vllm-0.32/error-model"), EngineRefused, "no model 'tiny'", "Valid aliases: tiny", "names it serves"),
    (replay("vllm-0.32/error-too-long"), EngineRefused, "longer than the context", "512 tokens", "shorten it"),
    (replay("llama.cpp/error-too-long"), EngineRefused, "longer than the context", "3031 tokens", "shorten it"),
    (replay("vllm-0.32/error-maxtokens"), EngineRefused, "max tokens", "max_model_len=512", "lower max tokens"),
    (replay("vllm-0.32/error-temperature"), EngineRefused, "(400)", "non-negative", "change temperature"),
    (replay("vllm-0.32/notfound"), EngineRefused, "no chat API", "Not Found", "chat model"),
    (replay("vllm-0.32/auth-wrong"), CredentialsRejected, "API key", "Unauthorized", "API key"),
    (replay("llama.cpp/auth-wrong"), CredentialsRejected, "API key", "Invalid API Key", "API key"),
    (replay("llama.cpp/loading"), EngineRefused, "not ready", "Loading model", "Running"),
    (
        answer(
            "429 Too Many Requests", b'{"error":{"message":"over the limit"}}', "application/json", "Retry-After: 17"
        ),
        EngineRefused,
        "too many",
        "over the limit",
        "in 17 s",
    ),
    (
        answer("500 Internal Server Error", b"Internal Server Error", "text/plain"),
        EngineRefused,
        "500",
        "Internal",
        "log",
    ),
    (answer("502 Bad Gateway", b"<html>nginx</html>", "text/html"), EngineRefused, "not ready", "HTML page", "Running"),
    (
        answer("422 Unprocessable", b'{"detail":[{"loc":["body","messages"],"msg":"Field required"}]}'),
        EngineRefused,
        "(422)",
        "messages: Field required",
        "ctrl+g",
    ),
    (
        bad_request('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),
        EngineRefused,
        "without tool calling",
        "requires",
        "add --enable-auto-tool-choice and --tool-call-parser",
    ),
    (
        answer("500 Internal Server Error", b'{"error":{"code":500,"message":"tools param requires --jinja flag"}}'),
        EngineRefused,
        "without tool calling",
        "requires --jinja",
        "add --jinja",
    ),
    (
        bad_request(
            "Requested sample logprobs of 21, which is greater than max allowed: 20 (parameter=logprobs, value=21)",
            "logprobs",
        ),
        EngineRefused,
        "so many chances",
        "max allowed: 20",
        "--max-logprobs",
    ),
    (
        bad_request(
            "As of transformers v4.44, default chat template is no longer allowed, so you must provide a chat "
            "template if the tokenizer does not define one."
        ),
        EngineRefused,
        "no chat template",
        "no longer allowed",
        "--chat-template",
    ),
    (
        bad_request("Failed to convert the grammar from GBNF to Lark"),
        EngineRefused,
        "answer to JSON",
        "grammar",
        "choose text",
    ),
    (replay("vllm-0.32/error-no-messages"), EngineRefused, "(400)", "Field required", "change messages"),
    (bad_request("nobody has seen this"), EngineRefused, "(400)", "nobody has seen", "every setting is at ctrl+g"),
    (status(401, "Unauthorized", "Unauthorized"), CredentialsRejected, "cluster", "Unauthorized", "log in"),
    (
        status(403, "Forbidden", 'services "chat:8000" is forbidden'),
        NotPermitted,
        "not permitted",
        "is forbidden",
        "services/proxy",
    ),
    (status(404, "NotFound", 'services "chat" not found'), NotFound, "no such service", "not found", "still exists"),
    (
        status(503, "ServiceUnavailable", 'no endpoints available for service "chat"'),
        Unreachable,
        "no replica",
        "no endpoints",
        "Running",
    ),
    (
        answer("200 OK", b'data: {"error":{"message":"out of memory","code":507}}\n\n', "text/event-stream"),
        EngineRefused,
        "507",
        "out of memory",
        "log",
    ),
    (answer("200 OK", b"data: {nonsense\n\n", "text/event-stream"), EngineRefused, "cannot be read", "Expecting", ""),
    (answer("200 OK", b"", "text/event-stream"), Unreachable, "before its first word", "finish reason", "ask again"),
]


@pytest.mark.parametrize(
    ("script", "kind", "what", "why", "step"), CASES, ids=[f"{c[1].__name__}: {c[3]}" for c in CASES]
)
async def test_a_refusal_says_what_why_and_what_to_do(
    script: Script, kind: type[GenaiTuiError], what: str, why: str, step: str
) -> None:
    error = await refused(script)
    assert type(error) is kind
    assert what in error.problem.what
    assert why in error.problem.why
    assert step in error.problem.next_step


async def test_a_key_is_in_no_error_and_in_no_repr() -> None:
    said = b'{"error":{"message":"key sk-secret is not known","type":"auth"}}'
    error = await refused(answer("401 Unauthorized", said), key="sk-secret")
    assert "sk-secret" not in repr(error.problem)
    async with httpx.AsyncClient() as http:
        assert "sk-secret" not in repr(Target(http, "", "tiny", "sk-secret"))


@example(400, b'{"message":[{"loc":true}]}')
@given(
    st.integers(400, 599),
    st.binary(max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["error", "message", "detail", "kind", "code", "param", "loc", "msg"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ).map(lambda data: json.dumps(data).encode()),
)
def test_whatever_the_body_there_is_a_sentence_safe_to_show(code: int, body: bytes) -> None:
    problem = refusal(code, body, {}, model="tiny").problem
    assert problem.what
    assert not {unicodedata.category(character) for character in problem.why} & {"Cc", "Cf", "Cs"}
