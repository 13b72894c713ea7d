"""Sampling settings, as typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.chat import Sampling
from genai_tui.domain.sampling import MAX_TOKENS, TEMPERATURE, TOP_P, read_sampling


def test_empty_fields_leave_the_engines_defaults() -> None:
    assert read_sampling({TEMPERATURE: " ", TOP_P: ""}) == (Sampling(), ())


def test_what_is_typed_is_what_is_asked_for() -> None:
    typed = {TEMPERATURE: "0", TOP_P: " .95 ", MAX_TOKENS: "4096"}
    assert read_sampling(typed, 4096) == (Sampling(temperature=0.0, top_p=0.95, max_tokens=4096), ())


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
    ],
)
def test_a_wrong_field_is_explained_and_left_out(field: str, text: str, message: str) -> None:
    sampling, (problem,) = read_sampling({field: text}, 4096)
    assert sampling == Sampling()
    assert (problem.field, problem.message) == (field, message)


@given(st.dictionaries(st.sampled_from([TEMPERATURE, TOP_P, MAX_TOKENS]), st.text(max_size=12)))
def test_any_text_is_either_taken_or_explained(texts: dict[str, str]) -> None:
    sampling, problems = read_sampling(texts)
    wrong = {problem.field for problem in problems}
    for field, text in texts.items():
        value = getattr(sampling, field)
        assert (value is None) == (not text.strip() or field in wrong)
