"""Logs as rows: what was read, what is skipped when it is read again, in which order, how each line is toned."""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from datetime import UTC, datetime

from genai_tui.domain.text import printable
from genai_tui.services import LogLine
from screens.deployment.text_view import KEPT, Row
from screens.deployment.timeline import short_name
from screens.format import clock

_ERROR = re.compile(r"\b(?:ERROR|CRITICAL|FATAL)\b|^Traceback |^\w*(?:Error|Exception): ")
_WARNING = re.compile(r"\bWARN(?:ING)?\b")
_NOISE = re.compile(r'"GET /(?:health|metrics|ping|v1/health|v1/metrics|v1/models)\S* HTTP')
_LEVEL_OF_JSON = re.compile(r'"level(?:name)?":\s*"(\w+)"', re.IGNORECASE)


Stream = tuple[str, str]
"""The pod and the container that a line is from."""
NAME_TONES = ("accent", "good", "waiting", "busy")
"""Tones of replicas' names, taken in turn; the names themselves tell them apart without colours."""


class _Reading:
    """How far one container was read."""

    def __init__(self) -> None:
        self._reached: datetime | None = None
        self._at_reached: Counter[str] = Counter()
        self._to_skip: Counter[str] | None = None

    def moment(self, line: LogLine) -> datetime:
        """When a line was written; a piece of one without an end has no time of its own."""
        return line.at or self._reached or _NEVER

    def begin_again(self) -> None:
        """It is read from an earlier place: skip what is known."""
        self._to_skip = Counter(self._at_reached)

    def take(self, line: LogLine) -> bool:
        """Note a line; returns whether it is a new one."""
        if not self._is_new(line):
            return False
        if line.at is not None and line.at != self._reached:
            self._reached = line.at
            self._at_reached = Counter()
        self._at_reached[line.text] += 1
        return True

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


class LogBuffer:
    """The newest lines of some containers, by time; knows what it has, so that reading again repeats nothing."""

    def __init__(self) -> None:
        self._lines: deque[tuple[datetime, LogLine]] = deque(maxlen=KEPT)
        self._readings: defaultdict[Stream, _Reading] = defaultdict(_Reading)
        self._names: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._lines)

    def begin_again(self, pod: str, container: str) -> None:
        """The log of this container is read from an earlier place: skip what is known."""
        self._readings[pod, container].begin_again()

    def take(self, lines: Iterable[LogLine]) -> tuple[int, list[LogLine]]:
        """Keep lines.

        Returns:
            How many lines at the end are to be drawn again, and what then stands there: the new lines alone, or with
            those that were written later and came sooner, from another container.
        """
        new: list[tuple[datetime, LogLine]] = []
        for line in lines:
            reading = self._readings[line.pod, line.container]
            if reading.take(line):
                new.append((reading.moment(line), line))
                self._names.setdefault(line.pod, NAME_TONES[len(self._names) % len(NAME_TONES)])
        later: list[tuple[datetime, LogLine]] = []
        if len(self._readings) > 1:
            new.sort(key=_moment)
            while new and self._lines and _moment(self._lines[-1]) > _moment(new[0]):
                later.append(self._lines.pop())
        end = sorted([*reversed(later), *new], key=_moment) if later else new
        self._lines.extend(end)
        return len(later), [line for _, line in end]

    def rows(self, *, times: bool, named: bool) -> list[Row]:
        """Everything kept, as rows."""
        return [self.row(line, times=times, named=named) for _, line in self._lines]

    def row(self, line: LogLine, *, times: bool, named: bool) -> Row:
        """A line as it is shown: errors and warnings stand out, probes step back."""
        text = printable(line.text)
        lead = f"{clock(line.at):>8}  " if times else ""
        if not named:
            return Row(text, tone_of(text), lead)
        return Row(text, tone_of(text), f"{lead}{short_name(line.pod):<5}  ", self._names.get(line.pod, "quiet"))

    def plain(self, *, named: bool) -> str:
        """Everything kept as a file: time and text of each line, and the pod it is from."""
        return "".join(
            f"{_stamp(line.at)}{f'{line.pod} ' if named else ''}{printable(line.text)}\n" for _, line in self._lines
        )


_NEVER = datetime.min.replace(tzinfo=UTC)


def _moment(kept: tuple[datetime, LogLine]) -> datetime:
    return kept[0]


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
