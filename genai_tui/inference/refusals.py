"""Every refusal on the way to an answer, in words: of the engine, of a gateway, of the API server in between.

Bodies seen: OpenAI's `{"error": {"message", "type", "param", "code"}}`, vLLM's `{"error": "Unauthorized"}` and
`{"detail": ...}`, llama.cpp's `exceed_context_size_error`, Kubernetes' `Status`, and plain text of proxies.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from genai_tui.domain.text import printable
from genai_tui.errors import (
    CredentialsRejected,
    EngineRefused,
    GenaiTuiError,
    NotFound,
    NotPermitted,
    TimedOut,
    Unreachable,
)

_LONGEST = 600
_OF_GATEWAY = {
    401: ("does not accept this API key", "area 4 lists the keys: it may have expired or been revoked"),
    403: ("does not let this API key call it", "the Sharing tab says who may call; a key can be confined to others"),
    404: ("serves no such model to this API key", "see whether its endpoint leaves enforcement to this gateway"),
}
"""What a gateway decides by itself, and where an operator looks."""

_OF_ITS_START = (
    (
        ("--enable-auto-tool-choice", "--tool-call-parser"),
        "the engine was started without tool calling",
        "add --enable-auto-tool-choice and --tool-call-parser with the parser of this model under Advanced, "
        "extra arguments; or clear tools (ctrl+g)",
    ),
    (
        ("--jinja",),
        "the engine was started without tool calling",
        "add --jinja to its arguments; or clear tools (ctrl+g)",
    ),
    (
        ("logprobs",),
        "the engine does not tell so many chances of tokens",
        "lower logprobs (ctrl+g), or raise --max-logprobs under Advanced, extra arguments",
    ),
    (
        ("chat template", "chat_template"),
        "the model has no chat template",
        "ask a model made for chat, or give it one with --chat-template under Advanced, extra arguments",
    ),
    (
        ("response_format", "structured output", "structured_outputs", "guided", "grammar", "json_object"),
        "the engine cannot hold its answer to JSON",
        "choose text in place of JSON (ctrl+g), or see --structured-outputs-config of its engine",
    ),
)
"""What an engine refuses for the way it was started: words of it in lower case, what that means, and what to do."""


@dataclass(frozen=True, slots=True)
class Said:
    """What an error's body says. `cluster` is whether Kubernetes said it, and not the engine."""

    message: str
    code: str = ""
    param: str = ""
    cluster: bool = False


def refusal(
    status: int,
    body: bytes,
    headers: Mapping[str, str],
    *,
    model: str,
    key: str | None = None,
    gateway: bool = False,
) -> GenaiTuiError:
    """The error that an HTTP status other than 200 stands for.

    Args:
        status: the HTTP status.
        body: the whole body.
        headers: of the response.
        model: the name that was asked for.
        key: a secret that may be in the body and is taken out of it.
        gateway: whether a gateway was asked.
    """
    said = read(body, key)
    if gateway and status in _OF_GATEWAY:
        what, step = _OF_GATEWAY[status]
        return EngineRefused(
            f"the gateway {what} ({status})", status=status, code=said.code, why=said.message, next_step=step
        )
    return _of_the_cluster(status, said) if said.cluster else _of_the_engine(status, said, headers, model)


def read(body: bytes, key: str | None = None) -> Said:
    """The error in a body, in whatever shape it comes."""
    text = body[:20_000].decode("utf-8", "replace").strip()
    if key:
        text = text.replace(key, "…")
    try:
        data = json.loads(text)
    except ValueError:
        first = text.splitlines()[0] if text else ""
        return Said(_clean("an HTML page" if first.startswith("<") else first))
    return _of_json(data) if isinstance(data, dict) else Said(_clean(text))


def _of_json(data: dict[str, Any]) -> Said:
    if data.get("kind") == "Status":
        return Said(_clean(data.get("message")), str(data.get("reason") or ""), cluster=True)
    error = data.get("error", data)
    if not isinstance(error, dict):
        return Said(_clean(error))
    message = error.get("message") or error.get("detail")
    if isinstance(message, list):
        message = "; ".join(_validation(item) for item in message)
    code = error.get("type") or error.get("code") or ""
    return Said(_clean(message or json.dumps(data)), str(code), str(error.get("param") or ""))


