"""An engine pod's HTTP face: vLLM's dialect (and NIM's paths) in front of the real engine.

Without an engine requests are refused with the reason. Requests go: ASGI -> key, access log and counts here ->
`vllm_generation` -> the engine's process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from genai_tui.sandbox.engine import Engine
from genai_tui.sandbox.engine_metrics import EngineMetrics
from genai_tui.sandbox.http_metrics import HttpMetrics, process_lines
from genai_tui.sandbox.vllm_dialect import Answer, Json, Refusal, Serving, models, parse_body
from genai_tui.sandbox.vllm_generation import Generation, Piece

CLIENT_CLOSED_REQUEST = 499
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_METRICS_TYPE = "text/plain; version=1.0.0"
_OPEN_NIM_PATHS = ("/v1/health/", "/v1/metrics")


class Shim:
    """One pod's engine. `say` takes a line of the container's log."""

    def __init__(self, engine: Engine | None, serving: Serving, say: Callable[[str], None]) -> None:
        self.serving = serving
        self.metrics = EngineMetrics(serving.served_names[0], serving.context, serving.cache)
        self._say = say
        self._generation = Generation(engine, serving, self.metrics)
        self._http = HttpMetrics()
        self._started = time.time()
        routes = self._build()
        self._paths = frozenset(route.path for route in routes)
        self._routes = Starlette(routes=routes, exception_handlers={404: _not_found, 405: _not_allowed})
        self._up = False
        self.dead = False
        self.on_health: Callable[[], None] = lambda: None

    @property
    def up(self) -> bool:
        """Whether it listens."""
        return self._up

    @up.setter
    def up(self, value: bool) -> None:
        self._up = value
        self.on_health()

    def listen(self) -> None:
        """Open the port."""
        self.up = True

    def die(self) -> None:
        """From now on `/health` answers 503, as when the engine behind the API server has died."""
        self.dead = True
        self.on_health()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the key, pass on, log and count."""
        if scope["type"] != "http":
            return
        began, status = time.monotonic(), HTTPStatus.INTERNAL_SERVER_ERROR.value

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._log_access(scope, status)
            await send(message)

        inner: Starlette | Response = self._routes
        if not self._is_permitted(scope):
            inner = JSONResponse({"error": "Unauthorized"}, 401)
        try:
            await inner(scope, receive, noting)
        finally:
            handler = scope["path"] if scope["path"] in self._paths else "none"
            self._http.count(handler, scope["method"], status, time.monotonic() - began)

    def _is_permitted(self, scope: Scope) -> bool:
        path, keys = scope["path"], self.serving.api_keys
        if not keys or not path.startswith("/v1"):
            return True
        if self.serving.nim and path.startswith(_OPEN_NIM_PATHS):
            return True
        given = dict(scope["headers"]).get(b"authorization", b"")
        return any(secrets.compare_digest(given, f"Bearer {key}".encode()) for key in keys)

    def _log_access(self, scope: Scope, status: int) -> None:
        silent = self.serving.silent
        if silent is None or scope["path"] in silent:
            return
        host, port = scope.get("client") or ("127.0.0.1", 0)
        query = scope.get("query_string", b"").decode("latin-1")
        path = scope["path"] + (f"?{query}" if query else "")
        phrase = _PHRASES.get(status, "")
        self._say(f'INFO:     {host}:{port} - "{scope["method"]} {path} HTTP/1.1" {status} {phrase}')

    def _build(self) -> list[Route]:
        routes = [
            Route("/health", self._health),
            Route("/ping", self._health, methods=["GET", "POST"]),
            Route("/version", self._version),
            Route("/metrics", self._metrics),
            Route("/v1/models", self._models),
            Route("/tokenize", self._tokenize, methods=["POST"]),
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
            Route("/v1/completions", self._completions, methods=["POST"]),
        ]
        if self.serving.nim:
            routes += [
                Route("/v1/health/ready", self._nim_health),
                Route("/v1/health/live", self._nim_health),
                Route("/v1/metrics", self._metrics),
            ]
        return routes

    async def _health(self, request: Request) -> Response:
        return Response(status_code=503 if self.dead else 200)

    async def _nim_health(self, request: Request) -> Response:
        word = request.url.path.rsplit("/", 1)[-1]
        if self.dead and word == "ready":
            message = "Service is not ready to receive requests."
            return JSONResponse({"object": "error", "message": message, "type": "ServiceUnavailable", "code": 503}, 503)
        return JSONResponse({"object": "health.response", "message": f"Service is {word}."})

    async def _version(self, request: Request) -> Response:
        return JSONResponse({"version": self.serving.version})

    async def _metrics(self, request: Request) -> Response:
        lines = [*process_lines(self._started), *self._http.lines()]
        return PlainTextResponse(self.metrics.text() + "\n".join(lines) + "\n", media_type=_METRICS_TYPE)

    async def _models(self, request: Request) -> Response:
        return JSONResponse(models(self.serving))

    async def _tokenize(self, request: Request) -> Response:
        try:
            body = parse_body(await request.body())
            tokens = await self._generation.tokenize(body)
        except Refusal as refusal:
            return refusal.response
        found = {"count": len(tokens), "max_model_len": self.serving.context, "tokens": tokens, "token_strs": None}
        return JSONResponse(found)

    # -- generation ---------------------------------------------------------------------------------------------

    async def _chat(self, request: Request) -> Response:
        return await self._answer(request, chat=True)

    async def _completions(self, request: Request) -> Response:
        return await self._answer(request, chat=False)

    async def _answer(self, request: Request, *, chat: bool) -> Response:
        try:
            body = parse_body(await request.body())
            answer, asked = await self._generation.prepare(body, chat=chat)
            pieces = self._generation.pieces(answer, asked)
            if body.get("stream"):
                return self._streamed(answer, pieces, body)
            return await self._collected(request, answer, pieces)
        except Refusal as refusal:
            if refusal.code == 404:
                self._say(f"(APIServer pid=1) ERROR [serving.py:274] Error with model error={refusal.message!r}")
            return refusal.response

    async def _collected(self, request: Request, answer: Answer, pieces: AsyncGenerator[Piece, None]) -> Response:
        """The whole answer; a client that hangs up stops the engine."""

        async def collect() -> None:
            async with aclosing(pieces):
                async for _ in pieces:
                    pass

        async def hang_up() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass

        work, gone = asyncio.create_task(collect()), asyncio.create_task(hang_up())
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                return Response(status_code=CLIENT_CLOSED_REQUEST)
            work.result()
            return JSONResponse(answer.whole())
        finally:
            for task in (work, gone):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Refusal):
                    await task

    def _streamed(self, answer: Answer, pieces: AsyncGenerator[Piece, None], body: Json) -> Response:
        """Server-sent events; what goes wrong after the request was accepted is an event too."""
        forced = self.serving.force_usage
        options = body.get("stream_options") or {}
        running = forced or bool(options.get("continuous_usage_stats") and options.get("include_usage"))
        events = _events(answer, pieces, running=running, final=forced or bool(options.get("include_usage")))
        return StreamingResponse(events, media_type="text/event-stream")


async def _events(
    answer: Answer, pieces: AsyncGenerator[Piece, None], *, running: bool, final: bool
) -> AsyncIterator[bytes]:
    """The chunks: role (with the first token), pieces, how it ended, usage, [DONE]."""
    async with aclosing(pieces):
        ended = False
        try:
            piece = await anext(pieces, None)
            if answer.chat:
                yield _event(answer.opening(usage=running))
            while piece is not None:
                # A full budget is known with its last token; the end of the text only afterwards.
                ended = answer.completion >= answer.limit
                yield _event(answer.chunk(*piece, "length" if ended else None, usage=running))
                piece = await anext(pieces, None)
        except Refusal as refusal:
            yield _event(refusal.body)
            yield b"data: [DONE]\n\n"
            return
        if not ended:
            yield _event(answer.chunk("", None, answer.reason or "stop", usage=running))
        if final:
            yield _event(answer.closing())
        yield b"data: [DONE]\n\n"


def _event(data: Json) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


async def _not_found(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": "Not Found"}, 404)


async def _not_allowed(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": "Method Not Allowed"}, 405)
