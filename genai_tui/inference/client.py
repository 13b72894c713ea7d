"""One streamed chat request: what is sent, what comes back as events, when it came.

The protocol is OpenAI's chat completions API, as vLLM, NIM and llama.cpp speak it
(https://platform.openai.com/docs/api-reference/chat-streaming).
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx

from genai_tui.domain.chat import ChatRequest, Message, TextDelta, ThoughtDelta, TokenChance, ToolCall
from genai_tui.domain.usage import Timings, TokenUsage
from genai_tui.errors import EngineRefused
from genai_tui.inference.refusals import broken, cut, refusal
from genai_tui.inference.sse import SseParser

CONNECT_LIMIT_S = 10.0
# A queue or a long prompt may keep an engine silent for minutes.
SILENCE_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where an engine is: client, base path, the served name to ask for, and a key where it wants one.

    `gateway` when a gateway answers there: what it refuses is its own word.
    """

    client: httpx.AsyncClient
    base: str
    model: str
    key: str | None = None
    gateway: bool = False

    def __repr__(self) -> str:
        return f"Target({self.base}, {self.model})"

    def headers(self) -> dict[str, str]:
        """What authenticates to the engine itself; nothing without a key."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


def messages_body(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """A conversation as the protocol writes it."""
    return [_message_body(message) for message in messages]


def _message_body(message: Message) -> dict[str, Any]:
    body: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        body["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.role == "tool":
        body["tool_call_id"] = message.tool_call_id
    return body


def chat_body(request: ChatRequest, model: str) -> dict[str, Any]:
    """The request's body: streamed, and with usage asked for."""
    sampling, output = request.sampling, request.output
    body: dict[str, Any] = {
        "model": model,
        "messages": messages_body(request.messages),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    optional = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "repetition_penalty": sampling.repetition_penalty,
        "response_format": {"type": "json_object"} if output.json_object else None,
        "logprobs": True if output.top_logprobs is not None else None,
        "top_logprobs": output.top_logprobs,
        "tools": list(output.tools) or None,
    }
    return body | {name: value for name, value in optional.items() if value is not None}


def read_usage(given: object) -> TokenUsage | None:
    """OpenAI's usage object; None when it is not there or not whole."""
    if not isinstance(given, dict):
        return None
    prompt, completion, total = (given.get(f"{name}_tokens") for name in ("prompt", "completion", "total"))
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    details = given.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return TokenUsage(
        prompt,
        completion,
        total if isinstance(total, int) else prompt + completion,
        cached if isinstance(cached, int) else None,
    )


class Answer:
    """What has come of an answer so far, and when; `recorded` where the gateway it came through keeps the row of it."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.chances: list[TokenChance] = []
        self._calls: dict[int, ToolCall] = {}
        self.usage: TokenUsage | None = None
        self.reason = ""
        self.done = self.recorded = False
        self._sent: float | None = None
        self._first: float | None = None
        self._last: float | None = None
        self._ended: float | None = None

    @property
    def text(self) -> str:
        """The answer without thoughts."""
        return "".join(self.parts)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The functions to be called, in the model's order."""
        return tuple(self._calls[index] for index in sorted(self._calls))

    @property
    def complete(self) -> bool:
        """Whether the engine said that it is finished."""
        return self.done or bool(self.reason)

    def sent(self) -> None:
        """The request goes out now."""
        self._sent = time.perf_counter()

    def ended(self) -> None:
        """Nothing more comes."""
        self._ended = self._ended or time.perf_counter()

    def take(self, data: str, target: Target) -> TextDelta | ThoughtDelta | None:
        """Read one event of the stream.

        Raises:
            EngineRefused: the event is an error, or cannot be read.
        """
        if data.strip() == "[DONE]":
            self.done = True
            return None
        if not data.strip():
            return None
        try:
            event = json.loads(data)
        except ValueError as error:
            raise EngineRefused("the engine's answer cannot be read", status=200, why=str(error)) from error
        if not isinstance(event, dict):
            return None
        if event.get("error"):
            raise refusal(
                _status_in(event["error"]),
                data.encode(),
                {},
                model=target.model,
                key=target.key,
                gateway=target.gateway,
            )
        return self._take_event(event)

    def _take_event(self, event: dict[str, Any]) -> TextDelta | ThoughtDelta | None:
        # Engines that are told to always report usage send a running figure with each chunk: the last one counts.
        self.usage = read_usage(event.get("usage")) or self.usage
        choices = event.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return None
        choice = choices[0]
        self.reason = choice.get("finish_reason") or self.reason
        # `message` is the whole answer of a server that does not stream.
        delta = choice.get("delta") or choice.get("message") or {}
        self._take_chances(choice.get("logprobs"))
        self._take_calls(delta.get("tool_calls"))
        text = delta.get("content")
        if isinstance(text, str) and text:
            self._arrived()
            self.parts.append(text)
            return TextDelta(text, self.usage)
        # vLLM called it reasoning_content before version 0.12.
        thought = delta.get("reasoning") or delta.get("reasoning_content")
        if isinstance(thought, str) and thought:
            self._arrived()
            return ThoughtDelta(thought, self.usage)
        return None

    def _take_chances(self, given: object) -> None:
        """OpenAI's `logprobs.content` of one piece."""
        content = given.get("content") if isinstance(given, dict) else None
        for entry in content if isinstance(content, list) else ():
            chance = _chance(entry)
            if chance is not None:
                top = entry.get("top_logprobs")
                others = (_chance(other) for other in (top if isinstance(top, list) else ()))
                self.chances.append(TokenChance(*chance, tuple(o for o in others if o is not None and o != chance)))

    def _take_calls(self, given: object) -> None:
        """Pieces of tool calls: id and name come first, the arguments bit by bit."""
        for at, piece in enumerate(given if isinstance(given, list) else ()):
            function = piece.get("function") if isinstance(piece, dict) else None
            if not isinstance(function, dict):
                continue
            self._arrived()
            index = piece.get("index")
            index = index if isinstance(index, int) else at
            before = self._calls.get(index, ToolCall("", ""))
            name, arguments = function.get("name") or "", function.get("arguments") or ""
            self._calls[index] = ToolCall(
                before.name or str(name), before.arguments + str(arguments), before.id or str(piece.get("id") or "")
            )

    def _arrived(self) -> None:
        self._last = time.perf_counter()
        self._first = self._first or self._last

    def timings(self) -> Timings | None:
        """How fast it came; None when the request was never sent.

        Output tokens a second are those after the first, over the time after the first.
        """
        if self._sent is None:
            return None
        ended = self._ended or time.perf_counter()
        ttft = None if self._first is None else (self._first - self._sent) * 1000
        rate = None
        if self.usage is not None and self.usage.completion > 1 and self._first is not None and self._last is not None:
            spent = self._last - self._first
            rate = (self.usage.completion - 1) / spent if spent > 0 else None
        return Timings(ttft, (ended - self._sent) * 1000, rate)


