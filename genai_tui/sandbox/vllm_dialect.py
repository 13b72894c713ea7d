"""vLLM's words: how a pod was started, what it refuses and how, and the shape of its answers.

Answers and errors have the form recorded from vLLM 0.32.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import JSONResponse

from genai_tui.sandbox.engine_metrics import Cache

Json = dict[str, Any]
VERSION = "0.33.0"


@dataclass(frozen=True, slots=True)
class Serving:
    """How the pod was started: names, context, keys, options.

    `silent` are the paths without access log lines, None for no access log at all. `nim` adds NIM's paths.
    """

    served_names: tuple[str, ...]
    root: str
    context: int
    cache: Cache
    api_keys: tuple[str, ...] = ()
    force_usage: bool = False
    prompt_details: bool = False
    max_seqs: int = 256
    silent: frozenset[str] | None = frozenset()
    nim: bool = False
    port: int = 8000
    version: str = VERSION

    @property
    def fingerprint(self) -> str:
        """`system_fingerprint`: the version and a hash of how the engine is set up."""
        digest = hashlib.sha256(repr((self.root, self.context, self.cache)).encode()).hexdigest()
        return f"vllm-{self.version}-{digest[:8]}"


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, code: int, message: str, kind: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message = code, message
        self.body: Json = {"error": {"message": message, "type": kind, "param": param, "code": code}}

    @property
    def response(self) -> JSONResponse:
        """The whole answer."""
        return JSONResponse(self.body, status_code=self.code)


def bad(message: str, param: str | None = None) -> Refusal:
    """400 for a value the engine does not take."""
    return Refusal(400, message, "BadRequestError", param)


def malformed(kind: str, place: str, message: str, given: Json, **context: Json) -> Refusal:
    """400 for a body that does not have the form of a request, in the validator's words."""
    shown: Json = {"type": kind, "loc": place, "msg": message, "input": f"<dict of {len(given)} items>", **context}
    return Refusal(400, f"1 validation error:\n  {shown}", "Bad Request", place)


def parse_body(text: bytes) -> Json:
    """A request's JSON object. Raises Refusal."""
    try:
        body = json.loads(text)
    except ValueError as error:
        place = getattr(error, "pos", 0)
        why = getattr(error, "msg", str(error))
        raise malformed("json_invalid", f"body.{place}", "JSON decode error", {}, ctx={"error": why}) from error
    if not isinstance(body, dict):
        shown = {"type": "dict_type", "loc": "body", "msg": "Input should be a valid dictionary", "input": str(body)}
        raise Refusal(400, f"1 validation error:\n  {shown}", "Bad Request", "body")
    return body


def check_model(body: Json, serving: Serving) -> None:
    """Raises Refusal: 404 for a name the engine does not serve."""
    model = body.get("model")
    if model is not None and model not in serving.served_names:
        names = ", ".join(serving.served_names)
        message = f"The model `{model}` does not exist. Valid aliases: {names}."
        raise Refusal(404, message, "NotFoundError", "model")


def check_sampling(body: Json) -> None:
    """Raises Refusal: 400 for values no engine samples with, and for what this one cannot do."""
    temperature, top_p = body.get("temperature"), body.get("top_p")
    if temperature is not None and (not _is_number(temperature) or temperature < 0):
        shown = f"{float(temperature)}" if _is_number(temperature) else repr(temperature)
        message = f"temperature must be non-negative, got {shown}. (parameter=temperature, value={shown})"
        raise bad(message, "temperature")
    if top_p is not None and (not _is_number(top_p) or not 0 < top_p <= 1):
        raise bad(f"top_p must be in (0, 1], got {top_p}. (parameter=top_p, value={top_p})", "top_p")
    for name in ("max_tokens", "max_completion_tokens"):
        wanted = body.get(name)
        if wanted is not None and (not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 1):
            raise bad(
                f"max_tokens must be at least 1, got {wanted}. (parameter=max_tokens, value={wanted})", "max_tokens"
            )
    if body.get("n") not in (None, 1):
        raise bad("the sandbox's engine gives one choice to a request: n must be 1", "n")
    if body.get("tools") and body.get("tool_choice", "auto") == "auto":
        raise bad('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set')


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_length(body: Json, prompt: int, context: int, *, chat: bool) -> int:
    """How many tokens may be generated. Raises Refusal: the prompt or the wish is too long."""
    if prompt >= context:
        raise bad(
            f"This model's maximum context length is {context} tokens. However, your prompt contains at least "
            f"{prompt} input tokens, which exceeds this limit even without any output tokens. Please reduce the "
            f"length of the input prompt. (parameter=input_tokens, value={prompt})",
            "input_tokens",
        )
    wanted = max_tokens_of(body)
    if wanted is None:
        return context - prompt if chat else min(16, context - prompt)
    if wanted > context:
        raise bad(
            f"max_tokens={wanted} cannot be greater than max_model_len={context}. Please request fewer output "
            f"tokens. (parameter=max_tokens, value={wanted})",
            "max_tokens",
        )
    return min(wanted, context - prompt)


