"""The playground against a real engine over real sockets: long talks, and everything that goes wrong in one."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from genai_tui.composition import build_services
from genai_tui.domain.deployment import Limits, RateLimits
from genai_tui.domain.keys import KeyRequest
from genai_tui.domain.rows import Link, Ref
from genai_tui.domain.usage import RequestRecord
from genai_tui.services import Services
from genai_tui.settings import Settings
from screens.app import GenaiTui
from screens.chat.prompt import Prompt
from screens.playground import PlaygroundScreen
from tests.sandbox.engines import installed
from tests.sandbox.test_server import Sandbox, children, pods, ready, serving, until
from tests.screens.console import page, paste

pytestmark = [pytest.mark.skipif(not installed(), reason="the engine is not installed here"), pytest.mark.timeout(300)]
CHAT = Ref("team-a", "chat")
LONG_STORY = "Write a very long story about a dragon."
"""The model's likeliest answer has more than 900 tokens."""
EVER = datetime(2020, 1, 1, tzinfo=UTC)


@asynccontextmanager
async def playground(directory: Path) -> AsyncIterator[tuple[Pilot[Any], Services, Sandbox]]:
    """The console in the playground of a deployment that runs; answers are short."""
    with serving(directory / "sandbox", "--speed", "20") as sandbox, sandbox.client() as cluster:
        until(lambda: any(ready(pod) for name, pod in pods(cluster).items() if name.startswith("chat-")))
        settings = Settings(
            kubeconfig=str(sandbox.ready["kubeconfig"]), gateway=sandbox.ready["gateway"], state=directory / "state"
        )
        services = build_services(settings)
        app = GenaiTui(services)
        async with app.run_test(size=(110, 40), notifications=True) as pilot:
            await seen(pilot, lambda: services.picture.health.link is Link.LIVE)
            await seen(pilot, lambda: services.picture.deployment(CHAT) is not None)
            await app.push_screen(PlaygroundScreen(CHAT))
            yield pilot, services, sandbox


async def seen(pilot: Pilot[Any], true: Callable[[], object], seconds: float = 60) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not true():
        assert asyncio.get_running_loop().time() < deadline, page(pilot.app)
        await asyncio.sleep(0.05)
    await pilot.pause()


async def rows(services: Services) -> tuple[RequestRecord, ...]:
    return await services.usage.requests(EVER)


async def asked(pilot: Pilot[Any], services: Services, text: str) -> RequestRecord:
    """Ask, and wait for its row."""
    before = len(await rows(services))
    await paste(pilot, text)
    await pilot.press("enter")
    return await row_after(pilot, services, before)


async def row_after(pilot: Pilot[Any], services: Services, before: int) -> RequestRecord:
    for _ in range(1_200):
        found = await rows(services)
        if len(found) > before:
            await pilot.pause()
            return found[-1]
        await asyncio.sleep(0.05)
    raise AssertionError(page(pilot.app))


async def limited_to(pilot: Pilot[Any], tokens: str) -> None:
    """The likeliest answer, of at most so many tokens, from now on; set as a person does."""
    await pilot.press("f3", "tab", "ctrl+u", "0", "tab", "tab", "ctrl+u", *tokens, "f3")


async def test_twenty_turns_are_carried_along_counted_and_kept(tmp_path: Path) -> None:
    async with playground(tmp_path) as (pilot, services, _):
        await limited_to(pilot, "8")
        found = [await asked(pilot, services, f"Say the number {turn}.") for turn in range(20)]
        assert [row.status for row in found] == ["ok"] * 20
        prompts = [row.usage.prompt for row in found if row.usage]
        assert len(prompts) == 20
        assert prompts == sorted(set(prompts)), "each turn carries all that was said before"
        total = sum(row.usage.total for row in found if row.usage)
        await seen(pilot, lambda: f"{total:,} tokens" in page(pilot.app))


