"""The console around its screens: themes, help, palette, header, footer, areas, and how it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from textual.app import ComposeResult
from textual.command import CommandPalette
from textual.screen import Screen
from textual.widgets import Input, Static

from genai_tui.domain.rows import Phase
from screens import themes
from screens.app import GenaiTui
from screens.base import AreaScreen, ConsoleScreen
from screens.commands import Commands
from screens.deployments import DeploymentsScreen
from screens.help import HelpScreen
from screens.widgets.footer import FooterBar
from screens.widgets.header import HeaderBar
from tests.fakes import tour
from tests.fakes.services import FakeServices
from tests.screens.console import page, wait_until
from tests.screens.home import Home, home, sent, table


class Counting(AreaScreen):
    """An area that says how often it was told of changes."""

    AREA = "models"

    def __init__(self) -> None:
        super().__init__()
        self.told = 0

    def compose_body(self) -> ComposeResult:
        yield Static("an area", markup=False)

    def refresh_from_picture(self) -> None:
        self.told += 1


class TwoAreas(Home):
    """Home and one more area."""

    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {**GenaiTui.MODES, "models": Counting}


# Look -----------------------------------------------------------------------------------------------------------------


async def test_the_theme_goes_round_is_remembered_and_used_again() -> None:
    world = FakeServices()
    async with home(world) as pilot:
        seen = [pilot.app.theme]
        for _ in themes.NAMES:
            await pilot.press("ctrl+t")
            seen.append(pilot.app.theme)
        assert seen == [*themes.NAMES, themes.NAMES[0]]
        await pilot.press("ctrl+t")
    assert world.preferences.values == {"theme": "light"}
    async with home(world) as pilot:
        assert pilot.app.theme == "light"


@pytest.mark.parametrize(
    ("environment", "theme"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "dark"),
        ({"TERM": "xterm-256color", "COLORTERM": ""}, "dark"),
        ({"TERM": "linux", "COLORTERM": ""}, "terminal"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, "terminal"),
    ],
)
def test_a_terminal_with_few_colours_gets_its_own(
    environment: dict[str, str], theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert GenaiTui(FakeServices().build()).theme == theme


async def test_without_colours_nothing_is_coloured_and_the_cursor_can_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with home(FakeServices()) as pilot:
        filters = pilot.app.get_line_filters()
        strips = [strip for strip in pilot.app.screen._compositor.render_strips()]
        for strip in strips:
            for filtered in (f for f in filters if f.enabled):
                strip = strip.apply_filter(filtered, pilot.app.screen.background_colors[1])
            for segment in strip:
                style = segment.style
                assert style is None or not any((c and not c.is_default) for c in (style.color, style.bgcolor))
        cursor = [segment for segment in strips[2] if segment.text.strip() == "embed"]
        assert cursor[0].style is not None
        assert cursor[0].style.reverse


# Keys -----------------------------------------------------------------------------------------------------------------


async def test_the_footer_has_at_most_eight_keys_help_among_them_and_they_can_be_clicked() -> None:
    async with home(FakeServices(), size=(160, 48)) as pilot:
        footer = pilot.app.screen.query_one(FooterBar)
        shown = footer.shown()
        assert len(shown) <= 8
        assert shown[-1].binding.id == "app.help"
        line = page(pilot.app).splitlines()[-1]
        await pilot.click(footer, offset=(line.index("Chat"), 0))
        assert sent(pilot) == [("playground", tour.EMBED)]


async def test_help_lists_every_binding_and_the_words_of_the_screen() -> None:
    async with home(FakeServices(), size=(120, 90)) as pilot:
        wanted = [
            (active.binding.tooltip or active.binding.description, pilot.app.get_key_display(active.binding))
            for active in pilot.app.screen.active_bindings.values()
            if active.binding.id is not None and active.binding.description
        ]
        assert len(wanted) > 30
        assert all(active.binding.id for active in pilot.app.screen.active_bindings.values() if active.binding.show)
        await pilot.press("question_mark")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        await wait_until(pilot, lambda: "The cause stands beside the phase" in page(pilot.app))
        text = page(pilot.app)
        for told, key in wanted:
            (line,) = [line for line in text.splitlines() if told in line][:1] or [f"no line for {key}: {told}"]
            assert key in line
        await pilot.press("escape")
        await wait_until(pilot, lambda: pilot.app.focused is table(pilot))


async def test_the_palette_has_every_action_and_does_it() -> None:
    async with home(FakeServices(), size=(100, 40)) as pilot:
        screen = pilot.app.screen
        names = [command.name for command in Commands(screen).commands()]
        for wanted in ("delete", "describe", "scale", "quit", "go to Usage", "namespace: search", "theme: light"):
            assert any(name.startswith(wanted) for name in names), wanted
        for key in ("colon", "ctrl+p"):
            await pilot.press(key)
            await wait_until(pilot, lambda: isinstance(pilot.app.screen, CommandPalette))
            await pilot.press("escape")
            await wait_until(pilot, lambda: not isinstance(pilot.app.screen, CommandPalette))
        await pilot.press("ctrl+p")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, CommandPalette))
        await pilot.press(*"theme light")
        await wait_until(pilot, lambda: "theme: light" in page(pilot.app))
        await pilot.press("enter")
        await wait_until(pilot, lambda: pilot.app.theme == "light")


async def test_the_palette_says_why_not() -> None:
    world = FakeServices()
    world.access.refused.add(("patch", "apps/deployments", ""))
    async with home(world) as pilot:
        found = {command.name: command.help for command in Commands(pilot.app.screen).commands()}
        assert "operator may not patch deployments.apps" in found["scale"]


# Header and areas -----------------------------------------------------------------------------------------------------


async def test_the_header_counts_who_needs_somebody_and_never_wraps() -> None:
    world = FakeServices(context="arn:aws:eks:eu-central-1:123456789012:cluster/production-eu")
    async with home(world) as pilot:
        for width in (160, 100, 80, 60, 40):
            await pilot.resize_terminal(width, 24)
            await pilot.pause()
            line = page(pilot.app).splitlines()[0]
            assert len(line) <= width
            if width >= 80:
                assert "2 need you" in line
                assert "simulated" in line
                assert "41 ms" in line
        world.picture.put(tour.with_phase(tour.embed_row(), Phase.RUNNING))
        await pilot.resize_terminal(120, 24)
        await pilot.pause()
        assert "1 needs you" in page(pilot.app).splitlines()[0]


async def test_a_server_that_is_not_verified_is_warned_of_in_every_header() -> None:
    world = FakeServices()
    for insecure in (True, False):
        world.session = replace(world.session, insecure=insecure)
        async with home(world) as pilot:
            for width in (160, 80):
                await pilot.resize_terminal(width, 24)
                await pilot.pause()
                line = page(pilot.app).splitlines()[0]
                assert len(line) <= width
                assert insecure == ("TLS not verified" in line or "no TLS check" in line)


async def test_areas_open_by_digit_and_by_click_and_escape_goes_home() -> None:
    app = TwoAreas(FakeServices())
    async with app.run_test(size=(160, 24)) as pilot:
        await wait_until(pilot, lambda: isinstance(app.screen, DeploymentsScreen))
        await pilot.press("2")
        await wait_until(pilot, lambda: isinstance(app.screen, Counting))
        await pilot.press("escape")
        await wait_until(pilot, lambda: isinstance(app.screen, DeploymentsScreen))
        at = page(app).splitlines()[0].index("Models")
        await pilot.click(app.screen.query_one(HeaderBar), offset=(at, 0))
        await wait_until(pilot, lambda: isinstance(app.screen, Counting))


async def test_a_hidden_screen_is_told_nothing_and_catches_up_once() -> None:
    world = FakeServices()
    app = TwoAreas(world)
    async with app.run_test(size=(100, 24)) as pilot:
        await wait_until(pilot, lambda: isinstance(app.screen, DeploymentsScreen))
        await pilot.press("2")
        await wait_until(pilot, lambda: isinstance(app.screen, Counting) and app.screen.told == 1)
        counting = app.screen
        assert isinstance(counting, Counting)
        await pilot.press("1")
        await wait_until(pilot, lambda: isinstance(app.screen, DeploymentsScreen))
        for _ in range(5):
            world.picture.put(tour.embed_row())
        await pilot.pause()
        assert counting.told == 1
        await pilot.press("2")
        await wait_until(pilot, lambda: counting.told == 2)
        await pilot.press("1", "2")
        await wait_until(pilot, lambda: app.screen is counting)
        assert counting.told == 2


# Life -----------------------------------------------------------------------------------------------------------------


async def test_services_start_after_the_first_paint_and_are_closed_at_the_end() -> None:
    world = FakeServices()
    painted: list[str] = []

    class Watching(Home):
        def connect(self) -> None:
            painted.append(page(self))
            super().connect()

    app = Watching(world)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(pilot, lambda: world.started)
        assert "chat-long" in painted[0]
        assert world.closed == 0
        await pilot.press("q")
        await wait_until(pilot, lambda: app._exit)
    assert world.closed == 1
    assert world.picture.listeners == 0
    assert app.return_code == 0


async def test_q_types_in_a_line_and_ctrl_q_leaves_from_there() -> None:
    world = FakeServices()
    async with home(world) as pilot:
        await pilot.press("slash", "q", "question_mark")
        assert pilot.app.screen.query_one("#list-words", Input).value == "q?"
        await pilot.press("ctrl+q")
        await wait_until(pilot, lambda: pilot.app._exit)
    assert world.closed == 1


async def test_work_that_fails_is_told_and_the_console_stays(caplog: pytest.LogCaptureFixture) -> None:
    async with home(FakeServices()) as pilot:

        async def broken() -> None:
            raise RuntimeError("a defect")

        with caplog.at_level(logging.CRITICAL):
            pilot.app.run_worker(broken(), exit_on_error=False)
            await wait_until(pilot, lambda: "RuntimeError: a defect" in page(pilot.app))
        await pilot.press("down")
        assert table(pilot).cursor == tour.CHAT


def test_a_defect_ends_the_console_without_showing_what_variables_held(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    class Breaking(ConsoleScreen):
        def on_mount(self) -> None:
            token = "hf_aVerySecretToken"
            raise RuntimeError(f"broken with {len(token)}")

    app = Home(FakeServices())

    async def run() -> None:
        async with app.run_test() as pilot:
            await wait_until(pilot, lambda: app.screen_stack)
            app.push_screen(Breaking())
            await asyncio.wait_for(app._exception_event.wait(), 5)

    with pytest.raises(RuntimeError, match="broken with 19"):
        asyncio.run(run())
    assert app.return_code == 1
    out = capsys.readouterr()
    told = "".join(str(renderable) for renderable in app._exit_renderables) + out.out + out.err
    assert "hf_aVerySecretToken" not in told
    assert "the console ended after a defect" in caplog.text
