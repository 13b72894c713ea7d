"""Three themes from the same tokens: dark, light and high contrast. The only place with colours."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="genai-dark",
    primary="#7aa2c9",
    secondary="#8d9bb0",
    accent="#5fb3b3",
    foreground="#d5dae2",
    background="#12151a",
    surface="#171b21",
    panel="#1e242c",
    boost="#232a33",
    success="#8fbf7f",
    warning="#d9b36c",
    error="#e07a72",
    dark=True,
    variables={"footer-key-foreground": "#5fb3b3", "footer-background": "#171b21", "scrollbar": "#2b343f"},
)
LIGHT = Theme(
    name="genai-light",
    primary="#2f5f8f",
    secondary="#5b6675",
    accent="#0d6f73",
    foreground="#1d2430",
    background="#f7f8fa",
    surface="#ffffff",
    panel="#e9edf2",
    boost="#eef2f6",
    success="#2d7030",
    warning="#8a5a00",
    error="#b3261e",
    dark=False,
    variables={"footer-key-foreground": "#0d6f73", "footer-background": "#e9edf2", "scrollbar": "#c5ccd6"},
)
CONTRAST = Theme(
    name="genai-contrast",
    primary="#ffffff",
    secondary="#e0e0e0",
    accent="#ffff00",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#1a1a1a",
    boost="#262626",
    success="#00ff5f",
    warning="#ffd700",
    error="#ff6b6b",
    dark=True,
    variables={"footer-key-foreground": "#ffff00", "footer-background": "#1a1a1a", "scrollbar": "#808080"},
)
THEMES = (DARK, LIGHT, CONTRAST)
