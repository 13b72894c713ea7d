"""Every dialog at 80x24 with more than fits: its keys are on the screen, and its last line can be reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from textual.events import MouseScrollDown
from textual.widgets import Static

from genai_tui.domain.chat import TokenChance
from genai_tui.domain.form_facts import Choice
from genai_tui.domain.problems import Problem
from screens.catalogue.entry_dialog import EntryDialog
from screens.chat.all_settings import SettingsDialog
from screens.chat.as_developer import CallerDialog
from screens.chat.chances import ChancesDialog
from screens.chat.code_dialog import CodeDialog
from screens.chat.keeping import KeepDialog
from screens.dialogs.base import Dialog
from screens.dialogs.confirm import ConfirmDialog, ContextDialog, TypedConfirmDialog
from screens.dialogs.difference import DifferenceDialog
from screens.dialogs.explain import ExplainDialog
from screens.dialogs.problem import ProblemDialog
from screens.dialogs.text import TextDialog
from screens.forms.picker import PickerScreen
from screens.playground import PlaygroundScreen
from tests.fakes import tour
from tests.fakes.services import FakeServices
from tests.fakes.tour import CHAT
from tests.screens.console import page, showing, wait_until

LAST = "THE-LAST-LINE"
LINES = "\n".join([*(f"line {number}" for number in range(60)), LAST])
WORDS = "words " * 200 + LAST
CHANCES = [TokenChance(f"t{number}", -0.1, (("other", -2.0),) * 5) for number in range(60)]


def explained() -> ExplainDialog:
    row = tour.chat_row()
    told = replace(row.assessment, cause="why " * 60, evidence=(*(["because " * 15] * 9), LAST))
    return ExplainDialog(replace(row, assessment=told))


DIALOGS: dict[str, Callable[[], Dialog[Any]]] = {
    "code": lambda: CodeDialog("Ask", {"curl": LINES, "python": LINES, "node": LINES}),
    "chances": lambda: ChancesDialog([*CHANCES, TokenChance(LAST, -0.1)]),
    "confirm": lambda: ConfirmDialog("Restart?", WORDS),
    "typed": lambda: TypedConfirmDialog("Delete?", LAST, "words " * 200),
    "context": lambda: ContextDialog("prod", WORDS),
    "difference": lambda: DifferenceDialog("Changed", "words " * 60, LINES, yes="Write"),
    "explain": explained,
    "problem": lambda: ProblemDialog(Problem("what " * 60, "why " * 60, "step " * 60 + LAST)),
    "text": lambda: TextDialog("Write", "x", problem=lambda _: "", text=WORDS),
    "picker": lambda: PickerScreen("Which?", [Choice(f"c{n}", "") for n in range(60)] + [Choice(LAST, "")]),
    "entry": lambda: EntryDialog("m", [("label", "text")] * 40 + [("last", LAST)], [], deployable=True),
}
FITTING: dict[str, Callable[[], Dialog[Any]]] = {
    "settings": lambda: SettingsDialog({}, 4096),
    "caller": lambda: CallerDialog(CHAT, "", with_key=True),
    "keep": lambda: KeepDialog({"conversation": "x", "system prompt": "y"}, {"conversation": [], "system prompt": []}),
}


def keys_line(dialog: Dialog[Any]) -> str:
    """The first of its keys, as the line at the bottom says it."""
    return str(dialog.query_one(".dialog--keys", Static).visual).split("   ")[0]


@pytest.mark.parametrize("name", DIALOGS)
@pytest.mark.parametrize("way", ["keys", "wheel"])
async def test_the_keys_are_on_the_screen_and_the_last_line_is_reached(name: str, way: str) -> None:
    dialog = DIALOGS[name]()
    async with showing(FakeServices(), dialog) as pilot:
        await wait_until(pilot, lambda: keys_line(dialog) in page(pilot.app))
        for _ in range(80):
            if LAST in page(pilot.app):
                break
            if way == "keys":
                await pilot.press("down" if name == "picker" else "pagedown")
            else:
                await pilot._post_mouse_events([MouseScrollDown], offset=(40, 11))
        assert LAST in page(pilot.app), page(pilot.app)
        assert keys_line(dialog) in page(pilot.app)


@pytest.mark.parametrize("name", FITTING)
async def test_those_of_a_fixed_length_fit(name: str) -> None:
    async with showing(FakeServices(), PlaygroundScreen(CHAT)) as pilot:
        dialog = FITTING[name]()
        pilot.app.push_screen(dialog)
        await wait_until(pilot, lambda: dialog.is_mounted)
        await wait_until(pilot, lambda: keys_line(dialog) in page(pilot.app))
