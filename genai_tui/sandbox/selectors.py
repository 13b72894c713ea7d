"""Label and field selectors, as text and as objects.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from genai_tui.sandbox.registry import Resource
from genai_tui.sandbox.status import bad_request

Labels = Mapping[str, str]
Match = Callable[[dict[str, Any]], bool]
_SET = re.compile(r"\s*([\w./-]+)\s+(in|notin)\s*\(([^)]*)\)\s*")
_EQUAL = re.compile(r"\s*([\w./-]+)\s*(==|=|!=)\s*([\w./-]*)\s*")
_COMPARE = re.compile(r"\s*([\w./-]+)\s*([<>])\s*(-?\d+)\s*")
_EXISTS = re.compile(r"\s*(!?)\s*([\w./-]+)\s*")


def _split(text: str) -> list[str]:
    """At commas outside parentheses."""
    parts, depth, current = [], 0, ""
    for character in text:
        if character == "," and depth == 0:
            parts.append(current)
            current = ""
            continue
        depth += (character == "(") - (character == ")")
        current += character
    return [*parts, current]


def label_selector(text: str) -> Callable[[Labels], bool]:
    """A test on labels.

    Raises:
        ApiError: 400, the text is not a selector.
    """
    tests = [_term(part) for part in _split(text) if part.strip()]
    return lambda labels: all(test(labels) for test in tests)


def _term(part: str) -> Callable[[Labels], bool]:
    if match := _SET.fullmatch(part):
        key, wanted = match[1], {value.strip() for value in match[3].split(",")}
        if match[2] == "in":
            return lambda labels: labels.get(key) in wanted
        return lambda labels: labels.get(key) not in wanted
    if match := _EQUAL.fullmatch(part):
        key, value = match[1], match[3]
        if match[2] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if match := _COMPARE.fullmatch(part):
        return _compare(match[1], match[2], int(match[3]))
    if match := _EXISTS.fullmatch(part):
        key = match[2]
        return (lambda labels: key not in labels) if match[1] else (lambda labels: key in labels)
    raise bad_request(
        f"unable to parse requirement: found '{part.strip()}', expected: !, identifier, or 'end of string'"
    )


def _compare(key: str, sign: str, bound: int) -> Callable[[Labels], bool]:
    def test(labels: Labels) -> bool:
        text = labels.get(key, "")
        if not text.lstrip("-").isdigit():
            return False
        return int(text) > bound if sign == ">" else int(text) < bound

    return test


def matches(selector: Mapping[str, Any] | None, labels: Labels) -> bool:
    """Whether a meta/v1 LabelSelector object selects these labels; None selects nothing, empty selects all."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(expression_holds(e, labels) for e in selector.get("matchExpressions") or ())


def expression_holds(expression: Mapping[str, Any], labels: Labels) -> bool:
    """One requirement of a label selector or a node selector term."""
    key, values = expression["key"], expression.get("values") or []
    operator = expression["operator"]
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    if operator == "Exists":
        return key in labels
    if operator == "DoesNotExist":
        return key not in labels
    return _compare(key, ">" if operator == "Gt" else "<", int(values[0]))(labels)


def field_selector(text: str, resource: Resource) -> Match:
    """A test on the fields a resource supports.

    Raises:
        ApiError: 400 for a field it does not.
    """
    tests = []
    for part in _split(text):
        match = _EQUAL.fullmatch(part)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        path, negative, value = match[1], match[2] == "!=", match[3]
        if path not in ("metadata.name", "metadata.namespace", *resource.field_labels):
            raise bad_request(f"field label not supported: {path}")
        tests.append((path, negative, value))
    return lambda item: all((field_of(item, path) == value) != negative for path, negative, value in tests)


def field_of(item: Mapping[str, Any], path: str) -> str:
    """A field as selectors compare it: text, empty when absent."""
    if path == "source" and item.get("kind", "Event") == "Event":
        return str((item.get("source") or {}).get("component") or item.get("reportingComponent") or "")
    value: Any = item
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "false" if path == "spec.unschedulable" else ""
    return str(value)
