"""The running gateway against a second reading of its rules: over HTTP, in any order of whatever can happen."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter, defaultdict
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from genai_tui.domain.deployment import Limits, RateLimits
from genai_tui.domain.limits import Caller, Level, Unit
from genai_tui.metering.refusals import RefusalRows
from tests.domain.test_limits import CALLERS, numbers
from tests.gateway.world import Engine, deployment, key, world

PROMPT = 10
"""Tokens of every prompt, as the stub engine counts."""
LIMITS = st.builds(
    Limits,
    tokens_per_minute=st.none() | st.sampled_from([5, 15, 30, 60]),
    requests_per_minute=st.none() | st.integers(1, 4),
)
RATES = st.builds(RateLimits, organization=LIMITS, user=LIMITS, api_key=LIMITS)
ASK = st.tuples(st.sampled_from(CALLERS), st.integers(1, 6))
STEP = st.one_of(
    st.tuples(st.just("ask"), ASK),
    st.tuples(st.just("ask"), ASK),
    st.tuples(st.just("overlap"), st.tuples(ASK, ASK)),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 29.5, 59.75, 61.0])),
    st.tuples(st.just("limits"), RATES),
    st.tuples(st.just("share"), st.sets(st.sampled_from(["org-a", "org-b"]))),
    st.tuples(st.just("revoke"), st.sampled_from(CALLERS)),
    st.tuples(st.just("restart"), st.none()),
)


class Model:
    """What must be so: every hit with its time, added up in the window that is open."""

    def __init__(self) -> None:
        self.hits: defaultdict[tuple[Level, Unit, str], list[tuple[float, int]]] = defaultdict(list)
        self.rates, self.shared, self.revoked = RateLimits(), {"org-a", "org-b"}, set[str]()
        self.now = 1000.0
        self.answered: list[int] = []
        self.refused: Counter[int] = Counter()

    def used(self, level: Level, unit: Unit, caller: Caller) -> tuple[int, float]:
        start, used = -1000.0, 0
        for at, amount in self.hits[level, unit, caller.name(level)]:
            if at >= start + 60:
                start, used = at, 0
            used += amount
        return (used, start + 60 - self.now) if self.now < start + 60 else (0, 0.0)

    def admits(self, caller: Caller) -> int:
        """The status of a request that comes now; one that is let in is counted."""
        if caller.key in self.revoked:
            return 401
        if caller.organization not in self.shared:
            return 403
        limits = [(level, unit, limit) for (level, unit), limit in numbers(self.rates).items() if limit is not None]
        if any(self.used(level, unit, caller)[0] >= limit for level, unit, limit in limits):
            return 429
        for level in Level:
            self.hits[level, Unit.REQUESTS, caller.name(level)].append((self.now, 1))
        return 200

    def left(self, unit: Unit, caller: Caller) -> int | None:
        """What the tightest limit leaves."""
        limits = [
            (level, limit) for (level, of), limit in numbers(self.rates).items() if of is unit and limit is not None
        ]
        return min((max(0, limit - self.used(level, unit, caller)[0]) for level, limit in limits), default=None)

    def charge(self, caller: Caller, tokens: int) -> None:
        self.answered.append(tokens)
        for level in Level:
            self.hits[level, Unit.TOKENS, caller.name(level)].append((self.now, tokens))


class Driver:
    """One run: the same steps for the gateway and for the model."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.model, self.engine = directory, Model(), Engine()

    async def run(self, steps: list[tuple[str, Any]]) -> None:
        steps = [*steps, ("restart", None)]
        while steps:
            async with world(self.directory, self.engine) as it, AsyncExitStack() as stack:
                self.model.hits.clear()  # counters are in memory: a restart begins anew
                it.now = self.model.now
                self.it, self.clients = it, {}
                for caller in CALLERS:
                    text = f"sk-genai-{caller.key}"
                    self.clients[caller.key] = await stack.enter_async_context(it.client(text))
                    self.put_key(caller)
                it.gateway.keyring.put("one", None)
                self.put()
                while steps:
                    what, how = steps.pop(0)
                    if what == "restart":
                        break
                    await self.step(what, how)
                await self.compare()

    async def step(self, what: str, how: Any) -> None:
        model = self.model
        match what:
            case "ask":
                await self.ask(*how)
            case "overlap":
                await self.overlap(*how)
            case "wait":
                model.now += how
                self.it.now = model.now
            case "limits":
                model.rates = how
                self.put()
            case "share":
                model.shared = how
                self.put()
            case "revoke":
                model.revoked ^= {how.key}
                self.put_key(how)

    def put(self) -> None:
        mode = {"mode": "organizations", "organizations": sorted(self.model.shared)}
        limits = self.model.rates.model_dump(by_alias=True, exclude_none=True)
        self.it.put(deployment(limits=limits, sharing=mode if self.model.shared else {"mode": "none"}))

    def put_key(self, caller: Caller) -> None:
        record = key(f"sk-genai-{caller.key}", id=caller.key, organization=caller.organization, user=caller.user)
        self.it.gateway.keyring.put(caller.key, None if caller.key in self.model.revoked else record)

    async def ask(self, caller: Caller, tokens: int) -> None:
        expected = self.model.admits(caller)
        left = {unit: self.model.left(unit, caller) for unit in Unit}
        self.compare_answer(await self.send(caller, tokens), expected, left)
        if expected == 200:
            self.model.charge(caller, PROMPT + tokens)

    async def overlap(self, first: tuple[Caller, int], second: tuple[Caller, int]) -> None:
        """The second comes while the first is being answered: it is checked before the first is charged."""
        self.engine.hold, before = asyncio.Event(), len(self.engine.seen)
        expected, tasks = [], []
        for caller, tokens in (first, second):
            expected.append(self.model.admits(caller))
            tasks.append(asyncio.create_task(self.send(caller, tokens)))
            reached = before + expected.count(200)
            while len(self.engine.seen) < reached or (expected[-1] != 200 and not tasks[-1].done()):
                assert expected[-1] != 200 or not tasks[-1].done(), "it was to be let in"
                await asyncio.sleep(0.002)
        self.engine.hold.set()
        self.engine.hold = None
        for (caller, tokens), status, task in zip((first, second), expected, tasks, strict=True):
            assert (await task).status_code == status
            self.model.refused[status] += status != 200
            if status == 200:
                self.model.charge(caller, PROMPT + tokens)

    async def send(self, caller: Caller, tokens: int) -> httpx.Response:
        body = {"model": "chat", "messages": [{"role": "user", "content": "hi"}], "max_tokens": tokens}
        client: httpx.AsyncClient = self.clients[caller.key]
        return await client.post("/v1/chat/completions", json=body)

    def compare_answer(self, answer: httpx.Response, expected: int, left: dict[Unit, int | None]) -> None:
        assert answer.status_code == expected, answer.text
        self.model.refused[expected] += expected != 200
        if expected in (200, 429):
            for unit, remaining in left.items():
                told = answer.headers.get(f"x-ratelimit-remaining-{unit}")
                assert told == (None if remaining is None else str(remaining))
        assert ("retry-after" in answer.headers) == (expected == 429)

    async def compare(self) -> None:
        """The ledger has each answer once and each refusal, and nothing else."""
        rows = await self.it.rows(len(self.model.answered))
        assert sorted(row.usage.total for row in rows) == sorted(self.model.answered)
        await self.it.refusals.flush()
        found: Counter[int] = Counter()
        for refusal in await RefusalRows(self.it.ledger).recent(datetime(2020, 1, 1, tzinfo=UTC), limit=10_000):
            found[refusal.status] += refusal.count
        assert found == +self.model.refused


@settings(max_examples=25)
@given(st.lists(STEP, min_size=5, max_size=25))
def test_whatever_happens_the_gateway_decides_as_its_rules_say(steps: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(Driver(Path(directory)).run(steps))