def _validation(item: object) -> str:
    """One entry of FastAPI's list of what is wrong with a body."""
    if not isinstance(item, dict):
        return str(item)
    loc = item.get("loc")
    where = ".".join(str(part) for part in loc if part != "body") if isinstance(loc, list) else ""
    return f"{where}: {item.get('msg')}" if where else str(item.get("msg"))


def _clean(message: object) -> str:
    text = " ".join(str(message or "").split())
    return printable(text if len(text) <= _LONGEST else text[:_LONGEST] + "…") or "no reason given"


def _of_the_cluster(status: int, said: Said) -> GenaiTuiError:
    why = said.message
    if status == 401:
        return CredentialsRejected("the cluster does not accept these credentials", why=why, next_step="log in again")
    if status == 403:
        step = "ask for get and create on services/proxy and pods/proxy in its namespace"
        return NotPermitted("not permitted to reach the engine through the cluster", why=why, next_step=step)
    if status == 404:
        return NotFound(
            "the cluster knows no such service", why=why, next_step="see whether the deployment still exists"
        )
    if status in (500, 502, 503, 504):
        return Unreachable("no replica answers", why=why, next_step="see its rollout: it must be Running")
    return EngineRefused(f"the cluster refused the request ({status})", status=status, code=said.code, why=why)


def _of_the_engine(status: int, said: Said, headers: Mapping[str, str], model: str) -> GenaiTuiError:
    if status == 401:
        step = "give it the key it was started with, or call it through its endpoint with an API key"
        return CredentialsRejected("the engine wants an API key", why=said.message, next_step=step)
    what, step = _explained(status, said, headers, model)
    return EngineRefused(what, status=status, code=said.code, why=said.message, next_step=step)


def _explained(status: int, said: Said, headers: Mapping[str, str], model: str) -> tuple[str, str]:
    """What happened, and what to do."""
    if status == 429:
        wait = headers.get("retry-after", "").strip()
        when = f"in {wait} s" if wait.isdigit() else f"after {wait}" if wait else "in a moment"
        return "too many requests or tokens", f"ask again {when}"
    if status == 404 and said.param == "model":
        return f"the engine serves no model '{model}'", "ask for one of the names it serves"
    if status == 404:
        return "the engine has no chat API", "chat needs a chat model; this one may be for embeddings or completions"
    if _too_long(said):
        return "the conversation is longer than the context", "shorten it, or begin a new one"
    if said.param in ("max_tokens", "max_completion_tokens") or "max_tokens" in said.message:
        return "the engine refused max tokens", "lower max tokens"
    for marks, what, step in _OF_ITS_START if status in (400, 422, 500, 501) else ():
        if any(mark in f"{said.param} {said.message}".lower() for mark in marks):
            return what, step
    if status in (502, 503, 504):
        return "the engine is not ready", "see its rollout: it must be Running"
    if status >= 500:
        return f"the engine failed ({status})", "see its log"
    field = said.param.removeprefix("body.")
    step = (
        f"change {field}; every setting is at ctrl+g" if field else "change what it names; every setting is at ctrl+g"
    )
    return f"the engine refused the request ({status})", step


def _too_long(said: Said) -> bool:
    return (
        said.param == "input_tokens"
        or said.code == "exceed_context_size_error"
        or "maximum context length" in said.message
    )


def broken(error: httpx.HTTPError, pieces: int = 0, *, gateway: bool = False) -> GenaiTuiError:
    """A connection that was not made, or that ended before the answer did, after so many pieces of it."""
    why = str(error) or type(error).__name__
    if gateway and isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return Unreachable("the gateway cannot be reached", why=why, next_step="see whether it runs, at that address")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return Unreachable("the engine cannot be reached", why=why, next_step="see its rollout: it must be Running")
    if isinstance(error, httpx.TimeoutException):
        step = "ask again; a long queue shows in its metrics"
        return TimedOut("the engine has gone silent", why="no token came in the time allowed", next_step=step)
    return cut(pieces, why)


def cut(pieces: int, why: str) -> Unreachable:
    """A stream that ended in the middle."""
    after = f" after {pieces} pieces" if pieces else " before its first word"
    return Unreachable(
        f"the answer broke off{after}", why=why, next_step="ask again; if it recurs, see the engine's log"
    )
