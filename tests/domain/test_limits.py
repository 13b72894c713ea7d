"""Six counters against a second reading of their semantics, in any interleaving with time, limits and restarts."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule

from genai_tui.domain.deployment import Limits, RateLimits
from genai_tui.domain.limits import Caller, Level, Unit, Windows, reset_text

LIMIT = st.none() | st.integers(1, 6)
CALLERS = [Caller("org-a", "alice", "k-1"), Caller("org-a", "alice", "k-2"), Caller("org-a", "bob", "k-3"), Caller("org-b", "carol", "k-4")]  # fmt: skip
RATES = st.builds(
    RateLimits,
    **{
        level: st.builds(Limits, tokens_per_minute=LIMIT, requests_per_minute=LIMIT)
        for level in ("organization", "user", "api_key")
    },
)


def numbers(rates: RateLimits) -> dict[tuple[Level, Unit], int | None]:
    return {
        (level, unit): limit
        for level, own in zip(Level, (rates.organization, rates.user, rates.api_key), strict=True)
        for unit, limit in ((Unit.REQUESTS, own.requests_per_minute), (Unit.TOKENS, own.tokens_per_minute))
    }


class Interleavings(RuleBasedStateMachine):
    """The model keeps every hit with its time and adds up what lies in the window that is open."""

    flying = Bundle("flying")

    @initialize(rates=RATES)
    def begin(self, rates: RateLimits) -> None:
        self.windows, self.now, self.rates = Windows(), 0.0, rates
        self.hits: defaultdict[tuple[Level, Unit, str], list[tuple[float, int]]] = defaultdict(list)

    def used(self, level: Level, unit: Unit, subject: str) -> tuple[int, float]:
        start, used = -1000.0, 0
        for at, amount in self.hits[level, unit, subject]:
            if at >= start + 60:
                start, used = at, 0
            used += amount
        return (used, start + 60 - self.now) if self.now < start + 60 else (0, 0.0)

    @rule(target=flying, caller=st.sampled_from(CALLERS))
    def request(self, caller: Caller) -> Caller | None:
        spent = {
            (level, unit): self.used(level, unit, caller.name(level))[1]
            for (level, unit), limit in numbers(self.rates).items()
            if limit is not None and self.used(level, unit, caller.name(level))[0] >= limit
        }
        admission = self.windows.admit("team-a/chat", caller, self.rates, self.now)
        assert {(reading.level, reading.unit): reading.resets_in for reading in admission.spent} == spent
        assert admission.admitted == (not spent)
        if spent:
            assert admission.retry_after >= max(spent.values())
            return None
        for level in Level:
            self.hits[level, Unit.REQUESTS, caller.name(level)].append((self.now, 1))
        for reading in admission.readings:
            assert (reading.used, reading.resets_in) == self.used(reading.level, reading.unit, reading.subject)
        for unit in Unit:
            tightest = admission.tightest(unit)
            left = [reading.remaining for reading in admission.readings if reading.unit is unit]
            assert (tightest.remaining if tightest else None) == min(left, default=None)
        return caller

    @rule(caller=flying, tokens=st.integers(0, 8))
    def answer(self, caller: Caller | None, tokens: int) -> None:
        if caller is None:
            return
        self.windows.charge("team-a/chat", caller, tokens, self.now)
        # Another deployment's counters are its own.
        self.windows.charge("team-b/chat", caller, 100, self.now)
        for level in Level if tokens else ():
            self.hits[level, Unit.TOKENS, caller.name(level)].append((self.now, tokens))

    @rule(seconds=st.sampled_from([0.25, 1.0, 29.5, 30.0, 59.75, 60.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(rates=RATES)
    def change(self, rates: RateLimits) -> None:
        self.rates = rates

    @rule()
    def restart(self) -> None:
        self.windows = Windows()
        self.hits.clear()


Interleavings.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestInterleavings = Interleavings.TestCase


def test_resets_read_as_openai_writes_them() -> None:
    assert [reset_text(s) for s in (0, 0.12, 1, 58.2, 60, 360)] == ["0s", "120ms", "1s", "59s", "1m0s", "6m0s"]


def test_windows_that_have_ended_take_no_memory() -> None:
    windows = Windows()
    for number in range(5_000):
        windows.admit("d", Caller("org", "user", f"k-{number}"), RateLimits(), now=number)
    assert len(windows._windows) < 3_000
