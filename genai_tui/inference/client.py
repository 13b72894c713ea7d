"""One streamed chat request: what is sent, what comes back as events, and every refusal in words.

The protocol is OpenAI's chat completions API, as vLLM, NIM and llama.cpp speak it.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import httpx

from genai_tui.domain.chat import ChatRequest, TextDelta
from genai_tui.domain.usage import Timings, TokenUsage
from genai_tui.errors import CredentialsRejected, EngineRefused, NotPermitted, Unreachable
from genai_tui.inference.sse import SseParser

FIRST_ANSWER_LIMIT_S = 300.0
SILENCE_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where an engine is: client, base path, the served name to ask for, and a key where it wants one."""

    client: httpx.AsyncClient
    base: str
    model: str
    key: str | None = None

    def __repr__(self) -> str:
        return f"Target({self.base}, {self.model})"


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of the stream, before it is priced."""

    text: str
    finish_reason: str
    usage: TokenUsage | None
    timings: Timings


def body_of(request: ChatRequest, model: str) -> dict[str, Any]:
    """The request's body: streamed, and with usage asked for."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    optional = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
    }
    return body | {name: value for name, value in optional.items() if value is not None}


class Answer:
    """What has come of an answer so far."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.parts: list[str] = []
        self.usage: TokenUsage | None = None
        self.reason = ""
        self._first: float | None = None
        self._last: float | None = None

    def take(self, data: str) -> str | None:
        """Read one event; returns its text.

        Raises:
            EngineRefused: the event is an error.
        """
        if data.strip() == "[DONE]":
            return None
        try:
            event = json.loads(data)
        except ValueError:
            return None
        if not isinstance(event, dict):
            return None
        if "error" in event:
            raise refusal(500, data.encode())
        # Engines that are told to always report usage send a running figure with each chunk: the last one counts.
        self.usage = read_usage(event.get("usage")) or self.usage
        choices = event.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return None
        self.reason = choices[0].get("finish_reason") or self.reason
        text = (choices[0].get("delta") or {}).get("content")
        if not isinstance(text, str) or not text:
            return None
        now = time.perf_counter()
        self._first = self._first or now
        self._last = now
        self.parts.append(text)
        return text

    def finished(self) -> Finished:
        """The whole, with timings."""
        total = time.perf_counter() - self.began
        ttft = None if self._first is None else (self._first - self.began) * 1000
        rate = None
        if self.usage is not None and self.usage.completion > 1 and self._first is not None and self._last is not None:
            spent = self._last - self._first
            rate = (self.usage.completion - 1) / spent if spent > 0 else None
        return Finished("".join(self.parts), self.reason, self.usage, Timings(ttft, total * 1000, rate))


def read_usage(given: object) -> TokenUsage | None:
    """OpenAI's usage object; None when it is not there or not whole."""
    if not isinstance(given, dict):
        return None
    prompt, completion = given.get("prompt_tokens"), given.get("completion_tokens")
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    total = given.get("total_tokens")
    details = given.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return TokenUsage(
        prompt,
        completion,
        total if isinstance(total, int) else prompt + completion,
        cached if isinstance(cached, int) else None,
    )


async def stream_chat(target: Target, request: ChatRequest, answer: Answer) -> AsyncGenerator[TextDelta, None]:
    """Yield the pieces; `answer` holds the rest. Closing this closes the connection, and the engine stops.

    Raises:
        EngineRefused, CredentialsRejected, NotPermitted: with the engine's own words.
        Unreachable: no answer, or the stream broke off.
    """
    parser = SseParser()
    headers = {"Accept": "text/event-stream"} | ({"Authorization": f"Bearer {target.key}"} if target.key else {})
    timeout = httpx.Timeout(FIRST_ANSWER_LIMIT_S, connect=10, read=SILENCE_LIMIT_S)
    url = f"{target.base}/v1/chat/completions"
    try:
        async with target.client.stream(
            "POST", url, json=body_of(request, target.model), headers=headers, timeout=timeout
        ) as response:
            if response.status_code != 200:
                raise refusal(response.status_code, await response.aread(), response.headers.get("retry-after"))
            async for chunk in response.aiter_bytes():
                for data in parser.feed(chunk):
                    text = answer.take(data)
                    if text is not None:
                        yield TextDelta(text)
            for data in parser.end():
                text = answer.take(data)
                if text is not None:
                    yield TextDelta(text)
    except httpx.HTTPError as error:
        done = f" after {len(answer.parts)} pieces" if answer.parts else ""
        why = str(error) or type(error).__name__
        raise Unreachable(f"the engine broke off{done}", why=why, next_step="ask again; see its log") from error


def refusal(status: int, body: bytes, retry_after: str | None = None) -> Exception:
    """An engine's error in words: OpenAI's error object, vLLM's short one, or a Status of the API server in between."""
    message, code = _message(body)
    if status == 401:
        return CredentialsRejected(
            "the engine wants a key", why=message, next_step="the console has none for it; use its endpoint with a key"
        )
    if status == 403:
        return NotPermitted(
            f"not permitted to reach the engine: {message}", next_step="ask for create on services/proxy"
        )
    steps = {
        404: "ask for a name it serves",
        429: f"wait {retry_after} s" if retry_after else "wait and ask again",
        503: "it is not ready: see its rollout",
    }
    next_step = steps.get(status, "")
    if "maximum context length" in message or "context size" in message:
        next_step = "shorten the conversation, or start a new one"
    elif "max_tokens" in message:
        next_step = "lower max tokens"
    return EngineRefused(f"the engine refused: {message}", status=status, code=code, next_step=next_step)


def _message(body: bytes) -> tuple[str, str]:
    text = body[:4000].decode("utf-8", "replace").strip()
    try:
        data = json.loads(text)
    except ValueError:
        return text.splitlines()[0][:300] if text else "no reason given", ""
    if isinstance(data, dict):
        error = data.get("error", data)
        if isinstance(error, dict):
            said = error.get("message") or error.get("detail")
            return str(said or text[:300]), str(error.get("code") or error.get("type") or "")
        return str(error), ""
    return text[:300], ""


async def get_json(target: Target, path: str) -> dict[str, Any]:
    """GET a JSON object of the engine. Raises as `stream_chat`."""
    headers = {"Authorization": f"Bearer {target.key}"} if target.key else {}
    try:
        response = await target.client.get(f"{target.base}{path}", headers=headers, timeout=10)
    except httpx.HTTPError as error:
        raise Unreachable("the engine does not answer", why=str(error) or type(error).__name__) from error
    if response.status_code != 200:
        raise refusal(response.status_code, response.content)
    with contextlib.suppress(ValueError):
        data = response.json()
        if isinstance(data, dict):
            return data
    raise EngineRefused("the engine's answer is not JSON", status=response.status_code)
