"""The looks: dark, light, high contrast and the terminal's own sixteen colours, all from the same tokens.

Colours are named nowhere else. Every theme sets every token, so that a style sheet never has to know which is on.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.theme import Theme


@dataclass(frozen=True, slots=True)
class _Tokens:
    """One palette. `ground` is the page, `raised` bars and dialogs, `line` borders; `cursor` the chosen row."""

    ground: str
    raised: str
    line: str
    text: str
    muted: str
    accent: str
    on_accent: str
    good: str
    busy: str
    waiting: str
    bad: str
    cursor: str
    on_cursor: str
    dark: bool = True
    ansi: bool = False


_DARK = _Tokens(
    ground="#14171c", raised="#1d2229", line="#343c47", text="#d8dee6", muted="#8793a1",
    accent="#6cb6ff", on_accent="#0d1117", good="#7ccf8a", busy="#79c0ff", waiting="#e3b75f", bad="#ff7b72",
    cursor="#26384d", on_cursor="#ffffff",
)  # fmt: skip
_LIGHT = _Tokens(
    ground="#fbfbf9", raised="#eeefec", line="#c6cac4", text="#22272e", muted="#5f6b76",
    accent="#0b5cad", on_accent="#ffffff", good="#1a7335", busy="#0b5cad", waiting="#8a5a00", bad="#b3261e",
    cursor="#d6e6f7", on_cursor="#0d1117", dark=False,
)  # fmt: skip
_CONTRAST = _Tokens(
    ground="#000000", raised="#000000", line="#ffffff", text="#ffffff", muted="#d0d0d0",
    accent="#ffff00", on_accent="#000000", good="#00ff5f", busy="#5fd7ff", waiting="#ffd75f", bad="#ff8787",
    cursor="#00008b", on_cursor="#ffffff",
)  # fmt: skip
_TERMINAL = _Tokens(
    ground="ansi_default", raised="ansi_default", line="ansi_bright_black", text="ansi_default",
    muted="ansi_default", accent="ansi_cyan", on_accent="ansi_black", good="ansi_green", busy="ansi_cyan",
    waiting="ansi_yellow", bad="ansi_red", cursor="ansi_cyan", on_cursor="ansi_black", ansi=True,
)  # fmt: skip

NAMES = ("dark", "light", "high-contrast", "terminal")
"""The themes by the names people use, in the order in which a switch goes round."""
ABOUT = {
    "dark": "For long hours",
    "light": "For bright rooms",
    "high-contrast": "Everything in full strength",
    "terminal": "The terminal's own sixteen colours",
}
OWN_DEFAULTS = {"busy": _DARK.busy, "line": _DARK.line, "on-accent": _DARK.on_accent}
"""Tokens that Textual does not know."""
_PALETTES = dict(zip(NAMES, (_DARK, _LIGHT, _CONTRAST, _TERMINAL), strict=True))


def all_themes() -> tuple[Theme, ...]:
    """Every theme, ready to register."""
    return tuple(_theme(name, tokens) for name, tokens in _PALETTES.items())


def first_theme(depth: str | None, preferred: str | None) -> str:
    """The theme to begin with.

    Args:
        depth: how many colours the terminal has, as Rich says it: `truecolor`, `256`, `standard`, or None for none.
        preferred: what was chosen on this machine.

    Returns:
        The terminal's own colours where it has sixteen or none: others would be guessed at; else what is preferred.
    """
    if depth in ("standard", None):
        return "terminal"
    return preferred if preferred in NAMES else "dark"


def _theme(name: str, t: _Tokens) -> Theme:
    return Theme(
        name=name,
        primary=t.accent,
        secondary=t.accent,
        accent=t.accent,
        foreground=t.text,
        background=t.ground,
        surface=t.ground,
        panel=t.raised,
        boost=t.raised,
        success=t.good,
        warning=t.waiting,
        error=t.bad,
        dark=t.dark,
        ansi=t.ansi,
        variables=_variables(t),
    )


def _variables(t: _Tokens) -> dict[str, str]:
    return {
        "ansi-background": t.ground,
        "ansi-foreground": t.text,
        "text": t.text,
        "text-muted": t.muted,
        "text-disabled": t.muted,
        "text-accent": t.accent,
        "text-primary": t.accent,
        "text-success": t.good,
        "text-warning": t.waiting,
        "text-error": t.bad,
        "busy": t.busy,
        "line": t.line,
        "on-accent": t.on_accent,
        "accent-muted": t.cursor,
        "primary-muted": t.cursor,
        "border": t.accent,
        "border-blurred": t.line,
        "block-cursor-background": t.cursor,
        "block-cursor-foreground": t.on_cursor,
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": t.raised,
        "block-cursor-blurred-foreground": t.text,
        "block-cursor-blurred-text-style": "none",
        "block-hover-background": t.raised,
        "input-cursor-background": t.text,
        "input-cursor-foreground": t.ground,
        "input-cursor-text-style": "reverse" if t.ansi else "none",
        "input-selection-background": t.cursor,
        "input-selection-foreground": t.on_cursor,
        "screen-selection-background": t.cursor,
        "screen-selection-foreground": t.on_cursor,
        "scrollbar": t.line,
        "scrollbar-hover": t.accent,
        "scrollbar-active": t.accent,
        "scrollbar-background": t.ground,
        "scrollbar-background-hover": t.ground,
        "scrollbar-background-active": t.ground,
        "scrollbar-corner-color": t.ground,
        "link-color": t.accent,
        "link-background": t.ground,
        "link-color-hover": t.on_accent,
        "link-background-hover": t.accent,
        "footer-foreground": t.muted,
        "footer-background": t.raised,
        "footer-key-foreground": t.accent,
        "footer-key-background": t.raised,
        "footer-description-foreground": t.muted,
        "footer-description-background": t.raised,
        "button-foreground": t.text,
        "button-color-foreground": t.on_accent,
        "button-focus-text-style": "bold",
    }
