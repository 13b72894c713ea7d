"""A stream of server-sent events on its way through: whole events on, usage taken out for those who did not ask.

The events are OpenAI's chat and completion chunks (https://platform.openai.com/docs/api-reference/chat-streaming).
vLLM started with --enable-force-include-usage sends a running usage with each chunk; clients that did not ask for it
would add these up.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from genai_tui.domain.usage import TokenUsage

_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
LONGEST_EVENT = 8 * 2**20
_ABSENT = msgspec.Raw()


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class Usage(msgspec.Struct):
    """OpenAI's usage object."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _Details | None = None

    def value(self) -> TokenUsage | None:
        """As a value; None where it is not whole. Embeddings have no completion."""
        if self.prompt_tokens is None:
            return None
        completion = self.completion_tokens or 0
        total = self.total_tokens if self.total_tokens is not None else self.prompt_tokens + completion
        details = self.prompt_tokens_details
        return TokenUsage(self.prompt_tokens, completion, total, details.cached_tokens if details else None)


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: msgspec.Raw = _ABSENT


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Usage | None = None
    error: msgspec.Raw = _ABSENT


class Whole(msgspec.Struct):
    """An answer that is not streamed, as much of it as is counted."""

    usage: Usage | None = None
    choices: list[_Choice] | None = None


_chunk = msgspec.json.Decoder(_Chunk)


class Passage:
    """What has passed of one stream, and what it used.

    `final` is whether the last usage, or the end, has been seen: what follows changes no count.
    """

    def __init__(self, *, asked_usage: bool, asked_running: bool) -> None:
        """Begin.

        Args:
            asked_usage: the client wants the usage at the end (stream_options.include_usage).
            asked_running: the client wants it with each chunk (vLLM's continuous_usage_stats).
        """
        self._asked_usage, self._asked_running = asked_usage, asked_running
        self._rest = b""
        self.usage: TokenUsage | None = None
        self.pieces = 0
        self.text: list[str] = []
        self.reason = ""
        self.final = self.failed = False

    def feed(self, data: bytes) -> bytes:
        """What of these bytes goes on to the client: every event that is complete, as it came or without its usage.

        Raises:
            ValueError: an event is longer than any engine's.
        """
        data = self._rest + data if self._rest else data
        out: list[bytes] = []
        start = 0
        for end in _END.finditer(data):
            out.append(self._event(data[start : end.end()]))
            start = end.end()
        self._rest = data[start:]
        if len(self._rest) > LONGEST_EVENT:
            raise ValueError("an event of the stream is too long")
        return out[0] if len(out) == 1 else b"".join(out)

    def ended(self) -> bytes:
        """The bytes after the last whole event."""
        rest, self._rest = self._rest, b""
        return rest

    def _event(self, event: bytes) -> bytes:
        if not event.startswith(b"data:"):
            return event
        payload = event[5:].strip()
        if payload == b"[DONE]":
            self.final = True
            return event
        try:
            chunk = _chunk.decode(payload)
        except msgspec.MsgspecError:
            return event
        if _given(chunk.error):
            self.failed = True
            return event
        self._count(chunk)
        if chunk.usage is None or self._asked_running:
            return event
        if not chunk.choices:
            return event if self._asked_usage else b""
        return self._without_usage(payload)

    def _count(self, chunk: _Chunk) -> None:
        for choice in chunk.choices or ():
            self.reason = choice.finish_reason or self.reason
            delta = choice.delta
            text = choice.text or (delta and (delta.content or delta.reasoning or delta.reasoning_content))
            if text:
                self.text.append(text)
            if text or (delta is not None and _given(delta.tool_calls)):
                self.pieces += 1
        usage = chunk.usage.value() if chunk.usage is not None else None
        if usage is not None:
            self.usage = usage
            self.final = self.final or not chunk.choices

    def _without_usage(self, payload: bytes) -> bytes:
        data: dict[str, Any] = msgspec.json.decode(payload)
        if self._asked_usage:
            data["usage"] = None
        else:
            del data["usage"]
        return b"data: " + msgspec.json.encode(data) + b"\n\n"


def _given(raw: msgspec.Raw) -> bool:
    """Whether a field was there, and not null."""
    return bytes(raw) not in (b"", b"null", b"[]")
