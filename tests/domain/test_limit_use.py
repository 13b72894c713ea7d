"""What the gateway tells of its counters says of every caller what they said themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.catalogue import EndpointSpec
from genai_tui.domain.deployment import Limits, RateLimits, Sharing, SharingMode
from genai_tui.domain.keys import KeyRecord
from genai_tui.domain.limit_use import Counters, caller_of, kept_elsewhere, uses, verdict
from genai_tui.domain.limits import Level, Unit, Windows
from genai_tui.domain.rows import Ref

BEGAN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
REF = Ref("team-a", "chat")
LIMITS = RateLimits(
    organization=Limits(tokens_per_minute=100, requests_per_minute=8),
    user=Limits(tokens_per_minute=60, requests_per_minute=5),
    api_key=Limits(tokens_per_minute=40, requests_per_minute=3),
)
KEYS = [KeyRecord(f"k-{n}", f"org-{n // 4}", f"user-{n // 2}") for n in range(6)]
ALL = Sharing(mode=SharingMode.ALL)
ASKED = st.lists(st.tuples(st.integers(0, 40), st.sampled_from(KEYS), st.integers(0, 50), st.sampled_from([REF, Ref("b", "c")])))  # fmt: skip


def told(windows: Windows, now: float) -> Windows:
    return Counters(BEGAN, tuple(windows.open(str(REF), now))).windows(REF)


@given(ASKED)
def test_they_agree_with_the_counters_they_are_told_of(asked: list[tuple[int, KeyRecord, int, Ref]]) -> None:
    live, now = Windows(), 1000.0
    for seconds, key, tokens, ref in asked:
        now += seconds
        if live.admit(str(ref), caller_of(key), LIMITS, now).admitted:
            live.charge(str(ref), caller_of(key), tokens, now)
    again = told(live, now)
    for key in KEYS:
        ours = again.readings(str(REF), caller_of(key), LIMITS, 0.0)
        theirs = live.readings(str(REF), caller_of(key), LIMITS, now)
        assert ours == theirs
        assert verdict(again, REF, ALL, LIMITS, key, BEGAN).admitted == (not any(r.spent for r in theirs))


def test_a_level_that_callers_share_is_told_once_the_fullest_first() -> None:
    live = Windows()
    for key in (KEYS[0], KEYS[1], KEYS[1]):
        live.admit(str(REF), caller_of(key), LIMITS, 0.0)
        live.charge(str(REF), caller_of(key), 10, 0.0)
    found = uses(told(live, 1.0), REF, LIMITS, map(caller_of, KEYS[:2]))
    used = {(use.level, use.unit, use.subject): (use.used, use.resets_in) for use in found}
    assert used[Level.ORGANIZATION, Unit.REQUESTS, "org-0"] == (3, 59.0)
    assert used[Level.API_KEY, Unit.REQUESTS, "k-1"] == (2, 59.0)
    assert [use.subject for use in found if use.unit is Unit.TOKENS][-2:] == ["k-1", "k-0"]
    assert len(found) == len(used) == 8
    unknown = uses(None, REF, LIMITS, map(caller_of, KEYS[:2]))
    assert {(use.used, use.resets_in, use.share, use.spent) for use in unknown} == {(None, None, None, False)}
    assert len(unknown) == 8


def test_a_refusal_names_what_refuses_in_the_order_of_the_gateway() -> None:
    live = Windows()
    for _ in range(2):
        live.admit(str(REF), caller_of(KEYS[0]), LIMITS, 0.0)
        live.charge(str(REF), caller_of(KEYS[0]), 30, 0.0)
    windows = told(live, 1.0)
    said = verdict(windows, REF, ALL, LIMITS, KEYS[0], BEGAN)
    assert said.status == 429
    assert "API key k-0 on tokens per minute: limit 40, used 60" in said.reason
    assert verdict(windows, REF, ALL, LIMITS, KEYS[4], BEGAN).admitted
    assert verdict(windows, REF, Sharing(), LIMITS, KEYS[0], BEGAN).status == 403
    assert verdict(windows, REF, ALL, LIMITS, replace(KEYS[0], deployments=("a/b",)), BEGAN).status == 403
    assert verdict(windows, REF, Sharing(), LIMITS, replace(KEYS[0], expires=BEGAN), BEGAN).status == 401


def test_a_limit_that_is_not_kept_is_named() -> None:
    kept = frozenset((level, unit) for level in Level for unit in Unit) - {(Level.USER, Unit.TOKENS)}
    assert Counters(kept=kept).lacking(LIMITS) == ("user tokens",)
    assert Counters(kept=kept).lacking(LIMITS.model_copy(update={"user": Limits(requests_per_minute=1)})) == ()
    assert Counters(kept=frozenset()).lacking(RateLimits()) == Counters().lacking(LIMITS) == ()


def test_counters_of_others_are_said_to_be_theirs() -> None:
    gateway = {"hostname": "a.example.com", "exposure": "gateway", "gateway": {"namespace": "g", "name": "g"}}
    envoy = EndpointSpec.model_validate(gateway | {"enforcement": "envoy-ai-gateway"})
    assert "Envoy Gateway keeps the counters in its Redis" in kept_elsewhere("e", envoy)
    assert kept_elsewhere("e", EndpointSpec.model_validate(gateway | {"enforcement": "kuadrant"})) == ""
    assert kept_elsewhere("e", EndpointSpec.model_validate(gateway)) == ""
    assert "the endpoint e cannot be read" in kept_elsewhere("e", None)
