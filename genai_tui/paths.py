"""Paths as people type them."""

from __future__ import annotations

from pathlib import Path


def typed_path(text: str) -> Path:
    """The path that is meant: `~` and `~user` are homes, and stay as they are where there is no such home."""
    path = Path(text.strip())
    try:
        return path.expanduser()
    except RuntimeError:
        return path
