"""Sampling settings, as typed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.chat import Output, Sampling
from genai_tui.domain.sampling import FIELDS, MAX_TOKENS, TEMPERATURE, TOP_P, read_settings


def test_empty_fields_leave_the_engines_defaults() -> None:
    assert read_settings({TEMPERATURE: " ", TOP_P: ""}) == (Sampling(), Output(), ())


def test_what_is_typed_is_what_is_asked_for() -> None:
    typed = {TEMPERATURE: "0", TOP_P: " .95 ", MAX_TOKENS: "4096"}
    assert read_settings(typed, 4096) == (Sampling(temperature=0.0, top_p=0.95, max_tokens=4096), Output(), ())


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        (TEMPERATURE, "0,7", "write 0.7, with a point"),
        (TEMPERATURE, "warm", "'warm' is not a number such as 0.7"),
        (TEMPERATURE, "-0.1", "must be from 0 to 2, not -0.1"),
        (TEMPERATURE, "2.1", "must be from 0 to 2, not 2.1"),
        (TEMPERATURE, "nan", "'nan' is not a number such as 0.7"),
        (TEMPERATURE, "1e-3", "'1e-3' is not a number such as 0.7"),
        (TOP_P, "0", "must be more than 0 and at most 1, not 0"),
        (TOP_P, "1.01", "must be more than 0 and at most 1, not 1.01"),
        (MAX_TOKENS, "0", "must be at least 1, not 0"),
        (MAX_TOKENS, "12.5", "'12.5' is not a whole number such as 512"),
        (MAX_TOKENS, "4097", "must be at most the context of 4,096 tokens, not 4,097"),
        ("seed", "-1", "must be at least 0, not -1"),
        ("top_logprobs", "21", "must be at most 20, not 21"),
        ("presence_penalty", "-3", "must be from -2 to 2, not -3"),
        ("repetition_penalty", "0", "must be more than 0 and at most 2, not 0"),
        ("stop", "a,b,c,d,e", "at most 4, not 5"),
        ("answer", "yaml", "must be text or json, not 'yaml'"),
        ("tools", "[3]", 'each is {"type": "function", "function": {"name": ..., "parameters": {...}}}'),
        ("tools", "{", "is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
    ],
)
def test_a_wrong_field_is_explained_and_left_out(field: str, text: str, message: str) -> None:
    sampling, output, (problem,) = read_settings({field: text}, 4096)
    assert (sampling, output) == (Sampling(), Output())
    assert (problem.field, problem.message) == (field, message)


def test_texts_to_stop_at_may_hold_commas_and_line_breaks() -> None:
    sampling, _, problems = read_settings({"stop": r"END,a\,b,\n\n, x"})
    assert (sampling.stop, problems) == (("END", "a,b", "\n\n", " x"), ())


def test_what_the_answer_is_to_be() -> None:
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    _, output, problems = read_settings({"answer": "json", "top_logprobs": "0", "tools": json.dumps(tool)})
    assert (output, problems) == (Output(True, 0, (tool,)), ())


@given(st.dictionaries(st.sampled_from([field.name for field in FIELDS]), st.text(max_size=12)))
def test_any_text_is_either_taken_or_explained(texts: dict[str, str]) -> None:
    taken = read_settings(texts)
    wrong = {problem.field for problem in taken[2]}
    for name, text in texts.items():
        alone = read_settings({name: text})
        assert bool(alone[2]) == (name in wrong)
        says_nothing = name in wrong or text.strip() in ("", "text", "[]") or not text.strip(", \\")
        assert (alone[:2] == (Sampling(), Output())) == says_nothing or name == "stop"
