"""Logs of containers, line by line, made safe to show: what a container prints never reaches the terminal as is."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator

from genai_tui.domain.text import printable
from genai_tui.kube.connection import Connection
from genai_tui.kube.convert import moment
from genai_tui.services import LogLine

MAX_LINE = 8_000
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ?")


async def lines(
    connection: Connection,
    namespace: str,
    pod: str,
    *,
    container: str = "",
    follow: bool = True,
    previous: bool = False,
    tail: int = 500,
) -> AsyncGenerator[LogLine, None]:
    """Lines of one container's log, oldest first; ends with the container, or at once without `follow`.

    Raises:
        NotFound: the pod or its previous run is gone. NotPermitted, Refused (still starting), Unreachable.
    """
    params: dict[str, str | int] = {"tailLines": tail, "timestamps": "true"}
    if container:
        params["container"] = container
    if follow and not previous:
        params["follow"] = "true"
    if previous:
        params["previous"] = "true"
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
    async with connection.stream(path, params=params) as response:
        rest = b""
        async for chunk in response.aiter_bytes():
            *whole, rest = (rest + chunk).split(b"\n")
            for part in whole:
                yield parse_line(part, pod, container)
            if len(rest) > MAX_LINE * 4:
                # A line without end would grow for ever: show it in pieces.
                yield parse_line(rest, pod, container)
                rest = b""
        if rest:
            yield parse_line(rest, pod, container)


def parse_line(raw: bytes, pod: str, container: str) -> LogLine:
    """One line with its time, where it has one, as a terminal would show it: a carriage return starts it anew.

    What is longer than MAX_LINE ends in an ellipsis.
    """
    text = raw.decode("utf-8", "replace")
    stamp = _STAMP.match(text)
    # Progress bars draw over themselves; what they drew last is what they say now.
    said = text[stamp.end() if stamp else 0 :].rstrip("\r").rpartition("\r")[2]
    shown = printable(said if len(said) <= MAX_LINE else f"{said[:MAX_LINE]}…")
    return LogLine(pod, container, shown, moment(stamp[1]) if stamp else None)
