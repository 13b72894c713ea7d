"""Counted again from records, the counters say what those of the gateway said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.deployment import Limits, RateLimits, Sharing, SharingMode
from genai_tui.domain.keys import KeyRecord
from genai_tui.domain.limit_use import caller_of, counted, readings, verdict
from genai_tui.domain.limits import Level, Unit, Windows
from genai_tui.domain.rows import Ref
from genai_tui.domain.usage import RequestRecord, Source, Timings, TokenUsage

BEGAN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HERE = "https://127.0.0.1:6443"
REF = Ref("team-a", "chat")
LIMITS = RateLimits(
    organization=Limits(tokens_per_minute=100, requests_per_minute=8),
    user=Limits(tokens_per_minute=60, requests_per_minute=5),
    api_key=Limits(tokens_per_minute=40, requests_per_minute=3),
)
KEYS = [KeyRecord(f"k-{n}", f"org-{n // 4}", f"user-{n // 2}") for n in range(6)]
ALL = Sharing(mode=SharingMode.ALL)
ASKED = st.lists(st.tuples(st.integers(0, 200_000), st.sampled_from(KEYS), st.integers(1, 50), st.integers(1, 20_000)))


def record(number: int, at_ms: int, key: KeyRecord, tokens: int, took_ms: int) -> RequestRecord:
    usage, timings = TokenUsage(1, tokens - 1, tokens), Timings(1.0, took_ms, None)
    return RequestRecord(
        str(number), BEGAN + timedelta(milliseconds=at_ms), Source.GATEWAY, HERE, REF.namespace, REF.name, "m", usage,
        None, timings, organization=key.organization, user=key.user, key=key.id,
    )  # fmt: skip


@given(ASKED)
def test_they_agree_with_counters_that_saw_every_request(asked: list[tuple[int, KeyRecord, int, int]]) -> None:
    live, rows = Windows(), []
    steps = [(at, 0, number) for number, (at, *_) in enumerate(asked)]
    steps += [(at + took, 1, number) for number, (at, _, _, took) in enumerate(asked)]
    let_in: set[int] = set()
    for at, end, number in sorted(steps):
        began, key, tokens, took = asked[number]
        now = BEGAN.timestamp() + at / 1000
        if end and number in let_in:
            live.charge(str(REF), caller_of(key), tokens, now)
        elif not end and live.admit(str(REF), caller_of(key), LIMITS, now).admitted:
            let_in.add(number)
            rows.append(record(number, began, key, tokens, took))
    last = BEGAN + timedelta(milliseconds=max((at for at, _, _ in steps), default=0) + 1)
    again = counted(rows, HERE)
    for key in KEYS:
        ours = again.readings(str(REF), caller_of(key), LIMITS, last.timestamp())
        theirs = live.readings(str(REF), caller_of(key), LIMITS, last.timestamp())
        assert [(r.level, r.unit, r.used) for r in ours] == [(r.level, r.unit, r.used) for r in theirs]
        assert verdict(again, REF, ALL, LIMITS, key, last).admitted == (not any(r.spent for r in theirs))


def test_a_level_that_callers_share_is_told_once_and_others_do_not_count() -> None:
    rows = [record(n, n, KEYS[n % 2], 10, 5) for n in range(4)]
    rows += [replace(record(9, 0, KEYS[0], 10, 5), source=Source.PLAYGROUND), replace(rows[0], cluster="elsewhere")]
    found = readings(counted(rows, HERE), REF, LIMITS, map(caller_of, KEYS[:2]), BEGAN + timedelta(seconds=1))
    used = {(r.level, r.unit, r.subject): r.used for r in found}
    assert used[Level.ORGANIZATION, Unit.REQUESTS, "org-0"] == 4
    assert used[Level.ORGANIZATION, Unit.TOKENS, "org-0"] == 40
    assert used[Level.API_KEY, Unit.REQUESTS, "k-1"] == 2
    assert len(found) == len(used) == 8


def test_a_refusal_names_what_refuses_in_the_order_of_the_gateway() -> None:
    now = BEGAN + timedelta(seconds=1)
    windows = counted([record(n, n, KEYS[0], 30, 5) for n in range(2)], HERE)
    said = verdict(windows, REF, ALL, LIMITS, KEYS[0], now)
    assert said.status == 429
    assert "API key k-0 on tokens per minute: limit 40, used 60" in said.reason
    assert verdict(windows, REF, ALL, LIMITS, KEYS[4], now).admitted
    assert verdict(windows, REF, Sharing(), LIMITS, KEYS[0], now).status == 403
    assert verdict(windows, REF, ALL, LIMITS, replace(KEYS[0], deployments=("a/b",)), now).status == 403
    assert verdict(windows, REF, Sharing(), LIMITS, replace(KEYS[0], expires=BEGAN), now).status == 401
