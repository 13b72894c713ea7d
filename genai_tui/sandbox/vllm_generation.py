"""One request on the real engine: prepared, admitted, streamed, and counted token by token.

The text and the token counts are the real engine's own; nothing is made up.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from genai_tui.errors import GenaiTuiError
from genai_tui.sandbox.engine import Engine
from genai_tui.sandbox.engine_gate import Gate
from genai_tui.sandbox.engine_metrics import EngineMetrics, Finished
from genai_tui.sandbox.vllm_dialect import (
    Answer,
    Json,
    Refusal,
    Serving,
    bad,
    check_length,
    check_model,
    check_sampling,
    malformed,
    max_tokens_of,
)

NO_ENGINE = "no engine is installed in this sandbox"
Piece = tuple[str, Json | None]
_PASSED_ON = (
    "temperature", "top_p", "seed", "stop", "presence_penalty", "frequency_penalty", "top_k", "min_p", "logprobs",
    "top_logprobs", "response_format",
)  # fmt: skip


class Generation:
    """A pod's way to the engine."""

    def __init__(self, engine: Engine | None, serving: Serving, metrics: EngineMetrics) -> None:
        self._engine, self._serving, self._metrics = engine, serving, metrics
        self._own = Gate(serving.max_seqs, serving.cache.tokens)

    async def tokenize(self, body: Json) -> list[int]:
        """The tokens of a prompt or of chat messages. Raises Refusal."""
        check_model(body, self._serving)
        prompt = body.get("prompt")
        if not isinstance(prompt, str):
            prompt = await self._template(body.get("messages") or [])
        return await self._tokens(prompt)

    async def prepare(self, body: Json, *, chat: bool) -> tuple[Answer, Json]:
        """Check a request as vLLM does; the answer to come and what to ask the engine. Raises Refusal."""
        began = time.monotonic()
        check_model(body, self._serving)
        asked = await self._asked(body, chat=chat)
        check_sampling(body)
        prompt = asked.pop("count")
        limit = check_length(body, prompt, self._serving.context, chat=chat)
        asked |= {name: body[name] for name in _PASSED_ON if body.get(name) is not None}
        asked |= {
            "max_tokens": limit,
            "stream": True,
            "stream_options": {"include_usage": True},
            "timings_per_token": True,
            "cache_prompt": self._serving.cache.prefix_caching,
        }
        return Answer(self._serving, chat, prompt, limit, max_tokens_of(body), began), asked

    async def _asked(self, body: Json, *, chat: bool) -> Json:
        """The prompt as the engine takes it, with its `count` of tokens."""
        if chat:
            messages = body.get("messages")
            if not isinstance(messages, list) or not messages:
                raise malformed("missing", "body.messages", "Field required", body)
            return {"messages": messages, "count": len(await self._tokens(await self._template(messages)))}
        prompt = body.get("prompt")
        if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str):
            prompt = prompt[0]
        if isinstance(prompt, list) and prompt and all(isinstance(token, int) for token in prompt):
            return {"prompt": prompt, "count": len(prompt)}
        if isinstance(prompt, list):
            raise bad("the sandbox's engine completes one prompt to a request", "prompt")
        if not isinstance(prompt, str):
            raise malformed("missing", "body.prompt", "Field required", body)
        return {"prompt": prompt, "count": len(await self._tokens(prompt))}

    async def pieces(self, answer: Answer, asked: Json) -> AsyncGenerator[Piece, None]:
        """Pieces of text with their log probabilities; hanging up on this hangs up on the engine. Raises Refusal."""
        metrics = self._metrics
        metrics.waiting += 1
        waiting = True
        try:
            async with self._admitted(answer) as client:
                metrics.waiting -= 1
                waiting = False
                metrics.running += 1
                try:
                    async for piece in self._answered(client, answer, asked):
                        yield piece
                    self._finish(answer)
                finally:
                    metrics.running -= 1
                    metrics.tokens_in_use -= answer.prompt + answer.completion if answer.completion else 0
        except httpx.HTTPError as error:
            metrics.finished["error"] += 1
            raise _broken(error) from error
        finally:
            metrics.waiting -= waiting

    @asynccontextmanager
    async def _admitted(self, answer: Answer) -> AsyncGenerator[httpx.AsyncClient, None]:
        """A slot of this pod, then one of the engine all pods share."""
        engine = self._needed()
        tokens = answer.prompt + answer.limit
        async with self._own.pass_through(tokens), engine.gate.pass_through(tokens):
            answer.admitted = time.monotonic()
            yield await self._client()

    async def _answered(self, client: httpx.AsyncClient, answer: Answer, asked: Json) -> AsyncGenerator[Piece, None]:
        path = "/v1/chat/completions" if answer.chat else "/v1/completions"
        async with client.stream("POST", path, json=asked) as response:
            if response.status_code != 200:
                raise _refused(response.status_code, await response.aread())
            async for line in response.aiter_lines():
                if not line.startswith("data: ") or line == "data: [DONE]":
                    continue
                data = json.loads(line[6:])
                if "error" in data:
                    raise Refusal(500, str(data["error"].get("message")), "InternalServerError")
                self._count(answer, data)
                piece = _piece(answer, data)
                if piece is not None:
                    yield piece

    def _count(self, answer: Answer, data: Json) -> None:
        """Take over how many tokens the engine says it has read and written."""
        timings = data.get("timings")
        if not timings:
            return
        now, metrics = time.monotonic(), self._metrics
        written = int(timings["predicted_n"])
        if not answer.completion and written:
            answer.first = answer.last = now
            answer.prompt = int(timings["prompt_n"]) + int(timings["cache_n"])
            answer.cached = int(timings["cache_n"])
            answer.completion = 1
            metrics.prefilled(answer.prompt, answer.cached, now - answer.began)
            metrics.tokens_in_use += answer.prompt + 1
        more = written - answer.completion
        if more > 0:
            metrics.generated(more, now - answer.last)
            metrics.tokens_in_use += more
            answer.completion, answer.last = written, now

    def _finish(self, answer: Answer) -> None:
        self._metrics.finish(
            Finished(
                reason=answer.reason or "stop",
                prompt=answer.prompt,
                completion=answer.completion,
                cached=answer.cached,
                limit=answer.limit,
                max_tokens=answer.max_tokens,
                e2e=time.monotonic() - answer.began,
                queue=answer.admitted - answer.began,
                prefill=max(0.0, answer.first - answer.admitted),
                decode=answer.last - answer.first,
            )
        )

    # -- the engine ---------------------------------------------------------------------------------------------

    def _needed(self) -> Engine:
        if self._engine is None:
            raise Refusal(503, NO_ENGINE, "ServiceUnavailableError")
        return self._engine

    async def _client(self, *, failed: httpx.AsyncClient | None = None) -> httpx.AsyncClient:
        try:
            return await self._needed().client(failed=failed)
        except GenaiTuiError as error:
            raise Refusal(503, error.problem.line, "ServiceUnavailableError") from error

    async def _template(self, messages: Any) -> str:  # noqa: ANN401
        """The prompt the chat template makes of the messages."""
        data = await self._post("/apply-template", {"messages": messages})
        return str(data.get("prompt", ""))

    async def _tokens(self, text: str) -> list[int]:
        data = await self._post("/tokenize", {"content": text, "add_special": False, "parse_special": True})
        found: list[int] = data.get("tokens", [])
        return found

    async def _post(self, path: str, body: Json) -> Json:
        client = await self._client()
        try:
            response = await client.post(path, json=body)
        except httpx.TransportError as error:
            again = await self._client(failed=client)
            if again is client:
                raise _broken(error) from error
            response = await again.post(path, json=body)
        if response.status_code != 200:
            raise _refused(400, response.content)
        data: Json = response.json()
        return data


