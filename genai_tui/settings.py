"""What a run works with: which cluster, which namespace, where state is kept. Arguments win over the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from genai_tui.domain.naming import SYSTEM_NAMESPACE


def _directory(variable: str, fallback: str) -> Path:
    """A directory of the XDG base directory specification; an empty or relative value is ignored, as it says."""
    text = os.environ.get(variable, "")
    base = Path(text) if text.startswith("/") else Path.home() / fallback
    return base / "genai-tui"


def state_directory() -> Path:
    """Where the ledger, drafts, preferences and the log are kept: $XDG_STATE_HOME/genai-tui."""
    return _directory("XDG_STATE_HOME", ".local/state")


def cache_directory() -> Path:
    """Where what can be fetched again is kept: $XDG_CACHE_HOME/genai-tui."""
    return _directory("XDG_CACHE_HOME", ".cache")


def _production() -> tuple[str, ...]:
    """$GENAI_TUI_PRODUCTION: names or shell patterns of contexts, with commas between."""
    return tuple(part.strip() for part in os.environ.get("GENAI_TUI_PRODUCTION", "").split(",") if part.strip())


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one run.

    `kubeconfig` and `context` None mean what kubectl would use ($KUBECONFIG or ~/.kube/config, current context,
    else the pod's own service account). `namespace` None means the context's own for commands that need one, and
    all namespaces for lists when `all_namespaces`. `reach` is the way to engines: auto, proxy or port-forward.
    `production` has the names, or shell patterns, of contexts in which each write asks for the context's name.
    """

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    all_namespaces: bool = False
    system_namespace: str = SYSTEM_NAMESPACE
    read_only: bool = False
    reach: str = field(default_factory=lambda: os.environ.get("GENAI_TUI_REACH", "") or "auto")
    production: tuple[str, ...] = field(default_factory=_production)
    state: Path = field(default_factory=state_directory)
    cache: Path = field(default_factory=cache_directory)
