"""An engine's counters read from its Prometheus text: recordings, old and new names, broken text."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.engines.metrics import EngineSample, buckets_increase, increase, parse_latencies, parse_sample, quantile

RECORDED = Path(__file__).resolve().parent.parent / "data" / "engines"
AFTER = (RECORDED / "vllm-0.32" / "metrics-after.txt").read_text(encoding="utf-8")
BEFORE = (RECORDED / "vllm-0.32" / "metrics-before.txt").read_text(encoding="utf-8")


def test_vllm_as_recorded() -> None:
    before, after = parse_sample(BEFORE), parse_sample(AFTER)
    assert after == EngineSample(
        running=0, waiting=0, prompt_tokens=704, generation_tokens=526, requests=27, kv_cache=0
    )
    assert before == EngineSample(running=0, waiting=0, prompt_tokens=0, generation_tokens=0, requests=0, kv_cache=0)


def test_llama_cpp_as_recorded() -> None:
    text = (RECORDED / "llama.cpp" / "metrics.http").read_text(encoding="utf-8")
    assert parse_sample(text) == EngineSample(running=0, waiting=0, prompt_tokens=37, generation_tokens=64)


def test_nim_1_has_no_prefix() -> None:
    text = 'num_requests_running{model_name="a"} 2\nprompt_tokens_total{model_name="a"} 7\ngpu_cache_usage_perc 0.25\n'
    assert parse_sample(text) == EngineSample(running=2, prompt_tokens=7, kv_cache=0.25)


def test_series_of_several_engines_are_summed_and_old_names_are_not_counted_twice() -> None:
    text = """
vllm:num_requests_running{engine="0",model_name="a{}\\"b"} 1.0
vllm:num_requests_running{engine="1",model_name="a"} 2 1764000000000
vllm:kv_cache_usage_perc{engine="0"} 0.25
vllm:kv_cache_usage_perc{engine="1"} 0.5
vllm:gpu_cache_usage_perc{engine="0"} 0.9
vllm:generation_tokens_total 1e3
vllm:generation_tokens_created{engine="0"} 1.7e9
"""
    assert parse_sample(text) == EngineSample(running=3, kv_cache=0.5, generation_tokens=1000)


def test_old_names_alone_are_read() -> None:
    assert parse_sample("vllm:gpu_cache_usage_perc 0.9").kv_cache == 0.9


@pytest.mark.parametrize(
    "line", ["", "vllm:num_requests_running", "vllm:num_requests_running{", "vllm:num_requests_running} 1",
             "vllm:num_requests_running NaN", "vllm:num_requests_running +Inf", "# vllm:num_requests_running 1",
             " vllm:num_requests_running 1", "vllm:num_requests_running_x 1", "vllm:num_requests_running x"],
)  # fmt: skip
def test_what_is_not_there_is_none_and_never_zero(line: str) -> None:
    assert parse_sample(line) == EngineSample()


def test_a_sum_that_is_no_number_is_not_known() -> None:
    assert parse_sample("vllm:num_requests_running 1e308\n" * 9).running is None


@given(st.integers(0, len(AFTER)))
def test_a_truncated_answer_gives_no_more_than_the_whole(cut: int) -> None:
    whole, part = parse_sample(AFTER), parse_sample(AFTER[:cut])
    for field in EngineSample.__slots__:
        value = getattr(part, field)
        assert value is None or 0 <= value <= getattr(whole, field)


@given(st.lists(st.one_of(st.sampled_from(AFTER.splitlines()), st.text(max_size=60)), max_size=20).map("\n".join))
def test_any_text_gives_numbers_or_nothing(text: str) -> None:
    sample = parse_sample(text)
    values = [getattr(sample, field) for field in EngineSample.__slots__]
    assert all(value is None or math.isfinite(value) for value in values)


COUNTER = st.none() | st.integers(0, 10**9)


@given(COUNTER, COUNTER)
def test_growth_is_never_negative_and_missing_stays_missing(before: int | None, after: int | None) -> None:
    grown = increase(before, after)
    assert (grown is None) == (before is None or after is None)
    if grown is not None:
        assert after is not None
        assert 0 <= grown <= after


def test_a_restart_begins_at_zero() -> None:
    assert increase(100, 130) == 30
    assert increase(100, 12) == 12


def test_latencies_as_recorded() -> None:
    before, after = parse_latencies(BEFORE), parse_latencies(AFTER)
    grown = buckets_increase(before.first_token, after.first_token)
    assert grown[math.inf] == 27
    # 14 of 27 took at most 5 ms, 22 at most 10 ms, 25 at most 20 ms, the last one between 10 and 20 s.
    assert quantile(0.5, grown) == pytest.approx(0.001 + 0.004 * 13.5 / 14)
    assert quantile(0.95, grown) == pytest.approx(0.02 + 0.02 * 0.65)
    assert 10 < (quantile(0.99, grown) or 0) <= 20
    assert quantile(0.5, after.inter_token) is not None


def test_old_names_of_the_latency_between_tokens() -> None:
    text = (
        'vllm:time_per_output_token_seconds_bucket{le="0.1"} 4\nvllm:time_per_output_token_seconds_bucket{le="+Inf"} 4'
    )
    assert parse_latencies(text).inter_token == {0.1: 4, math.inf: 4}
    assert parse_latencies(text).first_token == {}


@given(st.lists(st.integers(0, 50), min_size=2, max_size=8), st.floats(0.01, 1))
def test_quantiles_lie_in_their_bucket_and_grow(counts: list[int], share: float) -> None:
    bounds = [*(0.1 * 2**i for i in range(len(counts) - 1)), math.inf]
    total, buckets = 0, {}
    for bound, count in zip(bounds, counts, strict=True):
        total += count
        buckets[bound] = float(total)
    found = quantile(share, buckets)
    if total == 0:
        assert found is None
    elif found is not None:
        assert 0 <= found <= bounds[-2]
        assert found <= (quantile(1.0, buckets) or math.inf)


def test_after_a_restart_all_of_the_later_reading_counts() -> None:
    assert buckets_increase({1.0: 5, math.inf: 9}, {1.0: 2, math.inf: 3}) == {1.0: 2, math.inf: 3}
    assert buckets_increase({1.0: 5, math.inf: 9}, {1.0: 6, math.inf: 12}) == {1.0: 1, math.inf: 3}
    assert buckets_increase({}, {1.0: 6}) == {1.0: 6}
