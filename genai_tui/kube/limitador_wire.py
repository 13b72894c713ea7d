"""What Limitador answers of its limits and counters, and which of them are ours.

Kuadrant writes each limit of our policies down in Limitador: in the namespace `<namespace>/<HTTPRoute>`, under a
condition that has a key of its own for every policy and limit, with the claim it counts by as its variable.
https://github.com/Kuadrant/kuadrant-operator/blob/main/internal/controller/limitador_limits_reconciler.go
https://github.com/Kuadrant/kuadrant-operator/blob/main/internal/controller/ratelimit_workflow_helpers.go
The answers, of `GET /limits/{namespace}` and `GET /counters/{namespace}`:
https://github.com/Kuadrant/limitador/blob/main/limitador-server/src/http_api/request_types.rs
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from genai_tui.domain.enforcement import LEVELS
from genai_tui.domain.limits import Level, OpenWindow, Unit
from genai_tui.domain.rows import Ref
from genai_tui.errors import Unreachable
from genai_tui.kube.manifests.kuadrant import REQUEST_LIMITS, TOKEN_LIMITS, claim

_CONDITION = re.compile(r"""(?:descriptors\[0\]\[["'])?(?P<key>[\w.]+)(?:["']\])? == ["']1["']""")
_VARIABLE = re.compile(r"""(?:descriptors\[0\](?:\[["']|\.))?(?P<claim>[\w.]+)(?:["']\])?""")
"""Older versions of the operator wrote keys and claims without `descriptors`."""
_WORD = 2**64


class _Limit(msgspec.Struct):
    """A limit, as far as it says whose it is."""

    conditions: list[str]
    variables: list[str]


class _Counted(msgspec.Struct):
    limit: _Limit


class _Most(msgspec.Struct):
    max_value: int


class _Counter(msgspec.Struct):
    """A counter of ours. Times are whole seconds, rounded down."""

    limit: _Most
    set_variables: dict[str, str]
    remaining: int
    expires_in_seconds: Annotated[int, msgspec.Meta(ge=0, le=86_400)]


@dataclass(frozen=True, slots=True)
class _Ours:
    """One of our limits, and the claim it counts by."""

    level: Level
    unit: Unit
    claim: str


def identifier(kind: Literal["limit", "tokenlimit"], policy: Ref, name: str) -> str:
    """The key that Kuadrant gives a limit of a policy: a RateLimitPolicy's is a `limit`, the other's a `tokenlimit`."""
    mark = hashlib.sha256(f"{policy}/{name}".encode()).hexdigest()[:8]
    return f"{kind}.{re.sub(r'[^a-zA-Z0-9_]', '_', name)}__{mark}"


def limits_kept(answer: bytes, ref: Ref) -> frozenset[tuple[Level, Unit]]:
    """Which of a deployment's limits Limitador has; what others set there is left out.

    Raises:
        Unreachable: it is no answer of Limitador.
    """
    ours = _ours(ref)
    found: set[tuple[Level, Unit]] = set()
    for item in _items(answer):
        mine = _whose(item, _Limit, ours)
        if mine is not None:
            found.add((mine.level, mine.unit))
    return frozenset(found)


def open_windows(answer: bytes, ref: Ref) -> tuple[OpenWindow, ...]:
    """The counters of a deployment's limits; what others count there is left out.

    Raises:
        Unreachable: it is no answer of Limitador, or a counter of ours cannot be read.
    """
    ours = _ours(ref)
    found: dict[tuple[Level, Unit, str], OpenWindow] = {}
    for item in _items(answer):
        mine = _whose(item, _Counted, ours)
        if mine is None:
            continue
        window = _window(item, mine)
        before = found.setdefault((window.level, window.unit, window.subject), window)
        if before.used < window.used:
            found[window.level, window.unit, window.subject] = window
    return tuple(found.values())


def _ours(ref: Ref) -> Mapping[str, _Ours]:
    """The six limits of a deployment, by their keys; its policies and its route are called as it is."""
    found: dict[str, _Ours] = {}
    for level, (_, short, _) in zip(Level, LEVELS, strict=True):
        found[identifier("limit", ref, REQUEST_LIMITS[short])] = _Ours(level, Unit.REQUESTS, claim(short))
        found[identifier("tokenlimit", ref, TOKEN_LIMITS[short])] = _Ours(level, Unit.TOKENS, claim(short))
    return found


def _items(answer: bytes) -> list[msgspec.Raw]:
    try:
        return msgspec.json.decode(answer, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Unreachable("what Limitador answered is not understood", why=str(error)) from error


def _whose(item: msgspec.Raw, shape: type[_Limit] | type[_Counted], ours: Mapping[str, _Ours]) -> _Ours | None:
    """The limit of ours that it is of; None for those of others, whatever they look like."""
    try:
        read = msgspec.json.decode(item, type=shape)
    except (msgspec.MsgspecError, RecursionError):
        return None
    limit = read if isinstance(read, _Limit) else read.limit
    keys = [found["key"] for condition in limit.conditions if (found := _CONDITION.fullmatch(condition))]
    mine = next((ours[key] for key in keys if key in ours), None)
    return mine if mine is not None and mine.claim in _claims(limit.variables) else None


def _claims(variables: list[str]) -> Iterator[str]:
    return (found["claim"] for variable in variables if (found := _VARIABLE.fullmatch(variable)))


def _window(item: msgspec.Raw, mine: _Ours) -> OpenWindow:
    try:
        counter = msgspec.json.decode(item, type=_Counter)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Unreachable("a counter of Limitador is not understood", why=str(error)) from error
    subject = next((v for k, v in counter.set_variables.items() if mine.claim in _claims([k])), None)
    # What is left is max_value - used in unsigned 64 bits: after an overshoot it has wrapped around.
    used = (counter.limit.max_value - counter.remaining) % _WORD
    if subject is None or used >= _WORD // 2:
        raise Unreachable("a counter of Limitador is not understood", why=f"it is of {mine.level} {mine.unit}")
    # The window of a counter that is told of is open: 0 is less than a second.
    return OpenWindow(mine.level, mine.unit, _plain(subject), used, float(max(1, counter.expires_in_seconds)))


def _plain(subject: str) -> str:
    """Claims are JSON in Envoy's metadata: a string may have kept its quotes."""
    try:
        return msgspec.json.decode(subject, type=str)
    except msgspec.MsgspecError:
        return subject
