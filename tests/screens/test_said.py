"""An answer on the screen is what the model said, letter by letter, however it came."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from textual.app import App, ComposeResult

from genai_tui.domain.conversation import Turn
from screens.chat.turn_view import TurnView
from tests.screens.console import page, wait_until

_SHAPES = re.compile(r"[\s|>\-:─│┌┐└┘├┤┬┴┼▌\\]")
"""White space, and what is drawn as a shape."""


class _Answer(App[None]):
    CSS_PATH = "../../styles/playground.tcss"

    def compose(self) -> ComposeResult:
        yield TurnView(Turn("?"))


async def drawn(*pieces: str, width: int = 80) -> str:
    """The screen after an answer came in these pieces."""
    app = _Answer()
    async with app.run_test(size=(width, 60)) as pilot:
        view, said = app.query_one(TurnView), ""
        await wait_until(pilot, lambda: view.is_mounted)
        for piece in pieces:
            said += piece
            await view.draw(Turn("?", said), running=True)
        await view.draw(Turn("?", said, stopped=True), running=False)
        await pilot.pause()
        return page(app)


def letters(text: str) -> str:
    return _SHAPES.sub("", text)


JSON = '{\n  "b": "*x* and __init__ and ~~old~~",\n\n# no heading\n    "link": "[click](http://evil.example)"\n}'


async def test_json_is_shown_as_it_is() -> None:
    lines = [line.removeprefix("  ") for line in (await drawn(JSON)).splitlines()]
    assert "\n".join(lines[1:7]) == JSON


@pytest.mark.parametrize(
    "said",
    [
        "[click](http://evil.example/a_b) and ![this](http://evil.example/x.png) and <http://a.example>",
        "call __init__, ~~old~~, `x*y`, snake_case_name, f(x)*g(y)*z, /*note*/ and *.* of 2**3**2",
        r"\(a \le b\), 100\% and &amp;",
        "  two spaces\n      and more,   within",
        "3) third\n7) seventh",
        "+ added",
        "```python\ndef f():\n    return 1\n```",
        "# Title ##",
        "a\n===",
        "***",
    ],
)
async def test_no_mark_is_taken_away(said: str) -> None:
    screen = (await drawn(said, width=120)).replace("\n  ", "\n")
    for line in said.splitlines():
        assert line.removesuffix(" ##") in screen


async def test_long_lines_of_code_and_narrow_columns_are_folded_and_not_cut() -> None:
    code, cell = "Q" * 150, "Z" * 150
    screen = await drawn(f"```\n{code}\n```\n\n|k|v|\n|-|-|\n|one|{cell}|\n")
    assert screen.count("Q") == screen.count("Z") == 150
    assert "one" in screen


FRAGMENTS = st.lists(
    st.sampled_from(
        ["a", "word ", "_", "**", "*", "`", "```", "\n", "\n\n", "# ", "- ", "1. ", "> ", "|", "|-|-|\n", "    ", "  ",
         "~~", "[x](http://e)", "{", "&lt;", "\\", "<b>", "|a|b|\n|-|-|\n|c|d|\n", "\r", "\x1b[31m", "\u2028", "\x0c"]
    ),
    max_size=14,
)  # fmt: skip


@settings(max_examples=15, phases=[Phase.explicit, Phase.generate], report_multiple_bugs=False)
@given(FRAGMENTS, st.data())
@example(["|a|b|\n|-|-|\n|c|d|\n", "|", "e", "|", "f", "|", "g", "|"], None)
@example(["\r", "\n", "\n", "a"], None)
@example(["a\n", "b\n", "c\n", "d"], None)
@example(["```\n", "a\n", "b\n", "c\n", "```"], None)
def test_in_pieces_it_comes_to_what_it_is_at_once_and_no_letter_is_missing(
    fragments: list[str], data: st.DataObject | None
) -> None:
    said = "".join(fragments)
    cuts = data.draw(st.lists(st.integers(0, len(said)), max_size=6)) if data is not None else range(len(said))
    pieces = [said[begin:end] for begin, end in pairwise([0, *sorted(cuts), len(said)])]
    at_once = asyncio.run(drawn(said))
    assert asyncio.run(drawn(*pieces)) == at_once
    shown = letters(at_once)
    for word in re.findall(r"[\w*`~#&;\[\]()/<.{]+", said.replace("\x1b[31m", "")):
        assert letters(word) in shown