def max_tokens_of(body: Json) -> int | None:
    """The request's own limit."""
    wanted: int | None = body.get("max_completion_tokens") or body.get("max_tokens")
    return wanted


def models(serving: Serving) -> Json:
    """`/v1/models`."""
    now = int(time.time())
    permission = {
        "object": "model_permission", "created": now, "allow_create_engine": False, "allow_sampling": True,
        "allow_logprobs": True, "allow_search_indices": False, "allow_view": True, "allow_fine_tuning": False,
        "organization": "*", "group": None, "is_blocking": False,
    }  # fmt: skip
    data: list[Json] = [
        {
            "id": name,
            "object": "model",
            "created": now,
            "owned_by": "vllm",
            "root": serving.root,
            "parent": None,
            "max_model_len": serving.context,
            "permission": [{"id": f"modelperm-{uuid.uuid4().hex[:16]}", **permission}],
        }
        for name in serving.served_names
    ]
    return {"object": "list", "data": data}


@dataclass(slots=True)
class Answer:
    """One request being answered; times from time.monotonic, seconds."""

    serving: Serving
    chat: bool
    prompt: int
    limit: int
    max_tokens: int | None
    began: float
    admitted: float = 0.0
    first: float = 0.0
    last: float = 0.0
    completion: int = 0
    cached: int = 0
    reason: str = ""
    text: list[str] = field(default_factory=list)
    logprobs: list[Json] = field(default_factory=list)
    id: str = ""
    created: int = field(default_factory=lambda: int(time.time()))

    def __post_init__(self) -> None:
        self.id = f"{'chatcmpl' if self.chat else 'cmpl'}-{uuid.uuid4().hex[:16]}"

    def _head(self, kind: str) -> Json:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.serving.served_names[0]}

    def _usage(self) -> Json:
        total = self.prompt + self.completion
        return {"prompt_tokens": self.prompt, "total_tokens": total, "completion_tokens": self.completion}

    def whole(self) -> Json:
        """The answer in one piece."""
        choice: Json = {"index": 0}
        text = "".join(self.text)
        if self.chat:
            empty = dict.fromkeys(("refusal", "annotations", "audio", "function_call", "reasoning"))
            choice["message"] = {"role": "assistant", "content": text, **empty}
        else:
            choice["text"] = text
        logprobs = {"content": self.logprobs} if self.logprobs else None
        choice |= {"logprobs": logprobs, "finish_reason": self.reason or "stop", "stop_reason": None}
        choice |= {"token_ids": None} | ({} if self.chat else {"prompt_logprobs": None, "prompt_token_ids": None})
        details = None
        if self.serving.prompt_details:
            created = 0 if self.chat else None
            details = {"cached_tokens": self.cached, "created_cache_tokens": created, "multimodal_tokens": None}
        usage = {**self._usage(), "prompt_tokens_details": details, "completion_tokens_details": None}
        return {
            **self._head("chat.completion" if self.chat else "text_completion"),
            "choices": [choice | {"routed_experts": None}],
            "service_tier": None,
            "system_fingerprint": self.serving.fingerprint,
            "usage": usage,
            **({"prompt_logprobs": None, "prompt_token_ids": None, "prompt_text": None} if self.chat else {}),
            "kv_transfer_params": None,
            "ec_transfer_params": None,
            "metrics": None,
        }

    def opening(self, *, usage: bool) -> Json:
        """A chat stream's first chunk: the role."""
        choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
        chunk = {**self._head("chat.completion.chunk"), "choices": [choice]}
        if usage:
            running = {"prompt_tokens": self.prompt, "total_tokens": self.prompt, "completion_tokens": 0}
            chunk["usage"] = {**running, "completion_tokens_details": None}
        return chunk | {"prompt_token_ids": None, "prompt_text": None}

    def chunk(self, text: str, logprobs: Json | None, reason: str | None, *, usage: bool) -> Json:
        """A piece of a stream; `usage` is the running count."""
        inner: Json = {"delta": {"content": text}} if self.chat else {"text": text}
        choice: Json = {"index": 0, **inner, "logprobs": logprobs, "finish_reason": reason}
        if reason is not None or not self.chat:
            choice["stop_reason"] = None
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        chunk = {**self._head(kind), "choices": [choice | {"token_ids": None}]}
        if usage:
            chunk["usage"] = {**self._usage(), "completion_tokens_details": None}
        return chunk

    def closing(self) -> Json:
        """A stream's last chunk: no choices, the final usage."""
        usage = self._usage()
        if self.serving.prompt_details:
            usage["prompt_tokens_details"] = {"cached_tokens": self.cached, "created_cache_tokens": 0}
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        return {**self._head(kind), "choices": [], "usage": usage, "system_fingerprint": self.serving.fingerprint}
