"""The log of one container as rows: what was read, what is skipped when it is read again, how each line is toned."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable
from datetime import UTC, datetime

from genai_tui.domain.text import printable
from genai_tui.services import LogLine
from screens.deployment.text_view import KEPT, Row
from screens.format import clock

_ERROR = re.compile(r"\b(?:ERROR|CRITICAL|FATAL)\b|^Traceback |^\w*(?:Error|Exception): ")
_WARNING = re.compile(r"\bWARN(?:ING)?\b")
_NOISE = re.compile(r'"GET /(?:health|metrics|ping|v1/health|v1/metrics|v1/models)\S* HTTP')
_LEVEL_OF_JSON = re.compile(r'"level(?:name)?":\s*"(\w+)"', re.IGNORECASE)


class LogBuffer:
    """The newest lines of one container; knows what it has already, so that reading again repeats nothing."""

    def __init__(self) -> None:
        self._lines: deque[LogLine] = deque(maxlen=KEPT)
        self._reached: datetime | None = None
        self._at_reached: Counter[str] = Counter()
        self._to_skip: Counter[str] | None = None

    def __len__(self) -> int:
        return len(self._lines)

    def begin_again(self) -> None:
        """The log is read from an earlier place: skip what is known."""
        self._to_skip = Counter(self._at_reached)

    def take(self, lines: Iterable[LogLine]) -> list[LogLine]:
        """Keep lines; returns the new ones."""
        new = [line for line in lines if self._is_new(line)]
        for line in new:
            if line.at is not None and line.at != self._reached:
                self._reached = line.at
                self._at_reached = Counter()
            self._at_reached[line.text] += 1
        self._lines.extend(new)
        return new

    def _is_new(self, line: LogLine) -> bool:
        if self._to_skip is None or self._reached is None or line.at is None:
            return True
        if line.at > self._reached:
            self._to_skip = None
            return True
        if line.at < self._reached:
            return False
        self._to_skip[line.text] -= 1
        return self._to_skip[line.text] < 0

    def rows(self, *, times: bool) -> list[Row]:
        """Everything kept, as rows."""
        return [row_of(line, times=times) for line in self._lines]

    def plain(self) -> str:
        """Everything kept as a file: time and text of each line."""
        return "".join(f"{_stamp(line.at)}{printable(line.text)}\n" for line in self._lines)


def row_of(line: LogLine, *, times: bool) -> Row:
    """A line as it is shown: errors and warnings stand out, probes step back."""
    text = printable(line.text)
    return Row(text, tone_of(text), f"{clock(line.at):>8}  " if times else "")


def tone_of(text: str) -> str:
    """The tone of a line, from the engine's own level."""
    if text.startswith("{"):
        level = _LEVEL_OF_JSON.search(text)
        name = level[1].upper() if level else ""
        return {"ERROR": "bad", "CRITICAL": "bad", "WARNING": "waiting", "WARN": "waiting"}.get(name, "")
    if _NOISE.search(text):
        return "quiet"
    if _ERROR.search(text):
        return "bad"
    return "waiting" if _WARNING.search(text) else ""


def _stamp(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ} " if at is not None else ""
