"""What the gateway says when it does not pass a request on, in OpenAI's error shape.

https://platform.openai.com/docs/guides/error-codes; client libraries choose their exception by the status alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from genai_tui.domain.limits import Admission
from genai_tui.domain.rows import Ref

_LONGEST_NAME = 253
"""Of a name in Kubernetes."""
INVALID, PERMISSION, SERVER = "invalid_request_error", "permission_error", "server_error"


class Refused(Exception):
    """A request that is answered here.

    Args:
        status: the HTTP status.
        message: what is wrong and what to do, for the caller.
        kind: OpenAI's `type`.
        code: OpenAI's `code`.
        param: the field of the body that is wrong.
        headers: more headers of the answer.
        ref: the deployment it is about, where that is one and the caller may not know it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = INVALID,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        ref: Ref | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.kind, self.code, self.ref = status, kind, code, ref
        self.body = error_body(message, kind, code, param)
        self.headers = dict(headers or {})

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """The answer."""
        return Response(self.body, self.status, {**(headers or {}), **self.headers}, "application/json")


def error_body(message: str, kind: str, code: str | None = None, param: str | None = None) -> bytes:
    """OpenAI's error object as JSON."""
    error = {"message": message, "type": kind, "param": param, "code": code}
    return msgspec.json.encode({"error": error})


def no_key(why: str) -> Refused:
    """401: no key, a wrong one, or one that has expired. The key itself is never repeated."""
    headers = {"WWW-Authenticate": "Bearer"}
    return Refused(401, why, code="invalid_api_key", headers=headers)


def not_allowed(why: str, ref: Ref | None = None) -> Refused:
    """403: the key is good, and may not call this."""
    return Refused(403, why, kind=PERMISSION, code="not_allowed", param="model", ref=ref)


def no_model(why: str) -> Refused:
    """404: no deployment of that name."""
    return Refused(404, why, code="model_not_found", param="model")


def unknown_model(name: str) -> Refused:
    """404 for a name nothing is served under; of a long one the beginning is repeated."""
    shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
    return no_model(f"The model '{shown}' does not exist. GET /v1/models lists what this key may call.")


def over_limit(admission: Admission, headers: Mapping[str, str]) -> Refused:
    """429, naming the limit that has the longest to go."""
    worst = max(admission.spent, key=lambda reading: reading.resets_in)
    wait = {"Retry-After": str(admission.retry_after)}
    return Refused(
        429, worst.sentence(), kind=worst.unit.value, code="rate_limit_exceeded", headers={**headers, **wait}
    )


def no_engine(deployment: str) -> Refused:
    """502: no replica answers, or not in a way that can be understood."""
    why = f"No replica of '{deployment}' answers. Try again in a moment."
    return Refused(502, why, kind=SERVER, code="engine_unreachable")


def silent_engine(deployment: str, seconds: float) -> Refused:
    """504: the engine took the request and said nothing."""
    why = f"'{deployment}' gave no answer within {seconds:.0f} s."
    return Refused(504, why, kind=SERVER, code="engine_timeout")
