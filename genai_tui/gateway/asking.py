"""A client's request, read and checked: what it asks for, and the body the engine gets in its place."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.types import Receive, Scope

from genai_tui.gateway.protocol import CUT_SHORT
from genai_tui.gateway.refusals import Refused

BODY_LIMIT = 32 * 2**20
BODY_WAIT_S = 30.0
"""How long a body may pause; a client that says nothing for longer is not coming back."""
BODY_TOTAL_S = 180.0
"""How long the whole body may take: the largest one at 1.5 Mbit/s."""
_OUT_OF_RANGE = "out of range"
"""What msgspec says of numbers that it can read and not hold."""
_STREAMED = ("/v1/chat/completions", "/v1/completions")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a model: `data` is the whole body."""

    path: str
    model: str
    data: dict[str, Any]
    stream: bool
    asked_usage: bool
    asked_running: bool

    def for_engine(self, served_name: str) -> bytes:
        """The body with the name the engine knows; usage is asked for on every stream."""
        data: dict[str, Any] = self.data | {"model": served_name}
        if self.stream:
            given: dict[str, Any] = data.get("stream_options") or {}
            data["stream_options"] = given | {"include_usage": True}
        return msgspec.json.encode(data)


class ClientGone(Exception):
    """The client hung up before it had said what it wants."""


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """The whole body.

    Raises:
        Refused: 413, longer than is taken; 408, it does not come, or too slowly; 400, it breaks off.
        ClientGone: nobody waits for an answer.
    """
    too_long = Refused(413, f"The body is longer than {BODY_LIMIT // 2**20} MiB.", code="body_too_large")
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > BODY_LIMIT:
            raise too_long
    parts: list[bytes] = []
    size, until = 0, time.monotonic() + BODY_TOTAL_S
    while True:
        try:
            message = await asyncio.wait_for(receive(), min(BODY_WAIT_S, until - time.monotonic()))
        except TimeoutError as error:
            raise Refused(408, "The rest of the body did not come in time.", code="body_timeout") from error
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > BODY_LIMIT:
            raise too_long
        if not message.get("more_body", False):
            if CUT_SHORT in scope.get("state", {}):
                raise Refused(400, scope["state"][CUT_SHORT], code="invalid_http")
            return b"".join(parts)


def read(path: str, body: bytes) -> Asked:
    """What is asked.

    Raises:
        Refused: 400, it is not JSON, or names no model.
    """
    try:
        data = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError) as error:
        if _OUT_OF_RANGE in str(error):
            why = "A number in the body is too large for any engine."
            raise Refused(400, why, code="invalid_value") from error
        raise Refused(400, f"The body is not JSON: {error}.", code="invalid_json") from error
    except UnicodeDecodeError as error:
        raise Refused(400, "The body is not JSON: it is not UTF-8.", code="invalid_json") from error
    if not isinstance(data, dict):
        raise Refused(400, "The body must be a JSON object.", code="invalid_json")
    model = data.get("model")
    if not isinstance(model, str) or not model:
        raise Refused(400, "'model' must be the name of a model.", param="model", code="invalid_model")
    stream, options = data.get("stream"), data.get("stream_options")
    if stream is not None and not isinstance(stream, bool):
        raise Refused(400, "'stream' must be true or false.", param="stream", code="invalid_type")
    if options is not None and not isinstance(options, dict):
        raise Refused(400, "'stream_options' must be an object.", param="stream_options", code="invalid_type")
    if stream and path not in _STREAMED:
        raise Refused(400, f"{path} does not stream.", param="stream", code="invalid_value")
    wanted = options or {}
    return Asked(
        path,
        model,
        data,
        stream=bool(stream),
        asked_usage=wanted.get("include_usage") is True,
        asked_running=wanted.get("continuous_usage_stats") is True,
    )