async def test_a_stopped_answer_frees_the_engine_and_one_goes_on(tmp_path: Path) -> None:
    async with playground(tmp_path) as (pilot, services, _):
        await limited_to(pilot, "1500")
        await paste(pilot, LONG_STORY)
        # A question that is sent takes back the counting of its tokens: only the answer is to be stopped here.
        await seen(pilot, lambda: "tokens to send" in page(pilot.app))
        await pilot.press("enter")
        await seen(pilot, lambda: "answering" in page(pilot.app))
        await pilot.press("escape")
        stopped = await row_after(pilot, services, 0)
        assert stopped.status == "cancelled"
        assert isinstance(pilot.app.screen, PlaygroundScreen)
        await limited_to(pilot, "6")
        assert (await asked(pilot, services, "Name a colour.")).status == "ok"


async def test_too_long_a_prompt_is_refused_in_the_engines_words_and_nothing_typed_is_lost(tmp_path: Path) -> None:
    async with playground(tmp_path) as (pilot, services, _):
        await limited_to(pilot, "8")
        text = "word " * 9_000 + "end."
        refused = await asked(pilot, services, text)
        assert (refused.status, refused.usage) == ("error", None)
        await seen(pilot, lambda: "context" in page(pilot.app) and "→" in page(pilot.app))
        prompt = pilot.app.screen.query_one(Prompt)
        assert prompt.text.strip() == text
        prompt.text = ""
        assert (await asked(pilot, services, "Name a colour.")).status == "ok"


async def test_an_engine_that_dies_in_the_middle_is_said_what_came_stays_and_one_key_asks_again(tmp_path: Path) -> None:
    async with playground(tmp_path) as (pilot, services, sandbox):
        await limited_to(pilot, "1500")
        await paste(pilot, LONG_STORY)
        await pilot.press("enter")
        await seen(pilot, lambda: "answering" in page(pilot.app))
        os.kill(engines(sandbox.process.pid)[0], signal.SIGKILL)
        broken = await row_after(pilot, services, 0)
        assert broken.status == "error"
        await seen(pilot, lambda: "✖" in page(pilot.app) and "→" in page(pilot.app))
        await limited_to(pilot, "6")
        await pilot.press("ctrl+r")
        assert (await row_after(pilot, services, 1)).status == "ok"


async def test_a_limit_is_told_with_when_to_ask_again_and_the_question_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with playground(tmp_path) as (pilot, services, _):
        detail = services.picture.deployment(CHAT)
        assert detail is not None
        assert detail.document is not None
        rates = RateLimits(api_key=Limits(requests_per_minute=1))
        spec = detail.document.spec.model_copy(update={"rate_limits": rates})
        await services.apply_documents([detail.document.model_copy(update={"spec": spec})], False)
        made = await services.keys.create(KeyRequest("org-a", "alice", expires=datetime.now(UTC) + timedelta(hours=1)))
        monkeypatch.setenv("GENAI_TUI_API_KEY", made.text)
        await pilot.press("ctrl+y")
        await seen(pilot, lambda: "as whom?" in page(pilot.app))
        await pilot.press("enter")
        await seen(pilot, lambda: "limits hold" in page(pilot.app))
        await pilot.press("enter")
        await seen(pilot, lambda: "with $GENAI_TUI_API_KEY" in page(pilot.app))
        await limited_to(pilot, "4")
        await paste(pilot, "Name a colour.")
        await pilot.press("enter")
        await seen(pilot, lambda: "tok/s" in page(pilot.app))
        await paste(pilot, "Name another.")
        await pilot.press("enter")
        await seen(pilot, lambda: "429" in page(pilot.app) or "too many" in page(pilot.app))
        assert "→" in page(pilot.app)
        assert pilot.app.screen.query_one(Prompt).text == "Name another."


def engines(parent: int) -> list[int]:
    """The processes that answer, below the sandbox."""
    return [pid for pid in children(parent) if "genai_tui.sandbox.engine_process" in command(pid)]


def command(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