def _chance(entry: object) -> tuple[str, float] | None:
    if not isinstance(entry, dict):
        return None
    token, logprob = entry.get("token"), entry.get("logprob")
    if not isinstance(token, str) or not isinstance(logprob, int | float):
        return None
    return token, float(logprob)


def _status_in(error: object) -> int:
    """The HTTP status an error inside a stream stands for."""
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 500


async def stream_chat(
    target: Target, request: ChatRequest, answer: Answer, *, silence_s: float = SILENCE_LIMIT_S
) -> AsyncGenerator[TextDelta | ThoughtDelta, None]:
    """Yield the pieces; `answer` holds the rest. Closing this closes the connection, and the engine stops.

    Raises:
        EngineRefused, CredentialsRejected, NotPermitted, NotFound: with the other side's own words.
        Unreachable: no answer, or the stream broke off.
        TimedOut: nothing came for `silence_s`.
    """
    headers = {"Accept": "text/event-stream"} | target.headers()
    timeout = httpx.Timeout(silence_s, connect=CONNECT_LIMIT_S)
    url, body = f"{target.base}/v1/chat/completions", chat_body(request, target.model)
    answer.sent()
    try:
        async with target.client.stream("POST", url, json=body, headers=headers, timeout=timeout) as response:
            if response.status_code != 200:
                said = await response.aread()
                raise refusal(
                    response.status_code,
                    said,
                    response.headers,
                    model=target.model,
                    key=target.key,
                    gateway=target.gateway,
                )
            async with aclosing(_events(response)) as events:
                async for data in events:
                    piece = answer.take(data, target)
                    if piece is not None:
                        yield piece
                    if answer.done:
                        break
    except httpx.HTTPError as error:
        # What comes after the engine has said that it is finished is of no interest.
        if not answer.complete:
            raise broken(error, len(answer.parts), gateway=target.gateway) from error
    finally:
        answer.ended()
    if not answer.complete:
        raise cut(len(answer.parts), "the stream ended without a finish reason")


async def _events(response: httpx.Response) -> AsyncGenerator[str, None]:
    """The events of a stream; or the one object of a server that does not stream.

    Raises:
        EngineRefused: it is neither.
    """
    if response.headers.get("content-type", "").startswith("application/json"):
        yield (await response.aread()).decode("utf-8", "replace")
        return
    parser = SseParser()
    try:
        async for chunk in response.aiter_bytes():
            for data in parser.feed(chunk):
                yield data
        for data in parser.end():
            yield data
    except ValueError as error:
        raise EngineRefused("the engine's answer cannot be read", status=200, why=str(error)) from error
