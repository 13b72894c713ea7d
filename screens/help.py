"""Help: what the screen is for, and every key that works on it, made from the bindings themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Markdown, Static

from screens.base import ConsoleScreen
from screens.dialogs.base import Dialog

_MARKS = """\
### Reading the list

`●` runs · `◔` pulls or downloads · `◑` loads · `◕` warms up · `◐` changes · `○` waits · `▲` works in part ·
`✖` failed · `■` stopped · `◌` is going · `–` is not known
"""


class HelpScreen(Dialog[None]):
    """Help for the screen it is opened over."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,q,enter", "leave", "Close", show=False, tooltip="Back to the screen"),
    ]
    KEYS = "↑ ↓ scroll   esc back"

    def __init__(self, about: Screen[Any]) -> None:
        super().__init__("Help")
        self._text = (about.HELP if isinstance(about, ConsoleScreen) else None) or ""
        self._keys = key_lines(about)

    def compose_content(self) -> ComposeResult:
        """Words, then keys."""
        with VerticalScroll(classes="help--scroll", can_focus=True):
            if self._text:
                yield Markdown(self._text, classes="help--words")
            for title, lines in self._keys:
                yield Static(title, classes="help--group", markup=False)
                for keys, text, refusal in lines:
                    told = f"{text}  ({refusal})" if refusal else text
                    style = "$text-muted" if refusal else "$text-accent bold"
                    yield Static(Content.assemble((f"{keys:<14}", style), told), classes="help--line")
            yield Markdown(_MARKS, classes="help--words")


def key_lines(screen: Screen[Any]) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """(group, lines) with lines of (keys, what they do, why not now), every described binding once."""
    groups: dict[str, dict[str, list[ActiveBinding]]] = {"Here": {}, "In the list or form": {}, "Everywhere": {}}
    for active in screen.active_bindings.values():
        own = not active.binding.action.startswith(("screen.", "app.focus_"))
        if active.binding.description and not active.binding.system and own:
            where = "Here" if active.node is screen else "In the list or form"
            if active.node is screen.app or active.binding.action.startswith("app."):
                where = "Everywhere"
            groups[where].setdefault(active.binding.action, []).append(active)
    return [(title, [_line(screen, found) for found in lines.values()]) for title, lines in groups.items() if lines]


def _line(screen: Screen[Any], found: Iterable[ActiveBinding]) -> tuple[str, str, str]:
    bindings = list(found)
    keys = dict.fromkeys(screen.app.get_key_display(active.binding) for active in bindings)
    first = bindings[0]
    refusal = ""
    if not first.enabled and isinstance(screen, ConsoleScreen):
        refusal = screen.refusal(first.binding.action.partition("(")[0])
    return " ".join(keys), first.binding.tooltip or first.binding.description, refusal
