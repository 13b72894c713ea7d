"""An engine pod's HTTP face: vLLM's dialect in front of the real engine, with counts of its own.

Answers, errors and stream chunks have the form recorded from vLLM 0.32. The text and the token counts are the real
engine's; nothing is made up: without an engine requests are refused with the reason.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from genai_tui.errors import GenaiTuiError
from genai_tui.sandbox.engine import Engine
from genai_tui.sandbox.engine_metrics import EngineMetrics

Json = dict[str, Any]
VERSION = "0.33.0"
_PASSED_ON = (
    "temperature", "top_p", "seed", "stop", "presence_penalty", "frequency_penalty", "top_k", "min_p", "logprobs",
    "top_logprobs", "response_format",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Serving:
    """How the pod was started: names, context, key, options."""

    served_names: tuple[str, ...]
    context: int
    api_key: str | None = None
    force_usage: bool = False
    prompt_details: bool = False
    prefix: str = ""
    nim: bool = False


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, code: int, message: str, kind: str, param: str | None = None) -> None:
        super().__init__(message)
        self.response = JSONResponse(
            {"error": {"message": message, "type": kind, "param": param, "code": code}}, status_code=code
        )


@dataclass(slots=True)
class _Run:
    """One request being answered."""

    id: str
    model: str
    prompt: int
    began: float
    completion: int = 0
    cached: int = 0
    reason: str = ""
    last: float = 0.0
    text: list[str] = field(default_factory=list)
    logprobs: list[Json] = field(default_factory=list)


class Shim:
    """One pod's engine."""

    def __init__(self, engine: Engine | None, serving: Serving, say: Callable[[str], None]) -> None:
        self._engine, self._serving, self._say = engine, serving, say
        self.metrics = EngineMetrics(serving.served_names[0], serving.context)
        self.up = False
        self.app = self._build()

    def _build(self) -> Starlette:
        routes = [
            Route("/health", self._health),
            Route("/ping", self._health, methods=["GET", "POST"]),
            Route("/v1/health/ready", self._health),
            Route("/v1/health/live", self._health),
            Route("/version", self._version),
            Route("/metrics", self._metrics),
            Route("/v1/metrics", self._metrics),
            Route("/v1/models", self._models),
            Route("/tokenize", self._tokenize, methods=["POST"]),
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
            Route("/v1/completions", self._completions, methods=["POST"]),
        ]
        return Starlette(routes=routes, exception_handlers={404: _not_found, 405: _not_allowed})

    async def _health(self, request: Request) -> Response:
        return Response(status_code=200 if self.up else 503)

    async def _version(self, request: Request) -> Response:
        return JSONResponse({"version": VERSION})

    async def _metrics(self, request: Request) -> Response:
        return PlainTextResponse(self.metrics.text(), media_type="text/plain; version=0.0.4")

    async def _models(self, request: Request) -> Response:
        if (refused := self._unauthorized(request)) is not None:
            return refused
        first = self._serving.served_names[0]
        data: list[Json] = [
            {
                "id": name,
                "object": "model",
                "created": int(time.time()),
                "owned_by": "vllm",
                "root": first,
                "parent": None,
                "max_model_len": self._serving.context,
                "permission": [],
            }
            for name in self._serving.served_names
        ]
        return JSONResponse({"object": "list", "data": data})

    def _unauthorized(self, request: Request) -> Response | None:
        key = self._serving.api_key
        if key is None or request.headers.get("authorization") == f"Bearer {key}":
            return None
        return JSONResponse({"error": "Unauthorized"}, status_code=401)

    def _log(self, request: Request, code: int) -> None:
        phrase = {200: "OK", 400: "Bad Request", 404: "Not Found", 401: "Unauthorized"}.get(code, "Error")
        self._say(f'INFO:     127.0.0.1:0 - "{request.method} {request.url.path} HTTP/1.1" {code} {phrase}')

    # -- requests -----------------------------------------------------------------------------------------------

    async def _tokenize(self, request: Request) -> Response:
        try:
            body = await self._read(request)
            client = await self._client()
            prompt = body.get("prompt")
            text = prompt if isinstance(prompt, str) else await _template(client, body.get("messages") or [])
            tokens = await _tokens(client, text)
        except Refusal as refusal:
            return refusal.response
        return JSONResponse(
            {"count": len(tokens), "max_model_len": self._serving.context, "tokens": tokens, "token_strs": None}
        )

    async def _chat(self, request: Request) -> Response:
        return await self._answer(request, chat=True)

    async def _completions(self, request: Request) -> Response:
        return await self._answer(request, chat=False)

    async def _answer(self, request: Request, *, chat: bool) -> Response:
        if (refused := self._unauthorized(request)) is not None:
            self._log(request, 401)
            return refused
        try:
            body = await self._read(request)
            run, asked, client = await self._prepare(body, chat=chat)
        except Refusal as refusal:
            self._log(request, refusal.response.status_code)
            return refusal.response
        self._log(request, 200)
        pieces = self._run(run, asked, client, chat=chat)
        if body.get("stream"):
            usage = self._serving.force_usage or bool((body.get("stream_options") or {}).get("include_usage"))
            lines = self._stream(run, pieces, chat=chat, usage=usage)
            return StreamingResponse(lines, media_type="text/event-stream")
        try:
            async with aclosing(pieces):
                async for _ in pieces:
                    pass
        except Refusal as refusal:
            return refusal.response
        return JSONResponse(self._whole(run, chat=chat))

    async def _read(self, request: Request) -> Json:
        try:
            body = await request.json()
        except ValueError as error:
            raise Refusal(400, f"Invalid JSON: {error}", "BadRequestError") from error
        if not isinstance(body, dict):
            raise Refusal(400, "Input should be a valid dictionary", "BadRequestError")
        return body

    async def _client(self) -> httpx.AsyncClient:
        if self._engine is None:
            raise Refusal(503, "no engine is installed in this sandbox", "ServiceUnavailableError")
        try:
            return await self._engine.client()
        except GenaiTuiError as error:
            raise Refusal(503, error.problem.line, "ServiceUnavailableError") from error

    async def _prepare(self, body: Json, *, chat: bool) -> tuple[_Run, Json, httpx.AsyncClient]:
        """Check the request as vLLM does, and what to ask the engine."""
        names = self._serving.served_names
        model = body.get("model", names[0])
        if model not in names:
            message = f"The model `{model}` does not exist. Valid aliases: {', '.join(names)}."
            raise Refusal(404, message, "NotFoundError", "model")
        _check_sampling(body)
        client = await self._client()
        if chat:
            messages = body.get("messages")
            if not isinstance(messages, list) or not messages:
                raise Refusal(400, "messages: Field required", "BadRequestError", "messages")
            asked: Json = {"messages": messages}
            prompt_text = await _template(client, messages)
        else:
            prompt_text = str(body.get("prompt", ""))
            asked = {"prompt": prompt_text}
        prompt = len(await _tokens(client, prompt_text))
        limit = self._limit(body, prompt)
        asked |= {name: body[name] for name in _PASSED_ON if body.get(name) is not None}
        asked |= {"max_tokens": limit, "stream": True, "stream_options": {"include_usage": True}, "cache_prompt": True}
        kind = "chatcmpl" if chat else "cmpl"
        run = _Run(f"{kind}-{uuid.uuid4().hex[:16]}", str(model), prompt, time.monotonic())
        return run, asked, client

    def _limit(self, body: Json, prompt: int) -> int:
        """How many tokens may be generated; vLLM's own refusals when the prompt or the wish is too long."""
        context = self._serving.context
        if prompt >= context:
            raise Refusal(
                400,
                f"This model's maximum context length is {context} tokens. However, your prompt contains at least "
                f"{prompt} input tokens, which exceeds this limit even without any output tokens. Please reduce the "
                f"length of the input prompt. (parameter=input_tokens, value={prompt})",
                "BadRequestError",
                "input_tokens",
            )
        wanted = body.get("max_completion_tokens") or body.get("max_tokens")
        if wanted is None:
            return context - prompt if "messages" in body else 16
        if wanted > context:
            raise Refusal(
                400,
                f"max_tokens={wanted} cannot be greater than max_model_len={context}. Please request fewer output "
                f"tokens. (parameter=max_tokens, value={wanted})",
                "BadRequestError",
                "max_tokens",
            )
        return min(int(wanted), context - prompt)

    async def _run(
        self, run: _Run, asked: Json, client: httpx.AsyncClient, *, chat: bool
    ) -> AsyncGenerator[tuple[str, Json | None], None]:
        """The pieces of text with their log probabilities. Hanging up on this hangs up on the engine."""
        path = "/v1/chat/completions" if chat else "/v1/completions"
        self.metrics.running += 1
        self.metrics.tokens_in_use += run.prompt
        held = run.prompt
        try:
            async with client.stream("POST", path, json=asked) as response:
                if response.status_code != 200:
                    said = (await response.aread()).decode("utf-8", "replace")
                    raise Refusal(response.status_code, said, "InternalServerError")
                async for line in response.aiter_lines():
                    piece = self._piece(run, line)
                    if piece is not None:
                        self.metrics.tokens_in_use += 1
                        held += 1
                        yield piece
        except httpx.HTTPError as error:
            run.reason = run.reason or "error"
            raise Refusal(500, f"EngineCore encountered an issue: {error}", "InternalServerError") from error
        finally:
            self.metrics.running -= 1
            self.metrics.tokens_in_use -= held
            seconds = time.monotonic() - run.began
            self.metrics.answered(run.prompt, run.completion, run.cached, run.reason or "abort", seconds)

    def _piece(self, run: _Run, line: str) -> tuple[str, Json | None] | None:
        """One line of the engine's stream."""
        if not line.startswith("data: ") or line == "data: [DONE]":
            return None
        data = json.loads(line[6:])
        usage = data.get("usage")
        if usage:
            run.prompt, run.completion = usage["prompt_tokens"], usage["completion_tokens"]
            run.cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
        if not data.get("choices"):
            return None
        choice = data["choices"][0]
        run.reason = choice.get("finish_reason") or run.reason
        text = (choice.get("delta") or {}).get("content") if "delta" in choice else choice.get("text")
        if not text:
            return None
        now = time.monotonic()
        (self.metrics.itl if run.last else self.metrics.ttft).observe(now - (run.last or run.began))
        run.last = now
        run.completion += 1
        run.text.append(text)
        return text, choice.get("logprobs")

    # -- answers ------------------------------------------------------------------------------------------------

    def _usage(self, run: _Run, *, last: bool) -> Json:
        usage: Json = {
            "prompt_tokens": run.prompt,
            "total_tokens": run.prompt + run.completion,
            "completion_tokens": run.completion,
        }
        if last and self._serving.prompt_details:
            usage["prompt_tokens_details"] = {"cached_tokens": run.cached}
        return usage

    def _whole(self, run: _Run, *, chat: bool) -> Json:
        text, head = "".join(run.text), {"id": run.id, "created": int(time.time()), "model": run.model}
        choice: Json = {"index": 0, "logprobs": None, "finish_reason": run.reason or "stop", "stop_reason": None}
        if chat:
            choice["message"] = {"role": "assistant", "content": text, "refusal": None}
        else:
            choice["text"] = text
        kind = "chat.completion" if chat else "text_completion"
        return head | {"object": kind, "choices": [choice], "usage": self._usage(run, last=True)}

    async def _stream(
        self, run: _Run, pieces: AsyncGenerator[tuple[str, Json | None], None], *, chat: bool, usage: bool
    ) -> AsyncIterator[bytes]:
        kind = "chat.completion.chunk" if chat else "text_completion"
        head: Json = {"id": run.id, "object": kind, "created": int(time.time()), "model": run.model}

        def event(choices: list[Json], *, last: bool = False) -> bytes:
            running = usage and (self._serving.force_usage or last)
            data = head | {"choices": choices} | ({"usage": self._usage(run, last=last)} if running else {})
            return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()

        def choice(text: str, reason: str | None = None, logprobs: Json | None = None) -> Json:
            inner: Json = {"delta": {"content": text}} if chat else {"text": text}
            return {"index": 0, **inner, "logprobs": logprobs, "finish_reason": reason}

        if chat:
            first = {"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
            yield event([first])
        try:
            async with aclosing(pieces):
                async for text, logprobs in pieces:
                    yield event([choice(text, logprobs=logprobs)])
        except Refusal as refusal:
            yield b"data: " + bytes(refusal.response.body) + b"\n\ndata: [DONE]\n\n"
            return
        yield event([choice("", run.reason or "stop")])
        if usage:
            yield event([], last=True)
        yield b"data: [DONE]\n\n"


async def _template(client: httpx.AsyncClient, messages: Any) -> str:  # noqa: ANN401
    """The prompt the chat template makes of the messages."""
    response = await _post(client, "/apply-template", {"messages": messages})
    return str(response.get("prompt", ""))


async def _tokens(client: httpx.AsyncClient, text: str) -> list[int]:
    response = await _post(client, "/tokenize", {"content": text, "add_special": False, "parse_special": True})
    found: list[int] = response.get("tokens", [])
    return found


async def _post(client: httpx.AsyncClient, path: str, body: Json) -> Json:
    try:
        response = await client.post(path, json=body)
    except httpx.HTTPError as error:
        raise Refusal(500, f"EngineCore encountered an issue: {error}", "InternalServerError") from error
    data: Json = response.json()
    if response.status_code != 200:
        raise Refusal(400, str(data.get("error", {}).get("message", data)), "BadRequestError")
    return data


def _check_sampling(body: Json) -> None:
    temperature = body.get("temperature")
    if temperature is not None and (not isinstance(temperature, int | float) or temperature < 0):
        message = f"temperature must be non-negative, got {temperature}. (parameter=temperature, value={temperature})"
        raise Refusal(400, message, "BadRequestError", "temperature")
    top_p = body.get("top_p")
    if top_p is not None and (not isinstance(top_p, int | float) or not 0 < top_p <= 1):
        message = f"top_p must be in (0, 1], got {top_p}. (parameter=top_p, value={top_p})"
        raise Refusal(400, message, "BadRequestError", "top_p")
    for name in ("max_tokens", "max_completion_tokens"):
        wanted = body.get(name)
        if wanted is not None and (not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 1):
            message = f"max_tokens must be at least 1, got {wanted}. (parameter=max_tokens, value={wanted})"
            raise Refusal(400, message, "BadRequestError", "max_tokens")


async def _not_found(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": "Not Found"}, 404)


async def _not_allowed(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": "Method Not Allowed"}, 405)
