"""Texts that are said again and again and seldom change."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static


def say(line: Static, text: str | Content, *, same_height: bool = False) -> None:
    """Show a text, where it is another than before; `same_height` says that the line has a height of its own.

    Every other update lays the whole screen out again and draws all of its scroll bars: 10 kB/s for a list that changes
    four times a second.
    """
    if line.content != text:
        line.update(text, layout=not same_height)


def say_or_hide(line: Static, text: str) -> None:
    """Show a text in its place, or nothing there."""
    line.display = bool(text)
    say(line, text)
