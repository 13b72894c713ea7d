"""Text from machines, made safe for a terminal."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_COLOUR = re.compile(r"\x1b\[[0-9;:]*[mK]")
"""Select Graphic Rendition and Erase in Line (ECMA-48): what programs colour their lines with, and redraw them."""


def is_address(text: str) -> bool:
    """Whether a text is the address of an HTTP server: its scheme and its host, and perhaps more."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def printable(text: str) -> str:
    """One line that a terminal only shows: colours left out, every other control and invisible character as a symbol.

    An escape is seen as "␛" with what follows it. Tabs become four spaces; bidirectional overrides, which reorder what
    is read, become a replacement character.
    """
    if text.isprintable():
        return text
    return "".join(_shown(character) for character in _COLOUR.sub("", text))


def printable_lines(text: str) -> str:
    """The same of a text of several lines: its line breaks stay."""
    if text.isprintable():
        return text
    return "\n".join(printable(line) for line in text.replace("\r\n", "\n").split("\n"))


def _shown(character: str) -> str:
    code = ord(character)
    if character == "\t":
        return "    "
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    return character if character.isprintable() else "\ufffd"
