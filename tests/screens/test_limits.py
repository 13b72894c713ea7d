"""The limits of a deployment as they are used up, and what a key would be told."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol

import pytest
from textual.pilot import Pilot

from genai_tui.domain.deployment import RateLimits
from genai_tui.domain.documents import Endpoint
from genai_tui.domain.limit_use import Counters
from genai_tui.domain.limits import Level, OpenWindow, Unit
from genai_tui.domain.refusals import Refusal
from genai_tui.domain.rows import EndpointRow, Ref
from genai_tui.errors import GenaiTuiError, NotPermitted, Unreachable
from screens.limits import LimitsScreen
from tests.fakes import tour
from tests.fakes.services import FakeServices
from tests.fakes.tour import CHAT
from tests.screens.console import Console, page, plain_terminals, showing, wait_until


class Compare(Protocol):
    """`snap_compare` of pytest-textual-snapshot."""

    def __call__(
        self, app: Console, *, terminal_size: tuple[int, int], run_before: Callable[[Pilot[Any]], Awaitable[None]]
    ) -> bool: ...


def counted(user: str, key: str, requests: int, tokens: int) -> list[OpenWindow]:
    """What the gateway counted of a user and of a key of theirs."""
    return [
        OpenWindow(level, unit, subject, used, ends)
        for level, subject in ((Level.USER, user), (Level.API_KEY, key))
        for unit, used, ends in ((Unit.REQUESTS, requests, 30.0), (Unit.TOKENS, tokens, 30.2))
    ]


def refused(
    seconds: int, user: str, key: str, status: int, reason: str, count: int = 1, ref: Ref | None = CHAT
) -> Refusal:
    at = tour.NOW - timedelta(seconds=seconds)
    namespace, name = (ref.namespace, ref.name) if ref else ("", "")
    organization = "org-a" if key else ""
    return Refusal(
        at, at, count, "https://127.0.0.1:6443", namespace, name, organization, user, key, status, "", reason
    )


def busy_world() -> FakeServices:
    world = FakeServices()
    windows = (*counted("alice", "k-11111111", 120, 60_000), *counted("bob", "k-22222222", 12, 1200))
    world.windows.counters = Counters(tour.NOW - timedelta(hours=1), windows)
    why = "Rate limit reached for user alice on tokens per minute: limit 60000, used 60000. Try again in 31 s."
    world.refusals.rows = (refused(3, "alice", "k-11111111", 429, why, 7), refused(99, "", "", 401, "", 12, ref=None))
    return world


def at_gateway(world: FakeServices, enforcement: str) -> None:
    """The endpoint of the deployments is one that a gateway of the cluster keeps."""
    spec = {
        "hostname": "chat.example.com", "exposure": "gateway",
        "gateway": {"namespace": "g", "name": "g"}, "enforcement": enforcement,
    }  # fmt: skip
    document = Endpoint.model_validate({"metadata": {"name": "internal"}, "spec": spec})
    world.picture.endpoint_rows = (EndpointRow("internal", document, 1, tour.NOW),)


async def test_every_limit_is_shown_with_its_window_and_a_key_is_tried() -> None:
    async with showing(busy_world(), LimitsScreen(CHAT), size=(120, 30)) as pilot:
        await wait_until(pilot, lambda: "alice" in page(pilot.app))
        assert "60,000 spent" in page(pilot.app)
        assert "120 spent" in page(pilot.app)
        await pilot.press("t")
        await wait_until(pilot, lambda: "Try which key?" in page(pilot.app))
        await pilot.press(*"1111", "enter")
        await wait_until(pilot, lambda: "it would be refused with 429" in page(pilot.app))
        assert "bob" not in page(pilot.app), "its own limits alone"
        await pilot.press("t", *"2222", "enter")
        await wait_until(pilot, lambda: "would be let in now" in page(pilot.app))
        await pilot.press("t", *"3333", "enter")
        await wait_until(pilot, lambda: "refused with 401: key k-33333333 has expired" in page(pilot.app))
        await pilot.press("escape")
        await wait_until(pilot, lambda: "2 keys may call" in page(pilot.app), "an expired key calls nothing")


async def test_large_limits_are_whole_at_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    world = busy_world()
    detail = world.picture.deployment(CHAT)
    assert detail is not None
    assert detail.document is not None
    limits = RateLimits.model_validate(
        {"organization": {"tokensPerMinute": 123_456_789, "requestsPerMinute": 1_000_000}}
    )
    spec = detail.document.spec.model_copy(update={"rate_limits": limits})
    detail = replace(detail, document=detail.document.model_copy(update={"spec": spec}))
    monkeypatch.setattr(world.picture, "deployment", lambda _: detail)
    async with showing(world, LimitsScreen(CHAT), size=(80, 24)) as pilot:
        await wait_until(pilot, lambda: "organization" in page(pilot.app))
        assert {"123,456,789", "1,000,000"} <= set(page(pilot.app).split())
        assert "RESETS IN" in page(pilot.app)


async def test_a_gateway_that_takes_its_time_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LimitsScreen, "READ_EVERY_S", 0.01)
    world = busy_world()
    asked: list[asyncio.Event] = []

    async def slowly(ref: Ref) -> Counters:
        asked.append(asyncio.Event())
        await asked[-1].wait()
        return world.windows.counters

    monkeypatch.setattr(world.windows, "of", slowly)
    async with showing(world, LimitsScreen(CHAT), size=(120, 30)) as pilot:
        await wait_until(pilot, lambda: bool(asked))
        for _ in range(5):
            await asyncio.sleep(0.02)
        first = len(asked)
        asked[-1].set()
        await wait_until(pilot, lambda: "60,000 spent" in page(pilot.app))
        await wait_until(pilot, lambda: len(asked) > first)
    assert first <= 2, "once when it is mounted, once when it comes to the front"


async def test_no_limits_no_keys_others_and_a_broken_ledger_are_said() -> None:
    world = FakeServices()
    async with showing(world, LimitsScreen(Ref("search", "embed"))) as pilot:
        await wait_until(pilot, lambda: "No key may call search/embed" in page(pilot.app))
    async with showing(world, LimitsScreen(Ref("nobody", "here"))) as pilot:
        await wait_until(pilot, lambda: "was made by others" in page(pilot.app))
    world.refusals.failure = GenaiTuiError("the ledger is damaged")
    async with showing(world, LimitsScreen(CHAT)) as pilot:
        await wait_until(pilot, lambda: "✖ the ledger is damaged" in page(pilot.app))
        assert "asking the gateway" not in page(pilot.app), "what failed is not going on"
        world.refusals.failure = None
        await pilot.press("r")
        await wait_until(pilot, lambda: "keys may call" in page(pilot.app))
        world.refusals.failure = GenaiTuiError("the ledger is damaged")
        await pilot.press("r")
        await wait_until(pilot, lambda: "✖ the ledger is damaged" in page(pilot.app))
        assert "alice" in page(pilot.app), "what was known stays"


async def test_where_kuadrant_keeps_the_limits_its_counters_are_shown_and_no_refusal_is_denied() -> None:
    world = busy_world()
    at_gateway(world, "kuadrant")
    world.windows.failure = Unreachable("no embedded gateway of this cluster runs on this machine")
    world.refusals.rows = ()
    windows = (*counted("alice", "k-11111111", 7, 61_234), *counted("bob", "k-22222222", 0, 0))
    world.limitador.counters = Counters(None, windows, frozenset((level, unit) for level in Level for unit in Unit))
    async with showing(world, LimitsScreen(CHAT), size=(120, 30)) as pilot:
        await wait_until(pilot, lambda: "61,234 spent" in page(pilot.app))
        assert "as Kuadrant's Limitador counts\n" in re.sub(" +\n", "\n", page(pilot.app) + "\n")
        assert "what was refused is not known here: Kuadrant does not tell" in page(pilot.app)
        await pilot.press("t", *"1111", "enter")
        await wait_until(pilot, lambda: "it would be refused with 429: Rate limit reached for user" in page(pilot.app))
        await pilot.press("t", *"2222", "enter")
        await wait_until(pilot, lambda: "would be let in now" in page(pilot.app))
        assert "embedded" not in page(pilot.app)


@pytest.mark.parametrize(
    ("enforcement", "said"),
    [
        ("kuadrant", "vera may not get limitadors.limitador.kuadrant.io in namespace genai-tui"),
        ("lacking", "Kuadrant's Limitador does not have the limit of user requests and user tokens"),
        ("envoy-ai-gateway", "Envoy Gateway keeps the counters in its Redis"),
        ("none", "no embedded gateway of this cluster runs on this machine"),
        ("away", "the endpoint internal cannot be read"),
    ],
)
async def test_what_is_not_known_is_no_zero_and_no_verdict(enforcement: str, said: str) -> None:
    world = busy_world()
    world.refusals.rows = ()
    match enforcement:
        case "away":
            world.picture.endpoint_rows = ()
        case "none":
            why = "no embedded gateway of this cluster runs on this machine with this state directory"
            world.windows.failure = Unreachable(why, next_step="ask where it runs")
        case "kuadrant":
            at_gateway(world, "kuadrant")
            world.limitador.failure = NotPermitted(
                "vera may not get limitadors.limitador.kuadrant.io in namespace genai-tui"
            )
        case "lacking":
            at_gateway(world, "kuadrant")
            world.limitador.counters = Counters(kept=frozenset())
        case _:
            at_gateway(world, enforcement)
    async with showing(world, LimitsScreen(CHAT), size=(160, 30)) as pilot:
        await wait_until(pilot, lambda: f"not known here: {said[:12]}" in page(pilot.app))
        assert said in page(pilot.app)
        (line,) = [line for line in page(pilot.app).splitlines() if "alice" in line and "tokens" in line]
        assert line.split() == ["user", "alice", "tokens", "–", "60,000", "–"]
        await pilot.press("t", *"1111", "enter")
        await wait_until(pilot, lambda: "bob" not in page(pilot.app))
        assert "let in" not in page(pilot.app)
        assert "refused" not in page(pilot.app)


async def test_what_was_refused_last_is_told_with_who_and_why() -> None:
    world = busy_world()
    unshared = refused(9, "carol", "k-44444444", 403, "The model 'chat' is not shared with the organization.")
    world.refusals.rows = (*world.refusals.rows, unshared)
    async with showing(world, LimitsScreen(CHAT), size=(160, 30)) as pilot:
        await wait_until(pilot, lambda: "429 x7  alice (org-a) k-11111111: Rate limit reached" in page(pilot.app))
        assert "403  carol (org-a) k-44444444: The model 'chat' is not shared" in page(pilot.app)
        assert "12 requests without a known key (401), to whatever deployment" in page(pilot.app)
        await pilot.press("t", *"1111", "enter")
        await wait_until(pilot, lambda: "carol" not in page(pilot.app))
        assert "429 x7" in page(pilot.app)
        world.refusals.rows = ()
        await pilot.press("r")
        await wait_until(pilot, lambda: "nothing was refused in the last hour" in page(pilot.app))


async def test_the_deployment_opens_it_with_one_key() -> None:
    from screens.deployment.screen import DeploymentScreen

    async with showing(busy_world(), DeploymentScreen(CHAT)) as pilot:
        await pilot.press("L")
        await wait_until(pilot, lambda: "Limits of team-a/chat" in page(pilot.app))
        await pilot.press("escape")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, DeploymentScreen))


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
@pytest.mark.parametrize("state", ["used", "key", "none"])
def test_limits(snap_compare: Compare, state: str, size: tuple[int, int]) -> None:
    ref = Ref("search", "embed") if state == "none" else CHAT

    async def before(pilot: Pilot[Any]) -> None:
        await wait_until(pilot, lambda: "No key may" in page(pilot.app) or "alice" in page(pilot.app))
        if state == "key":
            await pilot.press("t", *"1111", "enter")
            await wait_until(pilot, lambda: "refused with 429" in page(pilot.app))
        await pilot.pause()

    assert snap_compare(Console(busy_world(), LimitsScreen(ref)), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
@pytest.mark.parametrize("state", ["used", "key"])
@plain_terminals
def test_limits_in_plain_terminals(
    snap_compare: Compare,
    state: str,
    size: tuple[int, int],
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    test_limits(snap_compare, state, size)


async def test_a_click_on_a_heading_sorts() -> None:
    async with showing(busy_world(), LimitsScreen(CHAT), size=(120, 30)) as pilot:
        await wait_until(pilot, lambda: "alice" in page(pilot.app))
        heading = next(line for line in page(pilot.app).splitlines() if "LEVEL" in line)
        for _ in range(2):
            await pilot.click("#limits-table", offset=(heading.index("USED"), 0))
        await wait_until(pilot, lambda: "USED↓" in page(pilot.app))
        lines = page(pilot.app).splitlines()
        at = next(place for place, line in enumerate(lines) if "LEVEL" in line)
        assert "60,000 spent" in lines[at + 1]
