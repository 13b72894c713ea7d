"""The API server's refusals, in words: a meta/v1 Status becomes one of our errors.

Status and its reasons: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from __future__ import annotations

import re

import httpx
import msgspec

from genai_tui.domain.problems import FieldProblem
from genai_tui.domain.text import printable
from genai_tui.errors import (
    BadInput,
    Conflict,
    CredentialsRejected,
    GenaiTuiError,
    NotFound,
    NotPermitted,
    Refused,
    Unreachable,
)
from genai_tui.kube.wire import Status, StatusDetails

_STATUS = msgspec.json.Decoder(Status)
_FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]*)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]*)"| at the cluster scope)?'
)
_MANAGER = re.compile(r'conflict with "(?P<manager>[^"]*)"')
_MARKUP = re.compile(r"<(?:head|style|script).*?</(?:head|style|script)>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_LONGEST = 600


class Gone(GenaiTuiError):
    """The resource version asked for is too old (410): list again."""


class Modified(Conflict):
    """The object has another resource version than the one that was named: read it again."""


class Busy(Refused):
    """The server has too much to do; `retry_after` in seconds, None when it did not say when to come back."""

    def __init__(self, what: str, *, status: int, retry_after: float | None) -> None:
        when = "in a moment" if retry_after is None else f"in {retry_after:.0f} s"
        super().__init__(what, status=status, reason="TooManyRequests", next_step=f"try again {when}")
        self.retry_after = retry_after


def refusal(code: int, body: bytes, headers: httpx.Headers | None = None) -> GenaiTuiError:
    """The error for a response that is not a success."""
    try:
        status = _STATUS.decode(body)
    except msgspec.MsgspecError:
        status = Status(message=_MARKUP.sub(" ", body[:20_000].decode("utf-8", "replace")))
    message = _one_line(status.message or "") or f"HTTP {code}"
    if code == 401:
        return CredentialsRejected(
            "the cluster did not accept the credentials",
            why=message if message != "Unauthorized" else "they are missing, wrong or expired",
            next_step="log in again as for kubectl, then retry",
        )
    if code == 403:
        return _forbidden(message)
    if code == 404:
        return NotFound(message)
    if code == 409:
        return _conflict(message, status)
    if code == 410:
        return Gone(message)
    after = _retry_after(status, headers)
    if code == 429 or (code >= 500 and after is not None):
        return Busy(f"the API server is busy: {message}", status=code, retry_after=after)
    if code == 422 or (code == 400 and status.reason == "BadRequest"):
        return _invalid(code, message, status.details)
    if code >= 500:
        return Refused(f"the API server cannot do this now: {message}", status=code, reason=status.reason or "")
    return Refused(f"the API server refused: {message}", status=code, reason=status.reason or "")


def _one_line(text: str) -> str:
    """What another machine said, fit for one line of a terminal."""
    line = " ".join(printable(part) for part in text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _retry_after(status: Status, headers: httpx.Headers | None) -> float | None:
    text = headers.get("retry-after", "") if headers is not None else ""
    if text.isascii() and text.isdigit():
        return float(text[:6])
    said = status.details.retry_after_seconds if status.details else None
    return float(said) if said else None


def _forbidden(message: str) -> NotPermitted:
    match = _FORBIDDEN.search(message)
    if match is None:
        return NotPermitted("the cluster does not permit this", why=message)
    resource = match["resource"] + (f".{match['group']}" if match["group"] else "")
    where = f"in namespace {match['namespace']}" if match["namespace"] else "in the whole cluster"
    return NotPermitted(
        f"{match['user']} may not {match['verb']} {resource} {where}",
        next_step=f"ask for a role that allows the verb {match['verb']} on {resource} there",
        detail=message,
    )


def _conflict(message: str, status: Status) -> GenaiTuiError:
    if status.reason == "AlreadyExists":
        return Conflict(message, next_step="choose another name, or delete it first")
    owners: dict[str, str] = {}
    for cause in (status.details.causes if status.details else None) or ():
        match = _MANAGER.search(cause.message or "")
        if cause.reason == "FieldManagerConflict" and match and cause.field:
            owners[cause.field] = match["manager"]
    if owners:
        managers = ", ".join(sorted(set(owners.values())))
        fields = ", ".join(owners)
        return Conflict(
            f"{managers} owns {len(owners)} field{'s' if len(owners) > 1 else ''} this would change",
            owners=owners,
            why=fields,
            next_step="nothing was changed; agree with the owner, or change the same value there",
            detail=message,
        )
    return Modified(message, next_step="read it again and retry")


def _invalid(code: int, message: str, details: StatusDetails | None) -> GenaiTuiError:
    causes = (details.causes if details else None) or ()
    fields = tuple(FieldProblem(cause.field or "", _one_line(cause.message or message)) for cause in causes)
    if not fields:
        return Refused(f"the API server refused: {message}", status=code, reason="BadRequest")
    told = "; ".join(f"{problem.field}: {problem.message}".removeprefix(": ") for problem in fields)
    return BadInput("the API server refused the object", fields=fields, why=_one_line(told), detail=message)


def unreachable(error: Exception, server: str) -> GenaiTuiError:
    """No answer, in words: what was tried, and the likely reason."""
    late = isinstance(error, httpx.TimeoutException | TimeoutError)
    why = "it did not answer in time" if late else _first_cause(error)
    return Unreachable(f"cannot reach the cluster at {server}", why=why, next_step="check the network, VPN or proxy")


def _first_cause(error: BaseException) -> str:
    """The innermost message: httpx wraps what the operating system or TLS said."""
    seen: BaseException = error
    while True:
        inner = seen.__cause__ or seen.__context__
        if inner is None:
            break
        seen = inner
    return _one_line(str(seen)) or _one_line(str(error)) or type(error).__name__
