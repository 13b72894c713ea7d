"""What an engine says of itself: the names it serves, how long a context may be, how many tokens a text has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from genai_tui.domain.chat import Message
from genai_tui.errors import EngineRefused
from genai_tui.inference.client import Target, messages_body
from genai_tui.inference.refusals import broken, refusal

ANSWER_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One entry of /v1/models; `max_model_len` is the longest context in tokens, where the engine says it."""

    name: str
    max_model_len: int | None


async def models(target: Target) -> tuple[ServedModel, ...]:
    """The names the engine serves, in its order.

    Raises:
        EngineRefused, CredentialsRejected, NotPermitted, NotFound, Unreachable, TimedOut: as the chat does.
    """
    data = _object(await _send(target, "GET", "/v1/models"), target)
    entries = data.get("data")
    if not isinstance(entries, list):
        raise EngineRefused("the engine's list of models cannot be read", status=200)
    return tuple(
        ServedModel(entry["id"], _length(entry))
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("id"), str)
    )


def _length(entry: dict[str, Any]) -> int | None:
    """The longest context: max_model_len of vLLM and NIM, the context of one slot (meta.n_ctx) of llama.cpp."""
    meta = entry.get("meta")
    found = entry.get("max_model_len") or (meta.get("n_ctx") if isinstance(meta, dict) else None)
    return found if isinstance(found, int) else None


async def context_length(target: Target) -> int | None:
    """The longest context of the name that is asked for. Raises as `models`."""
    served = await models(target)
    lengths = [entry.max_model_len for entry in served if entry.name == target.model]
    return lengths[0] if lengths else None


async def count_tokens(
    target: Target, messages: tuple[Message, ...], tools: tuple[Mapping[str, Any], ...] = ()
) -> int | None:
    """How many tokens a conversation is to the engine, chat template and tools included; None where it cannot tell.

    vLLM's /tokenize takes messages and tools as the chat does and answers with `count`; other engines have none, or
    count plain text only.

    Raises:
        CredentialsRejected, NotPermitted, Unreachable, TimedOut: as the chat does.
    """
    body: dict[str, Any] = {"model": target.model, "messages": messages_body(messages)}
    if tools:
        body["tools"] = list(tools)
    response = await _send(target, "POST", "/tokenize", body)
    if response.status_code in (400, 404, 405, 422, 501):
        return None
    found = _object(response, target).get("count")
    return found if isinstance(found, int) else None


async def _send(target: Target, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
    try:
        return await target.client.request(
            method, f"{target.base}{path}", json=body, headers=target.headers(), timeout=ANSWER_LIMIT_S
        )
    except httpx.HTTPError as error:
        raise broken(error, gateway=target.gateway) from error


def _object(response: httpx.Response, target: Target) -> dict[str, Any]:
    if response.status_code != 200:
        raise refusal(
            response.status_code,
            response.content,
            response.headers,
            model=target.model,
            key=target.key,
            gateway=target.gateway,
        )
    try:
        data = response.json()
    except ValueError as error:
        raise EngineRefused("the engine's answer cannot be read", status=200, why=str(error)) from error
    if not isinstance(data, dict):
        raise EngineRefused("the engine's answer cannot be read", status=200, why="it is not a JSON object")
    return data
