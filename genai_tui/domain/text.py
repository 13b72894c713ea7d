"""Text from machines, made safe for a terminal."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_ANSI = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # CSI: colours and cursor movement
    r"|\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC: titles, links, clipboard
    r"|[PX^_][^\x1b]*\x1b\\"  # DCS, SOS, PM, APC
    r"|[@-Z\\-_]|[ -/]+[0-~])"
)


def is_address(text: str) -> bool:
    """Whether a text is the address of an HTTP server: its scheme and its host, and perhaps more."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def printable(text: str) -> str:
    """The text without terminal escapes, with other control and invisible characters shown as symbols.

    Tabs become four spaces; bidirectional overrides, which reorder what is read, become a replacement character.
    """
    if text.isascii() and text.isprintable():
        return text
    without = _ANSI.sub("", text)
    return "".join(_shown(character) for character in without)


def _shown(character: str) -> str:
    code = ord(character)
    if character == "\t":
        return "    "
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    return character if character.isprintable() else "\ufffd"