def _piece(answer: Answer, data: Json) -> Piece | None:
    choice = data["choices"][0] if data.get("choices") else {}
    answer.reason = choice.get("finish_reason") or answer.reason
    text = (choice.get("delta") or {}).get("content") if answer.chat else choice.get("text")
    if not text:
        return None
    answer.text.append(text)
    logprobs = choice.get("logprobs")
    if logprobs:
        content = [_logprob(entry) for entry in logprobs.get("content") or ()]
        answer.logprobs += content
        logprobs = {"content": content}
    return text, logprobs


def _logprob(entry: Json) -> Json:
    """One token's log probability without the engine's own token number."""
    kept = {name: entry[name] for name in ("token", "logprob", "bytes")}
    top = [{name: other[name] for name in ("token", "logprob", "bytes")} for other in entry.get("top_logprobs") or ()]
    return {**kept, "top_logprobs": top}


def _refused(code: int, body: bytes) -> Refusal:
    try:
        message = str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = body.decode("utf-8", "replace")
    return Refusal(code, message, "BadRequestError" if code == 400 else "InternalServerError")


def _broken(error: httpx.HTTPError) -> Refusal:
    message = "EngineCore encountered an issue. See stack trace (above) for the root cause."
    return Refusal(500, f"{message} ({type(error).__name__})", "InternalServerError")
