"""Sampling settings as a person types them, checked field by field.

Ranges are those of OpenAI's API (https://platform.openai.com/docs/api-reference/chat/create), which vLLM and NIM keep.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from genai_tui.domain.chat import Sampling
from genai_tui.domain.problems import FieldProblem

TEMPERATURE, TOP_P, MAX_TOKENS = "temperature", "top_p", "max_tokens"
NAMES = {TEMPERATURE: "temperature", TOP_P: "top-p", MAX_TOKENS: "max tokens"}
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)")
_WHOLE = re.compile(r"[+-]?\d+")
T = TypeVar("T", int, float)


def read_sampling(
    texts: Mapping[str, str], context_length: int | None = None
) -> tuple[Sampling, tuple[FieldProblem, ...]]:
    """What the fields mean; an empty field leaves the engine's default, a wrong one is left out and explained.

    Args:
        texts: what is typed, by field: TEMPERATURE, TOP_P, MAX_TOKENS.
        context_length: the longest context in tokens, where it is known.
    """
    problems: list[FieldProblem] = []

    def read(field: str, parse: Callable[[str], T]) -> T | None:
        text = texts.get(field, "").strip()
        try:
            return parse(text) if text else None
        except ValueError as error:
            problems.append(FieldProblem(field, str(error)))
            return None

    sampling = Sampling(
        temperature=read(TEMPERATURE, _temperature),
        top_p=read(TOP_P, _top_p),
        max_tokens=read(MAX_TOKENS, lambda text: _max_tokens(text, context_length)),
    )
    return sampling, tuple(problems)


def _number(text: str) -> float:
    if "," in text and _NUMBER.fullmatch(text.replace(",", ".")):
        raise ValueError(f"write {text.replace(',', '.')}, with a point")
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"'{text}' is not a number such as 0.7")
    return float(text)


def _temperature(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 2:
        raise ValueError(f"must be from 0 to 2, not {text}")
    return value


def _top_p(text: str) -> float:
    value = _number(text)
    if not 0 < value <= 1:
        raise ValueError(f"must be more than 0 and at most 1, not {text}")
    return value


def _max_tokens(text: str, context_length: int | None) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"'{text}' is not a whole number such as 512")
    value = int(text)
    if value < 1:
        raise ValueError(f"must be at least 1, not {text}")
    if context_length is not None and value > context_length:
        raise ValueError(f"must be at most the context of {context_length:,} tokens, not {value:,}")
    return value
