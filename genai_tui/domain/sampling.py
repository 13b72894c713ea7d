"""Settings of a request as a person types them, checked field by field.

Ranges are those of OpenAI's API (https://platform.openai.com/docs/api-reference/chat/create), which vLLM and NIM keep;
those of top-k, min-p and the repetition penalty are vLLM's (https://docs.vllm.ai/en/latest/api/vllm/sampling_params/).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from genai_tui.domain.chat import Output, Sampling
from genai_tui.domain.problems import FieldProblem

TEMPERATURE, TOP_P, MAX_TOKENS = "temperature", "top_p", "max_tokens"
TOOLS = "tools"
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)")
_WHOLE = re.compile(r"[+-]?\d+")
_TEXT, _JSON = "text", "json"
_STOPS, _LOGPROBS = 4, 20


@dataclass(frozen=True, slots=True)
class ChatField:
    """One setting: its name in the API, what it is called here, what it does and takes, and the words it may have."""

    name: str
    label: str
    hint: str
    parse: Callable[[str], Any]
    words: tuple[str, ...] = ()


def read_settings(
    texts: Mapping[str, str], context_length: int | None = None
) -> tuple[Sampling, Output, tuple[FieldProblem, ...]]:
    """What the fields mean; an empty field leaves the engine's default, a wrong one is left out and explained.

    Args:
        texts: what is typed, by the names of `FIELDS`.
        context_length: the longest context in tokens, where it is known.
    """
    problems: list[FieldProblem] = []
    found: dict[str, Any] = {}
    for field in FIELDS:
        text = texts.get(field.name, "").strip()
        try:
            if text:
                found[field.name] = field.parse(text)
        except ValueError as error:
            problems.append(FieldProblem(field.name, str(error)))
    most = found.get(MAX_TOKENS)
    if most is not None and context_length is not None and most > context_length:
        del found[MAX_TOKENS]
        problems.append(
            FieldProblem(MAX_TOKENS, f"must be at most the context of {context_length:,} tokens, not {most:,}")
        )
    output = Output(found.pop("answer", False), found.pop("top_logprobs", None), found.pop(TOOLS, ()))
    return Sampling(**found), output, tuple(problems)


def _number(text: str) -> float:
    if "," in text and _NUMBER.fullmatch(text.replace(",", ".")):
        raise ValueError(f"write {text.replace(',', '.')}, with a point")
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"'{text}' is not a number such as 0.7")
    return float(text)


def _between(least: float, most: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = _number(text)
        if not least <= value <= most:
            raise ValueError(f"must be from {least:g} to {most:g}, not {text}")
        return value

    return parse


def _above_zero(most: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = _number(text)
        if not 0 < value <= most:
            raise ValueError(f"must be more than 0 and at most {most:g}, not {text}")
        return value

    return parse


def _whole(least: int, most: int | None = None, example: int = 512) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not _WHOLE.fullmatch(text):
            raise ValueError(f"'{text}' is not a whole number such as {example}")
        value = int(text)
        if value < least:
            raise ValueError(f"must be at least {least}, not {text}")
        if most is not None and value > most:
            raise ValueError(f"must be at most {most:,}, not {text}")
        return value

    return parse


def _stops(text: str) -> tuple[str, ...]:
    r"""Texts parted by commas; `\,`, `\n` and `\t` stand for what cannot be typed here."""
    escapes = {"n": "\n", "t": "\t"}
    found, at = [""], 0
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text):
            at += 1
            found[-1] += escapes.get(text[at], text[at])
        elif text[at] == ",":
            found.append("")
        else:
            found[-1] += text[at]
        at += 1
    stops = tuple(stop for stop in found if stop)
    if len(stops) > _STOPS:
        raise ValueError(f"at most {_STOPS}, not {len(stops)}")
    return stops


def _answer(text: str) -> bool:
    if text not in (_TEXT, _JSON):
        raise ValueError(f"must be {_TEXT} or {_JSON}, not '{text}'")
    return text == _JSON


def _tools(text: str) -> tuple[Mapping[str, Any], ...]:
    """OpenAI's list of tools, or one of them."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON: {error}") from error
    tools = given if isinstance(given, list) else [given]
    for tool in tools:
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise ValueError('each is {"type": "function", "function": {"name": ..., "parameters": {...}}}')
    return tuple(tools)


FIELDS = (
    ChatField(TEMPERATURE, "temperature", "0 to 2; 0 takes the likeliest token", _between(0, 2)),
    ChatField(TOP_P, "top-p", "above 0 to 1: of those making up this share", _above_zero(1)),
    ChatField(MAX_TOKENS, "max tokens", "1 or more: cuts the answer short", _whole(1)),
    ChatField("top_k", "top-k", "1 or more: of so many likeliest tokens", _whole(1, example=40)),
    ChatField("min_p", "min-p", "0 to 1: none below this share of the best", _between(0, 1)),
    ChatField("presence_penalty", "presence", "-2 to 2: against what was said at all", _between(-2, 2)),
    ChatField("frequency_penalty", "frequency", "-2 to 2: against what was said often", _between(-2, 2)),
    ChatField("repetition_penalty", "repetition", "above 0 to 2; above 1 is against repeating", _above_zero(2)),
    ChatField("seed", "seed", "a whole number: the same answer again", _whole(0, 2**63 - 1, 7)),
    ChatField("stop", "stop", "texts that end it: a,b   \\n is a new line", _stops),
    ChatField("top_logprobs", "logprobs", "0 to 20 others told with each token", _whole(0, _LOGPROBS, 5)),
    ChatField("answer", "answer", "json: the answer is one JSON object", _answer, (_TEXT, _JSON)),
    ChatField(TOOLS, "tools", "OpenAI's JSON; calls are shown, not made", _tools),
)
"""Every setting, in the order in which they are shown; the first three stand beside the conversation too."""
NAMES = {field.name: field.label for field in FIELDS}
