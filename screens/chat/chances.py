"""How sure a model was of each token of an answer, and what else might have stood there."""

from __future__ import annotations

import math
from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import ScrollableContainer
from textual.content import Content
from textual.widgets import Static

from genai_tui.domain.chat import TokenChance
from genai_tui.domain.text import printable
from screens.dialogs.base import Dialog
from screens.format import percent

_MOST = 2_000
_BAR = 10
_TOKEN = 20


class ChancesDialog(Dialog[None]):
    """A line for each token: the token, its chance, and the others with theirs.

    Args:
        chances: of the answer, from its beginning.
    """

    KEYS = "↑ ↓ scroll   esc back"
    SCROLLED = "#chances-box"

    def __init__(self, chances: Sequence[TokenChance]) -> None:
        super().__init__(f"How sure the model was of {len(chances):,} tokens")
        self.add_class("-chances")
        self._chances = chances

    def compose_content(self) -> ComposeResult:
        """All in one text."""
        with ScrollableContainer(id="chances-box", can_focus=False):
            yield Static(Content("\n").join(_line(chance) for chance in self._chances[:_MOST]), id="chances-text")
        if len(self._chances) > _MOST:
            yield Static(f"the first {_MOST:,} of {len(self._chances):,}", classes="dialog--note")


def _line(chance: TokenChance) -> Content:
    share = _share(chance.logprob)
    bar = "█" * round(share * _BAR)
    others = "   ".join(f"{_shown(token)} {_percent(_share(logprob))}" for token, logprob in chance.others)
    return Content.assemble(
        f"{_shown(chance.token):<{_TOKEN}}", (f"{bar:<{_BAR}}", "dim"), f"{_percent(share):>6}   ", (others, "dim")
    )


def _shown(token: str) -> str:
    """With its spaces and line breaks to be seen, so that tokens that look alike are told apart."""
    text = printable(token.replace("\n", "⏎").replace(" ", "·").replace("\t", "⇥"))
    return text if len(text) < _TOKEN else f"{text[: _TOKEN - 2]}…"


def _percent(share: float) -> str:
    return "<1%" if share < 0.01 else percent(share)


def _share(logprob: float) -> float:
    return min(1.0, math.exp(min(logprob, 0.0)))
