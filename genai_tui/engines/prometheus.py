"""The Prometheus text format, read strictly: a line is understood whole or left out; nothing raises.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

_NAME = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)[ \t]*")
_LABEL = re.compile(r'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", '"': '"', "\\": "\\"}
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)")


@dataclass(frozen=True, slots=True)
class Series:
    """One sample line: a name, its labels, a finite value. The timestamp is not kept."""

    name: str
    labels: Mapping[str, str]
    value: float


def parse(text: str, wanted: Callable[[str], bool]) -> Iterator[Series]:
    """The sample lines with wanted names. Comments, broken lines and values without a number are left out."""
    for line in text.split("\n"):
        if not line or line[0] == "#":
            continue
        head = _NAME.match(line)
        if head is None or not wanted(head[1]):
            continue
        found = _labels(line, head.end())
        if found is None:
            continue
        labels, end = found
        fields = line[end:].split()
        if not 1 <= len(fields) <= 2 or _NUMBER.fullmatch(fields[0]) is None:
            continue
        value = float(fields[0])
        if math.isfinite(value):
            yield Series(head[1], labels, value)


def _labels(line: str, at: int) -> tuple[Mapping[str, str], int] | None:
    """The labels from `at`, and where they end; None when they are cut short."""
    if line[at : at + 1] != "{":
        return {}, at
    labels: dict[str, str] = {}
    at += 1
    while line[at : at + 1] != "}":
        label = _LABEL.match(line, at)
        if label is None:
            # Blanks may stand before the end.
            rest = line[at:].lstrip(" \t")
            return (labels, len(line) - len(rest) + 1) if rest.startswith("}") else None
        value = label[2]
        labels[label[1]] = _ESCAPE.sub(_unescaped, value) if "\\" in value else value
        at = label.end()
        if line[at : at + 1] == ",":
            at += 1
        elif line[at : at + 1] != "}":
            return None
    return labels, at + 1


def _unescaped(match: re.Match[str]) -> str:
    return _ESCAPED.get(match[1], match[0])
